/* The WAL's file of this VFS lies before the default VFS's own: SQLite gives room for both (szOsFile). */

#include "contrib/directory/store_wal.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NAME "gathered-wal"
#define FRAME_HEADER_BYTES 24
#define GATHERED_BYTES                                                                                                 \
    (64 * 1024) /* in one write; more goes out in several. SQLite's os_unix.c takes less than 128 KiB at once */

struct wal {
    sqlite3_file base;
    sqlite3_file *real;
    uint8_t *gathered;
    int used;
    bool ends;        /* the frame written last ends a commit */
    sqlite3_int64 at; /* where in the file they belong */
};

static struct wal *wal_of(sqlite3_file *file)
{
    return (struct wal *)file;
}

static int flush(struct wal *wal)
{
    int used = wal->used;

    wal->used = 0;
    return used ? wal->real->pMethods->xWrite(wal->real, wal->gathered, used, wal->at) : SQLITE_OK;
}

static int wal_close(sqlite3_file *file)
{
    struct wal *wal = wal_of(file);
    int code = flush(wal), closed = wal->real->pMethods->xClose(wal->real);

    free(wal->gathered);
    return code != SQLITE_OK ? code : closed;
}

static int wal_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 at)
{
    int code = flush(wal_of(file));

    return code != SQLITE_OK ? code : wal_of(file)->real->pMethods->xRead(wal_of(file)->real, bytes, size, at);
}

/* A frame's header has 24 bytes, and in the second word the database's size after the commit that the frame ends, else
 * 0 (sqlite.org/fileformat2.html#walformat). */
static bool ends_commit(const uint8_t *header)
{
    return header[4] || header[5] || header[6] || header[7];
}

static int wal_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
    struct wal *wal = wal_of(file);
    bool follows = at == wal->at + wal->used && size <= GATHERED_BYTES - wal->used;
    int code = wal->used && !follows ? flush(wal) : SQLITE_OK;

    if (size == FRAME_HEADER_BYTES)
        wal->ends = ends_commit(bytes);
    else if (at == 0)
        wal->ends = false;
    if (code != SQLITE_OK)
        return code;
    if (size > GATHERED_BYTES)
        return wal->real->pMethods->xWrite(wal->real, bytes, size, at);
    if (!wal->used)
        wal->at = at;
    memcpy(wal->gathered + wal->used, bytes, (size_t)size);
    wal->used += size;
    return SQLITE_OK;
}

static int wal_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int code = flush(wal_of(file));

    return code != SQLITE_OK ? code : wal_of(file)->real->pMethods->xTruncate(wal_of(file)->real, size);
}

static int wal_sync(sqlite3_file *file, int flags)
{
    struct wal *wal = wal_of(file);
    int code = flush(wal);
    bool later = wal->ends;

    wal->ends = false;
    return code != SQLITE_OK || later ? code : wal->real->pMethods->xSync(wal->real, flags);
}

static int wal_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    int code = flush(wal_of(file));

    return code != SQLITE_OK ? code : wal_of(file)->real->pMethods->xFileSize(wal_of(file)->real, ret_size);
}

static int wal_lock(sqlite3_file *file, int level)
{
    return wal_of(file)->real->pMethods->xLock(wal_of(file)->real, level);
}

static int wal_unlock(sqlite3_file *file, int level)
{
    return wal_of(file)->real->pMethods->xUnlock(wal_of(file)->real, level);
}

static int wal_check_lock(sqlite3_file *file, int *ret_held)
{
    return wal_of(file)->real->pMethods->xCheckReservedLock(wal_of(file)->real, ret_held);
}

static int wal_control(sqlite3_file *file, int what, void *argument)
{
    return wal_of(file)->real->pMethods->xFileControl(wal_of(file)->real, what, argument);
}

static int wal_sector(sqlite3_file *file)
{
    return wal_of(file)->real->pMethods->xSectorSize(wal_of(file)->real);
}

static int wal_device(sqlite3_file *file)
{
    return wal_of(file)->real->pMethods->xDeviceCharacteristics(wal_of(file)->real);
}

static const sqlite3_io_methods WAL_METHODS = {
    .iVersion = 1,
    .xClose = wal_close,
    .xRead = wal_read,
    .xWrite = wal_write,
    .xTruncate = wal_truncate,
    .xSync = wal_sync,
    .xFileSize = wal_size,
    .xLock = wal_lock,
    .xUnlock = wal_unlock,
    .xCheckReservedLock = wal_check_lock,
    .xFileControl = wal_control,
    .xSectorSize = wal_sector,
    .xDeviceCharacteristics = wal_device,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    sqlite3_vfs *real = vfs->pAppData;
    struct wal *wal = wal_of(file);

    if (!(flags & SQLITE_OPEN_WAL))
        return real->xOpen(real, name, file, flags, ret_flags); /* which is that file alone */
    *wal = (struct wal){ .real = (sqlite3_file *)(wal + 1), .gathered = malloc(GATHERED_BYTES) };
    int code = wal->gathered ? real->xOpen(real, name, wal->real, flags, ret_flags) : SQLITE_NOMEM;
    if (code == SQLITE_OK)
        wal->base.pMethods = &WAL_METHODS;
    else
        free(wal->gathered);
    return code;
}

const char *store_wal_vfs(void)
{
    static sqlite3_vfs vfs;
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);

    if (sqlite3_vfs_find(NAME))
        return NAME;
    if (!real)
        return NULL;
    vfs = *real;
    vfs.pNext = NULL;
    vfs.zName = NAME;
    vfs.pAppData = real;
    vfs.szOsFile = (int)sizeof(struct wal) + real->szOsFile;
    vfs.xOpen = open_file;
    return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK ? NAME : NULL;
}
