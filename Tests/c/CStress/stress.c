// SPDX-License-Identifier: Apache-2.0
// Eight threads open, use and close the same devices at random, in handlers and log callbacks too, with handles that
// are closed already: stress SECONDS SEED CONFIGURATION…; for a sanitizer. `stress race` and `stress overflow` do
// what it must report.

#define _GNU_SOURCE
#include <martlet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void planted_race(void);
int32_t planted_overflow(void);

enum { THREADS = 8, MAXIMUM_SLOTS = 8 };

// What callbacks of a device get. It is freed when the device is closed, so that a callback that comes later is found.
struct owner {
    int slot;
    _Atomic(martlet_device *) device;
    struct owner *next;
};

static const char *configurations[MAXIMUM_SLOTS];
static int slots;
static _Atomic(martlet_device *) handles[MAXIMUM_SLOTS];
static _Atomic(martlet_call *) last_call;
static atomic_bool ends;
static atomic_int opened, handled, closed_in_handler, closed_in_log, wrong;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct owner *owners;

static void allow(const char *what, int32_t code, unsigned allowed) {
    if (code >= 0 && code < 32 && (allowed >> code & 1)) return;
    printf("%s gave %d: %s\n", what, (int)code, martlet_error_text());
    atomic_fetch_add(&wrong, 1);
}

#define BIT(code) (1u << (code))
#define ANY_STATE (BIT(MARTLET_OK) | BIT(MARTLET_ERROR_HANDLE) | BIT(MARTLET_ERROR_WRONG_STATE))
#define ALLOW(allowed, call) allow(#call, call, allowed)

static uint32_t draw(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32);
}

static struct owner *take(martlet_device *device) {
    pthread_mutex_lock(&lock);
    struct owner **link = &owners, *owner;
    while ((owner = *link) != NULL && atomic_load(&owner->device) != device) link = &owner->next;
    if (owner != NULL) *link = owner->next;
    pthread_mutex_unlock(&lock);
    return owner;
}

static void close_device(martlet_device *device) {
    int32_t code = martlet_close(device, 0);
    ALLOW(BIT(MARTLET_OK) | BIT(MARTLET_ERROR_HANDLE), code);
    if (code == MARTLET_OK) free(take(device));
}

static void log_line(int32_t level, const char *line, void *user) {
    struct owner *owner = user;
    static atomic_uint lines;
    if (level < MARTLET_LOG_ERROR || level > MARTLET_LOG_DEBUG || line[0] == 0) atomic_fetch_add(&wrong, 1);
    martlet_device *device = atomic_load(&owner->device);
    if (device == NULL) return;
    ALLOW(ANY_STATE | BIT(MARTLET_ERROR_FULL), martlet_report_boolean(device, "logged", 1, MARTLET_LANE_NORMAL, 0));
    if (atomic_fetch_add(&lines, 1) % 8 == 7 && martlet_close(device, 0) == MARTLET_OK) {
        atomic_fetch_add(&closed_in_log, 1);
        free(take(device));
    }
}

static int32_t ping(martlet_call *call, void *user) {
    struct owner *owner = user;
    martlet_device *device = atomic_load(&owner->device);
    int64_t number;
    char text[33], small[1];
    atomic_store(&last_call, call);
    int count = atomic_fetch_add(&handled, 1);
    ALLOW(BIT(MARTLET_OK), martlet_call_integer(call, 0, &number));
    ALLOW(BIT(MARTLET_OK), martlet_call_text(call, 1, text, sizeof text));
    ALLOW(BIT(MARTLET_ERROR_ARGUMENT), martlet_call_text(call, 1, small, sizeof small));
    ALLOW(BIT(MARTLET_ERROR_ARGUMENT), martlet_call_integer(call, 2, &number));
    ALLOW(BIT(MARTLET_ERROR_ARGUMENT), martlet_call_integer(call, 1, &number));
    // Other threads add to the same call.
    ALLOW(BIT(MARTLET_OK) | BIT(MARTLET_ERROR_ARGUMENT), martlet_call_add_text(call, text, strlen(text)));
    ALLOW(BIT(MARTLET_ERROR_WRONG_STATE) | BIT(MARTLET_ERROR_HANDLE), martlet_dispatch(device));
    usleep(2000);
    if (count % 2 == 0 && martlet_close(device, 0) == MARTLET_OK) {
        atomic_fetch_add(&closed_in_handler, 1);
        free(take(device));
        ALLOW(BIT(MARTLET_ERROR_HANDLE), martlet_close(device, 0));
    }
    ALLOW(BIT(MARTLET_OK) | BIT(MARTLET_ERROR_ARGUMENT), martlet_call_add_integer(call, number));
    return MARTLET_OK;
}

