/* Threads: a submission is the pool's while it is opened, then the loop's; a commit and its submissions are the pool's
 * while it runs, and one runs at a time. What crosses over is handed on whole, so nothing here is locked. It is handed
 * on in batches, since waking a thread and being told that it is done costs about a third of what opening does: what a
 * turn of the loop brought is opened by a few jobs of the pool. */

#include "contrib/directory/sequencer.h"

#include "contrib/directory/commit.h"
#include "contrib/directory/feed.h"
#include "contrib/directory/office.h"
#include "contrib/directory/signed.h"
#include "contrib/directory/state.h"

#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PENDING_BYTES_MAX (64UL * 1024 * 1024) /* of bodies under way; more than that has to come again */

#define BATCH_MAX 8 /* submissions that one job opens: about half a millisecond's work */

/* Submissions in their order; `last` is where the next one is linked in. */
struct queue {
    struct submission *first, **last;
    size_t count;
};

struct batch {
    uv_work_t work;
    struct sequencer *sequencer;
    struct submission *first;
};

struct sequencer {
    struct directory *directory;
    uv_prepare_t prepare; /* before the loop waits: what arrived goes to the pool */
    struct queue arrived; /* to be opened */
    struct queue opened;  /* waiting for a commit */
    size_t opening, pending_bytes;
    bool committing;
    int error; /* of the last commit */
};

static void queue_init(struct queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
    queue->count = 0;
}

static void queue_add(struct queue *queue, struct submission *submission)
{
    submission->next = NULL;
    *queue->last = submission;
    queue->last = &submission->next;
    queue->count++;
}

/* All of them, as a list. */
static struct submission *queue_take(struct queue *queue)
{
    struct submission *first = queue->first;

    queue_init(queue);
    return first;
}

/* ---- Opening, in the pool */

static void open_batch(uv_work_t *work)
{
    const struct batch *batch = work->data;

    for (struct submission *submission = batch->first; submission; submission = submission->next)
        submission_open(submission);
}

/* ---- On the loop */

static void answer_request(struct submission *submission)
{
    struct request *request = submission->request;

    if (request->status)
        ; /* a heartbeat, answered with the time */
    else if (submission->status < 300 && submission->answer)
        request_answer(request, submission->status, "application/json", submission->answer, strlen(submission->answer));
    else if (submission->status < 300)
        request_answer_json(request, submission->status, NULL); /* out of memory */
    else
        request_problem(request, submission->status, "%s", submission->reason.text);
    if (submission->retry_after_s)
        request->retry_after_s = submission->retry_after_s;
    request_resume(request);
}

void sequencer_finish(struct submission *submission)
{
    submission->sequencer->pending_bytes -= submission->body_size;
    if (submission->request)
        answer_request(submission);
    statement_close(&submission->statement);
    statement_close(&submission->invite);
    free(submission->owned);
    free(submission);
}

static void begin_commit(struct sequencer *sequencer);

static void take_in(struct sequencer *sequencer, const struct submission *submission)
{
    struct directory *directory = sequencer->directory;

    if (submission->status != 201)
        return;
    metrics_count_statement(&directory->metrics, submission->statement.kind);
    if (submission->feed_node[0])
        feed_wake(directory->feed, submission->feed_node);
}

static void fail_submission(struct submission *submission, int error)
{
    submission->status = 503;
    reason_refuse(&submission->reason, NULL, "can't be written down now: %s", strerror(-error));
}

/* As it was when it was opened: what the commit found counts for nothing. */
static void reset_submission(struct submission *submission)
{
    submission->status = 0;
    submission->reason.text[0] = '\0';
    submission->feed_node[0] = '\0';
}

/* The commit failed. Another directoryd may have become the log's writer, or the database is away for a while: then the
 * submissions wait for whoever writes next, who finds out whether they are in the log already. */
static void fail_group(struct sequencer *sequencer, struct submission *first, int error)
{
    struct directory *directory = sequencer->directory;
    struct submission *next;

    for (struct submission *submission = first; submission; submission = next) {
        next = submission->next;
        if (!directory->writer && submission->request) {
            reset_submission(submission);
            office_forward(directory->office, submission);
        } else {
            fail_submission(submission, error);
            sequencer_finish(submission);
        }
    }
}

static void finish_group(struct sequencer *sequencer, struct submission *first)
{
    struct submission *next;

    for (struct submission *submission = first; submission; submission = next) {
        next = submission->next;
        take_in(sequencer, submission);
        sequencer_finish(submission);
    }
}

