// SPDX-License-Identifier: Apache-2.0
//
// Counts the instructions that the processor executes in user mode, whichever it has; preloaded into a benchmark. The
// trap flag has it stop after each one, which takes some ten microseconds. Callgrind counts what a processor executes that
// has no instructions for SHA.

#define _GNU_SOURCE

#include <signal.h>
#include <stdint.h>

#ifndef __x86_64__
#error "for x86-64 only"
#endif

static volatile uint64_t count;

// The flag is off while a handler runs.
static void on_trap(int signal) {
    (void)signal;
    count++;
}

void steps_begin(void) {
    struct sigaction action = {.sa_handler = on_trap, .sa_flags = SA_RESTART};
    sigaction(SIGTRAP, &action, NULL);
    count = 0;
    // Past the red zone, which the compiler may use.
    __asm__ volatile("subq $128, %%rsp; pushfq; orq $0x100, (%%rsp); popfq; addq $128, %%rsp" ::: "memory", "cc");
}

uint64_t steps_end(void) {
    __asm__ volatile("subq $128, %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; addq $128, %%rsp" ::: "memory", "cc");
    return count;
}
