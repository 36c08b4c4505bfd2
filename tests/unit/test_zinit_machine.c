/* Every cell of zinit's state machine, and what must hold whatever comes in whatever order. */

#include "zinit/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define EVENTS_RANDOM 1000000

static bool is_exit(enum machine_event event)
{
    return event == MACHINE_EXIT_AGAIN || event == MACHINE_EXIT_SUCCESS || event == MACHINE_EXIT_ERROR;
}

static void a_process_appears_only_when_it_hatches_and_goes_only_by_its_exit(void **state)
{
    for (int from = 0; from < MACHINE_STATES; from++) {
        for (int event = 0; event < MACHINE_EVENTS; event++) {
            struct machine_step step = machine_next(from, event);
            bool before = machine_has_process(from), after = machine_has_process(step.state);
            if (before && is_exit(event))
                assert_false(after);
            else if (before)
                assert_true(after);
            else if (from == MACHINE_STARTING && event == MACHINE_HATCH)
                assert_true(after);
            else
                assert_false(after);
        }
    }
}

static void a_process_is_made_only_where_there_is_none(void **state)
{
    for (int from = 0; from < MACHINE_STATES; from++) {
        for (int event = 0; event < MACHINE_EVENTS; event++) {
            struct machine_step step = machine_next(from, event);
            if (step.action == MACHINE_SPAWN) {
                assert_false(machine_has_process(from));
                assert_int_equal(step.state, MACHINE_STARTING);
            }
            if (step.action == MACHINE_SIGNAL || step.action == MACHINE_KILL)
                assert_true(machine_has_process(from) && machine_has_process(step.state));
            /* An action that feeds back is done in a state that takes what it feeds. */
            if (step.action == MACHINE_CHECK)
                assert_int_equal(step.state, MACHINE_BLOCKED);
            if (step.action == MACHINE_DELAY)
                assert_int_equal(step.state, MACHINE_WAITING);
            /* What is told to end is told once, and its time-out runs until it ends. */
            if (step.action == MACHINE_SIGNAL)
                assert_true(!machine_is_ending(from) && machine_is_ending(step.state));
            if (machine_is_ending(from) && !is_exit(event))
                assert_true(machine_is_ending(step.state));
            if (!machine_is_ending(from) && machine_is_ending(step.state))
                assert_int_equal(step.action, MACHINE_SIGNAL);
        }
    }
}

static void stop_makes_it_unwanted_and_start_makes_it_wanted_from_every_state(void **state)
{
    for (int from = 0; from < MACHINE_STATES; from++) {
        if (from == MACHINE_STARTING)
            continue; /* never seen from outside */
        assert_false(machine_wanted_up(machine_next(from, MACHINE_STOP).state));
        assert_true(machine_wanted_up(machine_next(from, MACHINE_START).state));
    }
}

static void what_isnt_wanted_stays_down_until_somebody_starts_it(void **state)
{
    for (int from = 0; from < MACHINE_STATES; from++)
        for (int event = 0; event < MACHINE_EVENTS; event++)
            if (!machine_wanted_up(from) && event != MACHINE_START)
                assert_false(machine_wanted_up(machine_next(from, event).state));
}

static void every_state_has_a_name_of_zinits(void **state)
{
    static const char *const names[] = { "Unknown", "Blocked",     "Spawned", "Running", "Success",
                                         "Error",   "TestFailure", "Failure", NULL };

    for (int each = 0; each < MACHINE_STATES; each++) {
        for (int good = 0; good < 2; good++) {
            const char *name = machine_state_name(each, good);
            bool known = false;
            for (size_t i = 0; names[i]; i++)
                known |= strcmp(names[i], name) == 0;
            assert_true(known);
        }
    }
}

