/* libarchive reads, this file writes. What has to hold, for any bytes:
 *   - a path's folder is resolved by openat2 with RESOLVE_IN_ROOT: "..", absolute paths and symbolic links stay inside;
 *   - the last part is made with *at calls that never follow: what is in its way is removed first, not written through;
 *   - a hard link's target is resolved the same way, and linked by its descriptor;
 *   - no block or character device, no socket.
 * Set-user-id bits are kept: the root is mounted nosuid, and the container gains no privileges (bundle.c). */

#include "provisiond/layer.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "provisiond/cache.h"
#include "provisiond/inodes.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PATH_BYTES_MAX 4096
#define READ_BYTES (128 * 1024)
#define DEPTH_MAX 512 /* of folders that are removed */
#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"

struct layer {
    struct archive *archive;
    int root;
    struct layer_budget *budget;
    struct inodes made; /* by this layer: a whiteout hides only what lower layers have */
    struct reason *reason;
    const char *path; /* of the entry, for reasons */
};

static int fail(const struct layer *layer, const char *what)
{
    char place[256];

    snprintf(place, sizeof place, "%s: %.200s", what, layer->path);
    return cache_refuse(layer->reason, place, errno);
}

static int refuse(const struct layer *layer, const char *rule)
{
    return reason_refuse(layer->reason, NULL, "%.200s: %s", layer->path, rule);
}

