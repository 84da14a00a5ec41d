// SPDX-License-Identifier: Apache-2.0
//
// What a stretch of a program costs; the programs in Swift and in C measure with the same code.

#ifndef MEASURE_H
#define MEASURE_H

#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

struct measure {
    double microseconds, wakeups;
};

/// Processor time and voluntary waits of the process so far.
static inline struct measure measure_now(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    // What getrusage knows of the time may be as old as the last tick of the system.
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (struct measure){(double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3, (double)usage.ru_nvcsw};
}

/// Prints, as "NAME VALUE", what each of `count` repetitions since `begin` cost.
static inline void measure_print(struct measure begin, int count) {
    struct measure end = measure_now();
    printf("microseconds %.6g\n", (end.microseconds - begin.microseconds) / count);
    printf("wakeups %.6g\n", (end.wakeups - begin.wakeups) / count);
}

/// Says "paused", and waits for a line of standard input, while somebody looks at the process and its files.
static inline void measure_pause(void) {
    puts("paused 1");
    fflush(stdout);
    while (getchar() > '\n') {}
}

__attribute__((weak)) extern void steps_begin(void);
__attribute__((weak)) extern uint64_t steps_end(void);

/// Counts the instructions that the calling thread executes from here on, if yardstick/steps.c is preloaded.
static inline void measure_steps_begin(void) {
    if (steps_begin) steps_begin();
}

/// How many it were; 0 if nobody counted.
static inline double measure_steps_end(void) { return steps_end ? (double)steps_end() : 0; }

#endif
