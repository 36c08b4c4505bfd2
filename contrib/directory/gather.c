/* Rounds of asking witnesses. Each request has a thread of its own while it runs: one that hangs takes nothing from the
 * pool in which statements are checked. All else is on the loop.
 *
 *     gather_head ─ begin_round ─┬ ask(w0) ─ thread ─┐
 *                                ├ ask(w1) ─ thread ─┼─ async ─ take_answer ─ cosignature ─ quorum? ─ publish
 *                                └ ask(w2) ─ thread ─┘                     └ 409: its size, ask again
 */

#include "contrib/directory/gather.h"

#include "contrib/directory/feed.h"
#include "contrib/directory/log_wait.h"
#include "contrib/directory/witness_rules.h"

#include "lib/cleanup.h"
#include "lib/http.h"
#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define ROUND_MS 1000
#define TIMEOUT_MS 5000
#define PAUSE_MAX_MS 30000
#define ASKS_MAX 3 /* in one round: the first, and after a 409 or two */

struct peer {
    struct gather *gather;
    const struct note_verifier *verifier;
    char url[GATHER_URL_BYTES + 32];
    uint64_t known; /* size of the last checkpoint that it cosigned, as far as we know */
    bool failing;   /* said so in the log */
    unsigned failures, asks;
    uint64_t next_ms; /* not before this time */
    char *line;       /* its cosignature of the round's checkpoint */

    /* The request under way: handed to the thread, and back when `done`. */
    bool busy;
    uv_thread_t thread;
    atomic_bool done;
    uint64_t old_size, size; /* what is asked */
    char *note, *body;
    int result;
    struct http_answer answer;
    struct reason reason;
};

struct gather {
    struct directory *directory;
    struct cosignature_policy policy;
    struct peer peers[COSIGNATURE_WITNESSES_MAX];
    struct tlog_head round; /* `note` has the log's signature only */
    uint64_t round_ms;      /* when it began */
    uint64_t waiting_ms;    /* since when an entry waits for its quorum; 0: none does */
    uv_async_t async;
    uv_timer_t timer;
    atomic_bool stopping;
    unsigned handles;
};

int gather_add_witness(struct gather_options *options, const char *text, struct reason *reason)
{
    const char *plus = strchr(text, '+'), *second = plus ? strchr(plus + 1, '+') : NULL;
    const char *comma = second ? strchr(second, ',') : NULL;
    size_t index = options->policy.count;

    if (!comma || (strncmp(comma + 1, "https://", 8) != 0 && strncmp(comma + 1, "http://", 7) != 0))
        return reason_refuse(reason, NULL, "a witness must be given as VKEY,URL");
    if (strlen(comma + 1) >= GATHER_URL_BYTES)
        return reason_refuse(reason, NULL, "a witness's URL has less than %d bytes", GATHER_URL_BYTES);
    cleanup_free char *vkey = strndup(text, (size_t)(comma - text));
    if (!vkey)
        return -ENOMEM;
    int error = cosignature_policy_add(&options->policy, vkey, reason);
    if (!error)
        snprintf(options->urls[index], GATHER_URL_BYTES, "%s", comma + 1);
    return error;
}

/* ---- Publishing */

