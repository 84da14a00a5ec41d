// SPDX-License-Identifier: Apache-2.0
#ifndef COPENSSL_SHIM_H
#define COPENSSL_SHIM_H

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

// Swift cannot see function-like macros; each of these is one.

static inline int COpenSSL_set_min_proto_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_min_proto_version(context, version);
}

static inline int COpenSSL_set_max_proto_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_max_proto_version(context, version);
}

static inline int COpenSSL_set1_groups_list(SSL_CTX *context, const char *groups) {
    return (int)SSL_CTX_set1_groups_list(context, (char *)groups);
}

static inline int COpenSSL_set1_sigalgs_list(SSL_CTX *context, const char *algorithms) {
    return (int)SSL_CTX_set1_sigalgs_list(context, (char *)algorithms);
}

static inline int COpenSSL_add1_chain_cert(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}

static inline int COpenSSL_set1_verify_cert_store(SSL_CTX *context, X509_STORE *store) {
    return (int)SSL_CTX_set1_verify_cert_store(context, store);
}

// The list of certificates has no type in Swift.
static inline int COpenSSL_set1_chain(SSL_CTX *context, SSL_CTX *other) {
    STACK_OF(X509) *chain = NULL;
    return SSL_CTX_get0_chain_certs(other, &chain) == 1 ? (int)SSL_CTX_set1_chain(context, chain) : 0;
}

static inline void COpenSSL_set_mode(SSL_CTX *context, long mode) {
    (void)SSL_CTX_set_mode(context, mode);
}

static inline void COpenSSL_set_session_cache_mode(SSL_CTX *context, long mode) {
    (void)SSL_CTX_set_session_cache_mode(context, mode);
}

static inline int COpenSSL_set_tlsext_host_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, (char *)name);
}

static inline int COpenSSL_get_extms_support(SSL *ssl) {
    return (int)SSL_get_extms_support(ssl);
}

static inline long COpenSSL_get_mem_data(BIO *bio, char **bytes) {
    return BIO_get_mem_data(bio, bytes);
}

static inline void COpenSSL_raise(int reason) {
    ERR_raise(ERR_LIB_SSL, reason);
}

static inline void COpenSSL_secure_clear_free(void *bytes, size_t count) {
    OPENSSL_secure_clear_free(bytes, count);
}

/// Days and seconds since 1970, not `time_t`: on 32-bit ARM that of Debian 12's OpenSSL has 4 bytes, of Debian 13's 8.
static inline int COpenSSL_set_time(ASN1_TIME *time, int days, long seconds) {
    struct tm fields = {.tm_year = 70, .tm_mday = 1};
    char text[] = "YYYYMMDDHHMMSSZ";
    return OPENSSL_gmtime_adj(&fields, days, seconds) == 1
        && strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &fields) > 0 && ASN1_TIME_set_string_X509(time, text) == 1;
}

// Constants whose definition is an expression of macros are not imported.

static const int COpenSSL_public_key_selection = EVP_PKEY_PUBLIC_KEY;
static const uint64_t COpenSSL_client_options =
    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_ENABLE_MIDDLEBOX_COMPAT;

#endif
