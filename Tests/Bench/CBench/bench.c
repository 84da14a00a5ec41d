// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE

#include "CBench.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int count;
static char **arguments;

// glibc passes main's arguments to constructors; Embedded Swift has no CommandLine.
__attribute__((constructor)) static void start(int argc, char **argv) {
    count = argc;
    arguments = argv;
}

const char *CBench_argument(int index) { return index + 1 < count ? arguments[index + 1] : NULL; }

int CBench_number(int index, const char *usage) {
    const char *text = CBench_argument(index);
    long number = text ? strtol(text, NULL, 10) : 0;
    if (number <= 0 || number > 100000000) CBench_fail(usage);
    return (int)number;
}

void CBench_result(const char *name, double value) { printf("%s %.6g\n", name, value); }

double CBench_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

void CBench_mark(int64_t number, double microseconds) { printf("%" PRId64 " %.1f\n", number, microseconds); }

void CBench_fail(const char *text) {
    fprintf(stderr, "%s\n", text);
    exit(1);
}

void CBench_append(const char *path, const uint8_t *bytes, int count) {
    FILE *file = fopen(path, "ab");
    if (!file || fwrite(bytes, 1, (size_t)count, file) != (size_t)count || fclose(file) != 0) CBench_fail(path);
}

void CBench_sleep(int microseconds) { usleep((useconds_t)microseconds); }

int CBench_wait(int socket, bool writing) {
    struct pollfd state = {.fd = socket, .events = writing ? POLLIN | POLLOUT : POLLIN};
    if (poll(&state, 1, 10000) <= 0) return 0;
    return (state.revents & ~POLLOUT ? CBENCH_READABLE : 0) | (state.revents & POLLOUT ? CBENCH_WRITABLE : 0);
}

__attribute__((weak)) extern void allocations_count(uint64_t *main_thread, uint64_t *other_threads);

bool CBench_allocations(uint64_t *main_thread, uint64_t *other_threads) {
    if (!allocations_count) return false;
    allocations_count(main_thread, other_threads);
    return true;
}
