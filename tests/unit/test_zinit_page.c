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
static unsigned columns = PAGE_COLUMNS, rows;
static bool ages = true;

static void make(const char *services, const char *disks, const char *network, const char *provision)
{
    cJSON *parts[] = { cJSON_Parse(services), cJSON_Parse(disks), cJSON_Parse(network), cJSON_Parse(provision) };
    const struct page_input input = { .services = parts[0],
                                      .disks = parts[1],
                                      .network = parts[2],
                                      .provision = parts[3],
                                      .host = "n1",
                                      .kernel = "6.12",
                                      .time = "2026-11-25 02:12 UTC",
                                      .load = "0.10 0.05 0.01",
                                      .memory = "41 MiB of 480 MiB used",
                                      .resident = "zinit 0.6 MiB",
                                      .listening = "none",
                                      .uptime_s = 100000,
                                      .ages = ages };

    free(page);
    page = page_make(&input, columns, rows);
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

static void lacks(const char *text)
{
    if (strstr(page, text))
        fail_msg("\"%s\" in:\n%s", text, page);
}

static const char NETWORK[] =
    "{\"uplink\":{\"name\":\"eth0\",\"address\":\"10.0.2.15/24\",\"gateway\":\"10.0.2.2\",\"dns\":[\"10.0.2.3\"],"
    "\"lease_age_s\":75},\"links\":[{\"name\":\"eth0\",\"mac\":\"52:54:00:12:34:56\",\"carrier\":true,\"addresses\":"
    "[\"10.0.2.15/24\",\"fe80::1/64\"]}],\"problem\":null,\"step\":null,\"problem_s\":0}";
static const char PROVISION[] =
    "{\"node_id\":\"5Fx\",\"farm\":1,\"registered\":true,\"clock_set\":true,\"heartbeat_age_s\":12,"
    "\"directory\":{\"url\":\"https://d\",\"reachable\":true,\"step\":null,\"detail\":null},\"contracts\":["
    "{\"id\":\"0123456789abcdef0123456789abcdef\",\"state\":\"running\",\"message\":\"\"},"
    "{\"id\":\"1123456789abcdef0123456789abcdef\",\"state\":\"failed\",\"message\":\"no such image\"},"
    "{\"id\":\"2123456789abcdef0123456789abcdef\",\"state\":\"running\",\"message\":\"\"}],\"missing\":[]}";
static const char DISK[] = "{\"disks\":[{\"name\":\"vda\",\"media\":\"ssd\",\"size_bytes\":2147483648,"
                           "\"model\":\"QEMU\",\"state\":\"used\"}]}";

static void a_node_that_is_well_shows_all_that_it_is(void **state)
{
    make("{\"netd\":\"Running\",\"once\":\"Success\"}", DISK, NETWORK, PROVISION);
    has("node       5Fx\n");
    has("farm       1, registered; clock set by the directory: 2026-11-25 02:12 UTC\n");
    has("on n1, Linux 6.12, up 1 d 3 h, load 0.10 0.05 0.01\n");
    has("memory     41 MiB of 480 MiB used\n");
    has("resident   zinit 0.6 MiB\n");
    has("directory  https://d, reachable, last heartbeat 12 s ago\n");
    has("link       eth0 52:54:00:12:34:56 up 10.0.2.15/24\n");
    has("uplink     eth0, gateway 10.0.2.2, DNS 10.0.2.3, leased 1 min ago\n");
    has("listening  none\n");
    has("disk       vda 2.0 GiB ssd QEMU: used\n");
    has("contracts  2 running, 1 failed\n");
    has("contract   1123456789abcdef0123 failed: no such image\n");
    lacks("service ");
    lacks("missing");
    lacks("  way ");
}

/* What a serial line is printed anew for has none of it. */
static void what_changes_by_itself_can_be_left_out(void **state)
{
    ages = false;
    make("{}", DISK, "{\"step\":\"lease\",\"problem\":\"no DHCP answer on eth0\",\"problem_s\":34}", PROVISION);
    has("lease: no DHCP answer on eth0: is");
    make("{}", DISK, NETWORK, PROVISION);
    ages = true;
    lacks("load");
    lacks("ago");
    lacks("UTC");
    lacks("memory");
    lacks("resident");
    has("farm       1, registered; clock set by the directory\n");
}

static void what_is_wrong_is_shown_with_its_reason(void **state)
{
    make("{\"netd\":{\"state\":\"Error\",\"reason\":\"exited with code 1\"},\"x\":\"Failure\"}",
         "{\"disks\":[{\"name\":\"vda\",\"media\":\"ssd\",\"size_bytes\":0,\"model\":\"\",\"state\":\"used\"},"
         "{\"name\":\"vdb\",\"media\":\"hdd\",\"size_bytes\":0,\"model\":\"\",\"state\":\"refused: holds ext4\"}]}",
         "{\"uplink\":null,\"links\":[],\"problem\":\"the firewall can't be put in force\",\"step\":null}",
         "{\"node_id\":\"\",\"registered\":false,\"farm\":null,\"directory\":{\"url\":\"http://d\",\"reachable\":false,"
         "\"step\":\"TCP\",\"detail\":\"connect to d:80: the connection is refused\"},\"missing\":[\"no invite\","
         "\"no directory: connect to d:80: the connection is refused\"]}");
    has("service    netd: Error, exited with code 1\n");
    has("service    x: Failure\n");
    has("disk       vdb 0.0 GiB hdd: refused: holds ext4\n  disk       vda"); /* first what isn't well */
    has("network    the firewall can't be put in force\n");
    has("way        link ok, lease ok, route ok, DNS ok, TCP FAILS\n");
    has("fails      TCP: connect to d:80: the connection is refused: does the\n             directory run there?\n");
    has("directory  http://d\n");
    has("node       has no identity yet\n");
    has("farm       none yet; clock not set by the directory: 2026");
    has("missing    no invite\n");
    lacks("no directory: connect"); /* it is said already */
    has("contracts  none\n");
}

static void nothing_that_comes_from_outside_can_drive_the_terminal(void **state)
{
    make("{\"s\":{\"state\":\"Error\",\"reason\":\"\\u009b2J\\u0000\\u202e\"}}", "{\"disks\":[]}", "{\"links\":[]}",
         "{\"missing\":[\"a\\u001b[2Jb\\r\",5,\"two\\nlines \\u00e9\\ufffd\"],\"contracts\":[3],\"directory\":[]}");
    has("missing    a?[2Jb?\n");
    has("missing    ?\n");
    has("lines ??\n");
    has("service    s: Error, ?2J\n");
    for (const char *c = page; *c; c++)
        assert_true((*c >= 0x20 && *c < 0x7f) || *c == '\n');
}

/* ---- how it fits */

static void fits(void)
{
    unsigned lines = 0;

    for (const char *end, *line = page; (end = strchr(line, '\n')); line = end + 1, lines++)
        if ((size_t)(end - line) > columns)
            fail_msg("a line of %zu columns, not %u, in:\n%s", (size_t)(end - line), columns, page);
    if (rows && lines > rows)
        fail_msg("%u lines, not %u, in:\n%s", lines, rows, page);
}

/* `count` copies of an item, as an array. */
static char *repeat(const char *item, int count)
{
    char *text = malloc(strlen(item) * (size_t)count + (size_t)count + 3);

    strcpy(text, "[");
    for (int i = 0; i < count; i++)
        strcat(strcat(text, i ? "," : ""), item);
    return strcat(text, "]");
}

static char *big_object(const char *name, const char *item, int count)
{
    char *list = repeat(item, count), *text;

    assert_true(asprintf(&text, "{\"%s\":%s}", name, list) > 0);
    free(list);
    return text;
}

static void a_long_list_ends_in_how_many_more_there_are(void **state)
{
    char *disks = big_object("disks", "{\"name\":\"sdx\",\"state\":\"used\"}", 100);
    char *missing = big_object("missing", "\"something\"", 70);

    make("{}", disks, NETWORK, missing);
    has("             ... and 36 more disks\n");
    has("             ... and 6 more things missing\n");
    free(disks);
    free(missing);
}

static void a_page_is_never_larger_than_its_screen(void **state)
{
    static const char WORD[] = "\"https://a.very.long.name/that/goes/on/and/on/without/a/single/space/to/break/it/at/"
                               "until/it/is/wider/than/any/screen/of/80/columns\"";
    char *disks =
        big_object("disks", "{\"name\":\"sdx\",\"state\":\"refused: holds ext4 and is here for a long line\"}", 50);
    char *links =
        big_object("links", "{\"name\":\"eth0\",\"mac\":\"52:54:00:12:34:56\",\"addresses\":[\"10.0.0.1/8\"]}", 30);
    char *missing = big_object("missing", WORD, 5);
    const unsigned sizes[][2] = { { 79, 16 }, { 79, 13 }, { 60, 20 }, { 120, 30 }, { 79, 5 }, { 79, 1 }, { 40, 13 } };

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        columns = sizes[i][0];
        rows = sizes[i][1];
        make("{\"a\":\"Error\",\"b\":\"Error\",\"c\":\"Error\",\"d\":\"Error\"}", disks, links, missing);
        fits();
        if (rows < 20)
            has("more");
    }
    columns = PAGE_COLUMNS;
    rows = 0;
    make("{}", disks, links, missing);
    fits();
    free(disks);
    free(links);
    free(missing);
}

