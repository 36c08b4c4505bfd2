/* Services as they live: real processes under a real supervisor, without control groups (container mode). */

#include "tests/unit/zinit_bed.h"

#include "zinit/api.h"
#include "zinit/shutdown.h"

#include <sys/wait.h>

static bool all_down(void)
{
    for (struct service *service = bed.services; service; service = service->next)
        if (service->pid)
            return false;
    return true;
}

/* ---- the tests: a condition each, since the loop looks at it */

static bool chain_is_up(void)
{
    return bed_is("first", "Success") && bed_is("second", "Running") && bed_is("third", "Running");
}

static void services_start_in_the_order_of_after(void **state)
{
    bed_unit("third", "exec: sleep 100\nafter: [second]\n");
    bed_unit("second", "exec: sh -c 'sleep 0.1; echo >&3; exec sleep 100'\nready: fd\nafter: [first]\n");
    bed_unit("first", "exec: sh -c 'sleep 0.1'\noneshot: true\n");
    assert_int_equal(supervisor_load(&bed), 3);
    assert_true(bed_is("third", "Blocked"));
    assert_true(bed_comes(chain_is_up));
    assert_true(bed_get("first")->started_ms < bed_get("second")->started_ms);
    assert_true(bed_get("third")->started_ms >= bed_get("second")->started_ms + 100);
}

static bool bad_ones_are_told(void)
{
    return bed_is("a", "Failure") && bed_is("b", "Failure") && bed_is("lonely", "Failure") &&
           bed_is("gone", "Failure") && bed_is("ok", "Running");
}

static void cycles_unknown_names_and_missing_programs_fail_with_a_reason(void **state)
{
    bed_unit("a", "exec: sleep 100\nafter: [b]\n");
    bed_unit("b", "exec: sleep 100\nafter: [a]\n");
    bed_unit("lonely", "exec: sleep 100\nafter: [nobody]\n");
    bed_unit("gone", "exec: /nonexistent/program\n");
    bed_unit("ok", "exec: sleep 100\n");
    bed_unit("wrong", "exec: [\n");
    assert_int_equal(supervisor_load(&bed), 5);
    assert_true(bed_comes(bad_ones_are_told));
    assert_non_null(strstr(bed_get("a")->reason, "circle"));
    assert_non_null(strstr(bed_get("lonely")->reason, "no service nobody"));
    assert_non_null(strstr(bed_get("gone")->reason, "No such file"));
}

static bool crashed_four_times(void)
{
    return bed_get("crash")->restarts >= 3;
}

static void a_crash_is_restarted_at_once_and_then_ever_later(void **state)
{
    uint64_t began = loop_now_ms();

    bed_unit("crash", "exec: sh -c 'echo once more; exit 7'\n");
    supervisor_load(&bed);
    assert_true(bed_comes(crashed_four_times));
    assert_in_range(loop_now_ms() - began, 250 + 500, 5000);
    assert_true(bed_logged("crash", "once more"));
}

static bool stubborn_is_down(void)
{
    return bed_get("stubborn")->pid == 0;
}

static bool stubborn_is_deaf(void)
{
    return bed_logged("stubborn", "deaf");
}

static void what_ignores_its_stop_signal_is_killed(void **state)
{
    uint64_t began;

    bed_unit("stubborn", "exec: sh -c \"trap '' TERM; echo deaf; while :; do sleep 1; done\"\nshutdown_timeout: 1\n");
    supervisor_load(&bed);
    assert_true(bed_comes(stubborn_is_deaf));
    began = loop_now_ms();
    service_stop(bed_get("stubborn"));
    assert_true(bed_comes(stubborn_is_down));
    assert_in_range(loop_now_ms() - began, 990, 5000);
    assert_true(bed_is("stubborn", "Error"));
    assert_string_equal(bed_get("stubborn")->reason, "killed by SIGKILL");
}

static bool was_replaced(void)
{
    return bed_is("web", "Running") && bed_get("web")->restarts == 1;
}

static void a_start_while_it_stops_makes_a_new_process(void **state)
{
    bed_unit("web", "exec: sleep 100\n");
    supervisor_load(&bed);
    assert_true(bed_is("web", "Running"));
    service_stop(bed_get("web"));
    service_start(bed_get("web"));
    assert_true(bed_comes(was_replaced));
}

static bool probe_is_up(void)
{
    return bed_is("probed", "Running");
}

static bool probe_failed(void)
{
    return bed_is("probed", "TestFailure");
}

static void a_test_decides_when_it_is_running(void **state)
{
    char text[256], flag[128];

    snprintf(flag, sizeof flag, "%s/flag", bed_dir);
    snprintf(text, sizeof text, "exec: sleep 100\ntest: test -e %s\n", flag);
    bed_unit("probed", text);
    supervisor_load(&bed);
    assert_true(bed_comes(probe_failed));
    assert_int_equal(file_write(flag, "", 0, 0600), 0);
    assert_true(bed_comes(probe_is_up));
}

