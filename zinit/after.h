#pragma once

/* The order of services, as their units' `after` has it. */

#include "zinit/service.h"

#define AFTER_WAIT MACHINE_EVENTS /* no event: something isn't there yet */

/* Whether a blocked service may start: MACHINE_UNBLOCK; MACHINE_REJECT when it comes after itself or after something
 * that there isn't; or AFTER_WAIT. The last two put the reason into the service. */
enum machine_event after_check(struct service *service);
