/* One job at a time; a failure is passed over, the next look comes soon. */

#include "provisiond/observe.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/log.h"
#include "provisiond/connect.h"
#include "provisiond/identity.h"
#include "provisiond/register.h"
#include "provisiond/tidy.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 10000
#define LOOK_SOON_MS 3000 /* while there is no disk */

struct observe_job {
    struct node *node; /* for `done` only */
    int r;
    struct reason reason;
    struct register_observed observed;
};

static void on_work(void *context)
{
    struct observe_job *job = context;

    job->r = register_observe(&job->observed, &job->reason);
}

static bool is_on_disk(const struct register_observed *observed)
{
    const char *cache = json_string(observed->capacity, "cache");

    return cache && !strcmp(cache, "disk");
}

/* From memory to the disk: the journal first, the key last, so that a half-done move is done again. A disk that has a
 * key of its own keeps it, and the node becomes that one. */
static int move_to_disk(struct node *node, const cJSON *pools)
{
    struct paths paths;
    char path[PATH_BYTES];
    struct key *key = NULL;
    int r;

    paths_set(&paths, node->paths.root, true);
    if (identity_on_disk(paths.root, pools)) {
        log_info("a disk with a node's identity has come: starting over as that node");
        return 0;
    }
    snprintf(path, sizeof path, "%.255s/%s", paths.state, PATHS_JOURNAL);
    if (access(path, F_OK) == 0 && unlink(path) < 0)
        return log_fail(-errno, "remove %s", path);
    r = journal_copy(node->journal, path);
    if (r == 0)
        r = identity_load(&paths, pools, &key);
    if (r < 0)
        return r;
    key_free(key);
    log_info("a disk has come: identity and journal are on it now; starting over");
    return 0;
}

static void compare(struct node *node, const struct register_observed *observed)
{
    cleanup_json cJSON *payload = NULL;
    cleanup_free char *text = NULL;
    struct reason reason;
    int64_t farm;

    /* Without an uplink there is no way to tell it; netd may have only just begun. */
    if (!cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(observed->status, "uplink")))
        return;
    if (register_payload(node, observed, &payload, &farm, &reason) != 0)
        return;
    text = json_print(payload);
    if (!text || !node->registered_text || !strcmp(text, node->registered_text))
        return;
    log_info("the machine has changed: registering anew");
    tidy_kick(node);
    connect_again(node, false);
}

static void on_timer(uv_timer_t *timer);

static void on_done(void *context)
{
    struct observe_job *job = context;
    struct node *node = job->node;
    bool over = false;

    node->observe_busy = false;
    if (job->r == 0 && !node->paths.on_disk && is_on_disk(&job->observed))
        over = move_to_disk(node, cJSON_GetObjectItemCaseSensitive(job->observed.pools, "pools")) == 0;
    else if (job->r == 0 && node->step == NODE_CONNECTED)
        compare(node, &job->observed);
    register_observed_close(&job->observed);
    free(job);
    if (over)
        daemon_stop(&node->daemon);
    else
        uv_timer_start(&node->observe_timer, on_timer, node->paths.on_disk ? LOOK_MS : LOOK_SOON_MS, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct node *node = timer->data;
    struct observe_job *job;

    if (node->observe_busy)
        return;
    job = calloc(1, sizeof *job);
    if (job) {
        job->node = node;
        node->observe_busy = daemon_work(&node->daemon, on_work, on_done, job) == 0;
    }
}

void observe_start(struct node *node)
{
    if (node->observe_timer.data)
        return;
    uv_timer_init(node->daemon.loop, &node->observe_timer);
    node->observe_timer.data = node;
    uv_timer_start(&node->observe_timer, on_timer, node->paths.on_disk ? LOOK_MS : LOOK_SOON_MS, 0);
}
