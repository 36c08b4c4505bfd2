/* Tile names and bundles, against c2sp.org/tlog-tiles. */

#include "contrib/directory/tile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void reads_the_names_of_the_specification(void **state)
{
    static const struct {
        const char *name;
        struct tile tile;
    } table[] = {
        { "0/000", { 0, 0, 256 } },
        { "0/001.p/5", { 0, 1, 5 } },
        { "1/x001/x234/067", { 1, 1234067, 256 } }, /* the specification's example */
        { "0/x001/000", { 0, 1000, 256 } },
        { "7/999.p/255", { 7, 999, 255 } },
        { "entries/000", { TILE_ENTRIES, 0, 256 } },
        { "entries/x315/097.p/128", { TILE_ENTRIES, 315097, 128 } },
        { "0/x999/x999/x999/x999/x999/999", { 0, 999999999999999999, 256 } },
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct tile tile;
        char again[TILE_NAME_BYTES];
        assert_true(tile_parse(table[i].name, &tile));
        tile_format(&tile, again);
        assert_string_equal(again, table[i].name);
        assert_int_equal(tile.level, table[i].tile.level);
        assert_int_equal(tile.index, table[i].tile.index);
        assert_int_equal(tile.width, table[i].tile.width);
    }
}

static void refuses_every_other_name(void **state)
{
    static const char *const table[] = {
        "",
        "0",
        "0/",
        "/000",
        "0/0",
        "0/00",
        "0/0000",
        "0/abc",
        "00/000",
        "8/000",
        "01/000",
        "-1/000",
        "0/000/",
        "0/000.p",
        "0/000.p/",
        "0/000.p/0",
        "0/000.p/01",
        "0/000.p/256",
        "0/000.p/1x",
        "0/000.p/1/",
        "0/x000/001",
        "0/001/002",
        "0/x001",
        "0/x001/",
        "0/x01/002",
        "0/x001/x002",
        "entries",
        "entries/",
        "entries/0",
        "entries/000x",
        "Entries/000",
        "0/ 00",
        "0/x999/x999/x999/x999/x999/x999/999",
        "256/000",
        "0/000.p/+1",
        "0/0 0",
        "0/x001/002.p/2.p/2",
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct tile tile;
        if (tile_parse(table[i], &tile))
            fail_msg("took \"%s\"", table[i]);
    }
}

static void knows_which_tiles_a_tree_has(void **state)
{
    static const struct {
        struct tile tile;
        uint64_t size;
        bool within;
    } table[] = {
        { { 0, 0, 1 }, 0, false },
        { { 0, 0, 1 }, 1, true },
        { { 0, 0, 2 }, 1, false },
        { { 0, 0, 256 }, 255, false },
        { { 0, 0, 256 }, 256, true },
        { { 0, 0, 5 }, 300, true }, /* a partial tile stays readable once the full one is there */
        { { 0, 1, 44 }, 300, true },
        { { 0, 1, 45 }, 300, false },
        { { 0, 2, 1 }, 300, false },
        { { TILE_ENTRIES, 1, 44 }, 300, true },
        { { TILE_ENTRIES, 1, 256 }, 300, false },
        { { 1, 0, 1 }, 255, false },
        { { 1, 0, 1 }, 256, true },
        { { 1, 0, 256 }, 65535, false },
        { { 1, 0, 256 }, 65536, true },
        { { 2, 0, 1 }, 65536, true },
        { { 0, 999999999999999999, 256 }, UINT64_MAX, false },
        { { 7, 0, 127 }, INT64_MAX, true },
        { { 7, 0, 128 }, INT64_MAX, false },
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (tile_is_within(&table[i].tile, table[i].size) != table[i].within)
            fail_msg("row %zu", i);
    }
}

static void takes_a_bundle_apart_and_not_beyond_its_end(void **state)
{
    static const uint8_t bundle[] = { 0, 1, 'a', 0, 0, 0, 2, 'b', 'c', 0, 3, 'd', 'e' };
    static const char *const entries[] = { "a", "", "bc" };
    const uint8_t *at = bundle;
    const char *entry;
    size_t left = sizeof bundle, size;

    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        assert_true(tile_next_entry(&at, &left, &entry, &size));
        assert_int_equal(size, strlen(entries[i]));
        assert_memory_equal(entry, entries[i], size);
    }
    assert_false(tile_next_entry(&at, &left, &entry, &size));
    assert_int_equal(left, 4);
    left = 1;
    assert_false(tile_next_entry(&at, &left, &entry, &size));
    left = 0;
    assert_false(tile_next_entry(&at, &left, &entry, &size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_names_of_the_specification),
        cmocka_unit_test(refuses_every_other_name),
        cmocka_unit_test(knows_which_tiles_a_tree_has),
        cmocka_unit_test(takes_a_bundle_apart_and_not_beyond_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
