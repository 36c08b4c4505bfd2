#pragma once

/* Signals by name. */

/* The number of "SIGTERM", "term", "15" …, or -1. */
int signals_parse(const char *text);
/* "SIGTERM"; "signal 40" style text for those without a name (static memory). */
const char *signals_name(int number);
