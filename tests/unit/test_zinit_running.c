/* What a service's process is given and how it is watched, found and ended: real processes under a real supervisor,
 * without control groups (container mode). */

#include "tests/unit/zinit_bed.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* ---- readiness by sd_notify */

static bool notifier_is_up(void)
{
    return bed_is("web", "Running");
}

static bool notifier_said(void)
{
    return strcmp(bed_get("web")->reason, "loading 3?of 5") == 0;
}

static void sd_notify_makes_it_running_and_its_status_is_shown_until_then(void **state)
{
    char flag[128], text[1024];

    snprintf(flag, sizeof flag, "%s/go", bed_dir);
    snprintf(text, sizeof text,
             "exec: |\n  python3 -c \"import os,socket,time\n  s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\n"
             "  s.connect(chr(0)+os.environ['NOTIFY_SOCKET'][1:])\n"
             "  s.send(b'STATUS=loading 3\\x01of 5'); s.send(b'READY=10')\n"
             "  while not os.path.exists('%s'): time.sleep(0.01)\n"
             "  s.send(b'STATUS=up\\nREADY=1\\nMAINPID=1'); time.sleep(100)\"\nready: notify\n",
             flag);
    bed_unit("web", text);
    bed_unit("behind", "exec: sleep 100\nafter: [web]\n");
    supervisor_load(&bed);
    assert_true(bed_comes(notifier_said));
    assert_true(bed_is("web", "Spawned"));
    assert_true(bed_is("behind", "Blocked"));
    assert_int_equal(file_write(flag, "", 0, 0600), 0);
    assert_true(bed_comes(notifier_is_up));
    assert_int_equal(bed_get("web")->ready.fd, -1);
}

static bool stranger_was_heard(void)
{
    return bed_get("web")->messages >= 3;
}

static bool gave_up(void)
{
    return strstr(bed_get("web")->reason, "none of them READY=1") != NULL;
}

