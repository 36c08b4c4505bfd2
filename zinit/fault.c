/* Faults. The handler runs on a stack of its own, calls nothing that isn't async-signal-safe (signal-safety(7); _Fork
 * is fork(2) without the C library's handlers) and allocates nothing. Return addresses are what lies on the stack,
 * points into our text, and follows a call instruction: that needs no frame pointers and survives a broken frame. */

#include "zinit/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_BYTES 32768
#define RECORD_BYTES 900   /* the kernel's log takes 1024 at once, prefix included */
#define ADDRESSES_MAX 24   /* that are told */
#define SYNC_MS 5000       /* at most */
#define LOG_BYTES 4096     /* of our own log's end */
#define KERNEL_LEVEL "<2>" /* critical: shown on consoles though the kernel is told to be quiet */
#define TOP_BYTES 256      /* above fault_watch's frame there are its callers' at least */

extern const char __executable_start[], etext[]; /* the linker's: where our text begins and ends */

static const int FAULTS[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };

static char fault_stack[STACK_BYTES];
static uintptr_t stack_top;
static int log_fd = -1;
static bool machine;

/* ---- one line, in static memory */

static char record[RECORD_BYTES];
static size_t record_size;

static void put(const char *text, size_t size)
{
    if (size > sizeof record - 1 - record_size)
        size = sizeof record - 1 - record_size;
    memcpy(record + record_size, text, size);
    record_size += size;
}

static void put_text(const char *text)
{
    put(text, strlen(text));
}

static void put_number(uintptr_t value, unsigned base)
{
    char digits[24];
    size_t at = sizeof digits;

    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    put(digits + at, sizeof digits - at);
}

static void put_address(uintptr_t address)
{
    put_text(" 0x");
    put_number(address, 16);
}

/* The kernel's log; where it can't be had, standard output. */
static void tell(void)
{
    int kernel = machine ? open("/dev/kmsg", O_WRONLY | O_CLOEXEC) : -1;
    bool told = false;

    record[record_size] = '\n';
    if (kernel >= 0) {
        told = write(kernel, record, record_size + 1) > 0;
        close(kernel);
    }
    if (!told) /* and if that fails there is nobody left to tell */
        (void)!write(STDOUT_FILENO, record + strlen(KERNEL_LEVEL), record_size + 1 - strlen(KERNEL_LEVEL));
    record_size = 0;
}

static void begin(void)
{
    record_size = 0;
    put_text(KERNEL_LEVEL "zinit: ");
}

/* ---- what is told */

static const char *name_of(int number)
{
    switch (number) {
    case SIGSEGV:
        return "SIGSEGV";
    case SIGBUS:
        return "SIGBUS";
    case SIGILL:
        return "SIGILL";
    case SIGFPE:
        return "SIGFPE";
    case SIGABRT:
        return "SIGABRT";
    default:
        return "SIGSYS";
    }
}

/* Intel SDM vol. 2, CALL: E8 with 4 bytes, or FF with 2 in its middle field and 0 to 5 bytes behind. */
static bool follows_call(uintptr_t address)
{
    const unsigned char *code = (const unsigned char *)address;

    if (address < (uintptr_t)__executable_start + 8 || address >= (uintptr_t)etext)
        return false;
    if (code[-5] == 0xe8)
        return true;
    for (int size = 2; size <= 7; size++)
        if (code[-size] == 0xff && (code[-size + 1] & 0x38) == 0x10)
            return true;
    return false;
}

#ifdef __x86_64__
/* All of the stack is read, what lies between variables too, which the address sanitizer would object to. */
__attribute__((no_sanitize("address"))) static void put_stack(const ucontext_t *context)
{
    uintptr_t from = (uintptr_t)context->uc_mcontext.gregs[REG_RSP] & ~(sizeof(uintptr_t) - 1);
    unsigned told = 0;

    put_text("; at");
    put_address((uintptr_t)context->uc_mcontext.gregs[REG_RIP]);
    put_text(", called from");
    for (const uintptr_t *at = (const uintptr_t *)from; told < ADDRESSES_MAX && (uintptr_t)at < stack_top; at++) {
        if (!follows_call(*at))
            continue;
        put_address(*at);
        told++;
    }
}
#else
static void put_stack(const ucontext_t *context)
{
}
#endif

static void tell_fault(const siginfo_t *info, const ucontext_t *context)
{
    begin();
    put_text("died of ");
    put_text(name_of(info->si_signo));
    put_text(" (");
    put_number((uintptr_t)info->si_signo, 10);
    put_text(")");
    if (info->si_code > 0) {
        put_text(" on");
        put_address((uintptr_t)info->si_addr);
    }
    put_stack(context);
    put_text("; loaded at");
    put_address((uintptr_t)__executable_start);
    tell();
}

static void tell_log(void)
{
    static char text[LOG_BYTES];
    ssize_t size = log_fd < 0 ? 0 : read(log_fd, text, sizeof text);
    char *from = text, *end;

    for (; size > 0 && (end = memchr(from, '\n', (size_t)size)); from = end + 1) {
        begin();
        put_text("its log's end: ");
        put(from, (size_t)(end - from));
        tell();
        size -= end + 1 - from;
    }
}

/* A sync that hangs must not keep the machine from its panic. */
static void sync_in_time(void)
{
    pid_t child = _Fork();

    if (child == 0) {
        sync();
        _exit(0);
    }
    for (int waited_ms = 0; child > 0 && waited_ms < SYNC_MS; waited_ms += 10) {
        if (waitpid(child, NULL, WNOHANG) != 0)
            return;
        usleep(10000);
    }
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    int error = errno;

    if (info->si_code <= 0 && info->si_pid != getpid()) {
        errno = error;
        return;
    }
    for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++)
        signal(FAULTS[i], SIG_DFL);
    tell_fault(info, context);
    tell_log();
    if (machine)
        sync_in_time();
}

void fault_watch(int fd, bool is_machine)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    stack_t stack = { .ss_sp = fault_stack, .ss_size = sizeof fault_stack };

    log_fd = fd;
    machine = is_machine;
    stack_top = (uintptr_t)__builtin_frame_address(0) + TOP_BYTES;
    sigaltstack(&stack, NULL);
    for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++)
        sigaction(FAULTS[i], &action, NULL);
}
