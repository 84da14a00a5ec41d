// SPDX-License-Identifier: Apache-2.0
// A device in C with a loop of its own: c-agent --config FILE

#define _GNU_SOURCE
#include <martlet.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int say(const char *what) {
    fprintf(stderr, "c-agent: %s: %s\n", what, martlet_error_text());
    return 1;
}

static void log_line(int32_t level, const char *line, void *user) {
    static const char *const names[] = {"error", "warning", "info", "debug"};
    (void)user;
    fprintf(stderr, "c-agent: %s: %s\n", names[level], line);
}

static int set_timer(int timer, int64_t seconds) {
    struct itimerspec every = {.it_value = {.tv_nsec = 1}, .it_interval = {.tv_sec = (time_t)seconds}};
    return timerfd_settime(timer, 0, &every, NULL);
}

// Runs in martlet_dispatch, so on the only thread of this program: nothing to lock.
static int32_t set_interval(martlet_call *call, void *timer) {
    int64_t seconds;
    if (martlet_call_integer(call, 0, &seconds) != MARTLET_OK || set_timer(*(int *)timer, seconds) < 0) return -1;
    fprintf(stderr, "c-agent: info: the interval is now %" PRId64 " s\n", seconds);
    return MARTLET_OK;
}

// Reports the first number of a file; a file that is not there is a sensor that this board lacks.
static void report(martlet_device *device, const char *name, const char *path, double factor, const char *unit) {
    double value;
    FILE *file = fopen(path, "re");
    if (file == NULL) return;
    if (fscanf(file, "%lf", &value) == 1 && martlet_report_number(device, name, value * factor, unit, MARTLET_LANE_NORMAL, 0) != MARTLET_OK)
        say(name);
    fclose(file);
}

int main(int count, char **arguments) {
    if (count != 3 || strcmp(arguments[1], "--config") != 0) return fputs("usage: c-agent --config FILE\n", stderr), 2;

    // SIGTERM and SIGINT are read like everything else. Blocked before the library starts its thread.
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    int signals = signalfd(-1, &stop, SFD_CLOEXEC), timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC), commands;
    if (signals < 0 || timer < 0 || set_timer(timer, 5) < 0) return perror("c-agent"), 1;

    martlet_options options = {.size = sizeof options, .program = "c-agent", .program_version = "0.1.0",
                               .log_level = MARTLET_LOG_INFO, .log = log_line};
    martlet_parameter seconds = {.kind = MARTLET_INTEGER, .minimum = 1, .maximum = 86400};
    martlet_device *device;
    if (martlet_open(arguments[2], &options, &device) != MARTLET_OK) return say("open");
    if (martlet_on_command(device, "set-interval", &seconds, 1, set_interval, &timer) != MARTLET_OK ||
        martlet_fd(device, &commands) != MARTLET_OK || martlet_start(device) != MARTLET_OK)
        return say("start");

    struct pollfd ready[] = {{signals, POLLIN, 0}, {timer, POLLIN, 0}, {commands, POLLIN, 0}};
    int number;
    while ((number = poll(ready, 3, -1)) >= 0 && ready[0].revents == 0) {
        uint64_t expirations;
        if (ready[1].revents != 0 && read(timer, &expirations, sizeof expirations) > 0) {
            report(device, "load/1min", "/proc/loadavg", 1, "count");
            report(device, "uptime", "/proc/uptime", 1, "s");
            report(device, "thermal/0", "/sys/class/thermal/thermal_zone0/temp", 0.001, "Cel");
        }
        if (ready[2].revents != 0 && martlet_dispatch(device) != MARTLET_OK) say("dispatch");
    }
    if (number < 0) perror("c-agent: poll");
    if (martlet_close(device, 5) != MARTLET_OK) return say("close");
    return number < 0;
}
