/* Who waits is in two lists: by node (a table of buckets), to be woken, and by deadline (a wheel whose slots are 100 ms
 * each), to be answered in vain. A turn of the wheel costs only those that are due. */

#include "contrib/directory/feed.h"

#include "contrib/directory/proven.h"
#include "contrib/directory/ring.h"
#include "contrib/directory/state.h"

#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096
#define SLOT_MS 100UL
#define WHEEL ((FEED_WAIT_MAX_S + 4UL) * 1000 / SLOT_MS) /* more than anybody waits */
#define ENTRIES_MAX 256                                  /* in one answer; the rest comes with the next request */
#define ENTRIES_BYTES_MAX (1024UL * 1024)                /* of envelopes, likewise */

struct waiter {
    struct ring by_node, by_time;
    struct feed *feed;
    struct request *request;
    struct feed_query query;
};

struct feed {
    struct directory *directory;
    struct ring buckets[BUCKETS], wheel[WHEEL];
    size_t waiting;
    uint64_t slot; /* where the wheel stands: uv_now by SLOT_MS */
    uv_timer_t timer;
    bool released;
};

#define waiter_of(item, member) ring_owner(item, struct waiter, member)

/* ---- The answer */

static cJSON *make_entry(struct directory *directory, const struct store_rows *rows, const struct checkpoint *head)
{
    uint64_t index = (uint64_t)store_integer(rows, 0);
    struct merkle_proof proof;
    size_t size;
    const char *envelope = store_bytes(rows, 1, &size) ?: "";
    char *text = strndup(envelope, size);
    cJSON *entry = cJSON_CreateObject();

    if (!text)
        directory->reader->error = -ENOMEM; /* so that the answer is 503, and nobody goes on behind it */
    if (text && proven_entry(directory->reader, head, index, envelope, size, &proof) == 0) {
        json_add_integer(entry, "index", (int64_t)index);
        cJSON_AddStringToObject(entry, "envelope", text);
        cJSON_AddItemToObject(entry, "proof", merkle_proof_to_json(&proof));
    }
    free(text);
    return entry;
}

/* The entries behind `after` under `head`. *ret_next: the last of them, or the log's last when that is
 * all. */
static cJSON *make_entries(struct directory *directory, const char *node, int64_t after, const struct checkpoint *head,
                           int64_t *ret_next)
{
    cleanup_rows struct store_rows rows;
    cJSON *entries = cJSON_CreateArray();
    int64_t size = (int64_t)head->size, last = -1;
    size_t bytes = 0, count = 0, length;

    store_select(directory->reader, &rows,
                 "SELECT idx, envelope FROM entries WHERE node = $1 AND idx > $2 AND idx < $3 ORDER BY idx",
                 VALUE_TEXT(node), VALUE_INTEGER(after), VALUE_INTEGER(size));
    while (count < ENTRIES_MAX && bytes < ENTRIES_BYTES_MAX && store_next(&rows)) {
        cJSON_AddItemToArray(entries, make_entry(directory, &rows, head));
        last = store_integer(&rows, 0);
        store_bytes(&rows, 1, &length);
        bytes += length;
        count++;
    }
    bool full = count == ENTRIES_MAX || bytes >= ENTRIES_BYTES_MAX;
    *ret_next = full ? last : size - 1;
    return entries;
}

static const struct tlog_head *head_for(const struct feed *feed, const struct feed_query *query)
{
    return query->cosigned ? directory_public_head(feed->directory) : &feed->directory->head;
}

/* Answers when there is something to tell, or when `finally`. */
static void try_answer(struct feed *feed, struct request *request, const struct feed_query *query, bool finally)
{
    struct directory *directory = feed->directory;
    const struct tlog_head *head = head_for(feed, query);
    struct merkle_proof proof = { 0 };
    int64_t next;

    if (query->from_size > head->checkpoint.size ||
        (query->cosigned && directory->gather && !directory->cosigned.note)) {
        if (finally) /* the asker knows more than what is cosigned */
            request_problem(request, 503, "the witnesses haven't cosigned the log that far yet");
        return;
    }
    cJSON *entries = make_entries(directory, request->argument, query->after, &head->checkpoint, &next);
    if (!finally && cJSON_GetArraySize(entries) == 0 && directory->reader->error == 0) {
        cJSON_Delete(entries);
        return;
    }
    cJSON *answer = cJSON_CreateObject();
    cJSON_AddItemToObject(answer, "entries", entries);
    cJSON_AddStringToObject(answer, "checkpoint", head->note);
    if (query->from_size > 0)
        proven_consistency(directory->reader, &head->checkpoint, query->from_size, head->checkpoint.size, &proof);
    cJSON_AddItemToObject(answer, "consistency", merkle_proof_to_json(&proof));
    json_add_integer(answer, "next", next);
    request_answer_json(request, 200, answer);
    directory_finish_read(directory, request);
}

