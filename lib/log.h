#pragma once

/* One line an event, on stderr: `<6>storaged: disk nvme0n1: added to pool`. The number is syslog's level (RFC 5424,
 * §6.2.1); zinit takes it off and keeps it. Control characters in what is logged are written as \xNN, so that nobody
 * outside can forge a line. No secret is ever passed to these functions. */

#include <stdarg.h>

/* Sets the name that each line begins with (a string that stays; the program's). LOG_DEBUG=1 in the environment turns
 * debug lines on. */
void log_open(const char *program);

__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);   /* an operator must act */
__attribute__((format(printf, 1, 2))) void log_warning(const char *format, ...); /* served worse than wanted */
__attribute__((format(printf, 1, 2))) void log_info(const char *format, ...);    /* the node changed */
__attribute__((format(printf, 1, 2))) void log_debug(const char *format, ...);

/* Logs an unexpected failure where it begins, as error: the text, then what errno -`error` means. Returns `error`
 * (negative errno), so that it reads `return log_fail(-errno, "open %s", path);`. */
__attribute__((format(printf, 2, 3))) int log_fail(int error, const char *format, ...);
