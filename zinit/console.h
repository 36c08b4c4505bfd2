#pragma once

/* The console page: what an operator in front of the machine needs to see. A process of its own, no part of PID 1. */

/* Asks the daemons every two seconds and prints the page to all consoles when it has changed. Never returns but on an
 * error: the exit code. */
int console_run(void);
