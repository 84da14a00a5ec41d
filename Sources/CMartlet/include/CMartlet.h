// SPDX-License-Identifier: Apache-2.0
//
// The public header, and what MartletC needs of C: a buffer for each thread, and numbers by pointer. Swift and C do
// not pass floating-point numbers in the same registers on every board.

#ifndef CMARTLET_H
#define CMARTLET_H

#include "martlet.h"

/// Bytes of a thread's error text, with the zero byte at its end.
enum { CMARTLET_TEXT_SIZE = 256 };

/// This thread's error text. Whoever writes it ends it with a zero byte.
char *CMartlet_error_buffer(void);

int32_t CMartlet_report_number(martlet_device *device, const char *name, const double *value, const char *unit,
                               int32_t lane, int32_t durable);
int32_t CMartlet_call_add_number(martlet_call *call, const double *value);

#endif