static int open_in_root(int root, const char *path, int flags)
{
    struct open_how how = { .flags = (uint64_t)flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    int fd;

    do
        fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    while (fd < 0 && errno == EAGAIN); /* a rename raced with the resolution of "..", openat2(2) */
    return fd;
}

/* Splits into clean parts: no empty one, no "."; ".." is refused. */
static int clean_path(const struct layer *layer, const char *path, char ret_path[static PATH_BYTES_MAX])
{
    size_t used = 0;

    ret_path[0] = '\0';
    while (*path) {
        size_t size = strcspn(path, "/");
        if (size == 2 && !strncmp(path, "..", 2))
            return refuse(layer, "a path must not hold \"..\"");
        if (size > 255 || used + size + 2 > PATH_BYTES_MAX)
            return refuse(layer, "the path is too long");
        if (size && !(size == 1 && path[0] == '.')) {
            if (used)
                ret_path[used++] = '/';
            memcpy(ret_path + used, path, size);
            used += size;
            ret_path[used] = '\0';
        }
        path += size;
        path += *path == '/';
    }
    return 0;
}

/* Opens a folder below the root, making what is missing of it. A descriptor, or -1 and errno. */
static int open_folder(struct layer *layer, const char *path)
{
    char part[PATH_BYTES_MAX];
    int fd = open_in_root(layer->root, path[0] ? path : ".", O_RDONLY | O_DIRECTORY);

    if (fd >= 0 || errno != ENOENT)
        return fd;
    for (size_t i = 1;; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        snprintf(part, sizeof part, "%.*s", (int)i, path);
        fd = open_in_root(layer->root, part, O_RDONLY | O_DIRECTORY);
        if (fd < 0 && errno == ENOENT) {
            char *slash = strrchr(part, '/');
            cleanup_close int parent = -1;
            if (slash)
                *slash = '\0';
            parent = open_in_root(layer->root, slash ? part : ".", O_RDONLY | O_DIRECTORY);
            if (parent < 0 || mkdirat(parent, slash ? slash + 1 : part, 0755) < 0)
                return -1;
            fd = openat(parent, slash ? slash + 1 : part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        if (fd < 0 || path[i] == '\0')
            return fd;
        close(fd);
    }
}

/* Removes what `name` is in the folder; with `lower_only`, what this layer has made stays, and the folders it lies in.
 * 0, or -1 and errno. */
static int remove_at(struct layer *layer, int folder, const char *name, bool lower_only, int depth);

static int empty_folder(struct layer *layer, int folder, bool lower_only, int depth)
{
    DIR *list;
    struct dirent *entry;
    int r = 0, copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (copy < 0)
        return -1;
    list = fdopendir(copy);
    if (!list) {
        close(copy);
        return -1;
    }
    while (r == 0 && (entry = readdir(list)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = remove_at(layer, folder, entry->d_name, lower_only, depth + 1);
    closedir(list);
    return r;
}

static int remove_at(struct layer *layer, int folder, const char *name, bool lower_only, int depth)
{
    struct stat status;
    bool keep;

    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1;
    keep = lower_only && inodes_has(&layer->made, status.st_ino);
    if (!S_ISDIR(status.st_mode))
        return keep ? 0 : unlinkat(folder, name, 0);
    if (depth > DEPTH_MAX) {
        errno = ELOOP;
        return -1;
    }
    {
        cleanup_close int inner = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner < 0 || empty_folder(layer, inner, lower_only, depth) < 0)
            return -1;
    }
    return keep || unlinkat(folder, name, AT_REMOVEDIR) == 0 || (lower_only && errno == ENOTEMPTY) ? 0 : -1;
}

static int whiteout(struct layer *layer, int folder, const char *name)
{
    const char *hidden = name + strlen(WHITEOUT);

    if (!strcmp(name, OPAQUE))
        return empty_folder(layer, folder, true, 0) < 0 ? fail(layer, "opaque folder") : 0;
    if (!strncmp(hidden, WHITEOUT, strlen(WHITEOUT)))
        return 0; /* AUFS's own bookkeeping, which old tools have left in layers */
    if (!hidden[0] || !strcmp(hidden, ".") || !strcmp(hidden, ".."))
        return refuse(layer, "a whiteout must name something");
    return remove_at(layer, folder, hidden, true, 0) < 0 ? fail(layer, "whiteout") : 0;
}

static int write_all(int fd, const char *data, size_t size, off_t offset)
{
    while (size) {
        ssize_t n = pwrite(fd, data, size, offset);
        if (n < 0)
            return -1;
        data += n;
        size -= (size_t)n;
        offset += n;
    }
    return 0;
}

static int copy_data(struct layer *layer, int fd, int64_t size)
{
    const void *block;
    size_t block_size;
    int64_t offset;
    int r;

    while ((r = archive_read_data_block(layer->archive, &block, &block_size, &offset)) == ARCHIVE_OK) {
        if (offset < 0 || offset > size || (int64_t)block_size > size - offset)
            return refuse(layer, "data behind its end");
        layer->budget->bytes -= (int64_t)block_size;
        if (layer->budget->bytes < 0)
            return refuse(layer, "the image is larger than a node takes");
        if (write_all(fd, block, block_size, (off_t)offset) < 0)
            return fail(layer, "write");
    }
    if (r != ARCHIVE_EOF)
        return reason_refuse(layer->reason, "archive", "%.200s", archive_error_string(layer->archive));
    return ftruncate(fd, (off_t)size) < 0 ? fail(layer, "write") : 0;
}

static int set_attributes(struct layer *layer, int fd, struct archive_entry *entry)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
                                 { .tv_sec = archive_entry_mtime(entry), .tv_nsec = archive_entry_mtime_nsec(entry) } };

    /* The owner first: chown(2) clears set-user-id bits. Times that the file system can't hold are no reason to fail.
     */
    if (fchown(fd, (uid_t)archive_entry_uid(entry), (gid_t)archive_entry_gid(entry)) < 0 ||
        fchmod(fd, archive_entry_perm(entry) & 07777) < 0)
        return fail(layer, "attributes");
    if (futimens(fd, times) < 0)
        log_debug("%s: time can't be set", layer->path);
    return 0;
}

static int make_file(struct layer *layer, int folder, const char *name, struct archive_entry *entry)
{
    int64_t size = archive_entry_size(entry);
    cleanup_close int fd = -1;
    int r;

    if (size < 0 || size > layer->budget->bytes)
        return refuse(layer, "the image is larger than a node takes");
    fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(layer, "make file");
    r = copy_data(layer, fd, size);
    return r == 0 ? set_attributes(layer, fd, entry) : r;
}

static int make_folder(struct layer *layer, int folder, const char *name, struct archive_entry *entry)
{
    cleanup_close int fd = -1;

    if (mkdirat(folder, name, 0755) < 0 && errno != EEXIST)
        return fail(layer, "make folder");
    fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? fail(layer, "make folder") : set_attributes(layer, fd, entry);
}

static int make_link(struct layer *layer, int folder, const char *name, struct archive_entry *entry)
{
    const char *target = archive_entry_symlink(entry);

    if (!target || !target[0])
        return refuse(layer, "a symbolic link must have a target");
    if (symlinkat(target, folder, name) < 0 || fchownat(folder, name, (uid_t)archive_entry_uid(entry),
                                                        (gid_t)archive_entry_gid(entry), AT_SYMLINK_NOFOLLOW) < 0)
        return fail(layer, "make symbolic link");
    return 0;
}

static int make_fifo(struct layer *layer, int folder, const char *name, struct archive_entry *entry)
{
    if (mkfifoat(folder, name, archive_entry_perm(entry) & 0777) < 0 ||
        fchownat(folder, name, (uid_t)archive_entry_uid(entry), (gid_t)archive_entry_gid(entry), AT_SYMLINK_NOFOLLOW) <
            0)
        return fail(layer, "make fifo");
    return 0;
}

/* By the descriptor alone, or, for want of CAP_DAC_READ_SEARCH (linkat(2)), by its name in /proc. */
static int link_descriptor(int fd, int folder, const char *name)
{
    char path[64];

    if (linkat(fd, "", folder, name, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno != ENOENT)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, folder, name, AT_SYMLINK_FOLLOW);
}

/* The target is found before what is in the way of the link is removed: they may be the same. */
static int make_hardlink(struct layer *layer, int folder, const char *name, const char *link)
{
    char target[PATH_BYTES_MAX];
    cleanup_close int fd = -1;
    struct stat at, old;
    int r = clean_path(layer, link, target);

    if (r != 0)
        return r;
    fd = open_in_root(layer->root, target[0] ? target : ".", O_PATH | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &at) < 0)
        return fail(layer, "hard link's target");
    if (!S_ISREG(at.st_mode) && !S_ISLNK(at.st_mode))
        return refuse(layer, "a hard link's target must be a file");
    if (fstatat(folder, name, &old, AT_SYMLINK_NOFOLLOW) == 0 && old.st_ino == at.st_ino && old.st_dev == at.st_dev)
        return 0;
    if (remove_at(layer, folder, name, false, 0) < 0 || link_descriptor(fd, folder, name) < 0)
        return fail(layer, "make hard link");
    return 0;
}

static int make_entry(struct layer *layer, int folder, const char *name, struct archive_entry *entry)
{
    mode_t type = archive_entry_filetype(entry);
    struct stat old;

    if (archive_entry_hardlink(entry))
        return make_hardlink(layer, folder, name, archive_entry_hardlink(entry));
    if (type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK && type != AE_IFIFO) {
        log_debug("image: %s: a device or socket is left out", layer->path);
        return 0;
    }
    if (fstatat(folder, name, &old, AT_SYMLINK_NOFOLLOW) == 0 && !(type == AE_IFDIR && S_ISDIR(old.st_mode)) &&
        remove_at(layer, folder, name, false, 0) < 0)
        return fail(layer, "replace");
    switch (type) {
    case AE_IFREG:
        return make_file(layer, folder, name, entry);
    case AE_IFDIR:
        return make_folder(layer, folder, name, entry);
    case AE_IFLNK:
        return make_link(layer, folder, name, entry);
    default:
        return make_fifo(layer, folder, name, entry);
    }
}

/* Remembers what was made, so that a whiteout later in this layer leaves it. */
static int remember(struct layer *layer, int folder, const char *name)
{
    struct stat status;

    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return inodes_add(&layer->made, status.st_ino) < 0 ? refuse(layer, "out of memory") : 0;
}

static int apply_entry(struct layer *layer, struct archive_entry *entry)
{
    char path[PATH_BYTES_MAX], *slash;
    cleanup_close int folder = -1;
    const char *name;
    int r;

    layer->path = archive_entry_pathname(entry);
    if (!layer->path) {
        layer->path = "?";
        return refuse(layer, "a path that isn't UTF-8");
    }
    if (--layer->budget->entries < 0)
        return refuse(layer, "the image has more entries than a node takes");
    r = clean_path(layer, layer->path, path);
    if (r != 0 || !path[0]) /* the root itself stays as it is */
        return r;
    slash = strrchr(path, '/');
    name = slash ? slash + 1 : path;
    if (slash)
        *slash = '\0';
    folder = open_folder(layer, slash ? path : "");
    if (folder < 0)
        return fail(layer, "folder");
    if (!strncmp(name, WHITEOUT, strlen(WHITEOUT)))
        return whiteout(layer, folder, name);
    r = make_entry(layer, folder, name, entry);
    return r == 0 ? remember(layer, folder, name) : r;
}

static int apply_all(struct layer *layer, bool (*cancelled)(void *context), void *context)
{
    struct archive_entry *entry;
    int r;

    while ((r = archive_read_next_header(layer->archive, &entry)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
        if (cancelled && cancelled(context))
            return reason_refuse(layer->reason, NULL, "given up");
        if ((r = apply_entry(layer, entry)) != 0)
            return r;
    }
    return r == ARCHIVE_EOF ? 0
                            : reason_refuse(layer->reason, "archive", "%.200s", archive_error_string(layer->archive));
}

int layer_apply(const char *path, int root, struct layer_budget *budget, bool (*cancelled)(void *context),
                void *context, struct reason *reason)
{
    struct layer layer = {
        .archive = archive_read_new(), .root = root, .budget = budget, .reason = reason, .path = path
    };
    int r;

    if (!layer.archive)
        return reason_refuse(reason, NULL, "out of memory");
    archive_read_support_filter_gzip(layer.archive);
    archive_read_support_filter_zstd(layer.archive);
    archive_read_support_format_tar(layer.archive);
    archive_read_support_format_empty(layer.archive);
    if (archive_read_open_filename(layer.archive, path, READ_BYTES) != ARCHIVE_OK)
        r = reason_refuse(reason, "archive", "%.200s", archive_error_string(layer.archive));
    else
        r = apply_all(&layer, cancelled, context);
    archive_read_free(layer.archive);
    inodes_close(&layer.made);
    return r;
}
