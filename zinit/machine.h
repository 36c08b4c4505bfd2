#pragma once

/* The life of a service as a pure table: state × event → state, action. It takes no descriptor and reads no clock; who
 * drives it (service.c) does the action and feeds what came of it back as the next event. */

#include <stdbool.h>
#include <stdint.h>

enum machine_state {
    MACHINE_UNKNOWN,      /* never started */
    MACHINE_BLOCKED,      /* wanted up, waits for what it comes after */
    MACHINE_STARTING,     /* about to have a process: never seen from outside */
    MACHINE_SPAWNED,      /* has a process, which isn't ready yet */
    MACHINE_RUNNING,      /* has a process, which is ready */
    MACHINE_TEST_FAILURE, /* has a process, whose test failed last time */
    MACHINE_STOPPING,     /* has a process, which was told to end */
    MACHINE_REPLACING,    /* the same, and is wanted up again afterwards */
    MACHINE_HEALING,      /* has a process, which hangs and was told to end; it is started again by its unit */
    MACHINE_WAITING,      /* ended, waits until it is started again */
    MACHINE_SUCCESS,      /* ended well and stays so */
    MACHINE_ERROR,        /* ended badly and stays so */
    MACHINE_FAILURE,      /* can't be started as it is */
    MACHINE_STATES,
};

enum machine_event {
    MACHINE_START,       /* somebody wants it up */
    MACHINE_STOP,        /* somebody wants it down */
    MACHINE_REJECT,      /* it comes after something unknown, or after itself */
    MACHINE_UNBLOCK,     /* all that it comes after is there */
    MACHINE_HATCH,       /* the process exists */
    MACHINE_SPAWN_LATER, /* no process could be made now (memory, descriptors, processes) */
    MACHINE_SPAWN_NEVER, /* the executable can't be executed */
    MACHINE_READY,
    MACHINE_TEST_FAILED,
    MACHINE_UNHEALTHY,  /* its health check failed too often */
    MACHINE_EXIT_AGAIN, /* the process is gone, and by its unit is to be started again */
    MACHINE_EXIT_SUCCESS,
    MACHINE_EXIT_ERROR,
    MACHINE_DELAY_OVER, /* the wait before the next start is over */
    MACHINE_STOP_LATE,  /* told to end, it didn't in time */
    MACHINE_EVENTS,
};

enum machine_action {
    MACHINE_NOTHING,
    MACHINE_CHECK,  /* look whether all that it comes after is there */
    MACHINE_SPAWN,  /* make the process, and feed HATCH, SPAWN_LATER or SPAWN_NEVER */
    MACHINE_SIGNAL, /* send the stop signal, and feed STOP_LATE after the unit's time-out */
    MACHINE_KILL,   /* kill everything in it */
    MACHINE_DELAY,  /* feed DELAY_OVER after machine_delay_ms */
};

struct machine_step {
    enum machine_state state;
    enum machine_action action;
};

enum machine_restart {
    MACHINE_RESTART_ALWAYS,
    MACHINE_RESTART_ON_FAILURE,
    MACHINE_RESTART_NEVER,
};

struct machine_step machine_next(enum machine_state state, enum machine_event event);

/* True when a service in this state has a process. */
bool machine_has_process(enum machine_state state);
/* True when its process was told to end: the stop's time-out runs. */
bool machine_is_ending(enum machine_state state);
/* True when the service is wanted up (zinit's target). */
bool machine_wanted_up(enum machine_state state);
/* zinit's name of the state; `good`: the last process ended well. */
const char *machine_state_name(enum machine_state state, bool good);

/* Which of the three exit events an exit is, by the unit's policy. `good`: exit code 0, or the end that was asked for.
 */
enum machine_event machine_exit_event(enum machine_restart restart, bool oneshot, enum machine_state state, bool good);

#define MACHINE_STABLE_MS 10000 /* a process that lasted so long begins the row of delays anew */
/* The wait before the next start after `failures` earlier ones in a row: none, then 250 ms doubling to 30 s. */
uint64_t machine_delay_ms(unsigned failures);
/* True when so many processes in a row, not stable, ended that it is no accident. */
bool machine_is_crash_loop(unsigned failures);
