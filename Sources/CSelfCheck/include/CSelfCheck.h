// SPDX-License-Identifier: Apache-2.0
//
// What the program needs of the operating system beyond the library's own modules.

#ifndef CSELFCHECK_H
#define CSELFCHECK_H

#include <stddef.h>
#include <stdint.h>

/// Writes a whole line to standard output at once: what was told before a trap is not lost in a buffer.
void CSelfCheck_write(const uint8_t *bytes, size_t count);

/// Ends the program.
void CSelfCheck_exit(int status) __attribute__((noreturn));

/// CLOCK_MONOTONIC in milliseconds.
int64_t CSelfCheck_milliseconds(void);

/// Makes the present resident memory of this process its peak (VmHWM of proc(5)). False on failure.
int CSelfCheck_reset_peak(void);

/// A new empty directory 0700 in $TMPDIR, or in /tmp; its path goes to `path`. False on failure.
int CSelfCheck_make_directory(char *path, size_t capacity);

/// Makes a file's permissions those of `mode`; a symbolic link; removes a file or an empty directory. False on failure.
int CSelfCheck_chmod(const char *path, unsigned mode);
int CSelfCheck_symlink(const char *target, const char *path);
int CSelfCheck_remove(const char *path);

#endif
