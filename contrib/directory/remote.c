/* Tiles and bundles over HTTP. A tree hash between the levels that tiles hold is computed from the tile below it. */

#include "contrib/directory/remote.h"

#include "lib/cleanup.h"
#include "lib/http.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define TIMEOUT_MS 30000
#define TILE_PATH_BYTES (16 + TILE_NAME_BYTES)
#define BUNDLE_BYTES_MAX ((size_t)TILE_WIDTH * (2 + 65535))

static int get(struct remote *remote, const char *path, unsigned wait_s, size_t max, struct http_answer *ret_answer,
               struct reason *reason)
{
    char url[REMOTE_URL_BYTES + 128];
    struct http_request request = {
        .method = "GET",
        .url = url,
        .answer_bytes_max = max,
        .gzip = true,
        .timeout_ms = TIMEOUT_MS + wait_s * 1000,
        .ca_pem = remote->ca_pem,
        .cancelled = remote->cancelled,
        .context = remote->context,
    };

    snprintf(url, sizeof url, "%s%s", remote->url, path);
    return http_perform(&request, ret_answer, reason);
}

/* 200 alone will do. */
static int get_ok(struct remote *remote, const char *path, unsigned wait_s, size_t max, struct http_answer *ret_answer,
                  struct reason *reason)
{
    struct http_answer answer;
    int result = get(remote, path, wait_s, max, &answer, reason);

    if (result)
        return result;
    if (answer.status == 200) {
        *ret_answer = answer;
        return 0;
    }
    http_problem(&answer, reason);
    http_answer_close(&answer);
    return reason_prefix(reason, path);
}

/* ---- The checkpoint */

static int get_checkpoint(struct remote *remote, uint64_t above, unsigned wait_s, struct http_answer *ret_answer,
                          bool *ret_waited, struct reason *reason)
{
    char path[96];

    *ret_waited = wait_s > 0 && !remote->no_wait;
    if (*ret_waited) {
        snprintf(path, sizeof path, "/v1/log/checkpoint?above=%" PRIu64 "&wait=%u", above, wait_s);
        int result = get(remote, path, wait_s, NOTE_BYTES_MAX, ret_answer, reason);
        if (result || ret_answer->status == 200)
            return result;
        bool unknown = ret_answer->status >= 400 && ret_answer->status < 500 && ret_answer->status != 429;
        http_problem(ret_answer, reason);
        http_answer_close(ret_answer);
        if (!unknown)
            return REFUSED;
        remote->no_wait = true;
        *ret_waited = false;
    }
    return get_ok(remote, "/log/checkpoint", 0, NOTE_BYTES_MAX, ret_answer, reason);
}

int remote_checkpoint(struct remote *remote, const struct note_verifier *verifier, uint64_t above, unsigned wait_s,
                      struct tlog_head *ret_head, bool *ret_waited, struct reason *reason)
{
    struct http_answer answer;
    struct tlog_head head;
    int result = get_checkpoint(remote, above, wait_s, &answer, ret_waited, reason);

    if (result)
        return result;
    result = checkpoint_open(answer.body, verifier, &head.checkpoint, reason);
    if (!result) {
        head.note = steal_pointer(answer.body);
        *ret_head = head;
    }
    http_answer_close(&answer);
    return result;
}

/* ---- Tiles */

/* The widest that a tree of `size` has of it. */
static struct tile make_tile(int level, uint64_t index, uint64_t size)
{
    uint64_t hashes = level > 0 ? size >> (8 * level) : size;
    uint64_t left = hashes - index * TILE_WIDTH;

    return (struct tile){ level, index, left < TILE_WIDTH ? (unsigned)left : TILE_WIDTH };
}

/* The partial one may be gone once the full one is there (tlog-tiles, "Partial Tiles"). */
static int get_tile(struct remote *remote, const struct tile *tile, size_t max, struct http_answer *ret_answer,
                    struct reason *reason)
{
    char path[TILE_PATH_BYTES] = "/log/tile/", *name = path + strlen(path);
    struct tile full = *tile;

