// SPDX-License-Identifier: Apache-2.0

import COpenSSL

extension TLSContext {
    /// Gives another library's connection this policy, instead of whatever the library thought of: `other` is the
    /// `SSL_CTX *` that it made for that connection alone.
    ///
    /// `isRegistrar`: the server's certificate must also say that it is a registrar's (id-kp-cmcRA, RFC 6402 §2.10),
    /// because anybody may have proposed the name.
    ///
    /// What the library adds to the context's own store later, as libcurl does with the system's authorities, does not
    /// count: the anchors are in a store that takes its place.
    public func configure(_ other: UnsafeMutableRawPointer, isRegistrar: Bool = false) throws(OpenSSLError) {
        let (own, other) = (OpaquePointer(handle), OpaquePointer(other))
        try TLSPolicy.apply(to: other)
        // libcurl writes the keys of connections to the file that an environment variable names.
        SSL_CTX_set_keylog_callback(other, nil)
        try check(COpenSSL_set1_verify_cert_store(other, SSL_CTX_get_cert_store(own)))
        try check(SSL_CTX_set1_param(other, SSL_CTX_get0_param(own)))
        if let certificate = SSL_CTX_get0_certificate(own) {
            try check(SSL_CTX_use_certificate(other, certificate))
            try check(SSL_CTX_use_PrivateKey(other, SSL_CTX_get0_privatekey(own)))
            try check(COpenSSL_set1_chain(other, own))
        }
        try attach(to: other)
        if isRegistrar { TLSConnection.requireRegistrar(other) }
    }
}
