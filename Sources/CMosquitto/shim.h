// SPDX-License-Identifier: Apache-2.0
#ifndef CMOSQUITTO_SHIM_H
#define CMOSQUITTO_SHIM_H

#include <errno.h>
#include <fcntl.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

// errno is a macro.
static inline int CMosquitto_errno(void) { return errno; }
static inline void CMosquitto_clear_errno(void) { errno = 0; }

// 1 if the stream goes on, 0 if the peer ended it and all of it was read, -errno if the socket failed.
static inline int CMosquitto_probe(int socket) {
    char byte;
    ssize_t count = recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (count >= 0) return (int)count;
    return errno == EAGAIN || errno == EINTR ? 1 : -errno;
}

// Throws away what has arrived; the same answers.
static inline int CMosquitto_discard(int socket) {
    char bytes[4096];
    // Whoever sends without end must not keep us here.
    for (int part = 0; part < 256; part++) {
        ssize_t count = recv(socket, bytes, sizeof bytes, MSG_DONTWAIT);
        if (count == 0) return 0;
        if (count < 0) return errno == EAGAIN || errno == EINTR ? 1 : -errno;
    }
    return 1;
}

// Whether the socket takes bytes now (or has failed, which is reported as well).
static inline int CMosquitto_writable(int socket) {
    struct pollfd state = { socket, POLLOUT, 0 };
    return poll(&state, 1, 0) == 1;
}

// fcntl is variadic. The library does not ask for close-on-exec.
static inline void CMosquitto_close_on_exec(int socket) { fcntl(socket, F_SETFD, FD_CLOEXEC); }

// Whether the library will resolve this address without asking a name server.
static inline int CMosquitto_is_numeric(const char *address) {
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST }, *found = NULL;
    if (getaddrinfo(address, NULL, &hints, &found) != 0) return 0;
    freeaddrinfo(found);
    return 1;
}

enum { CMOSQUITTO_MAXIMUM_FILTERS = 16 };

// Subscribes with QoS 1 to so many filters, which end with a zero byte and stand one behind the other.
static inline int CMosquitto_subscribe(struct mosquitto *client, int *id, uint8_t *filters, int count) {
    char *starts[CMOSQUITTO_MAXIMUM_FILTERS];
    if (count > CMOSQUITTO_MAXIMUM_FILTERS) return MOSQ_ERR_INVAL;
    for (int i = 0; i < count; i++) {
        starts[i] = (char *)filters;
        filters += strlen(starts[i]) + 1;
    }
    return mosquitto_subscribe_multiple(client, id, count, starts, 1, 0, NULL);
}

#endif
