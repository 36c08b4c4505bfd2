#pragma once

/* What the settings want of storaged. */

#include "storaged/plan.h"

#include <cjson/cJSON.h>

/* The settings' object `storage`, or NULL: `claim` is "empty", as without it, or "none". What isn't understood is told,
 * and claims nothing: better a disk too few than one too many. Unknown keys are told and ignored. */
struct plan_wanted wanted_from_json(const cJSON *storage);

/* The same, of the settings below `root`. What is wrong with them is logged. */
struct plan_wanted wanted_read(const char *root);
