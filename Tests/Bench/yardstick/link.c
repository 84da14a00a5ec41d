// SPDX-License-Identifier: Apache-2.0
//
// What a link costs without Martlet: `link DIRECTORY PORT COUNT WINDOW` publishes COUNT messages of QoS 1 by
// libmosquitto over mutual TLS, with at most WINDOW of them unacknowledged. One thread, which polls the socket.

#define _GNU_SOURCE

#include "client.h"
#include "measure.h"

#include <errno.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <poll.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc != 5) die("link DIRECTORY PORT COUNT WINDOW:");
    int count = atoi(argv[3]), window = atoi(argv[4]);
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

    char payload[300];
    memset(payload, 'x', sizeof payload);
    struct measure begin = measure_now();
    for (int sent = 0; acknowledged < count;) {
        for (; sent < count && sent - acknowledged < window; sent++) {
            must(mosquitto_publish_v5(
                     client, NULL, "martlet/v1/pump-7/telemetry", sizeof payload, payload, 1, false, NULL)
                     == MOSQ_ERR_SUCCESS, "publishing");
        }
        drive(client);
    }
    measure_print(begin, count);
    mosquitto_disconnect(client);
    mosquitto_destroy(client);
    SSL_CTX_free(context);
    return 0;
}
