/* One long poll at a time. An answer is taken in one transaction: its entries, its checkpoint and the position behind
 * the last entry that was proven, so that a crash leaves all of it or none. The directory's `next` isn't used: whoever
 * stands between could make the node skip a contract with it; the index of a proven entry can't be forged.
 *
 * A checkpoint that doesn't extend the one that we kept stops the taking of entries until one comes that does. Both
 * are signed by the directory: the journal keeps the other one as evidence, the heartbeat tells it from then on. What
 * runs goes on running. */

#include "provisiond/feed.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "provisiond/clock.h"
#include "provisiond/connect.h"
#include "provisiond/engine.h"
#include "provisiond/result.h"
#include "provisiond/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define RETRY_MS 300
#define RETRY_CAP_MS 10000

struct feed_job {
    struct node *node; /* for `done` only */
    const struct directory *directory;
    const struct key *key;
    int64_t after;
    uint64_t from_size;
    /* out */
    int r;
    struct directory_outcome outcome;
    struct reason reason;
    cJSON *answer;
};

static int each_contract(void *context, const struct journal_contract *row)
{
    struct node *node = context;
    struct wanted_reader reader = { key_id(node->key), node->sealing->public, node->sealing->secret };
    struct wanted *wanted = NULL, **end = &node->wanted;
    struct reason reason;
    int r = row->refused ? wanted_open_refused(row->envelope, row->envelope_size, &wanted, &reason)
                         : wanted_open(row->envelope, row->envelope_size, &reader, &wanted, &reason);

    if (r == REFUSED) {
        /* Accepted once: only another version of this program would see it otherwise. Its volumes stay. */
        log_error("contract %s: the journal's copy is refused now: %s", row->id, reason.text);
        return 0;
    }
    if (r < 0)
        return log_fail(r, "contract %s", row->id);
    wanted->index = row->index;
    wanted->ending = row->ending;
    wanted->state = wanted_state_parse(row->state);
    if (row->message[0])
        reason_refuse(&wanted->message, NULL, "%s", row->message);
    while (*end)
        end = &(*end)->next;
    *end = wanted;
    return 0;
}

static int load_checkpoint(struct node *node, const struct note_verifier *verifier)
{
    cleanup_free char *note = NULL;
    struct reason reason;
    int r = journal_get(node->journal, JOURNAL_CHECKPOINT, &note);

    if (r < 0 || !note)
        return r;
    if (checkpoint_open(note, verifier, &node->checkpoint, &reason) != 0) {
        log_warning("the kept checkpoint isn't this directory's (%s): its log is followed from the beginning",
                    reason.text);
        node->position = -1;
        return 0;
    }
    node->has_checkpoint = true;
    return 0;
}

int feed_load(struct node *node)
{
    cleanup_free char *position = NULL, *evidence = NULL, *told = NULL;
    int r = journal_get(node->journal, JOURNAL_POSITION, &position);

    if (r == 0)
        r = journal_get(node->journal, JOURNAL_EVIDENCE, &evidence);
    if (r == 0)
        r = journal_get(node->journal, JOURNAL_TIME, &told);
    if (r < 0)
        return r;
    node->position = position ? strtoll(position, NULL, 10) : -1;
    if (evidence)
        reason_refuse(&node->alert, NULL,
                      "the directory has once shown a log that doesn't extend the one that this node knows");
    if (told && !node->paths.root[0])
        clock_floor(strtoll(told, NULL, 10));
    return journal_each(node->journal, each_contract, node);
}

static void on_work(void *context)
{
    struct feed_job *job = context;

    job->r = directory_feed(job->directory, key_id(job->key), job->after, job->from_size, DIRECTORY_WAIT_S,
                            &job->answer, &job->outcome, &job->reason);
}

/* ---- taking an answer */

static bool seen(void *context, const char *id)
{
    return journal_has(context, id);
}

