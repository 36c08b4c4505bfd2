/* Strict JSON held against the classes of case that Seriot's JSONTestSuite («Parsing JSON is a Minefield») sorts
 * readers by: what every reader must take, what every reader must refuse, and what RFC 8259 leaves to the reader, where
 * ours is decided here and in lib/README.md. Each case stands by itself and, where that says more, in an array and as a
 * value. */

#include "lib/cleanup.h"
#include "lib/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A literal with its size, so that it can hold NUL. */
#define TEXT(literal) literal, sizeof(literal) - 1
#define LARGE (1 << 20)

struct text {
    const char *text;
    size_t size;
};

/* 0 or REFUSED; of a copy of the exact size, so that the sanitizer sees a byte too many. */
static int parse(const char *text, size_t size, char **ret_printed)
{
    cleanup_json cJSON *value = NULL;
    struct reason reason = { 0 };
    char *copy = malloc(size ? size : 1);
    int r;

    memcpy(copy, text, size);
    r = json_parse(copy, size, LARGE, &value, &reason);
    free(copy);
    assert_true(r == 0 ? value != NULL : r == REFUSED && value == NULL && reason.text[0]);
    if (ret_printed)
        *ret_printed = value ? json_print(value) : NULL;
    return r;
}

static int parse_within(const char *before, struct text inner, const char *after)
{
    size_t size = strlen(before) + inner.size + strlen(after);
    cleanup_free char *whole = malloc(size);

    memcpy(whole, before, strlen(before));
    memcpy(whole + strlen(before), inner.text, inner.size);
    memcpy(whole + strlen(before) + inner.size, after, strlen(after));
    return parse(whole, size, NULL);
}

static void assert_all(const struct text *texts, size_t count, int wanted, const char *kind)
{
    for (size_t i = 0; i < count; i++) {
        if (parse(texts[i].text, texts[i].size, NULL) != wanted || parse_within("[", texts[i], "]") != wanted ||
            parse_within("{\"k\": ", texts[i], " }") != wanted || parse_within("[0, ", texts[i], "\n]") != wanted)
            fail_msg("%s number %zu must be %s: %s", kind, i, wanted ? "refused" : "taken", texts[i].text);
    }
}

#define TAKEN(...)                                                                                                     \
    assert_all((struct text[]){ __VA_ARGS__ }, sizeof((struct text[]){ __VA_ARGS__ }) / sizeof(struct text), 0,        \
               __func__)
#define IS_REFUSED(...)                                                                                                \
    assert_all((struct text[]){ __VA_ARGS__ }, sizeof((struct text[]){ __VA_ARGS__ }) / sizeof(struct text), REFUSED,  \
               __func__)

/* ---- What must be taken (y_) */

static void takes_numbers(void **state)
{
    TAKEN({ TEXT("0") }, { TEXT("-0") }, { TEXT("0e1") }, { TEXT("0e+1") }, { TEXT("0E-0") }, { TEXT("1") },
          { TEXT("-1") }, { TEXT("-123") }, { TEXT("20e1") }, { TEXT("123e45") }, { TEXT("123e-10000000") },
          { TEXT("123E45") }, { TEXT("1E22") }, { TEXT("1E+2") }, { TEXT("1E-2") }, { TEXT("1e-2") },
          { TEXT("123.456e78") }, { TEXT("123.456789") }, { TEXT("-0.0") }, { TEXT(" 4 ") }, { TEXT("1e00") },
          { TEXT("1.000000000000000005") },
          { TEXT("-0.000000000000000000000000000000000000000000000000000000000000000000000000000001") },
          { TEXT("0.1000000000000000055511151231257827021181583404541015625000000000000000000000000000000") });
}

