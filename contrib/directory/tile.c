/* Tile names: strict, one name for one tile, since they are what caches and mirrors file them under. */

#include "contrib/directory/tile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A decimal without leading zeros, of at most 3 digits; what follows is left in *name. */
static bool parse_small(const char **name, unsigned *ret_number)
{
    const char *digit = *name;
    unsigned number = 0;

    while (*digit >= '0' && *digit <= '9' && digit - *name < 3)
        number = number * 10 + (unsigned)(*digit++ - '0');
    if (digit == *name || (**name == '0' && digit - *name > 1))
        return false;
    *name = digit;
    *ret_number = number;
    return true;
}

static bool parse_group(const char **name, unsigned *ret_number)
{
    *ret_number = 0;
    for (int i = 0; i < 3; i++, ++*name) {
        if (**name < '0' || **name > '9')
            return false;
        *ret_number = *ret_number * 10 + (unsigned)(**name - '0');
    }
    return true;
}

/* "x001/x234/067": at most 6 groups, 10^18 tiles. A leading group of zeros would be a second name. */
static bool parse_index(const char **name, uint64_t *ret_index)
{
    uint64_t index = 0;
    unsigned group;

    for (int groups = 0; groups < 6; groups++) {
        bool more = **name == 'x';
        *name += more;
        if (!parse_group(name, &group) || (groups == 0 && more && group == 0))
            return false;
        index = index * 1000 + group;
        if (!more) {
            *ret_index = index;
            return true;
        }
        if (*(*name)++ != '/')
            return false;
    }
    return false;
}

bool tile_parse(const char *name, struct tile *ret_tile)
{
    struct tile tile = { .level = TILE_ENTRIES, .width = TILE_WIDTH };
    unsigned level;

    if (strncmp(name, "entries/", 8) == 0) {
        name += 8;
    } else {
        if (!parse_small(&name, &level) || level > TILE_LEVEL_MAX || *name++ != '/')
            return false;
        tile.level = (int)level;
    }
    if (!parse_index(&name, &tile.index))
        return false;
    if (strncmp(name, ".p/", 3) == 0) {
        name += 3;
        if (!parse_small(&name, &tile.width) || tile.width < 1 || tile.width >= TILE_WIDTH)
            return false;
    }
    if (*name)
        return false;
    *ret_tile = tile;
    return true;
}

void tile_format(const struct tile *tile, char ret_name[static TILE_NAME_BYTES])
{
    char *at = ret_name, *end = ret_name + TILE_NAME_BYTES;
    uint64_t unit = 1;

    if (tile->level == TILE_ENTRIES)
        at += snprintf(at, TILE_NAME_BYTES, "entries/");
    else
        at += snprintf(at, TILE_NAME_BYTES, "%d/", tile->level);
    while (tile->index / unit >= 1000)
        unit *= 1000;
    for (; unit > 1; unit /= 1000)
        at += snprintf(at, (size_t)(end - at), "x%03" PRIu64 "/", tile->index / unit % 1000);
    at += snprintf(at, (size_t)(end - at), "%03" PRIu64, tile->index % 1000);
    if (tile->width < TILE_WIDTH)
        snprintf(at, (size_t)(end - at), ".p/%u", tile->width);
}

bool tile_next_entry(const uint8_t **at, size_t *left, const char **ret_entry, size_t *ret_size)
{
    size_t size = *left >= 2 ? (size_t)(*at)[0] << 8 | (*at)[1] : 0;

    if (*left < 2 || size > *left - 2)
        return false;
    *ret_entry = (const char *)*at + 2;
    *ret_size = size;
    *at += 2 + size;
    *left -= 2 + size;
    return true;
}

bool tile_is_within(const struct tile *tile, uint64_t size)
{
    unsigned shift = tile->level > 0 ? 8 * (unsigned)tile->level : 0;
    uint64_t hashes = shift < 64 ? size >> shift : 0;

    /* The index is below 10^18 < 2^60, so that × 256 may overflow: compare by tiles first. */
    if (tile->index > hashes / TILE_WIDTH)
        return false;
    return tile->width <= hashes - tile->index * TILE_WIDTH;
}
