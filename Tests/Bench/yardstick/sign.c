// SPDX-License-Identifier: Apache-2.0
//
// What a signature costs without COSE: `sign KEY sign|verify COUNT BYTES`. With a P-256 key it is ES256, and the
// contexts of hash and key are kept: EVP_DigestSign, also with a kept context, takes 5 % more instructions. With an
// Ed25519 key, whose signature hashes the message itself, it is EVP_DigestVerify; that only verifies. What it takes to
// verify one signature of Ed25519 differs by some percent from that of another, so many of them are verified in turn.

#define _GNU_SOURCE

#include "tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

static unsigned char message[4096];

static void es256(EVP_PKEY *key, int signs, int count, size_t size) {
    unsigned char digest[32], signature[72];
    size_t length = 0;
    EVP_MD *sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    must(EVP_DigestInit_ex2(hash, sha256, NULL), "preparing the hash");
    EVP_PKEY_CTX *signer = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    EVP_PKEY_CTX *verifier = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    must(EVP_PKEY_sign_init(signer), "preparing to sign");
    must(EVP_PKEY_verify_init(verifier), "preparing to verify");

    // To verify, one signature is made first.
    for (int round = 0; round < (signs ? count : count + 1); round++) {
        must(EVP_DigestInit_ex2(hash, NULL, NULL), "beginning to hash");
        must(EVP_DigestUpdate(hash, message, size), "hashing");
        must(EVP_DigestFinal_ex(hash, digest, NULL), "ending to hash");
        if (signs || round == 0) {
            length = sizeof signature;
            must(EVP_PKEY_sign(signer, signature, &length, digest, sizeof digest), "signing");
        } else {
            must(EVP_PKEY_verify(verifier, signature, length, digest, sizeof digest), "verifying");
        }
    }
    EVP_PKEY_CTX_free(signer);
    EVP_PKEY_CTX_free(verifier);
    EVP_MD_CTX_free(hash);
    EVP_MD_free(sha256);
}

#define SIGNATURES 64

static void ed25519(EVP_PKEY *key, int count, size_t size) {
    static unsigned char signatures[SIGNATURES][64];
    EVP_MD_CTX *signer = EVP_MD_CTX_new(), *verifier = EVP_MD_CTX_new();
    must(EVP_DigestSignInit(signer, NULL, NULL, NULL, key), "preparing to sign");
    must(EVP_DigestVerifyInit(verifier, NULL, NULL, NULL, key), "preparing to verify");
    for (int round = 0; round < SIGNATURES; round++) {
        size_t length = sizeof signatures[round];
        message[0] = (unsigned char)round;
        must(EVP_DigestSign(signer, signatures[round], &length, message, size), "signing");
    }
    for (int round = 0; round < count; round++) {
        message[0] = (unsigned char)(round % SIGNATURES);
        must(EVP_DigestVerify(verifier, signatures[round % SIGNATURES], 64, message, size), "verifying");
    }
    EVP_MD_CTX_free(signer);
    EVP_MD_CTX_free(verifier);
}

int main(int argc, char **argv) {
    if (argc != 5) die("sign KEY sign|verify COUNT BYTES:");
    FILE *file = fopen(argv[1], "r");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    if (!key) die("reading the key");
    fclose(file);
    int signs = strcmp(argv[2], "sign") == 0, count = atoi(argv[3]);
    size_t size = (size_t)atoi(argv[4]);
    if (size > sizeof message) die("BYTES beyond 4096:");
    memset(message, 'x', sizeof message);
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) {
        es256(key, signs, count, size);
    } else {
        if (signs) die("signing with this key:");
        ed25519(key, count, size);
    }
    EVP_PKEY_free(key);
    return 0;
}
