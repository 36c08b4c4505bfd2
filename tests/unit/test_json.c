/* Strict JSON: what must be read, what must be refused and where, rules, and exact printing. */

#include "lib/cleanup.h"
#include "lib/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

/* A literal with its size, so that it can hold NUL. */
#define TEXT(literal) literal, sizeof(literal) - 1

struct text {
    const char *text;
    size_t size;
};

static int parse(const char *text, size_t size, struct reason *reason)
{
    cleanup_json cJSON *value = NULL;
    char *copy = malloc(size ? size : 1); /* of the exact size, so that the sanitizer sees a byte too many */
    int r;

    memcpy(copy, text, size);
    r = json_parse(copy, size, JSON_SIZE_MAX, &value, reason);
    free(copy);
    assert_true(r == 0 ? value != NULL : value == NULL);
    return r;
}

static void reads_what_the_grammar_allows(void **state)
{
    static const struct text good[] = {
        { TEXT("null") },
        { TEXT(" true ") },
        { TEXT("\t\r\n false\n") },
        { TEXT("0") },
        { TEXT("-0") },
        { TEXT("-1") },
        { TEXT("1234567890") },
        { TEXT("0.5") },
        { TEXT("1e2") },
        { TEXT("1E+2") },
        { TEXT("1.5e-2") },
        { TEXT("123456789012345678901234567890123456789012345678901234567890123") },
        { TEXT("\"\"") },
        { TEXT("\"a\x7f\"") },
        { TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"") },
        { TEXT("\"\\u0001\\u00e9\\uFFFF\"") },
        { TEXT("\"\\ud83d\\ude00\"") },
        { TEXT("\"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf\"") },
        { TEXT("\"\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf\"") },
        { TEXT("[]") },
        { TEXT("[ ]") },
        { TEXT("{}") },
        { TEXT("{ }") },
        { TEXT("[1,2 , 3]") },
        { TEXT("[[],{},\"\",null]") },
        { TEXT("{\"\":0}") },
        { TEXT("{\"a\":1,\"A\":2,\"b\":{\"a\":1}}") },
        { TEXT("[{\"a\":1},{\"a\":1}]") },
        { TEXT("{ \"a\" : [ 1 , { \"b\" : null } ] }") },
    };
    struct reason reason;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (parse(good[i].text, good[i].size, &reason) != 0)
            fail_msg("%s: %s", good[i].text, reason.text);
    }
}

