/* Rules held against parsed JSON: the table is walked for each key that is there, then for those that aren't, so that
 * the reason names the first wrong thing in the order in which the sender wrote it. */

#include "lib/cleanup.h"
#include "lib/encode.h"
#include "lib/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define PLACE_BYTES 240     /* reason_refuse gives a place half of its 512 bytes */
#define KEY_BYTES_MAX 64    /* of a key in a place */
#define PLACE_BYTES_MAX 160 /* of what stands before it */

static int check_value(const cJSON *value, const struct json_rule *rule, const char *place, struct reason *reason);

/* Writes "place.key". The key comes from outside: control characters become '?', and a long one is cut, never inside
 * of a character. */
static void place_of_key(const char *place, const char *key, char ret_place[static PLACE_BYTES])
{
    size_t size = strnlen(key, KEY_BYTES_MAX), before = strnlen(place, PLACE_BYTES_MAX);
    char *at = mempcpy(ret_place, place, before);

    if (key[size]) {
        while (size > 0 && ((unsigned char)key[size] & 0xc0) == 0x80)
            size--;
    }
    if (before > 0)
        *at++ = '.';
    for (size_t i = 0; i < size; i++)
        *at++ = (unsigned char)key[i] < 0x20 || key[i] == 0x7f ? '?' : key[i];
    *at = '\0';
}

static int check_integer(const cJSON *value, const struct json_rule *rule, const char *place, struct reason *reason)
{
    int64_t min = rule->min, max = rule->max == 0 && rule->min >= 0 ? JSON_INTEGER_MAX : rule->max, integer;
    double number = value->valuedouble;

    if (!cJSON_IsNumber(value) || number != floor(number) || fabs(number) > (double)JSON_INTEGER_MAX)
        return reason_refuse(reason, place, "must be an integer");
    integer = (int64_t)number;
    if (integer < min)
        return reason_refuse(reason, place, "must be at least %" PRId64, min);
    if (integer > max)
        return reason_refuse(reason, place, "must be at most %" PRId64, max);
    return 0;
}

static int check_number(const cJSON *value, const struct json_rule *rule, const char *place, struct reason *reason)
{
    if (!cJSON_IsNumber(value) || !isfinite(value->valuedouble))
        return reason_refuse(reason, place, "must be a number");
    if (rule->min == 0 && rule->max == 0)
        return 0;
    if (value->valuedouble < (double)rule->min || value->valuedouble > (double)rule->max)
        return reason_refuse(reason, place, "must be in %" PRId64 " to %" PRId64, rule->min, rule->max);
    return 0;
}

/* A count of bytes or items against min and max (zero: no bound). */
static int check_count(size_t count, const char *unit, const struct json_rule *rule, const char *place,
                       struct reason *reason)
{
    if (rule->min == rule->max && rule->min > 0 && (int64_t)count != rule->min)
        return reason_refuse(reason, place, "must have exactly %" PRId64 " %s", rule->min, unit);
    if ((int64_t)count < rule->min)
        return reason_refuse(reason, place, "must have at least %" PRId64 " %s", rule->min, unit);
    if (rule->max > 0 && (int64_t)count > rule->max)
        return reason_refuse(reason, place, "must have at most %" PRId64 " %s", rule->max, unit);
    return 0;
}

static int check_base64(const cJSON *value, const struct json_rule *rule, const char *place, struct reason *reason)
{
    size_t size;
    cleanup_free void *bytes = cJSON_IsString(value) ? decode_base64(value->valuestring, &size) : NULL;

    if (!bytes)
        return reason_refuse(reason, place, "must be base64 with padding");
    return check_count(size, "bytes in base64", rule, place, reason);
}

static int check_array(const cJSON *value, const struct json_rule *rule, const char *place, struct reason *reason)
{
    struct json_rule item = { .kind = rule->items, .of = rule->of };
    const cJSON *child;
    size_t i = 0;
    int r;

    if (!cJSON_IsArray(value))
        return reason_refuse(reason, place, "must be an array");
    r = check_count((size_t)cJSON_GetArraySize(value), "items", rule, place, reason);
    cJSON_ArrayForEach(child, value) {
        char inner[PLACE_BYTES];
        if (r)
            break;
        snprintf(inner, sizeof inner, "%.200s[%zu]", place, i++);
        r = check_value(child, &item, inner, reason);
    }
    return r;
}

