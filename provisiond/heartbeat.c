/* One job at a time: measure, sign, post. */

#include "provisiond/heartbeat.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "provisiond/call.h"
#include "provisiond/clock.h"
#include "provisiond/connect.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define RETRY_MS 500
#define RETRY_CAP_MS 15000
#define CALL_MS 5000
#define UNCOSIGNED_S 10      /* witnesses are asked once a second, and a dead one for 5 s: that much is no news */
#define HEARTBEAT_S_MAX 3600 /* a directory can't make a node silent */

struct heartbeat_job {
    struct node *node; /* for `done` only */
    const struct directory *directory;
    const struct key *key;
    char root[PATH_BYTES / 4];
    int64_t cru_milli;
    uint64_t cpu_busy, cpu_total;
    uint64_t log_size;
    int64_t now;
    cJSON *alerts;
    /* out */
    int r;
    struct directory_outcome outcome;
    struct reason reason;
    struct directory_time time;
};

static void on_timer(uv_timer_t *timer);

static void later(struct node *node, uint64_t pause_ms)
{
    uv_timer_start(&node->heartbeat_timer, on_timer, pause_ms, 0);
}

/* What pools have given away, by media. */
static void add_storage(struct resources *used)
{
    cleanup_json cJSON *list = NULL;
    const cJSON *pool;
    struct reason reason;

    if (call("storaged", "pool.list", NULL, CALL_MS, &list, NULL, &reason) != 0)
        return;
    cJSON_ArrayForEach(pool, cJSON_GetObjectItemCaseSensitive(list, "pools")) {
        const char *media = json_string(pool, "media");
        int64_t bytes = json_integer(pool, "size_bytes") - json_integer(pool, "free_bytes");
        if (bytes > 0 && media)
            *(!strcmp(media, "hdd") ? &used->hru_bytes : &used->sru_bytes) += bytes;
    }
}

static void on_work(void *context)
{
    struct heartbeat_job *job = context;
    cleanup_json cJSON *payload = cJSON_CreateObject();
    cleanup_free char *nonce = directory_nonce(), *envelope = NULL;
    struct resources used = machine_used(job->root, job->cru_milli, &job->cpu_busy, &job->cpu_total);
    struct timespec up = { 0 };

    add_storage(&used);
    clock_gettime(CLOCK_BOOTTIME, &up);
    cJSON_AddStringToObject(payload, "nonce", nonce ? nonce : "");
    json_add_integer(payload, "uptime_s", up.tv_sec);
    cJSON_AddItemToObject(payload, "used", resources_to_json(used));
    json_add_integer(payload, "log_size", (int64_t)job->log_size);
    cJSON_AddItemToObject(payload, "alerts", steal_pointer(job->alerts));
    job->r = statement_sign(STATEMENT_HEARTBEAT, payload, job->now, job->key, &envelope, NULL, &job->reason);
    if (job->r == 0)
        job->r = directory_heartbeat(job->directory, key_id(job->key), envelope, nonce, &job->time, &job->outcome,
                                     &job->reason);
    else if (job->r < 0)
        reason_refuse(&job->reason, NULL, "out of memory");
}

/* Only the directory can tell: what isn't cosigned yet is withheld from our feed, as we asked. */
static void take_uncosigned(struct node *node, int64_t uncosigned_s)
{
    bool before = node->uncosigned.text[0];

    node->uncosigned.text[0] = '\0';
    if (node->directory.witnesses.quorum && uncosigned_s >= UNCOSIGNED_S)
        reason_refuse(&node->uncosigned, "witnesses",
                      "too few have cosigned the directory's log for %" PRId64 " s; contracts since then wait for them",
                      uncosigned_s);
    if (node->uncosigned.text[0] && !before)
        log_warning("%s", node->uncosigned.text);
    else if (before && !node->uncosigned.text[0])
        log_info("the witnesses cosign the directory's log again");
}

void heartbeat_time(struct node *node, const struct directory_time *time_told)
{
    char text[32];
    int64_t pace = time_told->heartbeat_s;

    clock_set(node->paths.root, time_told->now);
    take_uncosigned(node, time_told->uncosigned_s);
    node->heartbeat_s = pace < 1 ? 1 : pace > HEARTBEAT_S_MAX ? HEARTBEAT_S_MAX : pace;
    if (!node->journal) /* a new node's, which is made once it is registered */
        return;
    snprintf(text, sizeof text, "%" PRId64, time_told->now);
    journal_set(node->journal, JOURNAL_TIME, text);
}

static void on_done(void *context)
{
    struct heartbeat_job *job = context;
    struct node *node = job->node;

    node->heartbeat_busy = false;
    node->cpu_busy = job->cpu_busy;
    node->cpu_total = job->cpu_total;
    if (job->r == 0) {
        node->heartbeat_ms = uv_now(node->daemon.loop);
        retry_done(&node->heartbeat);
        node_contact(node, NULL, NULL);
        heartbeat_time(node, &job->time);
        later(node, (uint64_t)node->heartbeat_s * 1000);
    } else {
        later(node, retry_failed(&node->heartbeat, "heartbeat", &job->reason, RETRY_MS, RETRY_CAP_MS));
        node_contact(node, job->outcome.step, &job->reason);
        if (job->outcome.status == 404)
            connect_again(node, true);
    }
    cJSON_Delete(job->alerts);
    free(job);
}

static cJSON *alerts(const struct node *node)
{
    cJSON *list = cJSON_CreateArray();

    if (!node->paths.on_disk)
        cJSON_AddItemToArray(list, cJSON_CreateString("no disk: runs from memory"));
    if (node->alert.text[0])
        cJSON_AddItemToArray(list, cJSON_CreateString(node->alert.text));
    if (node->uncosigned.text[0])
        cJSON_AddItemToArray(list, cJSON_CreateString(node->uncosigned.text));
    return list;
}

static void on_timer(uv_timer_t *timer)
{
    struct node *node = timer->data;
    struct heartbeat_job *job;

    if (node->heartbeat_busy || !node->registered)
        return;
    job = calloc(1, sizeof *job);
    if (!job)
        return later(node, RETRY_CAP_MS);
    *job = (struct heartbeat_job){ .node = node,
                                   .directory = &node->directory,
                                   .key = node->key,
                                   .cru_milli = node->machine.cru_milli,
                                   .cpu_busy = node->cpu_busy,
                                   .cpu_total = node->cpu_total,
                                   .log_size = node->has_checkpoint ? node->checkpoint.size : 0,
                                   .now = node_now(node),
                                   .alerts = alerts(node) };
    memcpy(job->root, node->paths.root, sizeof job->root);
    node->heartbeat_busy = daemon_work(&node->daemon, on_work, on_done, job) == 0;
}

void heartbeat_start(struct node *node)
{
    if (!node->heartbeat_timer.data)
        uv_timer_init(node->daemon.loop, &node->heartbeat_timer);
    node->heartbeat_timer.data = node;
    if (!node->heartbeat_busy)
        later(node, 0);
}
