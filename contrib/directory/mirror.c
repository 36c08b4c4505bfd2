/* `directoryd mirror URL`: a verified copy of a directory, that any node can use in its place. A thread follows the
 * source (follow.c) and alone writes the store; the loop serves it as the directory does, with the source's own signed
 * checkpoints, and hands on to the source what only that can answer (forward.c). */

#include "contrib/directory/mirror.h"

#include "contrib/directory/api.h"
#include "contrib/directory/commands.h"
#include "contrib/directory/feed.h"
#include "contrib/directory/follow.h"
#include "contrib/directory/forward.h"
#include "contrib/directory/log_wait.h"
#include "contrib/directory/mirror_options.h"
#include "contrib/directory/scrub.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/http.h"
#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_S 20    /* a long poll at the source */
#define POLL_MS 1000 /* where it can't be waited, or nobody does */
#define RETRY_MS 1000
#define RETRY_CAP_MS 30000
#define FORKED_MS 10000
#define DRAIN_MS 10
#define ANSWER_TURNS (10000 / DRAIN_MS) /* for clients to take their answers */
#define STOP_TURNS (30000 / DRAIN_MS)   /* for all of it */
#define SEEN_MAX 10000                  /* written in one transaction, once in a long poll */

struct mirror {
    struct directory directory;
    struct mirror_options options;
    struct forward forward;
    struct tls *tls;
    uv_signal_t sigterm, sigint, sighup;
    uv_timer_t drain;
    bool stopping, failed;
    unsigned turns; /* of the drain */

    /* The thread's. */
    uv_thread_t thread;
    struct remote remote;
    struct follower follower;
    unsigned failures;
    bool running;

    /* What it tells the loop, under the lock. */
    uv_mutex_t lock;
    uv_async_t async;
    struct tlog_head news; /* `note` NULL: none */
    uint64_t held;
    int64_t contact_s; /* 0: never */
    struct reason problem;
    struct seen *seen; /* to be written by the thread; then `seen_done` */
    size_t seen_count;
    bool seen_done, seen_written;
    atomic_bool end;
};

/* ---- The thread */

static void tell(struct mirror *mirror, const char *problem)
{
    const struct tlog_head *head = &mirror->follower.head;

    uv_mutex_lock(&mirror->lock);
    if (problem && !mirror->problem.text[0])
        log_warning("%s", problem);
    if (!problem && mirror->problem.text[0])
        log_info("the source is followed again");
    snprintf(mirror->problem.text, sizeof mirror->problem.text, "%s", problem ? problem : "");
    if (!problem)
        mirror->contact_s = directory_now();
    mirror->held = mirror->follower.held.size;
    if (head->note) {
        tlog_head_close(&mirror->news);
        mirror->news = (struct tlog_head){ head->checkpoint, strdup(head->note) };
    }
    uv_mutex_unlock(&mirror->lock);
    uv_async_send(&mirror->async);
}

static void on_progress(void *context, uint64_t size, uint64_t of)
{
    struct mirror *mirror = context;

    if (size < of)
        log_info("%" PRIu64 " of %" PRIu64 " entries are checked and here", size, of);
    uv_mutex_lock(&mirror->lock);
    mirror->held = size;
    uv_mutex_unlock(&mirror->lock);
}

/* Both signed notes, with words, for whoever has to be convinced. */
static void keep_evidence(struct mirror *mirror, const struct tlog_head *next, const char *words)
{
    const char *path = mirror->options.evidence, *known = mirror->follower.head.note;
    char *text;

    if (access(path, F_OK) == 0) {
        log_error("%s; %s has evidence already, and is left as it is", words, path);
        return;
    }
    int size = asprintf(&text, "%s: %s.\n\n%s\n%s", mirror->options.url, words, known ? known : "", next->note);

    if (size < 0)
        return;
    if (file_write(path, text, (size_t)size, 0644) == 0)
        log_error("%s; both signed notes are kept in %s", words, path);
    free(text);
}

static bool is_ending(void *context)
{
    struct mirror *mirror = context;

    return atomic_load(&mirror->end);
}

static void pause_ms(struct mirror *mirror, unsigned ms)
{
    for (; ms > 0 && !is_ending(mirror); ms -= ms < 100 ? ms : 100)
        uv_sleep(ms < 100 ? ms : 100);
}

static void fail(struct mirror *mirror, const char *problem)
{
    unsigned wait_ms = (unsigned)RETRY_MS << (mirror->failures < 5 ? mirror->failures : 5);

    mirror->failures++;
    tell(mirror, problem);
    pause_ms(mirror, wait_ms < RETRY_CAP_MS ? wait_ms : RETRY_CAP_MS);
}

