/* A balanced tree (tsearch(3)) of who was seen and isn't in the table yet, and a list of those that nobody is writing
 * now. */

#include "contrib/directory/presence.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct presence_node {
    struct seen seen; /* first: it is what the tree compares */
    struct presence_node *next_changed;
    bool changed;
};

struct presence {
    void *tree;
    struct presence_node *changed;
    size_t changed_count;
};

static int compare(const void *left, const void *right)
{
    return strcmp(((const struct seen *)left)->node, ((const struct seen *)right)->node);
}

static struct presence_node *find(const struct presence *presence, const char *node)
{
    struct seen wanted;
    void *found;

    snprintf(wanted.node, sizeof wanted.node, "%s", node);
    found = tfind(&wanted, &presence->tree, compare);
    return found ? *(struct presence_node **)found : NULL;
}

static void note_change(struct presence *presence, struct presence_node *node)
{
    if (node->changed)
        return;
    node->changed = true;
    node->next_changed = presence->changed;
    presence->changed = node;
    presence->changed_count++;
}

const struct seen *presence_recent(const struct presence *presence, const char *node)
{
    const struct presence_node *found = find(presence, node);

    return found ? &found->seen : NULL;
}

static bool read_seen(struct store *store, const char *node, struct seen *ret_seen)
{
    cleanup_rows struct store_rows rows;
    size_t size;

    store_select(store, &rows, "SELECT last_seen, created, cru, mru, sru, hru, nonces FROM presence WHERE node = $1",
                 VALUE_TEXT(node));
    if (!store_next(&rows))
        return false;
    *ret_seen = (struct seen){ .last_seen_s = store_integer(&rows, 0), .created_s = store_integer(&rows, 1) };
    snprintf(ret_seen->node, sizeof ret_seen->node, "%s", node);
    ret_seen->used = (struct resources){ store_integer(&rows, 2), store_integer(&rows, 3), store_integer(&rows, 4),
                                         store_integer(&rows, 5) };
    const void *nonces = store_bytes(&rows, 6, &size);
    if (nonces && size <= sizeof ret_seen->nonces) {
        memcpy(ret_seen->nonces, nonces, size);
        ret_seen->nonces_count = (unsigned)(size / SEEN_NONCE_BYTES);
    }
    return true;
}

bool presence_find(const struct presence *presence, struct store *store, const char *node, struct seen *ret_seen)
{
    const struct seen *recent = presence_recent(presence, node);

    if (!recent)
        return read_seen(store, node, ret_seen);
    *ret_seen = *recent;
    return true;
}

/* true when this nonce was seen in the present second of the node's time, or too many were. */
static bool is_replay(struct seen *seen, const cJSON *payload)
{
    size_t size;
    cleanup_free uint8_t *nonce = decode_base64(json_string(payload, "nonce"), &size);

    if (!nonce || size < SEEN_NONCE_BYTES || seen->nonces_count == SEEN_NONCES)
        return true;
    for (unsigned i = 0; i < seen->nonces_count; i++) {
        if (memcmp(seen->nonces[i], nonce, SEEN_NONCE_BYTES) == 0)
            return true;
    }
    memcpy(seen->nonces[seen->nonces_count++], nonce, SEEN_NONCE_BYTES);
    return false;
}

static int keep(struct presence *presence, const struct seen *seen)
{
    struct presence_node *node = find(presence, seen->node);

    if (!node) {
        node = calloc(1, sizeof *node);
        if (!node)
            return -ENOMEM;
        node->seen = *seen;
        if (!tsearch(node, &presence->tree, compare)) {
            free(node);
            return -ENOMEM;
        }
    }
    node->seen = *seen;
    note_change(presence, node);
    return 0;
}

int presence_beat(struct presence *presence, struct store *store, const struct statement *heartbeat, int64_t now_s,
                  struct reason *reason)
{
    struct seen seen = { 0 };