static void takes_strings(void **state)
{
    TAKEN({ TEXT("\"\"") }, { TEXT("\" \"") }, { TEXT("\"asd\"") }, { TEXT("\"\\u0060\\u012a\\u12AB\"") },
          { TEXT("\"\\uD801\\udc37\"") }, { TEXT("\"\\ud83d\\ude39\\ud83d\\udc8d\"") }, { TEXT("\"\\uDBFF\\uDFFF\"") },
          { TEXT("\"\\uDBFF\\uDFFE\"") }, { TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"") }, { TEXT("\"\\\\u0000\"") },
          { TEXT("\"\\\"\"") }, { TEXT("\"a/*b*/c/*d//e\"") }, { TEXT("\"\\\\a\"") }, { TEXT("\"\\\\n\"") },
          { TEXT("\"\\u0012\"") }, { TEXT("\"\\uFFFF\\uFDD0\\uFFFE\"") }, { TEXT("\"\xef\xbf\xbf\xef\xb7\x90\"") },
          { TEXT("\"\xf4\x8f\xbf\xbf\xf0\x9b\xbf\xbf\"") }, { TEXT("\"\xcf\x80\xe2\x8d\x82\"") },
          { TEXT("\"\\u002c\\u0022\\u005C\"") }, { TEXT("\"\xe2\x80\xa8\xe2\x80\xa9\"") }, { TEXT("\"\x7f\"") },
          { TEXT("\"a\x7f"
                 "a\"") },
          { TEXT("\"\\u200B\\u2064\\u0061\\u30af\"") }, { TEXT("\"\xe2\x82\xac\xf0\x9d\x84\x9e\"") },
          { TEXT("\"new\\u00A0line\\u000Aline\"") }, { TEXT("\"\\u0821\\uA66D\"") });
}

static void takes_structures(void **state)
{
    TAKEN({ TEXT("[]") }, { TEXT("{}") }, { TEXT("[[]   ]") }, { TEXT("[\"\"]") }, { TEXT("[null, 1, \"1\", {}]") },
          { TEXT("[1\n]") }, { TEXT(" [1]") }, { TEXT("[1,null,null,null,2]") }, { TEXT("[2] ") }, { TEXT("[false]") },
          { TEXT("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}") }, { TEXT("{\"asd\":\"sdf\"}") }, { TEXT("{\"\":0}") },
          { TEXT("{ \"min\": -1.0e+28, \"max\": 1.0e+28 }") }, { TEXT("{\"a\":[]}") },
          { TEXT("{\"x\":[{\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}], \"id\": \"x\"}") },
          { TEXT("{\"title\":\"\\u041f\\u043e\\u043b\\u0442\\u043e\\u0440\\u0430\"}") }, { TEXT("{\n\"a\": \"b\"\n}") },
          { TEXT("false") }, { TEXT("null") }, { TEXT("true") }, { TEXT("42") }, { TEXT("-0.1") }, { TEXT("\"a\"") },
          { TEXT("[true]\n") }, { TEXT("\t[] \r\n") });
}

/* ---- What must be refused (n_) */

static void refuses_numbers(void **state)
{
    IS_REFUSED({ TEXT("-") }, { TEXT("+1") }, { TEXT("++1234") }, { TEXT("-01") }, { TEXT("-1.0.") }, { TEXT("-2.") },
               { TEXT("-NaN") }, { TEXT(".-1") }, { TEXT(".2e-3") }, { TEXT("0.1.2") }, { TEXT("0.3e") },
               { TEXT("0.3e+") }, { TEXT("0.e1") }, { TEXT("0E") }, { TEXT("0E+") }, { TEXT("0e") }, { TEXT("1.0e") },
               { TEXT("1.0e+") }, { TEXT("1.0e-") }, { TEXT("1 000.0") }, { TEXT("1eE2") }, { TEXT("2.e+3") },
               { TEXT("2.e-3") }, { TEXT("2.e3") }, { TEXT("9.e+") }, { TEXT("Inf") }, { TEXT("NaN") },
               { TEXT("\xef\xbc\x91") }, { TEXT("1+2") }, { TEXT("0x1") }, { TEXT("0x42") }, { TEXT("Infinity") },
               { TEXT("0e+-1") }, { TEXT("-123.123foo") }, { TEXT("123\xe5") }, { TEXT("1e1\xe5") }, { TEXT("0\xe5") },
               { TEXT("-Infinity") }, { TEXT("-foo") }, { TEXT("- 1") }, { TEXT("-012") }, { TEXT("-.123") },
               { TEXT("-1x") }, { TEXT("1ea") }, { TEXT("1.") }, { TEXT(".123") }, { TEXT("1.2a-3") },
               { TEXT("1.8011670033376514H-308") }, { TEXT("012") },
               { TEXT("0123456789012345678901234567890123456789012345678901234567890123456789") }, { TEXT("-0x1") },
               { TEXT("1__0") }, { TEXT("1,5.") });
}

