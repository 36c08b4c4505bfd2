/* Observe, plan, apply. Each action is one job: a straight line of blocking calls in the thread pool, on a copy of what
 * it needs. Its end changes the table and asks the plan again. Disks don't wait for each other. */

#include "storaged/apply.h"

#include "lib/log.h"
#include "storaged/job.h"
#include "storaged/wanted.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TICK_UNSETTLED_MS 500
#define TICK_MS 30000
/* What is decided too early costs a node its identity: it would register anew from memory while its disk spins up. A
 * healthy disk is examined within some 10 ms, one that spins up within 10 s; USB, SAS and SATA disks turn up within 1
 * to 10 s of the kernel's start. Only a node with a faulty disk, or with none, waits that long. */
#define SLOW_MS 15000
#define PATIENCE_NO_POOL_MS 10000
#define PATIENCE_MS 20000
#define RETRY_TICKS_MAX 120 /* an hour */

static void apply_step(struct state *state);
static void on_job_done(struct job *job);

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

static void refuse(struct state_entry *entry, const char *reason, bool failed)
{
    entry->known.stage = PLAN_REFUSED;
    entry->failed = failed;
    if (failed) {
        entry->retry_next = entry->retry_next * 2 < RETRY_TICKS_MAX ? entry->retry_next * 2 : RETRY_TICKS_MAX;
        entry->retry_next += entry->retry_next == 0;
        entry->retry_wait = entry->retry_next;
    }
    if (!strcmp(entry->reason, reason))
        return;
    snprintf(entry->reason, sizeof entry->reason, "%.255s", reason);
    if (failed)
        log_error("disk %s: refused: %s", entry->known.disk.name, reason);
    else
        log_info("disk %s: refused: %s", entry->known.disk.name, reason);
}

static void take_up(struct state_entry *entry, const struct job *job)
{
    const char *how = job->pool.made_now ? "added to" : "holds";

    entry->pool = job->pool;
    memcpy(entry->known.disk.label, job->pool.label, sizeof entry->known.disk.label);
    entry->known.disk.content = DISK_POOL;
    entry->known.media = job->pool.media;
    entry->known.made_now = job->pool.made_now;
    entry->known.cache_used = job->pool.cache_used;
    entry->known.stage = PLAN_USED;
    entry->reason[0] = '\0';
    log_info("disk %s: %s pool %s, %lld bytes, %s, %zu volumes", job->disk.name, how, job->pool.label,
             (long long)job->pool.size_bytes, disk_media_name(job->pool.media), job->pool.volume_count);
}

static void examine(struct state *state, struct state_entry *entry)
{
    struct disk disk;

    if (disk_observe(state->root, entry->known.disk.name, &disk) == 0)
        entry->known.disk = disk;
    entry->known.stage = PLAN_EXAMINING;
    entry->known.medium_read = entry->look_again = entry->failed = false;
    entry->since_ms = now_ms();
    job_start(state, JOB_EXAMINE, entry, on_job_done);
}

static void finish(struct state *state, struct state_entry *entry, struct job *job)
{
    switch (job->kind) {
    case JOB_EXAMINE:
        entry->known.disk = job->disk;
        entry->known.stage = PLAN_EXAMINED;
        break;
    case JOB_READ_MEDIUM:
        entry->known.medium_read = true;
        entry->known.stage = PLAN_EXAMINED;
        if (job->result == 0)
            state->wanted = wanted_read(state->root);
        break;
    case JOB_MAKE_POOL:
    case JOB_MOUNT_POOL:
        if (job->result == 0)
            take_up(entry, job);
        else
            refuse(entry, job->reason.text, true);
        break;
    case JOB_MOUNT_CACHE:
        state->cache_working = false;
        state->cache_mounted = job->result == 0;
        state->cache_failed = job->result != 0;
        if (job->result == 0)
            log_info("cache: on pool %s, %lld bytes", job->pool.label,
                     (long long)pool_cache_share(job->pool.size_bytes));
        break;
    }
}

/* The disk is gone, or another one has its name. */
static void let_go(struct state *state, struct state_entry *entry)
{
    if (entry->known.stage == PLAN_USED) {
        log_error("disk %s: gone, and with it pool %s and its %zu volumes", entry->known.disk.name, entry->pool.label,
                  entry->pool.volume_count);
        pool_drop(state->root, &entry->pool);
    } else {
        log_info("disk %s: gone", entry->known.disk.name);
    }
    state_remove(state, entry);
}

static void on_job_done(struct job *job)
{
    struct state *state = job->state;
    struct state_entry *entry = state_find_exact(state, &job->disk);

    assert(entry && entry->busy);
    entry->busy = false;
    finish(state, entry, job);
    if (entry->gone) {
        let_go(state, entry);
        apply_scan(state); /* another disk may have its name by now */
        return;
    }
    if (entry->look_again && (entry->known.stage == PLAN_REFUSED || entry->known.stage == PLAN_EXAMINED))
        examine(state, entry);
    apply_step(state);
}

static void act(struct state *state, const struct plan_action *action)
{
    struct state_entry *entry = &state->entries[action->index];

    switch (action->kind) {
    case PLAN_REFUSE:
        refuse(entry, action->reason, false);
        return;
    case PLAN_MOUNT_CACHE:
        state->cache_working = true;
        job_start(state, JOB_MOUNT_CACHE, entry, on_job_done);
        return;
    case PLAN_READ_MEDIUM:
        job_start(state, JOB_READ_MEDIUM, entry, on_job_done);
        break;
    case PLAN_MAKE_POOL:
        job_start(state, JOB_MAKE_POOL, entry, on_job_done);
        break;
    case PLAN_MOUNT_POOL:
        job_start(state, JOB_MOUNT_POOL, entry, on_job_done);
        break;
    }
    entry->known.stage = PLAN_WORKING;
}

