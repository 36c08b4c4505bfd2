/* Threads: a submission is the pool's while it is opened, then the loop's; a commit and its submissions are the pool's
 * while it runs, and one runs at a time. What crosses over is handed on whole, so nothing here is locked. */

#include "contrib/directory/sequencer.h"

#include "contrib/directory/feed.h"
#include "contrib/directory/state.h"

#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PENDING_BYTES_MAX (64UL * 1024 * 1024) /* of bodies under way; more than that has to come again */

struct submission {
    uv_work_t work;
    struct sequencer *sequencer;
    struct request *request;
    struct submission *next;
    bool is_beat;

    /* What opening finds: status 0, or why not. */
    int status;
    struct reason reason;
    struct statement statement, invite; /* a zero `payload`: not there */
    struct merkle_hash leaf;

    /* What the commit finds: status 201 or 200 and the index, or why not. */
    uint64_t index;
    struct merkle_proof proof;
    char feed_node[ID_TEXT_BYTES];
    cJSON *answer;
};

struct commit {
    uv_work_t work;
    struct sequencer *sequencer;
    struct submission *first;
    struct seen *seen;
    size_t seen_count;
    struct tlog_head head; /* the new one */
    int error;
};

struct sequencer {
    struct directory *directory;
    struct submission *first, **last; /* opened, waiting for a commit */
    size_t opening, pending_bytes;
    bool committing;
};

/* ---- Opening, in the pool */

static int refuse_opened(struct submission *submission, int result)
{
    if (result < 0)
        reason_refuse(&submission->reason, NULL, "out of memory");
    submission->status = result < 0 ? 503 : result == STATEMENT_BAD_SIGNATURE ? 401 : 400;
    return submission->status;
}

static int open_invite(struct submission *submission)
{
    const cJSON *object = json_member(submission->statement.payload, "invite");
    int result = statement_from_json(object, &submission->invite, &submission->reason);

    if (!result && submission->invite.kind != STATEMENT_INVITE)
        result = reason_refuse(&submission->reason, "payloadType", "must be that of an invite");
    if (result > 0)
        reason_prefix(&submission->reason, "invite");
    return result;
}

static void open_submission(uv_work_t *work)
{
    struct submission *submission = work->data;
    const struct request *request = submission->request;
    int result = statement_open(request->body ? request->body : "", request->body_size, &submission->statement,
                                &submission->reason);

    if (!result && submission->statement.kind == STATEMENT_NODE)
        result = open_invite(submission);
    if (result)
        refuse_opened(submission, result);
    else
        merkle_leaf(request->body, request->body_size, &submission->leaf);
}

/* ---- Committing, in the pool */

static void refuse_submission(struct submission *submission, int status)
{
    submission->status = status;
}

/* Logged already: the same index again, to its signer. (Two signers of one payload share its id: DSSE signs no name.)
 */
static bool answer_known(struct store *store, struct submission *submission)
{
    struct state_place place;

    if (!state_find(store, submission->statement.id, &place))
        return false;
    submission->index = place.index;
    submission->status = 200;
    if (strcmp(place.signer, submission->statement.signer_id) != 0) {
        reason_refuse(&submission->reason, NULL, "the same payload was signed by another and is logged");
        refuse_submission(submission, 409);
    }
    return true;
}

static void note_feed(struct submission *submission, const struct rules_view *view)
{
    const struct statement *statement = &submission->statement;
    const char *node = "";

    if (statement->kind == STATEMENT_CONTRACT)
        node = json_string(statement->payload, "node");
    else if (statement->kind == STATEMENT_CANCEL)
        node = view->contract_node;
    snprintf(submission->feed_node, sizeof submission->feed_node, "%s", node);
}

static void append_submission(struct store *store, uint64_t index, struct submission *submission)
{
    const struct statement *statement = &submission->statement;
    struct tlog_entry entry = {
        .id = statement->id,
        .kind = statement_kind_name(statement->kind),
        .signer = statement->signer_id,
        .feed_node = submission->feed_node[0] ? submission->feed_node : NULL,
        .envelope = submission->request->body,
        .envelope_size = submission->request->body_size,
        .leaf = submission->leaf,
    };

    tlog_append(store, index, &entry);
    state_apply(store, index, statement, submission->invite.payload ? &submission->invite : NULL);
    submission->index = index;
    submission->status = 201;
}

