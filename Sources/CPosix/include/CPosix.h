// SPDX-License-Identifier: Apache-2.0
//
// What Swift cannot call itself: variadic functions, errno, and everything whose layout depends on
// _TIME_BITS and _FILE_OFFSET_BITS. No libc struct and no time_t appears here: on 32-bit boards C and Swift
// would disagree about their size. Functions that can fail return a negative errno.

#ifndef CPOSIX_H
#define CPOSIX_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/// Wall clock, milliseconds since 1970.
int64_t CPosix_realtime_ms(void);

/// CLOCK_BOOTTIME, milliseconds since boot; counts while the board sleeps.
uint64_t CPosix_boottime_ms(void);

/// A descriptor of the directory `path`.
int CPosix_open_directory(const char *path);

/// Why a descriptor is not private to this user, or CPOSIX_PRIVATE.
enum {
    CPOSIX_PRIVATE = 0,
    CPOSIX_WRONG_KIND = 1,
    CPOSIX_WRONG_OWNER = 2,
    CPOSIX_MODE_TOO_OPEN = 3,
    CPOSIX_HARD_LINKED = 4,
};
int CPosix_privacy(int descriptor, bool directory);

/// Opens for reading without following a link and without waiting for a FIFO's writer.
int CPosix_open_at(int directory, const char *name);

/// The same for writing.
int CPosix_open_write_at(int directory, const char *name);

/// Gives an own regular file, and nothing else, the mode 0600.
int CPosix_make_private_at(int directory, const char *name);

/// Calls `entry` with each name in the directory.
int CPosix_list(int directory, void (*entry)(void *context, const char *name), void *context);

/// The name of a segment's file: "journal-", `stream` in decimal, "-", `number` in 16 hexadecimal digits.
enum { CPOSIX_SEGMENT_NAME_SIZE = 29 };
void CPosix_segment_name(char *name, uint8_t stream, uint64_t number);

/// Whether `name` is exactly that of a segment, and of which one.
bool CPosix_segment_named(const char *name, uint8_t *stream, uint64_t *number);

/// Random bytes of the operating system; waits until it has gathered enough after boot.
int CPosix_random(uint8_t *bytes, size_t count);

/// Opens for reading; follows links.
int CPosix_open(const char *path);

/// Creates 0600, never an existing file.
int CPosix_create_at(int directory, const char *name);

int CPosix_rename_at(int directory, const char *from, const char *to);

/// Gives each of two files the other's name in one step. -EINVAL if the file system cannot.
int CPosix_exchange_at(int directory, const char *one, const char *other);
int CPosix_unlink_at(int directory, const char *name);
int CPosix_make_directory(const char *path);

/// Creates 0644, never an existing file.
int CPosix_create_public(const char *path);

int CPosix_rename(const char *from, const char *to);
int CPosix_unlink(const char *path);

/// 1 if there is something of that name, 0 if not.
int CPosix_exists(const char *path);

/// Takes the exclusive lock of the open file, or -EWOULDBLOCK; it ends with the descriptor.
int CPosix_lock(int descriptor);

/// Gives it back, also if a child process has the file open.
void CPosix_unlock(int descriptor);

/// Whether another process holds the exclusive lock of the open file: 1 or 0.
int CPosix_is_locked(int descriptor);

/// Whether both are open files of one inode: 1 or 0.
int CPosix_is_same(int descriptor, int other);

/// Opens or creates 0600 for locking; the content does not matter.
int CPosix_open_lock_at(int directory, const char *name);

/// Reads until the end or `capacity`; retries EINTR.
int64_t CPosix_read_all(int descriptor, uint8_t *bytes, size_t capacity);

/// Writes everything; retries EINTR.
int CPosix_write_all(int descriptor, const uint8_t *bytes, size_t count);

/// The same at `offset`. -EFBIG, and nothing is written, beyond the process's limit.
int CPosix_write_at(int descriptor, const uint8_t *bytes, size_t count, int64_t offset);

/// Writes `size` zeros at the begin of the file.
int CPosix_write_zeros(int descriptor, int64_t size);

/// Gives the file `size` bytes with space on the disk. -EOPNOTSUPP if the file system cannot; -EFBIG beyond the
/// process's limit.
int CPosix_reserve(int descriptor, int64_t size);
int64_t CPosix_size(int descriptor);