static void open_device(int slot, bool has_loop) {
    struct owner *owner = calloc(1, sizeof *owner);
    if (owner == NULL) abort();
    owner->slot = slot;
    martlet_options options = {sizeof options, "stress", "1.0", MARTLET_LOG_DEBUG, log_line, owner};
    const martlet_parameter parameters[] = {
        {.kind = MARTLET_INTEGER, .minimum = 0, .maximum = 100}, {.kind = MARTLET_TEXT, .maximum_length = 32}};
    martlet_device *device = NULL;
    int32_t code = martlet_open(configurations[slot], &options, &device);
    ALLOW(BIT(MARTLET_OK) | BIT(MARTLET_ERROR_STATE), code);
    if (code != MARTLET_OK) {
        free(owner);
        return;
    }
    atomic_fetch_add(&opened, 1);
    pthread_mutex_lock(&lock);
    atomic_store(&owner->device, device);
    owner->next = owners;
    owners = owner;
    pthread_mutex_unlock(&lock);
    int descriptor;
    if (has_loop) ALLOW(ANY_STATE, martlet_fd(device, &descriptor));
    ALLOW(ANY_STATE, martlet_on_command(device, "ping", parameters, 2, ping, owner));
    atomic_store(&handles[slot], device);
    ALLOW(ANY_STATE, martlet_start(device));
}

static void *work(void *seed) {
    uint64_t random = *(uint64_t *)seed;
    while (!atomic_load(&ends)) {
        int slot = (int)(draw(&random) % (unsigned)slots);
        martlet_device *device = atomic_load(&handles[slot]);
        martlet_device_status status = {.size = sizeof status};
        char text[64] = "text";
        uint32_t kind = draw(&random) % 10000;
        if (kind < 50) {
            open_device(slot, draw(&random) % 2 == 0);
        } else if (kind < 53) {
            close_device(device);
        } else if (kind < 2000) {
            ALLOW(ANY_STATE | BIT(MARTLET_ERROR_FULL), martlet_report_number(device, "load/1min", 0.5, "count", MARTLET_LANE_NORMAL, 0));
        } else if (kind < 3000) {
            ALLOW(ANY_STATE | BIT(MARTLET_ERROR_FULL), martlet_report_text(device, "text", text, sizeof text, MARTLET_LANE_NORMAL, 0));
        } else if (kind < 4000) {
            ALLOW(ANY_STATE | BIT(MARTLET_ERROR_FULL), martlet_report_data(device, "data", &status, sizeof status, MARTLET_LANE_NORMAL, 0));
        } else if (kind < 8000) {
            ALLOW(ANY_STATE, martlet_dispatch(device));
        } else if (kind < 9000) {
            ALLOW(ANY_STATE, martlet_status(device, &status));
        } else if (kind < 9200) {
            ALLOW(ANY_STATE | BIT(MARTLET_ERROR_ARGUMENT), martlet_on_command(device, "late", NULL, 0, ping, NULL));
        } else if (kind < 9300) {
            ALLOW(ANY_STATE, martlet_start(device));
        } else {
            martlet_call *call = atomic_load(&last_call);
            ALLOW(BIT(MARTLET_OK) | BIT(MARTLET_ERROR_HANDLE) | BIT(MARTLET_ERROR_ARGUMENT),
                  martlet_call_add_boolean(call, 1));
            ALLOW(BIT(MARTLET_OK) | BIT(MARTLET_ERROR_HANDLE), martlet_call_text(call, 1, text, sizeof text));
        }
        usleep(draw(&random) % 1000);
    }
    return NULL;
}

int main(int count, char **arguments) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count == 2 && strcmp(arguments[1], "race") == 0) return planted_race(), 0;
    if (count == 2 && strcmp(arguments[1], "overflow") == 0) return planted_overflow() & 0;
    if (count < 4 || count - 3 > MAXIMUM_SLOTS) return 2;
    slots = count - 3;
    for (int i = 0; i < slots; i++) configurations[i] = arguments[i + 3];
    unsigned long long seed = strtoull(arguments[2], NULL, 10);
    printf("seed %llu\n", seed);

    pthread_t threads[THREADS];
    uint64_t seeds[THREADS];
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = (seed + 1) * 0x9e3779b97f4a7c15 + (uint64_t)i * 0xbf58476d1ce4e5b9;
        if (seeds[i] == 0) seeds[i] = 1;
        if (pthread_create(&threads[i], NULL, work, &seeds[i]) != 0) return 1;
    }
    sleep((unsigned)atoi(arguments[1]));
    // What must have happened may need more time.
    for (int i = 0; i < 60 && (handled == 0 || closed_in_handler == 0 || closed_in_log == 0); i++) sleep(1);
    atomic_store(&ends, true);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    // A log callback may close one meanwhile.
    for (bool some = true; some;) {
        pthread_mutex_lock(&lock);
        martlet_device *device = owners != NULL ? atomic_load(&owners->device) : NULL;
        some = owners != NULL;
        pthread_mutex_unlock(&lock);
        if (some) close_device(device);
    }

    printf("opened %d, handled %d, closed in a handler %d, closed in a log callback %d, wrong %d\n", opened, handled,
           closed_in_handler, closed_in_log, wrong);
    return opened > 0 && handled > 0 && closed_in_handler > 0 && closed_in_log > 0 && wrong == 0 ? 0 : 1;
}
