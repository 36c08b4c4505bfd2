#pragma once

#include "storaged/path.h"

#include <stdbool.h>

/* What is mounted. */

/* Whether something is mounted exactly at `target`; then what was mounted last there: its source ("/dev/vda"). */
bool mounts_source(const char *target, char ret_source[static PATH_BYTES]);
