// SPDX-License-Identifier: Apache-2.0
//
// An ordinary store-and-forward queue: `queue DIRECTORY COUNT GROUP` puts COUNT messages of 200 bytes into a table of
// SQLite, GROUP in a transaction, then reads them in order and deletes them, as many at once. With -DCIPHER it is
// SQLCipher, with a raw key, so that none is derived from a password, and its default settings.

#define _GNU_SOURCE

#include "measure.h"

#ifdef CIPHER
#define SQLITE_HAS_CODEC
#include <sqlcipher/sqlite3.h>
#else
#include <sqlite3.h>
#endif
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *database;

static void must(int ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "%s: %s\n", what, sqlite3_errmsg(database));
    exit(1);
}

static void execute(const char *statement) {
    must(sqlite3_exec(database, statement, NULL, NULL, NULL) == SQLITE_OK, statement);
}

static sqlite3_stmt *prepare(const char *text) {
    sqlite3_stmt *statement;
    must(sqlite3_prepare_v2(database, text, -1, &statement, NULL) == SQLITE_OK, text);
    return statement;
}

static void step(sqlite3_stmt *statement) {
    must(sqlite3_step(statement) == SQLITE_DONE, "sqlite3_step");
    sqlite3_reset(statement);
}

static void put(int count, int group) {
    unsigned char body[200];
    memset(body, 'x', sizeof body);
    sqlite3_stmt *insert = prepare("INSERT INTO queue (body) VALUES (?)");
    sqlite3_stmt *begin = prepare("BEGIN IMMEDIATE"), *commit = prepare("COMMIT");
    for (int number = 0; number < count; number++) {
        if (number % group == 0) step(begin);
        memcpy(body, &number, sizeof number);
        must(sqlite3_bind_blob(insert, 1, body, sizeof body, SQLITE_STATIC) == SQLITE_OK, "sqlite3_bind_blob");
        step(insert);
        if (number % group == group - 1 || number == count - 1) step(commit);
    }
    sqlite3_finalize(insert);
    sqlite3_finalize(begin);
    sqlite3_finalize(commit);
}

static void take(int count, int group) {
    sqlite3_stmt *select = prepare("SELECT id, body FROM queue ORDER BY id LIMIT ?");
    sqlite3_stmt *delete = prepare("DELETE FROM queue WHERE id <= ?");
    for (int expected = 0; expected < count;) {
        sqlite3_int64 last = 0;
        sqlite3_bind_int(select, 1, group);
        while (sqlite3_step(select) == SQLITE_ROW) {
            int number;
            must(sqlite3_column_bytes(select, 1) == 200, "the size");
            memcpy(&number, sqlite3_column_blob(select, 1), sizeof number);
            must(number == expected++, "the order");
            last = sqlite3_column_int64(select, 0);
        }
        sqlite3_reset(select);
        sqlite3_bind_int64(delete, 1, last);
        step(delete);
    }
    sqlite3_finalize(select);
    sqlite3_finalize(delete);
}

int main(int argc, char **argv) {
    int count = argc == 4 ? atoi(argv[2]) : 0, group = argc == 4 ? atoi(argv[3]) : 0;
    if (count <= 0 || group <= 0) {
        fprintf(stderr, "usage: queue DIRECTORY COUNT GROUP\n");
        return 2;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/queue.db", argv[1]);
    struct measure begin = measure_now();
    must(sqlite3_open(path, &database) == SQLITE_OK, "sqlite3_open");
#ifdef CIPHER
    execute("PRAGMA key = \"x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'\"");
#endif
    execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            "CREATE TABLE queue (id INTEGER PRIMARY KEY, body BLOB NOT NULL)");
    put(count, group);
    measure_pause();
    take(count, group);
    must(sqlite3_wal_checkpoint_v2(database, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK, "checkpoint");
    must(sqlite3_close(database) == SQLITE_OK, "sqlite3_close");
    measure_print(begin, count);
    return 0;
}