/* One statement through the rules into the transaction; true when the log grew by it. */
static bool sequence(struct store *store, uint64_t size, struct submission *submission)
{
    struct rules_input input = { &submission->statement, submission->invite.payload ? &submission->invite : NULL,
                                 directory_now() };
    struct rules_view view;

    if (answer_known(store, submission))
        return false;
    state_look(store, &input, &view);
    int status = rules_judge(&input, &view, &submission->reason);
    if (status) {
        refuse_submission(submission, status);
        return false;
    }
    note_feed(submission, &view);
    append_submission(store, size, submission);
    return true;
}

static bool is_logged(const struct submission *submission)
{
    return submission->status == 200 || submission->status == 201;
}

/* Within the transaction, which spares a lock for each hash that is read. Failures stick to the store. */
static void prove_all(struct store *store, uint64_t size, struct submission *submission)
{
    for (; submission && !store->error; submission = submission->next) {
        if (is_logged(submission))
            tlog_prove_inclusion(store, submission->index, size, &submission->proof);
    }
}

static int run_transaction(struct commit *commit)
{
    struct store *store = commit->sequencer->directory->writer;
    uint64_t before = commit->head.checkpoint.size, size = before;

    store_begin(store);
    for (struct submission *submission = commit->first; submission && !store->error; submission = submission->next)
        size += sequence(store, size, submission);
    presence_write(store, commit->seen, commit->seen_count);
    int error = size > before ? tlog_write_ahead(store, size, &commit->head.checkpoint) : store->error;
    prove_all(store, size, commit->first);
    if (error >= 0)
        error = store_commit(store);
    if (error < 0)
        store_rollback(store);
    return error;
}

static void make_answer(const struct commit *commit, struct submission *submission)
{
    if (!is_logged(submission))
        return;
    submission->answer = cJSON_CreateObject();
    cJSON_AddStringToObject(submission->answer, "id", submission->statement.id);
    json_add_integer(submission->answer, "index", (int64_t)submission->index);
    cJSON_AddStringToObject(submission->answer, "checkpoint", commit->head.note);
    cJSON_AddItemToObject(submission->answer, "proof", merkle_proof_to_json(&submission->proof));
}

static void run_commit(uv_work_t *work)
{
    struct commit *commit = work->data;
    const struct tlog_signer *signer = &commit->sequencer->directory->signer;

    commit->error = run_transaction(commit);
    if (commit->error < 0)
        return;
    /* Durable: now it may be signed. Without a signature the log can't go on. */
    commit->head.note = checkpoint_sign(&commit->head.checkpoint, &signer->verifier, signer->key);
    if (!commit->head.note) {
        log_error("the checkpoint can't be signed: out of memory");
        abort();
    }
    for (struct submission *submission = commit->first; submission; submission = submission->next)
        make_answer(commit, submission);
}

/* ---- On the loop */

static void finish(struct submission *submission)
{
    struct request *request = submission->request;

    if (request->status)
        ; /* a heartbeat, answered with the time */
    else if (submission->status < 300)
        request_answer_json(request, submission->status, submission->answer);
    else
        request_problem(request, submission->status, "%s", submission->reason.text);
    submission->sequencer->pending_bytes -= request->body_size;
    request_resume(request);
    statement_close(&submission->statement);
    statement_close(&submission->invite);
    free(submission);
}

static void begin_commit(struct sequencer *sequencer);

static void take_in(struct sequencer *sequencer, const struct submission *submission)
{
    struct directory *directory = sequencer->directory;

    if (submission->status != 201)
        return;
    if (submission->statement.kind == STATEMENT_NODE)
        presence_touch(directory->presence, submission->statement.signer_id, directory_now());
    if (submission->feed_node[0])
        feed_wake(directory->feed, submission->feed_node);
}

static void fail_submission(struct submission *submission, int error)
{
    submission->status = 503;
    reason_refuse(&submission->reason, NULL, "can't be written down now: %s", strerror(-error));
}

static void on_committed(uv_work_t *work, int status)
{
    struct commit *commit = work->data;
    struct sequencer *sequencer = commit->sequencer;
    struct submission *next;

    bool grown = commit->error == 0 && commit->head.checkpoint.size > sequencer->directory->head.checkpoint.size;

    sequencer->committing = false;
    if (commit->error == 0) {
        tlog_head_close(&sequencer->directory->head);
        sequencer->directory->head = commit->head;
    }
    for (struct submission *submission = commit->first; submission; submission = next) {
        next = submission->next;
        if (commit->error < 0)
            fail_submission(submission, commit->error);
        else
            take_in(sequencer, submission);
        finish(submission);
    }
    if (grown)
        directory_grew(sequencer->directory);
    free(commit->seen);
    free(commit);
    begin_commit(sequencer);
}

static struct submission *take_group(struct sequencer *sequencer)
{
    struct submission *first = sequencer->first;