static void refuses_what_the_grammar_does_not_allow(void **state)
{
    static const struct text bad[] = {
        { TEXT("") },
        { TEXT(" ") },
        { TEXT("\xef\xbb\xbf{}") },
        { TEXT("nul") },
        { TEXT("nulll") },
        { TEXT("NULL") },
        { TEXT("True") },
        { TEXT("NaN") },
        { TEXT("Infinity") },
        { TEXT("-Infinity") },
        { TEXT("undefined") },
        { TEXT("'a'") },
        { TEXT("a") },
        { TEXT("+1") },
        { TEXT("-") },
        { TEXT("--1") },
        { TEXT("01") },
        { TEXT("-01") },
        { TEXT("00") },
        { TEXT("1.") },
        { TEXT(".5") },
        { TEXT("-.5") },
        { TEXT("1.e2") },
        { TEXT("1e") },
        { TEXT("1e+") },
        { TEXT("1e2.5") },
        { TEXT("0x10") },
        { TEXT("1_000") },
        { TEXT("1e999") },
        { TEXT("-1e999") },
        { TEXT("\xef\xbc\x91") },
        { TEXT("\"") },
        { TEXT("\"a") },
        { TEXT("\"\\") },
        { TEXT("\"\\\"") },
        { TEXT("\"\\a\"") },
        { TEXT("\"\\'\"") },
        { TEXT("\"\\x41\"") },
        { TEXT("\"\\\0\"") },
        { TEXT("\"\\u\"") },
        { TEXT("\"\\u123\"") },
        { TEXT("\"\\u123g\"") },
        { TEXT("\"\\U1234\"") },
        { TEXT("\"\\u0000\"") },
        { TEXT("\"a\\u0000b\"") },
        { TEXT("{\"\\u0000\":1}") },
        { TEXT("\"a\0b\"") },
        { TEXT("\"\n\"") },
        { TEXT("\"\t\"") },
        { TEXT("\"\x1f\"") },
        { TEXT("\"\\ud800\"") },
        { TEXT("\"\\ud800a\"") },
        { TEXT("\"\\ud800\\n\"") },
        { TEXT("\"\\ud800\\ud800\"") },
        { TEXT("\"\\ud800\\u0041\"") },
        { TEXT("\"\\udc00\"") },
        { TEXT("\"\\udc00\\ud800\"") },
        { TEXT("\"\\ud83d\\ude0\"") },
        { TEXT("\"\x80\"") },
        { TEXT("\"\xbf\"") },
        { TEXT("\"\xc0\x80\"") },
        { TEXT("\"\xc1\xbf\"") },
        { TEXT("\"\xc2\"") },
        { TEXT("\"\xc2\x7f\"") },
        { TEXT("\"\xe0\x9f\xbf\"") },
        { TEXT("\"\xe1\x80\"") },
        { TEXT("\"\xed\xa0\x80\"") },
        { TEXT("\"\xed\xbf\xbf\"") },
        { TEXT("\"\xf0\x8f\xbf\xbf\"") },
        { TEXT("\"\xf0\x90\x80\"") },
        { TEXT("\"\xf4\x90\x80\x80\"") },
        { TEXT("\"\xf5\x80\x80\x80\"") },
        { TEXT("\"\xff\"") },
        { TEXT("\"\xe9\"") },
        { TEXT("\"\xc2") },
        { TEXT("[") },
        { TEXT("[1") },
        { TEXT("[1,") },
        { TEXT("[1,]") },
        { TEXT("[,1]") },
        { TEXT("[1 2]") },
        { TEXT("[1;2]") },
        { TEXT("[1}") },
        { TEXT("]") },
        { TEXT("[]]") },
        { TEXT("{") },
        { TEXT("{\"a\"") },
        { TEXT("{\"a\":") },
        { TEXT("{\"a\":1") },
        { TEXT("{\"a\":1,") },
        { TEXT("{\"a\":1,}") },
        { TEXT("{,\"a\":1}") },
        { TEXT("{\"a\" 1}") },
        { TEXT("{\"a\",1}") },
        { TEXT("{\"a\"::1}") },
        { TEXT("{a:1}") },
        { TEXT("{'a':1}") },
        { TEXT("{1:1}") },
        { TEXT("{null:1}") },
        { TEXT("{[]:1}") },
        { TEXT("{\"a\":1]") },
        { TEXT("{\"a\":/**/1}") },
        { TEXT("{}//") },
        { TEXT("/**/{}") },
        { TEXT("{}{}") },
        { TEXT("{} x") },
        { TEXT("{}\0") },
        { TEXT("1\0") },
        { TEXT("\f1") },
        { TEXT("\v1") },
        { TEXT("\xc2\xa0"
               "1") },
        { TEXT("1 2") },
    };
    struct reason reason;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        reason.text[0] = '\0';
        if (parse(bad[i].text, bad[i].size, &reason) != REFUSED)
            fail_msg("number %zu was read: %s", i, bad[i].text);
        assert_memory_equal(reason.text, "byte ", 5);
    }
}

static void refuses_a_key_that_stands_twice(void **state)
{
    static const struct text bad[] = {
        { TEXT("{\"a\":1,\"a\":2}") },
        { TEXT("{\"a\":1,\"b\":2,\"a\":1}") },
        { TEXT("{\"\":1,\"\":1}") },
        { TEXT("{\"a\":1,\"\\u0061\":2}") },
        { TEXT("{\"/\":1,\"\\/\":2}") },
        { TEXT("{\"\\n\":1,\"\\u000a\":2}") },
        { TEXT("{\"\xc3\xa9\":1,\"\\u00E9\":2}") },
        { TEXT("{\"\xe2\x82\xac\":1,\"\\u20ac\":2}") },
        { TEXT("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}") },
        { TEXT("[{\"x\":{\"b\":[{\"c\":1,\"c\":1}]}}]") },
        { TEXT("{\"a\":{\"x\":1},\"b\":2,\"a\":3}") },
    };
    struct reason reason;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(parse(bad[i].text, bad[i].size, &reason), REFUSED);
        assert_non_null(strstr(reason.text, "a key stands twice in one object"));
    }
    assert_int_equal(parse(TEXT("{\"a\":1,\"b\":2,\"a\":1}"), &reason), REFUSED);
    assert_string_equal(reason.text, "byte 13: a key stands twice in one object");
}

