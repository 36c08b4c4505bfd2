#pragma once

/* The order of services, as their units' `after` has it. */

#include "zinit/service.h"

#define AFTER_WAIT MACHINE_EVENTS /* no event: something isn't there yet */

/* Whether a blocked service may start: MACHINE_UNBLOCK; MACHINE_REJECT when it comes after itself or after something
 * that there isn't; or AFTER_WAIT: then it is woken when what it waits for changes. The last two put the reason into
 * the service. */
enum machine_event after_check(struct service *service);

/* Its state has changed, or it goes: those that wait for it are due for another look (supervisor_settle takes them). */
void after_wake(struct service *service);
/* It waits for nothing any more. */
void after_leave(struct service *service);