/// Bytes of the file system that are free for this user, and all; false if that is not known.
bool CPosix_space(int descriptor, uint64_t *free, uint64_t *total);
int CPosix_truncate(int descriptor, int64_t size);

/// Makes content durable, and what is needed to find it: size, not times.
int CPosix_sync_data(int descriptor);

/// Makes everything durable; also a directory's entries.
int CPosix_sync(int descriptor);

/// An eventfd, non-blocking, close-on-exec.
int CPosix_event(void);
void CPosix_event_signal(int descriptor);
void CPosix_event_clear(int descriptor);

/// Puts `value` there and gives what was there before, in one step for all threads and signal handlers.
uint32_t CPosix_exchange(uint32_t *place, uint32_t value);

/// Waits for up to two descriptors (-1: none); their revents go to `*first` and `*second`.
/// `milliseconds` -1 waits without end. Returns 0 also when a signal ended the wait.
int CPosix_poll(int first_descriptor, bool first_writes, int second_descriptor, short *first, short *second,
                int milliseconds);

/// CPOSIX_NO_SUCH_HOST is EAI_NONAME of netdb.h.
enum { CPOSIX_ADDRESS_SIZE = 46, CPOSIX_NO_SUCH_HOST = -2 };

/// Resolves a host name to at most `capacity` numeric addresses, CPOSIX_ADDRESS_SIZE bytes each. Blocks.
/// Negative: the EAI_… code.
int CPosix_resolve(const char *host, char *addresses, int capacity);

/// A network that an interface of this machine is on. Bytes behind an IPv4 address are zero.
struct CPosix_network {
    uint32_t interface;
    uint8_t address[16];
    bool is_ipv6;
    uint8_t prefix_bits;
};

/// The networks of the interfaces that are up, can multicast and are no loopback; at most `capacity`.
int CPosix_networks(struct CPosix_network *list, int capacity);

/// A UDP socket for multicast DNS: non-blocking, close-on-exec, in no group. `answers`: on the port of multicast DNS, for
/// itself alone (-EADDRINUSE if somebody has it); otherwise on a port that the system chooses.
int CPosix_multicast_socket(bool is_ipv6, bool answers);

/// Joins the group of multicast DNS on an interface; again changes nothing.
int CPosix_multicast_join(int descriptor, bool is_ipv6, uint32_t interface);

/// Sends to the group of multicast DNS by an interface.
int CPosix_multicast_send(int descriptor, bool is_ipv6, uint32_t interface, const uint8_t *bytes, size_t count);

/// Whom a packet came from, or goes to: address and port, and the interface. Bytes behind an IPv4 address are zero.
struct CPosix_peer {
    uint32_t interface;
    uint8_t address[16];
    bool is_ipv6;
    uint16_t port;
};

int CPosix_unicast_send(int descriptor, const struct CPosix_peer *to, const uint8_t *bytes, size_t count);

/// The next packet's size, also if `capacity` is less and the rest is lost; -EAGAIN if there is none.
int64_t CPosix_multicast_receive(int descriptor, uint8_t *bytes, size_t capacity, struct CPosix_peer *sender);

/// Whether the sender's address lies in one of the networks.
bool CPosix_is_on_link(const struct CPosix_peer *sender, const struct CPosix_network *list, int count);

/// Whether it is the address of one of the interfaces.
bool CPosix_is_own(const struct CPosix_peer *peer, const struct CPosix_network *list, int count);

/// The text of an address of 4 or 16 bytes, with the name of `interface` unless that is 0.
enum { CPOSIX_ADDRESS_TEXT_SIZE = 64 };
void CPosix_address_text(const uint8_t *address, bool is_ipv6, uint32_t interface, char *text);

/// The text of an errno; a constant.
const char *CPosix_error_text(int code);

/// The text of the code that CPosix_resolve returned; a constant.
const char *CPosix_resolve_error_text(int code);

/// Starts a detached-until-joined thread with signals blocked, so that the application's threads get them. Those that
/// a fault of the thread itself raises are not: blocked, they would pass by the application's handler.
int CPosix_thread(pthread_t *thread, void *(*body)(void *), void *context);

/// Waits on the condition for at most `milliseconds` of CLOCK_MONOTONIC; -1 waits without end.
void CPosix_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t milliseconds);
int CPosix_condition_init(pthread_cond_t *condition);

#endif
