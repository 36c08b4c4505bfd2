/* A small machine with one timer and at most one job. Everything local is polled quickly, since a node that is ready in
 * seconds is worth more than a few calls saved; the directory is asked with a pause that doubles.
 *
 *   storage ─► identity ─► settings ─► uplink ─► time ─► register ─► connected ─► (heartbeat, feed, outbox)
 *                 └► journal and engine: contracts come back before anything outside is reached */

#include "provisiond/connect.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "provisiond/cache.h"
#include "provisiond/call.h"
#include "provisiond/clock.h"
#include "provisiond/engine.h"
#include "provisiond/feed.h"
#include "provisiond/heartbeat.h"
#include "provisiond/identity.h"
#include "provisiond/observe.h"
#include "provisiond/register.h"
#include "provisiond/result.h"
#include "provisiond/tidy.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#define LOCAL_MS 60 /* between looks at storaged, netd, settings */
#define LOCAL_CAP_MS 120
#define SETTINGS_MS 1000
#define REMOTE_MS 250 /* between tries of the directory, at first */
#define REMOTE_CAP_MS 8000
#define CALL_MS 10000

struct connect_job {
    struct node *node; /* for `done` only */
    enum node_step step;
    int r;
    struct reason reason;
    /* in */
    struct paths paths;
    const struct directory *directory;
    char *envelope;
    /* out */
    bool on_disk;
    struct key *key;
    struct directory_time time;
    struct register_observed observed;
    char *payload_text;
    struct directory_outcome outcome;
    cJSON *pools;
};

static void step_later(struct node *node, uint64_t pause_ms);

static void job_free(struct connect_job *job)
{
    register_observed_close(&job->observed);
    cJSON_Delete(job->pools);
    free(job->envelope);
    free(job->payload_text);
    free(job);
}

static void work_storage(struct connect_job *job)
{
    cleanup_json cJSON *capacity = NULL;
    const cJSON *cache;

    job->r = call("storaged", "capacity", NULL, CALL_MS, &capacity, NULL, &job->reason);
    if (job->r != 0)
        return;
    if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(capacity, "settled"))) {
        job->r = reason_refuse(&job->reason, "storaged", "the first scan of the disks isn't done yet");
        return;
    }
    cache = cJSON_GetObjectItemCaseSensitive(capacity, "cache");
    job->on_disk = cJSON_IsString(cache) && !strcmp(cache->valuestring, "disk");
}

static void work_identity(struct connect_job *job)
{
    job->r = call("storaged", "pool.list", NULL, CALL_MS, &job->pools, NULL, &job->reason);
    if (job->r != 0)
        return;
    if (identity_load(&job->paths, cJSON_GetObjectItemCaseSensitive(job->pools, "pools"), &job->key) != 0)
        job->r = reason_refuse(&job->reason, "identity", "the key can't be kept: see the log");
}

static void work_uplink(struct connect_job *job)
{
    cleanup_json cJSON *status = NULL;
    const cJSON *problem;

    job->r = call("netd", "status", NULL, CALL_MS, &status, NULL, &job->reason);
    if (job->r != 0 || cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(status, "uplink")))
        return;
    problem = cJSON_GetObjectItemCaseSensitive(status, "problem");
    job->r = reason_refuse(&job->reason, "no network", "%.400s",
                           cJSON_IsString(problem) ? problem->valuestring : "waiting for an address");
}

static void on_work(void *context)
{
    struct connect_job *job = context;

    if (job->step == NODE_STORAGE)
        work_storage(job);
    else if (job->step == NODE_IDENTITY)
        work_identity(job);
    else if (job->step == NODE_UPLINK)
        work_uplink(job);
    else if (job->step == NODE_TIME)
        job->r =
            directory_ask_time(job->directory, clock_is_set(job->paths.root), &job->time, &job->outcome, &job->reason);
    else if (job->step == NODE_REGISTER && !job->envelope)
        job->r = register_observe(&job->observed, &job->reason);
    else if (job->step == NODE_REGISTER)
        job->r = directory_post(job->directory, job->envelope, &job->outcome, &job->reason);
}

static void on_done(void *context);

static int start_job(struct node *node, char *envelope, char *payload_text)
{
    struct connect_job *job = calloc(1, sizeof *job);

    if (!job)
        return log_fail(-ENOMEM, "connect");
    *job = (struct connect_job){ .node = node,
                                 .step = node->step,
                                 .paths = node->paths,
                                 .directory = &node->directory,
                                 .envelope = envelope,
                                 .payload_text = payload_text };
    return daemon_work(&node->daemon, on_work, on_done, job);
}