static void a_life_goes_from_blocked_to_running_and_round_again(void **state)
{
    static const struct {
        enum machine_event event;
        enum machine_state state;
        enum machine_action action;
    } life[] = {
        { MACHINE_START, MACHINE_BLOCKED, MACHINE_CHECK },
        { MACHINE_UNBLOCK, MACHINE_STARTING, MACHINE_SPAWN },
        { MACHINE_HATCH, MACHINE_SPAWNED, MACHINE_NOTHING },
        { MACHINE_TEST_FAILED, MACHINE_TEST_FAILURE, MACHINE_NOTHING },
        { MACHINE_READY, MACHINE_RUNNING, MACHINE_NOTHING },
        { MACHINE_READY, MACHINE_RUNNING, MACHINE_NOTHING },
        { MACHINE_EXIT_AGAIN, MACHINE_WAITING, MACHINE_DELAY },
        { MACHINE_DELAY_OVER, MACHINE_BLOCKED, MACHINE_CHECK },
        { MACHINE_UNBLOCK, MACHINE_STARTING, MACHINE_SPAWN },
        { MACHINE_SPAWN_LATER, MACHINE_WAITING, MACHINE_DELAY },
        { MACHINE_START, MACHINE_BLOCKED, MACHINE_CHECK },
        { MACHINE_UNBLOCK, MACHINE_STARTING, MACHINE_SPAWN },
        { MACHINE_HATCH, MACHINE_SPAWNED, MACHINE_NOTHING },
        { MACHINE_READY, MACHINE_RUNNING, MACHINE_NOTHING },
        { MACHINE_STOP, MACHINE_STOPPING, MACHINE_SIGNAL },
        { MACHINE_STOP, MACHINE_STOPPING, MACHINE_NOTHING },
        { MACHINE_STOP_LATE, MACHINE_STOPPING, MACHINE_KILL },
        { MACHINE_START, MACHINE_REPLACING, MACHINE_NOTHING },
        { MACHINE_EXIT_SUCCESS, MACHINE_BLOCKED, MACHINE_CHECK },
        { MACHINE_UNBLOCK, MACHINE_STARTING, MACHINE_SPAWN },
        { MACHINE_SPAWN_NEVER, MACHINE_FAILURE, MACHINE_NOTHING },
        { MACHINE_START, MACHINE_BLOCKED, MACHINE_CHECK },
        { MACHINE_REJECT, MACHINE_FAILURE, MACHINE_NOTHING },
    };
    enum machine_state at = MACHINE_UNKNOWN;

    for (size_t i = 0; i < sizeof life / sizeof life[0]; i++) {
        struct machine_step step = machine_next(at, life[i].event);
        assert_int_equal(step.state, life[i].state);
        assert_int_equal(step.action, life[i].action);
        at = step.state;
    }
}

static void what_hangs_is_ended_and_started_again_after_a_delay(void **state)
{
    assert_int_equal(machine_next(MACHINE_RUNNING, MACHINE_UNHEALTHY).state, MACHINE_HEALING);
    assert_int_equal(machine_next(MACHINE_HEALING, MACHINE_STOP_LATE).action, MACHINE_KILL);
    assert_int_equal(machine_next(MACHINE_HEALING, MACHINE_EXIT_AGAIN).action, MACHINE_DELAY);
    assert_true(machine_wanted_up(MACHINE_HEALING));
    for (int from = 0; from < MACHINE_STATES; from++)
        if (from != MACHINE_RUNNING)
            assert_int_equal(machine_next(from, MACHINE_UNHEALTHY).state, from);
}

