/* Endpoints: their names, what their links say of them, their addresses. */

#include "netd/endpoint.h"
#include "netd/netlink.h"
#include "netd/netns.h"
#include "netd/rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void names_are_lower_case_letters_digits_and_hyphens(void **state)
{
    char longest[65];
    memset(longest, 'a', 64);
    longest[64] = 0;
    assert_false(endpoint_is_name(longest));
    longest[63] = 0;
    assert_true(endpoint_is_name(longest));
    assert_true(endpoint_is_name("0123456789abcdef0123-web"));
    static const char *const WRONG[] = { "", "-a", "A", "a.b", "a/b", "..", "a b", "a_b" };
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++)
        assert_false(endpoint_is_name(WRONG[i]));
}

static void an_alias_says_who_and_where(void **state)
{
    struct endpoint endpoint;
    struct prefix address;
    prefix_parse_address("10.88.7.9", &address);
    assert_true(endpoint_parse_alias("zos-endpoint a1-web 10.88.7.9", &endpoint));
    assert_string_equal(endpoint.name, "a1-web");
    assert_true(prefix_equal(&endpoint.address, &address));
}

static void another_alias_is_no_endpoints(void **state)
{
    static const char *const WRONG[] = { "",
                                         "zos-endpoint",
                                         "zos-endpoint ",
                                         "zos-endpoint a",
                                         "zos-endpoint a ",
                                         "zos-endpoint  10.0.0.1",
                                         "zos-endpoint A 10.0.0.1",
                                         "eth0",
                                         "zos-endpoint a 10.0.0.1 x" };
    struct endpoint endpoint;
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++)
        assert_false(endpoint_parse_alias(WRONG[i], &endpoint));
}

static void links_of_different_endpoints_have_different_names(void **state)
{
    char one[IFNAMSIZ], two[IFNAMSIZ], again[IFNAMSIZ];
    endpoint_link_name("zv", "a1-web", one);
    endpoint_link_name("zv", "a2-web", two);
    endpoint_link_name("zv", "a1-web", again);
    assert_string_equal(one, again);
    assert_string_not_equal(one, two);
    assert_true(strncmp(one, "zv", 2) == 0);
}

static void a_name_has_always_the_same_address(void **state)
{
    struct link_snapshot seen = { 0 };
    struct prefix nat, one, again, other;
    prefix_parse("10.88.0.0/16", &nat);
    assert_true(endpoint_choose_address(&seen, &nat, "a1-web", &one));
    assert_true(endpoint_choose_address(&seen, &nat, "a1-web", &again));
    assert_true(endpoint_choose_address(&seen, &nat, "b2-web", &other));
    assert_true(prefix_equal(&one, &again));
    assert_false(prefix_equal(&one, &other));
    assert_true(prefix_contains(&nat, &one));
}

/* Fills a small subnet: every address once, none of the node's own, none twice. */
static void addresses_are_given_once_until_none_is_left(void **state)
{
    struct link links[16] = { 0 };
    struct link_snapshot seen = { .links = links };
    struct prefix nat, address;
    char name[16], text[PREFIX_TEXT_BYTES];
    unsigned taken = 0;
    prefix_parse("10.88.0.0/27", &nat);
    for (int i = 0; i < 15; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        assert_true(endpoint_choose_address(&seen, &nat, name, &address));
        unsigned host = address.bytes[3];
        assert_true(host >= 16 && host < 31);
        assert_false(taken & 1u << host);
        taken |= 1u << host;
        prefix_format_address(&address, text);
        snprintf(links[seen.links_count++].alias, LINK_ALIAS_BYTES, "zos-endpoint %s %s", name, text);
    }
    assert_false(endpoint_choose_address(&seen, &nat, "late", &address));
}

