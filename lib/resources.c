/* Resource units: sums, differences and comparison of four numbers. */

#include "lib/resources.h"

#include <inttypes.h>

const struct json_rule RESOURCES_RULES[] = {
    { .name = "cru_milli", .kind = JSON_INTEGER },
    { .name = "mru_bytes", .kind = JSON_INTEGER },
    { .name = "sru_bytes", .kind = JSON_INTEGER },
    { .name = "hru_bytes", .kind = JSON_INTEGER },
    { 0 },
};

struct resources resources_from_json(const cJSON *object)
{
    return (struct resources){
        .cru_milli = json_integer(object, "cru_milli"),
        .mru_bytes = json_integer(object, "mru_bytes"),
        .sru_bytes = json_integer(object, "sru_bytes"),
        .hru_bytes = json_integer(object, "hru_bytes"),
    };
}

cJSON *resources_to_json(struct resources resources)
{
    cJSON *object = cJSON_CreateObject();

    if (object && json_add_integer(object, "cru_milli", resources.cru_milli) &&
        json_add_integer(object, "mru_bytes", resources.mru_bytes) &&
        json_add_integer(object, "sru_bytes", resources.sru_bytes) &&
        json_add_integer(object, "hru_bytes", resources.hru_bytes))
        return object;
    cJSON_Delete(object);
    return NULL;
}

static int64_t add(int64_t a, int64_t b)
{
    return a > JSON_INTEGER_MAX - b ? JSON_INTEGER_MAX : a + b;
}

static int64_t subtract(int64_t a, int64_t b)
{
    return a > b ? a - b : 0;
}

struct resources resources_add(struct resources a, struct resources b)
{
    return (struct resources){
        .cru_milli = add(a.cru_milli, b.cru_milli),
        .mru_bytes = add(a.mru_bytes, b.mru_bytes),
        .sru_bytes = add(a.sru_bytes, b.sru_bytes),
        .hru_bytes = add(a.hru_bytes, b.hru_bytes),
    };
}

struct resources resources_subtract(struct resources a, struct resources b)
{
    return (struct resources){
        .cru_milli = subtract(a.cru_milli, b.cru_milli),
        .mru_bytes = subtract(a.mru_bytes, b.mru_bytes),
        .sru_bytes = subtract(a.sru_bytes, b.sru_bytes),
        .hru_bytes = subtract(a.hru_bytes, b.hru_bytes),
    };
}

static bool fit(const char *name, int64_t part, int64_t whole, struct reason *reason)
{
    if (part <= whole)
        return true;
    reason_refuse(reason, name, "%" PRId64 " is more than %" PRId64, part, whole);
    return false;
}

bool resources_fit(struct resources part, struct resources whole, struct reason *reason)
{
    return fit("cru_milli", part.cru_milli, whole.cru_milli, reason) &&
           fit("mru_bytes", part.mru_bytes, whole.mru_bytes, reason) &&
           fit("sru_bytes", part.sru_bytes, whole.sru_bytes, reason) &&
           fit("hru_bytes", part.hru_bytes, whole.hru_bytes, reason);
}
