/* Frames are counted by the writer, in on_commit; `copied` is how the thread tells it that only the rest is left. */

#include "contrib/directory/store_tidy.h"

#include "lib/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#define FRAMES 32768     /* 128 MB of WAL until it is copied: a page that many commits write is copied once */
#define FRAMES_LOOK 256  /* how often that is looked at */
#define FRAME_BYTES 4120 /* a page and its header */
#define FRAMES_LEFT 64   /* that the writer copies itself: a few milliseconds */
#define ROUNDS 3         /* each leaves what was written meanwhile, which is ever less */
#define BUSY_MS 10000

struct tidy {
    sqlite3 *writer, *session; /* the writer's thread's; this thread's */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool due, stop;       /* under the mutex */
    bool told;            /* the thread's: that it can't */
    atomic_bool copied;   /* all but what the writer copies */
    int looked, finished; /* the writer's: frames in the WAL when it was last looked at, and copied */
    char *path;
};

static void copy(struct tidy *tidy)
{
    int frames = 0, done = 0, code = SQLITE_OK;

    for (int round = 0; round < ROUNDS && code == SQLITE_OK; round++) {
        int before = done;
        code = sqlite3_wal_checkpoint_v2(tidy->session, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &done);
        if (done - before < FRAMES_LEFT)
            break;
    }
    bool failed = code != SQLITE_OK && code != SQLITE_BUSY;
    if (failed && !tidy->told)
        log_warning("store: its write-ahead log can't be copied into the file: %s", sqlite3_errmsg(tidy->session));
    tidy->told = failed;
    atomic_store(&tidy->copied, true);
}

static void *run(void *context)
{
    struct tidy *tidy = context;

    pthread_mutex_lock(&tidy->mutex);
    while (!tidy->stop) {
        if (!tidy->due) {
            pthread_cond_wait(&tidy->wake, &tidy->mutex);
            continue;
        }
        tidy->due = false;
        pthread_mutex_unlock(&tidy->mutex);
        copy(tidy);
        pthread_mutex_lock(&tidy->mutex);
    }
    pthread_mutex_unlock(&tidy->mutex);
    return NULL;
}

void store_tidy_wake(struct tidy *tidy)
{
    pthread_mutex_lock(&tidy->mutex);
    tidy->due = true;
    pthread_cond_signal(&tidy->wake);
    pthread_mutex_unlock(&tidy->mutex);
}

/* The disk has less room than the WAL holds, and copying needs some: soon it would be too late. */
static bool is_short_of_room(const struct tidy *tidy, int frames)
{
    struct statvfs disk;

    return statvfs(tidy->path, &disk) == 0 && disk.f_bavail * disk.f_frsize < (uint64_t)frames * FRAME_BYTES;
}

/* After each commit, with the number of frames in the WAL, which is smaller again once it began anew. */
static int on_commit(void *context, sqlite3 *writer, const char *database, int frames)
{
    struct tidy *tidy = context;

    if (frames < tidy->looked)
        tidy->looked = tidy->finished = 0;
    if (frames - tidy->looked < FRAMES_LOOK)
        return SQLITE_OK;
    tidy->looked = frames;
    if (frames - tidy->finished >= FRAMES || is_short_of_room(tidy, frames)) {
        tidy->finished = frames;
        store_tidy_wake(tidy);
    }
    return SQLITE_OK;
}

void store_tidy_finish(struct tidy *tidy)
{
    if (tidy && atomic_exchange(&tidy->copied, false))
        sqlite3_wal_checkpoint_v2(tidy->writer, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

struct tidy *store_tidy_start(sqlite3 *writer, const char *path)
{
    struct tidy *tidy = calloc(1, sizeof *tidy);

    if (!tidy)
        return NULL;
    tidy->writer = writer;
    tidy->path = strdup(path);
    pthread_mutex_init(&tidy->mutex, NULL);
    pthread_cond_init(&tidy->wake, NULL);
    if (!tidy->path ||
        sqlite3_open_v2(path, &tidy->session, SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(tidy->session, BUSY_MS) != SQLITE_OK ||
        sqlite3_exec(tidy->session, "SELECT 1 FROM sqlite_master", NULL, NULL, NULL) != SQLITE_OK || /* finds the WAL */
        pthread_create(&tidy->thread, NULL, run, tidy) != 0) {
        log_warning("store: its write-ahead log is copied by the writer: no thread");
        sqlite3_close(tidy->session);
        free(tidy->path);
        free(tidy);
        return NULL;
    }
    sqlite3_wal_hook(writer, on_commit, tidy);
    return tidy;
}

void store_tidy_stop(struct tidy *tidy)
{
    if (!tidy)
        return;
    pthread_mutex_lock(&tidy->mutex);
    tidy->stop = true;
    pthread_cond_signal(&tidy->wake);
    pthread_mutex_unlock(&tidy->mutex);
    pthread_join(tidy->thread, NULL);
    sqlite3_wal_hook(tidy->writer, NULL, NULL);
    sqlite3_close(tidy->session);
    pthread_mutex_destroy(&tidy->mutex);
    pthread_cond_destroy(&tidy->wake);
    free(tidy->path);
    free(tidy);
}
