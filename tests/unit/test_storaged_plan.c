/* The rules of which disk is used how, and of who gets the cache, as tables. */

#include "storaged/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define GIB (INT64_C(1) << 30)

static struct plan_disk disk(const char *name, enum disk_content content, enum plan_stage stage)
{
    struct plan_disk made = { .stage = stage, .disk = { .size_bytes = 4 * GIB, .content = content } };

    strcpy(made.disk.name, name);
    if (content == DISK_FOREIGN)
        strcpy(made.disk.content_text, "holds an ext4 file system");
    return made;
}

static struct plan_disk pool(const char *name, const char *label, enum plan_stage stage, enum disk_media media)
{
    struct plan_disk made = disk(name, DISK_POOL, stage);

    strcpy(made.disk.label, label);
    made.media = media;
    return made;
}

static struct plan plan_of(const struct plan_disk *disks, size_t count, struct plan_input input)
{
    static struct plan plan;

    input.disks = disks;
    input.count = count;
    plan_make(&input, &plan);
    return plan;
}

#define CLAIM                                                                                                          \
    {                                                                                                                  \
        .claim_empty = true                                                                                            \
    }

static void assert_action(const struct plan *plan, size_t at, enum plan_kind kind, size_t index)
{
    assert_true(at < plan->count);
    assert_int_equal(plan->actions[at].kind, kind);
    assert_int_equal(plan->actions[at].index, index);
}

static void no_disks_need_nothing(void **state)
{
    assert_int_equal(plan_of(NULL, 0, (struct plan_input){ .wanted = CLAIM }).count, 0);
}

static void an_empty_disk_becomes_a_pool(void **state)
{
    struct plan_disk disks[] = { disk("vda", DISK_EMPTY, PLAN_EXAMINED), disk("vdb", DISK_UNFINISHED, PLAN_EXAMINED) };
    struct plan plan = plan_of(disks, 2, (struct plan_input){ .wanted = CLAIM });

    assert_int_equal(plan.count, 2);
    assert_action(&plan, 0, PLAN_MAKE_POOL, 0);
    assert_action(&plan, 1, PLAN_MAKE_POOL, 1);
}

static void a_disk_that_is_not_to_be_claimed_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *reason;
        struct disk disk;
        bool claim_none;
    } rows[] = {
        { "holds an ext4 file system",
          { .content = DISK_FOREIGN, .content_text = "holds an ext4 file system" },
          false },
        { "is read-only", { .content = DISK_EMPTY, .size_bytes = GIB, .read_only = true }, false },
        { "is removable", { .content = DISK_EMPTY, .size_bytes = GIB, .removable = true }, false },
        { "is in use", { .content = DISK_EMPTY, .size_bytes = GIB, .in_use = true }, false },
        { "is smaller than 512 MiB", { .content = DISK_EMPTY, .size_bytes = DISK_SIZE_MIN - 1 }, false },
        { "is smaller than 512 MiB", { .content = DISK_UNFINISHED, .size_bytes = 0 }, false },
        { "is empty, but the settings say to claim none", { .content = DISK_EMPTY, .size_bytes = GIB }, true },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct plan_disk one = { .disk = rows[i].disk, .stage = PLAN_EXAMINED };
        struct plan plan = plan_of(&one, 1, (struct plan_input){ .wanted.claim_empty = !rows[i].claim_none });
        assert_int_equal(plan.count, 1);
        assert_action(&plan, 0, PLAN_REFUSE, 0);
        assert_string_equal(plan.actions[0].reason, rows[i].reason);
    }
}

static void a_pool_of_ours_is_mounted_even_when_none_is_to_be_claimed(void **state)
{
    struct plan_disk disks[] = { pool("sda", "zos-00000001", PLAN_EXAMINED, DISK_SSD) };
    struct plan plan = plan_of(disks, 1, (struct plan_input){ 0 });

    assert_int_equal(plan.count, 1);
    assert_action(&plan, 0, PLAN_MOUNT_POOL, 0);
}

static void a_copy_of_a_pool_is_refused(void **state)
{
    struct plan_disk disks[] = { pool("sda", "zos-00000001", PLAN_EXAMINED, DISK_SSD),
                                 pool("sdb", "zos-00000001", PLAN_EXAMINED, DISK_SSD) };
    struct plan plan = plan_of(disks, 2, (struct plan_input){ .wanted = CLAIM });

    assert_action(&plan, 0, PLAN_MOUNT_POOL, 0);
    assert_action(&plan, 1, PLAN_REFUSE, 1);
    assert_string_equal(plan.actions[1].reason, "holds our pool zos-00000001, a copy of that on sda");

    /* Whichever was there first keeps it. */
    disks[1].stage = PLAN_USED;
    plan = plan_of(disks, 2, (struct plan_input){ .wanted = CLAIM, .cache_mounted = true });
    assert_int_equal(plan.count, 1);
    assert_action(&plan, 0, PLAN_REFUSE, 0);
}

static void a_read_only_pool_is_refused(void **state)
{
    struct plan_disk one = pool("sda", "zos-00000001", PLAN_EXAMINED, DISK_SSD);
    struct plan plan;

    one.disk.read_only = true;
    plan = plan_of(&one, 1, (struct plan_input){ .wanted = CLAIM });
    assert_action(&plan, 0, PLAN_REFUSE, 0);
}