/* Only a file's writer may go on after a failure: it knows what became of the transaction. */
static bool must_leave(const struct commit *commit)
{
    if (!commit->store->backend->shared)
        return false;
    return commit->publish_error < 0 || commit->error == -ESTALE || store_is_lost(commit->store);
}

/* Those without submissions write down who was seen: they would hide how large the groups are. */
static void count_commit(struct metrics *metrics, const struct commit *commit)
{
    size_t count = 0;

    for (const struct submission *submission = commit->first; submission; submission = submission->next)
        count++;
    if (count)
        metrics_count_commit(metrics, commit->duration_ns, count, commit->error < 0);
}

static void on_committed(uv_work_t *work, int status)
{
    struct commit *commit = work->data;
    struct sequencer *sequencer = commit->sequencer;

    bool grown = commit->error == 0 && commit->head.checkpoint.size > sequencer->directory->head.checkpoint.size;

    sequencer->committing = false;
    sequencer->error = commit->error < 0 ? commit->error : 0;
    count_commit(&sequencer->directory->metrics, commit);
    if (commit->error == 0) {
        tlog_head_close(&sequencer->directory->head);
        sequencer->directory->head = commit->head;
    }
    if (grown)
        signed_write(sequencer->directory->signed_fd, commit->head.note);
    if (must_leave(commit))
        office_leave(sequencer->directory->office);
    if (commit->error < 0)
        fail_group(sequencer, commit->first, commit->error);
    else
        finish_group(sequencer, commit->first);
    if (grown)
        directory_grew(sequencer->directory);
    presence_written(sequencer->directory->presence, commit->seen, commit->seen_count, commit->error == 0);
    if (commit->cosigned && commit->error < 0)
        sequencer->directory->cosigned_unwritten = true;
    free(commit->cosigned);
    free(commit);
    if (!sequencer->directory->writer)
        fail_group(sequencer, queue_take(&sequencer->opened), -ESTALE);
    begin_commit(sequencer);
}

static void start_commit(struct sequencer *sequencer, enum sequencer_flush flush)
{
    struct directory *directory = sequencer->directory;
    struct commit *commit = calloc(1, sizeof *commit);

    if (!commit)
        return; /* the next submission tries again */
    commit->work.data = commit;
    commit->sequencer = sequencer;
    commit->store = directory->writer;
    commit->signer = &directory->signer;
    commit->first = queue_take(&sequencer->opened);
    commit->head.checkpoint = directory->head.checkpoint;
    commit->tries = flush == SEQUENCER_PROVE && sequencer->error;
    if (flush == SEQUENCER_SEEN)
        commit->seen = presence_take_changed(directory->presence, SEQUENCER_SEEN_MAX, &commit->seen_count);
    if (directory->cosigned_unwritten)
        commit->cosigned = strdup(directory->cosigned.note);
    directory->cosigned_unwritten = false;
    if (!commit->first && !commit->seen && !commit->cosigned && flush != SEQUENCER_PROVE) {
        free(commit);
        return;
    }
    sequencer->committing = true;
    uv_queue_work(directory->loop, &commit->work, commit_run, on_committed);
}

static void begin_commit(struct sequencer *sequencer)
{
    if (!sequencer->committing && sequencer->opened.first && sequencer->directory->writer)
        start_commit(sequencer, SEQUENCER_GROUP);
}