/* ---- Waiting */

static struct ring *bucket_of(struct feed *feed, const char *node)
{
    uint32_t hash = 2166136261; /* FNV-1a */

    for (; *node; node++)
        hash = (hash ^ (uint8_t)*node) * 16777619;
    return &feed->buckets[hash % BUCKETS];
}

static void end_wait(struct feed *feed, struct waiter *waiter)
{
    feed->waiting--;
    ring_remove(&waiter->by_node);
    ring_remove(&waiter->by_time);
    request_resume(waiter->request);
    free(waiter);
}

static void on_hangup(struct request *request)
{
    struct waiter *waiter = request->waiter;

    end_wait(waiter->feed, waiter);
}

static void begin_wait(struct feed *feed, struct request *request, const struct feed_query *query)
{
    struct waiter *waiter = malloc(sizeof *waiter);

    if (!waiter) {
        request_problem(request, 503, "out of memory");
        return;
    }
    *waiter = (struct waiter){ .feed = feed, .request = request, .query = *query };
    ring_add(bucket_of(feed, request->argument), &waiter->by_node);
    ring_add(&feed->wheel[(feed->slot + (uint64_t)query->wait_s * 1000 / SLOT_MS) % WHEEL], &waiter->by_time);
    feed->waiting++;
    request_wait_long(request, on_hangup, waiter);
}

void feed_ask(struct feed *feed, struct request *request, const struct feed_query *query)
{
    struct directory *directory = feed->directory;
    uint64_t size = directory->head.checkpoint.size;
    bool wait = query->wait_s > 0 && !feed->released;

    if (!state_has_node(directory->reader, request->argument)) {
        request_problem(request, 404, "node %s isn't registered", request->argument);
        directory_finish_read(directory, request);
        return;
    }
    if (query->from_size > size) {
        request_problem(request, 400, "from_size: must be at most the log's size, which is %" PRIu64, size);
        return;
    }
    try_answer(feed, request, query, !wait);
    if (!request->status)
        begin_wait(feed, request, query);
}

void feed_wake(struct feed *feed, const char *node)
{
    struct ring *head = bucket_of(feed, node), *next;

    for (struct ring *item = head->next; item != head; item = next) {
        struct waiter *waiter = waiter_of(item, by_node);
        next = item->next;
        if (strcmp(waiter->request->argument, node) != 0)
            continue;
        try_answer(feed, waiter->request, &waiter->query, false);
        if (waiter->request->status)
            end_wait(feed, waiter);
    }
}

void feed_wake_entries(struct feed *feed, uint64_t from, uint64_t to)
{
    cleanup_rows struct store_rows rows;

    store_select(feed->directory->reader, &rows,
                 "SELECT DISTINCT node FROM entries WHERE idx >= $1 AND idx < $2 AND node IS NOT NULL",
                 VALUE_INTEGER(from), VALUE_INTEGER(to));
    while (store_next(&rows))
        feed_wake(feed, store_text(&rows, 0));
    store_clear(feed->directory->reader);
}

static void answer_slot(struct feed *feed, struct ring *slot)
{
    while (slot->next != slot) {
        struct waiter *waiter = waiter_of(slot->next, by_time);
        try_answer(feed, waiter->request, &waiter->query, true);
        end_wait(feed, waiter);
    }
}

/* The loop may have been late: every slot that went by is gone through. */
static void on_slot(uv_timer_t *timer)
{
    struct feed *feed = timer->data;
    uint64_t now = uv_now(feed->directory->loop) / SLOT_MS;

    for (unsigned turned = 0; feed->slot < now && turned < WHEEL; turned++)
        answer_slot(feed, &feed->wheel[++feed->slot % WHEEL]);
    feed->slot = now;
}

void feed_release(struct feed *feed)
{
    feed->released = true;
    for (unsigned i = 0; i < WHEEL; i++)
        answer_slot(feed, &feed->wheel[i]);
}

int feed_new(struct directory *directory, struct feed **ret_feed)
{
    struct feed *feed = calloc(1, sizeof *feed);

    if (!feed)
        return -ENOMEM;
    feed->directory = directory;
    for (unsigned i = 0; i < BUCKETS; i++)
        ring_init(&feed->buckets[i]);
    for (unsigned i = 0; i < WHEEL; i++)
        ring_init(&feed->wheel[i]);
    feed->slot = uv_now(directory->loop) / SLOT_MS;
    uv_timer_init(directory->loop, &feed->timer);
    feed->timer.data = feed;
    uv_timer_start(&feed->timer, on_slot, SLOT_MS, SLOT_MS);
    *ret_feed = feed;
    return 0;
}

size_t feed_waiting(const struct feed *feed)
{
    return feed->waiting;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void feed_free(struct feed *feed)
{
    if (feed)
        uv_close((uv_handle_t *)&feed->timer, on_closed);
}
