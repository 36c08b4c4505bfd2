#pragma once

/* Logs: what services write, line by line, kept in a ring per service and copied to the consoles as `[name] text`, or
 * as it is when it begins with `name: `. */

#include "zinit/bucket.h"
#include "zinit/loop.h"
#include "zinit/ring.h"
#include "zinit/screen.h"

#define LOGS_RING_BYTES 65536
#define LOGS_LEVEL_DEFAULT 6 /* of a line that doesn't begin with <N>: info */

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
    uint32_t lines_max;         /* a stream keeps no more; 0: its ring's bytes are the only bound */
    struct log_stream *streams; /* those that are open */
    uint64_t order;             /* of the last line */
    int64_t time_ms;            /* since 1970, of the lines that are being read */
    uint64_t now_ms;            /* loop_now_ms() then */
    struct log_sink *sinks;
    struct log_sink *next_sink; /* to be given the line that is being added */
    struct bucket reading;      /* µs that reading may take */
    struct log_stream *paused;  /* aren't read for a while, the next to be read again first */
    unsigned paused_count;
    struct loop_timer resume;
};

/* What one service writes. It outlives the service's processes. */
struct log_stream {
    const char *name; /* the service's */
    struct logs *logs;
    struct log_stream *next, *next_paused;
    struct ring ring;
    struct loop_source source; /* the pipe's reading end; fd -1: nobody writes */
    char *partial;             /* the begin of a line whose end hasn't come */
    uint16_t partial_size;
    uint64_t resume_ms; /* when it is paused: until then */
    bool paused;
    bool plain;           /* shown without its name */
    bool silent;          /* not shown on the consoles */
    uint32_t hidden;      /* lines that weren't shown since the last that was */
    struct bucket shown;  /* what may go to the consoles */
    struct bucket stored; /* to the disk: feed.c's */
};

/* Begins with no stream. `loop` and `screen` stay the caller's. */
void logs_start(struct logs *logs, struct loop *loop, struct screen *screen);

void logs_add_sink(struct logs *logs, struct log_sink *sink);
/* Fine when it isn't there. */
void logs_remove_sink(struct logs *logs, struct log_sink *sink);

/* `name` stays the caller's and outlives the stream. */
void logs_open(struct log_stream *stream, const char *name, struct logs *logs);
void logs_close(struct log_stream *stream);

/* Makes a pipe, reads its one end from now on, and gives the other, which is the caller's to hand on and close. An
 * earlier pipe is read empty first. 0, or negative errno. */
int logs_attach(struct log_stream *stream, int *ret_fd);
/* Reads what is there. */
void logs_read_now(struct log_stream *stream);
/* Reads what is left, and closes the pipe. */
void logs_detach(struct log_stream *stream);

/* Adds a line as if it had been written: "<N>" at its begin is its level. What is beyond RING_LINE_BYTES_MAX is cut. */
void logs_add(struct log_stream *stream, const char *text, size_t size);
/* Adds a line of this level and time. `text` is made valid UTF-8 in place, and has room for a NUL behind `size`, which
 * is at most RING_LINE_BYTES_MAX. */
void logs_add_record(struct log_stream *stream, int level, int64_t time_ms, char *text, size_t size);

/* Takes the time for the lines that are read next; gives it in µs for logs_end_reading, which charges what reading took
 * and pauses the stream (its source gets no EPOLLIN) when all that zinit may spend on logs is spent. */
uint64_t logs_begin_reading(struct logs *logs);
void logs_end_reading(struct log_stream *stream, uint64_t began_us);
/* Closes what the stream is read from, as it is. */
void logs_stop_reading(struct log_stream *stream);