/* A screen of 80x25 gives 16 rows: a node with nothing amiss has room for all but the details. */
static void a_small_screen_shows_the_whole_node(void **state)
{
    rows = 11;
    make("{}", DISK, NETWORK, PROVISION);
    rows = 0;
    has("disk       vda");
    has("contract   1123");
    lacks("resident");
    lacks("more");
}

static void a_line_that_is_too_wide_goes_on_below_what_it_says(void **state)
{
    make("{}", "{}", "{}",
         "{\"missing\":[\"123456789 123456789 123456789 123456789 123456789 123456789 123456\","
         "\"123456789 123456789 123456789 123456789 123456789 123456789 1234567\"]}");
    has("  missing    123456789 123456789 123456789 123456789 123456789 123456789 123456\n");
    has("  missing    123456789 123456789 123456789 123456789 123456789 123456789\n             1234567\n");
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
        cmocka_unit_test(what_changes_by_itself_can_be_left_out),
        cmocka_unit_test(what_is_wrong_is_shown_with_its_reason),
        cmocka_unit_test(nothing_that_comes_from_outside_can_drive_the_terminal),
        cmocka_unit_test(a_long_list_ends_in_how_many_more_there_are),
        cmocka_unit_test(a_page_is_never_larger_than_its_screen),
        cmocka_unit_test(a_small_screen_shows_the_whole_node),
        cmocka_unit_test(a_line_that_is_too_wide_goes_on_below_what_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, drop_page);
}
