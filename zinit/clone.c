/* clone3(2). With CLONE_VM the child needs a stack of its own, and must not come back from the function that made the
 * system call: no library offers that call with a control group, so it stands here in assembler (x86-64's calling
 * convention and system calls, by the System V ABI). We are asleep while the child uses our memory, and there is no
 * other thread, so that one stack serves all. CLONE_CLEAR_SIGHAND, since a handler would run in our memory. */

#include "zinit/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_BYTES 65536 /* execvpe has one entry of PATH on it, and snprintf its work */

#ifdef __SANITIZE_ADDRESS__
#define MAY_SHARE false /* the sanitizer keeps books on stacks, in memory that would be shared */
#else
#define MAY_SHARE true
#endif

static char stack[STACK_BYTES] __attribute__((aligned(16)));

static long clone_and_call(struct clone_args *arguments, void (*function)(void *), void *argument)
{
    register void (*called)(void *) __asm__("r12") = function;
    register void *passed __asm__("r13") = argument;
    long result = SYS_clone3;

    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t" /* the end of the chain of frames */
                     "mov %%r13, %%rdi\n\t"
                     "call *%%r12\n\t"
                     "ud2\n"
                     "1:"
                     : "+a"(result)
                     : "D"(arguments), "S"(sizeof *arguments), "r"(called), "r"(passed)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

static pid_t clone_shared(struct clone_args arguments, void (*function)(void *), void *argument)
{
    arguments.flags |= CLONE_VM | CLONE_CLEAR_SIGHAND;
    arguments.stack = (uintptr_t)stack;
    arguments.stack_size = sizeof stack;
    return (pid_t)clone_and_call(&arguments, function, argument);
}

static pid_t clone_apart(struct clone_args arguments, void (*function)(void *), void *argument)
{
    pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);

    if (pid == 0)
        function(argument);
    return pid < 0 ? -errno : pid;
}

/* For kernels without clone3, or that refuse it (seccomp): the child moves itself. */
static pid_t fork_into(int cgroup_fd, void (*function)(void *), void *argument)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid < 0 ? -errno : pid;
    if (cgroup_fd >= 0) {
        int procs = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (procs < 0 || write(procs, "0", 1) < 0)
            _exit(126);
        close(procs);
    }
    function(argument);
    return -ENOSYS; /* it doesn't come back */
}

pid_t clone_process(int cgroup_fd, bool shared, void (*function)(void *argument), void *argument)
{
    const struct clone_args arguments = {
        .flags = CLONE_VFORK | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
        .exit_signal = SIGCHLD,
        .cgroup = cgroup_fd >= 0 ? (__u64)cgroup_fd : 0,
    };
    pid_t pid =
        shared && MAY_SHARE ? clone_shared(arguments, function, argument) : clone_apart(arguments, function, argument);

    if (pid == -ENOSYS || pid == -EPERM || pid == -EINVAL)
        pid = fork_into(cgroup_fd, function, argument);
    return pid;
}
