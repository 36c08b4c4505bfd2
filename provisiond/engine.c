/* States and times. A contract is `running` once all its containers have kept the same processes for STABLE_MS; it has
 * failed when an action fails, or when a container hasn't settled for UNSETTLED_MS; both are told once, and the
 * next change again. That a daemon of the node doesn't answer for less than AWAY_MS is nothing to tell: what runs goes
 * on running. */

#include "provisiond/engine.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "provisiond/clock.h"
#include "provisiond/deploy.h"
#include "provisiond/result.h"
#include "provisiond/tidy.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define JOBS_MAX 4
#define STABLE_MS 1000
#define UNSETTLED_MS 15000
#define LOOK_SOON_MS 250
#define LOOK_MS 5000 /* at what runs */
#define RETRY_MS 2000
#define RETRY_CAP_MS 60000
#define AWAY_MS 60000 /* zinit starts a daemon again after at most 30 s */
#define LOOK_AWAY_MS 500
#define TICK_MS 1000 /* expiries */

struct engine_job {
    struct node *node; /* for `done` only */
    struct deploy deploy;
};

static struct wanted *find(struct node *node, const char *id)
{
    struct wanted *wanted = node->wanted;

    while (wanted && strcmp(wanted->id, id) != 0)
        wanted = wanted->next;
    return wanted;
}

static void on_work(void *context)
{
    deploy_run(&((struct engine_job *)context)->deploy);
}

/* State and result in one transaction. */
static void set_state(struct node *node, struct wanted *wanted, enum wanted_state state, const cJSON *reports,
                      const char *message, bool over)
{
    int r = journal_begin(node->journal);

    if (r == 0)
        r = journal_set_state(node->journal, wanted->id, wanted_state_name(state), message);
    if (r == 0 && over)
        r = journal_set_over(node->journal, wanted->id);
    if (r == 0)
        r = result_add(node, wanted, state, reports, message);
    if (r == 0)
        r = journal_commit(node->journal);
    else
        journal_rollback(node->journal);
    if (r < 0) {
        log_error("contract %s: its state can't be kept: starting over", wanted->id);
        daemon_stop(&node->daemon);
        return;
    }
    wanted->state = state;
    if (message[0])
        log_warning("contract %s: %s: %s", wanted->id, wanted_state_name(state), message);
    else
        log_info("contract %s: %s", wanted->id, wanted_state_name(state));
    outbox_kick(node);
}

static void remove_wanted(struct node *node, struct wanted *wanted)
{
    struct wanted **link = &node->wanted;

    while (*link != wanted)
        link = &(*link)->next;
    *link = wanted->next;
    wanted_free(wanted);
}

static uint64_t backoff(unsigned failures)
{
    uint64_t pause = RETRY_MS << (failures < 6 ? failures : 6);

    return pause < RETRY_CAP_MS ? pause : RETRY_CAP_MS;
}

static void failed(struct node *node, struct wanted *wanted, const struct deploy *deploy)
{
    if (wanted->state != WANTED_FAILED && !wanted->ending)
        set_state(node, wanted, WANTED_FAILED, deploy->reports, deploy->reason.text, false);
    else if (strcmp(wanted->message.text, deploy->reason.text) != 0)
        log_warning("contract %s: %s", wanted->id, deploy->reason.text);
    wanted->message = deploy->reason;
}

/* FNV-1a of what a result would say. */
static uint64_t hash_reports(const cJSON *reports)
{
    cleanup_free char *text = json_print(reports);
    uint64_t hash = 0xcbf29ce484222325u;

    for (const char *at = text; at && *at; at++)
        hash = (hash ^ (unsigned char)*at) * 0x100000001b3u;
    return hash;
}

/* It runs: tells so once, and again a few times while what the containers print at their start still grows. */
static void tell_running(struct node *node, struct wanted *wanted, const struct deploy *deploy)
{
    static const uint64_t PAUSE_MS[] = { 4000, 25000, 120000 }; /* the log is for ever: no more than so many */
    uint64_t now = uv_now(node->daemon.loop), hash = hash_reports(deploy->reports);

    if (wanted->state != WANTED_RUNNING || wanted->untold) {
        set_state(node, wanted, WANTED_RUNNING, deploy->reports, "", false);
        wanted->tells = 0;
    } else if (hash != wanted->told_hash && wanted->told_ms && wanted->tells < sizeof PAUSE_MS / sizeof *PAUSE_MS &&
               now - wanted->told_ms >= PAUSE_MS[wanted->tells]) {
        if (result_add(node, wanted, WANTED_RUNNING, deploy->reports, "") == 0)
            outbox_kick(node);
        wanted->tells++;
    } else {
        return;
    }
    wanted->untold = false;
    wanted->told_ms = now;
    wanted->told_hash = hash;
}

/* All is there, but not up, or not by the same processes as before. */
static void unsettled(struct node *node, struct wanted *wanted, const struct deploy *deploy)
{
    uint64_t now = uv_now(node->daemon.loop);

    wanted->stamp = deploy->stamp;
    wanted->stamp_ms = deploy->outcome == DEPLOY_UP ? now : 0;
    if (!wanted->unsettled_ms)
        wanted->unsettled_ms = now;
    wanted->due_ms = now + LOOK_SOON_MS;
    if (deploy->outcome != DEPLOY_UP && now - wanted->unsettled_ms > UNSETTLED_MS) {
        failed(node, wanted, deploy);
        wanted->due_ms = now + LOOK_MS;
    }
}

/* All is there: has it been so, with the same processes, for a while? A contract without containers has nothing to wait
 * for. */
