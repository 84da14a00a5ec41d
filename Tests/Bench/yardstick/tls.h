// SPDX-License-Identifier: Apache-2.0
//
// The TLS context of the yardsticks: the policy of Martlet's clients, set as C would set it.

#ifndef YARDSTICK_TLS_H
#define YARDSTICK_TLS_H

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn static inline void die(const char *what) {
    fprintf(stderr, "%s failed\n", what);
    exit(1);
}

static inline void must(int ok, const char *what) {
    if (ok != 1) die(what);
}

/// "DIRECTORY/NAME", valid until the next call.
static inline const char *in(const char *directory, const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

/// For the server `localhost`, with the certificates of `directory`.
static inline SSL_CTX *tls_context(const char *directory) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context) die("SSL_CTX_new");
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_security_level(context, 2);
    must((int)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION), "TLS 1.2");
    must(SSL_CTX_set_ciphersuites(
             context, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"), "TLS 1.3 suites");
    must(SSL_CTX_set_cipher_list(
             context, "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:"
                      "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"),
         "TLS 1.2 suites");
    must((int)SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384"), "groups");
    must((int)SSL_CTX_set1_sigalgs_list(
             context, "ECDSA+SHA256:ed25519:ECDSA+SHA384:ECDSA+SHA512:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:"
                      "rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512"), "signature algorithms");
    SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    must(SSL_CTX_load_verify_locations(context, in(directory, "ca.pem"), NULL), "ca.pem");
    must(SSL_CTX_use_certificate_chain_file(context, in(directory, "pump-7.pem")), "pump-7.pem");
    must(SSL_CTX_use_PrivateKey_file(context, in(directory, "pump-7.key"), SSL_FILETYPE_PEM), "pump-7.key");
    must(X509_VERIFY_PARAM_set1_host(SSL_CTX_get0_param(context), "localhost", 0), "host name");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return context;
}

#endif
