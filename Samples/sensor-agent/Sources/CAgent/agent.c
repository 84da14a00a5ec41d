// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#define _TIME_BITS 64

#include "CAgent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

static int count;
static char **arguments;

// glibc passes main's arguments to constructors; Embedded Swift has no CommandLine.
__attribute__((constructor)) static void start(int argc, char **argv) {
    count = argc;
    arguments = argv;
    // A dump of memory would have the device's key in it.
    static struct rlimit none;
    setrlimit(RLIMIT_CORE, &none);
}

int CAgent_argument_count(void) { return count; }

const char *CAgent_argument(int index) { return arguments[index]; }

int CAgent_event(void) {
    int descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

void CAgent_event_signal(int descriptor) {
    uint64_t one = 1;
    // The only failure is a full counter, which is already a signal.
    ssize_t ignored = write(descriptor, &one, sizeof one);
    (void)ignored;
}

void CAgent_event_clear(int descriptor) {
    uint64_t value;
    ssize_t ignored = read(descriptor, &value, sizeof value);
    (void)ignored;
}

void CAgent_exit(int status) { exit(status); }

int64_t CAgent_read(const char *path, uint8_t *bytes, size_t capacity) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0) return -errno;
    size_t used = 0;
    int64_t result = 0;
    while (used < capacity) {
        ssize_t n = read(descriptor, bytes + used, capacity - used);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) result = -errno;
        if (n <= 0) break;
        used += (size_t)n;
    }
    close(descriptor);
    return result < 0 ? result : (int64_t)used;
}

int64_t CAgent_list(const char *path, uint8_t *names, size_t capacity) {
    DIR *directory = opendir(path);
    if (!directory) return -errno;
    size_t used = 0;
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        size_t length = strlen(entry->d_name) + 1;
        if (entry->d_name[0] == '.') continue;
        if (length > capacity - used) break;
        memcpy(names + used, entry->d_name, length);
        used += length;
    }
    closedir(directory);
    return (int64_t)used;
}

int CAgent_disk(const char *path, uint64_t *size, uint64_t *available) {
    struct statvfs disk;
    if (statvfs(path, &disk) != 0) return -errno;
    *size = (uint64_t)disk.f_blocks * disk.f_frsize;
    *available = (uint64_t)disk.f_bavail * disk.f_frsize;
    return 0;
}

int CAgent_write(int descriptor, const uint8_t *bytes, size_t length) {
    while (length > 0) {
        ssize_t n = write(descriptor, bytes, length);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        bytes += n;
        length -= (size_t)n;
    }
    return 0;
}

int CAgent_format(const double *value, char *text, size_t capacity) {
    int length = snprintf(text, capacity, "%.15g", *value);
    if (strtod(text, NULL) != *value) length = snprintf(text, capacity, "%.17g", *value);
    return length < (int)capacity ? length : (int)capacity - 1;
}

const char *CAgent_error_text(int code) {
    const char *text = strerrordesc_np(code);
    return text ? text : "unknown error";
}

int64_t CAgent_boottime_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// A signal becomes a byte in this pipe, so that poll sees it whichever thread took it and whenever it came.
static int stop_pipe[2] = {-1, -1};

static void stop(int signal) {
    (void)signal;
    int saved = errno;
    ssize_t ignored = write(stop_pipe[1], "", 1);
    (void)ignored;
    errno = saved;
}

static void trapped(int signal) {
    static const char text[] = "sensor-agent: fatal: a check inside the program failed; please report this\n";
    ssize_t ignored = write(2, text, sizeof text - 1);
    (void)ignored;
    raise(signal);
}

static int handle(int signal, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    return sigaction(signal, &action, NULL) == 0 ? 0 : -errno;
}

int CAgent_watch_signals(void) {
    if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
    // A parent that blocked them would make the agent deaf.
    sigset_t watched;
    sigemptyset(&watched);
    sigaddset(&watched, SIGTERM);
    sigaddset(&watched, SIGINT);
    sigaddset(&watched, SIGILL);
    sigaddset(&watched, SIGTRAP);
    int blocked = pthread_sigmask(SIG_UNBLOCK, &watched, NULL);
    if (blocked != 0) return -blocked;
    // The handler is gone after the first signal, so the next one has its default effect.
    int once = (int)SA_RESETHAND;
    int result = handle(SIGTERM, stop, once | SA_RESTART);
    if (result == 0) result = handle(SIGINT, stop, once | SA_RESTART);
    if (result == 0) result = handle(SIGILL, trapped, once);
    if (result == 0) result = handle(SIGTRAP, trapped, once);
    if (result == 0) result = handle(SIGPIPE, SIG_IGN, 0);
    if (result == 0) result = handle(SIGXFSZ, SIG_IGN, 0);
    return result;
}

int CAgent_wait(int descriptor, int64_t milliseconds) {
    struct pollfd fds[2] = {{.fd = stop_pipe[0], .events = POLLIN}, {.fd = descriptor, .events = POLLIN}};
    int timeout = milliseconds < 0 ? 0 : milliseconds > INT_MAX ? INT_MAX : (int)milliseconds;
    if (poll(fds, 2, timeout) <= 0) return 0;
    return (fds[0].revents ? CAGENT_STOP : 0) | (fds[1].revents ? CAGENT_READABLE : 0);
}
