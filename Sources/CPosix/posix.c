// SPDX-License-Identifier: Apache-2.0

// 64-bit time and offsets on every board; only here, never as a target setting (see CPosix.h).
#define _GNU_SOURCE
#define _TIME_BITS 64
#define _FILE_OFFSET_BITS 64

#include "CPosix.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

_Static_assert(sizeof(time_t) == 8 && sizeof(off_t) == 8, "times end in 2038, files at 2 GiB");
_Static_assert(CPOSIX_NO_SUCH_HOST == EAI_NONAME, "CPosix.h gives the code of netdb.h");

static int result(int value) { return value < 0 ? -errno : value; }

int64_t CPosix_realtime_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t CPosix_boottime_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int CPosix_open_directory(const char *path) {
    return result(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

int CPosix_privacy(int descriptor, bool directory) {
    struct stat info;
    if (fstat(descriptor, &info) < 0) return -errno;
    if (directory ? !S_ISDIR(info.st_mode) : !S_ISREG(info.st_mode)) return CPOSIX_WRONG_KIND;
    if (info.st_uid != geteuid()) return CPOSIX_WRONG_OWNER;
    if (info.st_mode & 077) return CPOSIX_MODE_TOO_OPEN;
    if (!directory && info.st_nlink != 1) return CPOSIX_HARD_LINKED;
    return CPOSIX_PRIVATE;
}

int CPosix_open_at(int directory, const char *name) {
    return result(openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

int CPosix_open(const char *path) { return result(open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)); }

int CPosix_open_write_at(int directory, const char *name) {
    return result(openat(directory, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

int CPosix_make_private_at(int directory, const char *name) {
    struct stat info;
    if (fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) < 0) return -errno;
    if (!S_ISREG(info.st_mode)) return -EINVAL;
    return result(fchmodat(directory, name, 0600, AT_SYMLINK_NOFOLLOW));
}

int CPosix_list(int directory, void (*entry)(void *context, const char *name), void *context) {
    int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (own < 0) return -errno;
    DIR *list = fdopendir(own);
    if (list == NULL) {
        int code = -errno;
        close(own);
        return code;
    }
    struct dirent *next;
    while (errno = 0, (next = readdir(list)) != NULL) entry(context, next->d_name);
    int code = -errno;
    closedir(list);
    return code;
}

void CPosix_segment_name(char *name, uint8_t stream, uint64_t number) {
    snprintf(name, CPOSIX_SEGMENT_NAME_SIZE, "journal-%" PRIu8 "-%016" PRIx64, stream, number);
}

bool CPosix_segment_named(const char *name, uint8_t *stream, uint64_t *number) {
    char exact[CPOSIX_SEGMENT_NAME_SIZE];
    if (sscanf(name, "journal-%3" SCNu8 "-%16" SCNx64, stream, number) != 2) return false;
    CPosix_segment_name(exact, *stream, *number);
    return strcmp(exact, name) == 0;
}

int CPosix_random(uint8_t *bytes, size_t count) {
    while (count > 0) {
        ssize_t n = getrandom(bytes, count, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        bytes += n;
        count -= (size_t)n;
    }
    return 0;
}

int CPosix_create_at(int directory, const char *name) {
    return result(openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
}

int CPosix_rename_at(int directory, const char *from, const char *to) {
    return result(renameat(directory, from, directory, to));
}

int CPosix_exchange_at(int directory, const char *one, const char *other) {
    return result(renameat2(directory, one, directory, other, RENAME_EXCHANGE));
}

int CPosix_unlink_at(int directory, const char *name) { return result(unlinkat(directory, name, 0)); }

int CPosix_make_directory(const char *path) { return result(mkdir(path, 0700)); }

int CPosix_create_public(const char *path) {
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (descriptor < 0) return -errno;
    // Whatever the umask.
    if (fchmod(descriptor, 0644) < 0) {
        int code = -errno;
        close(descriptor);
        return code;
    }
    return descriptor;
}

int CPosix_rename(const char *from, const char *to) { return result(rename(from, to)); }

int CPosix_unlink(const char *path) { return result(unlink(path)); }

int CPosix_exists(const char *path) {
    struct stat info;
    if (lstat(path, &info) == 0) return 1;
    return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}

int CPosix_lock(int descriptor) { return result(flock(descriptor, LOCK_EX | LOCK_NB)); }

void CPosix_unlock(int descriptor) { flock(descriptor, LOCK_UN); }

int CPosix_is_locked(int descriptor) {
    if (flock(descriptor, LOCK_SH | LOCK_NB) < 0) return errno == EWOULDBLOCK ? 1 : -errno;
    flock(descriptor, LOCK_UN);
    return 0;
}

int CPosix_is_same(int descriptor, int other) {
    struct stat one, two;
    if (fstat(descriptor, &one) < 0 || fstat(other, &two) < 0) return -errno;
    return one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

int CPosix_open_lock_at(int directory, const char *name) {
    return result(openat(directory, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
}

int64_t CPosix_read_all(int descriptor, uint8_t *bytes, size_t capacity) {
    size_t count = 0;
    while (count < capacity) {
        ssize_t n = read(descriptor, bytes + count, capacity - count);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n == 0) break;
        count += (size_t)n;
    }
    return (int64_t)count;
}

int CPosix_write_all(int descriptor, const uint8_t *bytes, size_t count) {
    while (count > 0) {
        ssize_t n = write(descriptor, bytes, count);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n == 0) return -EIO;
        bytes += n;
        count -= (size_t)n;
    }
    return 0;
}

// Beyond the process's limit the kernel would send SIGXFSZ, which ends the process.
static bool beyond_limit(int64_t end) {
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && (uint64_t)end > limit.rlim_cur;
}

int CPosix_write_at(int descriptor, const uint8_t *bytes, size_t count, int64_t offset) {
    if (beyond_limit(offset + (int64_t)count)) return -EFBIG;
    while (count > 0) {
        ssize_t n = pwrite(descriptor, bytes, count, offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n == 0) return -EIO;
        bytes += n;
        count -= (size_t)n;
        offset += n;
    }
    return 0;
}

int CPosix_write_zeros(int descriptor, int64_t size) {
    // Never written, so it takes no memory.
    static uint8_t zeros[32768];
    int result = 0;
    for (int64_t offset = 0; result == 0 && offset < size; offset += (int64_t)sizeof zeros) {
        int64_t left = size - offset;
        size_t count = left < (int64_t)sizeof zeros ? (size_t)left : sizeof zeros;
        result = CPosix_write_at(descriptor, zeros, count, offset);
    }
    return result;
}

int CPosix_reserve(int descriptor, int64_t size) {
    if (beyond_limit(size)) return -EFBIG;
    int value;
    do value = fallocate(descriptor, 0, 0, size);
    while (value < 0 && errno == EINTR);
    return result(value);
}

int64_t CPosix_size(int descriptor) {
    struct stat info;
    return fstat(descriptor, &info) < 0 ? -errno : info.st_size;
}

bool CPosix_space(int descriptor, uint64_t *free, uint64_t *total) {
    struct statvfs info;
    // Some file systems have no size.
    if (fstatvfs(descriptor, &info) < 0 || info.f_blocks == 0) return false;
    *free = (uint64_t)info.f_bavail * info.f_frsize;
    *total = (uint64_t)info.f_blocks * info.f_frsize;
    return true;
}

int CPosix_truncate(int descriptor, int64_t size) { return result(ftruncate(descriptor, size)); }

int CPosix_sync_data(int descriptor) { return result(fdatasync(descriptor)); }

int CPosix_sync(int descriptor) { return result(fsync(descriptor)); }

int CPosix_event(void) { return result(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

void CPosix_event_signal(int descriptor) {
    uint64_t one = 1;
    // The only failure is a full counter, which is already a signal.
    ssize_t ignored = write(descriptor, &one, sizeof one);
    (void)ignored;
}

void CPosix_event_clear(int descriptor) {
    uint64_t value;
    ssize_t ignored = read(descriptor, &value, sizeof value);
    (void)ignored;
}

uint32_t CPosix_exchange(uint32_t *place, uint32_t value) {
    return __atomic_exchange_n(place, value, __ATOMIC_SEQ_CST);
}

int CPosix_poll(int first_descriptor, bool first_writes, int second_descriptor, short *first, short *second,
                int milliseconds) {
    struct pollfd set[2] = {
        {.fd = first_descriptor, .events = (short)(POLLIN | (first_writes ? POLLOUT : 0))},
        {.fd = second_descriptor, .events = POLLIN},
    };
    int n = poll(set, 2, milliseconds);
    *first = n > 0 ? set[0].revents : 0;
    *second = n > 0 ? set[1].revents : 0;
    return n < 0 && errno != EINTR ? -errno : 0;
}

int CPosix_resolve(const char *host, char *addresses, int capacity) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    int code = getaddrinfo(host, NULL, &hints, &list);
    if (code == EAI_NONAME || code == EAI_ADDRFAMILY) {
        // With only a loopback interface up, AI_ADDRCONFIG hides loopback addresses.
        hints.ai_flags = 0;
        code = getaddrinfo(host, NULL, &hints, &list);
    }
    if (code != 0) return code;  // glibc: negative
    int count = 0;
    for (struct addrinfo *a = list; a != NULL && count < capacity; a = a->ai_next) {
        char *address = addresses + count * CPOSIX_ADDRESS_SIZE;
        if (getnameinfo(a->ai_addr, a->ai_addrlen, address, CPOSIX_ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST) == 0) count++;
    }
    freeaddrinfo(list);
    return count;
}

const char *CPosix_error_text(int code) {
    const char *text = strerrordesc_np(code);
    return text != NULL ? text : "unknown error";
}

const char *CPosix_resolve_error_text(int code) { return gai_strerror(code); }

int CPosix_thread(pthread_t *thread, void *(*body)(void *), void *context) {
    static const int faults[] = {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};
    sigset_t others, previous;
    sigfillset(&others);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) sigdelset(&others, faults[i]);
    pthread_sigmask(SIG_SETMASK, &others, &previous);
    int code = pthread_create(thread, NULL, body, context);
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    return -code;
}

int CPosix_condition_init(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int code = pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return -code;
}

void CPosix_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t milliseconds) {
    if (milliseconds < 0) {
        pthread_cond_wait(condition, mutex);
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec += 1;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(condition, mutex, &until);
}
