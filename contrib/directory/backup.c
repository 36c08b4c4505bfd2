/* `directoryd backup`: a copy of a store while it is in use, by SQLite's online backup (sqlite.org/backup.html), in one
 * step: it is the store as of one moment, and in WAL mode nobody waits for it. The copy is checked before it gets its
 * name. */

#include "contrib/directory/commands.h"
#include "contrib/directory/tlog.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define EXIT_USAGE 2

static const char USAGE[] =
    "usage: directoryd backup sqlite:PATH FILE\n"
    "\n"
    "Copies a store while it is in use to a new file, and checks the copy.\n"
    "PostgreSQL has tools of its own: pg_basebackup, pg_dump (contrib/directory/ha/README.md);\n"
    "directoryd migrate postgresql://… sqlite:FILE copies one that isn't in use.\n";

static int copy_pages(sqlite3 *from, sqlite3 *to, struct reason *reason)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    int code = SQLITE_DONE;

    if (backup) {
        code = sqlite3_backup_step(backup, -1);
        sqlite3_backup_finish(backup);
    }
    if (!backup || code != SQLITE_DONE)
        return reason_refuse(reason, "backup", "%s", backup ? sqlite3_errstr(code) : sqlite3_errmsg(to));
    return 0;
}

static int copy_database(const char *path, const char *part, struct reason *reason)
{
    sqlite3 *from = NULL, *to = NULL;
    int error = 0;

    if (sqlite3_open_v2(path, &from, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        error = reason_refuse(reason, "store", "can't open %s: %s", path, sqlite3_errmsg(from));
    else if (sqlite3_open_v2(part, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
        error = reason_refuse(reason, "file", "can't make %s: %s", part, sqlite3_errmsg(to));
    if (!error)
        error = copy_pages(from, to, reason);
    sqlite3_close(to);
    sqlite3_close(from);
    return error;
}

static int check_copy(const char *part, struct checkpoint *ret_checkpoint, struct reason *reason)
{
    struct store *store = NULL;
    char url[4096 + 16];

    snprintf(url, sizeof url, "sqlite:%s", part);
    int error = store_open(url, STORE_READ, &store, reason);
    if (!error)
        error = tlog_check(store, TLOG_ALL, ret_checkpoint, reason);
    store_close(store);
    return error ? reason_prefix(reason, "the copy") : 0;
}

/* On disk, under its name, and the name on disk: only then is it a back-up. */
static int settle(const char *part, const char *file, struct reason *reason)
{
    cleanup_free char *folder = strdup(file);
    char *slash = folder ? strrchr(folder, '/') : NULL;

    if (slash)
        slash[slash == folder] = '\0';
    cleanup_close int fd = open(part, O_RDONLY | O_CLOEXEC);
    cleanup_close int at = folder ? open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0 || at < 0 || fsync(fd) < 0 || rename(part, file) < 0 || fsync(at) < 0)
        return reason_refuse(reason, "file", "%s can't be written: %s", file, strerror(errno));
    return 0;
}

static void remove_part(const char *part)
{
    static const char *const tails[] = { "", "-wal", "-shm", "-journal" };
    char name[4096 + 16];

    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        snprintf(name, sizeof name, "%s%s", part, tails[i]);
        unlink(name);
    }
}

static int back_up(const char *url, const char *file, struct checkpoint *ret_checkpoint, struct reason *reason)
{
    char part[4096];
    struct stat there;

    if (lstat(file, &there) == 0)
        return reason_refuse(reason, "file", "%s is there already", file);
    if (snprintf(part, sizeof part, "%s.part", file) >= (int)sizeof part)
        return reason_refuse(reason, "file", "its name is too long");
    remove_part(part);
    int error = copy_database(url + strlen(STORE_SQLITE.scheme), part, reason);
    if (!error)
        error = check_copy(part, ret_checkpoint, reason);
    if (!error)
        error = settle(part, file, reason);
    remove_part(part);
    return error;
}

int backup_run(int argc, char **argv)
{
    struct reason reason = { "" };
    struct checkpoint checkpoint;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(USAGE, stdout);
        return EXIT_SUCCESS;
    }
    if (argc != 3 || store_backend_of(argv[1]) != &STORE_SQLITE) {
        fputs(USAGE, stderr);
        return EXIT_USAGE;
    }
    if (back_up(argv[1], argv[2], &checkpoint, &reason)) {
        log_error("no back-up: %s", reason.text[0] ? reason.text : "see above");
        return EXIT_FAILURE;
    }
    printf("%s holds the log of %" PRIu64 " entries\n", argv[2], checkpoint.size);
    return EXIT_SUCCESS;
}
