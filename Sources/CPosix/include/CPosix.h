// SPDX-License-Identifier: Apache-2.0
#ifndef CPOSIX_H
#define CPOSIX_H
#endif