static int journal_contract(struct node *node, const struct verdict *verdict)
{
    const struct wanted *contract = verdict->contract;
    bool refused = verdict->kind == VERDICT_REFUSED;
    struct journal_contract row = { .index = verdict->index,
                                    .envelope = verdict->envelope,
                                    .envelope_size = strlen(verdict->envelope),
                                    .state = wanted_state_name(contract->state),
                                    .message = contract->message.text,
                                    .ending = refused,
                                    .refused = refused,
                                    .over = refused && contract->expires <= node_now(node) };
    int r;

    memcpy(row.id, contract->id, sizeof row.id);
    r = journal_add_contract(node->journal, &row);
    return r < 0 ? r : result_add(node, contract, contract->state, NULL, contract->message.text);
}

/* A cancelled contract ends; one that was refused has nothing to take down, and is over with this. */
static int journal_cancel(struct node *node, const char *id)
{
    const struct wanted *wanted = node->wanted;
    int r;

    while (wanted && strcmp(wanted->id, id) != 0)
        wanted = wanted->next;
    if (!wanted || !wanted->refused)
        return journal_set_ending(node->journal, id);
    r = journal_set_over(node->journal, id);
    return r == 0 ? result_add(node, wanted, WANTED_STOPPED, NULL, "") : r;
}

static void append(struct node *node, struct wanted *wanted)
{
    struct wanted **end = &node->wanted;

    while (*end)
        end = &(*end)->next;
    *end = wanted;
}

/* Takes one entry into journal and list; REFUSED when it isn't proven, so that the answer ends here. What is done about
 * the list is undone by the caller when the transaction fails. */
static int take_entry(struct node *node, const cJSON *entry, const struct checkpoint *checkpoint,
                      struct retry *unproven)
{
    struct verify_context context = { .reader = { key_id(node->key), node->sealing->public, node->sealing->secret },
                                      .capacity = node->capacity,
                                      .wanted = node->wanted,
                                      .now = node_now(node),
                                      .seen = seen,
                                      .seen_context = node->journal };
    struct verdict verdict;
    int r = verify_entry(entry, checkpoint, &context, &verdict);

    if (r < 0)
        return log_fail(r, "feed");
    if (verdict.kind == VERDICT_UNPROVEN) {
        log_error("feed: entry refused: %s", verdict.reason.text);
        unproven->reason = verdict.reason;
        verdict_close(&verdict);
        return REFUSED;
    }
    if (verdict.kind == VERDICT_IGNORED) {
        log_error("%s%s: refused: %s", verdict.id[0] ? "contract " : "feed: an entry", verdict.id, verdict.reason.text);
    } else if (verdict.kind == VERDICT_REFUSED) {
        log_error("contract %s: refused: %s", verdict.id, verdict.reason.text);
        r = journal_contract(node, &verdict);
        if (r == 0 && verdict.contract->expires > node_now(node))
            append(node, steal_pointer(verdict.contract));
    } else if (verdict.kind == VERDICT_CONTRACT) {
        r = journal_contract(node, &verdict);
        if (r == 0) {
            log_info("contract %s: accepted", verdict.id);
            append(node, steal_pointer(verdict.contract));
        }
    } else if ((r = journal_cancel(node, verdict.target)) == 0) {
        log_info("contract %s: cancelled", verdict.target);
        engine_end(node, verdict.target);
    }
    if (verdict.index > node->position)
        node->position = verdict.index;
    verdict_close(&verdict);
    return r;
}

static int keep_position(struct node *node, const char *note)
{
    char text[32];
    int r = journal_set(node->journal, JOURNAL_CHECKPOINT, note);

    snprintf(text, sizeof text, "%" PRId64, node->position);
    return r == 0 && node->position >= 0 ? journal_set(node->journal, JOURNAL_POSITION, text) : r;
}

