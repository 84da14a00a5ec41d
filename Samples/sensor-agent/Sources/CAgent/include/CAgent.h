// SPDX-License-Identifier: Apache-2.0
//
// The agent's libc. No libc struct, off_t or time_t appears here: on 32-bit boards C and Swift would disagree about
// their size. Functions that can fail return a negative errno.

#ifndef CAGENT_H
#define CAGENT_H

#include <stddef.h>
#include <stdint.h>

/// The arguments of the program, its name included.
int CAgent_argument_count(void);
const char *CAgent_argument(int index);

_Noreturn void CAgent_exit(int status);

/// Reads a file from its start, at most `capacity` bytes of it. Never waits for the writer of a FIFO.
int64_t CAgent_read(const char *path, uint8_t *bytes, size_t capacity);

/// Names in a directory without those that begin with a dot, each ended by a zero, in no order. Stops before the
/// first name that no longer fits.
int64_t CAgent_list(const char *path, uint8_t *names, size_t capacity);

/// Bytes of the file system at `path`: all, and those an ordinary user may still fill.
int CAgent_disk(const char *path, uint64_t *size, uint64_t *available);

/// Writes everything.
int CAgent_write(int descriptor, const uint8_t *bytes, size_t count);

/// The shortest of "%.15g" and "%.17g" that reads back as `value`, at most `capacity` - 1 characters; its length.
int CAgent_format(const double *value, char *text, size_t capacity);

/// The text of an errno; a constant.
const char *CAgent_error_text(int code);

/// CLOCK_BOOTTIME, milliseconds.
int64_t CAgent_boottime_ms(void);

/// From now on, also if the parent blocked them, SIGTERM and SIGINT end CAgent_wait, and a second one of a kind ends
/// the process; SIGPIPE and SIGXFSZ become errors of write; SIGILL and SIGTRAP, the ends of a Swift program that failed
/// a check, say so in one line first.
int CAgent_watch_signals(void);

/// An eventfd, to wake CAgent_wait from another thread.
int CAgent_event(void);
void CAgent_event_signal(int descriptor);
void CAgent_event_clear(int descriptor);

enum { CAGENT_STOP = 1, CAGENT_READABLE = 2 };

/// Waits until `descriptor` (-1: none) is readable, a signal asked to stop, or `milliseconds` passed.
/// Returns CAGENT_STOP and CAGENT_READABLE, or 0.
int CAgent_wait(int descriptor, int64_t milliseconds);

#endif
