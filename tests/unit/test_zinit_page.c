/* The console page: what an operator reads, from what the daemons answer. */

#include "zinit/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *page;

static void make(const char *services, const char *disks, const char *network, const char *provision)
{
    cJSON *parts[] = { cJSON_Parse(services), cJSON_Parse(disks), cJSON_Parse(network), cJSON_Parse(provision) };

    free(page);
    page = page_make(&(struct page_input){ parts[0], parts[1], parts[2], parts[3], "none" });
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        cJSON_Delete(parts[i]);
    assert_non_null(page);
}

static void has(const char *line)
{
    if (!strstr(page, line))
        fail_msg("no \"%s\" in:\n%s", line, page);
}

static void silent_daemons_are_told_of(void **state)
{
    make("", "", "", "");
    has("node       provisiond doesn't answer yet\n");
    has("network    netd doesn't answer yet\n");
    has("disks      storaged doesn't answer yet\n");
    has("services   zinit doesn't answer\n");
}

static void a_node_that_is_well_shows_all_that_it_is(void **state)
{
    make("{\"netd\":\"Running\",\"once\":\"Success\"}",
         "{\"disks\":[{\"name\":\"vda\",\"media\":\"ssd\",\"size_bytes\":2147483648,\"model\":\"QEMU\",\"state\":"
         "\"used\"}]}",
         "{\"uplink\":{\"name\":\"eth0\",\"address\":\"10.0.2.15/24\",\"gateway\":\"10.0.2.2\",\"dns\":[\"10.0.2.3\"]},"
         "\"links\":[{\"name\":\"eth0\",\"mac\":\"52:54:00:12:34:56\",\"carrier\":true,\"addresses\":[\"10.0.2.15/"
         "24\"]}],"
         "\"problem\":null}",
         "{\"node_id\":\"5Fx\",\"farm\":1,\"registered\":true,\"clock_set\":true,"
         "\"directory\":{\"url\":\"https://d\",\"reachable\":true},"
         "\"contracts\":[{\"id\":\"0123456789abcdef0123456789abcdef\",\"state\":\"running\",\"message\":\"\"}],"
         "\"missing\":[]}");
    has("node       5Fx\n");
    has("farm       1\n");
    has("directory  https://d, registered\n");
    has("link       eth0 52:54:00:12:34:56 up 10.0.2.15/24\n");
    has("uplink     eth0 10.0.2.15/24, gateway 10.0.2.2, dns 10.0.2.3\n");
    has("disk       vda 2.0 GiB ssd QEMU: used\n");
    has("contract   0123456789abcdef0123 running\n");
    assert_null(strstr(page, "service "));
    assert_null(strstr(page, "missing"));
}

static void what_is_wrong_is_shown_with_its_reason(void **state)
{
    make("{\"netd\":{\"state\":\"Error\",\"reason\":\"exited with code 1\"},\"x\":\"Failure\"}",
         "{\"disks\":[{\"name\":\"vdb\",\"media\":\"hdd\",\"size_bytes\":0,\"model\":\"\",\"state\":\"refused: holds "
         "ext4\"}]}",
         "{\"uplink\":null,\"links\":[],\"problem\":\"no link has a carrier\"}",
         "{\"node_id\":\"\",\"registered\":false,\"farm\":null,\"directory\":{\"url\":\"http://"
         "d\",\"reachable\":false,\"step\":\"TCP\","
         "\"detail\":\"connection refused\"},\"missing\":[\"no invite\"]}");
    has("service    netd: Error, exited with code 1\n");
    has("service    x: Failure\n");
    has("vdb 0.0 GiB hdd: refused: holds ext4\n");
    has("network    no link has a carrier\n");
    has("directory  http://d, not registered (TCP: connection refused)\n");
    has("node       has no identity yet\n");
    has("farm       none yet\n");
    has("missing    no invite\n");
}

static void what_is_missing_is_said_once(void **state)
{
    make("{}", "{\"disks\":[]}", "{\"links\":[]}",
         "{\"directory\":{\"url\":\"https://d\",\"reachable\":false,\"step\":\"register\",\"detail\":\"no directory: "
         "TLS\"},\"missing\":[\"no disk\",\"no directory: TLS\"]}");
    has("directory  https://d, not registered\n");
    has("missing    no directory: TLS\n");
}

static void nothing_that_comes_from_outside_can_drive_the_terminal(void **state)
{
    make("{}", "{\"disks\":[]}", "{\"links\":[]}",
         "{\"missing\":[\"a\\u001b[2Jb\\r\",5],\"contracts\":[3],\"directory\":[]}");
    has("missing    a?[2Jb?\n");
    assert_null(strchr(page, '\x1b'));
}

static void wraps(const char *text, const char *expected)
{
    char *wrapped = page_wrap(text);

    assert_string_equal(wrapped, expected);
    free(wrapped);
}

#define TEN "123456789 "
#define INDENT "             "

static void a_line_that_is_too_wide_goes_on_below_what_it_says(void **state)
{
    wraps("", "");
    wraps("\n  a\n\n", "\n  a\n\n");
    wraps("no end", "no end\n");
    /* 79 columns fit, 80 don't. */
    wraps("  memory     " TEN TEN TEN TEN TEN TEN "123456\n", "  memory     " TEN TEN TEN TEN TEN TEN "123456\n");
    wraps("  memory     " TEN TEN TEN TEN TEN TEN "1234567\n  b\n",
          "  memory     " TEN TEN TEN TEN TEN "123456789\n" INDENT "1234567\n  b\n");
    wraps("  memory     " TEN TEN TEN TEN TEN TEN "123456 " TEN TEN TEN TEN TEN TEN "123456 1\n",
          "  memory     " TEN TEN TEN TEN TEN TEN "123456\n" INDENT TEN TEN TEN TEN TEN TEN "123456\n" INDENT "1\n");
    /* Neither are trailing spaces worth a line, nor does a sign of two bytes take two columns. */
    wraps("  memory     " TEN TEN TEN TEN TEN TEN "123456  \n", "  memory     " TEN TEN TEN TEN TEN TEN "123456\n");
    wraps("  memory     " TEN TEN TEN TEN TEN TEN "12345\u00e9\n",
          "  memory     " TEN TEN TEN TEN TEN TEN "12345\u00e9\n");
}

static void a_word_that_is_too_wide_stays_whole(void **state)
{
    static const char WORD[] = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234";
    char text[256], expected[256];

    snprintf(text, sizeof text, "  missing    %s %s b\n", WORD, WORD);
    snprintf(expected, sizeof expected, "  missing    %s\n" INDENT "%s\n" INDENT "b\n", WORD, WORD);
    wraps(text, expected);
}

static int drop_page(void **state)
{
    free(page);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silent_daemons_are_told_of),
        cmocka_unit_test(a_node_that_is_well_shows_all_that_it_is),
        cmocka_unit_test(what_is_wrong_is_shown_with_its_reason),
        cmocka_unit_test(what_is_missing_is_said_once),
        cmocka_unit_test(nothing_that_comes_from_outside_can_drive_the_terminal),
        cmocka_unit_test(a_line_that_is_too_wide_goes_on_below_what_it_says),
        cmocka_unit_test(a_word_that_is_too_wide_stays_whole),
    };

    return cmocka_run_group_tests(tests, NULL, drop_page);
}
