// SPDX-License-Identifier: Apache-2.0

/// Martlet for C: a device that connects by mutual TLS, reports signed telemetry, and obeys authenticated commands.
/// C99 and C++.
///
/// Errors. Functions return MARTLET_OK or an error; the last lines about each name its errors, without MARTLET_ERROR_.
/// martlet_error_text() says in words what went wrong. On an error nothing was written to out parameters.
///
/// Handles. A martlet_device * or martlet_call * is a number, never an address: NULL, a closed one, or anything else
/// that is none gives MARTLET_ERROR_HANDLE. So does one of the other kind.
///
/// Other pointers must lead to what they promise, as everywhere in C. Where this text does not say that one may be
/// NULL, NULL gives MARTLET_ERROR_ARGUMENT. Names and paths end with a zero byte; no more bytes are read than the limit
/// stated for them and one. Nothing is kept after the call, but handlers, callbacks and their `user` pointers.
///
/// Threads. Every function may be called from any thread at any time, martlet_close too. None waits for the network
/// but martlet_close. The library starts one thread for network and disk, one for command handlers (more if they
/// hang) unless martlet_fd was called, one for each exchange over HTTPS, and one for each name that is being resolved,
/// which may outlive martlet_close if no name server answers; all leave signals to the program's threads.
/// libmosquitto makes the process ignore SIGPIPE.
/// After fork() without exec(), the child must not call this library.

#ifndef MARTLET_H
#define MARTLET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The version of this header, and of the library that is linked. A constant.
#define MARTLET_VERSION "0.1.0"
const char *martlet_version(void);

/// What functions return. Numbers never change their meaning.
enum {
    MARTLET_OK = 0,
    /// The configuration file cannot be used; the text names file and line.
    MARTLET_ERROR_CONFIGURATION = 1,
    /// A file that the configuration names cannot be used.
    MARTLET_ERROR_FILE = 2,
    /// The certificate, key and device id do not fit together.
    MARTLET_ERROR_IDENTITY = 3,
    /// The state directory cannot be used, or another process or handle uses it.
    MARTLET_ERROR_STATE = 4,
    /// An argument is outside what is allowed.
    MARTLET_ERROR_ARGUMENT = 5,
    /// Readings come faster than they can be signed: this one was dropped, and counted.
    MARTLET_ERROR_FULL = 6,
    /// This version does not support it.
    MARTLET_ERROR_UNSUPPORTED = 7,
    /// The call does not fit what the device is doing.
    MARTLET_ERROR_WRONG_STATE = 8,
    /// The operating system or a library failed.
    MARTLET_ERROR_SYSTEM = 9,
    /// Not a handle, or no longer.
    MARTLET_ERROR_HANDLE = 10
};

/// What went wrong in this thread's last call that failed, in words: UTF-8, at most 255 bytes, no secrets, no control
/// characters. Empty before the first. Valid until the thread's next call that fails.
const char *martlet_error_text(void);

/// A device, and a command while its handler runs.
typedef struct martlet_device martlet_device;
typedef struct martlet_call martlet_call;

/// How important a log line is.
enum { MARTLET_LOG_ERROR = 0, MARTLET_LOG_WARNING = 1, MARTLET_LOG_INFO = 2, MARTLET_LOG_DEBUG = 3 };

/// Takes one log line: UTF-8 without control characters, valid until it returns. Called by martlet_start, then on the
/// library's network thread, by one at a time. It must return soon: meanwhile nothing is sent or received. Of this
/// library it may call martlet_error_text, martlet_report_…, martlet_status and martlet_close. It must return: no longjmp,
/// no exception, no pthread_exit, no cancellation.
typedef void (*martlet_log)(int32_t level, const char *line, void *user);

/// How to open a device. Set `size`, and everything else to 0 or NULL where nothing is wanted.
typedef struct martlet_options {
    /// sizeof(martlet_options)
    size_t size;
    /// Name and version of the program, told to the back end: UTF-8, at most 32 bytes each. Both or none.
    const char *program;
    const char *program_version;
    /// Lines up to MARTLET_LOG_… are given to `log`; without it nothing is logged.
    int32_t log_level;
    martlet_log log;
    void *user;
} martlet_options;

/// Reads a configuration file (its keys are documented at Device in Sources/Martlet/Device.swift) and everything that
/// it names, and takes the state directory; connects to nothing yet. `path`: UTF-8, at most 4,095 bytes. `options` may
/// be NULL. Close what was opened. At most 256 devices are open at a time.
///
/// With [https] in it a device sends and gets the same by HTTPS: instead of the broker, or as long as that cannot be
/// reached. libcurl.so.4 is loaded when HTTPS is first needed, which may be never; if there is none, attempts to connect
/// by HTTPS fail, and `log` is told why.
///
/// CONFIGURATION, FILE, IDENTITY, STATE, SYSTEM; ARGUMENT; UNSUPPORTED for `options` of a newer header, and for a
/// 257th device.
int32_t martlet_open(const char *path, const martlet_options *options, martlet_device **device);

