#pragma once

/* Making a service's processes: what spawn.c wants to know, gathered from the unit. */

#include "zinit/service.h"
#include "zinit/spawn.h"

/* Opens the service's output and readiness and makes its main process: service->pid. 0; SPAWN_NEVER or negative errno
 * (not now), and why. */
int launch_main(struct service *service, char *why, size_t size);
/* Makes a process beside it, without output: service->probe_pid. As launch_main. */
int launch_probe(struct service *service, char *const *argv, char *why, size_t size);
