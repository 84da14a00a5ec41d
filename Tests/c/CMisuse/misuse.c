// SPDX-License-Identifier: Apache-2.0
// Everything that a C program can get wrong gives its code: misuse CONFIGURATION, which names a device that works.
// Buffers end at a page that must not be touched, so that one byte read or written too far ends the program.

#define _GNU_SOURCE
#include <martlet.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int failures, failures_before;

static void expect(int line, const char *call, int32_t expected, int32_t code) {
    const char *text = martlet_error_text();
    if (code == expected && (code == MARTLET_OK || (text[0] != 0 && strlen(text) < 256))) return;
    printf("not ok - misuse.c:%d: %s gave %d instead of %d: %s\n", line, call, (int)code, (int)expected, text);
    failures++;
}

#define EXPECT(code, call) expect(__LINE__, #call, code, call)

static void done(const char *rule) {
    if (failures == failures_before) printf("ok - %s\n", rule);
    failures_before = failures;
}

// `size` bytes of `fill` before a page that cannot be read or written.
static char *edge(size_t size, int fill) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (size + page - 1) / page * page;
    char *start = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED || mprotect(start + room, page, PROT_NONE) != 0) exit(1);
    return memset(start + room - size, fill, size);
}

static char *edge_text(const char *text) {
    return memcpy(edge(strlen(text) + 1, 0), text, strlen(text) + 1);
}

static int32_t handler(martlet_call *call, void *user) { return (void)call, (void)user, MARTLET_OK; }

static void every_function_refuses(martlet_device *device) {
    int descriptor = -1;
    martlet_device_status status = {.size = sizeof status};
    EXPECT(MARTLET_ERROR_HANDLE, martlet_on_command(device, "a", NULL, 0, handler, NULL));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_on_idempotent_command(device, "a", NULL, 0, handler, NULL));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_fd(device, &descriptor));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_dispatch(device));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_start(device));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_report_number(device, "a", 1, NULL, MARTLET_LANE_NORMAL, 0));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_report_boolean(device, "a", 1, MARTLET_LANE_NORMAL, 0));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_report_text(device, "a", "b", 1, MARTLET_LANE_NORMAL, 0));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_report_data(device, "a", "b", 1, MARTLET_LANE_NORMAL, 0));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_status(device, &status));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_close(device, 0));

    martlet_call *call = (martlet_call *)(void *)device;
    int64_t integer;
    int32_t boolean;
    double number;
    char bytes[8];
    size_t length;
    EXPECT(MARTLET_ERROR_HANDLE, martlet_call_integer(call, 0, &integer));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_call_number(call, 0, &number));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_call_boolean(call, 0, &boolean));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_call_text(call, 0, bytes, sizeof bytes));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_call_data(call, 0, bytes, sizeof bytes, &length));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_call_add_integer(call, 1));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_call_add_number(call, 1));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_call_add_boolean(call, 1));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_call_add_text(call, "a", 1));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_call_add_data(call, "a", 1));
}

static void check_open(const char *configuration) {
    martlet_device *device = NULL;
    martlet_options options = {.size = sizeof options};
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_open(configuration, NULL, NULL));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_open(NULL, NULL, &device));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_open(edge(4096, 'a'), NULL, &device));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_open("\xff", NULL, &device));
    EXPECT(MARTLET_ERROR_CONFIGURATION, martlet_open("", NULL, &device));
    EXPECT(MARTLET_ERROR_CONFIGURATION, martlet_open("/no/such/file", NULL, &device));
    size_t *size = (size_t *)(void *)edge(sizeof(size_t), 0);
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_open(configuration, (martlet_options *)size, &device));
    *size = sizeof options - 1;
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_open(configuration, (martlet_options *)size, &device));
    *size = sizeof options + 1;
    EXPECT(MARTLET_ERROR_UNSUPPORTED, martlet_open(configuration, (martlet_options *)size, &device));
    *size = SIZE_MAX;
    EXPECT(MARTLET_ERROR_UNSUPPORTED, martlet_open(configuration, (martlet_options *)size, &device));
    options.log_level = 4;
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_open(configuration, &options, &device));
    options.log_level = -1;
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_open(configuration, &options, &device));
    options.log_level = MARTLET_LOG_DEBUG;
    options.program = "half";
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_open(configuration, &options, &device));
    options.program_version = edge(33, 'v');
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_open(configuration, &options, &device));
    options.program_version = edge_text("\xc3");
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_open(configuration, &options, &device));
    if (device != NULL) failures++;
    done("CAPI-01 martlet_open refuses bad paths, sizes, levels and names, and writes no device");
}