    sequencer->first = NULL;
    sequencer->last = &sequencer->first;
    return first;
}

static void start_commit(struct sequencer *sequencer, bool with_seen)
{
    struct directory *directory = sequencer->directory;
    struct commit *commit = calloc(1, sizeof *commit);

    if (!commit)
        return; /* the next submission tries again */
    commit->work.data = commit;
    commit->sequencer = sequencer;
    commit->first = take_group(sequencer);
    commit->head.checkpoint = directory->head.checkpoint;
    if (with_seen)
        commit->seen = presence_take_changed(directory->presence, &commit->seen_count);
    if (!commit->first && !commit->seen) {
        free(commit);
        return;
    }
    sequencer->committing = true;
    uv_queue_work(directory->loop, &commit->work, run_commit, on_committed);
}

static void begin_commit(struct sequencer *sequencer)
{
    if (!sequencer->committing && sequencer->first)
        start_commit(sequencer, false);
}

void sequencer_flush(struct sequencer *sequencer)
{
    if (!sequencer->committing)
        start_commit(sequencer, true);
}

/* A heartbeat isn't logged: it is taken in here, and answered with the time. */
static void take_beat(struct submission *submission)
{
    struct directory *directory = submission->sequencer->directory;
    struct request *request = submission->request;
    const struct statement *statement = &submission->statement;
    struct reason *reason = &submission->reason;
    int64_t now_s = directory_now();

    if (statement->kind != STATEMENT_HEARTBEAT)
        submission->status = (reason_refuse(reason, "payloadType", "must be that of a heartbeat"), 422);
    else if (strcmp(statement->signer_id, request->argument) != 0)
        submission->status = (reason_refuse(reason, NULL, "is signed by another than this node"), 403);
    else if (!state_has_node(directory->reader, request->argument))
        submission->status = (reason_refuse(reason, NULL, "node %s isn't registered", request->argument), 404);
    else
        submission->status = rules_judge_time(statement->created, now_s, reason);
    if (!submission->status)
        submission->status = presence_beat(directory->presence, statement, now_s, reason);
    if (!submission->status)
        directory_answer_time(directory, request, json_string(statement->payload, "nonce"));
}

static void log_alerts(const struct statement *heartbeat)
{
    const cJSON *alerts = json_member(heartbeat->payload, "alerts");
    const cJSON *alert = cJSON_GetArrayItem(alerts, 0);

    if (alert)
        log_info("node %s: alert: %s", heartbeat->signer_id, cJSON_GetStringValue(alert));
}

static void on_opened(uv_work_t *work, int status)
{
    struct submission *submission = work->data;
    struct sequencer *sequencer = submission->sequencer;

    sequencer->opening--;
    if (!submission->status && submission->is_beat) {
        take_beat(submission);
        if (!submission->status)
            log_alerts(&submission->statement);
        directory_finish_read(sequencer->directory, submission->request);
        finish(submission);
    } else if (submission->status) {
        finish(submission);
    } else {
        *sequencer->last = submission;
        sequencer->last = &submission->next;
        begin_commit(sequencer);
    }
}

static void submit(struct sequencer *sequencer, struct request *request, bool is_beat)
{
    struct submission *submission = NULL;

    if (sequencer->pending_bytes + request->body_size > PENDING_BYTES_MAX) {
        request_problem(request, 429, "too much is under way");
        return;
    }
    submission = calloc(1, sizeof *submission);
    if (!submission) {
        request_problem(request, 503, "out of memory");
        return;
    }
    submission->sequencer = sequencer;
    submission->request = request;
    submission->is_beat = is_beat;
    submission->work.data = submission;
    sequencer->opening++;
    sequencer->pending_bytes += request->body_size;
    request_wait(request);
    uv_queue_work(sequencer->directory->loop, &submission->work, open_submission, on_opened);
}

void sequencer_submit(struct sequencer *sequencer, struct request *request)
{
    submit(sequencer, request, false);
}

void sequencer_beat(struct sequencer *sequencer, struct request *request)
{
    submit(sequencer, request, true);
}

bool sequencer_is_idle(const struct sequencer *sequencer)
{
    return !sequencer->committing && !sequencer->first && sequencer->opening == 0;
}

int sequencer_new(struct directory *directory, struct sequencer **ret_sequencer)
{
    struct sequencer *sequencer = calloc(1, sizeof *sequencer);

    if (!sequencer)
        return -ENOMEM;
    sequencer->directory = directory;
    sequencer->last = &sequencer->first;
    *ret_sequencer = sequencer;
    return 0;
}

void sequencer_free(struct sequencer *sequencer)
{
    free(sequencer);
}
