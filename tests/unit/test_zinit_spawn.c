/* New processes: what they share with us and what not, how they begin, how they fail. */

#include "zinit/clone.h"
#include "zinit/spawn.h"

#include <errno.h>
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

#ifdef __SANITIZE_ADDRESS__
#define SHARES false /* clone.c says why */
#else
#define SHARES true
#endif

static volatile pid_t seen;
static volatile sig_atomic_t handled;

static void on_signal(int number)
{
    handled = 1;
}

static void tell_pid(void *argument)
{
    seen = getpid();
    _exit(*(int *)argument);
}

static int status_of(pid_t pid)
{
    int status = -1;

    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void the_function_runs_in_a_process_of_its_own(void **state)
{
    int code = 7;

    for (int round = 0; round < 100; round++) {
        pid_t pid;
        seen = 0;
        pid = clone_process(-1, true, tell_pid, &code);
        assert_int_equal(WEXITSTATUS(status_of(pid)), 7);
        assert_int_equal(seen, SHARES ? pid : 0);
        seen = 0;
        assert_int_equal(WEXITSTATUS(status_of(clone_process(-1, false, tell_pid, &code))), 7);
        assert_int_equal(seen, 0);
    }
    assert_int_equal(clone_process(1000000, true, tell_pid, &code), -EBADF);
}

static void raise_it(void *argument)
{
    kill(getpid(), SIGUSR1); /* not raise(3), which would be for us */
    _exit(0);
}

static void no_handler_of_ours_runs_in_memory_that_is_shared(void **state)
{
    int status;

    if (!SHARES)
        skip();
    signal(SIGUSR1, on_signal);
    status = status_of(clone_process(-1, true, raise_it, NULL));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
    assert_int_equal(handled, 0);
    raise(SIGUSR1);
    assert_int_equal(handled, 1); /* ours is as it was */
    signal(SIGUSR1, SIG_DFL);
}

static pid_t spawn(char *const *argv, struct spawn_failure *ret_failure, int *ret_result)
{
    char *env[] = { "NAME=value", NULL };
    pid_t pid = 0;

    *ret_result =
        spawn_process(&(struct spawn){ .argv = argv, .env = env, .output_fd = -1, .ready_fd = -1, .cgroup_fd = -1 },
                      &pid, ret_failure);
    return pid;
}

static int status_of_shell(const char *script)
{
    char *argv[] = { "sh", "-c", (char *)script, NULL };
    struct spawn_failure failure;
    int result;
    pid_t pid = spawn(argv, &failure, &result);

    assert_int_equal(result, 0);
    return status_of(pid);
}

static void what_we_ignore_or_block_is_as_by_default_in_a_program(void **state)
{
    sigset_t set;
    int status;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    status = status_of_shell("kill -PIPE $$; exit 1"); /* main ignores it */
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
    status = status_of_shell("kill -TERM $$; exit 1");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void a_program_begins_in_a_session_and_environment_of_its_own(void **state)
{
    assert_int_equal(status_of_shell("test $(ps -o sid= -p $$) -eq $$ && test \"$NAME\" = value && test $PWD = /"), 0);
}

static void what_cannot_be_executed_is_known_at_once_and_leaves_no_child(void **state)
{
    char *nowhere[] = { "/nonexistent", NULL }, *not_in_path[] = { "no-such-program-anywhere", NULL },
         *folder[] = { "/tmp", NULL };
    char *const *each[] = { nowhere, not_in_path, folder };
    const int errors[] = { ENOENT, ENOENT, EACCES };

    for (size_t i = 0; i < 3; i++) {
        struct spawn_failure failure = { 0 };
        int result;
        spawn(each[i], &failure, &result);
        assert_int_equal(result, SPAWN_NEVER);
        assert_int_equal(failure.step, CONFINE_EXEC);
        assert_int_equal(failure.error, errors[i]);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
    }
}

/* execvpe joins each folder and the name on the stack: its own, which is small. */
static void a_long_path_and_a_long_name_fit_its_stack(void **state)
{
    static char name[4000], path[60000];
    char *argv[] = { name, NULL }, *was = strdup(getenv("PATH"));
    struct spawn_failure failure = { 0 };
    int result;

    memset(name, 'n', sizeof name - 1);
    for (size_t i = 0; i + 200 < sizeof path; i += 200) {
        memset(path + i, 'p', 199);
        path[i] = '/';
        path[i + 199] = ':';
    }
    setenv("PATH", path, 1);
    spawn(argv, &failure, &result);
    setenv("PATH", was, 1);
    free(was);
    assert_int_equal(result, SPAWN_NEVER);
    assert_true(failure.error == ENAMETOOLONG || failure.error == ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_function_runs_in_a_process_of_its_own),
        cmocka_unit_test(no_handler_of_ours_runs_in_memory_that_is_shared),
        cmocka_unit_test(what_we_ignore_or_block_is_as_by_default_in_a_program),
        cmocka_unit_test(a_program_begins_in_a_session_and_environment_of_its_own),
        cmocka_unit_test(what_cannot_be_executed_is_known_at_once_and_leaves_no_child),
        cmocka_unit_test(a_long_path_and_a_long_name_fit_its_stack),
    };

    signal(SIGPIPE, SIG_IGN); /* before the first spawn, as zinit does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
