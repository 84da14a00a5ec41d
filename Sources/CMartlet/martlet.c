// SPDX-License-Identifier: Apache-2.0

#include "CMartlet.h"

static _Thread_local char text[CMARTLET_TEXT_SIZE];

char *CMartlet_error_buffer(void) { return text; }

const char *martlet_error_text(void) { return text; }

const char *martlet_version(void) { return MARTLET_VERSION; }