static void rewritten(struct node *node, const cJSON *answer, const struct reason *reason)
{
    const char *note = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "checkpoint"));

    if (!node->rewritten)
        log_error(
            "the directory has rewritten its log: provisioning stops until it shows one that extends what this node "
            "knows: %s",
            reason->text);
    node->rewritten = true;
    node->alert = *reason;
    reason_prefix(&node->alert, "the directory has rewritten its log");
    if (note)
        journal_set(node->journal, JOURNAL_EVIDENCE, note);
}

/* 0; REFUSED and a reason when the answer isn't to be trusted (from some entry on); negative when the journal fails:
 * then memory may be ahead of the disk, and the daemon starts over from the disk. */
static int take_answer(struct node *node, const cJSON *answer, struct reason *reason)
{
    const cJSON *entries = cJSON_GetObjectItemCaseSensitive(answer, "entries"), *entry;
    struct checkpoint checkpoint;
    struct retry unproven = { 0 };
    int r = verify_checkpoint(answer, &node->directory.verifier, &node->directory.witnesses,
                              node->has_checkpoint ? &node->checkpoint : NULL, &checkpoint, reason);

    if (r == VERIFY_REWRITTEN)
        rewritten(node, answer, reason);
    if (r != 0)
        return REFUSED;
    node->rewritten = false;
    if (!cJSON_GetArraySize(entries) && node->has_checkpoint && checkpoint.size == node->checkpoint.size)
        return 0;
    r = journal_begin(node->journal);
    if (r < 0)
        return r;
    r = 0;
    cJSON_ArrayForEach(entry, entries)
        if ((r = take_entry(node, entry, &checkpoint, &unproven)) != 0)
            break;
    if (r >= 0) {
        int kept = keep_position(node, cJSON_GetObjectItemCaseSensitive(answer, "checkpoint")->valuestring);
        r = kept < 0 ? kept : r;
    }
    if (r < 0) {
        journal_rollback(node->journal);
        return r;
    }
    if (journal_commit(node->journal) < 0)
        return -EIO;
    node->has_checkpoint = true;
    node->checkpoint = checkpoint;
    *reason = unproven.reason;
    return r;
}

static void on_timer(uv_timer_t *timer);

static void later(struct node *node, uint64_t pause_ms)
{
    uv_timer_start(&node->feed_timer, on_timer, pause_ms, 0);
}

static void on_done(void *context)
{
    struct feed_job *job = context;
    struct node *node = job->node;
    struct reason reason = job->reason;
    const char *step = job->outcome.step;
    int r = job->r;

    node->feed_busy = false;
    if (r == 0)
        r = take_answer(node, job->answer, &reason);
    cJSON_Delete(job->answer);
    free(job);
    if (r < 0) {
        log_error("the journal failed: starting over from what it holds");
        daemon_stop(&node->daemon);
        return;
    }
    if (r == 0) {
        retry_done(&node->feed);
        node_contact(node, NULL, NULL);
        later(node, 0);
    } else {
        node_contact(node, step, &reason);
        later(node, retry_failed(&node->feed, "feed", &reason, RETRY_MS, RETRY_CAP_MS));
    }
    engine_kick(node);
    outbox_kick(node);
}

static void on_timer(uv_timer_t *timer)
{
    struct node *node = timer->data;
    struct feed_job *job;

    if (node->feed_busy || !node->registered)
        return;
    job = calloc(1, sizeof *job);
    if (!job)
        return later(node, RETRY_CAP_MS);
    *job = (struct feed_job){ .node = node,
                              .directory = &node->directory,
                              .key = node->key,
                              .after = node->position,
                              .from_size = node->has_checkpoint ? node->checkpoint.size : 0 };
    node->feed_busy = daemon_work(&node->daemon, on_work, on_done, job) == 0;
}

void feed_start(struct node *node)
{
    if (!node->feed_timer.data) {
        uv_timer_init(node->daemon.loop, &node->feed_timer);
        node->feed_timer.data = node;
        if (load_checkpoint(node, &node->directory.verifier) < 0)
            return daemon_stop(&node->daemon);
    }
    if (!node->feed_busy)
        later(node, 0);
}
