// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Verifies certificate chains that come in a message instead of a TLS handshake.
public enum CertificateChain {
    /// Throws why `leaf` is not to be trusted at `time`, in seconds since 1970.
    ///
    /// Each issuer is looked for in `anchors` first, then in `intermediates`, whose order does not matter. The chain
    /// may have at most six certificates between leaf and anchor, keys of at least P-256 or RSA-2048, and no SHA-1.
    public static func verify(
        _ leaf: Certificate, intermediates: [Certificate] = [], anchors: [Certificate], at time: Int64,
        purpose: CertificatePurpose
    ) throws(CertificateFailure) {
        _ = try path(from: leaf, intermediates, anchors, ChainRules(time: time, purpose: purpose))
    }

    /// The chain that proves `leaf`, which is its first element; without the anchor. Throws why there is none.
    static func path(
        from leaf: Certificate, _ intermediates: [Certificate], _ anchors: [Certificate], _ rules: ChainRules
    ) throws(CertificateFailure) -> [Certificate] {
        var rules = rules
        do throws(OpenSSLError) { return try run(leaf, intermediates, anchors, &rules) } catch {
            throw rules.failure ?? .other(X509_V_ERR_UNSPECIFIED)
        }
    }

    private static func run(
        _ leaf: Certificate, _ intermediates: [Certificate], _ anchors: [Certificate], _ rules: inout ChainRules
    ) throws(OpenSSLError) -> [Certificate] {
        let store = try Handle(X509_STORE_new(), X509_STORE_free)
        for anchor in anchors { try check(X509_STORE_add_cert(store.pointer, anchor.handle.pointer)) }
        // The certificates stay owned by the array.
        let untrusted = try Handle(OPENSSL_sk_new_null(), OPENSSL_sk_free)
        for certificate in intermediates {
            guard OPENSSL_sk_push(untrusted.pointer, UnsafeRawPointer(certificate.handle.pointer)) > 0 else {
                throw cleared(.failed)
            }
        }
        let context = try Handle(X509_STORE_CTX_new(), X509_STORE_CTX_free)
        try check(X509_STORE_CTX_init(context.pointer, store.pointer, leaf.handle.pointer, untrusted.pointer))
        try rules.apply(to: X509_STORE_CTX_get0_param(context.pointer))
        X509_STORE_CTX_set_verify_cb(context.pointer, acceptsCertificate)
        let result = withUnsafeMutablePointer(to: &rules) { rules in
            X509_STORE_CTX_set_ex_data(context.pointer, 0, rules) == 1 ? X509_verify_cert(context.pointer) : -1
        }
        try check(result)
        // The last is the anchor; the first is the leaf, also where that is an anchor itself.
        let chain = X509_STORE_CTX_get0_chain(context.pointer)
        var path = [leaf]
        for index in 1..<max(1, OPENSSL_sk_num(chain) - 1) {
            let certificate = OpaquePointer(OPENSSL_sk_value(chain, index))
            try check(X509_up_ref(certificate))
            path.append(try Certificate(Handle(certificate, X509_free)))
        }
        return path
    }
}

/// OpenSSL's verify callback; index 0 of the context's data is the application's.
private func acceptsCertificate(_ ok: Int32, _ store: OpaquePointer?) -> Int32 {
    guard let store, let rules = X509_STORE_CTX_get_ex_data(store, 0) else { return 0 }
    return rules.assumingMemoryBound(to: ChainRules.self).pointee.accepts(ok == 1, store) ? 1 : 0
}
