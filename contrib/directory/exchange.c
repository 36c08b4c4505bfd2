/* Besides store_postgresql.c, this is the one file with SQL of PostgreSQL's own. */

#include "contrib/directory/exchange.h"

#include "contrib/directory/commit.h"
#include "contrib/directory/meta.h"
#include "contrib/directory/proven.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TAKE_MAX 500     /* of others' submissions in a turn */
#define ANSWERS_MAX 2048 /* in a turn */
#define ANSWER_LIFE_S 60 /* longer than anybody waits for one */

/* ---- Connecting */

static void connect_bus(struct turn *turn)
{
    struct exchange *exchange = turn->exchange;
    struct reason reason = { "" };

    exchange->listening = false;
    exchange->epoch = 0;
    if (store_open(exchange->url, STORE_SHARED, &exchange->bus, &reason)) {
        exchange->bus = NULL;
        if (!exchange->away)
            log_warning("the database is away: %s", reason.text);
        exchange->away = true;
        return;
    }
    if (exchange->away)
        log_info("the database is back");
    exchange->away = false;
    turn->reopen = true; /* the other session went the same way, whether it noticed or not */
}

/* The one in office hears of submissions, the others of checkpoints. */
static void listen_as(struct exchange *exchange, bool in_office)
{
    if (exchange->listening && exchange->in_office == in_office)
        return;
    store_run_values(exchange->bus, "UNLISTEN *", NULL, 0);
    store_run_values(exchange->bus, in_office ? "LISTEN directory_queue" : "LISTEN directory_head", NULL, 0);
    exchange->listening = true;
    exchange->in_office = in_office;
}

/* ---- Sending */

static void send_pending(struct turn *turn)
{
    struct store *bus = turn->exchange->bus;
    struct submission *submission = turn->pending;

    while (submission && submission->sent)
        submission = submission->next;
    if (!submission || turn->in_office)
        return;
    store_begin(bus);
    for (struct submission *each = submission; each; each = each->next) {
        if (each->sent)
            continue;
        store_run(bus, "INSERT INTO queue (front, number, envelope) VALUES ($1, $2, $3)",
                  VALUE_TEXT(turn->exchange->name), VALUE_INTEGER(each->number),
                  VALUE_BYTES(each->body, each->body_size));
    }
    store_run_values(bus, "NOTIFY directory_queue", NULL, 0);
    if (store_commit(bus) < 0)
        return;
    for (; submission; submission = submission->next)
        submission->sent = true;
}

int office_publish(struct store *store, const char *note)
{
    store_begin(store);
    store_run_values(store, "SET LOCAL synchronous_commit = off", NULL, 0);
    if (note)
        meta_write(store, "checkpoint", note);
    store_run_values(store, "NOTIFY directory_head", NULL, 0);
    int error = store_commit(store);
    if (error < 0)
        store_rollback(store);
    return error;
}

/* ---- The published checkpoint */

int exchange_read_head(struct store *store, const struct note_verifier *verifier, struct tlog_head *ret_head,
                       struct reason *reason)
{
    cleanup_rows struct store_rows rows;
    struct tlog_head head = { 0 };

    store_select_values(store, &rows, "SELECT value FROM meta WHERE name = 'checkpoint'", NULL, 0);
    if (!store_next(&rows))
        return store->error < 0 ? store->error : TLOG_NEW;
    if (checkpoint_open(store_text(&rows, 0), verifier, &head.checkpoint, reason))
        return reason_prefix(reason, "store: its checkpoint is another log's; give the --key and --name of this one");
    head.note = strdup(store_text(&rows, 0));
    if (!head.note)
        return -ENOMEM;
    *ret_head = head;
    return 0;
}

/* What was sent and isn't answered goes to the one who is in office now. */
static void read_epoch(struct turn *turn)
{
    cleanup_rows struct store_rows rows;
    struct exchange *exchange = turn->exchange;

    store_select_values(exchange->bus, &rows, "SELECT value FROM meta WHERE name = 'epoch'", NULL, 0);
    int64_t epoch = store_next(&rows) ? store_integer(&rows, 0) : 0;
    if (!epoch || epoch == exchange->epoch)
        return;
    exchange->epoch = epoch;
    for (struct submission *submission = turn->pending; submission; submission = submission->next)
        submission->sent = false;
}

void exchange_read_nodes(struct store *store, uint64_t from, uint64_t to, char (**ret_nodes)[ID_TEXT_BYTES],
                         size_t *ret_count)
{
    cleanup_rows struct store_rows rows;
    size_t room = 64;

    *ret_count = 0;
    *ret_nodes = calloc(room, sizeof **ret_nodes);
    store_select(store, &rows, "SELECT DISTINCT node FROM entries WHERE idx >= $1 AND idx < $2 AND node IS NOT NULL",
                 VALUE_INTEGER(from), VALUE_INTEGER(to));
    while (*ret_nodes && store_next(&rows)) {
        if (*ret_count == room) {
            void *more = realloc(*ret_nodes, 2 * room * sizeof **ret_nodes);
            if (!more)
                return; /* who isn't woken is answered at the end of its wait */
            *ret_nodes = more;
            room *= 2;
        }
        snprintf((*ret_nodes)[(*ret_count)++], ID_TEXT_BYTES, "%s", store_text(&rows, 0));
    }
}

static void read_head(struct turn *turn)
{
    struct reason reason;
    struct tlog_head head = { 0 };

    if (exchange_read_head(turn->exchange->bus, &turn->directory->signer.verifier, &head, &reason))
        return;
    turn->head = head;
    if (turn->known_note && strcmp(head.note, turn->known_note) == 0)
        return;
    exchange_read_nodes(turn->exchange->bus, turn->known_size, head.checkpoint.size, &turn->nodes, &turn->nodes_count);
}

