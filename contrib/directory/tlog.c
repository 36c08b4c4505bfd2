/* The log over the store. Every leaf adds its own hash and those of the subtrees that it completes: two rows a leaf on
 * average, never changed again. */

#include "contrib/directory/tlog.h"

#include "contrib/directory/meta.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TREE_LEVELS 64

/* ---- Hashes, and a cache of them: a hash of a complete subtree never changes once it is committed. The session's end
 * and a rollback drop it (store.h). */

#define CACHE_HASHES                                                                                                   \
    16384 /* 768 KB a session: the right edge and the upper levels, which nearly every proof asks for */

struct cached_hash {
    uint64_t place; /* index and level in one; 0: none */
    struct merkle_hash hash;
};

/* The index has as many bits as a log of 2^58 entries needs. */
static uint64_t place_of(unsigned level, uint64_t index)
{
    return (index << 6 | level) + 1;
}

static struct cached_hash *slot_of(struct store *store, unsigned level, uint64_t index)
{
    if (!store->hashes)
        store->hashes = calloc(CACHE_HASHES, sizeof(struct cached_hash));
    if (!store->hashes)
        return NULL;
    return (struct cached_hash *)store->hashes + (index * 31 + level * 977) % CACHE_HASHES;
}

static void keep_hash(struct store *store, unsigned level, uint64_t index, const struct merkle_hash *hash)
{
    struct cached_hash *slot = slot_of(store, level, index);

    if (slot)
        *slot = (struct cached_hash){ place_of(level, index), *hash };
}

static int fetch_hash(struct store *store, unsigned level, uint64_t index, struct merkle_hash *ret_hash)
{
    cleanup_rows struct store_rows rows;
    size_t size = 0;

    store_select(store, &rows, "SELECT hash FROM hashes WHERE level = $1 AND idx = $2", VALUE_INTEGER(level),
                 VALUE_INTEGER(index));
    const void *bytes = store_next(&rows) ? store_bytes(&rows, 0, &size) : NULL;
    if (store->error < 0)
        return store->error;
    if (!bytes || size != MERKLE_HASH_BYTES)
        return store->error = log_fail(-EUCLEAN, "log: the store has no hash %u/%" PRIu64, level, index);
    memcpy(ret_hash->bytes, bytes, size);
    keep_hash(store, level, index, ret_hash);
    return 0;
}

int tlog_read_hash(void *context, unsigned level, uint64_t index, struct merkle_hash *ret_hash)
{
    struct store *store = context;
    const struct cached_hash *slot = slot_of(store, level, index);

    if (!slot || slot->place != place_of(level, index))
        return fetch_hash(store, level, index, ret_hash);
    *ret_hash = slot->hash;
    return 0;
}

static void write_hash(struct store *store, unsigned level, uint64_t index, const struct merkle_hash *hash)
{
    store_run(store, "INSERT INTO hashes (level, idx, hash) VALUES ($1, $2, $3)", VALUE_INTEGER(level),
              VALUE_INTEGER(index), VALUE_BYTES(hash->bytes, sizeof hash->bytes));
    keep_hash(store, level, index, hash);
}

/* ---- Growing */

void tlog_append(struct store *store, uint64_t index, const struct tlog_entry *entry)
{
    struct merkle_hash hash = entry->leaf, left;

    store_run(store, "INSERT INTO entries (idx, id, kind, signer, node, envelope) VALUES ($1, $2, $3, $4, $5, $6)",
              VALUE_INTEGER(index), VALUE_TEXT(entry->id), VALUE_TEXT(entry->kind), VALUE_TEXT(entry->signer),
              VALUE_TEXT(entry->feed_node), VALUE_BYTES(entry->envelope, entry->envelope_size));
    write_hash(store, 0, index, &hash);
    for (unsigned level = 0; (index >> level) & 1; level++) {
        if (tlog_read_hash(store, level, (index >> level) - 1, &left) < 0)
            return;
        merkle_node(&left, &hash, &hash);
        write_hash(store, level + 1, index >> (level + 1), &hash);
    }
}

/* The hashes on the right edge of the signed tree give its root, and the larger tree's with it: if one of them were
 * damaged, the first would be wrong as well. */
int tlog_check_head(struct store *store, const struct checkpoint *checkpoint)
{
    struct merkle_hash root;
    int error = merkle_root(tlog_read_hash, store, checkpoint->size, &root);

    if (error == 0 && memcmp(&root, &checkpoint->root, sizeof root) != 0)
        error = store->error = -EUCLEAN;
    if (error == -EUCLEAN)
        log_error(
            "the store is damaged: its hashes don't give the root that was signed at %" PRIu64
            " statements. Nothing more is signed. Stop directoryd and restore the store from a back-up or a mirror",
            checkpoint->size);
    return error;
}