static void check_commands(martlet_device *device) {
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_on_command(device, NULL, NULL, 0, handler, NULL));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_on_command(device, "", NULL, 0, handler, NULL));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_on_command(device, "Not-Lower", NULL, 0, handler, NULL));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_on_command(device, "\xff\xfe", NULL, 0, handler, NULL));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_on_command(device, edge(33, 'a'), NULL, 0, handler, NULL));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_on_command(device, "a", NULL, 0, NULL, NULL));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_on_command(device, "a", NULL, 1, handler, NULL));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_on_command(device, "a", NULL, SIZE_MAX, handler, NULL));
    martlet_parameter *nine = (martlet_parameter *)(void *)edge(0, 0);
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_on_command(device, "a", nine, 9, handler, NULL));
    const martlet_parameter bad[] = {
        {.kind = 0}, {.kind = 6}, {.kind = -1}, {.kind = INT32_MAX},
        {.kind = MARTLET_INTEGER, .minimum = 1, .maximum = 0},
        {.kind = MARTLET_INTEGER, .minimum = INT64_MAX, .maximum = INT64_MIN},
        {.kind = MARTLET_NUMBER, .lowest = 1, .highest = 0},
        {.kind = MARTLET_NUMBER, .lowest = NAN, .highest = 1},
        {.kind = MARTLET_NUMBER, .lowest = 0, .highest = NAN},
        {.kind = MARTLET_NUMBER, .lowest = -INFINITY, .highest = 0},
        {.kind = MARTLET_TEXT, .maximum_length = 1025},
        {.kind = MARTLET_DATA, .maximum_length = UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        EXPECT(MARTLET_ERROR_ARGUMENT, martlet_on_command(device, "a", &bad[i], 1, handler, NULL));
    const martlet_parameter good[] = {
        {.kind = MARTLET_INTEGER, .minimum = INT64_MIN, .maximum = INT64_MAX},
        {.kind = MARTLET_NUMBER, .lowest = -1e300, .highest = 1e300},
        {.kind = MARTLET_BOOLEAN},
        {.kind = MARTLET_TEXT, .maximum_length = 1024},
        {.kind = MARTLET_DATA},
    };
    EXPECT(MARTLET_OK, martlet_on_command(device, "a", good, 5, handler, NULL));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_on_command(device, "a", NULL, 0, handler, NULL));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_on_idempotent_command(device, "a", NULL, 0, handler, NULL));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_on_idempotent_command(device, NULL, NULL, 0, handler, NULL));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_on_idempotent_command(device, "b", NULL, 0, NULL, NULL));
    const char *longest = edge_text("abcdefghijklmnopqrstuvwxyz-01234");
    EXPECT(MARTLET_OK, martlet_on_command(device, longest, NULL, 0, handler, NULL));
    done("CAPI-01 martlet_on_command refuses bad names, counts and parameters");
}