static void an_endpoint_is_found_by_its_link_on_the_bridge(void **state)
{
    struct link links[3] = { { .index = 5, .name = PLAN_BRIDGE },
                             { .index = 6, .master = 5, .alias = "zos-endpoint a 10.88.0.20" },
                             { .index = 7, .master = 4, .alias = "zos-endpoint b 10.88.0.21" } };
    struct link_snapshot seen = { .links = links, .links_count = 3 };
    struct endpoint endpoint;
    assert_true(endpoint_find(&seen, "a", &endpoint));
    assert_int_equal(endpoint.index, 6);
    assert_false(endpoint_find(&seen, "b", &endpoint));
    assert_false(endpoint_find(&seen, "c", &endpoint));
}

static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t written = write(fd, text, strlen(text));
    close(fd);
    return written < 0 ? -1 : 0;
}

/* user_namespaces(7): who isn't root becomes it in a namespace of its own. */
static int become_root(void)
{
    char users[32], groups[32];
    snprintf(users, sizeof(users), "0 %d 1", (int)geteuid());
    snprintf(groups, sizeof(groups), "0 %d 1", (int)getegid());
    if (geteuid() == 0)
        return 0;
    if (unshare(CLONE_NEWUSER) < 0 || write_text("/proc/self/setgroups", "deny") < 0)
        return -1;
    return write_text("/proc/self/uid_map", users) < 0 ? -1 : write_text("/proc/self/gid_map", groups);
}

static int enter_namespaces(void)
{
    if (become_root() < 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
        return -1;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -1;
    return mount("tmpfs", "/run", "tmpfs", 0, NULL);
}

/* In namespaces of its own, with /run for itself: works without privileges where the kernel allows it. Exit codes: 0
 * well, 77 can't be tried, else something about the line that failed. */
#define EXPECT(condition)                                                                                              \
    if (!(condition))                                                                                                  \
    return __LINE__ % 70 + 1

static int attach_and_detach(void)
{
    struct link_snapshot seen;
    struct endpoint endpoint, again;
    struct prefix nat;
    struct reason reason;
    if (enter_namespaces() < 0)
        return 77;
    int fd = netlink_open(NETLINK_ROUTE);
    if (fd < 0 || rtnl_add_bridge(fd, "probe") < 0)
        return 77;
    EXPECT(link_observe(fd, &seen) == 0);
    EXPECT(endpoint_attach(fd, &seen, "a1-web", &endpoint, &nat, &reason) == 0);
    link_snapshot_close(&seen);
    EXPECT(link_observe(fd, &seen) == 0);
    EXPECT(endpoint_attach(fd, &seen, "a1-web", &again, &nat, &reason) == 0);
    EXPECT(again.index == endpoint.index && prefix_equal(&again.address, &endpoint.address));
    link_snapshot_close(&seen);
    int inside = netns_open("a1-web");
    EXPECT(inside >= 0);
    close(inside);
    EXPECT(endpoint_detach(fd, "a1-web") == 0 && endpoint_detach(fd, "a1-web") == 0);
    EXPECT(netns_open("a1-web") == -ENOENT);
    EXPECT(link_observe(fd, &seen) == 0);
    EXPECT(!endpoint_find(&seen, "a1-web", &again));
    link_snapshot_close(&seen);
    close(fd);
    return 0;
}

static void an_endpoint_comes_once_and_goes_for_good(void **state)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(attach_and_detach());
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("this kernel lets nobody make namespaces and bridges here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_lower_case_letters_digits_and_hyphens),
        cmocka_unit_test(an_alias_says_who_and_where),
        cmocka_unit_test(another_alias_is_no_endpoints),
        cmocka_unit_test(links_of_different_endpoints_have_different_names),
        cmocka_unit_test(a_name_has_always_the_same_address),
        cmocka_unit_test(addresses_are_given_once_until_none_is_left),
        cmocka_unit_test(an_endpoint_is_found_by_its_link_on_the_bridge),
        cmocka_unit_test(an_endpoint_comes_once_and_goes_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
