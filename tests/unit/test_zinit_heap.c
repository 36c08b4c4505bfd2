/* The heap against a plain search for the least. */

#include "zinit/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define NODES 300
#define STEPS 200000

static struct heap_node nodes[NODES];
static bool inside[NODES];

static uint64_t least_key(void)
{
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < NODES; i++)
        if (inside[i] && nodes[i].key < least)
            least = nodes[i].key;
    return least;
}

static void the_first_is_always_the_least_whatever_goes_and_comes(void **state)
{
    struct heap heap = { NULL };
    size_t count = 0;

    srand(1);
    for (int step = 0; step < STEPS; step++) {
        size_t i = (size_t)rand() % NODES;
        if (inside[i]) {
            heap_remove(&heap, &nodes[i]);
            assert_null(nodes[i].child);
            count--;
        } else {
            heap_add(&heap, &nodes[i], (uint64_t)(rand() % 1000));
            count++;
        }
        inside[i] = !inside[i];
        if (count == 0)
            assert_null(heap.first);
        else
            assert_int_equal(heap.first->key, least_key());
    }
}

static void what_is_added_in_any_order_comes_out_in_order(void **state)
{
    struct heap heap = { NULL };
    uint64_t before = 0;

    for (size_t i = 0; i < NODES; i++)
        heap_add(&heap, &nodes[i], i * 7919 % 97);
    for (size_t i = 0; i < NODES; i++) {
        assert_non_null(heap.first);
        assert_true(heap.first->key >= before);
        before = heap.first->key;
        heap_remove(&heap, heap.first);
    }
    assert_null(heap.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_in_any_order_comes_out_in_order),
        cmocka_unit_test(the_first_is_always_the_least_whatever_goes_and_comes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