    presence_find(presence, store, heartbeat->signer_id, &seen);
    snprintf(seen.node, sizeof seen.node, "%s", heartbeat->signer_id);
    if (seen.last_seen_s > now_s + SEEN_APART_S)
        seen.created_s = 0;
    if (heartbeat->created > seen.created_s)
        seen.nonces_count = 0;
    if (heartbeat->created < seen.created_s || is_replay(&seen, heartbeat->payload)) {
        reason_refuse(reason, "created", "this heartbeat, or a newer one, was taken in already");
        return 409;
    }
    seen.last_seen_s = now_s;
    seen.created_s = heartbeat->created;
    seen.used = resources_from_json(json_member(heartbeat->payload, "used"));
    if (keep(presence, &seen) < 0) {
        reason_refuse(reason, NULL, "out of memory");
        return 503;
    }
    return 0;
}

/* ---- Into the table */

size_t presence_changed(const struct presence *presence)
{
    return presence->changed_count;
}

struct seen *presence_take_changed(struct presence *presence, size_t max, size_t *ret_count)
{
    size_t count = presence->changed_count < max ? presence->changed_count : max;
    struct seen *seen = count ? malloc(count * sizeof *seen) : NULL;

    *ret_count = 0;
    if (!seen)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        struct presence_node *node = presence->changed;
        presence->changed = node->next_changed;
        node->changed = false;
        seen[i] = node->seen;
    }
    presence->changed_count -= count;
    qsort(seen, count, sizeof *seen, compare); /* two who write the same rows in one order can't wait for each other */
    *ret_count = count;
    return seen;
}

void presence_written(struct presence *presence, struct seen *seen, size_t count, bool in_table)
{
    for (size_t i = 0; i < count; i++) {
        struct presence_node *node = find(presence, seen[i].node);
        if (!node || node->changed)
            continue; /* it was seen again meanwhile */
        if (in_table) {
            tdelete(node, &presence->tree, compare);
            free(node);
        } else {
            note_change(presence, node);
        }
    }
    free(seen);
}

void presence_write(struct store *store, const struct seen *seen, size_t count, int64_t now_s)
{
    for (; count > 0; count--, seen++) {
        store_run(store,
                  "INSERT INTO presence (node, last_seen, created, cru, mru, sru, hru, nonces)"
                  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (node) DO UPDATE SET last_seen ="
                  " CASE WHEN presence.last_seen > $2 AND presence.last_seen <= $9 THEN presence.last_seen ELSE $2 END,"
                  " created = $3, cru = $4, mru = $5, sru = $6, hru = $7, nonces = $8"
                  " WHERE presence.created <= $3 OR presence.last_seen > $9",
                  VALUE_TEXT(seen->node), VALUE_INTEGER(seen->last_seen_s), VALUE_INTEGER(seen->created_s),
                  VALUE_INTEGER(seen->used.cru_milli), VALUE_INTEGER(seen->used.mru_bytes),
                  VALUE_INTEGER(seen->used.sru_bytes), VALUE_INTEGER(seen->used.hru_bytes),
                  VALUE_BYTES(seen->nonces, seen->nonces_count * SEEN_NONCE_BYTES),
                  VALUE_INTEGER(now_s + SEEN_APART_S));
    }
}

void presence_touch(struct store *store, const char *node, int64_t now_s)
{
    store_run(store,
              "INSERT INTO presence (node, last_seen, created, cru, mru, sru, hru) VALUES ($1, $2, 0, 0, 0, 0, 0)"
              " ON CONFLICT (node) DO UPDATE SET last_seen = $2,"
              " created = CASE WHEN presence.last_seen > $3 THEN 0 ELSE presence.created END",
              VALUE_TEXT(node), VALUE_INTEGER(now_s), VALUE_INTEGER(now_s + SEEN_APART_S));
}

struct presence *presence_new(void)
{
    return calloc(1, sizeof(struct presence));
}

void presence_free(struct presence *presence)
{
    if (!presence)
        return;
    tdestroy(presence->tree, free);
    free(presence);
}