static void take(struct mirror *mirror, struct tlog_head *next)
{
    struct reason reason = { 0 };
    int result = follower_take(&mirror->follower, next, &reason);

    if (result == FOLLOW_FORKED) {
        if (strcmp(mirror->problem.text, reason.text) != 0)
            keep_evidence(mirror, next, reason.text);
        tlog_head_close(next);
        tell(mirror, reason.text);
        pause_ms(mirror, FORKED_MS);
    } else if (result) {
        if (result == FOLLOW_FORBIDDEN)
            reason_prefix(&reason, "what is served as the log has what its rules forbid");
        else if (result == -EUCLEAN)
            reason_refuse(&reason, "the store", "is damaged; remove it, and the log is fetched again");
        else if (result < 0)
            reason_refuse(&reason, "the store", "%s", strerror(-result));
        fail(mirror, reason.text);
    } else {
        mirror->failures = 0;
        tell(mirror, NULL);
    }
}

/* What heartbeats said, from memory into the table. */
static void write_seen(struct mirror *mirror)
{
    struct store *store = mirror->follower.store;

    uv_mutex_lock(&mirror->lock);
    bool any = mirror->seen && !mirror->seen_done;
    uv_mutex_unlock(&mirror->lock);
    if (!any)
        return;
    store_begin(store);
    presence_write(store, mirror->seen, mirror->seen_count, directory_now());
    bool written = store_commit(store) >= 0;
    if (!written)
        store_rollback(store);
    uv_mutex_lock(&mirror->lock);
    mirror->seen_written = written;
    mirror->seen_done = true;
    uv_mutex_unlock(&mirror->lock);
    uv_async_send(&mirror->async);
}

static void follow(struct mirror *mirror)
{
    const struct tlog_head *head = &mirror->follower.head;
    struct tlog_head next = { 0 };
    struct reason reason = { 0 };
    bool waited = false;
    unsigned wait_s = head->note ? WAIT_S : 0;
    uint64_t size = head->checkpoint.size, began_ns = uv_hrtime();
    int result = remote_checkpoint(&mirror->remote, &mirror->options.verifier, head->checkpoint.size, wait_s, &next,
                                   &waited, &reason);

    if (!result)
        result = cosignature_check(next.note, &mirror->options.witnesses, &reason);
    if (result) {
        tlog_head_close(&next);
        if (!is_ending(mirror))
            fail(mirror, reason.text);
        return;
    }
    take(mirror, &next);
    /* One that knows how to wait and doesn't, since too many do, isn't asked again at once. */
    if (wait_s && head->checkpoint.size == size && (!waited || uv_hrtime() - began_ns < POLL_MS * 1000000UL))
        pause_ms(mirror, POLL_MS);
}

static void run_thread(void *context)
{
    struct mirror *mirror = context;

    while (!is_ending(mirror)) {
        write_seen(mirror);
        follow(mirror);
    }
    write_seen(mirror);
}

/* ---- The loop */

static void stop(struct mirror *mirror);

/* From the first checkpoint on there is something to serve. */
static void serve(struct mirror *mirror)
{
    struct directory *directory = &mirror->directory;
    struct server_options server = { .on_request = api_on_request, .on_done = api_on_done, .context = directory };
    struct reason reason = { 0 };

    if (serving_open(&mirror->options.serving, directory->loop, &server, &mirror->tls, &directory->server, &reason)) {
        log_error("can't serve: %s", reason.text[0] ? reason.text : "see above");
        mirror->failed = true;
        stop(mirror);
        return;
    }
    printf("listening on %s\n", server_address(directory->server));
    fflush(stdout);
    log_info("serving %" PRIu64 " statements of %s", directory->head.checkpoint.size, mirror->options.url);
}

/* Under the lock: takes back what was written, and gives the thread what came since. */
static void hand_over_seen(struct mirror *mirror)
{
    struct presence *presence = mirror->directory.presence;

    if (mirror->seen && mirror->seen_done) {
        presence_written(presence, mirror->seen, mirror->seen_count, mirror->seen_written);
        mirror->seen = NULL;
    }
    if (!mirror->seen) {
        mirror->seen_done = false;
        mirror->seen = presence_take_changed(presence, SEEN_MAX, &mirror->seen_count);
    }
}

