#pragma once

/* Strict JSON for everything that comes from outside, in front of cJSON, which alone is too lenient: RFC 8259's grammar
 * to the letter, valid UTF-8, no duplicate key, depth at most 32, nothing after the value but white space. And rules:
 * a table that says what an object must look like, so that a schema is data and every refusal names place and rule. */

#include "lib/reason.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 32
#define JSON_SIZE_MAX 65536               /* bytes, unless a caller states another bound */
#define JSON_INTEGER_MAX 9007199254740991 /* 2^53-1: what a double holds exactly (RFC 8259 §6) */

static inline void cleanup_json_value(cJSON **value)
{
    cJSON_Delete(*value);
}
#define cleanup_json __attribute__((cleanup(cleanup_json_value)))

/* Parses `size` bytes (no NUL needed) of at most `size_max`. 0 and *ret_value (the caller's, cJSON_Delete), REFUSED
 * with the byte offset and the rule, or -ENOMEM. */
int json_parse(const char *text, size_t size, size_t size_max, cJSON **ret_value, struct reason *reason);

/* Prints compactly. NULL when memory is out; else the caller's, free(). */
char *json_print(const cJSON *value);

enum json_kind {
    JSON_STRING,  /* valid UTF-8 without NUL; min, max: bytes */
    JSON_INTEGER, /* min, max: value; both zero stands for 0…2^53-1 */
    JSON_NUMBER,  /* any finite number; min, max: value; both zero stands for any */
    JSON_BOOL,
    JSON_OBJECT, /* `of`: the rules of its keys; NULL: any object */
    JSON_ARRAY,  /* min, max: items (max zero: no bound); `items`: their kind; `of`: their rules when objects */
    JSON_MAP, /* an object whose keys are free: min, max: keys; `items`: the kind of each value (strings of any size) */
    JSON_BASE64, /* canonical RFC 4648 §4 with padding; min, max: decoded bytes */
    JSON_ID,     /* base58 of 32 bytes */
    JSON_HASH,   /* 64 lower-case hexadecimal digits */
};

/* One key of an object. A table of them ends with a rule whose name is NULL. */
struct json_rule {
    const char *name;
    enum json_kind kind;
    bool optional;
    int64_t min, max;
    const struct json_rule *of;
    enum json_kind items;
    /* When set, is asked last: returns NULL when the value is fine, else the rule that it breaks ("must be …"). */
    const char *(*check)(const cJSON *value);
};

/* Holds `object` against `rules`: it must be an object, have each key that isn't optional, no key that isn't listed,
 * and every value must fit. `place` is what stands before the key in a reason ("" at the top, else
 * "workloads[2].data"). 0, or REFUSED. */
int json_check(const cJSON *object, const struct json_rule *rules, const char *place, struct reason *reason);

/* What a checked object holds under a key; an absent optional one gives NULL, 0, false. The string stays the object's.
 */
const char *json_string(const cJSON *object, const char *name);
int64_t json_integer(const cJSON *object, const char *name);
bool json_bool(const cJSON *object, const char *name);
const cJSON *json_member(const cJSON *object, const char *name);

/* Exact integers for output: cJSON prints a double, which is exact up to JSON_INTEGER_MAX. */
cJSON *json_add_integer(cJSON *object, const char *name, int64_t value);

/* From json_watch_memory on, json_memory_is_out tells whether memory was out for something of cJSON's since. */
void json_watch_memory(void);
bool json_memory_is_out(void);
