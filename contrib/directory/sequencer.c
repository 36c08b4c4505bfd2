/* Threads: a submission is the pool's while it is opened, then the loop's, until the committer takes it. What crosses
 * over is handed on whole, so nothing here is locked. It is handed on in batches, since waking a thread and being told
 * that it is done costs about a third of what opening does: what a turn of the loop brought is opened by a few jobs of
 * the pool. */

#include "contrib/directory/sequencer.h"

#include "contrib/directory/committer.h"
#include "contrib/directory/state.h"

#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PENDING_BYTES_MAX (64UL * 1024 * 1024) /* of bodies under way; more than that has to come again */

#define BATCH_MAX 8 /* submissions that one job opens: about half a millisecond's work */

struct batch {
    uv_work_t work;
    struct sequencer *sequencer;
    struct submission *first;
};

struct sequencer {
    struct directory *directory;
    uv_prepare_t prepare; /* before the loop waits: what arrived goes to the pool */
    struct committer *committer;
    struct submissions arrived; /* to be opened */
    size_t opening, pending_bytes;
};

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
    committer_queue(sequencer->committer, submission);
    committer_begin(sequencer->committer);
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
        committer_fail(sequencer->committer, submission, -ESTALE);
    } else {
        committer_queue(sequencer->committer, submission);
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
    committer_begin(batch->sequencer->committer);
    free(batch);
}

/* Memory is out. */
static void drop(struct sequencer *sequencer, struct submission *first)
{
    struct submission *next;

    for (struct submission *submission = first; submission; submission = next) {
        next = submission->next;
        sequencer->opening--;
        submission_fail(submission, -ENOMEM);
        sequencer_finish(submission);
    }
}

/* What arrived since the last time, at most BATCH_MAX. */
static void open_arrived(struct sequencer *sequencer)
{
    struct submission *first = submissions_take(&sequencer->arrived);
    struct batch *batch = first ? malloc(sizeof *batch) : NULL;

    if (!batch)
        return drop(sequencer, first);
    *batch = (struct batch){ .work.data = batch, .sequencer = sequencer, .first = first };
    uv_queue_work(sequencer->directory->loop, &batch->work, open_batch, on_opened);
}

static void on_prepare(uv_prepare_t *prepare)
{
    open_arrived(prepare->data);
}

static void begin_opening(struct sequencer *sequencer, struct submission *submission)
{
    submission->sequencer = sequencer;
    sequencer->opening++;
    sequencer->pending_bytes += submission->body_size;
    submissions_add(&sequencer->arrived, submission);
    if (sequencer->arrived.count == BATCH_MAX)
        open_arrived(sequencer);
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
    return (struct sequencer_load){ sequencer->opening, committer_waiting(sequencer->committer),
                                    sequencer->pending_bytes };
}

void sequencer_flush(struct sequencer *sequencer, enum sequencer_flush flush)
{
    committer_flush(sequencer->committer, flush);
}

int sequencer_error(const struct sequencer *sequencer)
{
    return committer_error(sequencer->committer);
}

bool sequencer_is_idle(const struct sequencer *sequencer)
{
    return sequencer->opening == 0 && committer_is_idle(sequencer->committer);
}

int sequencer_new(struct directory *directory, struct sequencer **ret_sequencer)
{
    struct sequencer *sequencer = calloc(1, sizeof *sequencer);

    if (!sequencer)
        return -ENOMEM;
    sequencer->committer = committer_new(directory);
    if (!sequencer->committer)
        return free(sequencer), -ENOMEM;
    sequencer->directory = directory;
    submissions_init(&sequencer->arrived);
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
    if (!sequencer)
        return;
    committer_free(sequencer->committer);
    uv_close((uv_handle_t *)&sequencer->prepare, on_closed);
}