static void on_news(uv_async_t *async)
{
    struct mirror *mirror = async->data;
    struct directory *directory = &mirror->directory;
    uint64_t before = directory->head.checkpoint.size;

    uv_mutex_lock(&mirror->lock);
    hand_over_seen(mirror);
    struct tlog_head news = mirror->news;
    mirror->news = (struct tlog_head){ 0 };
    uv_mutex_unlock(&mirror->lock);
    if (!news.note)
        return;
    tlog_head_close(&directory->head);
    directory->head = news;
    if (!directory->server && !mirror->stopping)
        serve(mirror);
    if (news.checkpoint.size == before)
        return;
    feed_wake_entries(directory->feed, before, news.checkpoint.size);
    directory_grew(directory);
}

void mirror_get_status(struct directory *directory, struct request *request)
{
    struct mirror *mirror = (struct mirror *)directory; /* its first member */

    if (!directory->forward) {
        request_problem(request, 404, "this isn't a mirror");
        return;
    }
    cJSON *answer = cJSON_CreateObject();
    cJSON_AddStringToObject(answer, "source", mirror->options.url);
    json_add_integer(answer, "size", (int64_t)directory->head.checkpoint.size);
    uv_mutex_lock(&mirror->lock);
    json_add_integer(answer, "held", (int64_t)mirror->held);
    if (mirror->contact_s)
        json_add_integer(answer, "contact", mirror->contact_s);
    else
        cJSON_AddNullToObject(answer, "contact");
    if (mirror->problem.text[0])
        cJSON_AddStringToObject(answer, "problem", mirror->problem.text);
    else
        cJSON_AddNullToObject(answer, "problem");
    uv_mutex_unlock(&mirror->lock);
    request_answer_json(request, 200, answer);
}

void mirror_get_problem(struct directory *directory, struct reason *ret_problem)
{
    struct mirror *mirror = (struct mirror *)directory; /* its first member */

    uv_mutex_lock(&mirror->lock);
    *ret_problem = mirror->problem;
    uv_mutex_unlock(&mirror->lock);
}

static void on_drain(uv_timer_t *timer)
{
    struct mirror *mirror = timer->data;
    struct directory *directory = &mirror->directory;

    if (++mirror->turns > STOP_TURNS) {
        log_warning("what was handed on isn't answered: stopping without");
        _exit(EXIT_FAILURE);
    }
    if (directory->jobs || (directory->server && !server_is_idle(directory->server) && mirror->turns < ANSWER_TURNS))
        return;
    if (directory->server)
        server_close(directory->server);
    log_wait_free(directory->log_wait);
    feed_free(directory->feed);
    scrub_stop(directory);
    uv_close((uv_handle_t *)&mirror->sigterm, NULL);
    uv_close((uv_handle_t *)&mirror->sigint, NULL);
    uv_close((uv_handle_t *)&mirror->sighup, NULL);
    uv_close((uv_handle_t *)&mirror->async, NULL);
    uv_close((uv_handle_t *)&mirror->drain, NULL);
}

static void stop(struct mirror *mirror)
{
    if (mirror->stopping)
        return;
    mirror->stopping = true;
    log_info("stopping");
    atomic_store(&mirror->end, true);
    if (mirror->directory.server)
        server_quiesce(mirror->directory.server);
    feed_release(mirror->directory.feed);
    log_wait_release(mirror->directory.log_wait);
    uv_timer_start(&mirror->drain, on_drain, DRAIN_MS, DRAIN_MS);
}

static void on_stop(uv_signal_t *signal, int number)
{
    stop(signal->data);
}

static void on_reload(uv_signal_t *signal, int number)
{
    struct mirror *mirror = signal->data;

    serving_reload(mirror->tls);
}

/* ---- Beginning and end */

static void start_handles(struct mirror *mirror)
{
    uv_loop_t *loop = mirror->directory.loop;

    mirror->sigterm.data = mirror->sigint.data = mirror->sighup.data = mirror->drain.data = mirror->async.data = mirror;
    uv_mutex_init(&mirror->lock);
    uv_async_init(loop, &mirror->async, on_news);
    uv_signal_init(loop, &mirror->sigterm);
    uv_signal_init(loop, &mirror->sigint);
    uv_signal_init(loop, &mirror->sighup);
    uv_timer_init(loop, &mirror->drain);
    uv_signal_start(&mirror->sigterm, on_stop, SIGTERM);
    uv_signal_start(&mirror->sigint, on_stop, SIGINT);
    uv_signal_start(&mirror->sighup, on_reload, SIGHUP);
}

