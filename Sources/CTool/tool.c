// SPDX-License-Identifier: Apache-2.0

#include "CTool.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static int count;
static char **arguments;

// glibc passes main's arguments to constructors; Embedded Swift has no CommandLine.
__attribute__((constructor)) static void start(int argc, char **argv) {
    count = argc;
    arguments = argv;
    // A dump of memory would have keys and tokens in it.
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
    // What is begun is ended, also if whoever reads the output has left.
    signal(SIGPIPE, SIG_IGN);
}

int CTool_argument_count(void) { return count; }

const char *CTool_argument(int index) { return arguments[index]; }

int CTool_write(int descriptor, const uint8_t *bytes, size_t count) {
    while (count > 0) {
        ssize_t n = write(descriptor, bytes, count);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        bytes += n;
        count -= (size_t)n;
    }
    return 0;
}

int64_t CTool_read_line(int descriptor, uint8_t *bytes, size_t capacity) {
    size_t count = 0;
    while (count < capacity) {
        // One by one: what follows the line is not ours.
        ssize_t n = read(descriptor, bytes + count, 1);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n == 0 || bytes[count] == '\n') break;
        count++;
    }
    return (int64_t)count;
}

static volatile sig_atomic_t ending;

static void end(int number) {
    (void)number;
    ending = 1;
}

void CTool_catch_end(void) {
    // Without SA_RESTART: whoever waits is woken.
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

bool CTool_is_ending(void) { return ending != 0; }

void CTool_exit(int status) { exit(status); }