static void exits_follow_the_units_policy(void **state)
{
    static const struct {
        enum machine_restart restart;
        bool oneshot;
        enum machine_state state;
        bool good;
        enum machine_event event;
    } cases[] = {
        { MACHINE_RESTART_ALWAYS, false, MACHINE_RUNNING, true, MACHINE_EXIT_AGAIN },
        { MACHINE_RESTART_ALWAYS, false, MACHINE_RUNNING, false, MACHINE_EXIT_AGAIN },
        { MACHINE_RESTART_ALWAYS, true, MACHINE_RUNNING, true, MACHINE_EXIT_SUCCESS },
        { MACHINE_RESTART_ON_FAILURE, true, MACHINE_RUNNING, false, MACHINE_EXIT_AGAIN },
        { MACHINE_RESTART_ON_FAILURE, false, MACHINE_RUNNING, true, MACHINE_EXIT_SUCCESS },
        { MACHINE_RESTART_NEVER, false, MACHINE_SPAWNED, false, MACHINE_EXIT_ERROR },
        { MACHINE_RESTART_NEVER, true, MACHINE_RUNNING, true, MACHINE_EXIT_SUCCESS },
        { MACHINE_RESTART_ALWAYS, false, MACHINE_STOPPING, true, MACHINE_EXIT_SUCCESS },
        { MACHINE_RESTART_ALWAYS, false, MACHINE_STOPPING, false, MACHINE_EXIT_ERROR },
        { MACHINE_RESTART_ON_FAILURE, false, MACHINE_HEALING, true, MACHINE_EXIT_AGAIN },
        { MACHINE_RESTART_NEVER, false, MACHINE_HEALING, true, MACHINE_EXIT_ERROR },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(machine_exit_event(cases[i].restart, cases[i].oneshot, cases[i].state, cases[i].good),
                         cases[i].event);
}

static void the_first_restart_is_at_once_and_delays_double_to_a_cap(void **state)
{
    static const uint64_t delays[] = { 0, 250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000 };

    for (unsigned i = 0; i < sizeof delays / sizeof delays[0]; i++)
        assert_int_equal(machine_delay_ms(i), delays[i]);
    assert_int_equal(machine_delay_ms(4000000000U), 30000);
}

/* A model of the world: a process exists or doesn't. Only events that the world can bring in are fed; the machine must
 * know the truth all the time, and must end up down when stopped for good. */
static void it_always_knows_whether_a_process_exists(void **state)
{
    enum machine_state at = MACHINE_UNKNOWN;
    bool process = false;
    uint64_t random = 88172645463325252ULL;

    for (long i = 0; i < EVENTS_RANDOM; i++) {
        enum machine_event event;
        struct machine_step step;
        random ^= random << 13, random ^= random >> 7, random ^= random << 17; /* xorshift64 */
        event = (random >> 20) % MACHINE_EVENTS;
        if (at == MACHINE_STARTING) /* the spawn's outcome is fed at once */
            event = MACHINE_HATCH + (random >> 40) % 3;
        else if (event == MACHINE_HATCH || (is_exit(event) && !process))
            continue;
        if (event == MACHINE_HATCH)
            process = true;
        if (is_exit(event))
            process = false;
        step = machine_next(at, event);
        if (step.action == MACHINE_SPAWN)
            assert_false(process);
        if (step.action == MACHINE_SIGNAL || step.action == MACHINE_KILL)
            assert_true(process);
        assert_true(machine_wanted_up(step.state) || !machine_wanted_up(at) || event != MACHINE_START);
        at = step.state;
        assert_int_equal(machine_has_process(at), process);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_appears_only_when_it_hatches_and_goes_only_by_its_exit),
        cmocka_unit_test(a_process_is_made_only_where_there_is_none),
        cmocka_unit_test(stop_makes_it_unwanted_and_start_makes_it_wanted_from_every_state),
        cmocka_unit_test(what_isnt_wanted_stays_down_until_somebody_starts_it),
        cmocka_unit_test(every_state_has_a_name_of_zinits),
        cmocka_unit_test(a_life_goes_from_blocked_to_running_and_round_again),
        cmocka_unit_test(what_hangs_is_ended_and_started_again_after_a_delay),
        cmocka_unit_test(exits_follow_the_units_policy),
        cmocka_unit_test(the_first_restart_is_at_once_and_delays_double_to_a_cap),
        cmocka_unit_test(it_always_knows_whether_a_process_exists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
