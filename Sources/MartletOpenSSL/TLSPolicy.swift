// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// What every client connection is made with. Everything is set, because OpenSSL's own defaults come from a file that
/// an environment variable names.
enum TLSPolicy {
    /// No board before the Raspberry Pi 5 has AES instructions, so ChaCha20 is offered first.
    private static let cipherSuites13: StaticString =
        "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"
    private static let cipherSuites12: StaticString = """
        ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:\
        ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384
        """
    private static let groups: StaticString = "X25519:P-256:P-384"
    private static let signatures: StaticString = """
        ECDSA+SHA256:ed25519:ECDSA+SHA384:ECDSA+SHA512:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:\
        rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512
        """

    static func apply(to context: OpaquePointer) throws(OpenSSLError) {
        SSL_CTX_clear_options(context, .max)
        SSL_CTX_set_options(context, COpenSSL_client_options)
        SSL_CTX_set_security_level(context, 2)
        try check(COpenSSL_set_min_proto_version(context, TLS1_2_VERSION))
        try check(COpenSSL_set_max_proto_version(context, TLS1_3_VERSION))
        try check(SSL_CTX_set_ciphersuites(context, cipherSuites13.cString))
        try check(SSL_CTX_set_cipher_list(context, cipherSuites12.cString))
        try check(COpenSSL_set1_groups_list(context, groups.cString))
        try check(COpenSSL_set1_sigalgs_list(context, signatures.cString))
        // The trust anchors are not for building our own chain. Buffers of an idle connection are given back.
        COpenSSL_set_mode(context, Int(SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY))
        COpenSSL_set_session_cache_mode(context, Int(SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL))
    }

    /// Trusts `anchors` and nothing else, and only for `name`.
    static func trust(_ anchors: [Certificate], for name: HostName, _ context: OpaquePointer) throws(OpenSSLError) {
        guard !anchors.isEmpty else { throw .noAnchor }
        guard let store = X509_STORE_new() else { throw cleared(.failed) }
        // The context owns the store from here on.
        SSL_CTX_set_cert_store(context, store)
        for anchor in anchors { try check(X509_STORE_add_cert(store, anchor.handle.pointer)) }

        let parameters = SSL_CTX_get0_param(context)
        try ChainRules(time: 0, purpose: .server).apply(to: parameters)
        SSL_CTX_set_verify_depth(context, ChainRules.maximumDepth)
        // Only the subject alternative name counts (RFC 9525 §6.3); a wildcard is a whole label.
        X509_VERIFY_PARAM_set_hostflags(
            parameters, UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        switch name {
        case .dns(let bytes):
            try check(
                bytes.withUnsafeBytes { bytes in
                    X509_VERIFY_PARAM_set1_host(
                        parameters, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
                }, else: .invalidName)
        case .address(let bytes):
            try check(
                (bytes + [0]).withUnsafeBytes { bytes in
                    X509_VERIFY_PARAM_set1_ip_asc(parameters, bytes.baseAddress?.assumingMemoryBound(to: CChar.self))
                }, else: .invalidName)
        }
    }

    /// Presents `chain`, leaf first, when the server asks for a certificate.
    static func identify(
        by chain: [Certificate], _ key: PrivateKey?, _ context: OpaquePointer
    ) throws(OpenSSLError) {
        guard let leaf = chain.first, let key else {
            guard chain.isEmpty, key == nil else { throw .keyMismatch }
            return
        }
        try check(SSL_CTX_use_certificate(context, leaf.handle.pointer))
        try check(SSL_CTX_use_PrivateKey(context, key.key.pointer), else: .keyMismatch)
        try check(SSL_CTX_check_private_key(context), else: .keyMismatch)
        for certificate in chain.dropFirst() {
            try check(COpenSSL_add1_chain_cert(context, certificate.handle.pointer))
        }
    }
}
