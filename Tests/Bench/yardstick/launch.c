// SPDX-License-Identifier: Apache-2.0
//
// Runs a program and tells what it cost: `launch PROGRAM ARGUMENTS…`. A child's peak memory begins with that of the
// process that made it, so this one is small. Prints, as "NAME VALUE": the child's pid and when it started
// (CLOCK_MONOTONIC, milliseconds), then at its end the exit status and what wait4 says of it.

#define _GNU_SOURCE

#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
        dup2(STDERR_FILENO, STDOUT_FILENO);
        execv(argv[1], argv + 1);
        _exit(127);
    }
    printf("pid %d\nstarted %.3f\n", (int)child, (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6);
    fflush(stdout);
    int status = 0;
    struct rusage usage;
    if (wait4(child, &status, 0, &usage) != child) return 1;
    printf("status %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    printf("microseconds %.0f\n", (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6
           + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec));
    printf("wakeups %ld\nkibibytes %ld\n", usage.ru_nvcsw, usage.ru_maxrss);
    return 0;
}
