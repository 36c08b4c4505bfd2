/* `directoryd witness`: cosigns the checkpoints of the logs that it is told of, each only when it extends all that it
 * cosigned before (c2sp.org/tlog-witness). What it cosigned last is in a file, durable before the cosignature leaves;
 * one loop does one request at a time, so that no two race.
 *
 *     STATE/<first 32 hex digits of SHA-256(origin)>            the last checkpoint that was cosigned
 *     STATE/….evidence                                          two histories of one size, both signed by the log
 *     STATE/….suspect                                           the first signed checkpoint whose proof didn't hold */

#include "contrib/directory/commands.h"

#include "contrib/directory/listen.h"
#include "contrib/directory/server.h"
#include "contrib/directory/witness_rules.h"

#include "lib/cleanup.h"
#include "lib/cosignature.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define EXIT_USAGE 2
#define LOGS_MAX 64
#define PATH_BYTES 4096
#define ORIGIN_BYTES 16 /* of the hash in a file's name */

struct witnessed_log {
    struct note_verifier verifier;
    char path[PATH_BYTES];
    struct checkpoint last; /* size 0: nothing yet */
    char *note;             /* of it; NULL: nothing yet */
};

struct witness {
    struct witnessed_log logs[LOGS_MAX];
    size_t count;
    struct note_verifier verifier;
    struct key *key;
    struct server *server;
    uv_signal_t sigterm, sigint;
    const char *state;
    int lock;
};

/* ---- What it remembers */

static void name_log(const struct witness *witness, struct witnessed_log *log)
{
    uint8_t hash[SHA256_BYTES];
    char hex[2 * ORIGIN_BYTES + 1];

    sha256(log->verifier.name, strlen(log->verifier.name), hash);
    encode_hex(hash, ORIGIN_BYTES, hex);
    snprintf(log->path, sizeof log->path, "%.3000s/%s", witness->state, hex);
}

/* A file that can't be read is no reason to begin anew: then two histories could be cosigned. */
static int load_log(struct witnessed_log *log, struct reason *reason)
{
    int error = file_read(log->path, NOTE_BYTES_MAX, &log->note, NULL);

    if (error == -ENOENT)
        return 0;
    if (error < 0)
        return reason_refuse(reason, log->path, "can't be read: %s", strerror(-error));
    if (checkpoint_open(log->note, &log->verifier, &log->last, reason))
        return reason_prefix(reason, log->path);
    return 0;
}

/* One process at a time has the state: two would cosign two histories. */
static int take_lock(struct witness *witness, struct reason *reason)
{
    char path[PATH_BYTES];

    if (file_make_folders(witness->state, 0700) < 0)
        return reason_refuse(reason, "state", "%s can't be made", witness->state);
    snprintf(path, sizeof path, "%.3000s/lock", witness->state);
    witness->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (witness->lock < 0)
        return reason_refuse(reason, "state", "%s: %s", path, strerror(errno));
    if (flock(witness->lock, LOCK_EX | LOCK_NB) < 0)
        return reason_refuse(reason, "state", "another witness uses %s; stop it first", witness->state);
    return 0;
}

/* The first stays: whoever comes later could be somebody who wants it gone. */
static void keep_beside(const struct witnessed_log *log, const char *suffix, const char *words, const char *note)
{
    char path[PATH_BYTES + 16];
    char *text;

    snprintf(path, sizeof path, "%s.%s", log->path, suffix);
    if (access(path, F_OK) == 0)
        return;
    int size = asprintf(&text, "%s\n\n%s\n%s", words, log->note, note);
    if (size < 0)
        return;
    if (file_write(path, text, (size_t)size, 0644) == 0)
        log_error("log %s: both signed notes are kept in %s", log->verifier.name, path);
    free(text);
}

/* ---- add-checkpoint */

static void cosign(struct witness *witness, struct witnessed_log *log, struct request *request, const char *note,
                   const struct checkpoint *checkpoint)
{
    cleanup_free char *line = cosignature_sign(note, (int64_t)time(NULL), &witness->verifier, witness->key);
    cleanup_free char *copy = strdup(note);

    if (!line || !copy) {
        request_problem(request, 503, "out of memory");
        return;
    }
    /* Durable first, then the answer. What is cosigned again is there already. */
    if (!log->note || checkpoint->size > log->last.size) {
        if (file_write(log->path, note, strlen(note), 0644) < 0) {
            request_problem(request, 503, "the checkpoint can't be written down now");
            return;
        }
        free(log->note);
        log->note = steal_pointer(copy);
        log->last = *checkpoint;
    }
    size_t size = strlen(line);
    request_answer_bytes(request, "text/plain; charset=utf-8", steal_pointer(line), size);
}

static void answer_size(struct request *request, uint64_t size)
{
    char *text;
    int length = asprintf(&text, "%" PRIu64 "\n", size);

    if (length < 0)
        request_problem(request, 503, "out of memory");
    else
        request_answer(request, 409, "text/x.tlog.size", text, (size_t)length);
}