int tlog_write_ahead(struct store *store, uint64_t size, struct checkpoint *ret_checkpoint)
{
    struct checkpoint checkpoint = { .size = size };
    char text[24 + HASH_TEXT_BYTES], root[HASH_TEXT_BYTES];
    int error = merkle_root(tlog_read_hash, store, size, &checkpoint.root);

    if (error < 0)
        return error;
    encode_hex(checkpoint.root.bytes, sizeof checkpoint.root.bytes, root);
    snprintf(text, sizeof text, "%" PRIu64 " %s", size, root);
    meta_write(store, "head", text);
    *ret_checkpoint = checkpoint;
    return store->error;
}

int tlog_prove_inclusion(struct store *store, uint64_t index, uint64_t size, struct merkle_proof *ret_proof)
{
    return merkle_prove_inclusion(tlog_read_hash, store, index, size, ret_proof);
}

int tlog_prove_consistency(struct store *store, uint64_t from, uint64_t to, struct merkle_proof *ret_proof)
{
    return merkle_prove_consistency(tlog_read_hash, store, from, to, ret_proof);
}

/* ---- Tiles */

static void *read_tile(struct store *store, const struct tile *tile, size_t *ret_size)
{
    cleanup_rows struct store_rows rows;
    cleanup_free uint8_t *bytes = malloc(TILE_WIDTH * MERKLE_HASH_BYTES);
    uint64_t first = tile->index * TILE_WIDTH;
    size_t used = 0, size;

    store_select(store, &rows, "SELECT hash FROM hashes WHERE level = $1 AND idx >= $2 AND idx < $3 ORDER BY idx",
                 VALUE_INTEGER(8 * tile->level), VALUE_INTEGER(first), VALUE_INTEGER(first + tile->width));
    while (bytes && store_next(&rows)) {
        const void *hash = store_bytes(&rows, 0, &size);
        if (size != MERKLE_HASH_BYTES)
            return NULL;
        memcpy(bytes + used, hash, size);
        used += size;
    }
    if (!bytes || store->error < 0 || used != tile->width * MERKLE_HASH_BYTES)
        return NULL;
    *ret_size = used;
    return steal_pointer(bytes);
}

/* Each entry behind its length in 2 bytes, big endian (tlog-tiles, "Log entries"): an envelope has at most 65,535. */
static void *read_bundle(struct store *store, const struct tile *tile, size_t *ret_size)
{
    cleanup_rows struct store_rows rows;
    cleanup_free uint8_t *bytes = NULL;
    uint64_t first = tile->index * TILE_WIDTH;
    size_t used = 0, room = 0, size;
    unsigned count = 0;

    store_select(store, &rows, "SELECT envelope FROM entries WHERE idx >= $1 AND idx < $2 ORDER BY idx",
                 VALUE_INTEGER(first), VALUE_INTEGER(first + tile->width));
    for (; store_next(&rows); count++) {
        const void *entry = store_bytes(&rows, 0, &size);
        if (used + 2 + size > room) {
            room = 2 * room + size + 65536;
            uint8_t *more = realloc(bytes, room);
            if (!more)
                return NULL;
            bytes = more;
        }
        bytes[used] = (uint8_t)(size >> 8);
        bytes[used + 1] = (uint8_t)size;
        memcpy(bytes + used + 2, entry, size);
        used += 2 + size;
    }
    if (store->error < 0 || count != tile->width)
        return NULL;
    *ret_size = used;
    return steal_pointer(bytes);
}

void *tlog_tile(struct store *store, const struct tile *tile, size_t *ret_size)
{
    return tile->level == TILE_ENTRIES ? read_bundle(store, tile, ret_size) : read_tile(store, tile, ret_size);
}

/* ---- At start */

#define SCAN_ROWS "1000" /* that are in memory at once; of entries up to 64 MB, by their size mostly 1 MB */

/* A replay of the log: the stack of complete subtrees to the left, and beside it, level by level, the stored hashes in
 * the order in which they must come out again. Both are read in pieces. */
struct scan {
    struct store_rows rows;
    uint64_t next; /* index */
};

struct replay {
    struct store *store;
    struct merkle_hash stack[TREE_LEVELS];
    struct scan stored[TREE_LEVELS];
    unsigned levels; /* that were opened */
    uint64_t count;
    bool fits;
};

