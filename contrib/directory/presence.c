/* A balanced tree (tsearch(3)) of who was seen, and a list of what changed since it was last written. */

#include "contrib/directory/presence.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#define NONCES 8      /* heartbeats of one second that are told apart */
#define NONCE_BYTES 8 /* of each nonce, which has at least 16 random ones */

struct presence_node {
    struct seen seen; /* first: it is what the tree compares */
    uint8_t nonces[NONCES][NONCE_BYTES];
    unsigned nonces_count;
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

static struct presence_node *obtain(struct presence *presence, const char *node)
{
    struct presence_node *found = find(presence, node);

    if (found)
        return found;
    found = calloc(1, sizeof *found);
    if (!found)
        return NULL;
    snprintf(found->seen.node, sizeof found->seen.node, "%s", node);
    if (!tsearch(found, &presence->tree, compare)) {
        free(found);
        return NULL;
    }
    return found;
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

const struct seen *presence_find(const struct presence *presence, const char *node)
{
    const struct presence_node *found = find(presence, node);

    return found ? &found->seen : NULL;
}

void presence_touch(struct presence *presence, const char *node, int64_t now_s)
{
    struct presence_node *found = obtain(presence, node);

    if (!found)
        return;
    found->seen.last_seen_s = now_s;
    note_change(presence, found);
}

/* true when this nonce was seen in the present second of the node's time, or too many were. */
static bool is_replay(struct presence_node *node, const cJSON *payload)
{
    size_t size;
    cleanup_free uint8_t *nonce = decode_base64(json_string(payload, "nonce"), &size);

    if (!nonce || size < NONCE_BYTES || node->nonces_count == NONCES)
        return true;
    for (unsigned i = 0; i < node->nonces_count; i++) {
        if (memcmp(node->nonces[i], nonce, NONCE_BYTES) == 0)
            return true;
    }
    memcpy(node->nonces[node->nonces_count++], nonce, NONCE_BYTES);
    return false;
}

int presence_beat(struct presence *presence, const struct statement *heartbeat, int64_t now_s, struct reason *reason)
{
    struct presence_node *node = obtain(presence, heartbeat->signer_id);

    if (!node) {
        reason_refuse(reason, NULL, "out of memory");
        return 503;
    }
    if (heartbeat->created > node->seen.created_s)
        node->nonces_count = 0;
    if (heartbeat->created < node->seen.created_s || is_replay(node, heartbeat->payload)) {
        reason_refuse(reason, "created", "this heartbeat, or a newer one, was taken in already");
        return 409;
    }
    node->seen.last_seen_s = now_s;
    node->seen.created_s = heartbeat->created;
    node->seen.used = resources_from_json(json_member(heartbeat->payload, "used"));
    note_change(presence, node);
    return 0;
}

struct seen *presence_take_changed(struct presence *presence, size_t *ret_count)
{
    struct seen *seen = presence->changed_count ? malloc(presence->changed_count * sizeof *seen) : NULL;
    size_t count = 0;

    *ret_count = 0;
    if (!seen)
        return NULL;
    for (struct presence_node *node = presence->changed; node; node = node->next_changed) {
        node->changed = false;
        seen[count++] = node->seen;
    }
    presence->changed = NULL;
    presence->changed_count = 0;
    *ret_count = count;
    return seen;
}

void presence_write(struct store *store, const struct seen *seen, size_t count)
{
    for (; count > 0; count--, seen++) {
        store_run(store,
                  "INSERT INTO presence (node, last_seen, created, cru, mru, sru, hru)"
                  " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (node) DO UPDATE SET last_seen = $2, created = $3,"
                  " cru = $4, mru = $5, sru = $6, hru = $7",
                  VALUE_TEXT(seen->node), VALUE_INTEGER(seen->last_seen_s), VALUE_INTEGER(seen->created_s),
                  VALUE_INTEGER(seen->used.cru_milli), VALUE_INTEGER(seen->used.mru_bytes),
                  VALUE_INTEGER(seen->used.sru_bytes), VALUE_INTEGER(seen->used.hru_bytes));
    }
}

static int read_all(struct store *store, struct presence *presence)
{
    cleanup_rows struct store_rows rows;

    store_select(store, &rows, "SELECT node, last_seen, created, cru, mru, sru, hru FROM presence");
    while (store_next(&rows)) {
        struct presence_node *node = obtain(presence, store_text(&rows, 0));
        if (!node)
            return -ENOMEM;
        node->seen.last_seen_s = store_integer(&rows, 1);
        node->seen.created_s = store_integer(&rows, 2);
        node->seen.used = (struct resources){ store_integer(&rows, 3), store_integer(&rows, 4), store_integer(&rows, 5),
                                              store_integer(&rows, 6) };
    }
    return store->error;
}

int presence_open(struct store *store, struct presence **ret_presence)
{
    struct presence *presence = calloc(1, sizeof *presence);
    int error = presence ? read_all(store, presence) : -ENOMEM;

    if (error < 0) {
        presence_free(presence);
        return error;
    }
    *ret_presence = presence;
    return 0;
}

void presence_free(struct presence *presence)
{
    if (!presence)
        return;
    tdestroy(presence->tree, free);
    free(presence);
}