static void refuse_fork(struct witnessed_log *log, struct request *request, const char *note)
{
    char words[512];

    snprintf(words, sizeof words,
             "The log %s signed two histories: below are two checkpoints of size %" PRIu64
             " with different roots, both signed with its key. The second was refused.",
             log->verifier.name, log->last.size);
    log_error("log %s: signed two histories of size %" PRIu64 "; the second isn't cosigned", log->verifier.name,
              log->last.size);
    keep_beside(log, "evidence", words, note);
    answer_size(request, log->last.size);
}

static void refuse_proof(struct witnessed_log *log, struct request *request, const char *note, uint64_t size)
{
    char words[512];

    snprintf(
        words, sizeof words,
        "It wasn't shown that log %s extends, at size %" PRIu64 ", what it was at size %" PRIu64
        ": the first checkpoint below was cosigned, the second refused. The proof is the sender's, who may be anybody:"
        " this alone says nothing against the log.",
        log->verifier.name, size, log->last.size);
    log_warning("log %s: the checkpoint of size %" PRIu64 " isn't shown to extend the one of size %" PRIu64
                "; it isn't cosigned",
                log->verifier.name, size, log->last.size);
    if (log->note)
        keep_beside(log, "suspect", words, note);
    request_problem(request, 422, "the proof doesn't show that size %" PRIu64 " extends size %" PRIu64, size,
                    log->last.size);
}

static void answer_verdict(struct witness *witness, struct witnessed_log *log, struct request *request,
                           const struct witness_request *asked, const struct checkpoint *submitted)
{
    switch (witness_judge(asked, submitted, &log->last)) {
    case WITNESS_COSIGN:
        cosign(witness, log, request, asked->note, submitted);
        break;
    case WITNESS_BAD_SIZE:
        request_problem(request, 400, "the old size is larger than the checkpoint's");
        break;
    case WITNESS_OTHER_SIZE:
        answer_size(request, log->last.size);
        break;
    case WITNESS_FORKED:
        refuse_fork(log, request, asked->note);
        break;
    case WITNESS_INCONSISTENT:
        refuse_proof(log, request, asked->note, submitted->size);
        break;
    }
}

static struct witnessed_log *find_log(struct witness *witness, const char *note)
{
    size_t length = strcspn(note, "\n");

    for (size_t i = 0; i < witness->count; i++) {
        const char *name = witness->logs[i].verifier.name;
        if (strlen(name) == length && memcmp(name, note, length) == 0)
            return &witness->logs[i];
    }
    return NULL;
}

static void add_checkpoint(struct witness *witness, struct request *request)
{
    struct witness_request asked;
    struct checkpoint submitted;
    struct reason reason = { 0 };
    const char *body = request->body ? request->body : "";

    if (strlen(body) != request->body_size || witness_parse(body, &asked, &reason)) {
        request_problem(request, 400, "%s", reason.text[0] ? reason.text : "a NUL has no place in it");
        return;
    }
    struct witnessed_log *log = find_log(witness, asked.note);
    if (!log)
        request_problem(request, 404, "this witness doesn't know that log");
    else if (checkpoint_open(asked.note, &log->verifier, &submitted, &reason))
        request_problem(request, 403, "%s", reason.text);
    else
        answer_verdict(witness, log, request, &asked, &submitted);
}

static void on_request(void *context, struct request *request)
{
    if (strcmp(request->path, "/add-checkpoint") != 0) {
        request_problem(request, 404, "there is nothing here; a witness takes POST /add-checkpoint");
    } else if (strcmp(request->method, "POST") != 0) {
        request->allow = "POST";
        request_problem(request, 405, "only POST is allowed here");
    } else {
        add_checkpoint(context, request);
    }
}

/* ---- Running */

static void on_stop(uv_signal_t *signal, int number)
{
    struct witness *witness = signal->data;

    if (uv_is_closing((uv_handle_t *)signal))
        return;
    log_info("stopping");
    server_quiesce(witness->server);
    server_close(witness->server);
    uv_close((uv_handle_t *)&witness->sigterm, NULL);
    uv_close((uv_handle_t *)&witness->sigint, NULL);
}

static void start_signals(struct witness *witness, uv_loop_t *loop)
{
    witness->sigterm.data = witness->sigint.data = witness;
    uv_signal_init(loop, &witness->sigterm);
    uv_signal_init(loop, &witness->sigint);
    uv_signal_start(&witness->sigterm, on_stop, SIGTERM);
    uv_signal_start(&witness->sigint, on_stop, SIGINT);
}

struct witness_options {
    const char *key, *name, *listen;
};

