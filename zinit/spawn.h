#pragma once

/* Processes of services. */

#include <sys/types.h>

#define SPAWN_READY_FD 3 /* where a child finds the descriptor on which it tells that it is ready */

struct spawn {
    char *const *argv; /* the program is looked for in zinit's PATH when its name has no slash */
    char *const *env;
    const char *dir; /* NULL: / */
    int output_fd;   /* standard output and error; -1: /dev/null */
    int ready_fd;    /* -1: none */
    int cgroup_fd;   /* -1: none */
    int oom_score;   /* added to its badness when memory is out (proc_pid_oom_score_adj(5)); 0: none */
};

/* Conditions of spawn_process. */
enum {
    SPAWN_NEVER = 1, /* it can't be executed as it is: *ret_error says why (ENOENT, EACCES …) */
};

/* Starts a process in a session, and a control group, of its own, with all signals as they are by default, and waits
 * until its program has begun. 0 and its pid; SPAWN_NEVER; or negative errno: not now. */
int spawn_process(const struct spawn *spawn, pid_t *ret_pid, int *ret_error);
