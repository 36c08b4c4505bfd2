/* The thread reads short pieces (rehash.h), each with transactions of its own: the WAL can be copied into the file
 * between them, and an end doesn't have to wait. */

#include "contrib/directory/scrub.h"

#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/resource.h>

/* Not less (SCHED_IDLE): for moments it holds a lock of SQLite's that others wait for. */
#define NICE 19
#define RETRY_TURNS 50 /* until a piece that couldn't be read is tried again */
#define RETRY_TURN_MS 100

struct scrub {
    struct store *store, *writer; /* the thread's session; whom it seals */
    struct checkpoint head;
    uv_thread_t thread;
    uv_async_t over;
    atomic_bool stop;
    _Atomic uint64_t done;
    uint64_t began_ns;
    struct reason damage; /* the thread's until `over` */
    bool is_over;         /* the loop's */
};

/* The store is busy, or memory is out: that passes. */
static void wait_to_retry(struct scrub *scrub)
{
    store_clear(scrub->store);
    for (unsigned turn = 0; turn < RETRY_TURNS && !atomic_load(&scrub->stop); turn++)
        uv_sleep(RETRY_TURN_MS);
}

static void run(void *context)
{
    struct scrub *scrub = context;
    struct rehash rehash = { .fits = true };
    int result = TLOG_MORE;

    setpriority(PRIO_PROCESS, 0, NICE); /* Linux: of this thread alone */
    while (result != 0 && result != REFUSED) {
        if (atomic_load(&scrub->stop))
            return;
        result = tlog_check_piece(scrub->store, &scrub->head, &rehash, &scrub->damage);
        if (result < 0)
            wait_to_retry(scrub);
        atomic_store(&scrub->done, rehash.count);
    }
    if (result == REFUSED)
        store_seal(scrub->writer);
    uv_async_send(&scrub->over);
}

static void on_over(uv_async_t *async)
{
    struct scrub *scrub = async->data;

    scrub->is_over = true;
    if (scrub->damage.text[0])
        log_error("the log is damaged: nothing more is written or signed: %s", scrub->damage.text);
    else
        log_info("the log is whole: %" PRIu64 " statements were hashed again in %.1f s", scrub->head.size,
                 (double)(uv_hrtime() - scrub->began_ns) / 1e9);
}

uint64_t scrub_done(const struct scrub *scrub)
{
    return scrub ? atomic_load(&scrub->done) : 0;
}

uint64_t scrub_size(const struct scrub *scrub)
{
    return scrub ? scrub->head.size : 0;
}

const char *scrub_damage(const struct scrub *scrub)
{
    return scrub && scrub->is_over && scrub->damage.text[0] ? scrub->damage.text : NULL;
}

int scrub_start(struct directory *directory, const char *url, struct scrub **ret_scrub, struct reason *reason)
{
    struct scrub *scrub = calloc(1, sizeof *scrub);

    if (!scrub)
        return -ENOMEM;
    int error = store_open(url, STORE_SCAN, &scrub->store, reason);
    if (error)
        return free(scrub), error;
    scrub->writer = directory->writer;
    scrub->head = directory->head.checkpoint;
    scrub->began_ns = uv_hrtime();
    uv_async_init(directory->loop, &scrub->over, on_over);
    uv_unref((uv_handle_t *)&scrub->over);
    scrub->over.data = scrub;
    if (uv_thread_create(&scrub->thread, run, scrub) < 0) {
        log_error("can't start: no threads");
        exit(EXIT_FAILURE);
    }
    *ret_scrub = scrub;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void scrub_free(struct scrub *scrub)
{
    if (!scrub)
        return;
    atomic_store(&scrub->stop, true);
    uv_thread_join(&scrub->thread);
    store_close(scrub->store);
    uv_close((uv_handle_t *)&scrub->over, on_closed);
}
