#pragma once

/* The names of tiles and entry bundles (c2sp.org/tlog-tiles): "0/x001/234", "entries/005.p/17"; and what is in a
 * bundle. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TILE_WIDTH 256
#define TILE_LEVEL_MAX 7 /* 8 × 8 bits of index; the specification allows up to 63, of which no tree fills more */
#define TILE_ENTRIES -1  /* the level of a bundle of entries */

struct tile {
    int level;      /* TILE_ENTRIES or 0…TILE_LEVEL_MAX */
    uint64_t index; /* the hashes (entries) from index × 256 on, at tree level 8 × level */
    unsigned width; /* 1…256; 256: the full tile, which has no ".p/" in its name */
};

/* Reads what stands behind "tile/". false when it isn't the one name of a tile: groups of three digits, all but the
 * last with an x, no group too many, widths 1…255 without leading zeros. */
bool tile_parse(const char *name, struct tile *ret_tile);

#define TILE_NAME_BYTES 64
/* Writes that name. */
void tile_format(const struct tile *tile, char ret_name[static TILE_NAME_BYTES]);

/* Takes an entry off the front of a bundle of which *left bytes are left at *at: it stands behind its length in 2
 * bytes, big endian, and stays where it is. false when the bundle is cut short; then nothing is taken. */
bool tile_next_entry(const uint8_t **at, size_t *left, const char **ret_entry, size_t *ret_size);

/* true when a tree of `size` entries has that many hashes there. */
bool tile_is_within(const struct tile *tile, uint64_t size);
