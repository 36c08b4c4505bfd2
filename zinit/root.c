/* The initramfs can't be left by pivot_root(2), and no container runtime can pivot while it is the root (EINVAL: the
 * root mount has no parent). Moving a tmpfs over it gives a root with a parent; emptying it gives the memory back. */

#include "zinit/root.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define NEW_ROOT ".root"
#define LINKS_MAX 64 /* files with several names that are recognized; more are copied once a name */
#define DEPTH_MAX 16

struct link {
    ino_t inode;
    char path[128];
};

struct move {
    int root_fd; /* of the new root */
    struct link links[LINKS_MAX];
    size_t links_count;
};

static int copy_bytes(int from, int to)
{
    ssize_t size;

    do {
        size = sendfile(to, from, NULL, 1 << 20);
    } while (size > 0);
    return size < 0 ? -errno : 0;
}

static int copy_file(int from_dir, int to_dir, const char *name, mode_t mode)
{
    cleanup_close int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    cleanup_close int to = from < 0 ? -1 : openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (to < 0)
        return -errno;
    if (fchmod(to, mode & 07777) < 0)
        return -errno;
    return copy_bytes(from, to);
}

static int copy_symlink(int from_dir, int to_dir, const char *name)
{
    char target[512];
    ssize_t size = readlinkat(from_dir, name, target, sizeof target - 1);

    if (size < 0)
        return -errno;
    target[size] = '\0';
    return symlinkat(target, to_dir, name) < 0 ? -errno : 0;
}

/* A second name of a file that was copied under another: 1 when it was linked. */
static int link_again(struct move *move, const struct stat *status, int to_dir, const char *name, const char *path)
{
    for (size_t i = 0; i < move->links_count; i++)
        if (move->links[i].inode == status->st_ino)
            return linkat(move->root_fd, move->links[i].path, to_dir, name, 0) == 0;
    if (move->links_count < LINKS_MAX && status->st_nlink > 1 && strlen(path) < sizeof move->links[0].path) {
        struct link *link = &move->links[move->links_count++];
        link->inode = status->st_ino;
        memcpy(link->path, path, strlen(path) + 1);
    }
    return 0;
}

static int move_folder(struct move *move, int from_dir, int to_dir, const char *path, int depth);

static int move_subfolder(struct move *move, int from_dir, int to_dir, const char *name, const char *path, mode_t mode,
                          int depth)
{
    int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), error;
    cleanup_close int to = -1;

    if (from < 0)
        return -errno;
    if (mkdirat(to_dir, name, 0700) < 0 || (to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        fchmod(to, mode & 07777) < 0) {
        error = -errno;
        close(from);
        return error;
    }
    error = move_folder(move, from, to, path, depth + 1); /* closes `from` */
    if (!error)
        unlinkat(from_dir, name, AT_REMOVEDIR);
    return error;
}

static int move_entry(struct move *move, int from_dir, int to_dir, const char *name, const char *path, int depth)
{
    struct stat status;
    int error = 0;

    if (fstatat(from_dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISDIR(status.st_mode))
        return move_subfolder(move, from_dir, to_dir, name, path, status.st_mode, depth);
    if (S_ISREG(status.st_mode)) {
        if (!link_again(move, &status, to_dir, name, path))
            error = copy_file(from_dir, to_dir, name, status.st_mode);
    } else if (S_ISLNK(status.st_mode)) {
        error = copy_symlink(from_dir, to_dir, name);
    }
    /* Device nodes are devtmpfs's affair. */
    if (!error)
        unlinkat(from_dir, name, 0);
    return error;
}

static int move_folder(struct move *move, int from_dir, int to_dir, const char *path, int depth)
{
    DIR *folder = fdopendir(from_dir);
    struct dirent *entry;
    int error = 0;

    if (!folder || depth > DEPTH_MAX) {
        error = folder ? -ELOOP : -errno;
        folder ? closedir(folder) : close(from_dir);
        return error;
    }
    while (!error && (entry = readdir(folder))) {
        char inner[1024];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || strcmp(entry->d_name, NEW_ROOT) == 0)
            continue;
        if (snprintf(inner, sizeof inner, "%s%s%s", path, *path ? "/" : "", entry->d_name) >= (int)sizeof inner)
            error = -ENAMETOOLONG;
        else
            error = move_entry(move, dirfd(folder), to_dir, entry->d_name, inner, depth);
        if (error)
            log_fail(error, "move /%s to the tmpfs root", inner);
    }
    closedir(folder);
    return error;
}

int root_move(void)
{
    static struct move move; /* 8 KB that the stack needn't hold */
    cleanup_close int root = -1;
    int old, error;

    if (mkdir("/" NEW_ROOT, 0755) < 0 && errno != EEXIST)
        return log_fail(-errno, "make the new root's folder");
    if (mount("root", "/" NEW_ROOT, "tmpfs", MS_NOATIME, "mode=0755") < 0)
        return log_fail(-errno, "mount a tmpfs as the new root");
    root = open("/" NEW_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || old < 0)
        return log_fail(-errno, "open the roots");
    move = (struct move){ .root_fd = root };
    error = move_folder(&move, old, root, "", 0);
    if (error)
        return error;
    if (chdir("/" NEW_ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
        return log_fail(-errno, "move the tmpfs over the root");
    return 0;
}
