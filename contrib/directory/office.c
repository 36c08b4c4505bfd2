/* Who is in office, and when a turn of the exchange (exchange.c) is due: when others tell something, when there is
 * something to send, and every TICK_MS. A turn and an election are jobs of the pool, each at most one at a time; what
 * they use is theirs until they are done. */

#include "contrib/directory/office.h"

#include "contrib/directory/exchange.h"
#include "contrib/directory/feed.h"
#include "contrib/directory/scrub.h"
#include "contrib/directory/sequencer.h"
#include "contrib/directory/signed.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 500
#define PROVE_TICKS 10        /* the one in office makes sure that it still is */
#define FORWARD_WAIT_MS 15000 /* until there is one in office: a database that fails over takes its time */
#define START_WAIT_MS 10000   /* for the first checkpoint of one that starts at the same time */

struct election {
    uv_work_t work;
    struct office *office;
    struct checkpoint known; /* what was served until now: the log must extend it */
    int error;
    struct reason reason;
    struct store *writer;
    struct tlog_head head;
    char (*nodes)[ID_TEXT_BYTES]; /* that have news since `known` */
    size_t nodes_count;
};

struct office {
    struct directory *directory;
    struct exchange exchange;
    uv_poll_t poll;
    uv_timer_t tick;
    unsigned ticks;
    bool started, polling, stopping;
    bool turning, again, electing, reported, write_seen;
    struct submission *pending, **pending_last; /* sent, or to be sent with the next turn */
    struct submission *incoming, **incoming_last;
    int64_t numbers;
    uint64_t held_ms; /* when another was last seen to hold it, by uv_now */
};

/* ---- In office, or not */

/* The log as it is now must extend what was served: a database that lost signed entries may not go on. */
static int check_extends(struct store *store, const struct checkpoint *known, const struct checkpoint *now,
                         struct reason *reason)
{
    struct merkle_proof proof = { 0 };

    if (known->size > 0 && known->size < now->size && tlog_prove_consistency(store, known->size, now->size, &proof) < 0)
        return store_clear(store);
    if (merkle_verify_consistency(known->size, now->size, &proof, &known->root, &now->root))
        return 0;
    return reason_refuse(
        reason, "store",
        "holds another log of %" PRIu64 " entries than the one of %" PRIu64 " that was signed (which the"
        " .signed file beside the key keeps): the database lost what it had acknowledged, or an old copy"
        " was put back; see README.md on synchronous replication",
        now->size, known->size);
}

static int take_office(const struct directory *directory, const char *url, struct election *election)
{
    int error = store_open(url, STORE_WRITE, &election->writer, &election->reason);

    if (!error)
        error = tlog_open(election->writer, &directory->signer, TLOG_END, &election->head, &election->reason);
    if (!error)
        error = check_extends(election->writer, &election->known, &election->head.checkpoint, &election->reason);
    if (!error)
        error = office_publish(election->writer, election->head.note);
    if (!error)
        exchange_read_nodes(election->writer, election->known.size, election->head.checkpoint.size, &election->nodes,
                            &election->nodes_count);
    if (error) {
        store_close(election->writer);
        election->writer = NULL;
        tlog_head_close(&election->head);
    }
    return error;
}

static void run_election(uv_work_t *work)
{
    struct election *election = work->data;
    struct office *office = election->office;

    election->error = take_office(office->directory, office->exchange.url, election);
}

static void start_turn(struct office *office);

/* What waited for another is ours to write now. */
static void take_back(struct office *office)
{
    struct submission *submission;

    while ((submission = office->pending)) {
        office->pending = submission->next;
        sequencer_queue(office->directory->sequencer, submission);
    }
    office->pending_last = &office->pending;
}

/* Without memory for it the log is served unchecked, as a front end does. */
static void check_log(struct office *office)
{
    if (scrub_start(office->directory, office->exchange.url) < 0)
        log_warning("no memory to check the log");
}

static void enter(struct office *office, struct election *election)
{
    struct directory *directory = office->directory;

    directory->writer = election->writer;
    tlog_head_close(&directory->head);
    directory->head = election->head;
    signed_write(directory->signed_fd, directory->head.note);
    log_info("in office: this directoryd writes the log, from %" PRIu64 " entries on, epoch %" PRId64,
             directory->head.checkpoint.size, directory->writer->epoch);
    check_log(office);
    for (size_t i = 0; i < election->nodes_count; i++)
        feed_wake(directory->feed, election->nodes[i]);
    if (directory->head.checkpoint.size > election->known.size)
        directory_grew(directory);
}

static void on_elected(uv_work_t *work, int status)
{
    struct election *election = work->data;
    struct office *office = election->office;

    office->electing = false;
    if (election->error == STORE_HELD)
        office->held_ms = uv_now(office->directory->loop);
    if (!election->error)
        enter(office, election);
    else if (election->error != STORE_HELD && !office->reported)
        log_warning("can't take office: %s", election->reason.text[0] ? election->reason.text : "see above");
    office->reported = election->error && election->error != STORE_HELD;
    free(election->nodes);
    free(election);
    start_turn(office);
}