static void what_is_decided_or_at_work_is_left_alone(void **state)
{
    static const enum plan_stage stages[] = { PLAN_EXAMINING, PLAN_SLOW, PLAN_WORKING, PLAN_REFUSED };

    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        struct plan_disk one = disk("sda", DISK_EMPTY, stages[i]);
        assert_int_equal(plan_of(&one, 1, (struct plan_input){ .wanted = CLAIM }).count, 0);
    }
}

static void nothing_is_formatted_before_the_boot_medium_was_read(void **state)
{
    struct plan_disk disks[] = { disk("sda", DISK_FOREIGN, PLAN_EXAMINED), disk("vda", DISK_EMPTY, PLAN_EXAMINED),
                                 pool("vdb", "zos-00000001", PLAN_EXAMINED, DISK_SSD) };
    struct plan plan;

    strcpy(disks[0].disk.boot_partition, "sda1");
    plan = plan_of(disks, 3, (struct plan_input){ .wanted = CLAIM });
    assert_int_equal(plan.count, 2);
    assert_action(&plan, 0, PLAN_READ_MEDIUM, 0);
    assert_action(&plan, 1, PLAN_MOUNT_POOL, 2);

    disks[0].medium_read = true;
    plan = plan_of(disks, 3, (struct plan_input){ .wanted = CLAIM });
    assert_int_equal(plan.count, 3);
    assert_action(&plan, 0, PLAN_REFUSE, 0);
    assert_action(&plan, 1, PLAN_MAKE_POOL, 1);
}

static void formatting_waits_for_a_disk_that_is_being_examined_but_not_for_a_slow_one(void **state)
{
    struct plan_disk disks[] = { disk("sda", DISK_UNKNOWN, PLAN_EXAMINING), disk("vda", DISK_EMPTY, PLAN_EXAMINED) };

    assert_int_equal(plan_of(disks, 2, (struct plan_input){ .wanted = CLAIM }).count, 0);
    disks[0].stage = PLAN_SLOW;
    assert_int_equal(plan_of(disks, 2, (struct plan_input){ .wanted = CLAIM }).count, 1);
}

/* Four pools: which of them gets the cache, if any? */
static void the_cache_goes_to_the_best_pool(void **state)
{
    struct plan_disk disks[] = { pool("sda", "zos-00000001", PLAN_USED, DISK_HDD),
                                 pool("sdb", "zos-00000004", PLAN_USED, DISK_SSD),
                                 pool("sdc", "zos-00000003", PLAN_USED, DISK_SSD),
                                 pool("sdd", "zos-00000002", PLAN_USED, DISK_HDD) };
    struct plan plan;

    for (size_t i = 0; i < 4; i++)
        disks[i].made_now = true;
    plan = plan_of(disks, 4, (struct plan_input){ .wanted = CLAIM });
    assert_int_equal(plan.count, 1);
    assert_action(&plan, 0, PLAN_MOUNT_CACHE, 2);

    /* One that has something in it wins, HDD or not. */
    disks[3].cache_used = true;
    plan = plan_of(disks, 4, (struct plan_input){ .wanted = CLAIM });
    assert_action(&plan, 0, PLAN_MOUNT_CACHE, 3);

    assert_int_equal(plan_of(disks, 4, (struct plan_input){ .wanted = CLAIM, .cache_mounted = true }).count, 0);
}

static void the_cache_waits_until_all_disks_are_decided(void **state)
{
    struct plan_disk disks[] = { pool("sda", "zos-00000001", PLAN_USED, DISK_HDD),
                                 pool("sdb", "zos-00000002", PLAN_WORKING, DISK_SSD) };

    disks[0].made_now = true;
    assert_int_equal(plan_of(disks, 2, (struct plan_input){ .wanted = CLAIM }).count, 0);
}

static void pools_of_earlier_runs_without_a_cache_wait_for_the_one_that_has_it(void **state)
{
    struct plan_disk one = pool("sda", "zos-00000001", PLAN_USED, DISK_SSD);
    struct plan plan;

    assert_int_equal(plan_of(&one, 1, (struct plan_input){ .wanted = CLAIM }).count, 0);
    plan = plan_of(&one, 1, (struct plan_input){ .wanted = CLAIM, .patience_over = true });
    assert_int_equal(plan.count, 1);
    assert_action(&plan, 0, PLAN_MOUNT_CACHE, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_disks_need_nothing),
        cmocka_unit_test(an_empty_disk_becomes_a_pool),
        cmocka_unit_test(a_disk_that_is_not_to_be_claimed_is_refused_with_the_reason),
        cmocka_unit_test(a_pool_of_ours_is_mounted_even_when_none_is_to_be_claimed),
        cmocka_unit_test(a_copy_of_a_pool_is_refused),
        cmocka_unit_test(a_read_only_pool_is_refused),
        cmocka_unit_test(what_is_decided_or_at_work_is_left_alone),
        cmocka_unit_test(nothing_is_formatted_before_the_boot_medium_was_read),
        cmocka_unit_test(formatting_waits_for_a_disk_that_is_being_examined_but_not_for_a_slow_one),
        cmocka_unit_test(the_cache_goes_to_the_best_pool),
        cmocka_unit_test(the_cache_waits_until_all_disks_are_decided),
        cmocka_unit_test(pools_of_earlier_runs_without_a_cache_wait_for_the_one_that_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
