#pragma once

/* The lines of several streams in the order in which they came. */

#include "zinit/logs.h"

/* Which lines. */
enum merge_part {
    MERGE_ALL,
    MERGE_FRESH, /* those that weren't passed on yet (ring.h) */
};

struct merge_place {
    uint64_t order; /* of the stream's next line */
    size_t cursor;
    struct log_stream *stream;
};

struct merge {
    struct merge_place *heap;
    size_t count; /* streams that have more */
    enum merge_part part;
};

/* Of the streams with this name, or of all when it is NULL. No line is added, no stream opened or closed, until
 * merge_close. 0, or -ENOMEM. */
int merge_open(struct merge *merge, const struct logs *logs, const char *name, enum merge_part part);
/* The next line, its text (NULL: isn't wanted) as ring_next gives it, and whose it is; of fresh lines, it is now passed
 * on. False at the end. */
bool merge_next(struct merge *merge, struct log_stream **ret_stream, struct ring_line *ret_line, char *ret_text);
void merge_close(struct merge *merge);