static void settle(struct node *node, struct wanted *wanted, const struct deploy *deploy)
{
    uint64_t now = uv_now(node->daemon.loop);
    bool same = wanted->stamp_ms && wanted->stamp == deploy->stamp;

    if (deploy->outcome != DEPLOY_UP || (!same && deploy->stamp)) {
        unsettled(node, wanted, deploy);
    } else if (deploy->stamp && now - wanted->stamp_ms < STABLE_MS) {
        wanted->due_ms = now + LOOK_SOON_MS;
    } else {
        tell_running(node, wanted, deploy);
        wanted->message = (struct reason){ 0 };
        wanted->failures = 0;
        wanted->unsettled_ms = 0;
        wanted->due_ms = now + LOOK_MS;
    }
}

static void away(struct node *node, struct wanted *wanted, const struct deploy *deploy)
{
    uint64_t now = uv_now(node->daemon.loop);

    if (!wanted->away_ms)
        wanted->away_ms = now;
    if (now - wanted->away_ms > AWAY_MS)
        failed(node, wanted, deploy);
    else
        log_debug("contract %s: %s", wanted->id, deploy->reason.text);
    wanted->due_ms = now + LOOK_AWAY_MS;
}

static void on_done(void *context)
{
    struct engine_job *job = context;
    struct node *node = job->node;
    struct wanted *wanted = find(node, job->deploy.id);
    uint64_t now = uv_now(node->daemon.loop);

    node->jobs--;
    wanted->busy = false;
    wanted->cancelled = NULL;
    wanted->untold |= job->deploy.started;
    if (job->deploy.outcome != DEPLOY_AWAY)
        wanted->away_ms = 0;
    if (wanted->ending && !job->deploy.ending) {
        wanted->due_ms = now; /* it was cancelled meanwhile */
    } else if (job->deploy.outcome == DEPLOY_GONE) {
        set_state(node, wanted, WANTED_STOPPED, NULL, "", true);
        remove_wanted(node, wanted);
        tidy_kick(node);
    } else if (job->deploy.outcome == DEPLOY_AWAY) {
        away(node, wanted, &job->deploy);
    } else if (job->deploy.outcome == DEPLOY_FAILED) {
        failed(node, wanted, &job->deploy);
        wanted->due_ms = now + backoff(wanted->failures++);
    } else if (job->deploy.outcome == DEPLOY_BROKEN) {
        failed(node, wanted, &job->deploy);
        wanted->stamp_ms = 0;
        wanted->due_ms = now + LOOK_MS / 2;
    } else {
        settle(node, wanted, &job->deploy);
    }
    deploy_close(&job->deploy);
    free(job);
    engine_kick(node);
}

static void start(struct node *node, struct wanted *wanted)
{
    struct engine_job *job = calloc(1, sizeof *job);

    if (!job)
        return;
    job->node = node;
    job->deploy = (struct deploy){ .workloads = wanted->ending ? NULL : cJSON_Duplicate(wanted->workloads, true),
                                   .ending = wanted->ending,
                                   .paths = node->paths,
                                   .key = node->key,
                                   .sealing_public = node->sealing->public,
                                   .sealing_secret = node->sealing->secret };
    memcpy(job->deploy.id, wanted->id, sizeof job->deploy.id);
    if (daemon_work(&node->daemon, on_work, on_done, job) < 0) {
        deploy_close(&job->deploy);
        free(job);
        return;
    }
    wanted->busy = true;
    wanted->cancelled = &job->deploy.cancelled;
    node->jobs++;
}

static void end(struct wanted *wanted)
{
    wanted->ending = true;
    wanted->failures = 0;
    wanted->due_ms = 0;
    if (wanted->cancelled)
        __atomic_store_n(wanted->cancelled, true, __ATOMIC_RELAXED);
}

/* A clock that nobody has vouched for ends no contract. */
static void expire(struct node *node)
{
    struct wanted *next;

    if (!clock_is_set(node->paths.root))
        return;
    for (struct wanted *wanted = node->wanted; wanted; wanted = next) {
        next = wanted->next;
        if (wanted->refused && wanted->expires <= node_now(node) && journal_set_over(node->journal, wanted->id) == 0)
            remove_wanted(node, wanted);
    }
    for (struct wanted *wanted = node->wanted; wanted; wanted = wanted->next)
        if (!wanted->ending && wanted->expires <= node_now(node) &&
            journal_set_ending(node->journal, wanted->id) == 0) {
            log_info("contract %s: expired", wanted->id);
            end(wanted);
        }
}

static void on_timer(uv_timer_t *timer)
{
    engine_kick(timer->data);
}

void engine_kick(struct node *node)
{
    uint64_t now, next = TICK_MS;

    if (!node->engine_timer.data)
        return;
    uv_update_time(node->daemon.loop);
    now = uv_now(node->daemon.loop);
    expire(node);
    for (struct wanted *wanted = node->wanted; wanted; wanted = wanted->next) {
        if (wanted->busy || wanted->refused)
            continue;
        if (wanted->due_ms > now)
            next = wanted->due_ms - now < next ? wanted->due_ms - now : next;
        else if (node->jobs < JOBS_MAX)
            start(node, wanted);
    }
    uv_timer_start(&node->engine_timer, on_timer, next, 0);
}

int engine_start(struct node *node)
{
    uv_timer_init(node->daemon.loop, &node->engine_timer);
    node->engine_timer.data = node;
    uv_timer_start(&node->engine_timer, on_timer, 0, 0);
    return 0;
}

void engine_end(struct node *node, const char *id)
{
    struct wanted *wanted = find(node, id);

    if (wanted && wanted->refused)
        remove_wanted(node, wanted);
    else if (wanted)
        end(wanted);
}
