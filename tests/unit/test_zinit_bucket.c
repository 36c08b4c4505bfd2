/* The measure of what a service may write. */

#include "zinit/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct bucket_rule rule = { .capacity = 1000, .per_s = 100 };

static void a_full_bucket_gives_its_capacity_at_once_and_then_what_comes_in(void **state)
{
    struct bucket bucket = { 0 };

    for (int i = 0; i < 10; i++)
        assert_true(bucket_take(&bucket, &rule, 5000, 100));
    assert_false(bucket_take(&bucket, &rule, 5000, 1));
    assert_false(bucket_take(&bucket, &rule, 5009, 1));
    assert_true(bucket_take(&bucket, &rule, 5010, 1));
    assert_false(bucket_take(&bucket, &rule, 5010, 1));
}

static void often_asking_loses_nothing_of_what_comes_in(void **state)
{
    struct bucket bucket = { 0 };
    unsigned given = 0;

    for (uint64_t now = 1; now <= 100000; now++)
        given += bucket_take(&bucket, &rule, now, 1);
    assert_in_range(given, 10000, 11000);
}

static void a_long_rest_fills_it_and_no_more(void **state)
{
    struct bucket bucket = { 0 };

    assert_true(bucket_take(&bucket, &rule, 0, 100000));
    assert_false(bucket_take(&bucket, &rule, 9000, 1));
    assert_true(bucket_take(&bucket, &rule, UINT64_MAX / 1000, 1000));
    assert_false(bucket_take(&bucket, &rule, UINT64_MAX / 1000, 1));
}

static void what_is_owed_comes_in_first(void **state)
{
    struct bucket bucket = { 0 };

    assert_false(bucket_is_empty(&bucket, &rule, 5000));
    bucket_spend(&bucket, &rule, 5000, 1000);
    assert_true(bucket_is_empty(&bucket, &rule, 5000));
    bucket_spend(&bucket, &rule, 5000, 100);
    assert_true(bucket_is_empty(&bucket, &rule, 6000));
    assert_false(bucket_is_empty(&bucket, &rule, 6010));
    bucket_spend(&bucket, &rule, 6010, SIZE_MAX);
    assert_true(bucket_is_empty(&bucket, &rule, 16010));
    assert_false(bucket_is_empty(&bucket, &rule, 16020));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_bucket_gives_its_capacity_at_once_and_then_what_comes_in),
        cmocka_unit_test(often_asking_loses_nothing_of_what_comes_in),
        cmocka_unit_test(a_long_rest_fills_it_and_no_more),
        cmocka_unit_test(what_is_owed_comes_in_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