/* ---- Answers */

static void read_answers(struct turn *turn)
{
    cleanup_rows struct store_rows rows;
    struct store *bus = turn->exchange->bus;
    uint64_t size = turn->head.checkpoint.size;

    store_select(bus, &rows,
                 "WITH gone AS (DELETE FROM answers WHERE (front, number) IN (SELECT front, number FROM answers"
                 " WHERE front = $1 AND (status > 299 OR idx < $2) LIMIT $3) RETURNING number, status, idx, reason)"
                 " SELECT number, status, idx, reason FROM gone ORDER BY number",
                 VALUE_TEXT(turn->exchange->name), VALUE_INTEGER(size), VALUE_INTEGER(ANSWERS_MAX));
    turn->answers = calloc(ANSWERS_MAX, sizeof *turn->answers);
    while (turn->answers && turn->answers_count < ANSWERS_MAX && store_next(&rows)) {
        struct exchange_answer *answer = &turn->answers[turn->answers_count++];
        answer->number = store_integer(&rows, 0);
        answer->status = (int)store_integer(&rows, 1);
        answer->index = (uint64_t)store_integer(&rows, 2);
        snprintf(answer->reason.text, sizeof answer->reason.text, "%s", store_text(&rows, 3));
    }
    for (size_t i = 0; turn->answers && i < turn->answers_count; i++) {
        struct exchange_answer *answer = &turn->answers[i];
        if (answer->status < 300 &&
            proven_inclusion(bus, &turn->head.checkpoint, answer->index, size, &answer->proof) < 0)
            answer->status = 503;
    }
    turn->again |= turn->answers_count == ANSWERS_MAX;
}

void exchange_answer_submission(struct submission *submission, const char *note)
{
    cleanup_free char *quoted = submission_is_logged(submission) ? submission_quote(note) : NULL;

    if (quoted)
        submission->answer = submission_answer(submission, quoted);
}

/* ---- In office */

static struct submission *make_taken(const struct store_rows *rows)
{
    struct submission *submission = calloc(1, sizeof *submission);
    size_t size;
    const void *bytes = store_bytes(rows, 2, &size);
    char *owned = malloc(size + 1);

    if (!submission || !owned) {
        free(submission);
        free(owned);
        return NULL; /* it will be sent again */
    }
    memcpy(owned, bytes ? bytes : "", size);
    owned[size] = '\0';
    submission->owned = owned;
    submission->body = owned;
    submission->body_size = size;
    snprintf(submission->front, sizeof submission->front, "%s", store_text(rows, 0));
    submission->number = store_integer(rows, 1);
    return submission;
}

static void take_queue(struct turn *turn)
{
    cleanup_rows struct store_rows rows;
    struct submission **last = &turn->taken;
    size_t count = 0;

    store_select(turn->exchange->bus, &rows,
                 "DELETE FROM queue WHERE ticket IN (SELECT ticket FROM queue ORDER BY ticket LIMIT $1)"
                 " RETURNING front, number, envelope",
                 VALUE_INTEGER(TAKE_MAX));
    for (; store_next(&rows); count++) {
        if (strcmp(store_text(&rows, 0), turn->exchange->name) == 0)
            continue; /* ours, from before we were in office: they came back to us with it */
        *last = make_taken(&rows);
        if (*last)
            last = &(*last)->next;
    }
    turn->again |= count == TAKE_MAX;
}

/* Answers that nobody came for: their directoryd is gone, or sent again. */
static void forget_old_answers(struct store *bus)
{
    store_run(bus, "DELETE FROM answers WHERE written < $1", VALUE_INTEGER(time(NULL) - ANSWER_LIFE_S));
}

static void write_seen(struct turn *turn)
{
    struct store *bus = turn->exchange->bus;

    if (!turn->seen)
        return;
    store_begin(bus);
    presence_write(bus, turn->seen, turn->seen_count, directory_now());
    turn->seen_written = store_commit(bus) == 0;
}

/* ---- The turn */

static void exchange_all(struct turn *turn)
{
    struct exchange *exchange = turn->exchange;

    store_take_notifications(exchange->bus);
    listen_as(exchange, turn->in_office);
    read_epoch(turn);
    send_pending(turn);
    if (turn->in_office) {
        forget_old_answers(exchange->bus);
        if (turn->take)
            take_queue(turn);
    } else {
        read_head(turn);
        /* A take-over may have lost the last publication: the one in office makes up for it. */
        if (turn->head.note && turn->head.checkpoint.size >= turn->known_size)
            read_answers(turn);
    }
}

static void reopen_reader(struct turn *turn)
{
    struct reason reason;

    if (store_open(turn->exchange->url, STORE_READ, &turn->reader, &reason))
        turn->reader = NULL;
}

void turn_run(uv_work_t *work)
{
    struct turn *turn = work->data;
    struct exchange *exchange = turn->exchange;

    if (!exchange->bus)
        connect_bus(turn);
    if (!exchange->bus)
        return;
    if (turn->reopen)
        reopen_reader(turn);
    exchange_all(turn);
    write_seen(turn);
    if (exchange->bus->error < 0)
        exchange->failed = true;
}

void turn_free(struct turn *turn)
{
    struct submission *submission;

    while ((submission = turn->taken)) {
        turn->taken = submission->next;
        free(submission->owned);
        free(submission);
    }
    tlog_head_close(&turn->head);
    store_close(turn->reader);
    free(turn->known_note);
    free(turn->nodes);
    free(turn->answers);
    free(turn);
}

void exchange_close(struct exchange *exchange)
{
    store_close(exchange->bus);
    exchange->bus = NULL;
    exchange->failed = exchange->listening = false;
}