static void refuses_strings(void **state)
{
    IS_REFUSED({ TEXT("\"\\uD800\\\"") }, { TEXT("\"\\uD800\\u\"") }, { TEXT("\"\\uD800\\u1\"") },
               { TEXT("\"\\uD800\\u1x\"") }, { TEXT("\xc3\xa9") }, { TEXT("\"\\\0\"") }, { TEXT("\"\\\"") },
               { TEXT("\"\\x00\"") }, { TEXT("\"\\\\\\\"") }, { TEXT("\"\\\t\"") }, { TEXT("\"\\\xf0\x9f\x8c\x80\"") },
               { TEXT("\"\\u00A\"") }, { TEXT("\"\\uD834\\uDd\"") }, { TEXT("\"\\uD800\\uD800\\x\"") },
               { TEXT("\"\\u\xe5\"") }, { TEXT("\"\\a\"") }, { TEXT("\"\\uqqqq\"") }, { TEXT("\"\\\xe5\"") },
               { TEXT("\\u0020\"asd\"") }, { TEXT("\\n") }, { TEXT("\"") }, { TEXT("'single'") }, { TEXT("abc") },
               { TEXT("\"a\0a\"") }, { TEXT("\"new\nline\"") }, { TEXT("\"\t\"") }, { TEXT("\"\\UA66D\"") },
               { TEXT("\"\"x") }, { TEXT("\"\\ \"") }, { TEXT("\"\x01\"") }, { TEXT("\"\x1f\"") },
               { TEXT("\"\\u+041\"") }, { TEXT("\"\\u 041\"") }, { TEXT("\"\\u-001\"") }, { TEXT("\"\\u0x41\"") });
}

