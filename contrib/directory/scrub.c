/* The thread reads short pieces (rehash.h), each with transactions of its own: the WAL can be copied into the file
 * between them, and an end doesn't have to wait. Its last act is to tell the loop, which joins it. */

#include "contrib/directory/scrub.h"

#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Not less (SCHED_IDLE): for moments it holds a lock of SQLite's that others wait for. */
#define NICE 19
#define RETRY_TURNS 50 /* until a piece that couldn't be read is tried again */
#define RETRY_TURN_MS 100

struct scrub {
    struct directory *directory;
    char *url;
    struct checkpoint head;
    uv_thread_t thread;
    uv_async_t over;
    atomic_bool stop;
    _Atomic uint64_t done;
    uint64_t began_ns;
    struct store *store;  /* the thread's; NULL: none yet, or its connection was lost */
    bool is_told;         /* the thread's: it couldn't be opened */
    struct reason damage; /* the thread's until it is over */
    bool is_over;
};

/* ---- The thread */

static bool open_session(struct scrub *scrub)
{
    struct reason reason = { 0 };

    if (!scrub->store && store_open(scrub->url, STORE_SCAN, &scrub->store, &reason)) {
        if (!scrub->is_told)
            log_warning("the log can't be checked yet: %s", reason.text[0] ? reason.text : "see above");
        scrub->is_told = true;
    }
    return scrub->store != NULL;
}

/* The store is busy or away, or memory is out: that passes. */
static void wait_to_retry(struct scrub *scrub)
{
    if (scrub->store && store_is_lost(scrub->store)) {
        store_close(scrub->store);
        scrub->store = NULL;
    } else if (scrub->store) {
        store_clear(scrub->store);
    }
    for (unsigned turn = 0; turn < RETRY_TURNS && !atomic_load(&scrub->stop); turn++)
        uv_sleep(RETRY_TURN_MS);
}

/* A database knows nothing of our priority: it has as long a rest as the piece took. */
static int check_piece(struct scrub *scrub, struct rehash *rehash)
{
    uint64_t began_ns = uv_hrtime();
    int result = tlog_check_piece(scrub->store, &scrub->head, rehash, &scrub->damage);

    if (scrub->store->backend->shared)
        uv_sleep((unsigned)((uv_hrtime() - began_ns) / 1000000));
    atomic_store(&scrub->done, rehash->count);
    return result;
}

static void run(void *context)
{
    struct scrub *scrub = context;
    struct rehash rehash = { .fits = true };
    int result = TLOG_MORE;

    setpriority(PRIO_PROCESS, 0, NICE); /* Linux: of this thread alone */
    while (result != 0 && result != REFUSED && !atomic_load(&scrub->stop)) {
        result = open_session(scrub) ? check_piece(scrub, &rehash) : -ENOTCONN;
        if (result < 0)
            wait_to_retry(scrub);
    }
    store_close(scrub->store);
    uv_async_send(&scrub->over);
}

/* ---- The loop */

static void on_closed(uv_handle_t *handle)
{
    struct scrub *scrub = handle->data;

    free(scrub->url);
    free(scrub);
}

static void on_over(uv_async_t *async)
{
    struct scrub *scrub = async->data;

    uv_thread_join(&scrub->thread);
    scrub->is_over = true;
    if (atomic_load(&scrub->stop)) {
        uv_close((uv_handle_t *)async, on_closed);
    } else if (scrub->damage.text[0]) {
        if (scrub->directory->writer)
            store_seal(scrub->directory->writer);
        log_error("the log is damaged: nothing more is written or signed: %s", scrub->damage.text);
    } else {
        log_info("the log is whole: %" PRIu64 " statements were hashed again in %.1f s", scrub->head.size,
                 (double)(uv_hrtime() - scrub->began_ns) / 1e9);
    }
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

int scrub_start(struct directory *directory, const char *url)
{
    struct scrub *scrub = calloc(1, sizeof *scrub);
    char *copy = strdup(url);

    if (!scrub || !copy) {
        free(scrub);
        free(copy);
        return -ENOMEM;
    }
    scrub_stop(directory);
    scrub->directory = directory;
    scrub->url = copy;
    scrub->head = directory->head.checkpoint;
    scrub->began_ns = uv_hrtime();
    uv_async_init(directory->loop, &scrub->over, on_over);
    uv_unref((uv_handle_t *)&scrub->over);
    scrub->over.data = scrub;
    if (uv_thread_create(&scrub->thread, run, scrub) < 0) {
        log_error("can't check the log: no threads");
        exit(EXIT_FAILURE);
    }
    directory->scrub = scrub;
    return 0;
}

void scrub_stop(struct directory *directory)
{
    struct scrub *scrub = directory->scrub;

    directory->scrub = NULL;
    if (!scrub)
        return;
    atomic_store(&scrub->stop, true);
    if (scrub->is_over)
        uv_close((uv_handle_t *)&scrub->over, on_closed);
    else
        uv_ref((uv_handle_t *)&scrub->over);
}
