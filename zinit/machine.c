/* The table. A cell that isn't written is "stays, nothing to do": an event that has no meaning in that state (a
 * readiness line from a process that was told to end, a start of what runs). tests/unit/test_zinit_machine.c walks
 * every cell. */

#include "zinit/machine.h"

#include <stddef.h>

struct cell {
    bool set;
    enum machine_state state;
    enum machine_action action;
};

#define TO(next, todo)                                                                                                 \
    {                                                                                                                  \
        true, MACHINE_##next, MACHINE_##todo                                                                           \
    }

/* What happens to a process that is up, ready or not, is the same but for readiness. */
#define PROCESS_CELLS                                                                                                  \
    [MACHINE_STOP] = TO(STOPPING, SIGNAL), [MACHINE_EXIT_AGAIN] = TO(WAITING, DELAY),                                  \
    [MACHINE_EXIT_SUCCESS] = TO(SUCCESS, NOTHING), [MACHINE_EXIT_ERROR] = TO(ERROR, NOTHING)

/* What is down is down alike. */
#define DOWN_CELLS [MACHINE_START] = TO(BLOCKED, CHECK)

static const struct cell TABLE[MACHINE_STATES][MACHINE_EVENTS] = {
    [MACHINE_UNKNOWN] = { DOWN_CELLS },
    [MACHINE_BLOCKED] = {
        [MACHINE_STOP] = TO(UNKNOWN, NOTHING),
        [MACHINE_REJECT] = TO(FAILURE, NOTHING),
        [MACHINE_UNBLOCK] = TO(STARTING, SPAWN),
    },
    [MACHINE_STARTING] = {
        [MACHINE_HATCH] = TO(SPAWNED, NOTHING),
        [MACHINE_SPAWN_LATER] = TO(WAITING, DELAY),
        [MACHINE_SPAWN_NEVER] = TO(FAILURE, NOTHING),
    },
    [MACHINE_SPAWNED] = {
        PROCESS_CELLS,
        [MACHINE_READY] = TO(RUNNING, NOTHING),
        [MACHINE_TEST_FAILED] = TO(TEST_FAILURE, NOTHING),
    },
    [MACHINE_RUNNING] = {
        PROCESS_CELLS,
        [MACHINE_UNHEALTHY] = TO(HEALING, SIGNAL),
    },
    [MACHINE_TEST_FAILURE] = {
        PROCESS_CELLS,
        [MACHINE_READY] = TO(RUNNING, NOTHING),
    },
    [MACHINE_STOPPING] = {
        [MACHINE_START] = TO(REPLACING, NOTHING),
        [MACHINE_STOP_LATE] = TO(STOPPING, KILL),
        [MACHINE_EXIT_AGAIN] = TO(ERROR, NOTHING),
        [MACHINE_EXIT_SUCCESS] = TO(SUCCESS, NOTHING),
        [MACHINE_EXIT_ERROR] = TO(ERROR, NOTHING),
    },
    [MACHINE_REPLACING] = {
        [MACHINE_STOP] = TO(STOPPING, NOTHING),
        [MACHINE_STOP_LATE] = TO(REPLACING, KILL),
        [MACHINE_EXIT_AGAIN] = TO(BLOCKED, CHECK),
        [MACHINE_EXIT_SUCCESS] = TO(BLOCKED, CHECK),
        [MACHINE_EXIT_ERROR] = TO(BLOCKED, CHECK),
    },
    [MACHINE_HEALING] = {
        [MACHINE_START] = TO(REPLACING, NOTHING),
        [MACHINE_STOP] = TO(STOPPING, NOTHING),
        [MACHINE_STOP_LATE] = TO(HEALING, KILL),
        [MACHINE_EXIT_AGAIN] = TO(WAITING, DELAY),
        [MACHINE_EXIT_SUCCESS] = TO(ERROR, NOTHING),
        [MACHINE_EXIT_ERROR] = TO(ERROR, NOTHING),
    },
    [MACHINE_WAITING] = {
        [MACHINE_START] = TO(BLOCKED, CHECK),
        [MACHINE_STOP] = TO(ERROR, NOTHING),
        [MACHINE_DELAY_OVER] = TO(BLOCKED, CHECK),
    },
    [MACHINE_SUCCESS] = { DOWN_CELLS },
    [MACHINE_ERROR] = { DOWN_CELLS },
    [MACHINE_FAILURE] = { DOWN_CELLS },
};

struct machine_step machine_next(enum machine_state state, enum machine_event event)
{
    const struct cell *cell = &TABLE[state][event];

    if (!cell->set)
        return (struct machine_step){ state, MACHINE_NOTHING };
    return (struct machine_step){ cell->state, cell->action };
}

static const struct {
    const char *name;
    bool has_process, wanted_up;
} STATES[MACHINE_STATES] = {
    [MACHINE_UNKNOWN] = { "Unknown", false, false },   [MACHINE_BLOCKED] = { "Blocked", false, true },
    [MACHINE_STARTING] = { "Blocked", false, true },   [MACHINE_SPAWNED] = { "Spawned", true, true },
    [MACHINE_RUNNING] = { "Running", true, true },     [MACHINE_TEST_FAILURE] = { "TestFailure", true, true },
    [MACHINE_HEALING] = { "TestFailure", true, true }, [MACHINE_STOPPING] = { "Running", true, false },
    [MACHINE_REPLACING] = { "Running", true, true },   [MACHINE_WAITING] = { NULL, false, true },
    [MACHINE_SUCCESS] = { "Success", false, false },   [MACHINE_ERROR] = { "Error", false, false },
    [MACHINE_FAILURE] = { "Failure", false, false },
};

bool machine_has_process(enum machine_state state)
{
    return STATES[state].has_process;
}

bool machine_wanted_up(enum machine_state state)
{
    return STATES[state].wanted_up;
}

bool machine_is_ending(enum machine_state state)
{
    return state == MACHINE_STOPPING || state == MACHINE_REPLACING || state == MACHINE_HEALING;
}

const char *machine_state_name(enum machine_state state, bool good)
{
    if (!STATES[state].name)
        return good ? "Success" : "Error";
    return STATES[state].name;
}

enum machine_event machine_exit_event(enum machine_restart restart, bool oneshot, enum machine_state state, bool good)
{
    if (state == MACHINE_HEALING)
        return restart == MACHINE_RESTART_NEVER ? MACHINE_EXIT_ERROR : MACHINE_EXIT_AGAIN;
    if (state == MACHINE_STOPPING || (good && oneshot))
        return good ? MACHINE_EXIT_SUCCESS : MACHINE_EXIT_ERROR;
    if (restart == MACHINE_RESTART_ALWAYS || (restart == MACHINE_RESTART_ON_FAILURE && !good))
        return MACHINE_EXIT_AGAIN;
    return good ? MACHINE_EXIT_SUCCESS : MACHINE_EXIT_ERROR;
}

uint64_t machine_delay_ms(unsigned failures)
{
    enum { FIRST_MS = 250, CAP_MS = 30000, DOUBLINGS_MAX = 7 };
    uint64_t delay;

    if (failures == 0)
        return 0;
    if (failures > DOUBLINGS_MAX)
        return CAP_MS;
    delay = (uint64_t)FIRST_MS << (failures - 1);
    return delay < CAP_MS ? delay : CAP_MS;
}

bool machine_is_crash_loop(unsigned failures)
{
    return failures >= 3;
}
