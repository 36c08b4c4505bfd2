#pragma once

/* The processes that are waited for, by pid. There is one reaper (supervisor_reap), which takes in every child that
 * ends, adopted orphans too; who wants to be told of the end of one awaits it here. A pid stays that process's until it
 * is reaped. */

#include "zinit/table.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct child {
    /* It has ended, and isn't awaited any more: it may be freed here, or await the next process. */
    void (*on_end)(struct child *child, const siginfo_t *info);
    void *context;
    /* private */
    struct table_node node;
    pid_t pid; /* 0: awaits none */
};

struct children {
    struct table by_pid;
};

/* Awaits a process; the child stays the caller's and must stay where it is. One that awaits another leaves that to the
 * orphans. */
void children_await(struct children *children, struct child *child, pid_t pid);
/* Leaves its process to the orphans; fine when it awaits none. */
void children_leave(struct children *children, struct child *child);
/* Whether somebody awaits the process. */
bool children_awaits(struct children *children, pid_t pid);
/* A process has ended: tells who awaits it. */
void children_end(struct children *children, const siginfo_t *info);
