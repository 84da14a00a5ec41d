// SPDX-License-Identifier: Apache-2.0
//
// What it costs to sign and send without Martlet: `path DIRECTORY PORT KEY COUNT WINDOW SIGNED SIZE` signs SIGNED bytes
// with KEY for each of COUNT messages of SIZE bytes, and publishes them with QoS 1 by libmosquitto over mutual TLS, at
// most WINDOW of them unacknowledged. ES256 with contexts that are kept, as in sign.c. One thread, which polls the socket.

#define _GNU_SOURCE

#include "client.h"
#include "measure.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <poll.h>
#include <string.h>

#define WARM_UP 1000

static unsigned char message[4096];
static size_t covered;
static EVP_MD *sha256;
static EVP_MD_CTX *hash;
static EVP_PKEY_CTX *signer;
static EVP_MD_CTX *direct;

static void prepare(const char *path) {
    FILE *file = fopen(path, "r");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    if (!key) die("reading the key");
    fclose(file);
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) {
        direct = EVP_MD_CTX_new();
        must(EVP_DigestSignInit(direct, NULL, NULL, NULL, key), "preparing to sign");
    } else {
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
        hash = EVP_MD_CTX_new();
        must(EVP_DigestInit_ex2(hash, sha256, NULL), "preparing the hash");
        signer = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
        must(EVP_PKEY_sign_init(signer), "preparing to sign");
    }
}

/// Puts the signature at the begin of the message.
static void sign(int number) {
    unsigned char digest[32], signature[72];
    size_t length = sizeof signature;
    memcpy(message + 128, &number, sizeof number);
    if (direct) {
        must(EVP_DigestSignInit(direct, NULL, NULL, NULL, NULL), "beginning to sign");
        must(EVP_DigestSign(direct, signature, &length, message + 72, covered), "signing");
    } else {
        must(EVP_DigestInit_ex2(hash, NULL, NULL), "beginning to hash");
        must(EVP_DigestUpdate(hash, message + 72, covered), "hashing");
        must(EVP_DigestFinal_ex(hash, digest, NULL), "ending to hash");
        must(EVP_PKEY_sign(signer, signature, &length, digest, sizeof digest), "signing");
    }
    memcpy(message, signature, length);
}

static void publish(struct mosquitto *client, int count, int window, int size) {
    acknowledged = 0;
    for (int sent = 0; acknowledged < count;) {
        for (; sent < count && sent - acknowledged < window; sent++) {
            sign(sent);
            must(mosquitto_publish_v5(client, NULL, "martlet/v1/pump-7/telemetry", size, message, 1, false, NULL)
                     == MOSQ_ERR_SUCCESS, "publishing");
        }
        drive(client);
    }
}

int main(int argc, char **argv) {
    if (argc != 8) die("path DIRECTORY PORT KEY COUNT WINDOW SIGNED SIZE:");
    int count = atoi(argv[4]), window = atoi(argv[5]), size = atoi(argv[7]);
    covered = (size_t)atoi(argv[6]);
    if (covered > 2048 || size <= 0 || size > (int)sizeof message) die("SIGNED beyond 2048 or SIZE beyond 4096:");
    memset(message, 'x', sizeof message);
    prepare(argv[3]);
    SSL_CTX *context = tls_context(argv[1]);
    mosquitto_lib_init();
    struct mosquitto *client = mosquitto_new("pump-7", true, NULL);
    if (!client) die("mosquitto_new");
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_int_option(client, MOSQ_OPT_SEND_MAXIMUM, window);
    mosquitto_int_option(client, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
    mosquitto_void_option(client, MOSQ_OPT_SSL_CTX, context);
    mosquitto_connect_v5_callback_set(client, on_connect);
    mosquitto_publish_v5_callback_set(client, on_publish);
    must(mosquitto_connect(client, "localhost", atoi(argv[2]), 60) == MOSQ_ERR_SUCCESS, "connecting");
    while (!connected) drive(client);

    publish(client, WARM_UP, window, size);
    struct measure begin = measure_now();
    publish(client, count, window, size);
    measure_print(begin, count);
    mosquitto_disconnect(client);
    mosquitto_destroy(client);
    SSL_CTX_free(context);
    return 0;
}
