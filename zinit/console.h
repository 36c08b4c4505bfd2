#pragma once

/* The console page: what an operator in front of the machine needs to see. A process of its own, no part of PID 1. */

/* Asks the daemons every two seconds and prints the page to standard output when it has changed. Never returns. */
int console_run(void);
