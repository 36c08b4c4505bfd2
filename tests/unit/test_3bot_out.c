/* What others wrote can't drive the terminal. */

#include "contrib/3bot/out.h"

#include "lib/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void what_could_drive_a_terminal_is_written_out(void **state)
{
    static const struct {
        const char *text, *line, *lines, *json;
    } table[] = {
        { "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
          "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
        { "\x1b[2J", "\\x1b[2J", "\\x1b[2J", "\\u001b[2J" },
        { "a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd", "a\nb\tc\\x0dd", "a\nb\tc\\u000dd" },
        { "\x7f", "\\x7f", "\\x7f", "\\u007f" },
        { "\xc2\x9b", "\\u{9b}", "\\u{9b}", "\\u009b" },              /* CSI in one byte */
        { "\xe2\x80\xae", "\\u{202e}", "\\u{202e}", "\\u202e" },      /* right-to-left override */
        { "\xe2\x81\xa6", "\\u{2066}", "\\u{2066}", "\\u2066" },      /* isolate */
        { "\xff", "\\xff", "\\xff", "\\u00ff" },                      /* no UTF-8 */
        { "\x9b", "\\x9b", "\\x9b", "\\u009b" },                      /* CSI of an 8-bit terminal */
        { "\xc0\x9b", "\\xc0\\x9b", "\\xc0\\x9b", "\\u00c0\\u009b" }, /* overlong ESC */
        { "\xe2\x82", "\\xe2\\x82", "\\xe2\\x82", "\\u00e2\\u0082" }, /* cut off */
        { "\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80", "\\u00ed\\u00a0\\u0080" }, /* a surrogate */
    };

    for (size_t i = 0; i < COUNT(table); i++) {
        cleanup_free char *line = out_escape(table[i].text, OUT_LINE), *lines = out_escape(table[i].text, OUT_TEXT),
                          *json = out_escape(table[i].text, OUT_JSON);
        assert_string_equal(line, table[i].line);
        assert_string_equal(lines, table[i].lines);
        assert_string_equal(json, table[i].json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_could_drive_a_terminal_is_written_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
