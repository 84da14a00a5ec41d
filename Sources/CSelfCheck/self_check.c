// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#define _TIME_BITS 64
#define _FILE_OFFSET_BITS 64

#include "CSelfCheck.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void CSelfCheck_write(const uint8_t *bytes, size_t count) {
    while (count > 0) {
        ssize_t n = write(STDOUT_FILENO, bytes, count);
        if (n <= 0) return;
        bytes += n;
        count -= (size_t)n;
    }
}

void CSelfCheck_exit(int status) { exit(status); }

int64_t CSelfCheck_milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int CSelfCheck_reset_peak(void) {
    int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t n = write(file, "5", 1);
    close(file);
    return n == 1;
}

int CSelfCheck_make_directory(char *path, size_t capacity) {
    const char *parent = getenv("TMPDIR");
    int n = snprintf(path, capacity, "%s/martlet-self-check-XXXXXX", parent != NULL ? parent : "/tmp");
    return n > 0 && (size_t)n < capacity && mkdtemp(path) != NULL;
}

int CSelfCheck_chmod(const char *path, unsigned mode) { return chmod(path, (mode_t)mode) == 0; }

int CSelfCheck_symlink(const char *target, const char *path) { return symlink(target, path) == 0; }

int CSelfCheck_remove(const char *path) { return remove(path) == 0; }
