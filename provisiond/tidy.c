/* Look (job) → plan_tidy, round and round, and out of sight with each image (loop) → remove (job).
 *
 * An image goes out of sight on the loop, where contracts are taken too: one that comes later finds it missing and
 * pulls it anew, one that was there before keeps it. An image lies below a container only while the container has its
 * bundle, and its contract isn't over. */

#include "provisiond/tidy.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "provisiond/cache.h"
#include "provisiond/call.h"
#include "provisiond/plan.h"

#include <errno.h>
#include <string.h>

#define SOON_MS 1000
#define START_MS 10000 /* a boot has better to do */
#define EVERY_MS 600000
#define CALL_MS 20000

struct tidy_job {
    struct node *node; /* for `done` only */
    struct paths paths;
    cJSON *entries, *bundled, *volumes; /* what is there; volumes NULL: storaged doesn't answer */
    cJSON *doomed;                      /* [name]: volumes to delete */
};

static void on_timer(uv_timer_t *timer);

static void later(struct node *node, uint64_t pause_ms)
{
    uv_timer_start(&node->tidy_timer, on_timer, pause_ms, 0);
}

static void job_free(struct tidy_job *job)
{
    cJSON_Delete(job->entries);
    cJSON_Delete(job->bundled);
    cJSON_Delete(job->volumes);
    cJSON_Delete(job->doomed);
    free(job);
}

static void on_look(void *context)
{
    struct tidy_job *job = context;
    cleanup_json cJSON *result = NULL;
    struct reason reason;

    job->entries = cache_list(job->paths.images);
    job->bundled = cache_bundled(job->paths.containers);
    if (call("storaged", "volume.list", NULL, CALL_MS, &result, NULL, &reason) == 0)
        job->volumes = cJSON_DetachItemFromObjectCaseSensitive(result, "volumes");
}

static void on_remove(void *context)
{
    struct tidy_job *job = context;
    const cJSON *name;
    struct reason reason;

    cache_sweep(job->paths.images);
    cJSON_ArrayForEach(name, job->doomed)
        if (call("storaged", "volume.delete", call_name(name->valuestring), CALL_MS, NULL, NULL, &reason) != 0)
            log_warning("volume %s: %s", name->valuestring, reason.text);
}

/* The images of all contracts of which anything may be left, besides those below containers. */
static void add_used(const struct node *node, cJSON *used)
{
    const cJSON *workload;

    for (const struct wanted *wanted = node->wanted; wanted; wanted = wanted->next)
        cJSON_ArrayForEach(workload, wanted->workloads) {
            const char *digest = plan_image_digest(json_string(json_member(workload, "data"), "image"));
            if (digest)
                cJSON_AddItemToArray(used, cJSON_CreateString(digest));
        }
}

/* Of the volumes' contracts those that are over. One that isn't known at all is told, once. */
static cJSON *find_over(struct node *node, const cJSON *volumes)
{
    cJSON *over = cJSON_CreateArray();
    const cJSON *volume;
    char id[PLAN_ID_BYTES];

    cJSON_ArrayForEach(volume, volumes) {
        const char *name = json_string(volume, "name");
        if (!name || !plan_volume_contract(name, id))
            continue;
        if (journal_is_over(node->journal, id)) {
            cJSON_AddItemToArray(over, cJSON_CreateString(id));
        } else if (!journal_has(node->journal, id) && !cJSON_HasObjectItem(node->strays, name)) {
            log_warning("volume %s: this node doesn't know its contract; it is left alone", name);
            cJSON_AddTrueToObject(node->strays, name);
        }
    }
    return over;
}

static void forget(cJSON *list, const char *name)
{
    for (cJSON *item = list->child; item; item = item->next) {
        const char *other = cJSON_IsObject(item) ? json_string(item, "name") : item->valuestring;
        if (other && !strcmp(other, name)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(list, item));
            return;
        }
    }
}

static void act(struct tidy_job *job, const struct plan_action *action)
{
    if (action->kind == PLAN_IMAGE_DROP) {
        if (cache_hide(job->paths.images, action->name) == 0)
            log_info("image %s: removed, no contract names it any more", action->name);
        forget(job->entries, action->name);
        return;
    }
    log_info("volume %s: deleted, its contract is over", action->name);
    cJSON_AddItemToArray(job->doomed, cJSON_CreateString(action->name));
    forget(job->volumes, action->name);
}

static void on_removed(void *context)
{
    struct tidy_job *job = context;
    struct node *node = job->node;

    job_free(job);
    node->tidy_busy = false;
    later(node, node->tidy_again ? SOON_MS : EVERY_MS);
}

static void on_looked(void *context)
{
    struct tidy_job *job = context;
    cleanup_json cJSON *over = find_over(job->node, job->volumes);
    struct plan_tidied tidied = {
        .entries = job->entries, .used = job->bundled, .volumes = job->volumes, .over = over
    };
    struct plan_action action;

    job->doomed = cJSON_CreateArray();
    add_used(job->node, job->bundled);
    for (plan_tidy(&tidied, &action); action.kind != PLAN_DONE; plan_tidy(&tidied, &action))
        act(job, &action);
    if (daemon_work(&job->node->daemon, on_remove, on_removed, job) < 0)
        on_removed(job);
}

static void on_timer(uv_timer_t *timer)
{
    struct node *node = timer->data;
    struct tidy_job *job = calloc(1, sizeof *job);

    if (!job)
        return later(node, EVERY_MS);
    *job = (struct tidy_job){ .node = node, .paths = node->paths };
    node->tidy_again = false;
    node->tidy_busy = daemon_work(&node->daemon, on_look, on_looked, job) == 0;
    if (!node->tidy_busy) {
        job_free(job);
        later(node, EVERY_MS);
    }
}

int tidy_start(struct node *node)
{
    node->strays = cJSON_CreateObject();
    if (!node->strays)
        return log_fail(-ENOMEM, "tidy");
    uv_timer_init(node->daemon.loop, &node->tidy_timer);
    node->tidy_timer.data = node;
    later(node, START_MS);
    return 0;
}

void tidy_kick(struct node *node)
{
    if (!node->tidy_timer.data)
        return;
    if (node->tidy_busy)
        node->tidy_again = true;
    else
        later(node, SOON_MS);
}
