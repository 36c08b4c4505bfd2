/* Signal names, of signal(7), x86-64's numbers by their macros. */

#include "zinit/signals.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static const struct {
    int number;
    const char *name;
} SIGNALS[] = {
    { SIGHUP, "SIGHUP" },       { SIGINT, "SIGINT" },   { SIGQUIT, "SIGQUIT" },   { SIGILL, "SIGILL" },
    { SIGTRAP, "SIGTRAP" },     { SIGABRT, "SIGABRT" }, { SIGBUS, "SIGBUS" },     { SIGFPE, "SIGFPE" },
    { SIGKILL, "SIGKILL" },     { SIGUSR1, "SIGUSR1" }, { SIGSEGV, "SIGSEGV" },   { SIGUSR2, "SIGUSR2" },
    { SIGPIPE, "SIGPIPE" },     { SIGALRM, "SIGALRM" }, { SIGTERM, "SIGTERM" },   { SIGCHLD, "SIGCHLD" },
    { SIGCONT, "SIGCONT" },     { SIGSTOP, "SIGSTOP" }, { SIGTSTP, "SIGTSTP" },   { SIGTTIN, "SIGTTIN" },
    { SIGTTOU, "SIGTTOU" },     { SIGURG, "SIGURG" },   { SIGXCPU, "SIGXCPU" },   { SIGXFSZ, "SIGXFSZ" },
    { SIGVTALRM, "SIGVTALRM" }, { SIGPROF, "SIGPROF" }, { SIGWINCH, "SIGWINCH" }, { SIGIO, "SIGIO" },
    { SIGPWR, "SIGPWR" },       { SIGSYS, "SIGSYS" },
};

#define SIGNALS_COUNT (sizeof SIGNALS / sizeof SIGNALS[0])

int signals_parse(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (*text && !*end)
        return number > 0 && number < NSIG ? (int)number : -1;
    for (size_t i = 0; i < SIGNALS_COUNT; i++)
        if (strcasecmp(text, SIGNALS[i].name) == 0 || strcasecmp(text, SIGNALS[i].name + 3) == 0)
            return SIGNALS[i].number;
    return -1;
}

const char *signals_name(int number)
{
    static char other[24];

    for (size_t i = 0; i < SIGNALS_COUNT; i++)
        if (SIGNALS[i].number == number)
            return SIGNALS[i].name;
    snprintf(other, sizeof other, "signal %d", number);
    return other;
}
