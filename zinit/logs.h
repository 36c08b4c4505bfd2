#pragma once

/* Logs: what services write, line by line, kept in a ring per service and copied to the consoles as `[name] text`, or
 * as it is when it begins with `name: `. */

#include "zinit/bucket.h"
#include "zinit/loop.h"
#include "zinit/ring.h"
#include "zinit/screen.h"

#include <cjson/cJSON.h>

#define LOGS_RING_BYTES 65536
/* One service can neither fill a serial line (11 KB/s) for the others nor keep PID 1 busy. */
#define LOGS_SHOWN_BYTES 65536
#define LOGS_SHOWN_BYTES_PER_S 4096
#define LOGS_TAKEN_BYTES (1024UL * 1024)
#define LOGS_TAKEN_BYTES_PER_S (256UL * 1024)

struct log_stream;

/* Who is given each line as it is added, whatever stream it is of. It may remove itself, or any other, in its callback,
 * but adds no line there: lib/log is fine, its lines come in later. */
struct log_sink {
    struct log_sink *next;
    /* `text` is line->size bytes of valid UTF-8, NUL-terminated, and stays the caller's. */
    void (*on_line)(struct log_sink *sink, const struct log_stream *stream, const struct ring_line *line,
                    const char *text);
};

/* What all streams share. */
struct logs {
    struct loop *loop;
    struct screen *screen;
    uint64_t order; /* of the last line */
    struct log_sink *sinks;
    struct log_sink *next_sink; /* to be given the line that is being added */
};

void logs_add_sink(struct logs *logs, struct log_sink *sink);
/* Fine when it isn't there. */
void logs_remove_sink(struct logs *logs, struct log_sink *sink);

/* What one service writes. It outlives the service's processes. */
struct log_stream {
    const char *name; /* the service's */
    struct logs *logs;
    bool plain; /* shown without its name */
    struct ring ring;
    struct loop_source source; /* the pipe's reading end; fd -1: nobody writes */
    char *partial;             /* the begin of a line whose end hasn't come */
    size_t partial_size;
    struct bucket shown; /* what may go to the consoles */
    size_t hidden;       /* lines that didn't, since the last that did */
    struct bucket taken; /* what is read: the writer waits when it is empty */
    struct loop_timer resume;
};

void logs_open(struct log_stream *stream, const char *name, struct logs *logs);
void logs_close(struct log_stream *stream);

/* Makes a pipe, reads its one end from now on, and gives the other, which is the caller's to hand on and close. An
 * earlier pipe is read empty first. 0, or negative errno. */
int logs_attach(struct log_stream *stream, int *ret_fd);
/* Reads what is left, and closes the pipe. */
void logs_detach(struct log_stream *stream);

/* Adds a line as if it had been written: "<N>" at its begin is its level (6 without). */
void logs_add(struct log_stream *stream, const char *text, size_t size);

/* All that is kept by these streams, in order, as a new array of `time name: text` strings (zinit's form), or of the
 * texts alone when `raw`. NULL when memory is out. */
cJSON *logs_to_json(struct log_stream *const *streams, size_t count, bool raw);