/* The stored hash that comes next on this level; one that isn't the next in order reads as zeros. false: none left. */
static bool next_stored(struct replay *replay, unsigned level, struct merkle_hash *ret_hash)
{
    struct scan *scan = &replay->stored[level];
    size_t size = 0;

    if (!store_next(&scan->rows)) {
        store_done(&scan->rows);
        store_select(replay->store, &scan->rows,
                     "SELECT idx, hash FROM hashes WHERE level = $1 AND idx >= $2 ORDER BY idx LIMIT " SCAN_ROWS,
                     VALUE_INTEGER(level), VALUE_INTEGER(scan->next));
        if (!store_next(&scan->rows))
            return false;
    }
    const void *bytes = store_bytes(&scan->rows, 1, &size);
    *ret_hash = (struct merkle_hash){ { 0 } };
    if (size == MERKLE_HASH_BYTES && (uint64_t)store_integer(&scan->rows, 0) == scan->next)
        memcpy(ret_hash->bytes, bytes, size);
    scan->next++;
    return true;
}

static void compare_stored(struct replay *replay, unsigned level, const struct merkle_hash *hash)
{
    struct merkle_hash stored;

    if (level == replay->levels)
        replay->stored[replay->levels++] = (struct scan){ .rows = { .store = replay->store } };
    if (!next_stored(replay, level, &stored) || memcmp(&stored, hash, sizeof stored) != 0)
        replay->fits = false;
}

static void replay_entry(struct replay *replay, const void *entry, size_t size)
{
    struct merkle_hash hash;
    unsigned level = 0;

    merkle_leaf(entry, size, &hash);
    compare_stored(replay, level, &hash);
    for (; (replay->count >> level) & 1; level++) {
        merkle_node(&replay->stack[level], &hash, &hash);
        compare_stored(replay, level + 1, &hash);
    }
    replay->stack[level] = hash;
    replay->count++;
}

/* Entries that follow those replayed; false when there is none, or one is missing. */
static bool replay_piece(struct replay *replay)
{
    cleanup_rows struct store_rows rows;
    uint64_t before = replay->count;
    size_t size;

    store_select(replay->store, &rows,
                 "SELECT idx, envelope FROM entries WHERE idx >= $1 ORDER BY idx LIMIT " SCAN_ROWS,
                 VALUE_INTEGER(before));
    while (store_next(&rows) && (uint64_t)store_integer(&rows, 0) == replay->count) {
        const void *entry = store_bytes(&rows, 1, &size);
        replay_entry(replay, entry, size);
    }
    return replay->count > before;
}

/* From the lowest complete subtree up: each is the left neighbour of what is there. */
static struct merkle_hash replay_root(const struct replay *replay)
{
    struct merkle_hash hash;
    bool first = true;

    merkle_empty(&hash);
    for (unsigned level = 0; level < TREE_LEVELS; level++) {
        if (!((replay->count >> level) & 1))
            continue;
        if (first)
            hash = replay->stack[level];
        else
            merkle_node(&replay->stack[level], &hash, &hash);
        first = false;
    }
    return hash;
}

/* The size and root that the entries give, hashed anew; *ret_fits: whether the stored hashes are those of the entries.
 * 0, or negative errno. */
static int recompute(struct store *store, struct checkpoint *ret_checkpoint, bool *ret_fits)
{
    struct replay replay = { .store = store, .fits = true };
    struct merkle_hash left;

    while (replay_piece(&replay))
        ;
    for (unsigned level = 0; level < replay.levels; level++) {
        replay.fits = replay.fits && !next_stored(&replay, level, &left);
        store_done(&replay.stored[level].rows);
    }
    ret_checkpoint->size = replay.count;
    ret_checkpoint->root = replay_root(&replay);
    *ret_fits = replay.fits;
    return store->error;
}

#define RESTORE "; restore the store from a back-up or a mirror, and don't sign with this key until then"

static int read_head(struct store *store, struct checkpoint *ret_checkpoint, struct reason *reason)
{
    char text[24 + HASH_TEXT_BYTES], *end;
    struct checkpoint head;

    if (!meta_read(store, "head", text, sizeof text))
        return reason_refuse(reason, "store",
                             store->error < 0 ? "can't be read" RESTORE : "doesn't say where the log ends" RESTORE);
    head.size = strtoull(text, &end, 10);
    if (*end != ' ' || !decode_hex(end + 1, head.root.bytes, sizeof head.root.bytes))
        return reason_refuse(reason, "store", "says that the log ends as '%s', which is no size and root" RESTORE,
                             text);
    *ret_checkpoint = head;
    return 0;
}

