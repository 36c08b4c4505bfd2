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
        if (!bytes || used + 2 + size > room) {
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

#define END_ENTRIES 1000

/* Whether no hash is stored behind those of `size` entries. */
static bool hashes_end_at(struct store *store, uint64_t size)
{
    bool end = true;

    for (unsigned level = 0; end && (level == 0 || size >> (level - 1)); level++) {
        cleanup_rows struct store_rows rows;
        store_select(store, &rows, "SELECT 1 FROM hashes WHERE level = $1 AND idx >= $2 LIMIT 1", VALUE_INTEGER(level),
                     VALUE_INTEGER(size >> level));
        end = !store_next(&rows);
    }
    return end;
}

/* The size and root that the entries give, those from `from` on hashed anew; *ret_fits: whether the stored hashes are
 * theirs. 0, or negative errno. */
static int recompute(struct store *store, uint64_t from, struct checkpoint *ret_checkpoint, bool *ret_fits)
{
    struct rehash rehash;
    uint64_t before = UINT64_MAX;
    int error = rehash_begin(&rehash, tlog_read_hash, store, from);

    while (!error && rehash.count != before) {
        before = rehash.count;
        error = rehash_piece(&rehash, store, INT64_MAX);
    }
    if (error)
        return error;
    ret_checkpoint->size = rehash.count;
    rehash_root(&rehash, &ret_checkpoint->root);
    *ret_fits = rehash.fits && hashes_end_at(store, rehash.count);
    return store->error;
}

#define RESTORE "; restore the store from a back-up or a mirror, and don't sign with this key until then"
#define CANT_BE_READ "can't be read" RESTORE
#define DONT_FIT "the stored tree hashes don't fit the entries" RESTORE

static int read_head(struct store *store, struct checkpoint *ret_checkpoint, struct reason *reason)
{
    char text[24 + HASH_TEXT_BYTES], *end;
    struct checkpoint head;

    if (!meta_read(store, "head", text, sizeof text))
        return reason_refuse(reason, "store",
                             store->error < 0 ? CANT_BE_READ : "doesn't say where the log ends" RESTORE);
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
        return fits ? 0 : reason_refuse(reason, "store", DONT_FIT);
    encode_hex(head->root.bytes, sizeof head->root.bytes, signed_root);
    encode_hex(found->root.bytes, sizeof found->root.bytes, root);
    return reason_refuse(reason, "store",
                         "the log was signed as size and root %" PRIu64 " %s, but the entries give %" PRIu64
                         " %s" RESTORE,
                         head->size, signed_root, found->size, root);
}

int tlog_check(struct store *store, enum tlog_check check, struct checkpoint *ret_checkpoint, struct reason *reason)
{
    struct checkpoint head = { 0 }, found = { 0 };
    bool fits = false;

    if (read_head(store, &head, reason))
        return REFUSED;
    int error =
        recompute(store, check == TLOG_ALL || head.size < END_ENTRIES ? 0 : head.size - END_ENTRIES, &found, &fits);
    if (error < 0)
        return reason_refuse(reason, "store", CANT_BE_READ);
    if (compare_head(&head, &found, fits, reason))
        return REFUSED;
    *ret_checkpoint = head;
    return 0;
}

int tlog_check_piece(struct store *store, const struct checkpoint *head, struct rehash *rehash, struct reason *reason)
{
    uint64_t before = rehash->count;
    struct checkpoint found;
    int error = rehash_piece(rehash, store, head->size);

    if (error == -EUCLEAN || error == -EIO)
        return reason_refuse(reason, "store", CANT_BE_READ);
    if (error < 0)
        return error;
    if (!rehash->fits)
        return reason_refuse(reason, "store", DONT_FIT);
    if (rehash->count > before && rehash->count < head->size)
        return TLOG_MORE;
    found.size = rehash->count;
    rehash_root(rehash, &found.root);
    return compare_head(head, &found, true, reason);
}

int tlog_check_owner(struct store *store, const struct note_verifier *verifier, struct reason *reason)
{
    char expected[NOTE_VKEY_BYTES], found[NOTE_VKEY_BYTES];

    note_verifier_format(verifier, expected);
    if (!meta_read(store, "log", found, sizeof found))
        return store->error < 0 ? reason_refuse(reason, "store", CANT_BE_READ) : TLOG_NEW;
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
