// SPDX-License-Identifier: Apache-2.0
// Loaded before libc: pwrite writes a part of what it is asked for, and every third time is interrupted before.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

static unsigned count;

static ssize_t less(const char *name, int file, const void *bytes, size_t size, off64_t offset) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, name);
    count += 1;
    if (count % 3 == 0) {
        errno = EINTR;
        return -1;
    }
    return real(file, bytes, size > 1 ? size / 2 : size, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t offset) {
    return less("pwrite", file, bytes, size, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t offset) {
    return less("pwrite64", file, bytes, size, offset);
}