static void only_its_own_processes_are_believed_and_not_for_ever(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char big[8192];
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), files[2] = { 0, 1 };
    socklen_t size = sizeof address;
    union {
        char bytes[CMSG_SPACE(sizeof files)];
        struct cmsghdr header;
    } control = { .header = { .cmsg_len = CMSG_LEN(sizeof files), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
    struct iovec piece = { "READY=1", 7 };
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };

    bed_unit("web", "exec: sleep 100\nready: notify\n");
    supervisor_load(&bed);
    assert_int_equal(getsockname(bed_get("web")->ready.fd, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
    memset(big, '\n', sizeof big);
    memcpy(CMSG_DATA(&control.header), files, sizeof files);
    assert_int_equal(send(fd, "READY=1", 7, 0), 7);
    assert_int_equal(send(fd, big, sizeof big, 0), sizeof big);
    assert_int_equal(sendmsg(fd, &message, 0), 7);
    int before = dup(0);
    close(before);
    assert_true(bed_comes(stranger_was_heard));
    int after = dup(0);
    close(after);
    assert_int_equal(after, before); /* no descriptor was taken */
    assert_true(bed_is("web", "Spawned"));
    for (int i = 0; i < 100; i++) {
        for (int burst = 0; burst < 10; burst++)
            send(fd, "X=1", 3, MSG_DONTWAIT);
        bed_turn(1);
    }
    while (bed_get("web")->ready.fd >= 0 && send(fd, "X=1", 3, MSG_DONTWAIT) >= 0)
        bed_turn(1);
    assert_true(bed_comes(gave_up));
    close(fd);
}

/* ---- health */

static bool was_healed(void)
{
    return bed_get("web")->restarts >= 1 && bed_is("web", "Running");
}

static bool is_healing(void)
{
    return bed_is("web", "TestFailure") || bed_get("web")->restarts > 0;
}

static void what_fails_its_health_check_is_started_again(void **state)
{
    char text[400];

    snprintf(text, sizeof text,
             "exec: sleep 100\nhealth:\n  exec: test ! -e %s/sick\n  every_s: 1\n  failures: 2\nrestart: on-failure\n",
             bed_dir);
    bed_unit("web", text);
    snprintf(text, sizeof text, "%s/sick", bed_dir);
    supervisor_load(&bed);
    assert_true(service_is_well(bed_get("web")));
    assert_int_equal(file_write(text, "", 0, 0600), 0);
    assert_true(bed_comes(is_healing));
    assert_int_equal(unlink(text), 0);
    assert_true(bed_comes(was_healed));
    assert_true(bed_logged_by(&bed.log, "web: health check failed 2 times: exit code 1"));
    assert_true(bed_logged_by(&bed.log, "health check failed 2 times: exit code 1; killed by SIGTERM"));
    assert_true(bed_get("web")->exit.unhealthy);
}

static void a_check_that_hangs_is_a_failure_and_is_killed(void **state)
{
    bed_unit("web", "exec: sleep 100\nhealth: {exec: sleep 1000, every_s: 1, failures: 1}\n");
    supervisor_load(&bed);
    assert_true(bed_comes(was_healed));
    assert_true(bed_logged_by(&bed.log, "health check failed 1 time: it took longer than 1 s"));
    assert_int_equal(bed_get("web")->probe_pid, 0);
}

static bool check_was_told(void)
{
    return strstr(bed_get("web")->reason, "its health check: can't execute /nonexistent/check") != NULL;
}

static void a_check_that_cant_be_executed_is_told_and_isnt_held_against_it(void **state)
{
    bed_unit("web", "exec: sleep 100\nhealth: {exec: /nonexistent/check, every_s: 1, failures: 1}\n");
    supervisor_load(&bed);
    assert_true(bed_comes(check_was_told));
    assert_true(bed_is("web", "Running"));
    assert_int_equal(bed_get("web")->restarts, 0);
}

static bool test_was_told(void)
{
    return bed_is("web", "TestFailure") && strstr(bed_get("web")->reason, "its test: can't execute /nonexistent/test");
}

static void a_test_that_cant_be_executed_is_told(void **state)
{
    bed_unit("web", "exec: sleep 100\ntest: /nonexistent/test\n");
    supervisor_load(&bed);
    assert_true(bed_comes(test_was_told));
    assert_false(service_is_well(bed_get("web")));
}

/* ---- failure that is seen */

static bool loops(void)
{
    return service_is_crash_loop(bed_get("crash"));
}

static void a_crash_loop_is_seen_with_its_last_exit_and_next_start(void **state)
{
    char text[100];

    bed_unit("crash", "exec: sh -c 'kill -SEGV $$'\n");
    bed_unit("steady", "exec: sleep 100\n");
    supervisor_load(&bed);
    assert_true(bed_comes(loops));
    assert_false(service_is_well(bed_get("crash")));
    assert_in_range(service_next_start_ms(bed_get("crash")), 0, 1000);
    assert_int_equal(bed_get("crash")->exit.kind, SERVICE_EXIT_SIGNAL);
    assert_int_equal(bed_get("crash")->exit.number, SIGSEGV);
    service_exit_text(&bed_get("crash")->exit, text, sizeof text);
    assert_string_equal(text, "killed by SIGSEGV");
    assert_int_equal(service_next_start_ms(bed_get("steady")), -1);
    assert_true(service_is_well(bed_get("steady")));
    service_stop(bed_get("crash"));
    assert_true(service_is_well(bed_get("steady")));
}

static bool waits_for_failed(void)
{
    return strcmp(bed_get("behind")->reason, "waits for setup, which failed: exited with code 3") == 0;
}

static bool waits_for_impossible(void)
{
    return strncmp(bed_get("behind")->reason, "waits for setup, which failed: can't execute /etc/passwd", 55) == 0;
}

static void what_waits_says_what_failed_and_why(void **state)
{
    bed_unit("setup", "exec: sh -c 'exit 3'\noneshot: true\n");
    bed_unit("behind", "exec: sleep 100\nafter: [setup]\n");
    supervisor_load(&bed);
    assert_true(bed_comes(waits_for_failed));
    assert_true(bed_is("behind", "Blocked"));
}

static void what_isnt_executable_is_told_to_who_waits_too(void **state)
{
    bed_unit("setup", "exec: /etc/passwd\n");
    bed_unit("behind", "exec: sleep 100\nafter: [setup]\n");
    supervisor_load(&bed);
    assert_true(bed_comes(waits_for_impossible));
    assert_true(bed_is("setup", "Failure"));
}

/* ---- what leaves its service */

static pid_t escaped;

static bool escape_is_known(void)
{
    char path[128], *text;

    snprintf(path, sizeof path, "%s/pid", bed_dir);
    if (file_read(path, 64, &text, NULL))
        return false;
    escaped = atoi(text);
    free(text);
    return escaped > 0;
}

static bool escape_is_dead(void)
{
    return kill(escaped, 0) < 0 && !kin_linger(bed_get("daemon"));
}

static const char *escape_unit(const char *rest, const char *python)
{
    static char text[1024];

    snprintf(
        text, sizeof text,
        "exec: |\n  python3 -c \"import os,signal,time\n  signal.signal(signal.SIGTERM, signal.SIG_DFL)\n"
        "  if os.fork() == 0:\n    %s\n    if os.fork() == 0:\n      signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "      open('%s/new','w').write(str(os.getpid())); os.rename('%s/new','%s/pid'); time.sleep(1000)\n"
        "    os._exit(0)\n  %s\"\n",
        python, bed_dir, bed_dir, bed_dir, rest);
    return text;
}

static void what_forked_twice_into_a_session_of_its_own_ends_when_it_is_stopped(void **state)
{
    bed_unit("daemon", escape_unit("os.wait(); time.sleep(1000)", "os.setsid()"));
    bed_unit("other", escape_unit("os.wait(); time.sleep(1000)", "os.setsid()"));
    supervisor_load(&bed);
    service_stop(bed_get("other"));
    assert_true(bed_comes(escape_is_known));
    service_stop(bed_get("daemon"));
    assert_true(bed_comes(escape_is_dead));
}

static void what_cleared_its_environment_is_found_by_its_session(void **state)
{
    bed_unit("daemon",
             escape_unit("os.wait(); time.sleep(1000)", "os.execve('/bin/sh', ['sh','-c','sleep 1000 & echo $! >"
                                                        " '+os.environ['D']+'/pid'], {})"));
    char text[200];
    snprintf(text, sizeof text, "%s/daemon.yaml", bed_dir);
    FILE *file = fopen(text, "a");
    fprintf(file, "env:\n  D: %s\n", bed_dir);
    fclose(file);
    supervisor_load(&bed);
    assert_true(bed_comes(escape_is_known));
    service_stop(bed_get("daemon"));
    assert_true(bed_comes(escape_is_dead));
}

static void what_a_daemon_leaves_when_its_first_process_ends_goes_too(void **state)
{
    bed_unit("daemon", escape_unit("os.wait()", "os.setsid()"));
    supervisor_load(&bed);
    assert_true(bed_comes(escape_is_known));
    assert_true(bed_comes(escape_is_dead));
}

/* ---- confinement */

static bool printed_and_ended(void)
{
    return bed_is("show", "Success") || bed_is("show", "Failure") || bed_is("show", "Error");
}

/* Runs a unit `show` of these lines once. */
static void show(const char *text)
{
    bed_unit("show", text);
    supervisor_load(&bed);
    assert_true(bed_comes(printed_and_ended));
}

static void need_root(void)
{
    if (geteuid() != 0 || prctl(PR_CAPBSET_READ, 21 /* CAP_SYS_ADMIN */) != 1)
        skip();
}

static void a_user_is_one_with_its_groups_and_without_capabilities(void **state)
{
    need_root();
    show("exec: sh -c 'id -u; id -g; grep CapEff /proc/self/status; echo to stderr >/dev/stderr'\noneshot: true\n"
         "user: nobody\n");
    assert_true(bed_logged("show", "65534"));
    assert_true(bed_logged("show", "CapEff:\t0000000000000000"));
    assert_true(bed_logged("show", "to stderr"));
}

static void numbers_need_no_file(void **state)
{
    need_root();
    show("exec: sh -c 'id -u; id -g; id -G'\noneshot: true\nuser: 4711:815\n");
    assert_true(bed_logged("show", "4711"));
    assert_true(bed_logged("show", "815"));
}

static void an_unknown_user_is_told(void **state)
{
    show("exec: sh -c 'id -u'\noneshot: true\nuser: nosuchuser\n");
    assert_true(bed_is("show", "Failure"));
    assert_string_equal(bed_get("show")->reason, "can't set up user nosuchuser: there is no such user or group");
}

static void a_folder_that_isnt_there_is_told(void **state)
{
    show("exec: sh -c 'id -u'\noneshot: true\ndir: /nonexistent\n");
    assert_string_equal(bed_get("show")->reason, "can't set up dir /nonexistent: No such file or directory");
}

static void capabilities_that_are_kept_reach_the_program_and_no_others(void **state)
{
    need_root();
    show("exec: sh -c 'grep Cap /proc/self/status'\noneshot: true\nuser: nobody\n"
         "capabilities: [NET_BIND_SERVICE, cap_chown]\nno_new_privs: true\n");
    assert_true(bed_logged("show", "CapEff:\t0000000000000401"));
    assert_true(bed_logged("show", "CapBnd:\t0000000000000401"));
    assert_true(bed_logged("show", "CapAmb:\t0000000000000401"));
}

static void root_keeps_but_those_capabilities(void **state)
{
    need_root();
    show("exec: sh -c 'grep Cap /proc/self/status; grep NoNewPrivs /proc/self/status'\noneshot: true\n"
         "capabilities: [KILL]\nno_new_privs: true\n");
    assert_true(bed_logged("show", "CapEff:\t0000000000000020"));
    assert_true(bed_logged("show", "CapBnd:\t0000000000000020"));
    assert_true(bed_logged("show", "NoNewPrivs:\t1"));
}

static void descriptors_are_limited(void **state)
{
    show("exec: sh -c 'ulimit -n; ulimit -Hn'\noneshot: true\nlimits: {nofile: 77}\n");
    assert_true(bed_logged("show", "77"));
    assert_false(bed_logged("show", "1024"));
}

static void read_only_is_everything_but_what_is_writable(void **state)
{
    char text[600];

    need_root();
    assert_int_equal(system("mkdir -p /tmp/zinit-test-writable"), 0);
    snprintf(text, sizeof text,
             "exec: |\n  sh -c 'cd %s; touch a 2>&1; touch /etc/zinit-test 2>&1; touch /tmp/zinit-test-writable/b && "
             "echo wrote; echo >/dev/null && echo null'\noneshot: true\nread_only: true\n"
             "writable: [/tmp/zinit-test-writable]\n",
             bed_dir);
    show(text);
    assert_true(bed_logged("show", "touch: cannot touch 'a': Read-only file system"));
    assert_true(bed_logged("show", "touch: cannot touch '/etc/zinit-test': Read-only file system"));
    assert_true(bed_logged("show", "wrote"));
    assert_true(bed_logged("show", "null"));
    assert_int_equal(system("rm -r /tmp/zinit-test-writable"), 0);
    assert_int_equal(file_write("/tmp/zinit-test-outside", "", 0, 0600), 0); /* here it is as before */
    unlink("/tmp/zinit-test-outside");
}

/* ---- orphans */

#define STORM 500

static pid_t storm[STORM];

static bool none_is_left(void)
{
    siginfo_t info = { 0 };

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0; /* ECHILD */
}

static bool storm_has_ended(void)
{
    unsigned ended = 0;

    for (int i = 0; i < STORM; i++) {
        siginfo_t info = { 0 };
        waitid(P_PID, (id_t)storm[i], &info, WEXITED | WNOHANG | WNOWAIT);
        ended += info.si_pid != 0;
    }
    return ended == STORM;
}

static void however_many_end_at_once_others_get_their_turn_and_all_are_reaped(void **state)
{
    siginfo_t info = { 0 };

    for (int i = 0; i < STORM; i++) {
        storm[i] = fork();
        if (storm[i] == 0)
            _exit(0);
        assert_true(storm[i] > 0);
    }
    while (!storm_has_ended())
        usleep(1000);
    supervisor_reap(&bed);
    assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    assert_true(info.si_pid > 0); /* it has gone back to the loop */
    assert_true(bed_comes(none_is_left));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(however_many_end_at_once_others_get_their_turn_and_all_are_reaped),
        BED_TEST(sd_notify_makes_it_running_and_its_status_is_shown_until_then),
        BED_TEST(only_its_own_processes_are_believed_and_not_for_ever),
        BED_TEST(what_fails_its_health_check_is_started_again),
        BED_TEST(a_check_that_hangs_is_a_failure_and_is_killed),
        BED_TEST(a_check_that_cant_be_executed_is_told_and_isnt_held_against_it),
        BED_TEST(a_test_that_cant_be_executed_is_told),
        BED_TEST(a_crash_loop_is_seen_with_its_last_exit_and_next_start),
        BED_TEST(what_waits_says_what_failed_and_why),
        BED_TEST(what_isnt_executable_is_told_to_who_waits_too),
        BED_TEST(what_forked_twice_into_a_session_of_its_own_ends_when_it_is_stopped),
        BED_TEST(what_cleared_its_environment_is_found_by_its_session),
        BED_TEST(what_a_daemon_leaves_when_its_first_process_ends_goes_too),
        BED_TEST(a_user_is_one_with_its_groups_and_without_capabilities),
        BED_TEST(numbers_need_no_file),
        BED_TEST(an_unknown_user_is_told),
        BED_TEST(a_folder_that_isnt_there_is_told),
        BED_TEST(capabilities_that_are_kept_reach_the_program_and_no_others),
        BED_TEST(root_keeps_but_those_capabilities),
        BED_TEST(descriptors_are_limited),
        BED_TEST(read_only_is_everything_but_what_is_writable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