static char *join_lines(const struct gather *gather)
{
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    if (!stream)
        return NULL;
    fputs(gather->round.note, stream);
    for (size_t i = 0; i < gather->policy.count; i++)
        fputs(gather->peers[i].line ?: "", stream);
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

static unsigned count_lines(const struct gather *gather)
{
    unsigned count = 0;

    for (size_t i = 0; i < gather->policy.count; i++)
        count += gather->peers[i].line != NULL;
    return count;
}

/* Cosignatures that come after the quorum are added to it. */
static void publish(struct gather *gather)
{
    struct directory *directory = gather->directory;
    struct tlog_head *public = &directory->cosigned;
    uint64_t before = public->note ? public->checkpoint.size : 0;
    char *note = join_lines(gather);

    if (!note)
        return;
    tlog_head_close(public);
    *public = (struct tlog_head){ gather->round.checkpoint, note };
    directory->cosigned_unwritten = true;
    gather->waiting_ms = directory->head.checkpoint.size > public->checkpoint.size ? gather->round_ms : 0;
    if (public->checkpoint.size == before)
        return;
    feed_wake_entries(directory->feed, before, public->checkpoint.size);
    log_wait_wake(directory->log_wait);
}

/* ---- One request */

static bool is_cancelled(void *context)
{
    const struct peer *peer = context;

    return atomic_load(&peer->gather->stopping);
}

static void run_peer(void *context)
{
    struct peer *peer = context;
    struct http_request request = {
        .method = "POST",
        .url = peer->url,
        .headers = (const char *const[]){ "Content-Type: text/plain; charset=utf-8", NULL },
        .body = peer->body,
        .body_size = strlen(peer->body),
        .answer_bytes_max = NOTE_BYTES_MAX,
        .timeout_ms = TIMEOUT_MS,
        .cancelled = is_cancelled,
        .context = peer,
    };

    peer->result = http_perform(&request, &peer->answer, &peer->reason);
    atomic_store(&peer->done, true);
    uv_async_send(&peer->gather->async);
}

static void fail_peer(struct peer *peer, const char *what)
{
    uint64_t pause_ms = (uint64_t)ROUND_MS << (peer->failures < 5 ? peer->failures : 5);

    if (!peer->failing)
        log_warning("witness %s doesn't cosign: %s", peer->verifier->name, what);
    peer->failing = true;
    peer->failures++;
    peer->next_ms = uv_now(peer->gather->directory->loop) + (pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS);
}

static void ask(struct peer *peer)
{
    struct gather *gather = peer->gather;
    struct directory *directory = gather->directory;
    struct merkle_proof proof = { 0 };
    uint64_t size = gather->round.checkpoint.size;

    if (peer->busy || peer->line || peer->asks == ASKS_MAX || peer->known > size ||
        uv_now(directory->loop) < peer->next_ms)
        return;
    if (peer->known > 0 && tlog_prove_consistency(directory->reader, peer->known, size, &proof) < 0) {
        store_clear(directory->reader);
        return;
    }
    peer->old_size = peer->known;
    peer->size = size;
    peer->note = strdup(gather->round.note);
    peer->body = witness_format(peer->known, &proof, gather->round.note);
    peer->reason.text[0] = '\0';
    peer->asks++;
    atomic_store(&peer->done, false);
    if (peer->note && peer->body && uv_thread_create(&peer->thread, run_peer, peer) == 0) {
        peer->busy = true;
        return;
    }
    free(steal_pointer(peer->note));
    free(steal_pointer(peer->body));
}

/* ---- Its answer */

struct pick {
    const struct note_verifier *verifier;
    char *line;
};

static int pick_cosignature(void *context, const struct note_signature *signature, struct reason *reason)
{
    struct pick *pick = context;
    int64_t time_s;

    if (!pick->line && cosignature_verify(signature, pick->verifier, &time_s))
        pick->line = note_signature_line(pick->verifier, signature->bytes, signature->size);
    return 0;
}

static void take_cosignature(struct peer *peer)
{
    struct pick pick = { .verifier = peer->verifier };
    char *note;

    if (asprintf(&note, "%s%s", peer->note, peer->answer.body) < 0)
        return;
    int r = note_walk(note, "the witness's answer", pick_cosignature, &pick, &peer->reason);
    free(note);
    if (r || !pick.line) {
        free(pick.line);
        fail_peer(peer, r ? peer->reason.text : "its answer has no good cosignature under its key");
        return;
    }
    if (peer->failing)
        log_info("witness %s cosigns again", peer->verifier->name);
    peer->failing = false;
    peer->failures = 0;
    peer->known = peer->size;
    if (peer->size == peer->gather->round.checkpoint.size)
        peer->line = pick.line;
    else
        free(pick.line);
}

/* 409: it knows another size; or it knows this size with another root. */
static void take_size(struct peer *peer)
{
    char *end, text[160];
    uint64_t size = strtoull(peer->answer.body, &end, 10);

    if (end == peer->answer.body || (*end && strcmp(end, "\n") != 0)) {
        fail_peer(peer, "it answered 409 without its size");
    } else if (size > peer->gather->directory->head.checkpoint.size || (size == peer->old_size && size == peer->size)) {
        snprintf(text, sizeof text,
                 "it has seen another history of %" PRIu64
                 " entries signed with this log's key: an old copy of the store, or a second directory with this key?",
                 size);
        fail_peer(peer, text);
    } else {
        peer->known = size;
    }
}

static void take_answer(struct peer *peer)
{
    char text[32 + sizeof peer->reason.text];

    peer->busy = false;
    uv_thread_join(&peer->thread);
    if (peer->result) {
        fail_peer(peer, peer->reason.text);
    } else if (peer->answer.status == 200) {
        take_cosignature(peer);
    } else if (peer->answer.status == 409) {
        take_size(peer);
    } else {
        http_problem(&peer->answer, &peer->reason);
        snprintf(text, sizeof text, "HTTP status %d, %s", peer->answer.status, peer->reason.text);
        fail_peer(peer, text);
    }
    if (!peer->result)
        http_answer_close(&peer->answer);
    free(steal_pointer(peer->note));
    free(steal_pointer(peer->body));
}

/* ---- Rounds */

static bool is_asking(const struct gather *gather)
{
    for (size_t i = 0; i < gather->policy.count; i++) {
        if (gather->peers[i].busy && gather->peers[i].size == gather->round.checkpoint.size)
            return true;
    }
    return false;
}

static void ask_all(struct gather *gather)
{
    for (size_t i = 0; i < gather->policy.count && gather->round.note; i++)
        ask(&gather->peers[i]);
}

static void begin_round(struct gather *gather)
{
    const struct tlog_head *head = &gather->directory->head;
    bool same = gather->round.note && gather->round.checkpoint.size == head->checkpoint.size;
    char *note = same ? NULL : strdup(head->note);

    if (!same && !note)
        return;
    if (!same) {
        tlog_head_close(&gather->round);
        gather->round = (struct tlog_head){ head->checkpoint, note };
    }
    gather->round_ms = uv_now(gather->directory->loop);
    for (size_t i = 0; i < gather->policy.count; i++) {
        if (!same)
            free(steal_pointer(gather->peers[i].line));
        gather->peers[i].asks = 0;
    }
    ask_all(gather);
}

/* A round goes on until it has its quorum or nobody is asked any more, and for a second at least. One that ended in
 * vain is taken up again with what the log is then. */
static void consider_round(struct gather *gather)
{
    const struct tlog_head *head = &gather->directory->head;
    bool over = !gather->round.note || count_lines(gather) >= gather->policy.quorum || !is_asking(gather);
    bool done = gather->round.note && gather->round.checkpoint.size == head->checkpoint.size &&
                count_lines(gather) >= gather->policy.quorum;

    if (over && !done && head->checkpoint.size > 0 &&
        (!gather->round.note || uv_now(gather->directory->loop) - gather->round_ms >= ROUND_MS))
        begin_round(gather);
}

void gather_head(struct gather *gather)
{
    uv_update_time(gather->directory->loop);
    if (!gather->waiting_ms)
        gather->waiting_ms = uv_now(gather->directory->loop);
    consider_round(gather);
}

int64_t gather_waiting_s(const struct gather *gather)
{
    return gather->waiting_ms ? (int64_t)(uv_now(gather->directory->loop) - gather->waiting_ms) / 1000 : 0;
}

static void on_timer(uv_timer_t *timer)
{
    consider_round(timer->data);
}

static void on_async(uv_async_t *async)
{
    struct gather *gather = async->data;
    unsigned before = count_lines(gather);

    for (size_t i = 0; i < gather->policy.count; i++) {
        if (gather->peers[i].busy && atomic_load(&gather->peers[i].done))
            take_answer(&gather->peers[i]);
    }
    if (count_lines(gather) > before && count_lines(gather) >= gather->policy.quorum)
        publish(gather);
    ask_all(gather);
}

/* ---- Beginning and end */

int gather_new(struct directory *directory, const struct gather_options *options, struct gather **ret_gather)
{
    struct gather *gather = calloc(1, sizeof *gather);

    if (!gather)
        return -ENOMEM;
    gather->directory = directory;
    gather->policy = options->policy;
    if (directory->head.checkpoint.size > directory->cosigned.checkpoint.size)
        gather->waiting_ms = uv_now(directory->loop);
    for (size_t i = 0; i < options->policy.count; i++) {
        struct peer *peer = &gather->peers[i];
        peer->gather = gather;
        peer->verifier = &gather->policy.witnesses[i];
        size_t length = strlen(options->urls[i]);
        snprintf(peer->url, sizeof peer->url, "%s%sadd-checkpoint", options->urls[i],
                 options->urls[i][length - 1] == '/' ? "" : "/");
    }
    gather->async.data = gather->timer.data = gather;
    uv_async_init(directory->loop, &gather->async, on_async);
    uv_timer_init(directory->loop, &gather->timer);
    uv_timer_start(&gather->timer, on_timer, 0, ROUND_MS / 4);
    gather->handles = 2;
    *ret_gather = gather;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct gather *gather = handle->data;

    if (--gather->handles == 0)
        free(gather);
}

void gather_free(struct gather *gather)
{
    if (!gather)
        return;
    atomic_store(&gather->stopping, true);
    for (size_t i = 0; i < gather->policy.count; i++) {
        struct peer *peer = &gather->peers[i];
        if (peer->busy)
            take_answer(peer);
        free(peer->line);
    }
    tlog_head_close(&gather->round);
    uv_close((uv_handle_t *)&gather->async, on_closed);
    uv_close((uv_handle_t *)&gather->timer, on_closed);
}
