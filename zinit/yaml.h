#pragma once

/* A YAML document as JSON. Pure. */

#include "lib/reason.h"

#include <cjson/cJSON.h>
#include <stddef.h>

/* Plain scalars become null, booleans and numbers by YAML's core schema (YAML 1.2.2 §10.3.2) as far as JSON has them;
 * all others, and all keys, are texts. At most YAML_VALUES_MAX values, nested YAML_DEPTH_MAX deep: aliases can
 * multiply. 0 and *ret_value (the caller's, cJSON_Delete), REFUSED, or -ENOMEM. */
int yaml_to_json(const char *text, size_t size, cJSON **ret_value, struct reason *reason);

#define YAML_VALUES_MAX 8192
#define YAML_DEPTH_MAX 16