/// Kinds of a parameter.
enum {
    /// From `minimum` to `maximum`.
    MARTLET_INTEGER = 1,
    /// From `lowest` to `highest`; an integer is taken too.
    MARTLET_NUMBER = 2,
    MARTLET_BOOLEAN = 3,
    /// UTF-8 of at most `maximum_length` bytes.
    MARTLET_TEXT = 4,
    /// At most `maximum_length` bytes.
    MARTLET_DATA = 5
};

/// What an argument must be. Only the fields that its kind names are read.
typedef struct martlet_parameter {
    int32_t kind;
    /// At most 1,024.
    uint32_t maximum_length;
    int64_t minimum;
    int64_t maximum;
    double lowest;
    double highest;
} martlet_parameter;

/// Carries out a command: MARTLET_OK says done, anything else says failed, and the back end is told so by a signed
/// receipt. Handlers of a device run one after the other, on the library's second thread or in martlet_dispatch: as long
/// as each ends within 10 seconds, no two run at the same time. One that runs longer on the library's thread is left
/// alone with it, and the next commands go on beside it on another one; its outcome is told when it ends. There are at
/// most four such threads, then commands wait. In martlet_dispatch a handler delays other commands for as long as it
/// takes. A handler may call every function; `call` is valid until it returns, which it must: no longjmp, no exception,
/// no pthread_exit, no cancellation. If the device is closed before, there is no receipt: to close because of a command,
/// do so after its handler.
typedef int32_t (*martlet_handler)(martlet_call *call, void *user);

/// Names a command that the device obeys, before martlet_start. Arguments that differ from `parameters` in number, kind
/// or range are refused before `handler` is called. A command takes effect at most once.
/// `name`: a lower-case letter, then at most 31 of a-z, 0-9 and -; neither suspend nor activate, which the library itself
/// carries out. `parameters`: `count`, at most 8; NULL if 0.
///
/// HANDLE, ARGUMENT (also for a name that is taken), WRONG_STATE after martlet_start or while another thread is in this
/// function or in martlet_start.
int32_t martlet_on_command(martlet_device *device, const char *name, const martlet_parameter *parameters, size_t count,
                           martlet_handler handler, void *user);

/// The same for a command that does no more when it is carried out twice than once: if the program ends before its
/// outcome is known, the next run carries it out again, at most 4 times in all, instead of telling that it was
/// interrupted.
int32_t martlet_on_idempotent_command(martlet_device *device, const char *name, const martlet_parameter *parameters,
                                      size_t count, martlet_handler handler, void *user);

/// Makes martlet_dispatch the place where handlers run, instead of a thread of the library. Call it before
/// martlet_start. `*descriptor` can be read, for poll() and its kind, when martlet_dispatch has something to do. It
/// belongs to the device: do not read, write or close it. martlet_close closes it.
///
/// HANDLE, ARGUMENT, SYSTEM; WRONG_STATE after martlet_start, unless it was called before.
int32_t martlet_fd(martlet_device *device, int *descriptor);

/// Runs, on the caller's thread, the handlers of all commands that wait now, and returns; does not wait for more. While
/// one thread is at it, another that calls this returns MARTLET_OK at once: what waits then makes the descriptor
/// readable again. Call it when the descriptor is readable, or from time to time.
///
/// HANDLE; WRONG_STATE in a handler of the device, before martlet_fd was called, and while another thread closes it.
int32_t martlet_dispatch(martlet_device *device);

/// Begins to connect, and goes on until martlet_close.
///
/// HANDLE; WRONG_STATE the second time, and while another thread is in martlet_on_command; STATE, SYSTEM: then close
/// the device, it cannot be started any longer.
int32_t martlet_start(martlet_device *device);

/// `alarm` overtakes the others and waits for nobody; `bulk` waits for them, and gives way first.
enum { MARTLET_LANE_ALARM = 0, MARTLET_LANE_NORMAL = 1, MARTLET_LANE_BULK = 2 };

