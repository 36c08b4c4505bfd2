#pragma once

/* One service: its unit, where it is in its life, and its process. */

#include "zinit/cgroup.h"
#include "zinit/children.h"
#include "zinit/logs.h"
#include "zinit/loop.h"
#include "zinit/machine.h"
#include "zinit/unit.h"

#include <signal.h>

struct supervisor;

/* How its last process ended. */
struct service_exit {
    enum service_exit_kind {
        SERVICE_EXIT_NONE,    /* none has */
        SERVICE_EXIT_CODE,    /* number is its code */
        SERVICE_EXIT_SIGNAL,  /* number is the signal */
        SERVICE_EXIT_LIMIT,   /* killed by the kernel: its memory limit */
        SERVICE_EXIT_MACHINE, /* killed by the kernel: the machine's memory was out */
    } kind;
    int number;
    bool unhealthy; /* it was told to end since its health check failed */
};

struct service {
    /* supervisor.c's: the list of all, and the table by name */
    struct service *next, *previous;
    struct table_node by_name;
    struct supervisor *supervisor;
    struct unit unit;
    enum machine_state state;
    pid_t pid; /* 0: none */
    struct child process;
    bool good;         /* the last process ended well */
    char reason[256];  /* why it is in this state, in words; "": nothing to say */
    unsigned restarts; /* starts after the first */
    unsigned failures; /* ends in a row of processes that weren't stable */
    bool started;      /* once at least */
    uint64_t started_ms;
    bool told;     /* somebody wanted it down */
    pid_t session; /* of its last main process: as long as anything is in it, nothing else has this number */
    struct service_exit exit;
    struct cgroup_ooms ooms; /* before this process */
    struct log_stream log;
    struct loop_source ready; /* where it tells that it is ready */
    unsigned messages;        /* that came to a ready socket */
    struct loop_timer timer;  /* of the state: stop time-out, or delay */
    struct loop_timer sweep;  /* removes the control group once it is empty */
    unsigned sweeps;          /* how often that was tried */
    /* after.c's: those that wait for it, its own place among those that wait, and what is known of circles */
    struct service *waiters;
    struct service *next_waiter, **waiter_place; /* NULL: waits for nothing */
    unsigned acyclic_in;                         /* the supervisor's generation in which it was seen */
    unsigned visited_by;                         /* the last search */
    bool on_path;
    /* shutdown.c's: when its process got SIGKILL for not ending in time (0: it didn't), whether one that comes after it
     * is still there */
    uint64_t killed_ms;
    bool needed;
    uint64_t unwell_ms; /* watchdog.c's: since when a critical one isn't well; 0: it is */
    /* probe.c's */
    pid_t probe_pid; /* 0: none */
    struct child probe;
    struct loop_timer probe_timer;
    unsigned unhealthy; /* health checks in a row that failed */
    bool probe_late;    /* it was killed since it took too long */
    bool was_healthy;   /* one check of this process succeeded */
};

/* Takes over the unit. NULL when memory is out (the unit stays the caller's). */
struct service *service_new(struct supervisor *supervisor, struct unit *unit);
/* It has no process, and none that lingers: with it goes the sweep that clears its control group away. */
void service_free(struct service *service);

/* Feeds an event, does what the table says, and lets the supervisor settle. */
void service_feed(struct service *service, enum machine_event event);

/* Of a blocked one: starts it when what it comes after is there. */
void service_check(struct service *service);

void service_start(struct service *service);
void service_stop(struct service *service);
/* 0, or negative errno (-ESRCH: no process). */
int service_signal(struct service *service, int number);
/* Kills all its processes. */
void service_kill(struct service *service);
/* Whether some of its processes, killed, haven't ended yet. */
bool service_lingers(struct service *service);

/* zinit's name of its state. */
const char *service_state_name(const struct service *service);
/* True when what comes after it may start. */
bool service_is_there(const struct service *service);

/* Whether its processes end so often that it is no accident, and until one is stable. */
bool service_is_crash_loop(const struct service *service);
/* Milliseconds until it is started again; -1 when it doesn't wait for that. */
int64_t service_next_start_ms(const struct service *service);
/* How its last process ended, in words: "exited with code 3"; "" when none has. */
void service_exit_text(const struct service_exit *exit, char *text, size_t size);

/* True while it does its work, or while nobody wants it to: false from its failure or the end of a process that nobody
 * asked for until it is there again, and throughout a crash loop, though a process may be up for a moment. */
bool service_is_well(const struct service *service);
