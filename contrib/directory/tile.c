/* Tile names: strict, one name for one tile, since they are what caches and mirrors file them under. */

#include "contrib/directory/tile.h"

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

bool tile_is_within(const struct tile *tile, uint64_t size)
{
    unsigned shift = tile->level > 0 ? 8 * (unsigned)tile->level : 0;
    uint64_t hashes = shift < 64 ? size >> shift : 0;

    /* The index is below 10^18 < 2^60, so that × 256 may overflow: compare by tiles first. */
    if (tile->index > hashes / TILE_WIDTH)
        return false;
    return tile->width <= hashes - tile->index * TILE_WIDTH;
}
