/* The table, and the children that are awaited by way of it. */

#include "zinit/children.h"
#include "zinit/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT 5000
#define STEPS 200000

static struct table table;
static struct table_node nodes[COUNT];
static bool inside[COUNT];

static bool finds(const struct table_node *wanted, uint32_t hash)
{
    struct table_node *node = table_first(&table, hash);

    while (node && node != wanted)
        node = table_next(node);
    return node != NULL;
}

static void what_is_in_is_found_and_what_is_out_is_not(void **state)
{
    srand(1);
    for (int step = 0; step < STEPS; step++) {
        size_t i = (size_t)rand() % COUNT;
        uint32_t hash = table_hash_number((uint32_t)i / 3); /* three of each */
        assert_int_equal(finds(&nodes[i], hash), inside[i]);
        if (inside[i])
            table_remove(&table, &nodes[i]);
        else
            table_add(&table, &nodes[i], hash);
        inside[i] = !inside[i];
        assert_int_equal(finds(&nodes[i], hash), inside[i]);
    }
}

static void removing_what_is_not_there_is_fine(void **state)
{
    struct table_node node = { NULL, 7 };

    table_remove(&table, &node);
    table_add(&table, &node, 7);
    table_remove(&table, &node);
    table_remove(&table, &node);
    assert_false(finds(&node, 7));
}

/* 1,000 names or pids as they come: no bucket has more than a handful. */
static void names_and_pids_are_spread(void **state)
{
    unsigned names[TABLE_BUCKETS] = { 0 }, pids[TABLE_BUCKETS] = { 0 };
    char name[32];

    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "service-%u", i);
        assert_in_range(++names[table_hash_text(name) / (UINT32_MAX / TABLE_BUCKETS + 1)], 1, 8);
        assert_in_range(++pids[table_hash_number(70000 + 3 * i) / (UINT32_MAX / TABLE_BUCKETS + 1)], 1, 8);
    }
}

/* ---- children */

static struct children children;
static struct child child[COUNT];
static unsigned ends[COUNT];

static void on_end(struct child *each, const siginfo_t *info)
{
    size_t i = (size_t)(each - child);

    assert_int_equal(info->si_pid, 100 + i);
    ends[i]++;
    if (i == 0) /* its next process, at once */
        children_await(&children, each, 100);
}

static void tell(pid_t pid)
{
    siginfo_t info = { 0 };

    info.si_pid = pid;
    children_end(&children, &info);
}

static void an_end_is_told_once_to_who_awaits_it(void **state)
{
    for (size_t i = 0; i < COUNT; i++) {
        child[i] = (struct child){ .on_end = on_end };
        children_await(&children, &child[i], (pid_t)(100 + i));
    }
    children_leave(&children, &child[7]);
    children_leave(&children, &child[7]);
    for (size_t i = 0; i < COUNT; i++) {
        tell((pid_t)(100 + i));
        assert_int_equal(ends[i], i != 7);
        if (i > 0)
            tell((pid_t)(100 + i)); /* an orphan of the same pid */
        assert_int_equal(ends[i], i != 7);
    }
    tell(100);
    assert_int_equal(ends[0], 2);
}

static void who_awaits_another_process_leaves_the_one_before(void **state)
{
    ends[1] = 0;
    children_await(&children, &child[1], 99);
    children_await(&children, &child[1], 101);
    tell(99);
    assert_int_equal(ends[1], 0);
    tell(101);
    assert_int_equal(ends[1], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_is_found_and_what_is_out_is_not),
        cmocka_unit_test(removing_what_is_not_there_is_fine),
        cmocka_unit_test(names_and_pids_are_spread),
        cmocka_unit_test(an_end_is_told_once_to_who_awaits_it),
        cmocka_unit_test(who_awaits_another_process_leaves_the_one_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
