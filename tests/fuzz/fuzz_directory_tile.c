/* A log's files from anyone: the name of a tile, and a bundle of entries. A name that is read is the one that would be
 * written; of a bundle, what is taken off lies within it, end to end, and all that is left is too short for an entry.
 */

#include "contrib/directory/tile.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_name(const char *name)
{
    struct tile tile;
    char again[TILE_NAME_BYTES];

    if (!tile_parse(name, &tile))
        return;
    tile_format(&tile, again);
    if (strcmp(again, name) != 0)
        abort();
    if (tile_is_within(&tile, 0) || (tile.index == 0 && tile.level <= 0 && !tile_is_within(&tile, TILE_WIDTH)))
        abort();
}

static void try_bundle(const uint8_t *bundle, size_t bundle_size)
{
    const uint8_t *at = bundle;
    const char *entry;
    size_t left = bundle_size, size;
    volatile unsigned sum = 0;

    while (tile_next_entry(&at, &left, &entry, &size)) {
        if ((const char *)at != entry + size || at + left != bundle + bundle_size)
            abort();
        for (size_t i = 0; i < size; i++)
            sum += (uint8_t)entry[i];
    }
    if (left >= 2 && ((size_t)at[0] << 8 | at[1]) <= left - 2)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    memcpy(text, data, size);
    text[size] = '\0';
    try_name(text);
    free(text);
    try_bundle(data, size);
    return 0;
}
