/* `directoryd` without a command: it serves the directory. This file is the wiring:
 *
 *   server (HTTP) → api (routes) → sequencer → rules, state, tlog → store
 *                                → feed, view, tlog               → store
 *
 * One loop; opening statements and committing run in libuv's pool. It serves until SIGTERM or SIGINT, then answers what
 * it has, writes down who was seen, and ends. */

#include "contrib/directory/commands.h"

#include "contrib/directory/api.h"
#include "contrib/directory/cosigned.h"
#include "contrib/directory/feed.h"
#include "contrib/directory/gather.h"
#include "contrib/directory/log_wait.h"
#include "contrib/directory/office.h"
#include "contrib/directory/options.h"
#include "contrib/directory/scrub.h"
#include "contrib/directory/sequencer.h"
#include "contrib/directory/signed.h"

#include "lib/http.h"
#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 250    /* how often it is looked whether who was seen is to be written down */
#define FLUSH_MS 15000 /* then at the latest, and four times in a heartbeat's interval */
#define DRAIN_MS 10
#define ANSWER_TURNS (10000 / DRAIN_MS) /* for clients to take their answers */
#define STOP_TURNS (30000 / DRAIN_MS)   /* for all of it: longer than anything waits for a database */

struct program {
    struct directory directory;
    struct tls *tls;
    uv_signal_t sigterm, sigint, sighup;
    uv_timer_t flush, drain;
    uint64_t flushed_ms;
    bool stopping, flushed;
    unsigned turns; /* of the drain */
};

/* ---- Running and stopping */

static void write_seen(struct directory *directory)
{
    if (directory->office)
        office_write_seen(directory->office);
    sequencer_flush(directory->sequencer, directory->office ? SEQUENCER_GROUP : SEQUENCER_SEEN);
}

static void close_handles(struct program *program)
{
    struct directory *directory = &program->directory;

    server_close(directory->server);
    gather_free(directory->gather);
    log_wait_free(directory->log_wait);
    feed_free(directory->feed);
    if (directory->office)
        office_stop(directory->office);
    scrub_stop(directory);
    sequencer_free(directory->sequencer);
    directory->sequencer = NULL;
    uv_close((uv_handle_t *)&program->sigterm, NULL);
    uv_close((uv_handle_t *)&program->sigint, NULL);
    uv_close((uv_handle_t *)&program->sighup, NULL);
    uv_close((uv_handle_t *)&program->flush, NULL);
    uv_close((uv_handle_t *)&program->drain, NULL);
}

static bool is_busy(const struct directory *directory)
{
    return !sequencer_is_idle(directory->sequencer) || (directory->office && !office_is_idle(directory->office)) ||
           directory->jobs;
}

/* Waits until everything that was taken in is answered and, within a bound, the answers are taken; then until who was
 * seen is written down. */
static void on_drain(uv_timer_t *timer)
{
    struct program *program = timer->data;
    struct directory *directory = &program->directory;

    if (++program->turns > STOP_TURNS) {
        log_warning("the store doesn't answer: stopping without writing down who was seen lately");
        _exit(EXIT_FAILURE);
    }
    if (is_busy(directory) || (!server_is_idle(directory->server) && program->turns < ANSWER_TURNS))
        return;
    if (!program->flushed) {
        program->flushed = true;
        write_seen(directory);
        return;
    }
    close_handles(program);
}

static void on_stop(uv_signal_t *signal, int number)
{
    struct program *program = signal->data;

    if (program->stopping)
        return;
    program->stopping = true;
    log_info("stopping");
    server_quiesce(program->directory.server);
    feed_release(program->directory.feed);
    log_wait_release(program->directory.log_wait);
    uv_timer_start(&program->drain, on_drain, DRAIN_MS, DRAIN_MS);
}

static void on_reload(uv_signal_t *signal, int number)
{
    struct program *program = signal->data;

    serving_reload(program->tls);
}

static void on_flush(uv_timer_t *timer)
{
    struct program *program = timer->data;
    struct directory *directory = &program->directory;
    size_t changed = presence_changed(directory->presence);
    uint64_t now = uv_now(directory->loop), beat_ms = (uint64_t)directory->heartbeat_s * 250;
    uint64_t interval = beat_ms < FLUSH_MS ? beat_ms : FLUSH_MS;

    if (directory->writer && sequencer_error(directory->sequencer) && now - program->flushed_ms >= interval) {
        program->flushed_ms = now;
        sequencer_flush(directory->sequencer, SEQUENCER_PROVE);
        return;
    }
    if (changed < SEQUENCER_SEEN_MAX &&
        ((!changed && !directory->cosigned_unwritten) || now - program->flushed_ms < interval))
        return;
    program->flushed_ms = now;
    write_seen(directory);
}

