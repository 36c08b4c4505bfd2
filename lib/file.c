/* Whole small files. Durability follows the rule of the Linux file systems: content is safe after fsync of the file,
 * its name after fsync of the folder, and rename puts one in the place of the other at once. */

#include "lib/file.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int file_read(const char *path, size_t size_max, char **ret_content, size_t *ret_size)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    cleanup_free char *content = NULL;
    size_t size = 0, room = 0;

    if (fd < 0)
        return -errno;
    for (;;) {
        ssize_t count;
        if (size == room) {
            char *grown = realloc(content, (room = room ? room * 2 : 4096) + 1);
            if (!grown)
                return -ENOMEM;
            content = grown;
        }
        count = read(fd, content + size, room - size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        if (count == 0)
            break;
        size += (size_t)count;
        if (size > size_max)
            return -EFBIG;
    }
    content[size] = '\0';
    *ret_content = steal_pointer(content);
    if (ret_size)
        *ret_size = size;
    return 0;
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = write(fd, bytes, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        bytes += count;
        size -= (size_t)count;
    }
    return 0;
}

static int sync_folder_of(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    cleanup_close int fd = -1;

    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + (slash == path)) : 1, slash ? path : ".");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return log_fail(-errno, "sync folder %s", folder);
    return 0;
}

int file_write(const char *path, const void *content, size_t size, mode_t mode)
{
    char temporary[4096];
    cleanup_close int fd = -1;
    int status;

    if ((size_t)snprintf(temporary, sizeof temporary, "%s.new", path) >= sizeof temporary)
        return log_fail(-ENAMETOOLONG, "write %s", path);
    if (unlink(temporary) < 0 && errno != ENOENT)
        return log_fail(-errno, "remove %s", temporary);
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return log_fail(-errno, "create %s", temporary);
    status = write_all(fd, content, size);
    if (status == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(temporary, path) < 0))
        status = -errno;
    if (status < 0) {
        unlink(temporary);
        return log_fail(status, "write %s", path);
    }
    return sync_folder_of(path);
}

int file_make_folders(const char *path, mode_t mode)
{
    char prefix[4096];

    if ((size_t)snprintf(prefix, sizeof prefix, "%s", path) >= sizeof prefix)
        return log_fail(-ENAMETOOLONG, "make folder %s", path);
    for (char *slash = prefix + 1; *slash; slash++) {
        if (*slash != '/')
            continue;
        *slash = '\0';
        if (mkdir(prefix, mode) < 0 && errno != EEXIST)
            return log_fail(-errno, "make folder %s", prefix);
        *slash = '/';
    }
    if (mkdir(prefix, mode) < 0 && errno != EEXIST)
        return log_fail(-errno, "make folder %s", prefix);
    return 0;
}

static int remove_below(int folder_fd, const char *name, dev_t device);

static int remove_entries(int fd, dev_t device)
{
    DIR *folder = fdopendir(fd);
    int status = 0;

    if (!folder) {
        status = -errno;
        close(fd);
        return status;
    }
    for (struct dirent *entry; status == 0 && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = remove_below(dirfd(folder), entry->d_name, device);
    closedir(folder);
    return status;
}

static int remove_below(int folder_fd, const char *name, dev_t device)
{
    struct stat what;
    int status, fd;

    if (fstatat(folder_fd, name, &what, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (device && what.st_dev != device)
        return -EXDEV;
    if (!S_ISDIR(what.st_mode))
        return unlinkat(folder_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
    fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    status = remove_entries(fd, what.st_dev);
    if (status == 0 && unlinkat(folder_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        status = -errno;
    return status;
}

int file_remove_tree(const char *path)
{
    int status = remove_below(AT_FDCWD, path, 0);
    return status < 0 ? log_fail(status, "remove %s", path) : 0;
}
