/* The firewall's batch: its form byte by byte where that is small, as a whole by the kernel where one may be asked. */

#include "netd/firewall.h"
#include "netd/netlink.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct firewall full(void)
{
    struct firewall firewall = { .uplink = "eth0", .bridge = "zos-nat", .ports_count = 2, .ports = { 51820, 51821 } };
    prefix_parse("10.88.0.0/16", &firewall.nat);
    prefix_parse_address("10.0.2.3", &firewall.dns[0]);
    prefix_parse_address("10.88.0.1", &firewall.dns_local[0]);
    prefix_parse_address("8.8.8.8", &firewall.dns[1]);
    prefix_parse_address("10.88.0.2", &firewall.dns_local[1]);
    prefix_parse("203.0.113.0/24", &firewall.lans[firewall.lans_count++]);
    prefix_parse("0.0.0.0/0", &firewall.lans[firewall.lans_count++]);
    prefix_parse("192.0.2.1/32", &firewall.lans[firewall.lans_count++]);
    return firewall;
}

static void a_small_batch_is_what_the_kernel_documents(void **state)
{
    /* nlmsghdr (length, type, flags, sequence, pid), nfgenmsg (family, version, resource), attributes */
    static const uint8_t EXPECTED[] = {
        20, 0, 0, 0, 0x10, 0,  1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, /* BATCH_BEGIN */
        28, 0, 0, 0, 0,    10, 1, 4, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,  8, 0, 1, 0, 'z', 'o', 's', 0, /* NEWTABLE */
        28, 0, 0, 0, 2,    10, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,  8, 0, 1, 0, 'z', 'o', 's', 0, /* DELTABLE */
        20, 0, 0, 0, 0x11, 0,  1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10,                               /* BATCH_END */
    };
    struct nft_batch batch;
    nft_begin(&batch);
    nft_add_table(&batch, "zos");
    nft_delete_table(&batch, "zos");
    nft_end(&batch);
    assert_false(batch.failed);
    assert_int_equal(batch.size, sizeof(EXPECTED));
    assert_memory_equal(batch.bytes, EXPECTED, sizeof(EXPECTED));
    nft_close(&batch);
}

static void a_rule_nests_its_expressions(void **state)
{
    static const uint8_t EXPECTED[] = {
        88, 0, 0, 0,    6,   10,  5,   0x0c, 1,   0,   0,   0,   0,   0, 0, 0,
        1,  0, 0, 0, /* NEWRULE, create, append, acknowledge */
        6,  0, 1, 0,    't', 0,   0,   0,    6,   0,   2,   0,   'c', 0, 0, 0, /* table, chain */
        52, 0, 4, 0x80, 48,  0,   1,   0x80,                                   /* expressions: an element */
        14, 0, 1, 0,    'i', 'm', 'm', 'e',  'd', 'i', 'a', 't', 'e', 0, 0, 0, /* name */
        28, 0, 2, 0x80,                                                        /* data */
        8,  0, 1, 0,    0,   0,   0,   0,                                      /* register: the verdict */
        16, 0, 2, 0x80, 12,  0,   2,   0x80, 8,   0,   1,   0,   0,   0, 0, 1, /* accept */
    };
    struct nft_batch batch = { 0 };
    struct nft_rule rule;
    nft_rule_begin(&rule, &batch, "t", "c");
    nft_verdict(&rule, 1);
    nft_rule_end(&rule);
    assert_int_equal(batch.size, sizeof(EXPECTED));
    assert_memory_equal(batch.bytes, EXPECTED, sizeof(EXPECTED));
    nft_close(&batch);
}

static void a_batch_is_a_row_of_whole_messages(void **state)
{
    struct firewall firewall = full();
    struct nft_batch batch;
    uint32_t sequence = 0;
    size_t at = 0;
    firewall_encode(&firewall, &batch);
    assert_false(batch.failed);
    while (at < batch.size) {
        const struct nlmsghdr *message = (const struct nlmsghdr *)(batch.bytes + at);
        assert_true(message->nlmsg_len >= NLMSG_HDRLEN && at + message->nlmsg_len <= batch.size);
        assert_int_equal(message->nlmsg_seq, ++sequence);
        assert_int_equal(message->nlmsg_type == NFNL_MSG_BATCH_BEGIN, sequence == 1);
        at += NLMSG_ALIGN(message->nlmsg_len);
        assert_int_equal(message->nlmsg_type == NFNL_MSG_BATCH_END, at == batch.size);
    }
    nft_close(&batch);
}

static void firewalls_are_equal_when_their_rules_are(void **state)
{
    struct firewall a = full(), b = full();
    assert_true(firewall_equal(&a, &b));
    b.ports_count = 1;
    assert_false(firewall_equal(&a, &b));
    b = full();
    strcpy(b.uplink, "eth1");
    assert_false(firewall_equal(&a, &b));
}

/* In a namespace of its own, as root of a user namespace: works without privileges. Exit codes: 0 taken, 1 refused,
 * 77 can't be tried. */
static int try_in_namespace(const struct firewall *firewalls, size_t count)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 && unshare(CLONE_NEWNET) < 0)
        return 77;
    int fd = netlink_open(NETLINK_NETFILTER);
    if (fd < 0)
        return 77;
    for (size_t i = 0; i < count; i++) {
        int result = firewall_apply(fd, &firewalls[i]);
        if (result == -EOPNOTSUPP || result == -EPERM || (result == -ENOENT && i == 0))
            return 77;
        if (result < 0)
            return 1;
    }
    close(fd);
    return 0;
}

static void the_kernel_takes_it_and_takes_it_again(void **state)
{
    struct firewall firewalls[] = { { .uplink = "" }, full(), full(), { .bridge = "zos-nat" } };
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(try_in_namespace(firewalls, sizeof(firewalls) / sizeof(firewalls[0])));
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("this kernel lets nobody try nf_tables here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_batch_is_what_the_kernel_documents),
        cmocka_unit_test(a_rule_nests_its_expressions),
        cmocka_unit_test(a_batch_is_a_row_of_whole_messages),
        cmocka_unit_test(firewalls_are_equal_when_their_rules_are),
        cmocka_unit_test(the_kernel_takes_it_and_takes_it_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
