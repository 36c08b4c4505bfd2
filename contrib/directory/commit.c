/* One commit: the rules and the log within a transaction, and once that is durable the signature and the answers. */

#include "contrib/directory/commit.h"

#include "contrib/directory/cosigned.h"
#include "contrib/directory/office.h"
#include "contrib/directory/proven.h"
#include "contrib/directory/state.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
        .envelope = submission->body,
        .envelope_size = submission->body_size,
        .leaf = submission->leaf,
    };

    tlog_append(store, index, &entry);
    state_apply(store, index, statement, submission->invite.payload ? &submission->invite : NULL);
    if (statement->kind == STATEMENT_NODE)
        presence_touch(store, statement->signer_id, directory_now());
    submission->index = index;
    submission->status = 201;
}

/* One statement through the rules into the transaction; true when the log grew by it. */
static bool sequence(struct store *store, uint64_t size, struct submission *submission)
{
    struct rules_input input = { &submission->statement, submission->invite.payload ? &submission->invite : NULL,
                                 directory_now() };
    struct rules_view view;

    if (submission->status || answer_known(store, submission))
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

/* Within the transaction, which spares a lock for each hash that is read. Failures stick to the store. */
static void prove_all(struct store *store, const struct checkpoint *head, struct submission *submission)
{
    for (; submission && !store->error; submission = submission->next) {
        if (submission->status == 200) /* far from the edge that tlog_check_head looks at */
            proven_inclusion(store, head, submission->index, head->size, &submission->proof);
        else if (submission_is_logged(submission))
            tlog_prove_inclusion(store, submission->index, head->size, &submission->proof);
    }
}

/* Others' submissions: the one who has the request finds the answer in the table, from the moment it is durable. */
static bool write_answers(struct store *store, const struct submission *submission)
{
    bool any = false;

    for (; submission; submission = submission->next) {
        if (submission->request)
            continue;
        any = true;
        store_run(store,
                  "INSERT INTO answers (front, number, status, idx, reason, written) VALUES ($1, $2, $3, $4, $5, $6)"
                  " ON CONFLICT DO NOTHING",
                  VALUE_TEXT(submission->front), VALUE_INTEGER(submission->number), VALUE_INTEGER(submission->status),
                  VALUE_INTEGER(submission->index), VALUE_TEXT(submission->reason.text),
                  VALUE_INTEGER(directory_now()));
    }
    return any;
}

static int run_transaction(struct commit *commit)
{
    struct store *store = commit->store;
    uint64_t before = commit->head.checkpoint.size, size = before;

    store_begin(store);
    for (struct submission *submission = commit->first; submission && !store->error; submission = submission->next)
        size += sequence(store, size, submission);
    presence_write(store, commit->seen, commit->seen_count, directory_now());
    if (commit->cosigned)
        cosigned_write(store, commit->cosigned);
    if (commit->tries)
        store_run_values(store, "UPDATE meta SET value = value WHERE name = 'log'", NULL, 0);
    commit->others_wait = write_answers(store, commit->first);
    int error = store->error;
    if (!error && size > before)
        error = tlog_check_head(store, &commit->head.checkpoint);
    if (!error && size > before)
        error = tlog_write_ahead(store, size, &commit->head.checkpoint);
    prove_all(store, &commit->head.checkpoint, commit->first);
    if (error >= 0)
        error = store_commit_ahead(store);
    if (error < 0)
        store_rollback(store);
    commit->grew = size > before;
    return error;
}

static void make_answers(const struct commit *commit)
{
    cleanup_free char *quoted = submission_quote(commit->head.note);

    for (struct submission *submission = commit->first; submission; submission = submission->next) {
        if (submission->request && submission_is_logged(submission))
            submission->answer = submission_answer(submission, quoted);
    }
}

static void sign(struct commit *commit)
{
    const struct tlog_signer *signer = commit->signer;

    commit->head.note = checkpoint_sign(&commit->head.checkpoint, &signer->verifier, signer->key);
    if (!commit->head.note) {
        log_error("the checkpoint can't be signed: out of memory");
        abort();
    }
}

void commit_apply(struct commit *commit)
{
    commit->began_ns = uv_hrtime();
    commit->error = run_transaction(commit);
    commit->duration_ns = uv_hrtime() - commit->began_ns;
}

void commit_settle(struct commit *commit)
{
    if (store_sync(commit->store) < 0) {
        log_error("what was written may not be on the disk: stopping before it is signed or answered. Look at the disk,"
                  " and start directoryd again, or restore the store from a back-up or a mirror");
        _exit(EXIT_FAILURE);
    }
    sign(commit); /* without a signature the log can't go on */
    if (commit->store->backend->shared && (commit->grew || commit->others_wait))
        commit->publish_error = office_publish(commit->store, commit->grew ? commit->head.note : NULL);
    make_answers(commit);
    commit->duration_ns = uv_hrtime() - commit->began_ns;
}
