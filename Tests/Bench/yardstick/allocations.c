// SPDX-License-Identifier: Apache-2.0
//
// Counts the memory blocks that Embedded Swift takes; preloaded into a benchmark. Embedded Swift allocates by
// posix_memalign only, the C libraries by malloc, so this is the program's own code.
//
// The first call of allocations_count begins to count, the next one ends it. With ALLOCATIONS_STACKS=1 the stacks of
// what was counted are written to standard error at the end: "COUNT main|other ADDRESS…", addresses as in the
// program's file.

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH = 16, STACKS = 256 };

struct stack {
    void *frames[DEPTH];
    uint64_t count;
    bool is_main;
};

static atomic_bool counting;
static _Atomic uint64_t counts[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stack stacks[STACKS];
static uint64_t beyond;
static bool with_stacks;

__attribute__((constructor)) static void start(void) { with_stacks = getenv("ALLOCATIONS_STACKS") != NULL; }

void allocations_count(uint64_t *main_thread, uint64_t *other_threads) {
    counting = !counting;
    *main_thread = counts[0];
    *other_threads = counts[1];
}

// In a program with frame pointers the stack is a list; libraries between two Swift functions may break it.
static void record(void **frame, bool is_main) {
    void *found[DEPTH] = {0};
    for (int depth = 0; depth < DEPTH; depth++) {
        void **next = frame[0];
        found[depth] = frame[1];
        if (next <= frame || (char *)next - (char *)frame > 65536 || ((uintptr_t)next & 7) != 0) break;
        frame = next;
    }
    pthread_mutex_lock(&lock);
    int index = 0;
    while (index < STACKS && stacks[index].count > 0
           && (stacks[index].is_main != is_main || memcmp(stacks[index].frames, found, sizeof found) != 0)) index++;
    if (index < STACKS) {
        memcpy(stacks[index].frames, found, sizeof found);
        stacks[index].is_main = is_main;
        stacks[index].count++;
    } else {
        beyond++;
    }
    pthread_mutex_unlock(&lock);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    if (counting) {
        bool is_main = getpid() == gettid();
        counts[is_main ? 0 : 1]++;
        if (with_stacks) record(__builtin_frame_address(0), is_main);
    }
    void *memory = memalign(alignment, size);
    if (!memory) return ENOMEM;
    *block = memory;
    return 0;
}

static int find_base(struct dl_phdr_info *info, size_t size, void *base) {
    (void)size;
    // The program itself comes first.
    *(uintptr_t *)base = info->dlpi_addr;
    return 1;
}

__attribute__((destructor)) static void end(void) {
    if (!with_stacks) return;
    uintptr_t base = 0;
    dl_iterate_phdr(find_base, &base);
    for (int index = 0; index < STACKS && stacks[index].count > 0; index++) {
        fprintf(stderr, "%llu %s", (unsigned long long)stacks[index].count, stacks[index].is_main ? "main" : "other");
        for (int depth = 0; depth < DEPTH && stacks[index].frames[depth]; depth++) {
            // Return addresses: the call is before them.
            fprintf(stderr, " 0x%llx", (unsigned long long)((uintptr_t)stacks[index].frames[depth] - base - 1));
        }
        fprintf(stderr, "\n");
    }
    if (beyond > 0) fprintf(stderr, "# %llu from other stacks\n", (unsigned long long)beyond);
}
