/* What is told of a fault: each in a child, whose standard output is read. */

#include "zinit/fault.h"

#include <assert.h>
#include <fcntl.h>
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

#define UNMAPPED 0x10

static char heard[8192];

__attribute__((noinline)) static void touch_nothing(void)
{
    static volatile uintptr_t address = UNMAPPED;

    *(volatile int *)address = 1;
}

/* After the call there must be something, else it is a jump. */
__attribute__((noinline)) static void call_it(void (*fault)(void))
{
    fault();
    if (write(STDOUT_FILENO, "survived\n", 9) < 0)
        _exit(3);
}

static void give_up(void)
{
    assert(*heard == 'x' && "the words of an assertion");
}

static void divide(void)
{
    raise(SIGFPE); /* the processor's own can't be had under UBSan */
}

/* Says when; a signal that is sent from then on ends its wait, though it may come before that begins. */
static void wait_for_somebody(void)
{
    sigset_t segv, before;

    sigemptyset(&segv);
    sigaddset(&segv, SIGSEGV);
    sigprocmask(SIG_BLOCK, &segv, &before);
    for (int i = 0; i < 2; i++) {
        if (write(STDOUT_FILENO, "w", 1) < 0)
            _exit(3);
        sigsuspend(&before);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    touch_nothing();
}

/* Standard error is a pipe to itself, as zinit's log is. The child's status. */
static pid_t begin_child(void (*fault)(void), int *ret_fd)
{
    int out[2], log[2];
    pid_t child;

    assert_int_equal(pipe(out), 0);
    assert_int_equal(pipe2(log, O_NONBLOCK), 0);
    child = fork();
    if (child == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(log[1], STDERR_FILENO);
        fault_watch(log[0], false);
        call_it(fault);
        _exit(0);
    }
    close(out[1]);
    close(log[0]);
    close(log[1]);
    *ret_fd = out[0];
    return child;
}

static int end_child(pid_t child, int fd)
{
    size_t used = 0;
    ssize_t size;
    int status;

    while ((size = read(fd, heard + used, sizeof heard - 1 - used)) > 0)
        used += (size_t)size;
    heard[used] = '\0';
    close(fd);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int run(void (*fault)(void))
{
    int fd;
    pid_t child = begin_child(fault, &fd);

    return end_child(child, fd);
}

static void says(const char *part)
{
    if (!strstr(heard, part))
        fail_msg("\"%s\"\ndoesn't say \"%s\"", heard, part);
}

/* An address within the function, or not far behind its begin. */
static void names_caller(void (*function)(void (*)(void)))
{
    uintptr_t from = (uintptr_t)function;

    for (char *at = strstr(heard, "called from"); at && (at = strstr(at, " 0x")); at++) {
        uintptr_t address = strtoull(at, NULL, 0);
        if (address > from && address < from + 512)
            return;
    }
    fail_msg("\"%s\"\nhas no address right behind %p", heard, (void *)from);
}

static void a_wild_pointer_is_told_with_its_address_and_callers(void **state)
{
    int status = run(touch_nothing);

    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    says("zinit: died of SIGSEGV (11) on 0x10; at 0x");
    names_caller(call_it);
}

static void an_assertion_is_told_with_its_words(void **state)
{
    int status = run(give_up);

    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    says("zinit: died of SIGABRT (6);");
    says("zinit: its log's end: ");
    says("the words of an assertion");
}

static void a_signal_of_its_own_is_told(void **state)
{
    run(divide);
    says("zinit: died of SIGFPE (8);");
}

static void what_somebody_sends_is_no_fault_and_a_fault_thereafter_is_told(void **state)
{
    int fd, status;
    pid_t child = begin_child(wait_for_somebody, &fd);

    for (int i = 0; i < 2; i++) {
        char waits;
        assert_int_equal(read(fd, &waits, 1), 1);
        kill(child, SIGSEGV);
    }
    status = end_child(child, fd);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    says("zinit: died of SIGSEGV (11) on 0x10;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wild_pointer_is_told_with_its_address_and_callers),
        cmocka_unit_test(an_assertion_is_told_with_its_words),
        cmocka_unit_test(a_signal_of_its_own_is_told),
        cmocka_unit_test(what_somebody_sends_is_no_fault_and_a_fault_thereafter_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
