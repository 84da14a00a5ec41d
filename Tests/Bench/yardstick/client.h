// SPDX-License-Identifier: Apache-2.0
//
// A client of libmosquitto on one thread, which polls the socket: what it hears, and one turn of it.

#ifndef YARDSTICK_CLIENT_H
#define YARDSTICK_CLIENT_H

#include "tls.h"

#include <mosquitto.h>
#include <poll.h>

static int connected, acknowledged;

static void on_connect(struct mosquitto *client, void *context, int code, int flags, const mosquitto_property *p) {
    (void)client, (void)context, (void)flags, (void)p;
    if (code != 0) die("CONNECT");
    connected = 1;
}

static void on_publish(struct mosquitto *client, void *context, int id, int code, const mosquitto_property *p) {
    (void)client, (void)context, (void)id, (void)code, (void)p;
    acknowledged++;
}

static void drive(struct mosquitto *client) {
    struct pollfd socket = {.fd = mosquitto_socket(client), .events = POLLIN};
    if (mosquitto_want_write(client)) socket.events |= POLLOUT;
    if (poll(&socket, 1, 10000) <= 0) die("poll");
    if (socket.revents & ~POLLOUT) must(mosquitto_loop_read(client, 1) == MOSQ_ERR_SUCCESS, "reading");
    if (socket.revents & POLLOUT) must(mosquitto_loop_write(client, 1) == MOSQ_ERR_SUCCESS, "writing");
}

#endif