static void start_election(struct office *office)
{
    struct election *election = calloc(1, sizeof *election);

    if (!election)
        return;
    election->work.data = election;
    election->office = office;
    election->known = office->directory->head.checkpoint;
    office->electing = true;
    uv_queue_work(office->directory->loop, &election->work, run_election, on_elected);
}

void office_leave(struct office *office)
{
    struct directory *directory = office->directory;

    log_warning("out of office: another directoryd writes the log, or the database is away");
    store_close(directory->writer);
    directory->writer = NULL;
    if (!scrub_damage(directory->scrub))
        scrub_stop(directory);
}

/* ---- Turns of the exchange */

static void on_readable(uv_poll_t *poll, int status, int events)
{
    start_turn(poll->data);
}

/* The descriptor is polled between turns only: during one, it is the pool's. */
static void poll_exchange(struct office *office)
{
    struct store *bus = office->exchange.bus;

    if (!bus || office->stopping)
        return;
    if (!office->polling)
        uv_poll_init(office->directory->loop, &office->poll, store_descriptor(bus));
    office->poll.data = office;
    office->polling = true;
    uv_poll_start(&office->poll, UV_READABLE, on_readable);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct office *office = handle->data;

    office->polling = false;
    exchange_close(&office->exchange);
    if (!office->stopping)
        start_turn(office);
}

static void answer_forwards(struct office *office, const struct turn *turn)
{
    struct submission **link = &office->pending, *submission;

    for (size_t i = 0; (submission = *link) && i < turn->answers_count;) {
        const struct exchange_answer *answer = &turn->answers[i];
        if (submission->number < answer->number) {
            link = &submission->next;
            continue;
        }
        i++;
        if (submission->number > answer->number)
            continue; /* it was answered with 503 meanwhile */
        *link = submission->next;
        submission->status = answer->status;
        submission->index = answer->index;
        submission->proof = answer->proof;
        submission->reason = answer->reason;
        exchange_answer_submission(submission, turn->head.note);
        sequencer_finish(submission);
    }
    while (*link)
        link = &(*link)->next;
    office->pending_last = link;
}

static void take_head(struct office *office, struct turn *turn)
{
    struct directory *directory = office->directory;

    if (directory->writer || !turn->head.note || turn->head.checkpoint.size < directory->head.checkpoint.size)
        return;
    bool grown = turn->head.checkpoint.size > directory->head.checkpoint.size;
    tlog_head_close(&directory->head);
    directory->head = turn->head;
    turn->head.note = NULL;
    signed_write(directory->signed_fd, directory->head.note);
    for (size_t i = 0; i < turn->nodes_count; i++)
        feed_wake(directory->feed, turn->nodes[i]);
    if (grown)
        directory_grew(directory);
}

static void take_others(struct office *office, struct turn *turn)
{
    struct submission *submission;

    while ((submission = turn->taken)) {
        turn->taken = submission->next;
        submission->next = NULL;
        sequencer_take(office->directory->sequencer, submission);
    }
}

static void swap_reader(struct office *office, struct turn *turn)
{
    if (!turn->reader)
        return;
    store_close(office->directory->reader);
    office->directory->reader = turn->reader;
    turn->reader = NULL;
}

static void on_turned(uv_work_t *work, int status)
{
    struct turn *turn = work->data;
    struct office *office = turn->office;
    struct exchange *exchange = &office->exchange;

    office->turning = false;
    swap_reader(office, turn);
    answer_forwards(office, turn);
    take_head(office, turn);
    take_others(office, turn);
    presence_written(office->directory->presence, turn->seen, turn->seen_count, turn->seen_written);
    office->again |= turn->again;
    turn_free(turn);
    if (exchange->failed && office->polling) {
        uv_poll_stop(&office->poll);
        uv_close((uv_handle_t *)&office->poll, on_poll_closed);
        return;
    }
    if (exchange->failed)
        exchange_close(exchange);
    else
        poll_exchange(office);
    if (office->again || (exchange->bus && store_take_notifications(exchange->bus)))
        start_turn(office);
}

static void start_turn(struct office *office)
{
    struct directory *directory = office->directory;

    office->again = true;
    if (office->turning || office->stopping || (office->exchange.failed && office->polling))
        return;
    struct turn *turn = calloc(1, sizeof *turn);
    if (!turn)
        return;
    if (office->polling)
        uv_poll_stop(&office->poll);
    if (office->incoming) {
        *office->pending_last = office->incoming;
        office->pending_last = office->incoming_last;
        office->incoming = NULL;
        office->incoming_last = &office->incoming;
    }
    if (directory->writer)
        take_back(office);
    *turn = (struct turn){ .office = office,
                           .exchange = &office->exchange,
                           .directory = directory,
                           .pending = office->pending,
                           .in_office = directory->writer != NULL,
                           .take = directory->writer && sequencer_has_room(directory->sequencer),
                           .known_size = directory->head.checkpoint.size,
                           .known_note = directory->head.note ? strdup(directory->head.note) : NULL,
                           .reopen = store_is_lost(directory->reader) };
    if (office->write_seen)
        turn->seen = presence_take_changed(directory->presence, SEQUENCER_SEEN_MAX, &turn->seen_count);
    office->write_seen = false;
    turn->work.data = turn;
    office->turning = true;
    office->again = false;
    uv_queue_work(directory->loop, &turn->work, turn_run, on_turned);
}

