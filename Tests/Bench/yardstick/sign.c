// SPDX-License-Identifier: Apache-2.0
//
// What a signature costs without COSE. `sign KEY sign|verify COUNT BYTES` is ES256 with a P-256 key, and the contexts of
// hash and key are kept: EVP_DigestSign, also with a kept context, takes 5 % more instructions. `sign COMMANDS verify
// COUNT` verifies by Ed25519, which hashes the message itself, the commands that GateBench wrote, in turn: what one of them
// takes differs by some percent from what another takes. `sign BYTES digest COUNT` takes SHA-256 of as many bytes.

#define _GNU_SOURCE

#include "measure.h"
#include "tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

static unsigned char message[4096];

static EVP_MD_CTX *prepared_hash(void) {
    EVP_MD *sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    must(EVP_DigestInit_ex2(hash, sha256, NULL), "preparing the hash");
    EVP_MD_free(sha256);
    return hash;
}

static void hash_message(EVP_MD_CTX *hash, size_t size, unsigned char *digest) {
    must(EVP_DigestInit_ex2(hash, NULL, NULL), "beginning to hash");
    must(EVP_DigestUpdate(hash, message, size), "hashing");
    must(EVP_DigestFinal_ex(hash, digest, NULL), "ending to hash");
}

static void sha256(size_t size, int count) {
    EVP_MD_CTX *hash = prepared_hash();
    unsigned char digest[32];
    hash_message(hash, size, digest);
    measure_steps_begin();
    for (int round = 0; round < count; round++) hash_message(hash, size, digest);
    printf("steps %.6g\n", measure_steps_end() / count);
    EVP_MD_CTX_free(hash);
}

static void es256(EVP_PKEY *key, int signs, int count, size_t size) {
    unsigned char digest[32], signature[72];
    size_t length = 0;
    EVP_MD_CTX *hash = prepared_hash();
    EVP_PKEY_CTX *signer = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    EVP_PKEY_CTX *verifier = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    must(EVP_PKEY_sign_init(signer), "preparing to sign");
    must(EVP_PKEY_verify_init(verifier), "preparing to verify");

    // To verify, one signature is made first.
    for (int round = 0; round < (signs ? count : count + 1); round++) {
        hash_message(hash, size, digest);
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
}

// The file: the key, and for each command its signature, the number of bytes that it covers, and those.
static void ed25519(FILE *file, int count) {
    static unsigned char commands[1 << 20];
    size_t size = fread(commands, 1, sizeof commands, file), at = 32;
    must(size > at && size < sizeof commands, "reading the commands");
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, commands, at);
    EVP_MD_CTX *verifier = EVP_MD_CTX_new();
    must(EVP_DigestVerifyInit(verifier, NULL, NULL, NULL, key), "preparing to verify");
    double steps = 0;
    // The first one finds out what the processor can do.
    for (int round = -1; round < count; round++) {
        if (at == size) at = 32;
        must(size - at >= 66, "finding a signature");
        const unsigned char *signature = commands + at, *message = signature + 66;
        size_t length = (size_t)signature[64] << 8 | signature[65];
        must(size - at - 66 >= length, "finding what is signed");
        if (round >= 0) measure_steps_begin();
        int result = EVP_DigestVerifyInit(verifier, NULL, NULL, NULL, NULL)
            && EVP_DigestVerify(verifier, signature, 64, message, length);
        if (round >= 0) steps += measure_steps_end();
        must(result, "verifying");
        at += 66 + length;
    }
    printf("steps %.6g\n", steps / count);
    EVP_MD_CTX_free(verifier);
    EVP_PKEY_free(key);
}

int main(int argc, char **argv) {
    if (argc != 4 && argc != 5) die("sign KEY sign|verify COUNT BYTES, sign COMMANDS verify COUNT, sign BYTES digest COUNT:");
    int signs = strcmp(argv[2], "sign") == 0, count = atoi(argv[3]);
    if (strcmp(argv[2], "digest") == 0) {
        size_t size = (size_t)atoi(argv[1]);
        must(size <= sizeof message && count > 0, "reading BYTES and COUNT");
        sha256(size, count);
        return 0;
    }
    FILE *file = fopen(argv[1], "r");
    must(file != NULL, "opening the file");
    if (argc == 4) {
        ed25519(file, count);
    } else {
        EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
        size_t size = (size_t)atoi(argv[4]);
        if (!key || size > sizeof message) die("KEY, or BYTES beyond 4096:");
        memset(message, 'x', sizeof message);
        es256(key, signs, count, size);
        EVP_PKEY_free(key);
    }
    fclose(file);
    return 0;
}