static void check_reports(martlet_device *device) {
    const char *const names[] = {NULL, "", "with space", "-begins", "\xc3\xbc", "\xff", "a\nb", edge(65, 'a')};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        EXPECT(MARTLET_ERROR_ARGUMENT, martlet_report_number(device, names[i], 1, NULL, MARTLET_LANE_NORMAL, 0));
        EXPECT(MARTLET_ERROR_ARGUMENT, martlet_report_boolean(device, names[i], 1, MARTLET_LANE_NORMAL, 0));
        EXPECT(MARTLET_ERROR_ARGUMENT, martlet_report_text(device, names[i], "b", 1, MARTLET_LANE_NORMAL, 0));
        EXPECT(MARTLET_ERROR_ARGUMENT, martlet_report_data(device, names[i], "b", 1, MARTLET_LANE_NORMAL, 0));
    }
    const int32_t lanes[] = {-1, 3, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < 4; i++) EXPECT(MARTLET_ERROR_ARGUMENT, martlet_report_boolean(device, "a", 1, lanes[i], 0));
    EXPECT(MARTLET_ERROR_WRONG_STATE, martlet_report_boolean(device, "a", 1, MARTLET_LANE_ALARM, 1));
    EXPECT(MARTLET_OK, martlet_report_number(device, edge_text("a/b:c.d_e-f"), -0.0, edge_text("m/s"), MARTLET_LANE_NORMAL, 0));
    EXPECT(MARTLET_OK, martlet_report_boolean(device, "a", INT32_MIN, MARTLET_LANE_NORMAL, 0));
    done("CAPI-04 a reading's name is read to its bound, and refused if it has none");

    const double numbers[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) EXPECT(MARTLET_ERROR_ARGUMENT, martlet_report_number(device, "a", numbers[i], NULL, MARTLET_LANE_NORMAL, 0));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_report_number(device, "a", 1, edge(17, 'm'), MARTLET_LANE_NORMAL, 0));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_report_number(device, "a", 1, "m s", MARTLET_LANE_NORMAL, 0));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_report_number(device, "a", 1, "\xb0" "C", MARTLET_LANE_NORMAL, 0));
    EXPECT(MARTLET_OK, martlet_report_number(device, "a", 1, edge_text("0123456789abcdef"), MARTLET_LANE_NORMAL, 0));
    EXPECT(MARTLET_OK, martlet_report_number(device, "a", 1, "", MARTLET_LANE_NORMAL, 0));
    done("CAPI-01 numbers that are none, and units that are none, are refused");

    const char *const texts[] = {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "ok\x80"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        EXPECT(MARTLET_ERROR_ARGUMENT, martlet_report_text(device, "a", texts[i], strlen(texts[i]), MARTLET_LANE_NORMAL, 0));
    EXPECT(MARTLET_OK, martlet_report_text(device, "a", edge(1024, 'x'), 1024, MARTLET_LANE_NORMAL, 0));
    EXPECT(MARTLET_OK, martlet_report_data(device, "a", edge(1024, 255), 1024, MARTLET_LANE_NORMAL, 0));
    EXPECT(MARTLET_OK, martlet_report_text(device, "a", NULL, 0, MARTLET_LANE_NORMAL, 0));
    EXPECT(MARTLET_OK, martlet_report_data(device, "a", NULL, 0, MARTLET_LANE_NORMAL, 0));
    const size_t lengths[] = {1025, (size_t)1 << 31, SIZE_MAX / 2, SIZE_MAX / 2 + 1, SIZE_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        EXPECT(MARTLET_ERROR_ARGUMENT, martlet_report_text(device, "a", edge(0, 0), lengths[i], MARTLET_LANE_NORMAL, 0));
        EXPECT(MARTLET_ERROR_ARGUMENT, martlet_report_data(device, "a", edge(0, 0), lengths[i], MARTLET_LANE_NORMAL, 0));
        EXPECT(MARTLET_ERROR_ARGUMENT, martlet_report_text(device, "a", NULL, lengths[i], MARTLET_LANE_NORMAL, 0));
    }
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_report_text(device, "a", NULL, 1, MARTLET_LANE_NORMAL, 0));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_report_data(device, "a", NULL, 1024, MARTLET_LANE_NORMAL, 0));
    done("CAPI-04 text that is not UTF-8, and lengths that no value has, are refused");
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *configuration = arguments[1];
    if (martlet_error_text()[0] != 0) failures++;
    if (strcmp(martlet_version(), MARTLET_VERSION) != 0) failures++;
    done("there is no error text before the first error, and the version is that of the header");
    check_open(configuration);

    martlet_device *device = NULL, *closed = NULL, *second = NULL;
    martlet_options options = {.size = sizeof options, .program = edge_text("misuse"), .program_version = "1.0"};
    EXPECT(MARTLET_OK, martlet_open(configuration, &options, &closed));
    EXPECT(MARTLET_ERROR_STATE, martlet_open(configuration, NULL, &second));
    EXPECT(MARTLET_OK, martlet_close(closed, 0));
    EXPECT(MARTLET_OK, martlet_open(configuration, &options, &device));
    if (device == closed || device == NULL) failures++;
    int foreign = 0;
    uintptr_t good = (uintptr_t)device;
    const uintptr_t handles[] = {
        0, 1, 255, 256, UINTPTR_MAX, UINTPTR_MAX / 2, UINTPTR_MAX / 2 + 1, (uintptr_t)&foreign, (uintptr_t)closed,
        good + 1, good + 255, good ^ 256, good ^ 512, good + 1024, (uintptr_t)(void *)configuration,
    };
    for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++)
        every_function_refuses((martlet_device *)handles[i]);
    martlet_device_status status = {.size = sizeof status};
    EXPECT(MARTLET_OK, martlet_status(device, &status));
    EXPECT(MARTLET_ERROR_HANDLE, martlet_call_add_integer((martlet_call *)(void *)device, 1));
    done("CAPI-01 NULL, huge, closed and foreign handles, and those of the other kind, are refused by every function");

    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_status(device, NULL));
    size_t *size = (size_t *)(void *)edge(sizeof(size_t), 0);
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_status(device, (martlet_device_status *)size));
    *size = sizeof status + 8;
    EXPECT(MARTLET_ERROR_UNSUPPORTED, martlet_status(device, (martlet_device_status *)size));
    *size = SIZE_MAX;
    EXPECT(MARTLET_ERROR_UNSUPPORTED, martlet_status(device, (martlet_device_status *)size));
    done("CAPI-01 martlet_status refuses NULL and other sizes");
    check_commands(device);
    check_reports(device);

    int descriptor = -1, again = -2;
    EXPECT(MARTLET_ERROR_WRONG_STATE, martlet_dispatch(device));
    EXPECT(MARTLET_ERROR_ARGUMENT, martlet_fd(device, NULL));
    EXPECT(MARTLET_OK, martlet_fd(device, &descriptor));
    EXPECT(MARTLET_OK, martlet_fd(device, &again));
    struct pollfd ready = {descriptor, POLLIN, 0};
    if (descriptor != again || poll(&ready, 1, 0) != 0) failures++;
    EXPECT(MARTLET_OK, martlet_dispatch(device));
    EXPECT(MARTLET_OK, martlet_start(device));
    EXPECT(MARTLET_ERROR_WRONG_STATE, martlet_start(device));
    EXPECT(MARTLET_ERROR_WRONG_STATE, martlet_on_command(device, "late", NULL, 0, handler, NULL));
    EXPECT(MARTLET_OK, martlet_fd(device, &again));
    EXPECT(MARTLET_OK, martlet_dispatch(device));
    EXPECT(MARTLET_OK, martlet_close(device, UINT32_MAX));
    every_function_refuses(device);
    done("CAPI-01 the wrong order, a second start and a second close are refused");

    EXPECT(MARTLET_OK, martlet_open(configuration, NULL, &device));
    EXPECT(MARTLET_OK, martlet_start(device));
    EXPECT(MARTLET_ERROR_WRONG_STATE, martlet_fd(device, &descriptor));
    EXPECT(MARTLET_ERROR_WRONG_STATE, martlet_dispatch(device));
    EXPECT(MARTLET_OK, martlet_close(device, 0));
    done("CAPI-01 a device that was started without a descriptor has none");
    return failures == 0 ? 0 : 1;
}
