/* Services as they live: real processes under a real supervisor, without control groups (container mode). */

#include "zinit/api.h"
#include "zinit/service.h"
#include "zinit/shutdown.h"
#include "zinit/supervisor.h"

#include "lib/file.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 10000

static char dir[64];
static struct supervisor supervisor;
static bool (*wanted)(void);
static bool seen;
static int error_fd; /* standard error as it was: the supervisor takes it over */
static struct loop_timer look, patience;

static void unit(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s.yaml", dir, name);
    assert_int_equal(file_write(path, text, strlen(text), 0600), 0);
}

static void on_look(struct loop_timer *timer)
{
    seen = wanted();
    if (seen)
        loop_end(&supervisor.loop);
    else
        loop_arm(&supervisor.loop, timer, 5);
}

static void on_patience(struct loop_timer *timer)
{
    loop_end(&supervisor.loop);
}

/* Turns the loop until `condition` holds; false when it doesn't in time. */
static bool comes(bool (*condition)(void))
{
    wanted = condition;
    look = (struct loop_timer){ .on_fire = on_look };
    patience = (struct loop_timer){ .on_fire = on_patience };
    supervisor.loop.ended = false;
    loop_arm(&supervisor.loop, &look, 0);
    loop_arm(&supervisor.loop, &patience, PATIENCE_MS);
    loop_run(&supervisor.loop);
    loop_disarm(&supervisor.loop, &look);
    loop_disarm(&supervisor.loop, &patience);
    return seen || wanted(); /* a shutdown ends the loop too */
}

static struct service *get(const char *name)
{
    return supervisor_find(&supervisor, name);
}

static bool is(const char *name, const char *state)
{
    return strcmp(service_state_name(get(name)), state) == 0;
}

static bool logged(const char *name, const char *text)
{
    static char line_text[RING_LINE_BYTES_MAX + 1];
    struct ring_line line;

    for (size_t cursor = 0; ring_next(&get(name)->log.ring, &cursor, &line, line_text);)
        if (strcmp(line_text, text) == 0)
            return true;
    return false;
}

static int begin(void **state)
{
    error_fd = dup(STDERR_FILENO);
    strcpy(dir, "/tmp/zinit-test-XXXXXX");
    return mkdtemp(dir) && supervisor_open(&supervisor, dir, true) == 0 ? 0 : -1;
}

static bool all_down(void)
{
    for (struct service *service = supervisor.services; service; service = service->next)
        if (service->pid)
            return false;
    return true;
}

static int end(void **state)
{
    bool down;

    supervisor.shutdown = SHUTDOWN_NONE;
    for (struct service *service = supervisor.services; service; service = service->next)
        service_stop(service);
    down = comes(all_down);
    supervisor_close(&supervisor);
    dup2(error_fd, STDERR_FILENO);
    close(error_fd);
    return down && file_remove_tree(dir) == 0 ? 0 : -1;
}

/* ---- the tests: a condition each, since the loop looks at it */

static bool chain_is_up(void)
{
    return is("first", "Success") && is("second", "Running") && is("third", "Running");
}

static void services_start_in_the_order_of_after(void **state)
{
    unit("third", "exec: sleep 100\nafter: [second]\n");
    unit("second", "exec: sh -c 'sleep 0.1; echo >&3; exec sleep 100'\nready: fd\nafter: [first]\n");
    unit("first", "exec: sh -c 'sleep 0.1'\noneshot: true\n");
    assert_int_equal(supervisor_load(&supervisor), 3);
    assert_true(is("third", "Blocked"));
    assert_true(comes(chain_is_up));
    assert_true(get("first")->started_ms < get("second")->started_ms);
    assert_true(get("third")->started_ms >= get("second")->started_ms + 100);
}

static bool bad_ones_are_told(void)
{
    return is("a", "Failure") && is("b", "Failure") && is("lonely", "Failure") && is("gone", "Failure") &&
           is("ok", "Running");
}