static int read_ca(struct mirror *mirror, struct reason *reason)
{
    const char *path = mirror->options.ca;
    int error = path ? file_read(path, JSON_SIZE_MAX, &mirror->remote.ca_pem, NULL) : 0;

    mirror->forward.ca_pem = mirror->remote.ca_pem;
    return error < 0 ? reason_refuse(reason, "--ca", "%s can't be read: %s", path, strerror(-error)) : 0;
}

static int open_log(struct mirror *mirror, struct reason *reason)
{
    struct directory *directory = &mirror->directory;
    int error = store_open(mirror->options.store, STORE_WRITE, &directory->writer, reason);

    if (error)
        return error;
    mirror->follower = (struct follower){ .store = directory->writer,
                                          .remote = &mirror->remote,
                                          .verifier = &mirror->options.verifier,
                                          .progress = on_progress,
                                          .context = mirror };
    error = follower_open(&mirror->follower, reason);
    if (error || !mirror->follower.head.note)
        return error;
    directory->head = (struct tlog_head){ mirror->follower.head.checkpoint, strdup(mirror->follower.head.note) };
    return directory->head.note ? 0 : -ENOMEM;
}

static int open_mirror(struct mirror *mirror, struct reason *reason)
{
    struct directory *directory = &mirror->directory;
    int error = http_open() < 0 ? -EIO : read_ca(mirror, reason);

    directory->forward = &mirror->forward;
    directory->signer.verifier = mirror->options.verifier;
    if (!error)
        error = limits_open(&directory->limits,
                            &(struct limits_options){ .address_per_s = mirror->options.serving.address_per_s });
    if (!error)
        error = open_log(mirror, reason);
    if (!error)
        error = store_open(mirror->options.store, STORE_READ, &directory->reader, reason);
    directory->presence = presence_new();
    if (!error && !directory->presence)
        error = -ENOMEM;
    if (!error)
        error = feed_new(directory, &directory->feed);
    if (!error)
        error = log_wait_new(directory, &directory->log_wait);
    if (!error && directory->head.note)
        error = scrub_start(directory, mirror->options.store);
    return error;
}

static void close_mirror(struct mirror *mirror)
{
    struct directory *directory = &mirror->directory;

    if (mirror->running)
        uv_thread_join(&mirror->thread);
    if (mirror->seen)
        presence_written(directory->presence, mirror->seen, mirror->seen_count, true);
    follower_close(&mirror->follower);
    tlog_head_close(&mirror->news);
    presence_free(directory->presence);
    tlog_head_close(&directory->head);
    store_close(directory->reader);
    store_close(directory->writer);
    limits_close(&directory->limits);
    free(mirror->remote.ca_pem);
}

/* A quarter of the pool is left for what is done here: a source that doesn't answer holds up nothing else. */
static unsigned forwards_max(void)
{
    unsigned long threads = strtoul(getenv("UV_THREADPOOL_SIZE") ?: "", NULL, 10);

    return threads >= 4 && threads <= 1024 ? (unsigned)(threads - threads / 4) : 1;
}

int mirror_run(int argc, char **argv)
{
    static struct mirror mirror;
    struct reason reason = { 0 };
    int exit_code = mirror_options_read(argc, argv, &mirror.options);

    if (exit_code)
        return exit_code - 1;
    setenv("UV_THREADPOOL_SIZE", "64",
           0); /* of requests that are handed on; each waits for the source most of the time */
    mirror.forward.max = forwards_max();
    mirror.directory.loop = uv_default_loop();
    mirror.directory.heartbeat_s = 60;
    snprintf(mirror.remote.url, sizeof mirror.remote.url, "%.1023s", mirror.options.url);
    snprintf(mirror.forward.url, sizeof mirror.forward.url, "%.1023s", mirror.options.url);
    mirror.remote.cancelled = mirror.forward.cancelled = is_ending;
    mirror.remote.context = mirror.forward.context = &mirror;
    start_handles(&mirror);
    if (open_mirror(&mirror, &reason)) {
        log_error("can't start: %s", reason.text[0] ? reason.text : "see above");
        close_mirror(&mirror);
        return EXIT_FAILURE;
    }
    mirror.running = uv_thread_create(&mirror.thread, run_thread, &mirror) == 0;
    if (mirror.directory.head.note)
        serve(&mirror);
    else
        log_info("nothing is here yet: %s is asked for the log", mirror.options.url);
    uv_run(mirror.directory.loop, UV_RUN_DEFAULT);
    close_mirror(&mirror);
    tls_close(mirror.tls);
    uv_loop_close(uv_default_loop());
    return mirror.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
