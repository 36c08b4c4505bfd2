/* Two threads, so that neither waits for the loop, or behind the pool's jobs: the applier makes commits of what waits,
 * the settler takes them to the disk and signs; there is at most one of each, and one that waits for the disk in
 * between: to begin more would only make the groups smaller. The loop queues, and finishes what they hand back. What
 * several use is under the mutex; a commit belongs to whoever has it. */

#include "contrib/directory/committer.h"

#include "contrib/directory/commit.h"
#include "contrib/directory/feed.h"
#include "contrib/directory/office.h"
#include "contrib/directory/signed.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct committer {
    struct directory *directory;
    uv_thread_t applier, settler;
    uv_async_t finished_some;
    uv_mutex_t mutex;
    uv_cond_t to_apply, to_settle; /* there is something for that thread */
    bool stop;
    struct store *writer;  /* the applier's while it is there */
    struct checkpoint tip; /* of the last commit that was applied: what the next one is built on */
    struct submissions waiting;
    struct commit *next; /* without submissions yet: what else is to be written */
    struct commit *applying, *applied, *settling;
    struct commit *finished, **finished_last;
    bool finishing; /* the loop's, as is `error` */
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
    if (!commit->store || !commit->store->backend->shared)
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

/* It is settled, or failed. */
static void finish(struct committer *committer, struct commit *commit)
{
    struct directory *directory = committer->directory;
    bool grown = commit->error == 0 && commit->head.checkpoint.size > directory->head.checkpoint.size;

    count_commit(&directory->metrics, commit);
    committer->error = commit->error < 0 ? commit->error : 0;
    if (commit->error == 0) {
        tlog_head_close(&directory->head);
        directory->head = commit->head;
    }
    if (grown)
        signed_write(directory->signed_fd, commit->head.note);
    if (must_leave(commit))
        office_leave(directory->office);
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

/* ---- The threads */

static void hand_back(struct committer *committer, struct commit *commit)
{
    *committer->finished_last = commit;
    committer->finished_last = &commit->next;
    uv_async_send(&committer->finished_some);
}

static struct commit *take_next(struct committer *committer)
{
    struct commit *commit = committer->next ? steal_pointer(committer->next) : calloc(1, sizeof *commit);

    if (!commit)
        return NULL; /* the next submission tries again */
    commit->store = committer->writer;
    commit->signer = &committer->directory->signer;
    commit->first = submissions_take(&committer->waiting);
    commit->head.checkpoint = committer->tip;
    return commit;
}

static bool has_work(const struct committer *committer)
{
    return committer->writer && !committer->applied && (committer->waiting.first || committer->next);
}

/* Where a commit is durable by itself the loop looks at it before the next: it may be the last of this writer's. */
static void apply(struct committer *committer, struct commit *commit)
{
    bool apart = store_syncs_apart(commit->store);

    committer->applying = commit;
    uv_mutex_unlock(&committer->mutex);
    commit_apply(commit);
    if (commit->error == 0 && !apart)
        commit_settle(commit);
    uv_mutex_lock(&committer->mutex);
    committer->applying = NULL;
    if (commit->error == 0)
        committer->tip = commit->head.checkpoint;
    if (!apart)
        committer->writer = NULL;
    if (commit->error == 0 && apart) {
        committer->applied = commit;
        uv_cond_signal(&committer->to_settle);
    } else {
        hand_back(committer, commit);
    }
}

static void run_applier(void *context)
{
    struct committer *committer = context;

    uv_mutex_lock(&committer->mutex);
    while (!committer->stop) {
        struct commit *commit = has_work(committer) ? take_next(committer) : NULL;
        if (commit)
            apply(committer, commit);
        else
            uv_cond_wait(&committer->to_apply, &committer->mutex);
    }
    uv_mutex_unlock(&committer->mutex);
}

static void run_settler(void *context)
{
    struct committer *committer = context;

    uv_mutex_lock(&committer->mutex);
    while (!committer->stop) {
        if (!committer->applied) {
            uv_cond_wait(&committer->to_settle, &committer->mutex);
            continue;
        }
        committer->settling = steal_pointer(committer->applied);
        uv_cond_signal(&committer->to_apply);
        uv_mutex_unlock(&committer->mutex);
        commit_settle(committer->settling);
        uv_mutex_lock(&committer->mutex);
        hand_back(committer, steal_pointer(committer->settling));
    }
    uv_mutex_unlock(&committer->mutex);
}

/* ---- On the loop */

static bool is_at_rest(const struct committer *committer)
{
    return !committer->applying && !committer->applied && !committer->settling && !committer->finished;
}

void committer_begin(struct committer *committer)
{
    uv_mutex_lock(&committer->mutex);
    if (!committer->finishing && is_at_rest(committer)) { /* who writes, and what on, may be another than before */
        committer->writer = committer->directory->writer;
        committer->tip = committer->directory->head.checkpoint;
    }
    if (!committer->applying && has_work(committer))
        uv_cond_signal(&committer->to_apply);
    uv_mutex_unlock(&committer->mutex);
}

/* Nobody writes here any more: what waits is another's to write. */
static void strand(struct committer *committer)
{
    uv_mutex_lock(&committer->mutex);
    struct commit *commit = steal_pointer(committer->next);
    struct submission *waiting = submissions_take(&committer->waiting);
    uv_mutex_unlock(&committer->mutex);
    if (commit) {
        commit->error = -ESTALE;
        finish(committer, commit);
    }
    committer_fail(committer, waiting, -ESTALE);
}

static void on_finished(uv_async_t *async)
{
    struct committer *committer = async->data;
    struct commit *next;

    uv_mutex_lock(&committer->mutex);
    struct commit *first = steal_pointer(committer->finished);
    committer->finished_last = &committer->finished;
    uv_mutex_unlock(&committer->mutex);
    committer->finishing = true;
    for (struct commit *commit = first; commit; commit = next) {
        next = commit->next;
        finish(committer, commit);
    }
    committer->finishing = false;
    if (!committer->directory->writer)
        strand(committer);
    committer_begin(committer);
}

/* NULL: there is nothing to write, or no memory. */
static struct commit *gather(struct committer *committer, enum sequencer_flush flush)
{
    struct directory *directory = committer->directory;
    struct commit *commit = calloc(1, sizeof *commit);

    if (!commit)
        return NULL;
    commit->tries = flush == SEQUENCER_PROVE && committer->error;
    if (flush == SEQUENCER_SEEN)
        commit->seen = presence_take_changed(directory->presence, SEQUENCER_SEEN_MAX, &commit->seen_count);
    if (directory->cosigned_unwritten)
        commit->cosigned = strdup(directory->cosigned.note);
    directory->cosigned_unwritten = false;
    if (commit->seen || commit->cosigned || flush == SEQUENCER_PROVE)
        return commit;
    free(commit);
    return NULL;
}

void committer_flush(struct committer *committer, enum sequencer_flush flush)
{
    if (!committer->directory->writer)
        return;
    uv_mutex_lock(&committer->mutex);
    if (!committer->next)
        committer->next = gather(committer, flush);
    uv_mutex_unlock(&committer->mutex);
    committer_begin(committer);
}

void committer_queue(struct committer *committer, struct submission *submission)
{
    uv_mutex_lock(&committer->mutex);
    submissions_add(&committer->waiting, submission);
    uv_mutex_unlock(&committer->mutex);
}

size_t committer_waiting(struct committer *committer)
{
    uv_mutex_lock(&committer->mutex);
    size_t count = committer->waiting.count;
    uv_mutex_unlock(&committer->mutex);
    return count;
}

bool committer_is_idle(struct committer *committer)
{
    uv_mutex_lock(&committer->mutex);
    bool idle = is_at_rest(committer) && !committer->waiting.first && !committer->next;
    uv_mutex_unlock(&committer->mutex);
    return idle;
}

int committer_error(const struct committer *committer)
{
    return committer->error;
}

/* ---- Beginning and end */

struct committer *committer_new(struct directory *directory)
{
    struct committer *committer = calloc(1, sizeof *committer);

    if (!committer)
        return NULL;
    committer->directory = directory;
    submissions_init(&committer->waiting);
    committer->finished_last = &committer->finished;
    committer->finished_some.data = committer;
    uv_mutex_init(&committer->mutex);
    uv_cond_init(&committer->to_apply);
    uv_cond_init(&committer->to_settle);
    uv_async_init(directory->loop, &committer->finished_some, on_finished);
    uv_unref((uv_handle_t *)&committer->finished_some);
    if (uv_thread_create(&committer->applier, run_applier, committer) < 0 ||
        uv_thread_create(&committer->settler, run_settler, committer) < 0) {
        log_error("can't start: no threads");
        exit(EXIT_FAILURE); /* one of the two may run already */
    }
    return committer;
}

static void on_closed(uv_handle_t *handle)
{
    struct committer *committer = handle->data;

    uv_mutex_destroy(&committer->mutex);
    uv_cond_destroy(&committer->to_apply);
    uv_cond_destroy(&committer->to_settle);
    free(committer);
}

void committer_free(struct committer *committer)
{
    uv_mutex_lock(&committer->mutex);
    committer->stop = true;
    uv_cond_signal(&committer->to_apply);
    uv_cond_signal(&committer->to_settle);
    uv_mutex_unlock(&committer->mutex);
    uv_thread_join(&committer->applier);
    uv_thread_join(&committer->settler);
    uv_close((uv_handle_t *)&committer->finished_some, on_closed);
}