static int open_witness(struct witness *witness, const struct witness_options *options, struct reason *reason)
{
    struct server_options server = { .listen = options->listen, .on_request = on_request, .context = witness };
    int error = key_load(options->key, 1, &witness->key);

    if (error < 0)
        return reason_refuse(reason, "key", "%s can't be used: %s", options->key, strerror(-error));
    if (note_witness_make(options->name, key_public(witness->key), &witness->verifier, reason))
        return reason_prefix(reason, "name");
    error = take_lock(witness, reason);
    for (size_t i = 0; i < witness->count && !error; i++) {
        name_log(witness, &witness->logs[i]);
        error = load_log(&witness->logs[i], reason);
    }
    return error ? error : server_open(uv_default_loop(), &server, &witness->server, reason);
}

static void close_witness(struct witness *witness)
{
    for (size_t i = 0; i < witness->count; i++)
        free(witness->logs[i].note);
    key_free(witness->key);
    if (witness->lock >= 0)
        close(witness->lock);
}

/* ---- The command line */

static const char USAGE[] =
    "usage: directoryd witness --key FILE --name NAME --state FOLDER --listen ADDRESS:PORT --log VKEY [--log VKEY …]\n"
    "\n"
    "Cosigns checkpoints of those logs (c2sp.org/tlog-witness): each only if it extends all that were cosigned "
    "before.\n"
    "\n"
    "  --key FILE               the witness's signing key (64 hexadecimal digits); made when it isn't there\n"
    "  --name NAME              the witness's name in its cosignatures, such as witness.example/w1\n"
    "  --state FOLDER           what was cosigned last, and evidence of forks; made when it isn't there. Never put an\n"
    "                           old copy of it back: the witness would cosign a second history\n"
    "  --listen ADDRESS:PORT    where to listen, as in 127.0.0.1:8081 or [::1]:8081; port 0 picks one\n"
    "  --log VKEY               the verifier key of a log, name+hash+key, as that log's directoryd prints it\n"
    "  --help                   this text\n";

static int usage_error(const char *text)
{
    fprintf(stderr, "directoryd witness: %s\n\n%s", text, USAGE);
    return EXIT_USAGE;
}

static int add_log(struct witness *witness, const char *vkey, struct reason *reason)
{
    struct witnessed_log *log = &witness->logs[witness->count];

    if (witness->count == LOGS_MAX)
        return reason_refuse(reason, "--log", "at most %d can be given", LOGS_MAX);
    if (note_verifier_parse(vkey, &log->verifier, reason))
        return reason_prefix(reason, "--log");
    for (size_t i = 0; i < witness->count; i++) {
        if (strcmp(witness->logs[i].verifier.name, log->verifier.name) == 0)
            return reason_refuse(reason, "--log", "%s is given twice", log->verifier.name);
    }
    witness->count++;
    return 0;
}

/* 0, or the exit code plus one. */
static int read_options(int argc, char **argv, struct witness *witness, struct witness_options *options)
{
    static const struct option known[] = {
        { "key", required_argument, NULL, 'k' },
        { "name", required_argument, NULL, 'n' },
        { "state", required_argument, NULL, 's' },
        { "log", required_argument, NULL, 'l' },
        { "listen", required_argument, NULL, 'a' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    struct reason reason = { 0 };

    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        switch (option) {
        case 'k':
            options->key = optarg;
            break;
        case 'n':
            options->name = optarg;
            break;
        case 's':
            witness->state = optarg;
            break;
        case 'a':
            options->listen = optarg;
            break;
        case 'l':
            if (add_log(witness, optarg, &reason))
                return usage_error(reason.text) + 1;
            break;
        case 'h':
            fputs(USAGE, stdout);
            return EXIT_SUCCESS + 1;
        default:
            fputs(USAGE, stderr);
            return EXIT_USAGE + 1;
        }
    }
    if (optind < argc || !options->key || !options->name || !options->listen || !witness->state || !witness->count)
        return usage_error("--key, --name, --state, --listen and --log are needed, and nothing else") + 1;
    if (listen_check(options->listen, &reason))
        return usage_error(reason.text) + 1;
    return 0;
}

int witness_run(int argc, char **argv)
{
    static struct witness witness = { .lock = -1 };
    struct witness_options options = { 0 };
    char vkey[NOTE_VKEY_BYTES];
    struct reason reason = { 0 };
    int exit_code = read_options(argc, argv, &witness, &options);

    if (exit_code)
        return exit_code - 1;
    if (open_witness(&witness, &options, &reason)) {
        log_error("can't start: %s", reason.text[0] ? reason.text : "see above");
        close_witness(&witness);
        return EXIT_FAILURE;
    }
    start_signals(&witness, uv_default_loop());
    note_verifier_format(&witness.verifier, vkey);
    printf("listening on %s\nwitness key %s\n", server_address(witness.server), vkey);
    fflush(stdout);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    close_witness(&witness);
    uv_loop_close(uv_default_loop());
    return EXIT_SUCCESS;
}
