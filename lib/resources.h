#pragma once

/* The grid's resource units: what a node has, a contract reserves, a node uses. */

#include "lib/json.h"

struct resources {
    int64_t cru_milli; /* thousandths of a logical CPU */
    int64_t mru_bytes; /* memory */
    int64_t sru_bytes; /* SSD */
    int64_t hru_bytes; /* HDD */
};

/* The rules of a `resources`, `used` or `reserves` object: all four keys, integers in 0…2^53-1. */
extern const struct json_rule RESOURCES_RULES[];

/* Reads an object that was checked with RESOURCES_RULES. */
struct resources resources_from_json(const cJSON *object);
/* A new object; NULL when memory is out. */
cJSON *resources_to_json(struct resources resources);
/* Sums saturate at JSON_INTEGER_MAX, differences at zero. */
struct resources resources_add(struct resources a, struct resources b);
struct resources resources_subtract(struct resources a, struct resources b);
/* true when each of `part` is at most that of `whole`; else `reason` names the first that isn't, and both numbers. */
bool resources_fit(struct resources part, struct resources whole, struct reason *reason);
