#pragma once

/* The end: services in the reverse of their order, then all other processes, then the file systems, then the machine.
 */

#include "zinit/supervisor.h"

/* "power-off", "reboot" …, in static memory. */
const char *shutdown_mode_name(enum shutdown_mode mode);
/* Begins it. False when one is going on already, which stays as it was begun. */
bool shutdown_begin(struct supervisor *supervisor, enum shutdown_mode mode);
/* Stops what nothing depends on any more; ends the loop when no service has a process left. */
void shutdown_step(struct supervisor *supervisor);
/* What remains once the loop has ended: on a machine this never returns, and ends it within 28 s whatever hangs. */
void shutdown_finish(struct supervisor *supervisor);
