#pragma once

/* Farms of the bot. */

#include "contrib/3bot/session.h"

/* The farm of ours with that name; when `name` is NULL, the only one we have. 0 and its number; CLIENT_NOT_FOUND when
 * there is none; another condition. */
int farm_find(struct session *session, const char *name, int64_t *ret_farm, struct reason *reason);
