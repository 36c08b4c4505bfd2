#pragma once

/* What every daemon's main.c is made of: one libuv loop, its JSON-RPC socket, an orderly end at SIGTERM, readiness told
 * to zinit, and jobs for the thread pool.
 *
 *     struct daemon daemon;
 *     if (daemon_open(&daemon, "storaged", STORAGED_METHODS, &state) < 0) return 1;
 *     …                                   open what it observes on daemon.loop
 *     daemon_ready(&daemon);
 *     return daemon_run(&daemon);
 */

#include "lib/rpc.h"

#include <uv.h>

/* Where sockets lie: $ZOS_RUN, or /run. The name is joined by daemon_socket_path. */
#define DAEMON_RUN_DEFAULT "/run"
#define DAEMON_PATH_BYTES 108 /* sun_path, unix(7) */

struct daemon {
    uv_loop_t *loop;
    const char *name;
    /* Called once when the daemon is asked to stop, before the loop is stopped; may be NULL. */
    void (*on_stop)(void *context);
    void *context;
    /* private */
    uv_signal_t sigterm, sigint;
    uv_pipe_t server;
    const struct rpc_method *methods;
};

/* Sets log, libsodium, loop, signals (SIGPIPE ignored) and the socket /run/<name>.sock (mode 0600; peers other than our
 * own uid are refused by SO_PEERCRED). 0, or negative errno, logged. */
int daemon_open(struct daemon *daemon, const char *name, const struct rpc_method *methods, void *context);

/* Tells the supervisor that the daemon serves: writes a newline to the descriptor named in $ZINIT_READY_FD and closes
 * it, when there is one (s6's way of readiness). */
void daemon_ready(struct daemon *daemon);

/* Runs until SIGTERM or daemon_stop; the exit code. */
int daemon_run(struct daemon *daemon);
void daemon_stop(struct daemon *daemon);

/* Runs `work` in the thread pool, then `done` on the loop, both with `context`, which is all that `work` may touch. 0
 * or negative errno. */
int daemon_work(struct daemon *daemon, void (*work)(void *job), void (*done)(void *job), void *context);

/* "<run>/<name>.sock". */
void daemon_socket_path(const char *name, char ret_path[static DAEMON_PATH_BYTES]);
