// SPDX-License-Identifier: Apache-2.0

#include "CArguments.h"

static int count;
static char **arguments;

// glibc passes main's arguments to constructors.
__attribute__((constructor)) static void start(int argc, char **argv) {
    count = argc;
    arguments = argv;
}

int CArguments_count(void) { return count; }

const char *CArguments_argument(int index) { return arguments[index]; }
