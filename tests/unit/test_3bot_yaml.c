/* YAML as the JSON it means, and where in the file things stood. */

#include "contrib/3bot/yaml.h"

#include "lib/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void yaml_means_the_json_that_it_looks_like(void **state)
{
    static const struct {
        const char *yaml, *json;
    } table[] = {
        { "a: 1", "{\"a\":1}" },
        { "a: -2.5", "{\"a\":-2.5}" },
        { "a: [1, two, '3', \"4\"]", "{\"a\":[1,\"two\",\"3\",\"4\"]}" },
        { "a:\n  - b: x\n    c: y\n  - {}", "{\"a\":[{\"b\":\"x\",\"c\":\"y\"},{}]}" },
        { "a: null\nb: ~\nc:\nd: true\ne: false", "{\"a\":null,\"b\":null,\"c\":null,\"d\":true,\"e\":false}" },
        { "a: 'null'\nb: \"true\"\nc: '1'", "{\"a\":\"null\",\"b\":\"true\",\"c\":\"1\"}" },
        { "a: yes\nb: on\nc: 0x10\nd: 010\ne: 1GiB\nf: 1e3\ng: .5\nh: +1\ni: 1_000",
          "{\"a\":\"yes\",\"b\":\"on\",\"c\":\"0x10\",\"d\":\"010\",\"e\":\"1GiB\",\"f\":\"1e3\",\"g\":\".5\",\"h\":\"+"
          "1\",\"i\":\"1_"
          "000\"}" },
        { "a: 9007199254740991", "{\"a\":9007199254740991}" },
        { "a: |\n  two\n  lines\nb: >-\n  folded\n  text", "{\"a\":\"two\\nlines\\n\",\"b\":\"folded text\"}" },
        { "---\na: 1\n...\n", "{\"a\":1}" },
        { "# a comment\na: 1 # another", "{\"a\":1}" },
        { "a: \"\\u00e9\\n\"", "{\"a\":\"\xc3\xa9\\n\"}" },
        { "just text", "\"just text\"" },
        { " {\"a\": [1, {\"b\": null}]}", "{\"a\":[1,{\"b\":null}]}" },
        { "{\"a\": \"\\ud83d\\ude00\\/\"}", "{\"a\":\"\xf0\x9f\x98\x80/\"}" },
    };

    for (size_t i = 0; i < COUNT(table); i++) {
        struct yaml_file file;
        struct reason reason = { 0 };
        cleanup_free char *text = NULL;
        assert_int_equal(yaml_file_read("f", table[i].yaml, strlen(table[i].yaml), &file, &reason), 0);
        text = json_print(file.root);
        assert_string_equal(text, table[i].json);
        yaml_file_close(&file);
    }
}

static void what_json_cannot_say_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *yaml, *reason;
    } table[] = {
        { "", "f:1: the file is empty" },
        { "# nothing\n", ": the file is empty" },
        { "a: 1\nb: 2\na: 3", "f:3: the key \"a\" stands twice" },
        { "x:\n  a: 1\n  'a': 3", "f:3: x: the key \"a\" stands twice" },
        { "a: &x 1", "f:1: a: anchors" },
        { "a: &x [1]", "f:1: a: anchors" },
        { "a: &x {b: 1}", "f:1: a: anchors" },
        { "a: *x", "aliases" },
        { "a: 1\n<<: {b: 1}", "f:2: merge keys" },
        { "a: !!str 1", "f:1: a: tags" },
        { "a: !x [1]", "tags" },
        { "%YAML 1.1\n---\na: 1", "directives" },
        { "%TAG ! tag:x,2000:\n---\na: 1", "directives" },
        { "a: 1\n---\nb: 2", "f:2: only one document" },
        { "[a]: 1", "a key must be a string" },
        { "? {a: 1}\n: 2", "a key must be a string" },
        { "'': 1", "must not be empty" },
        { "a: \"\\0\"", "must not hold a NUL" },
        { "a: 9007199254740992", "f:1: a: the number is too large" },
        { "a: 1\n\tb: 2", "f:2" },
        { "a: [1", "f:" },
        { "a: \"x", "f:" },
        { "a: 1\n b: 2", "f:2" },
        { "a: \xff", "f:" },
        { "{\"a\": 1, \"a\": 2}", "f: " },
        { "{a: 1}", "f: " },
        { "{\"a\": 1} x", "f: " },
    };

    for (size_t i = 0; i < COUNT(table); i++) {
        struct yaml_file file;
        struct reason reason = { 0 };
        assert_int_equal(yaml_file_read("f", table[i].yaml, strlen(table[i].yaml), &file, &reason), REFUSED);
        if (!strstr(reason.text, table[i].reason))
            fail_msg("%s: %s rather than %s", table[i].yaml, reason.text, table[i].reason);
    }
}

static void deep_nesting_is_refused(void **state)
{
    char text[256];
    struct yaml_file file;
    struct reason reason = { 0 };

    memset(text, '[', 200);
    text[200] = '\0';
    assert_int_equal(yaml_file_read("f", text, strlen(text), &file, &reason), REFUSED);
    assert_non_null(strstr(reason.text, "nested too deeply"));
}

static void a_reason_gets_the_line_of_the_innermost_place_that_is_there(void **state)
{
    static const char yaml[] = "node: auto\n"
                               "workloads:\n"
                               "  - name: a\n"
                               "  - name: b\n"
                               "    data:\n"
                               "      size_bytes: 1\n"
                               "      list:\n"
                               "        - 1\n";
    static const struct {
        const char *reason, *refused;
    } table[] = {
        { "workloads[1].data.size_bytes: too small", "f:6: workloads[1].data.size_bytes: too small" },
        { "workloads[1].data.media: is missing", "f:5: workloads[1].data.media: is missing" },
        { "workloads[1].data.list[0]: x", "f:8: workloads[1].data.list[0]: x" },
        { "workloads[1].data.list[9]: x", "f:7: workloads[1].data.list[9]: x" },
        { "workloads[0].type: is missing", "f:3: workloads[0].type: is missing" },
        { "workloads: x", "f:2: workloads: x" },
        { "nodes: x", "f: nodes: x" },
    };
    struct yaml_file file;

    assert_int_equal(yaml_file_read("f", yaml, strlen(yaml), &file, NULL), 0);
    for (size_t i = 0; i < COUNT(table); i++) {
        struct reason reason;
        reason_refuse(&reason, NULL, "%s", table[i].reason);
        assert_int_equal(yaml_file_refuse(&file, &reason), REFUSED);
        assert_string_equal(reason.text, table[i].refused);
    }
    yaml_file_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yaml_means_the_json_that_it_looks_like),
        cmocka_unit_test(what_json_cannot_say_is_refused_with_its_line),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(a_reason_gets_the_line_of_the_innermost_place_that_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