static bool is_decided(const struct plan_disk *disk)
{
    return disk->stage == PLAN_USED || disk->stage == PLAN_REFUSED || disk->stage == PLAN_SLOW;
}

/* The table as the plan takes it. The array is valid until the next call. */
static struct plan_input observe(const struct state *state)
{
    static struct plan_disk disks[DISKS_MAX];
    uint64_t now = now_ms();

    for (size_t i = 0; i < state->count; i++) {
        disks[i] = state->entries[i].known;
        if (disks[i].stage == PLAN_EXAMINING && now - state->entries[i].since_ms > SLOW_MS)
            disks[i].stage = PLAN_SLOW;
    }
    return (struct plan_input){
        .disks = disks,
        .count = state->count,
        .wanted = state->wanted,
        .cache_mounted = state->cache_mounted || state->cache_working || state->cache_failed,
        .patience_over = now - state->begin_ms >= PATIENCE_MS,
    };
}

/* Whether what the node has can be told now: all disks are decided, and the cache is where it will be. */
static void settle(struct state *state, const struct plan_input *input)
{
    uint64_t passed = now_ms() - state->begin_ms;
    bool pools = false;

    for (size_t i = 0; i < input->count; i++) {
        if (!is_decided(&input->disks[i]))
            return;
        pools |= input->disks[i].stage == PLAN_USED;
    }
    if (state->cache_working || (!state->cache_mounted && !state->cache_failed && pools) ||
        (!pools && passed < PATIENCE_NO_POOL_MS))
        return;
    state->settled = true;
    log_info("settled: ssd %lld bytes, hdd %lld bytes for volumes, cache %s",
             (long long)state_capacity(state, DISK_SSD), (long long)state_capacity(state, DISK_HDD),
             state->cache_mounted ? "on disk" : "in memory, since there is no usable disk");
}

static void apply_step(struct state *state)
{
    static struct plan plan;
    struct plan_input input = observe(state);

    plan_make(&input, &plan);
    for (size_t i = 0; i < plan.count; i++)
        act(state, &plan.actions[i]);
    input = observe(state);
    if (!state->settled)
        settle(state, &input);
}

/* One disk that /sys/block lists. */
static void look_at(struct state *state, const char *name)
{
    struct state_entry *entry = state_find(state, name);
    struct disk disk;

    if (disk_observe(state->root, name, &disk) < 0)
        return;
    if (entry && entry->known.disk.sequence != disk.sequence) {
        entry->gone = entry->busy;
        if (entry->busy)
            return;
        let_go(state, entry);
        entry = NULL;
    }
    if (entry && entry->known.disk.size_bytes != disk.size_bytes)
        apply_disk_changed(state, name);
    if (entry)
        return;
    entry = state_add(state, &disk, now_ms());
    if (!entry)
        return;
    log_info("disk %s: found, %lld bytes, %s", disk.name, (long long)disk.size_bytes,
             *disk.model ? disk.model : "no model name");
    examine(state, entry);
}

static bool is_listed(const char *name, char (*names)[DISK_NAME_BYTES], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

void apply_scan(struct state *state)
{
    static char names[DISKS_MAX][DISK_NAME_BYTES];
    size_t count;

    if (disk_list(state->root, names, &count) < 0)
        return;
    for (size_t i = state->count; i-- > 0;) {
        struct state_entry *entry = &state->entries[i];
        if (is_listed(entry->known.disk.name, names, count))
            continue;
        entry->gone = entry->busy;
        if (!entry->busy)
            let_go(state, entry);
    }
    for (size_t i = 0; i < count; i++)
        look_at(state, names[i]);
    apply_step(state);
}

void apply_disk_changed(struct state *state, const char *name)
{
    struct state_entry *entry = state_find(state, name);

    if (!entry || entry->known.stage == PLAN_USED)
        return;
    entry->look_again = entry->busy;
    if (!entry->busy)
        examine(state, entry);
}

/* What failed is tried again, ever more rarely. */
static void retry(struct state *state)
{
    state->cache_failed = false;
    for (size_t i = 0; i < state->count; i++) {
        struct state_entry *entry = &state->entries[i];
        if (entry->known.stage == PLAN_REFUSED && entry->failed && !entry->busy && --entry->retry_wait == 0)
            examine(state, entry);
    }
}

static void sweep(struct state *state)
{
    for (size_t i = 0; i < state->count; i++) {
        struct state_entry *entry = &state->entries[i];
        if (entry->known.stage != PLAN_USED || entry->pool.sweeps == 0)
            continue;
        entry->pool.sweeps--;
        pool_sweep(&entry->pool);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct state *state = timer->data;

    if (state->settled) {
        retry(state);
        sweep(state);
    }
    apply_scan(state);
    uv_timer_start(timer, on_tick, state->settled ? TICK_MS : TICK_UNSETTLED_MS, 0);
}

void apply_begin(struct state *state)
{
    char cache_disk[DISK_NAME_BYTES];

    state->begin_ms = now_ms();
    state->wanted = wanted_read(state->root);
    pool_cache_mounted(state->root, cache_disk);
    state->cache_mounted = cache_disk[0];
    if (state->cache_mounted)
        log_info("cache: still on disk %s", cache_disk);
    uv_timer_init(state->daemon.loop, &state->tick);
    state->tick.data = state;
    apply_scan(state);
    uv_timer_start(&state->tick, on_tick, TICK_UNSETTLED_MS, 0);
}
