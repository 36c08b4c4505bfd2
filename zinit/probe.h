#pragma once

/* Commands that are run beside a service: its unit's `test`, again and again until it succeeds, which is when the
 * service is Running, and `health`, again and again while it is. */

#include "zinit/service.h"

void probe_open(struct service *service);
/* The service has come into the state in which it is: begins what belongs there. */
void probe_begin(struct service *service);
/* Stops probing; a command that runs is killed. */
void probe_end(struct service *service);
