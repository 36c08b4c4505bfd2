#pragma once

/* The processes that descend from a service: all that its control group holds. Without control groups they are found
 * among zinit's children, to which a process comes when its parent ends: by session, process group, or the variable
 * KIN_VARIABLE, which each inherits. One that leaves its session and clears its environment too isn't found. */

#include "zinit/service.h"

#define KIN_VARIABLE "ZINIT_SERVICE"

/* Kills what is left of it besides its main process and the probe. True while some of it is there. */
bool kin_kill(struct service *service);
/* Kills everything in it. */
void kin_kill_all(struct service *service);
/* Whether something is left of a service whose main process is gone; clears its control group away. */
bool kin_linger(struct service *service);
/* Whether the process is one of the service's. */
bool kin_has(const struct service *service, pid_t pid);
