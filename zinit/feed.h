#pragma once

/* The copy of all lines on disk, as far as PID 1 has to do with it: it passes lines down a pipe that never blocks to a
 * process of its own (book_writer.h), which may hang on its disk as it likes. What the pipe doesn't take stays in the
 * rings; what they had to forget is counted, and told in its place. */

#include "zinit/children.h"
#include "zinit/logs.h"

#include <sys/types.h>

#define FEED_BATCH_BYTES 16384
/* A second's lines together make one write and one fdatasync; at most they are lost when the power goes. */
#define FEED_AFTER_MS 1000

struct feed {
    struct log_sink sink; /* tells that there is something */
    struct logs *logs;
    struct children *children;
    char *const *argv; /* the writer's */
    char *const *env;
    struct loop_source pipe; /* the writing end */
    int reader_fd;           /* kept: what is in the pipe outlives a writer */
    bool passing;            /* the pipe is waited for */
    uint64_t order;          /* of the last line passed on */
    struct loop_timer soon, again;
    pid_t writer; /* 0: none */
    struct child process;
    uint64_t spawned_ms;
    unsigned failures; /* ends in a row of writers that weren't stable */
    size_t used;
    char batch[FEED_BATCH_BYTES]; /* what the pipe hasn't taken yet: `used` bytes */
};

/* Starts the writer, which gets the pipe as descriptor SPAWN_READY_FD and writes its own lines to our standard error,
 * and again whenever it ends, and passes on what the rings hold, then what comes. `argv` and `env` stay the caller's.
 * 0, or negative errno, logged.
 */
int feed_open(struct feed *feed, struct logs *logs, struct children *children, char *const *argv, char *const *env);
/* Passes on what is left, closes the pipe, which tells the writer that this was all, and waits for its end; all of it
 * for at most so long. Fine when it was never opened. */
void feed_close(struct feed *feed, unsigned at_most_ms);
