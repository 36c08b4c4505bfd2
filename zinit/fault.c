/* Faults: a handler on a stack of its own that writes one line with write(2) alone, then lets the fault have its way.
 */

#include "zinit/fault.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define FAULT_STACK_BYTES 16384

static char fault_stack[FAULT_STACK_BYTES];

static size_t write_hex(char *out, uintptr_t value)
{
    size_t digits = 2 * sizeof value;

    for (size_t i = 0; i < digits; i++)
        out[i] = "0123456789abcdef"[(value >> (4 * (digits - 1 - i))) & 15];
    return digits;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    static const char text[] = "\nzinit: died of a fault, signal 00 at 0x";
    char line[sizeof text + 32];
    char *digits;
    size_t size = sizeof text - 1;

    if (info->si_code == SI_USER) /* somebody's kill(2), no fault: it doesn't end PID 1 */
        return;
    memcpy(line, text, size);
    digits = strstr(line, "00 at");
    digits[0] = (char)('0' + number / 10 % 10);
    digits[1] = (char)('0' + number % 10);
    size += write_hex(line + size, (uintptr_t)info->si_addr);
    line[size++] = '\n';
    if (write(STDOUT_FILENO, line, size) < 0)
        return;
}

void fault_watch(void)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND };
    stack_t stack = { .ss_sp = fault_stack, .ss_size = sizeof fault_stack };

    sigaltstack(&stack, NULL);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigaction(faults[i], &action, NULL);
}
