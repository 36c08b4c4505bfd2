/* directoryd: the grid's directory. This file is the command line and the wiring:
 *
 *   server (HTTP) → api (routes) → sequencer → rules, state, tlog → store
 *                                → feed, view, tlog               → store
 *
 * One loop; opening statements and committing run in libuv's pool. It serves until SIGTERM or SIGINT, then answers what
 * it has, writes down who was seen, and ends. */

#include "contrib/directory/api.h"
#include "contrib/directory/feed.h"
#include "contrib/directory/sequencer.h"

#include "lib/log.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2
#define FLUSH_MS 15000
#define DRAIN_MS 10

static const char USAGE[] =
    "usage: directoryd --store sqlite:PATH --key FILE --listen ADDRESS:PORT [--name ORIGIN] [--heartbeat SECONDS]\n"
    "\n"
    "Serves the grid's directory: a verifiable log of signed statements, and the views computed from it.\n"
    "\n"
    "  --store sqlite:PATH      where the log is kept; made when it isn't there\n"
    "  --key FILE               the log's signing key (64 hexadecimal digits); made when it isn't there\n"
    "  --listen ADDRESS:PORT    where to listen, as in 127.0.0.1:8080 or [::1]:8080; port 0 picks one\n"
    "  --name ORIGIN            the log's name in its checkpoints (zos-directory)\n"
    "  --heartbeat SECONDS      the pace of the nodes' heartbeats, 1 to 86400 (60)\n"
    "  --help                   this text\n";

struct options {
    const char *store, *key, *listen, *name;
    int64_t heartbeat_s;
};

struct program {
    struct directory directory;
    uv_signal_t sigterm, sigint;
    uv_timer_t flush, drain;
    bool stopping, flushed;
};

static int usage_error(const char *text)
{
    fprintf(stderr, "directoryd: %s\n\n%s", text, USAGE);
    return EXIT_USAGE;
}

/* 0, or the exit code plus one. */
static int read_options(int argc, char **argv, struct options *ret_options)
{
    static const struct option known[] = {
        { "store", required_argument, NULL, 's' },
        { "key", required_argument, NULL, 'k' },
        { "listen", required_argument, NULL, 'l' },
        { "name", required_argument, NULL, 'n' },
        { "heartbeat", required_argument, NULL, 'b' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    struct options options = { .name = "zos-directory", .heartbeat_s = 60 };
    struct reason reason;
    char *end;

    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        switch (option) {
        case 's':
            options.store = optarg;
            break;
        case 'k':
            options.key = optarg;
            break;
        case 'l':
            options.listen = optarg;
            break;
        case 'n':
            options.name = optarg;
            break;
        case 'b':
            options.heartbeat_s = strtol(optarg, &end, 10);
            if (*end || options.heartbeat_s < 1 || options.heartbeat_s > 86400)
                return usage_error("--heartbeat must be a number of seconds from 1 to 86400") + 1;
            break;
        case 'h':
            fputs(USAGE, stdout);
            return EXIT_SUCCESS + 1;
        default:
            fputs(USAGE, stderr);
            return EXIT_USAGE + 1;
        }
    }
    if (optind < argc)
        return usage_error("takes options only") + 1;
    if (!options.store || !options.key || !options.listen)
        return usage_error("--store, --key and --listen are needed") + 1;
    if (!store_is_address(options.store))
        return usage_error("--store must be sqlite:PATH") + 1;
    if (server_check_listen(options.listen, &reason))
        return usage_error(reason.text) + 1;
    *ret_options = options;
    return 0;
}

/* ---- Running and stopping */

/* Waits until everything that was taken in is answered, then until who was seen is written down. */
static void on_drain(uv_timer_t *timer)
{
    struct program *program = timer->data;
    struct directory *directory = &program->directory;

    if (!sequencer_is_idle(directory->sequencer))
        return;
    if (!program->flushed) {
        program->flushed = true;
        sequencer_flush(directory->sequencer);
        return;
    }
    server_close(directory->server);
    feed_free(directory->feed);
    uv_close((uv_handle_t *)&program->sigterm, NULL);
    uv_close((uv_handle_t *)&program->sigint, NULL);
    uv_close((uv_handle_t *)&program->flush, NULL);
    uv_close((uv_handle_t *)&program->drain, NULL);
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
    uv_timer_start(&program->drain, on_drain, DRAIN_MS, DRAIN_MS);
}

static void on_flush(uv_timer_t *timer)
{
    struct program *program = timer->data;

    sequencer_flush(program->directory.sequencer);
}

static void start_handles(struct program *program)
{
    uv_loop_t *loop = program->directory.loop;

    program->sigterm.data = program->sigint.data = program->flush.data = program->drain.data = program;
    uv_signal_init(loop, &program->sigterm);
    uv_signal_init(loop, &program->sigint);
    uv_timer_init(loop, &program->flush);
    uv_timer_init(loop, &program->drain);
    uv_signal_start(&program->sigterm, on_stop, SIGTERM);
    uv_signal_start(&program->sigint, on_stop, SIGINT);
    uv_timer_start(&program->flush, on_flush, FLUSH_MS, FLUSH_MS);
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

static int open_directory(const struct options *options, struct directory *directory, struct reason *reason)
{
    struct server_options server = { options->listen, api_on_request, directory };
    int error = open_signer(options, &directory->signer, reason);

    directory->loop = uv_default_loop();
    directory->heartbeat_s = options->heartbeat_s;
    if (!error)
        error = store_open(options->store, STORE_WRITE, &directory->writer, reason);
    if (!error)
        error = tlog_open(directory->writer, &directory->signer, &directory->head, reason);
    if (!error)
        error = store_open(options->store, STORE_READ, &directory->reader, reason);
    if (!error)
        error = presence_open(directory->reader, &directory->presence);
    if (!error)
        error = sequencer_new(directory, &directory->sequencer);
    if (!error)
        error = server_open(directory->loop, &server, &directory->server, reason);
    return error ? error : feed_new(directory, &directory->feed);
}

static void close_directory(struct directory *directory)
{
    sequencer_free(directory->sequencer);
    presence_free(directory->presence);
    tlog_head_close(&directory->head);
    store_close(directory->reader);
    store_close(directory->writer);
    key_free(directory->signer.key);
}

int main(int argc, char **argv)
{
    static struct program program;
    char vkey[NOTE_VKEY_BYTES];
    struct options options = { 0 };
    struct reason reason = { 0 };
    int exit_code = read_options(argc, argv, &options);

    if (exit_code)
        return exit_code - 1;
    log_open("directoryd");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk: 503 */
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    if (open_directory(&options, &program.directory, &reason)) {
        log_error("can't start: %s", reason.text[0] ? reason.text : "see above");
        close_directory(&program.directory);
        return EXIT_FAILURE;
    }
    start_handles(&program);
    note_verifier_format(&program.directory.signer.verifier, vkey);
    printf("listening on %s\nlog key %s\n", server_address(program.directory.server), vkey);
    fflush(stdout);
    log_info("serving %" PRIu64 " statements", program.directory.head.checkpoint.size);
    uv_run(program.directory.loop, UV_RUN_DEFAULT);
    close_directory(&program.directory);
    uv_loop_close(uv_default_loop());
    return EXIT_SUCCESS;
}
