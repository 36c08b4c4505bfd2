#pragma once

/* What the rings keep, as JSON. */

#include "zinit/logs.h"

#include <cjson/cJSON.h>

#define HISTORY_LINE_BYTES (RING_LINE_BYTES_MAX + 255)

/* zinit's form of a line, "2023-01-01T12:00:00 redis: text" (UTC), in static memory. `time_ms` is since 1970. */
const char *history_dress(const char *name, int64_t time_ms, const char *text);

/* Whether a stream has this name. */
bool history_has(const struct logs *logs, const char *name);

/* The lines kept of the streams with this name (NULL: of all), in order, as a new array of `time name: text` strings
 * (zinit's form), or of the texts alone when `raw`. So many of the newest that the answer fits on one line of lib/rpc.
 * Only lines of `level` (syslog's) and graver, and the newest `count_max` of them. NULL when memory is out. */
cJSON *history_to_json(const struct logs *logs, const char *name, bool raw, int level, size_t count_max);
