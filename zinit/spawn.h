#pragma once

/* Processes of services. */

#include "zinit/confine.h"

#include <sys/types.h>

#define SPAWN_READY_FD 3 /* where a child finds the descriptor on which it tells that it is ready */

struct spawn {
    const struct unit *unit; /* what confines it; NULL: nothing */
    char *const *argv;       /* the program is looked for in zinit's PATH when its name has no slash */
    char *const *env;
    int output_fd; /* standard output and error; -1: /dev/null */
    int ready_fd;  /* -1: none */
    int cgroup_fd; /* -1: none */
    int oom_score; /* added to its badness when memory is out (proc_pid_oom_score_adj(5)); 0: none */
};

/* Why there is no process. */
struct spawn_failure {
    enum confine_step step;
    int error; /* errno */
};

/* Conditions of spawn_process. */
enum {
    SPAWN_NEVER = 1, /* it can't be as it is: *ret_failure says why (no such file, no such user …) */
};

/* Starts a process in a session, and a control group, of its own, with all signals as they are by default, and waits
 * until its program has begun. 0 and its pid; SPAWN_NEVER; or negative errno: not now. */
int spawn_process(const struct spawn *spawn, pid_t *ret_pid, struct spawn_failure *ret_failure);
