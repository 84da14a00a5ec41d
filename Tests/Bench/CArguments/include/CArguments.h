// SPDX-License-Identifier: Apache-2.0

#ifndef CARGUMENTS_H
#define CARGUMENTS_H

/// The program's arguments, its own name included. Embedded Swift has no CommandLine.
int CArguments_count(void);

/// The argument at `index`, which must be below the count.
const char *CArguments_argument(int index);

#endif