/* The journal, what it holds, and what works on it. */
static int begin_journal(struct node *node)
{
    char path[PATH_BYTES];
    int r;

    if (node->journal)
        return 0;
    snprintf(path, sizeof path, "%.255s/%s", node->paths.state, PATHS_JOURNAL);
    cache_make_room(node->paths.images);
    r = journal_open(path, &node->journal);
    if (r == 0)
        r = feed_load(node);
    if (r == 0)
        r = engine_start(node);
    if (r == 0)
        r = tidy_start(node);
    if (r < 0) {
        log_error("the journal can't be opened: stopping");
        daemon_stop(&node->daemon);
    }
    return r;
}

/* The key is there. A journal of earlier runs is opened at once, since containers are waiting; where there is none,
 * nothing is, and its making may wait until the node is registered. */
static int take_identity(struct node *node, struct key *key)
{
    struct sealing *sealing = sodium_malloc(sizeof *sealing);
    char path[PATH_BYTES];

    if (!sealing)
        return log_fail(-ENOMEM, "identity");
    key_derive_x25519(key, "zos-seal", sealing->public, sealing->secret);
    node->key = key;
    node->sealing = sealing;
    log_info("identity %s%s", key_id(key), node->paths.on_disk ? "" : ", in memory only: no usable disk");
    snprintf(path, sizeof path, "%.255s/%s", node->paths.state, PATHS_JOURNAL);
    return access(path, F_OK) == 0 ? begin_journal(node) : 0;
}

/* Directory, its key and an invite, or what is missing. */
static int take_settings(struct node *node, struct reason *reason)
{
    struct settings settings;
    struct reason wrong = { 0 };

    if (settings_read(node->paths.root, &settings, &wrong) < 0)
        return reason_refuse(reason, "settings", "out of memory");
    settings_close(&node->settings);
    node->settings = settings;
    if (!settings.directory)
        return reason_refuse(reason, "no directory", "zos.directory= or node.json has to name one%s%.300s",
                             wrong.text[0] ? "; " : "", wrong.text);
    if (!settings.has_key)
        return reason_refuse(reason, "no directory key",
                             "zos.directory_key= or node.json has to give the log's key%s%.300s",
                             wrong.text[0] ? "; " : "", wrong.text);
    if (!settings.invite)
        return reason_refuse(reason, "no invite", "zos.invite= or node.json has to carry a farm's invite%s%.300s",
                             wrong.text[0] ? "; " : "", wrong.text);
    node->directory = (struct directory){ .url = settings.directory,
                                          .ca_pem = settings.directory_ca,
                                          .verifier = settings.directory_key,
                                          .witnesses = settings.witnesses };
    if (!settings.directory_ca) {
        snprintf(node->directory.ca_file, sizeof node->directory.ca_file, "%s/etc/ssl/ca.pem", node->paths.root);
        if (access(node->directory.ca_file, R_OK) != 0)
            node->directory.ca_file[0] = '\0';
    }
    node->directory_set = true;
    return 0;
}

/* What the job observed becomes the statement that the next job posts. */
static int sign_registration(struct node *node, const struct connect_job *job, struct reason *reason)
{
    cleanup_json cJSON *payload = NULL;
    cleanup_free char *text = NULL;
    char *envelope;
    int r = register_payload(node, &job->observed, &payload, &node->farm, reason);

    if (r != 0)
        return r;
    node->capacity = register_capacity(&node->machine, job->observed.capacity);
    text = json_print(payload);
    if (!text)
        return -ENOMEM;
    r = statement_sign(STATEMENT_NODE, payload, node_now(node), node->key, &envelope, NULL, reason);
    if (r != 0)
        return r;
    return start_job(node, envelope, steal_pointer(text));
}

static void connected(struct node *node, struct connect_job *job)
{
    free(node->registered_text);
    node->registered_text = steal_pointer(job->payload_text);
    node->registered = true;
    node->step = NODE_CONNECTED;
    log_info("registered in farm %lld as %s", (long long)node->farm, key_id(node->key));
    if (begin_journal(node) < 0)
        return;
    heartbeat_start(node);
    feed_start(node);
    outbox_kick(node);
    observe_start(node);
}

