#pragma once

/* Does one action of a plan. */

#include "netd/netd.h"

/* 0; or negative errno, logged: the next cycle plans it again. */
int apply_action(struct netd *netd, const struct plan_action *action);