static void start_handles(struct program *program)
{
    uv_loop_t *loop = program->directory.loop;

    program->sigterm.data = program->sigint.data = program->sighup.data = program;
    program->flush.data = program->drain.data = program;
    uv_signal_init(loop, &program->sigterm);
    uv_signal_init(loop, &program->sigint);
    uv_signal_init(loop, &program->sighup);
    uv_timer_init(loop, &program->flush);
    uv_timer_init(loop, &program->drain);
    uv_signal_start(&program->sigterm, on_stop, SIGTERM);
    uv_signal_start(&program->sigint, on_stop, SIGINT);
    uv_signal_start(&program->sighup, on_reload, SIGHUP);
    uv_timer_start(&program->flush, on_flush, LOOK_MS, LOOK_MS);
}

/* ---- Opening */

static int open_signer(const struct options *options, struct tlog_signer *signer, struct reason *reason)
{
    int error = key_load(options->key, 1, &signer->key);

    if (error < 0)
        return reason_refuse(reason, "key", "%s can't be used: %s", options->key, strerror(-error));
    error = note_verifier_make(options->name, key_public(signer->key), &signer->verifier, reason);
    return error ? reason_prefix(reason, "name") : 0;
}

static int open_store(const char *url, const char *key_path, struct directory *directory, struct reason *reason)
{
    int error = signed_open(url, key_path, &directory->signed_fd, reason);

    if (!error && store_backend_of(url)->shared)
        return office_open(directory, url, &directory->office, reason);
    if (!error)
        error = store_open(url, STORE_WRITE, &directory->writer, reason);
    if (!error)
        error = tlog_open(directory->writer, &directory->signer, TLOG_END, &directory->head, reason);
    if (!error)
        error = signed_check(directory->signed_fd, directory->writer, &directory->signer.verifier,
                             &directory->head.checkpoint, reason);
    if (!error)
        signed_write(directory->signed_fd, directory->head.note);
    return error ? error : store_open(url, STORE_READ, &directory->reader, reason);
}

static int start_server(const struct options *options, struct program *program, struct reason *reason)
{
    struct directory *directory = &program->directory;
    struct server_options server = { .on_request = api_on_request, .on_done = api_on_done, .context = directory };

    return serving_open(&options->serving, directory->loop, &server, &program->tls, &directory->server, reason);
}

static int open_directory(const struct options *options, struct program *program, struct reason *reason)
{
    struct directory *directory = &program->directory;
    int error = open_signer(options, &directory->signer, reason);

    directory->loop = uv_default_loop();
    directory->heartbeat_s = options->heartbeat_s;
    if (!error)
        error = limits_open(&directory->limits, &options->limits);
    if (!error)
        error = open_store(options->store, options->key, directory, reason);
    directory->presence = presence_new();
    if (!error && !directory->presence)
        error = -ENOMEM;
    if (!error)
        error = sequencer_new(directory, &directory->sequencer);
    if (!error)
        error = start_server(options, program, reason);
    if (!error)
        error = feed_new(directory, &directory->feed);
    if (!error)
        error = log_wait_new(directory, &directory->log_wait);
    if (!error && options->gather.policy.count)
        error = cosigned_load(directory, &options->gather.policy);
    if (!error && options->gather.policy.count)
        error = http_open() < 0 ? -EIO : gather_new(directory, &options->gather, &directory->gather);
    if (!error && !directory->office)
        error = scrub_start(directory, options->store);
    return error;
}

static void close_directory(struct directory *directory)
{
    office_free(directory->office);
    sequencer_free(directory->sequencer);
    presence_free(directory->presence);
    tlog_head_close(&directory->head);
    tlog_head_close(&directory->cosigned);
    store_close(directory->reader);
    if (directory->signed_fd >= 0)
        close(directory->signed_fd);
    store_close(directory->writer);
    limits_close(&directory->limits);
    key_free(directory->signer.key);
}

int serve_run(int argc, char **argv)
{
    static struct program program = { .directory.signed_fd = -1 };
    char vkey[NOTE_VKEY_BYTES];
    struct options options = { 0 };
    struct reason reason = { 0 };
    int exit_code = options_read(argc, argv, &options);

    if (exit_code)
        return exit_code - 1;
    if (open_directory(&options, &program, &reason)) {
        log_error("can't start: %s", reason.text[0] ? reason.text : "see above");
        close_directory(&program.directory);
        return EXIT_FAILURE;
    }
    start_handles(&program);
    if (program.directory.office)
        office_start(program.directory.office);
    else if (program.directory.writer->office_due) /* so that /healthz tells of the full disk */
        sequencer_flush(program.directory.sequencer, SEQUENCER_PROVE);
    note_verifier_format(&program.directory.signer.verifier, vkey);
    printf("listening on %s\nlog key %s\n", server_address(program.directory.server), vkey);
    fflush(stdout);
    log_info("serving %" PRIu64 " statements", program.directory.head.checkpoint.size);
    uv_run(program.directory.loop, UV_RUN_DEFAULT);
    close_directory(&program.directory);
    tls_close(program.tls);
    uv_loop_close(uv_default_loop());
    return EXIT_SUCCESS;
}
