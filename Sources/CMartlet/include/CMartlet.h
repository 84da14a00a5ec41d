// SPDX-License-Identifier: Apache-2.0
//
// The public header, and what MartletC needs of C: a buffer for each thread.

#ifndef CMARTLET_H
#define CMARTLET_H

#include "martlet.h"

/// Bytes of a thread's error text, with the zero byte at its end.
enum { CMARTLET_TEXT_SIZE = 256 };

/// This thread's error text. Whoever writes it ends it with a zero byte.
char *CMartlet_error_buffer(void);

#endif
