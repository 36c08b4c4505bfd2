/* A commit is applied by one job of the pool, then settled by another; there is at most one of each, and one that waits
 * for the disk in between: to begin more would only make the groups smaller. Each job hands on what it worked on, so
 * nothing is locked. */

#include "contrib/directory/committer.h"

#include "contrib/directory/commit.h"
#include "contrib/directory/feed.h"
#include "contrib/directory/office.h"
#include "contrib/directory/signed.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct committer {
    struct directory *directory;
    struct submissions waiting;
    struct commit *applying, *applied, *settling;
    int error;
};

/* ---- How they end */

static void take_in(struct directory *directory, const struct submission *submission)
{
    if (submission->status != 201)
        return;
    metrics_count_statement(&directory->metrics, submission->statement.kind);
    if (submission->feed_node[0])
        feed_wake(directory->feed, submission->feed_node);
}

/* As it was when it was opened: what the commit found counts for nothing. */
static void reset_submission(struct submission *submission)
{
    submission->status = 0;
    submission->reason.text[0] = '\0';
    submission->feed_node[0] = '\0';
}

/* Another directoryd may have become the log's writer, or the database is away for a while: then the submissions wait
 * for whoever writes next, who finds out whether they are in the log already. */
void committer_fail(struct committer *committer, struct submission *first, int error)
{
    struct directory *directory = committer->directory;
    struct submission *next;

    for (struct submission *submission = first; submission; submission = next) {
        next = submission->next;
        reset_submission(submission);
        if (!directory->writer && submission->request) {
            office_forward(directory->office, submission);
        } else {
            submission_fail(submission, error);
            sequencer_finish(submission);
        }
    }
}

static void finish_group(struct directory *directory, struct submission *first)
{
    struct submission *next;

    for (struct submission *submission = first; submission; submission = next) {
        next = submission->next;
        take_in(directory, submission);
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

static void go_on(struct committer *committer);

/* It is settled, or failed. The next ones go on while its answers are made. */
static void finish(struct committer *committer, struct commit *commit)
{
    struct directory *directory = committer->directory;
    bool grown = commit->error == 0 && commit->head.checkpoint.size > directory->head.checkpoint.size;

    count_commit(&directory->metrics, commit);
    if (commit->error == 0) {
        tlog_head_close(&directory->head);
        directory->head = commit->head;
    }
    if (grown)
        signed_write(directory->signed_fd, commit->head.note);
    if (must_leave(commit))
        office_leave(directory->office);
    go_on(committer);
    if (commit->error < 0)
        committer_fail(committer, commit->first, commit->error);
    else
        finish_group(directory, commit->first);
    if (grown)
        directory_grew(directory);
    presence_written(directory->presence, commit->seen, commit->seen_count, commit->error == 0);
    if (commit->cosigned && commit->error < 0)
        directory->cosigned_unwritten = true;
    free(commit->cosigned);
    free(commit);
}

/* ---- Settling */

static void run_settle(uv_work_t *work)
{
    commit_settle(work->data);
}

static void on_settled(uv_work_t *work, int status)
{
    struct commit *commit = work->data;
    struct committer *committer = commit->committer;

    committer->settling = NULL;
    finish(committer, commit);
}

static void begin_settling(struct committer *committer)
{
    if (committer->settling || !committer->applied)
        return;
    committer->settling = steal_pointer(committer->applied);
    uv_queue_work(committer->directory->loop, &committer->settling->work, run_settle, on_settled);
}

/* ---- Applying */

static void run_apply(uv_work_t *work)
{
    struct commit *commit = work->data;

    commit_apply(commit);
    if (commit->error == 0 && !store_syncs_apart(commit->store))
        commit_settle(commit);
}

static void on_applied(uv_work_t *work, int status)
{
    struct commit *commit = work->data;
    struct committer *committer = commit->committer;

    committer->applying = NULL;
    committer->error = commit->error < 0 ? commit->error : 0;
    if (commit->error == 0 && store_syncs_apart(commit->store)) {
        committer->applied = commit;
        go_on(committer);
    } else {
        finish(committer, commit);
    }
    if (!committer->directory->writer)
        committer_fail(committer, submissions_take(&committer->waiting), -ESTALE);
}

static void start(struct committer *committer, enum sequencer_flush flush)
{
    struct directory *directory = committer->directory;
    struct commit *commit = calloc(1, sizeof *commit);

    if (!commit)
        return; /* the next submission tries again */
    commit->work.data = commit;
    commit->committer = committer;
    commit->store = directory->writer;
    commit->signer = &directory->signer;
    commit->first = submissions_take(&committer->waiting);
    commit->head.checkpoint = (committer->settling ? &committer->settling->head : &directory->head)->checkpoint;
    commit->tries = flush == SEQUENCER_PROVE && committer->error;
    if (flush == SEQUENCER_SEEN)
        commit->seen = presence_take_changed(directory->presence, SEQUENCER_SEEN_MAX, &commit->seen_count);
    if (directory->cosigned_unwritten)
        commit->cosigned = strdup(directory->cosigned.note);
    directory->cosigned_unwritten = false;
    if (!commit->first && !commit->seen && !commit->cosigned && flush != SEQUENCER_PROVE) {
        free(commit);
        return;
    }
    committer->applying = commit;
    uv_queue_work(directory->loop, &commit->work, run_apply, on_applied);
}

void committer_flush(struct committer *committer, enum sequencer_flush flush)
{
    if (!committer->applying && !committer->applied && committer->directory->writer)
        start(committer, flush);
}

void committer_begin(struct committer *committer)
{
    if (committer->waiting.first)
        committer_flush(committer, SEQUENCER_GROUP);
}

static void go_on(struct committer *committer)
{
    begin_settling(committer);
    committer_begin(committer);
}

void committer_queue(struct committer *committer, struct submission *submission)
{
    submissions_add(&committer->waiting, submission);
}

/* ---- */

size_t committer_waiting(const struct committer *committer)
{
    return committer->waiting.count;
}

bool committer_is_idle(const struct committer *committer)
{
    return !committer->applying && !committer->applied && !committer->settling && !committer->waiting.first;
}

int committer_error(const struct committer *committer)
{
    return committer->error;
}

struct committer *committer_new(struct directory *directory)
{
    struct committer *committer = calloc(1, sizeof *committer);

    if (!committer)
        return NULL;
    committer->directory = directory;
    submissions_init(&committer->waiting);
    return committer;
}

void committer_free(struct committer *committer)
{
    free(committer);
}