/// Reports a reading. It is signed together with others, is on the disk, encrypted, within the batch's age, and is sent
/// when there is a connection; until the back end has it, it survives power cuts. If the spool is full, the oldest
/// readings of the least urgent lane give way, and the back end is told. The time of the reading is that of the call. May
/// be called before martlet_start; a device that is closed without it forgets the readings.
/// `lane`: MARTLET_LANE_NORMAL, …. `durable`: 0, or return when the reading is on the disk; readings that several threads
/// report at once are written together.
/// `name`: 1 to 64 letters, digits and -:./_, the first a letter or digit. `unit`: a symbol of the SenML registries
/// (RFC 8428 section 12.1, RFC 8798), at most 16 visible ASCII characters; NULL or empty: none. `value` of a state: 0
/// is false, anything else true. `length` of text (UTF-8) and data: at most 1,024 bytes; if it is 0 the pointer may be
/// NULL.
///
/// HANDLE; ARGUMENT, also for NaN, infinity and text that is not UTF-8; FULL; WRONG_STATE while the device is closed, and,
/// if `durable`, before martlet_start and in martlet_log; STATE if the disk does not take a durable reading within 10 s:
/// it is kept in memory, and written when that is possible.
int32_t martlet_report_number(martlet_device *device, const char *name, double value, const char *unit, int32_t lane,
                              int32_t durable);
int32_t martlet_report_boolean(martlet_device *device, const char *name, int32_t value, int32_t lane, int32_t durable);
int32_t martlet_report_text(martlet_device *device, const char *name, const char *text, size_t length, int32_t lane,
                            int32_t durable);
int32_t martlet_report_data(martlet_device *device, const char *name, const void *data, size_t length, int32_t lane,
                            int32_t durable);

/// Whether there is a connection.
enum { MARTLET_DISCONNECTED = 0, MARTLET_CONNECTING = 1, MARTLET_CONNECTED = 2 };

/// What a device is doing. Set `size` before the call.
typedef struct martlet_device_status {
    /// sizeof(martlet_device_status)
    size_t size;
    /// MARTLET_DISCONNECTED, …
    int32_t connection;
    /// Messages that the broker, or the HTTPS server, has not acknowledged.
    uint64_t waiting_messages;
    /// Readings that were refused with MARTLET_ERROR_FULL.
    uint64_t dropped_readings;
    /// Commands that were refused before or at their signature.
    uint64_t refused_messages;
} martlet_device_status;

/// HANDLE, ARGUMENT; UNSUPPORTED for a status of a newer header.
int32_t martlet_status(martlet_device *device, martlet_device_status *status);

/// Sends what waits, for at most `flush_seconds` and only while there is a connection, says goodbye (1 second at most,
/// over HTTPS 4), ends the threads and gives the handle back, whatever happens. What could not be sent is in the spool,
/// and the next run sends it.
///
/// It waits for all handlers and a log callback that run, however long they take.
/// When it returns, no handler and no log callback of the device runs or will run, but the one that called it. Called
/// from the log callback on the network thread, it returns before that thread has ended: the state directory is free
/// after at most `flush_seconds` and a second more, over HTTPS five; the process should live as long. Called while
/// another thread is in martlet_start, it returns before that has given up, with WRONG_STATE.
///
/// HANDLE, also while another thread closes the device.
int32_t martlet_close(martlet_device *device, uint32_t flush_seconds);

/// An argument of a command, by its index from 0. A text goes to `text`, of `size` bytes, and ends with a zero byte;
/// data goes to `data`, of `size` bytes, and its number of bytes to `*length`. `*value` of a state is 0 or 1.
///
/// HANDLE after the handler's end; ARGUMENT for an index out of range, an argument that was declared of another kind,
/// a `size` that is too small, and a text that holds a zero byte.
int32_t martlet_call_integer(martlet_call *call, size_t index, int64_t *value);
int32_t martlet_call_number(martlet_call *call, size_t index, double *value);
int32_t martlet_call_boolean(martlet_call *call, size_t index, int32_t *value);
int32_t martlet_call_text(martlet_call *call, size_t index, char *text, size_t size);
int32_t martlet_call_data(martlet_call *call, size_t index, void *data, size_t size, size_t *length);

/// Adds a value to the receipt, at most 8 for a call. They are sent if the handler says done. Limits are those of
/// martlet_report_….
///
/// HANDLE after the handler's end; ARGUMENT, also for a ninth value.
int32_t martlet_call_add_integer(martlet_call *call, int64_t value);
int32_t martlet_call_add_number(martlet_call *call, double value);
int32_t martlet_call_add_boolean(martlet_call *call, int32_t value);
int32_t martlet_call_add_text(martlet_call *call, const char *text, size_t length);
int32_t martlet_call_add_data(martlet_call *call, const void *data, size_t length);

#ifdef __cplusplus
}
#endif

#endif
