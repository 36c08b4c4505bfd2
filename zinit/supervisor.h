#pragma once

/* The supervisor: all services, the loop they share, and what happens to them together. */

#include "zinit/feed.h"
#include "zinit/kernel.h"
#include "zinit/logs.h"
#include "zinit/loop.h"
#include "zinit/screen.h"
#include "zinit/service.h"
#include "zinit/watchdog.h"

struct session;

enum shutdown_mode {
    SHUTDOWN_NONE, /* not shutting down */
    SHUTDOWN_POWER_OFF,
    SHUTDOWN_REBOOT,
    SHUTDOWN_KEXEC, /* into the kernel that was loaded (kexec.c), without firmware */
};

struct supervisor {
    struct loop loop;
    struct screen screen;
    struct logs logs;
    struct log_stream log; /* zinit's own lines */
    /* A machine's only: */
    struct kernel_log kernel;
    struct feed feed;
    const char *dir; /* of the units */
    bool container;  /* not a machine's PID 1: ends by exiting, leaves mounts alone */
    char **env;      /* what every service's environment begins with */
    struct service *services, *last_service;
    struct table by_name;
    struct children children;
    struct loop_timer reap_more;
    struct service *due; /* blocked ones that are to be looked at */
    /* after.c's: how often the services have changed, and how often it has searched */
    unsigned generation, searches;
    struct loop_source signals;
    unsigned depth; /* of service_feed */
    bool settling;
    struct session *asking; /* the client whose JSON-RPC request is being answered */
    struct watchdog watchdog;
    /* shutdown.c's */
    enum shutdown_mode shutdown;
    struct loop_timer shutdown_late, shutdown_stuck;
};

/* Begins: loop, signals, consoles, log. `dir` stays the caller's. 0, or negative errno, logged. */
int supervisor_open(struct supervisor *supervisor, const char *dir, bool container);
void supervisor_close(struct supervisor *supervisor);

/* Adds every <name>.yaml of the folder, logging what is wrong with each, and starts all. How many there are. */
size_t supervisor_load(struct supervisor *supervisor);

/* Conditions of supervisor_add beside REFUSED. */
enum { SUPERVISOR_KNOWN = 2 };
/* Loads <dir>/<name>.yaml as a service, not started. 0 and *ret_service, REFUSED, SUPERVISOR_KNOWN (such a service is
 * there already), or negative errno. */
int supervisor_add(struct supervisor *supervisor, const char *name, struct service **ret_service,
                   struct reason *reason);
/* Forgets a service that has no process and isn't wanted up. What waits for it is told. */
void supervisor_remove(struct supervisor *supervisor, struct service *service);
struct service *supervisor_find(struct supervisor *supervisor, const char *name);

/* After something changed: starts what can be started now, goes on with a shutdown. */
void supervisor_settle(struct supervisor *supervisor);
/* Takes in children that have ended, as many as hold up nothing else; goes on by itself while there are more. */
void supervisor_reap(struct supervisor *supervisor);
