// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// One entry of a subject alternative name (RFC 5280 §4.2.1.6).
enum AlternativeName {
    case dns(String)
    /// An IPv4 or IPv6 address in text form.
    case address(String)
    case uri(String)
}

/// Reads and writes the names of certificates and requests.
enum Names {
    /// The common name, if there is exactly one and it is UTF-8 without NUL.
    static func commonName(of name: OpaquePointer?) -> [UInt8]? {
        let index = X509_NAME_get_index_by_NID(name, NID_commonName, -1)
        guard index >= 0, X509_NAME_get_index_by_NID(name, NID_commonName, index) < 0,
            let value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)),
            // The string types whose bytes are UTF-8; the others are obsolete (RFC 5280 §4.1.2.4).
            [V_ASN1_UTF8STRING, V_ASN1_PRINTABLESTRING, V_ASN1_IA5STRING].contains(ASN1_STRING_type(value))
        else { return nil }
        let bytes = content(of: value)
        guard !bytes.isEmpty, !bytes.contains(0), (try? UTF8Span(validating: bytes.span)) != nil else { return nil }
        return bytes
    }

    /// The URIs of a `GENERAL_NAMES`, in their order. One that is not printable ASCII is left out.
    static func uris(in names: OpaquePointer?) -> [[UInt8]] {
        var uris: [[UInt8]] = []
        for index in 0..<max(OPENSSL_sk_num(names), 0) {
            var type: Int32 = 0
            let name = OPENSSL_sk_value(names, index)?.assumingMemoryBound(to: GENERAL_NAME.self)
            guard let value = GENERAL_NAME_get0_value(name, &type), type == GEN_URI else { continue }
            let bytes = content(of: value.assumingMemoryBound(to: ASN1_STRING.self))
            if !bytes.isEmpty, bytes.allSatisfy({ (0x21...0x7E).contains($0) }) { uris.append(bytes) }
        }
        return uris
    }

    /// Gives `name` a common name of 1 to 64 bytes (RFC 5280 appendix A.1, ub-common-name).
    static func setCommonName(_ commonName: String, of name: OpaquePointer?) throws(OpenSSLError) {
        let bytes = commonName.bytes
        guard (1...64).contains(bytes.count), !bytes.contains(0) else { throw .invalidName }
        try check(
            X509_NAME_add_entry_by_NID(
                name, NID_commonName, V_ASN1_UTF8STRING, bytes, Int32(bytes.count), -1, 0), else: .invalidName)
    }

    /// A `GENERAL_NAMES` with `names` in their order.
    static func general(_ names: [AlternativeName]) throws(OpenSSLError) -> Handle {
        let list = try Handle(OPENSSL_sk_new_null(), GENERAL_NAMES_free)
        for name in names {
            guard let entry = GENERAL_NAME_new() else { throw cleared(.failed) }
            guard OPENSSL_sk_push(list.pointer, entry) > 0 else {
                GENERAL_NAME_free(entry)
                throw cleared(.failed)
            }
            switch name {
            case .dns(let text):
                guard HostName.isDNSName(text.bytes, wildcard: true) else { throw .invalidName }
                try set(text, GEN_DNS, entry)
            case .uri(let text):
                guard !text.isEmpty, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { throw .invalidName }
                try set(text, GEN_URI, entry)
            case .address(let text):
                guard let value = a2i_IPADDRESS(text) else { throw cleared(.invalidName) }
                GENERAL_NAME_set0_value(entry, GEN_IPADD, value)
            }
        }
        return list
    }

    private static func set(
        _ text: String, _ type: Int32, _ entry: UnsafeMutablePointer<GENERAL_NAME>
    ) throws(OpenSSLError) {
        let bytes = text.bytes
        guard let value = ASN1_STRING_type_new(V_ASN1_IA5STRING) else { throw cleared(.failed) }
        guard ASN1_STRING_set(value, bytes, Int32(bytes.count)) == 1 else {
            ASN1_STRING_free(value)
            throw cleared(.failed)
        }
        GENERAL_NAME_set0_value(entry, type, value)
    }

    private static func content(of string: UnsafePointer<ASN1_STRING>) -> [UInt8] {
        [UInt8](UnsafeBufferPointer(start: ASN1_STRING_get0_data(string), count: Int(ASN1_STRING_length(string))))
    }
}
