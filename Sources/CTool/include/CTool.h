// SPDX-License-Identifier: Apache-2.0
//
// What the program needs of libc beyond the library's own modules.

#ifndef CTOOL_H
#define CTOOL_H

#include <stddef.h>
#include <stdint.h>

/// The arguments of the program, its name included.
int CTool_argument_count(void);
const char *CTool_argument(int index);

/// Writes everything to a standard descriptor. A negative errno on failure.
int CTool_write(int descriptor, const uint8_t *bytes, size_t count);

_Noreturn void CTool_exit(int status);

#endif