    tile_format(tile, name);
    int result = get_ok(remote, path, 0, max, ret_answer, reason);
    if (!result || tile->width == TILE_WIDTH)
        return result;
    full.width = TILE_WIDTH;
    tile_format(&full, name);
    return get_ok(remote, path, 0, max, ret_answer, NULL) ? result : 0;
}

int remote_bundle(struct remote *remote, uint64_t index, uint64_t size, uint8_t **ret_bytes, size_t *ret_size,
                  unsigned *ret_count, struct reason *reason)
{
    struct tile tile = make_tile(TILE_ENTRIES, index / TILE_WIDTH, size);
    struct http_answer answer;
    int result = get_tile(remote, &tile, BUNDLE_BYTES_MAX, &answer, reason);

    if (result)
        return result;
    *ret_bytes = (uint8_t *)answer.body;
    *ret_size = answer.body_size;
    *ret_count = tile.width;
    return 0;
}

int remote_tile(struct remote *remote, int level, uint64_t index, uint64_t size, uint8_t **ret_bytes, size_t *ret_size,
                struct tile *ret_tile, struct reason *reason)
{
    struct tile tile = make_tile(level, index, size);
    struct http_answer answer;
    int result = get_tile(remote, &tile, TILE_WIDTH * MERKLE_HASH_BYTES, &answer, reason);

    if (result)
        return result;
    *ret_bytes = (uint8_t *)answer.body;
    *ret_size = answer.body_size;
    *ret_tile = tile;
    return 0;
}

/* ---- Hashes */

struct reading {
    struct remote *remote;
    struct reason *reason;
};

static int hold_tile(struct reading *reading, const struct tile *tile)
{
    struct remote_tile *held = &reading->remote->tiles[tile->level];
    size_t size = tile->width * MERKLE_HASH_BYTES;
    struct http_answer answer;

    if (held->held && held->tile.index == tile->index && held->tile.width >= tile->width)
        return 0;
    if (get_tile(reading->remote, tile, sizeof held->hashes, &answer, reading->reason))
        return -EIO;
    held->held = answer.body_size >= size;
    if (held->held)
        memcpy(held->hashes, answer.body, size);
    held->tile = *tile;
    http_answer_close(&answer);
    if (held->held)
        return 0;
    reason_refuse(reading->reason, NULL, "a tile is shorter than its name says");
    return -EIO;
}

/* merkle_read: 2^(level % 8) hashes of a tile, folded. */
static int read_hash(void *context, unsigned level, uint64_t index, struct merkle_hash *ret_hash)
{
    struct reading *reading = context;
    unsigned fold = level % 8, count = 1u << fold;
    uint64_t first = index << fold;
    struct tile tile = make_tile((int)level / 8, first / TILE_WIDTH, reading->remote->size);
    struct merkle_hash hashes[TILE_WIDTH / 2];
    int error = hold_tile(reading, &tile);

    if (error < 0)
        return error;
    memcpy(hashes, reading->remote->tiles[tile.level].hashes + first % TILE_WIDTH * MERKLE_HASH_BYTES,
           count * MERKLE_HASH_BYTES);
    for (; count > 1; count /= 2) {
        for (unsigned i = 0; i < count / 2; i++)
            merkle_node(&hashes[2 * i], &hashes[2 * i + 1], &hashes[i]);
    }
    *ret_hash = hashes[0];
    return 0;
}

int remote_prove_consistency(struct remote *remote, uint64_t from, uint64_t size, struct merkle_proof *ret_proof,
                             struct reason *reason)
{
    struct reading reading = { remote, reason };

    remote->size = size;
    *ret_proof = (struct merkle_proof){ 0 };
    if (from == 0 || from == size)
        return 0;
    return merkle_prove_consistency(read_hash, &reading, from, size, ret_proof) < 0 ? REFUSED : 0;
}

int remote_root(struct remote *remote, uint64_t from, uint64_t size, struct merkle_hash *ret_root,
                struct reason *reason)
{
    struct reading reading = { remote, reason };

    remote->size = size;
    return merkle_root(read_hash, &reading, from, ret_root) < 0 ? REFUSED : 0;
}

void remote_forget(struct remote *remote)
{
    for (size_t i = 0; i < sizeof remote->tiles / sizeof *remote->tiles; i++)
        remote->tiles[i].held = false;
}
