#pragma once

/* Calls that fail when a test says so: linked with --wrap (sources.mk), so that the code under test, and in the musl
 * build the libraries in it, call these. */

#include <stdbool.h>

enum failing_kind {
    FAILING_MEMORY, /* malloc, calloc, realloc, strdup, strndup, asprintf, scandir: ENOMEM */
    FAILING_KERNEL, /* pipe2, open, openat, epoll_ctl's add, accept4: EMFILE; clone_process, fork: EAGAIN */
};

/* Of the calls of this kind, counted from 0 on, number `nth` fails, and each thereafter when `lasting`. */
void failing_begin(enum failing_kind kind, long nth, bool lasting);
/* None fails any more. Whether any did. */
bool failing_end(void);