static void refuses_structures(void **state)
{
    IS_REFUSED({ TEXT("[1 true]") }, { TEXT("[a\xe5]") }, { TEXT("[\"\": 1]") }, { TEXT("[\"\"],") }, { TEXT("[,1]") },
               { TEXT("[1,,2]") }, { TEXT("[\"x\",,]") }, { TEXT("[\"x\"]]") }, { TEXT("[\"\",]") }, { TEXT("[\"x\"") },
               { TEXT("[x") }, { TEXT("[3[4]]") }, { TEXT("[\xff]") }, { TEXT("[1:2]") }, { TEXT("[,]") },
               { TEXT("[-]") }, { TEXT("[   , \"\"]") }, { TEXT("[\"a\",\n4\n,1,") }, { TEXT("[1,]") },
               { TEXT("[\"\va\"\\f]") }, { TEXT("[*]") }, { TEXT("[\"\"") }, { TEXT("[1,\n1\n,1") }, { TEXT("[{}") },
               { TEXT("[fals]") }, { TEXT("[nul]") }, { TEXT("[tru]") }, { TEXT("123\0") }, { TEXT("{\"x\", null}") },
               { TEXT("{\"x\"::\"b\"}") }, { TEXT("{\xf0\x9f\x87\xa8}") }, { TEXT("{\"a\":\"a\" 123}") },
               { TEXT("{key: 'value'}") }, { TEXT("{\"\xb9\":\"0\",}") }, { TEXT("{\"a\" b}") }, { TEXT("{:\"b\"}") },
               { TEXT("{\"a\" \"b\"}") }, { TEXT("{\"a\":") }, { TEXT("{\"a\"") }, { TEXT("{1:1}") },
               { TEXT("{9999E9999:1}") }, { TEXT("{null:null,null:null}") }, { TEXT("{\"id\":0,,,,,}") },
               { TEXT("{'a':0}") }, { TEXT("{\"id\":0,}") }, { TEXT("{\"a\":\"b\"}/**/") },
               { TEXT("{\"a\":\"b\"}/**//") }, { TEXT("{\"a\":\"b\"}//") }, { TEXT("{\"a\":\"b\"}/") },
               { TEXT("{\"a\":\"b\",,\"c\":\"d\"}") }, { TEXT("{a: \"b\"}") }, { TEXT("{\"a\":\"a") },
               { TEXT("{ \"foo\" : \"bar\", \"a\" }") }, { TEXT("{\"a\":\"b\"}#") }, { TEXT("<.>") },
               { TEXT("[<null>]") }, { TEXT("[1]x") }, { TEXT("[1]]") }, { TEXT("[\"asd]") }, { TEXT("a\xc3\xa5") },
               { TEXT("[True]") }, { TEXT("TRUE") }, { TEXT("1]") }, { TEXT("{\"x\": true,") }, { TEXT("[][]") },
               { TEXT("]") }, { TEXT("\xef\xbb\xbf{}") }, { TEXT("\xef\xbb{}") }, { TEXT("\xe5") }, { TEXT("[") },
               { TEXT("{") }, { TEXT("{\"\":") }, { TEXT("2@") }, { TEXT("{}}") }, { TEXT("{]") }, { TEXT("{,") },
               { TEXT("{[") }, { TEXT("{\"a") }, { TEXT("{'a'") }, { TEXT("[\"\\{[\"\\{[\"\\{[\"\\{") }, { TEXT("*") },
               { TEXT("{\"a\":\"b\"}#{}") }, { TEXT("[\\u000A\"\"]") }, { TEXT("[1") }, { TEXT("[ false, nul") },
               { TEXT("[ true, fals") }, { TEXT("[ false, tru") }, { TEXT("{\"asd\":\"asd\"") },
               { TEXT("[\xe2\x81\xa0]") }, { TEXT("\xe2\x81\xa0") }, { TEXT("[\f]") }, { TEXT("\f") },
               { TEXT("[\v1]") }, { TEXT("\xc2\xa0[]") }, { TEXT("\xe2\x80\xa8[]") }, { TEXT("[]\0") }, { TEXT("\0") });
}

static void refuses_nothing_at_all(void **state)
{
    assert_int_equal(parse("", 0, NULL), REFUSED);
    assert_int_equal(parse(TEXT(" \n"), NULL), REFUSED);
}

/* Openings without end: no stack is used up, and it takes no time. */
static void refuses_a_hundred_thousand_openings(void **state)
{
    const char *const opening[] = { "[", "{\"\":", "[{\"\":", "[[],", "{\"a\":[{\"b\":" };

    for (size_t i = 0; i < sizeof opening / sizeof *opening; i++) {
        cleanup_free char *text = malloc(LARGE);
        size_t used = 0, length = strlen(opening[i]);
        for (; used + length <= LARGE && used < 100000 * length; used += length)
            memcpy(text + used, opening[i], length);
        assert_int_equal(parse(text, used, NULL), REFUSED);
    }
}

/* ---- What the standard leaves to the reader (i_), as decided in lib/README.md */

static void takes_numbers_that_lose_digits(void **state)
{
    TAKEN({ TEXT("123.456e-789") }, { TEXT("-123123123123123123123123123123") }, { TEXT("100000000000000000000") },
          { TEXT("-237462374673276894279832749832423479823246327846") }, { TEXT("123123e-10000000") },
          { TEXT("0.4e-00669999999999999999999999999999999999999999999999999999999999999999999999969999999006") });
}

static void refuses_numbers_beyond_a_double(void **state)
{
    IS_REFUSED({ TEXT("0.4e00669999999999999999999999999999999999999999999999999999999999999999999999969999999006") },
               { TEXT("-1e+9999") }, { TEXT("1.5e+9999") }, { TEXT("-123123e100000") }, { TEXT("123123e100000") });
}

