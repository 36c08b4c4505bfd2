/* Jobs: what runs beside the loop. */

#include "storaged/job.h"

#include "lib/log.h"
#include "storaged/boot_medium.h"
#include "storaged/probe.h"

#include <stdlib.h>

static int make_pool(struct job *job)
{
    struct measure measured = pool_measure(job->root, &job->disk);
    int r;

    log_debug("disk %s: %lld reads/s", job->disk.name, (long long)measured.best_iops);
    pool_new_label(job->disk.label);
    r = pool_make(job->root, &job->disk, job->disk.label, &job->reason);
    if (r == 0)
        log_debug("disk %s: formatted", job->disk.name);
    if (r == 0)
        r = pool_open_measured(job->root, &job->disk, &measured, &job->pool, &job->reason);
    if (r == 0)
        job->pool.made_now = true;
    return r;
}

static void work(void *context)
{
    struct job *job = context;

    switch (job->kind) {
    case JOB_EXAMINE:
        probe_disk(job->root, &job->disk);
        break;
    case JOB_READ_MEDIUM:
        job->result = boot_medium_copy(job->root, job->disk.boot_partition);
        break;
    case JOB_MAKE_POOL:
        job->result = make_pool(job);
        break;
    case JOB_MOUNT_POOL:
        job->result = pool_open(job->root, &job->disk, &job->pool, &job->reason);
        break;
    case JOB_MOUNT_CACHE:
        job->result = pool_mount_cache(job->root, &job->pool);
        break;
    }
}

static void on_work_done(void *context)
{
    struct job *job = context;

    job->done(job);
    free(job);
}

void job_start(struct state *state, enum job_kind kind, struct state_entry *entry, void (*done)(struct job *job))
{
    struct job *job = calloc(1, sizeof *job);

    if (!job)
        abort(); /* zinit starts it anew; all that is on the disks stays */
    *job = (struct job){ .kind = kind, .state = state, .root = state->root, .disk = entry->known.disk, .done = done };
    if (kind == JOB_MOUNT_CACHE)
        job->pool = entry->pool; /* its descriptors stay open: an entry stays while it is busy */
    entry->busy = true;
    if (daemon_work(&state->daemon, work, on_work_done, job) < 0)
        abort();
}
