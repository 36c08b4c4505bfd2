#pragma once

/* Reading the log on disk. It may block as its disk does, and is no part of PID 1. */

#include "zinit/book.h"

/* Prints the lines of one boot, of the service with this name or of all (NULL), as they are in the files, to `out`.
 * `boot` is a boot's number, or counted back from the one that is running: 0 this one, -1 the last before it. Says on
 * standard error what is wrong, and when the boot ended without a shutdown. The exit code: 0, or 1 when there is
 * nothing of it. */
int book_read_boot(const char *folder, int boot, const char *name, FILE *out);

struct book_end {
    unsigned boot;                  /* the last one before this; 0: there is none that is known of */
    bool clean;                     /* it was shut down in order */
    char line[RING_LINE_BYTES_MAX]; /* its last; "": it has none */
};

/* How the boot before this one ended. 0, or negative errno (-ENOENT: no disk has such a log, or none yet). */
int book_read_last_end(const char *folder, struct book_end *ret_end);