static bool talked(void)
{
    return bed_is("talk", "Success") && bed_logged("talk", "half a line");
}

static void its_lines_are_kept_with_their_level_taken_off(void **state)
{
    bed_unit("talk",
             "exec: |\n  sh -c 'echo \"<4>careful\"; echo \"$WHO\" >&2; printf \"bad\\377byte\\n\"; printf \"half "
             "a line\"'\n"
             "env: {WHO: me}\noneshot: true\n");
    supervisor_load(&bed);
    assert_true(bed_comes(talked));
    assert_true(bed_logged("talk", "careful"));
    assert_true(bed_logged("talk", "me"));
    assert_true(bed_logged("talk", "bad?byte"));
}

static bool told_path(void)
{
    return bed_logged("path", "/own:/bin 1");
}

static void a_units_variable_takes_the_place_of_the_common_one(void **state)
{
    bed_unit("path",
             "exec: \"/bin/sh -c 'echo $PATH $(/usr/bin/env | /usr/bin/grep -c ^PATH=)'\"\nenv: {PATH: '/own:/bin'}\n");
    supervisor_load(&bed);
    assert_true(bed_comes(told_path));
}

static bool many_is_up(void)
{
    return bed_is("many", "Running") && bed_logged("many", "begun");
}

/* More than a service gets as its soft limit: the child has them all until it executes its program. */
static void a_supervisor_with_many_descriptors_starts_services(void **state)
{
    int fds[1200];

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        assert_true((fds[i] = dup(STDOUT_FILENO)) >= 0);
    bed_unit("many", "exec: sh -c 'echo begun; exec sleep 100'\n");
    supervisor_load(&bed);
    assert_true(bed_comes(many_is_up));
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        close(fds[i]);
}

static bool ended(void)
{
    return bed.shutdown != SHUTDOWN_NONE && all_down();
}

static uint64_t base_was_stopped_ms;

static bool top_is_down(void)
{
    if (bed_get("base")->state == MACHINE_STOPPING && bed_get("top")->pid != 0)
        base_was_stopped_ms = loop_now_ms();
    return bed_get("top")->pid == 0;
}

static void shutdown_stops_what_depends_first(void **state)
{
    bed_unit("base", "exec: sleep 100\n");
    bed_unit("top",
             "exec: sh -c \"trap 'sleep 0.2; exit 0' TERM; echo up; while :; do sleep 0.05; done\"\nafter: [base]\n");
    supervisor_load(&bed);
    assert_true(bed_is("top", "Running"));
    usleep(200000);
    assert_true(shutdown_begin(&bed, SHUTDOWN_POWER_OFF));
    assert_false(shutdown_begin(&bed, SHUTDOWN_REBOOT));
    assert_true(bed_comes(top_is_down));
    assert_int_equal(base_was_stopped_ms, 0);
    assert_true(bed_comes(ended));
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
          "\"Service 'new' created successfully\"" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_monitor\",\"params\":[\"new\"]}", "\"result\":null" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_get\",\"params\":[\"new\"]}", "\"exec\":\"sleep 100\"" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_status\",\"params\":[\"new\"]}",
          "\"state\":\"Running\"" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_delete\",\"params\":[\"new\"]}",
          "\"Service 'new' deleted successfully\"" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_forget\",\"params\":[\"done\"]}", "\"result\":null" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_status\",\"params\":[\"new\"]}", "\"crash_loop\":false" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_list\"}", "\"new\":\"Running\"" },
    };

    bed_unit("web", "exec: sleep 100\n");
    bed_unit("done", "exec: /nonexistent\n");
    supervisor_load(&bed);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *reply = NULL;
        rpc_dispatch(API_METHODS, &bed, cases[i].request, strlen(cases[i].request), &reply);
        assert_non_null(reply);
        if (!strstr(reply, cases[i].answer))
            fail_msg("%s\nwas answered %s\nrather than %s", cases[i].request, reply, cases[i].answer);
        free(reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(services_start_in_the_order_of_after),
        BED_TEST(cycles_unknown_names_and_missing_programs_fail_with_a_reason),
        BED_TEST(a_crash_is_restarted_at_once_and_then_ever_later),
        BED_TEST(what_ignores_its_stop_signal_is_killed),
        BED_TEST(a_start_while_it_stops_makes_a_new_process),
        BED_TEST(a_test_decides_when_it_is_running),
        BED_TEST(its_lines_are_kept_with_their_level_taken_off),
        BED_TEST(a_units_variable_takes_the_place_of_the_common_one),
        BED_TEST(a_supervisor_with_many_descriptors_starts_services),
        BED_TEST(shutdown_stops_what_depends_first),
        BED_TEST(calls_have_zinits_error_codes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