static void cycles_unknown_names_and_missing_programs_fail_with_a_reason(void **state)
{
    unit("a", "exec: sleep 100\nafter: [b]\n");
    unit("b", "exec: sleep 100\nafter: [a]\n");
    unit("lonely", "exec: sleep 100\nafter: [nobody]\n");
    unit("gone", "exec: /nonexistent/program\n");
    unit("ok", "exec: sleep 100\n");
    unit("wrong", "exec: [\n");
    assert_int_equal(supervisor_load(&supervisor), 5);
    assert_true(comes(bad_ones_are_told));
    assert_non_null(strstr(get("a")->reason, "circle"));
    assert_non_null(strstr(get("lonely")->reason, "no service nobody"));
    assert_non_null(strstr(get("gone")->reason, "No such file"));
}

static bool crashed_four_times(void)
{
    return get("crash")->restarts >= 3;
}

static void a_crash_is_restarted_at_once_and_then_ever_later(void **state)
{
    uint64_t began = loop_now_ms();

    unit("crash", "exec: sh -c 'echo once more; exit 7'\n");
    supervisor_load(&supervisor);
    assert_true(comes(crashed_four_times));
    assert_in_range(loop_now_ms() - began, 250 + 500, 5000);
    assert_true(logged("crash", "once more"));
}

static bool stubborn_is_down(void)
{
    return get("stubborn")->pid == 0;
}

static bool stubborn_is_deaf(void)
{
    return logged("stubborn", "deaf");
}

static void what_ignores_its_stop_signal_is_killed(void **state)
{
    uint64_t began;

    unit("stubborn", "exec: sh -c \"trap '' TERM; echo deaf; while :; do sleep 1; done\"\nshutdown_timeout: 1\n");
    supervisor_load(&supervisor);
    assert_true(comes(stubborn_is_deaf));
    began = loop_now_ms();
    service_stop(get("stubborn"));
    assert_true(comes(stubborn_is_down));
    assert_in_range(loop_now_ms() - began, 990, 5000);
    assert_true(is("stubborn", "Error"));
    assert_string_equal(get("stubborn")->reason, "killed by SIGKILL");
}

static bool was_replaced(void)
{
    return is("web", "Running") && get("web")->restarts == 1;
}

static void a_start_while_it_stops_makes_a_new_process(void **state)
{
    unit("web", "exec: sleep 100\n");
    supervisor_load(&supervisor);
    assert_true(is("web", "Running"));
    service_stop(get("web"));
    service_start(get("web"));
    assert_true(comes(was_replaced));
}

static bool probe_is_up(void)
{
    return is("probed", "Running");
}

static bool probe_failed(void)
{
    return is("probed", "TestFailure");
}

static void a_test_decides_when_it_is_running(void **state)
{
    char text[256], flag[128];

    snprintf(flag, sizeof flag, "%s/flag", dir);
    snprintf(text, sizeof text, "exec: sleep 100\ntest: test -e %s\n", flag);
    unit("probed", text);
    supervisor_load(&supervisor);
    assert_true(comes(probe_failed));
    assert_int_equal(file_write(flag, "", 0, 0600), 0);
    assert_true(comes(probe_is_up));
}

static bool talked(void)
{
    return is("talk", "Success") && logged("talk", "half a line");
}

static void its_lines_are_kept_with_their_level_taken_off(void **state)
{
    unit("talk", "exec: |\n  sh -c 'echo \"<4>careful\"; echo \"$WHO\" >&2; printf \"bad\\377byte\\n\"; printf \"half "
                 "a line\"'\n"
                 "env: {WHO: me}\noneshot: true\n");
    supervisor_load(&supervisor);
    assert_true(comes(talked));
    assert_true(logged("talk", "careful"));
    assert_true(logged("talk", "me"));
    assert_true(logged("talk", "bad?byte"));
}

static bool told_path(void)
{
    return logged("path", "/own:/bin 1");
}

static void a_units_variable_takes_the_place_of_the_common_one(void **state)
{
    unit("path",
         "exec: \"/bin/sh -c 'echo $PATH $(/usr/bin/env | /usr/bin/grep -c ^PATH=)'\"\nenv: {PATH: '/own:/bin'}\n");
    supervisor_load(&supervisor);
    assert_true(comes(told_path));
}