void sequencer_flush(struct sequencer *sequencer, enum sequencer_flush flush)
{
    if (!sequencer->committing && sequencer->directory->writer)
        start_commit(sequencer, flush);
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
        submission->status = presence_beat(directory->presence, directory->reader, statement, now_s, reason);
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

void sequencer_queue(struct sequencer *sequencer, struct submission *submission)
{
    queue_add(&sequencer->opened, submission);
    begin_commit(sequencer);
}

/* Whoever writes the log counts, so that one key has one rate however many directoryds there are. It does so only now:
 * anybody can name a signer, but not sign for him. */
static void hold_to_rate(struct submission *submission)
{
    struct directory *directory = submission->sequencer->directory;

    if (submission->status || (!submission->is_beat && !directory->writer))
        return;
    submission->retry_after_s =
        limits_admit_statement(&directory->limits, submission->statement.signer_id, submission->is_beat);
    if (!submission->retry_after_s)
        return;
    submission->status = 429;
    reason_refuse(&submission->reason, NULL, "this key signs too much; it may again in %u s",
                  submission->retry_after_s);
}

static void take_opened(struct sequencer *sequencer, struct submission *submission)
{
    sequencer->opening--;
    hold_to_rate(submission);
    if (!submission->status && submission->is_beat) {
        take_beat(submission);
        if (!submission->status) {
            metrics_count_statement(&sequencer->directory->metrics, STATEMENT_HEARTBEAT);
            log_alerts(&submission->statement);
        }
        directory_finish_read(sequencer->directory, submission->request);
        sequencer_finish(submission);
    } else if (submission->status && submission->request) {
        sequencer_finish(submission);
    } else if (!sequencer->directory->writer) {
        fail_group(sequencer, submission, -ESTALE);
    } else {
        queue_add(&sequencer->opened, submission);
    }
}

static void on_opened(uv_work_t *work, int status)
{
    struct batch *batch = work->data;
    struct submission *next;

    for (struct submission *submission = batch->first; submission; submission = next) {
        next = submission->next;
        submission->next = NULL;
        take_opened(batch->sequencer, submission);
    }
    begin_commit(batch->sequencer);
    free(batch);
}

/* Takes up to BATCH_MAX off the front. */
static struct submission *cut(struct submission **first)
{
    struct submission *begin = *first, **end = first;

    for (unsigned count = 0; *end && count < BATCH_MAX; count++)
        end = &(*end)->next;
    *first = *end;
    *end = NULL;
    return begin;
}

/* Memory is out. */
static void drop(struct sequencer *sequencer, struct submission *first)
{
    struct submission *next;

    for (struct submission *submission = first; submission; submission = next) {
        next = submission->next;
        sequencer->opening--;
        fail_submission(submission, -ENOMEM);
        sequencer_finish(submission);
    }
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct sequencer *sequencer = prepare->data;
    struct submission *left = queue_take(&sequencer->arrived);

    while (left) {
        struct batch *batch = malloc(sizeof *batch);
        struct submission *first = cut(&left);
        if (!batch) {
            drop(sequencer, first);
            continue;
        }
        *batch = (struct batch){ .work.data = batch, .sequencer = sequencer, .first = first };
        uv_queue_work(sequencer->directory->loop, &batch->work, open_batch, on_opened);
    }
}

static void begin_opening(struct sequencer *sequencer, struct submission *submission)
{
    submission->sequencer = sequencer;
    sequencer->opening++;
    sequencer->pending_bytes += submission->body_size;
    queue_add(&sequencer->arrived, submission);
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
    submission->request = request;
    submission->body = request->body;
    submission->body_size = request->body_size;
    submission->is_beat = is_beat;
    request_wait(request);
    begin_opening(sequencer, submission);
}

void sequencer_submit(struct sequencer *sequencer, struct request *request)
{
    submit(sequencer, request, false);
}

void sequencer_beat(struct sequencer *sequencer, struct request *request)
{
    submit(sequencer, request, true);
}

void sequencer_take(struct sequencer *sequencer, struct submission *submission)
{
    begin_opening(sequencer, submission);
}

bool sequencer_has_room(const struct sequencer *sequencer)
{
    return sequencer->pending_bytes < PENDING_BYTES_MAX / 2;
}

struct sequencer_load sequencer_load(const struct sequencer *sequencer)
{
    return (struct sequencer_load){ sequencer->opening, sequencer->opened.count, sequencer->pending_bytes };
}

int sequencer_error(const struct sequencer *sequencer)
{
    return sequencer->error;
}

bool sequencer_is_idle(const struct sequencer *sequencer)
{
    return !sequencer->committing && !sequencer->opened.first && sequencer->opening == 0;
}

int sequencer_new(struct directory *directory, struct sequencer **ret_sequencer)
{
    struct sequencer *sequencer = calloc(1, sizeof *sequencer);

    if (!sequencer)
        return -ENOMEM;
    sequencer->directory = directory;
    queue_init(&sequencer->arrived);
    queue_init(&sequencer->opened);
    uv_prepare_init(directory->loop, &sequencer->prepare);
    sequencer->prepare.data = sequencer;
    uv_prepare_start(&sequencer->prepare, on_prepare);
    uv_unref((uv_handle_t *)&sequencer->prepare);
    *ret_sequencer = sequencer;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void sequencer_free(struct sequencer *sequencer)
{
    if (sequencer)
        uv_close((uv_handle_t *)&sequencer->prepare, on_closed);
}
