// SPDX-License-Identifier: Apache-2.0
//
// The least that a C program does which reports by signed messages: `agent DIRECTORY PORT`. It connects by mutual TLS
// and publishes readings of this machine as JSON with an ES256 signature, the first at once, then one each second,
// until SIGTERM.

#define _GNU_SOURCE

#include "tls.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>

static volatile sig_atomic_t stopping;
static int connected;

static void stop(int signal) {
    (void)signal;
    stopping = 1;
}

static void on_connect(struct mosquitto *client, void *context, int code, int flags, const mosquitto_property *p) {
    (void)client, (void)context, (void)flags, (void)p;
    if (code != 0) die("CONNECT");
    connected = 1;
}

static void drive(struct mosquitto *client, int milliseconds) {
    struct pollfd socket = {.fd = mosquitto_socket(client), .events = POLLIN};
    if (mosquitto_want_write(client)) socket.events |= POLLOUT;
    if (poll(&socket, 1, milliseconds) < 0) return;
    if (socket.revents & ~POLLOUT) must(mosquitto_loop_read(client, 1) == MOSQ_ERR_SUCCESS, "reading");
    if (socket.revents & POLLOUT) must(mosquitto_loop_write(client, 1) == MOSQ_ERR_SUCCESS, "writing");
    must(mosquitto_loop_misc(client) == MOSQ_ERR_SUCCESS, "keeping alive");
}

/// JSON, a line feed, and the signature in DER.
static int signed_readings(unsigned char *message, size_t capacity, EVP_MD_CTX *signer, EVP_PKEY *key) {
    struct sysinfo system;
    sysinfo(&system);
    int size = snprintf(
        (char *)message, capacity,
        "[{\"bn\":\"urn:dev:mac:0024befffe804ff1:\",\"bt\":%lld,\"n\":\"uptime\",\"u\":\"s\",\"v\":%ld},"
        "{\"n\":\"load/1min\",\"v\":%.2f},{\"n\":\"load/5min\",\"v\":%.2f},"
        "{\"n\":\"memory/available\",\"u\":\"B\",\"v\":%lu},{\"n\":\"memory/size\",\"u\":\"B\",\"v\":%lu}]\n",
        (long long)time(NULL), system.uptime, (double)system.loads[0] / 65536, (double)system.loads[1] / 65536,
        system.freeram * system.mem_unit, system.totalram * system.mem_unit);
    size_t length = capacity - (size_t)size;
    must(EVP_DigestSignInit(signer, NULL, EVP_sha256(), NULL, key), "beginning to sign");
    must(EVP_DigestSign(signer, message + size, &length, message, (size_t)size), "signing");
    EVP_MD_CTX_reset(signer);
    return size + (int)length;
}

int main(int argc, char **argv) {
    if (argc != 3) die("agent DIRECTORY PORT:");
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    SSL_CTX *context = tls_context(argv[1]);
    FILE *file = fopen(in(argv[1], "pump-7.key"), "r");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    EVP_MD_CTX *signer = EVP_MD_CTX_new();
    if (!key || !signer) die("reading the key");
    fclose(file);
    mosquitto_lib_init();
    struct mosquitto *client = mosquitto_new("pump-7", true, NULL);
    if (!client) die("mosquitto_new");
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_int_option(client, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
    mosquitto_void_option(client, MOSQ_OPT_SSL_CTX, context);
    mosquitto_connect_v5_callback_set(client, on_connect);
    must(mosquitto_connect(client, "localhost", atoi(argv[2]), 60) == MOSQ_ERR_SUCCESS, "connecting");
    while (!connected && !stopping) drive(client, 10000);

    unsigned char message[1024];
    struct timespec last = {0}, now;
    while (!stopping) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        long passed = (now.tv_sec - last.tv_sec) * 1000 + (now.tv_nsec - last.tv_nsec) / 1000000;
        if (passed >= 1000) {
            last = now;
            passed = 0;
            int size = signed_readings(message, sizeof message, signer, key);
            must(mosquitto_publish_v5(
                     client, NULL, "martlet/v1/pump-7/telemetry", size, message, 1, false, NULL)
                     == MOSQ_ERR_SUCCESS, "publishing");
        }
        drive(client, (int)(1000 - passed));
    }
    mosquitto_disconnect(client);
    mosquitto_destroy(client);
    EVP_MD_CTX_free(signer);
    EVP_PKEY_free(key);
    SSL_CTX_free(context);
    return 0;
}
