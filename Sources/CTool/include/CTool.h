// SPDX-License-Identifier: Apache-2.0
//
// What the program needs of libc beyond the library's own modules.

#ifndef CTOOL_H
#define CTOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The arguments of the program, its name included.
int CTool_argument_count(void);
const char *CTool_argument(int index);

/// Writes everything to a standard descriptor. A negative errno on failure.
int CTool_write(int descriptor, const uint8_t *bytes, size_t count);

/// Reads up to a line feed, which is taken and not stored, the end, or `capacity` bytes. How many there are, or a
/// negative errno.
int64_t CTool_read_line(int descriptor, uint8_t *bytes, size_t capacity);

/// From now on SIGTERM, SIGINT and SIGHUP do not end the program: they end a poll, and `CTool_is_ending` is true.
void CTool_catch_end(void);
bool CTool_is_ending(void);

_Noreturn void CTool_exit(int status);

#endif
