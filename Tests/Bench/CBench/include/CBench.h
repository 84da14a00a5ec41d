// SPDX-License-Identifier: Apache-2.0
//
// What the benchmark programs need of libc.

#ifndef CBENCH_H
#define CBENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "measure.h"

/// Arguments after the program's name; NULL beyond the last.
const char *CBench_argument(int index);

/// The argument as a number; ends the program with `usage` if it is none, or not positive.
int CBench_number(int index, const char *usage);

/// Writes "name value\n" to standard output.
void CBench_result(const char *name, double value);

/// Microseconds of CLOCK_MONOTONIC, which all processes share.
double CBench_now(void);

/// Writes "number microseconds\n" to standard output.
void CBench_mark(int64_t number, double microseconds);

/// Ends the program with status 1 and this line on standard error.
_Noreturn void CBench_fail(const char *text);

/// Appends to a file; ends the program with its path if that is not possible.
void CBench_append(const char *path, const uint8_t *bytes, int count);

void CBench_sleep(int microseconds);

enum { CBENCH_READABLE = 1, CBENCH_WRITABLE = 2 };

/// Waits for at most 10 seconds; CBENCH_READABLE and CBENCH_WRITABLE, or 0. An error is readable.
int CBench_wait(int socket, bool writing);

/// The first call begins to count the memory blocks that the program's own code takes, the second one ends it and tells
/// them: those of the main thread, and of all others. False if yardstick/allocations.c, which counts, is not preloaded.
bool CBench_allocations(uint64_t *main_thread, uint64_t *other_threads);

#endif