static void says_where_it_stopped(void **state)
{
    struct reason reason;

    assert_int_equal(parse(TEXT("{\"a\": tru}"), &reason), REFUSED);
    assert_string_equal(reason.text, "byte 6: not a JSON value");
    assert_int_equal(parse(TEXT("[1,2"), &reason), REFUSED);
    assert_string_equal(reason.text, "byte 4: a comma or ] must stand here");
    assert_int_equal(parse(TEXT("[1,2]x"), &reason), REFUSED);
    assert_string_equal(reason.text, "byte 5: nothing may follow the value");
    assert_int_equal(parse(TEXT("[1,2]x"), NULL), REFUSED);
}

/* `depth` arrays and objects by turns around a null. */
static int parse_nested(size_t depth, struct reason *reason)
{
    char text[4096];
    size_t used = 0;

    for (size_t i = 0; i < depth; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", i % 2 ? "{\"a\":" : "[");
    used += (size_t)snprintf(text + used, sizeof text - used, "null");
    for (size_t i = depth; i-- > 0;)
        text[used++] = i % 2 ? '}' : ']';
    return parse(text, used, reason);
}

static void bounds_depth_and_size(void **state)
{
    cleanup_json cJSON *value = NULL;
    struct reason reason;
    char *deep = malloc(JSON_SIZE_MAX);

    assert_int_equal(parse_nested(JSON_DEPTH_MAX, &reason), 0);
    assert_int_equal(parse_nested(JSON_DEPTH_MAX + 1, &reason), REFUSED);
    assert_non_null(strstr(reason.text, "nested deeper than 32"));
    memset(deep, '[', JSON_SIZE_MAX);
    assert_int_equal(parse(deep, JSON_SIZE_MAX, &reason), REFUSED);
    free(deep);
    assert_int_equal(json_parse("[1,2]", 5, 5, &value, &reason), 0);
    assert_int_equal(json_parse("[1,2]", 5, 4, &value, &reason), REFUSED);
    assert_string_equal(reason.text, "has 5 bytes, must have at most 4");
}

/* Would take minutes, were keys compared each with each. */
static void reads_a_mebibyte_of_keys_quickly(void **state)
{
    const size_t size_max = 1 << 20;
    cleanup_free char *text = malloc(size_max + 64);
    cleanup_json cJSON *value = NULL;
    size_t used = 1, count = 0;
    struct reason reason;

    text[0] = '{';
    while (used < size_max - 32)
        used += (size_t)sprintf(text + used, "\"%zu\":0,", count++);
    used += (size_t)sprintf(text + used, "\"x\":0}");
    assert_int_equal(json_parse(text, used, size_max, &value, &reason), 0);
    assert_int_equal(cJSON_GetArraySize(value), count + 1);
    memcpy(text + used - 5, "1\":0}", 5);
    memcpy(text + used - 6, "\"", 1);
    assert_int_equal(json_parse(text, used, size_max, &value, &reason), REFUSED);
}

static const char *check_even(const cJSON *value)
{
    return (int64_t)value->valuedouble % 2 ? "must be even" : NULL;
}

static const struct json_rule INNER_RULES[] = {
    { .name = "memory_bytes", .kind = JSON_INTEGER, .min = 4194304 },
    { 0 },
};

static const struct json_rule DATA_RULES[] = {
    { .name = "data", .kind = JSON_OBJECT, .of = INNER_RULES },
    { 0 },
};

static const struct json_rule RULES[] = {
    { .name = "string", .kind = JSON_STRING, .optional = true, .min = 1, .max = 3 },
    { .name = "integer", .kind = JSON_INTEGER, .optional = true },
    { .name = "negative", .kind = JSON_INTEGER, .optional = true, .min = -5, .max = 5 },
    { .name = "even", .kind = JSON_INTEGER, .optional = true, .check = check_even },
    { .name = "number", .kind = JSON_NUMBER, .optional = true, .min = -90, .max = 90 },
    { .name = "any", .kind = JSON_NUMBER, .optional = true },
    { .name = "bool", .kind = JSON_BOOL, .optional = true },
    { .name = "object", .kind = JSON_OBJECT, .optional = true },
    { .name = "workloads", .kind = JSON_ARRAY, .optional = true, .max = 3, .items = JSON_OBJECT, .of = DATA_RULES },
    { .name = "strings", .kind = JSON_ARRAY, .optional = true, .min = 1 },
    { .name = "map", .kind = JSON_MAP, .optional = true, .max = 2 },
    { .name = "numbers", .kind = JSON_MAP, .optional = true, .items = JSON_INTEGER },
    { .name = "base64", .kind = JSON_BASE64, .optional = true, .min = 2, .max = 3 },
    { .name = "exact", .kind = JSON_BASE64, .optional = true, .min = 1, .max = 1 },
    { .name = "id", .kind = JSON_ID, .optional = true },
    { .name = "hash", .kind = JSON_HASH, .optional = true },
    { .name = "must", .kind = JSON_BOOL },
    { 0 },
};

/* What json_check says of {"must":true,<members>}: "" when it is fine. */
static void assert_check(const char *members, const char *wanted)
{
    cleanup_json cJSON *value = NULL;
    struct reason reason = { 0 };
    char text[1024];

    snprintf(text, sizeof text, "{\"must\":true%s%s}", *members ? "," : "", members);
    assert_int_equal(json_parse(text, strlen(text), JSON_SIZE_MAX, &value, &reason), 0);
    assert_int_equal(json_check(value, RULES, "", &reason), *wanted ? REFUSED : 0);
    assert_string_equal(reason.text, wanted);
}

static void holds_values_against_rules(void **state)
{
    static const struct {
        const char *members, *reason;
    } cases[] = {
        { "", "" },
        { "\"string\":\"a\"", "" },
        { "\"string\":\"abc\"", "" },
        { "\"string\":\"\"", "string: must have at least 1 bytes" },
        { "\"string\":\"abcd\"", "string: must have at most 3 bytes" },
        { "\"string\":1", "string: must be a string" },
        { "\"string\":null", "string: must be a string" },
        { "\"integer\":0", "" },
        { "\"integer\":-0", "" },
        { "\"integer\":9007199254740991", "" },
        { "\"integer\":9007199254740992", "integer: must be an integer" },
        { "\"integer\":9007199254740993", "integer: must be an integer" },
        { "\"integer\":1e300", "integer: must be an integer" },
        { "\"integer\":-1", "integer: must be at least 0" },
        { "\"integer\":1.5", "integer: must be an integer" },
        { "\"integer\":\"1\"", "integer: must be an integer" },
        { "\"integer\":true", "integer: must be an integer" },
        { "\"negative\":-5", "" },
        { "\"negative\":-6", "negative: must be at least -5" },
        { "\"negative\":6", "negative: must be at most 5" },
        { "\"even\":2", "" },
        { "\"even\":3", "even: must be even" },
        { "\"number\":-89.5", "" },
        { "\"number\":90.1", "number: must be in -90 to 90" },
        { "\"number\":[]", "number: must be a number" },
        { "\"any\":-1e300", "" },
        { "\"bool\":false", "" },
        { "\"bool\":0", "bool: must be true or false" },
        { "\"object\":{\"x\":[1]}", "" },
        { "\"object\":[]", "object: must be an object" },
        { "\"workloads\":[]", "" },
        { "\"workloads\":{}", "workloads: must be an array" },
        { "\"workloads\":[1]", "workloads[0]: must be an object" },
        { "\"workloads\":[{\"data\":{\"memory_bytes\":4194304}},{\"data\":{\"memory_bytes\":4194304}},"
          "{\"data\":{\"memory_bytes\":4194303}}]",
          "workloads[2].data.memory_bytes: must be at least 4194304" },
        { "\"workloads\":[{\"data\":{}}]", "workloads[0].data.memory_bytes: is missing" },
        { "\"workloads\":[{\"data\":{\"memory_bytes\":4194304,\"x\":1}}]", "workloads[0].data.x: unknown key" },
        { "\"workloads\":[{},{},{},{}]", "workloads: must have at most 3 items" },
        { "\"strings\":[\"a\",\"\"]", "" },
        { "\"strings\":[]", "strings: must have at least 1 items" },
        { "\"strings\":[\"a\",1]", "strings[1]: must be a string" },
        { "\"map\":{\"a\":\"b\",\"c\":\"\"}", "" },
        { "\"map\":{\"a\":1}", "map.a: must be a string" },
        { "\"map\":{\"a\":\"\",\"b\":\"\",\"c\":\"\"}", "map: must have at most 2 keys" },
        { "\"map\":[]", "map: must be an object" },
        { "\"map\":{\"a\\u000ab\":1}", "map.a?b: must be a string" },
        { "\"numbers\":{\"a\":1}", "" },
        { "\"numbers\":{\"a\":-1}", "numbers.a: must be at least 0" },
        { "\"base64\":\"AAA=\"", "" },
        { "\"base64\":\"AAAA\"", "" },
        { "\"base64\":\"AA==\"", "base64: must have at least 2 bytes in base64" },
        { "\"base64\":\"AAAAAA==\"", "base64: must have at most 3 bytes in base64" },
        { "\"base64\":\"AAA\"", "base64: must be base64 with padding" },
        { "\"base64\":7", "base64: must be base64 with padding" },
        { "\"exact\":\"AAA=\"", "exact: must have exactly 1 bytes in base64" },
        { "\"id\":\"11111111111111111111111111111111\"", "" },
        { "\"id\":\"1111111111111111111111111111111\"", "id: must be an id: base58 of 32 bytes" },
        { "\"hash\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"", "" },
        { "\"hash\":\"E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
          "hash: must be 64 lower-case hexadecimal digits" },
        { "\"Must\":true", "Must: unknown key" },
        { "\"x\":1", "x: unknown key" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_check(cases[i].members, cases[i].reason);
}

static void names_the_place_it_was_given(void **state)
{
    cleanup_json cJSON *object = cJSON_CreateObject();
    cleanup_json cJSON *array = cJSON_CreateArray();
    struct reason reason;

    assert_int_equal(json_check(object, RULES, "workloads[2].data", &reason), REFUSED);
    assert_string_equal(reason.text, "workloads[2].data.must: is missing");
    assert_int_equal(json_check(array, RULES, "here", &reason), REFUSED);
    assert_string_equal(reason.text, "here: must be an object");
    assert_int_equal(json_check(NULL, RULES, "", &reason), REFUSED);
    assert_string_equal(reason.text, "must be an object");
}

static void cuts_a_long_key_at_a_character(void **state)
{
    cleanup_json cJSON *object = cJSON_CreateObject();
    struct reason reason;
    char key[202] = "x"; /* 1 byte, then 2 bytes each: the cut at 64 falls into a character */

    for (size_t i = 1; i + 1 < sizeof key; i += 2)
        memcpy(key + i, "\xc3\xa9", 2);
    key[201] = '\0';
    cJSON_AddNullToObject(object, key);
    assert_int_equal(json_check(object, RULES, "", &reason), REFUSED);
    assert_int_equal(strlen(reason.text), 63 + strlen(": unknown key"));
    assert_memory_equal(reason.text + 61, "\xc3\xa9: ", 4);
}

static void prints_integers_with_all_their_digits(void **state)
{
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {
        { 0, "{\"n\":0}" },
        { -1, "{\"n\":-1}" },
        { 2147483648, "{\"n\":2147483648}" },
        { 100000000000000, "{\"n\":100000000000000}" },
        { 1000000000000000, "{\"n\":1000000000000000}" },
        { 1200000000000000, "{\"n\":1200000000000000}" },
        { 9007199254740000, "{\"n\":9007199254740000}" },
        { JSON_INTEGER_MAX, "{\"n\":9007199254740991}" },
        { -JSON_INTEGER_MAX, "{\"n\":-9007199254740991}" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cleanup_json cJSON *object = cJSON_CreateObject(), *again = NULL;
        assert_non_null(json_add_integer(object, "n", cases[i].value));
        assert_int_equal(json_integer(object, "n"), cases[i].value);
        cleanup_free char *text = json_print(object);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(json_parse(text, strlen(text), JSON_SIZE_MAX, &again, NULL), 0);
        assert_int_equal(json_integer(again, "n"), cases[i].value);
    }
}

static void prints_what_it_reads(void **state)
{
    static const char *const texts[] = {
        "null",
        "[true,false,null]",
        "{}",
        "[]",
        "[[],{}]",
        "{\"a\":[1,2.5,-0.125,1e+300],\"b\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7f/\xc3\xa9\"}",
        "{\"k\\n\":0.1}",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cleanup_json cJSON *value = NULL;
        assert_int_equal(json_parse(texts[i], strlen(texts[i]), JSON_SIZE_MAX, &value, NULL), 0);
        cleanup_free char *text = json_print(value);
        assert_string_equal(text, texts[i]);
    }
}

static void prints_minus_zero_as_zero(void **state)
{
    cleanup_json cJSON *value = NULL;

    assert_int_equal(json_parse("-0", 2, 2, &value, NULL), 0);
    cleanup_free char *text = json_print(value);
    assert_string_equal(text, "0");
}

static int allocations_left;

static void *allocate_while_allowed(size_t size)
{
    return allocations_left-- > 0 ? malloc(size) : NULL;
}

/* The nth allocation of cJSON fails, for every n until none does. */
static void says_when_memory_is_out(void **state)
{
    static const char text[] = "{\"a\":[1,\"two\",{\"b\":null}],\"c\":true}";
    cJSON_Hooks hooks = { .malloc_fn = allocate_while_allowed, .free_fn = free };
    cJSON *value = NULL;
    int r = -ENOMEM;

    cJSON_InitHooks(&hooks);
    for (int allowed = 0; r == -ENOMEM; allowed++) {
        allocations_left = allowed;
        r = json_parse(text, strlen(text), JSON_SIZE_MAX, &value, NULL);
        assert_true(r == 0 || (r == -ENOMEM && !value && allowed < 100));
    }
    cJSON_InitHooks(NULL);
    assert_int_equal(r, 0);
    cleanup_free char *again = json_print(value);
    assert_string_equal(again, text);
    cJSON_Delete(value);
}

static void gives_nothing_for_what_is_absent(void **state)
{
    cleanup_json cJSON *object = cJSON_CreateObject();

    assert_null(json_string(object, "a"));
    assert_null(json_member(object, "a"));
    assert_int_equal(json_integer(object, "a"), 0);
    assert_false(json_bool(object, "a"));
    assert_null(json_string(NULL, "a"));
    assert_int_equal(json_integer(NULL, "a"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_grammar_allows),
        cmocka_unit_test(refuses_what_the_grammar_does_not_allow),
        cmocka_unit_test(refuses_a_key_that_stands_twice),
        cmocka_unit_test(says_where_it_stopped),
        cmocka_unit_test(bounds_depth_and_size),
        cmocka_unit_test(reads_a_mebibyte_of_keys_quickly),
        cmocka_unit_test(holds_values_against_rules),
        cmocka_unit_test(names_the_place_it_was_given),
        cmocka_unit_test(cuts_a_long_key_at_a_character),
        cmocka_unit_test(prints_integers_with_all_their_digits),
        cmocka_unit_test(prints_what_it_reads),
        cmocka_unit_test(prints_minus_zero_as_zero),
        cmocka_unit_test(says_when_memory_is_out),
        cmocka_unit_test(gives_nothing_for_what_is_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