static int check_map(const cJSON *value, const struct json_rule *rule, const char *place, struct reason *reason)
{
    struct json_rule item = { .kind = rule->items, .of = rule->of };
    const cJSON *child;
    int r;

    if (!cJSON_IsObject(value))
        return reason_refuse(reason, place, "must be an object");
    r = check_count((size_t)cJSON_GetArraySize(value), "keys", rule, place, reason);
    cJSON_ArrayForEach(child, value) {
        char inner[PLACE_BYTES];
        if (r)
            break;
        place_of_key(place, child->string, inner);
        r = check_value(child, &item, inner, reason);
    }
    return r;
}

static int check_string(const cJSON *value, const struct json_rule *rule, const char *place, struct reason *reason)
{
    if (!cJSON_IsString(value))
        return reason_refuse(reason, place, "must be a string");
    return check_count(strlen(value->valuestring), "bytes", rule, place, reason);
}

static int check_kind(const cJSON *value, const struct json_rule *rule, const char *place, struct reason *reason)
{
    uint8_t bytes[ID_BYTES];

    switch (rule->kind) {
    case JSON_STRING:
        return check_string(value, rule, place, reason);
    case JSON_INTEGER:
        return check_integer(value, rule, place, reason);
    case JSON_NUMBER:
        return check_number(value, rule, place, reason);
    case JSON_BOOL:
        return cJSON_IsBool(value) ? 0 : reason_refuse(reason, place, "must be true or false");
    case JSON_OBJECT:
        if (!cJSON_IsObject(value))
            return reason_refuse(reason, place, "must be an object");
        return rule->of ? json_check(value, rule->of, place, reason) : 0;
    case JSON_ARRAY:
        return check_array(value, rule, place, reason);
    case JSON_MAP:
        return check_map(value, rule, place, reason);
    case JSON_BASE64:
        return check_base64(value, rule, place, reason);
    case JSON_ID:
        if (!cJSON_IsString(value) || !decode_id(value->valuestring, bytes))
            return reason_refuse(reason, place, "must be an id: base58 of 32 bytes");
        return 0;
    case JSON_HASH:
        if (!cJSON_IsString(value) || !decode_hex(value->valuestring, bytes, sizeof bytes))
            return reason_refuse(reason, place, "must be 64 lower-case hexadecimal digits");
        return 0;
    }
    return reason_refuse(reason, place, "has no rule");
}

static int check_value(const cJSON *value, const struct json_rule *rule, const char *place, struct reason *reason)
{
    int r = check_kind(value, rule, place, reason);
    const char *broken = r || !rule->check ? NULL : rule->check(value);

    return broken ? reason_refuse(reason, place, "%s", broken) : r;
}

int json_check(const cJSON *object, const struct json_rule *rules, const char *place, struct reason *reason)
{
    char inner[PLACE_BYTES];
    const struct json_rule *rule;
    const cJSON *child;
    int r;

    if (!cJSON_IsObject(object))
        return reason_refuse(reason, place, "must be an object");
    cJSON_ArrayForEach(child, object) {
        place_of_key(place, child->string, inner);
        for (rule = rules; rule->name && strcmp(rule->name, child->string) != 0; rule++)
            ;
        if (!rule->name)
            return reason_refuse(reason, inner, "unknown key");
        r = check_value(child, rule, inner, reason);
        if (r)
            return r;
    }
    for (rule = rules; rule->name; rule++) {
        if (!rule->optional && !json_member(object, rule->name)) {
            place_of_key(place, rule->name, inner);
            return reason_refuse(reason, inner, "is missing");
        }
    }
    return 0;
}

const cJSON *json_member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

const char *json_string(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(json_member(object, name));
}

int64_t json_integer(const cJSON *object, const char *name)
{
    const cJSON *value = json_member(object, name);

    if (!cJSON_IsNumber(value) || !(fabs(value->valuedouble) <= (double)JSON_INTEGER_MAX))
        return 0;
    return (int64_t)value->valuedouble;
}

bool json_bool(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(json_member(object, name));
}