static int compare_head(const struct checkpoint *head, const struct checkpoint *found, bool fits, struct reason *reason)
{
    char signed_root[HASH_TEXT_BYTES], root[HASH_TEXT_BYTES];

    if (head->size == found->size && memcmp(&head->root, &found->root, sizeof head->root) == 0)
        return fits ? 0 : reason_refuse(reason, "store", "the stored tree hashes don't fit the entries" RESTORE);
    encode_hex(head->root.bytes, sizeof head->root.bytes, signed_root);
    encode_hex(found->root.bytes, sizeof found->root.bytes, root);
    return reason_refuse(reason, "store",
                         "the log was signed as size and root %" PRIu64 " %s, but the entries give %" PRIu64
                         " %s" RESTORE,
                         head->size, signed_root, found->size, root);
}

/* That the root is that of the stored hashes, the last entries are the leaves that are stored, and none is behind. */
static int check_end(struct store *store, const struct checkpoint *head, struct checkpoint *ret_found, bool *ret_fits)
{
    cleanup_rows struct store_rows rows;
    uint64_t next = head->size > 1000 ? head->size - 1000 : 0;
    struct merkle_hash leaf, stored;
    size_t size;

    *ret_fits = true;
    store_select(store, &rows, "SELECT idx, envelope FROM entries WHERE idx >= $1 ORDER BY idx LIMIT 1001",
                 VALUE_INTEGER(next));
    for (; store_next(&rows) && (uint64_t)store_integer(&rows, 0) == next; next++) {
        const void *entry = store_bytes(&rows, 1, &size);
        merkle_leaf(entry, size, &leaf);
        if (tlog_read_hash(store, 0, next, &stored) < 0 || memcmp(&leaf, &stored, sizeof leaf) != 0)
            *ret_fits = false;
    }
    ret_found->size = next;
    return store->error < 0 ? store->error : merkle_root(tlog_read_hash, store, next, &ret_found->root);
}

int tlog_check(struct store *store, enum tlog_check check, struct checkpoint *ret_checkpoint, struct reason *reason)
{
    struct checkpoint head, found;
    bool fits;

    if (read_head(store, &head, reason))
        return REFUSED;
    int error = check == TLOG_ALL ? recompute(store, &found, &fits) : check_end(store, &head, &found, &fits);
    if (error < 0)
        return reason_refuse(reason, "store", "can't be read" RESTORE);
    if (compare_head(&head, &found, fits, reason))
        return REFUSED;
    *ret_checkpoint = head;
    return 0;
}

int tlog_check_owner(struct store *store, const struct note_verifier *verifier, struct reason *reason)
{
    char expected[NOTE_VKEY_BYTES], found[NOTE_VKEY_BYTES];

    note_verifier_format(verifier, expected);
    if (!meta_read(store, "log", found, sizeof found))
        return store->error < 0 ? reason_refuse(reason, "store", "can't be read" RESTORE) : TLOG_NEW;
    if (strcmp(found, expected) == 0)
        return 0;
    return reason_refuse(reason, "store", "belongs to log %s, not %s; give the --key and --name it was made with",
                         found, expected);
}

bool tlog_is_empty(struct store *store)
{
    cleanup_rows struct store_rows rows;

    store_select_values(store, &rows, "SELECT 1 FROM entries LIMIT 1", NULL, 0);
    return !store_next(&rows) && store->error >= 0;
}

int tlog_own(struct store *store, const struct note_verifier *verifier, uint64_t size)
{
    char vkey[NOTE_VKEY_BYTES];
    struct checkpoint head;

    note_verifier_format(verifier, vkey);
    store_begin(store);
    meta_write(store, "log", vkey);
    tlog_write_ahead(store, size, &head);
    int error = store_commit(store);
    if (error < 0)
        store_rollback(store);
    return error;
}

/* A store is one log's for ever: another name or key would be another history of the same entries. */
static int become_owner(struct store *store, const struct tlog_signer *signer, struct reason *reason)
{
    int error = tlog_check_owner(store, &signer->verifier, reason);

    if (error != TLOG_NEW)
        return error;
    if (!tlog_is_empty(store))
        return reason_refuse(
            reason, "store",
            "holds entries, but not whose they are: finish what fills it (directoryd migrate), or remove"
            " it");
    return tlog_own(store, &signer->verifier, 0);
}

int tlog_open(struct store *store, const struct tlog_signer *signer, enum tlog_check check, struct tlog_head *ret_head,
              struct reason *reason)
{
    struct tlog_head head = { 0 };
    int error = store_take_office(store);

    if (!error)
        error = become_owner(store, signer, reason);
    if (!error)
        error = tlog_check(store, check, &head.checkpoint, reason);
    if (error)
        return error;
    head.note = checkpoint_sign(&head.checkpoint, &signer->verifier, signer->key);
    if (!head.note)
        return -ENOMEM;
    *ret_head = head;
    return 0;
}

void tlog_head_close(struct tlog_head *head)
{
    free(head->note);
    *head = (struct tlog_head){ 0 };
}