/* ---- What waits */

void office_forward(struct office *office, struct submission *submission)
{
    submission->number = ++office->numbers;
    submission->sent = false;
    submission->next = NULL;
    if (!submission->deadline_ms)
        submission->deadline_ms = uv_now(office->directory->loop) + FORWARD_WAIT_MS;
    *office->incoming_last = submission;
    office->incoming_last = &submission->next;
    start_turn(office);
}

void office_write_seen(struct office *office)
{
    office->write_seen = true;
    start_turn(office);
}

static void give_up(struct submission *submission)
{
    submission->status = 503;
    reason_refuse(&submission->reason, NULL, "nobody can write it down now; try again");
    sequencer_finish(submission);
}

/* Those whose time is over; in the order of their numbers, which isn't that of their deadlines. */
static void expire(struct office *office)
{
    uint64_t now = uv_now(office->directory->loop);
    struct submission **link = &office->pending, *submission;

    while ((submission = *link)) {
        if (submission->deadline_ms > now) {
            link = &submission->next;
            continue;
        }
        *link = submission->next;
        give_up(submission);
    }
    office->pending_last = link;
}

static void on_tick(uv_timer_t *timer)
{
    struct office *office = timer->data;
    struct directory *directory = office->directory;

    if (!office->turning)
        expire(office);
    if (!directory->writer && !office->electing && !scrub_damage(directory->scrub))
        start_election(office);
    else if (++office->ticks % PROVE_TICKS == 0)
        sequencer_flush(directory->sequencer, SEQUENCER_PROVE);
    start_turn(office);
}

/* ---- Beginning and end */

/* Not in office: somebody else is, or is about to be. */
static int wait_for_head(struct directory *directory, struct reason *reason)
{
    int error = TLOG_NEW;

    for (int waited = 0; waited < START_WAIT_MS && error == TLOG_NEW; waited += 50) {
        error = exchange_read_head(directory->reader, &directory->signer.verifier, &directory->head, reason);
        if (error == TLOG_NEW)
            uv_sleep(50);
    }
    if (error == TLOG_NEW)
        return reason_refuse(reason, "store", "another directoryd holds it, but has signed no checkpoint yet");
    return error;
}

static int open_sessions(struct office *office, const char *url, struct reason *reason)
{
    struct directory *directory = office->directory;
    struct election election = { .office = office };
    int error = store_open(url, STORE_SHARED, &office->exchange.bus, reason);

    merkle_empty(&election.known.root);
    signed_read(directory->signed_fd, &directory->signer.verifier, &election.known);
    if (!error)
        error = store_open(url, STORE_READ, &directory->reader, reason);
    if (error)
        return error;
    error = take_office(directory, url, &election);
    free(election.nodes);
    directory->writer = election.writer;
    directory->head = election.head;
    if (error > 0)
        *reason = election.reason;
    if (error == STORE_HELD)
        error = wait_for_head(directory, reason);
    if (!error)
        error = check_extends(directory->reader, &election.known, &directory->head.checkpoint, reason);
    if (!error)
        signed_write(directory->signed_fd, directory->head.note);
    return error;
}

int office_open(struct directory *directory, const char *url, struct office **ret_office, struct reason *reason)
{
    struct office *office = calloc(1, sizeof *office);
    uint8_t name[(FRONT_BYTES - 1) / 2];

    if (!office)
        return -ENOMEM;
    office->directory = directory;
    office->exchange.url = url;
    office->pending_last = &office->pending;
    office->incoming_last = &office->incoming;
    randombytes_buf(name, sizeof name);
    encode_hex(name, sizeof name, office->exchange.name);
    int error = open_sessions(office, url, reason);
    if (error) {
        office_free(office);
        return error;
    }
    *ret_office = office;
    return 0;
}

void office_start(struct office *office)
{
    office->started = true;
    log_info(office->directory->writer ? "in office: this directoryd writes the log"
                                       : "another directoryd is in office: this one serves, and hands on");
    uv_timer_init(office->directory->loop, &office->tick);
    if (office->directory->writer)
        check_log(office);
    office->tick.data = office;
    uv_timer_start(&office->tick, on_tick, TICK_MS, TICK_MS);
    start_turn(office);
}

bool office_is_filled(const struct office *office)
{
    return office->directory->writer ||
           (office->held_ms && uv_now(office->directory->loop) - office->held_ms < FORWARD_WAIT_MS);
}

bool office_is_idle(const struct office *office)
{
    return !office->turning && !office->electing && !office->pending && !office->incoming;
}

void office_stop(struct office *office)
{
    office->stopping = true;
    uv_close((uv_handle_t *)&office->tick, NULL);
    if (office->polling)
        uv_close((uv_handle_t *)&office->poll, on_poll_closed);
}

void office_free(struct office *office)
{
    if (!office)
        return;
    exchange_close(&office->exchange);
    free(office);
}
