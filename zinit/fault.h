#pragma once

#include <stdbool.h>

/* Tells on the consoles what kills PID 1, since the kernel panics right after: the signal, the address, and the return
 * addresses found on the stack (for addr2line). `log_fd` (-1: none): the reading end of our own log, which never
 * blocks, whose last lines, an assertion's words among them, are told too. `machine`: by way of the kernel's log, so on
 * all consoles and wherever else that is kept; and file systems are synced, for 5 s at most. Else on standard output.
 *
 * Then the fault has its way: it ends the process; PID 1 of a machine panics, which after the seconds of panic= (10, by
 * kernel/30-cmdline.config) reboots. A fault signal that somebody else sends (kill(2)) is no fault, and is ignored. */
void fault_watch(int log_fd, bool machine);