/* What a step that worked leads to: true when the next step goes on at once. */
static bool advance(struct node *node, struct connect_job *job, struct reason *reason)
{
    switch (job->step) {
    case NODE_STORAGE:
        paths_set(&node->paths, node->paths.root, job->on_disk);
        node->step = NODE_IDENTITY;
        return true;
    case NODE_IDENTITY:
        if (take_identity(node, steal_pointer(job->key)) < 0) {
            daemon_stop(&node->daemon);
            return false;
        }
        node->step = NODE_SETTINGS;
        return true;
    case NODE_UPLINK:
        node->step = NODE_TIME;
        return true;
    case NODE_TIME:
        heartbeat_time(node, &job->time);
        log_info("directory time %lld", (long long)job->time.now);
        node->step = NODE_REGISTER;
        return true;
    case NODE_REGISTER:
        if (job->envelope)
            connected(node, job);
        else if (sign_registration(node, job, reason) != 0)
            step_later(node, retry_failed(&node->remote, "register", reason, REMOTE_MS, REMOTE_CAP_MS));
        return false;
    default:
        return false;
    }
}

static const char *const STEP_NAMES[] = { "storage",        "identity", "settings", "uplink",
                                          "directory time", "register", "connected" };

static void step_failed(struct node *node, struct connect_job *job)
{
    bool remote = job->step == NODE_TIME || job->step == NODE_REGISTER;
    uint64_t pause;

    if (node->key && begin_journal(node) < 0)
        return;
    if (!remote) {
        step_later(node, retry_failed(&node->link, STEP_NAMES[job->step], &job->reason, LOCAL_MS, LOCAL_CAP_MS));
        return;
    }
    node_contact(node, job->outcome.step, &job->reason);
    reason_prefix(&job->reason, job->outcome.status / 100 == 4 ? "the directory refuses this node" : "no directory");
    pause = retry_failed(&node->remote, STEP_NAMES[job->step], &job->reason, REMOTE_MS, REMOTE_CAP_MS);
    if (job->outcome.retry_after_s)
        pause = job->outcome.retry_after_s * 1000ull;
    /* The way may have gone (an address that was lost): look at the uplink again. Before the first registration another
     * invite may come with the settings; later they stay, since jobs hold them. */
    if (job->outcome.status == 0)
        node->step = NODE_UPLINK;
    else
        node->step = node->registered_text ? NODE_TIME : NODE_SETTINGS;
    step_later(node, pause);
}

static void on_done(void *context)
{
    struct connect_job *job = context;
    struct node *node = job->node;
    enum node_step before = node->step;
    struct reason reason = { 0 };
    bool go_on;

    if (job->r != 0) {
        step_failed(node, job);
        job_free(job);
        return;
    }
    if (job->step == NODE_TIME || (job->step == NODE_REGISTER && job->envelope))
        node_contact(node, NULL, NULL);
    go_on = advance(node, job, &reason);
    if (node->step != before)
        retry_done(&node->link);
    if (node->step == NODE_CONNECTED)
        retry_done(&node->remote);
    job_free(job);
    if (go_on)
        step_later(node, 0);
}

static void on_connect_timer(uv_timer_t *timer)
{
    struct node *node = timer->data;
    struct reason reason = { 0 };

    if (node->step == NODE_CONNECTED)
        return;
    if (node->step != NODE_SETTINGS) {
        start_job(node, NULL, NULL);
        return;
    }
    if (take_settings(node, &reason) != 0) {
        retry_failed(&node->link, "settings", &reason, SETTINGS_MS, SETTINGS_MS);
        step_later(node, SETTINGS_MS);
        return;
    }
    retry_done(&node->link);
    node->step = NODE_UPLINK;
    step_later(node, 0);
}

static void step_later(struct node *node, uint64_t pause_ms)
{
    uv_timer_start(&node->connect_timer, on_connect_timer, pause_ms, 0);
}

int connect_start(struct node *node)
{
    uv_timer_init(node->daemon.loop, &node->connect_timer);
    node->connect_timer.data = node;
    step_later(node, 0);
    return 0;
}

void connect_again(struct node *node, bool unknown)
{
    if (unknown)
        node->registered = false;
    if (node->step != NODE_CONNECTED)
        return;
    node->step = NODE_TIME;
    step_later(node, 0);
}

static void add(cJSON *missing, const char *text)
{
    if (text[0])
        cJSON_AddItemToArray(missing, cJSON_CreateString(text));
}

cJSON *connect_missing(const struct node *node)
{
    cJSON *missing = cJSON_CreateArray();

    add(missing, node->link.reason.text);
    if (node->step != NODE_CONNECTED)
        add(missing, node->remote.reason.text);
    else if (!node->reachable)
        add(missing, node->contact.reason.text);
    if (node->key && !node->paths.on_disk)
        add(missing, "no disk: this node runs from memory, and forgets itself when it is switched off");
    add(missing, node->alert.text);
    add(missing, node->uncosigned.text);
    return missing;
}