static void refuses_what_is_no_unicode(void **state)
{
    IS_REFUSED({ TEXT("{\"\\uDFAA\":0}") }, { TEXT("\"\\uDADA\"") }, { TEXT("\"\\uD888\\u1234\"") },
               { TEXT("\"\\uD800\\n\"") }, { TEXT("\"\\uDd1ea\"") }, { TEXT("\"\\uD800\\uD800\\n\"") },
               { TEXT("\"\\ud800\"") }, { TEXT("\"\\ud800abc\"") }, { TEXT("\"\xff\"") },
               { TEXT("\"\\uDd1e\\uD834\"") }, { TEXT("\"\xe9\"") }, { TEXT("\"\\uDFAA\"") }, { TEXT("\"\x81\"") },
               { TEXT("\"\xf4\xbf\xbf\xbf\"") }, { TEXT("\"\xc0\xaf\"") }, { TEXT("\"\xfc\x83\xbf\xbf\xbf\xbf\"") },
               { TEXT("\"\xfc\x80\x80\x80\x80\x80\"") }, { TEXT("\"\xe0\xff\"") },
               { TEXT("\"\xe6\x97\xa5\xd1\x88\xfa\"") }, { TEXT("\"\xed\xa0\x80\"") },
               { TEXT("\"\xed\xa0\xbd\xed\xb8\x80\"") }, { TEXT("\xff\xfe[\0\"\0\xe9\0\"\0]\0") },
               { TEXT("\0[\0\"\0\xe9\0\"\0]") }, { TEXT("[\0\"\0\xe9\0\"\0]\0") }, { TEXT("\xef\xbb\xbf{}") });
}

/* Beyond the standard: what readers disagree about would be one statement to one reader and another to the next, and a
 * C string can't hold a NUL. These are the only texts of class y_ that are refused. */
static void refuses_what_readers_disagree_about(void **state)
{
    IS_REFUSED({ TEXT("{\"a\":\"b\",\"a\":\"c\"}") }, { TEXT("{\"a\":\"b\",\"a\":\"b\"}") },
               { TEXT("{\"foo\\u0000bar\": 42}") }, { TEXT("\"\\u0000\"") });
}

static void refuses_what_is_deeper_than_32(void **state)
{
    char text[1024];

    for (size_t depth = 1; depth <= 500; depth += depth < 40 ? 1 : 92) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(parse(text, 2 * depth, NULL), depth > JSON_DEPTH_MAX ? REFUSED : 0);
    }
}

/* A long number is the same double as the C library reads, in whatever company, and nothing else changes. */
static void reads_long_numbers_as_the_double_that_they_are(void **state)
{
    static const char digits[] = "0.1000000000000000055511151231257827021181583404541015625000000000000000000000000";
    char text[512];

    snprintf(text, sizeof text, "{\"%s\":[%s,\"%s\",-%s],\"b\":%s}", digits, digits, digits, digits, digits);
    char *printed;
    assert_int_equal(parse(text, strlen(text), &printed), 0);
    snprintf(text, sizeof text, "{\"%s\":[0.1,\"%s\",-0.1],\"b\":0.1}", digits, digits);
    assert_string_equal(printed, text);
    free(printed);
    static const char integer[] = "9007199254740991.0000000000000000000000000000000000000000000000000000000000000";
    assert_int_equal(parse(integer, strlen(integer), &printed), 0);
    assert_string_equal(printed, "9007199254740991");
    free(printed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_numbers),
        cmocka_unit_test(takes_strings),
        cmocka_unit_test(takes_structures),
        cmocka_unit_test(refuses_numbers),
        cmocka_unit_test(refuses_strings),
        cmocka_unit_test(refuses_structures),
        cmocka_unit_test(refuses_nothing_at_all),
        cmocka_unit_test(refuses_a_hundred_thousand_openings),
        cmocka_unit_test(takes_numbers_that_lose_digits),
        cmocka_unit_test(refuses_numbers_beyond_a_double),
        cmocka_unit_test(refuses_what_is_no_unicode),
        cmocka_unit_test(refuses_what_readers_disagree_about),
        cmocka_unit_test(refuses_what_is_deeper_than_32),
        cmocka_unit_test(reads_long_numbers_as_the_double_that_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
