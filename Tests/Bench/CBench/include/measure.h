// SPDX-License-Identifier: Apache-2.0
//
// What a stretch of a program costs; the programs in Swift and in C measure with the same code.

#ifndef MEASURE_H
#define MEASURE_H

#include <stdio.h>
#include <sys/resource.h>

struct measure {
    double microseconds, wakeups;
};

/// Processor time and voluntary waits of the process so far.
static inline struct measure measure_now(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (struct measure){
        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6
            + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
        (double)usage.ru_nvcsw,
    };
}

/// Prints, as "NAME VALUE", what each of `count` repetitions since `begin` cost.
static inline void measure_print(struct measure begin, int count) {
    struct measure end = measure_now();
    printf("microseconds %.6g\n", (end.microseconds - begin.microseconds) / count);
    printf("wakeups %.6g\n", (end.wakeups - begin.wakeups) / count);
}

#endif