static bool ended(void)
{
    return supervisor.shutdown != SHUTDOWN_NONE && all_down();
}

static uint64_t base_was_stopped_ms;

static bool top_is_down(void)
{
    if (get("base")->state == MACHINE_STOPPING && get("top")->pid != 0)
        base_was_stopped_ms = loop_now_ms();
    return get("top")->pid == 0;
}

static void shutdown_stops_what_depends_first(void **state)
{
    unit("base", "exec: sleep 100\n");
    unit("top",
         "exec: sh -c \"trap 'sleep 0.2; exit 0' TERM; echo up; while :; do sleep 0.05; done\"\nafter: [base]\n");
    supervisor_load(&supervisor);
    assert_true(is("top", "Running"));
    usleep(200000);
    assert_true(shutdown_begin(&supervisor, SHUTDOWN_POWER_OFF));
    assert_false(shutdown_begin(&supervisor, SHUTDOWN_REBOOT));
    assert_true(comes(top_is_down));
    assert_int_equal(base_was_stopped_ms, 0);
    assert_true(comes(ended));
}

static void calls_have_zinits_error_codes(void **state)
{
    static const struct {
        const char *request, *answer;
    } cases[] = {
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_status\",\"params\":{\"name\":\"no\"}}",
          "\"code\":-32000" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_stop\",\"params\":[\"no\"]}", "\"code\":-32000" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_monitor\",\"params\":[\"web\"]}", "\"code\":-32001" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_forget\",\"params\":[\"web\"]}", "\"code\":-32002" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_stop\",\"params\":[\"done\"]}", "\"code\":-32003" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_kill\",\"params\":[\"web\",\"X\"]}", "\"code\":-32004" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_monitor\",\"params\":[\"none\"]}", "\"code\":-32005" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_create\",\"params\":[\"web\",{\"exec\":\"a\"}]}",
          "\"code\":-32007" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_create\",\"params\":[\"bad\",{\"exec\":1,\"log\":2}]}",
          "\"code\":-32008" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_status\",\"params\":[\"../x\"]}", "\"code\":-32602" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_create\",\"params\":[\"new\",{\"exec\":\"sleep 100\"}]}",
          "\"Service created\"" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_monitor\",\"params\":[\"new\"]}", "\"result\":null" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_get\",\"params\":[\"new\"]}", "\"exec\":\"sleep 100\"" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_status\",\"params\":[\"new\"]}",
          "\"state\":\"Running\"" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_delete\",\"params\":[\"new\"]}", "\"Service deleted\"" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_forget\",\"params\":[\"done\"]}", "\"result\":null" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_list\"}", "\"new\":\"Running\"" },
    };

    unit("web", "exec: sleep 100\n");
    unit("done", "exec: /nonexistent\n");
    supervisor_load(&supervisor);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *reply = NULL;
        rpc_dispatch(API_METHODS, &supervisor, cases[i].request, strlen(cases[i].request), &reply);
        assert_non_null(reply);
        if (!strstr(reply, cases[i].answer))
            fail_msg("%s\nwas answered %s\nrather than %s", cases[i].request, reply, cases[i].answer);
        free(reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(services_start_in_the_order_of_after, begin, end),
        cmocka_unit_test_setup_teardown(cycles_unknown_names_and_missing_programs_fail_with_a_reason, begin, end),
        cmocka_unit_test_setup_teardown(a_crash_is_restarted_at_once_and_then_ever_later, begin, end),
        cmocka_unit_test_setup_teardown(what_ignores_its_stop_signal_is_killed, begin, end),
        cmocka_unit_test_setup_teardown(a_start_while_it_stops_makes_a_new_process, begin, end),
        cmocka_unit_test_setup_teardown(a_test_decides_when_it_is_running, begin, end),
        cmocka_unit_test_setup_teardown(its_lines_are_kept_with_their_level_taken_off, begin, end),
        cmocka_unit_test_setup_teardown(a_units_variable_takes_the_place_of_the_common_one, begin, end),
        cmocka_unit_test_setup_teardown(shutdown_stops_what_depends_first, begin, end),
        cmocka_unit_test_setup_teardown(calls_have_zinits_error_codes, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
