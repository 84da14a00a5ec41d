// SPDX-License-Identifier: Apache-2.0

#include "CMartlet.h"

static _Thread_local char text[CMARTLET_TEXT_SIZE];

char *CMartlet_error_buffer(void) { return text; }

const char *martlet_error_text(void) { return text; }

int32_t martlet_report_number(martlet_device *device, const char *name, double value, const char *unit, int32_t lane,
                              int32_t durable) {
    return CMartlet_report_number(device, name, &value, unit, lane, durable);
}

int32_t martlet_call_add_number(martlet_call *call, double value) {
    return CMartlet_call_add_number(call, &value);
}

const char *martlet_version(void) { return MARTLET_VERSION; }
