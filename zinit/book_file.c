/* Files of the log. One is never appended to once closed: what was torn off by a loss of power stays at the end of its
 * file and nothing is written behind it. Names that exist are passed over (O_EXCL), links aren't followed. */

#include "zinit/book_file.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define NAMES_TRIED 16

/* ---- what there is room for */

static int64_t file_bytes(int folder_fd, const char *path)
{
    struct stat status;

    return fstatat(folder_fd, path, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status.st_size : 0;
}

/* Removes what is too much, counted from the newest. */
static void prune(const struct book_file *book)
{
    cleanup_free struct book_name *names = NULL;
    int64_t earlier_bytes = 0;
    int count = book_list(book->folder_fd, &names), own = 0, earlier = 0;

    while (count-- > 0) {
        char path[BOOK_NAME_BYTES];
        bool fits;
        book_print_name(names[count], path);
        if (names[count].boot == book->name.boot) {
            fits = ++own <= BOOK_FILES_MAX;
        } else {
            earlier_bytes += file_bytes(book->folder_fd, path);
            fits = ++earlier <= BOOK_EARLIER_FILES_MAX && earlier_bytes <= (int64_t)(BOOK_FILES_MAX * book->size_max);
        }
        if (!fits)
            unlinkat(book->folder_fd, path, 0);
    }
}

/* Removes the oldest file that isn't the one being written. False when there is none. */
static bool give_up_oldest(const struct book_file *book)
{
    cleanup_free struct book_name *names = NULL;
    int count = book_list(book->folder_fd, &names);

    for (int i = 0; i < count; i++) {
        char path[BOOK_NAME_BYTES];
        if (names[i].boot == book->name.boot && names[i].file == book->name.file)
            continue;
        book_print_name(names[i], path);
        if (unlinkat(book->folder_fd, path, 0) == 0)
            return true;
    }
    return false;
}

/* ---- this boot's number */

static void number_boot(struct book_file *book)
{
    cleanup_free struct book_name *names = NULL;
    int count = book_list(book->folder_fd, &names);
    char id[BOOK_ID_BYTES] = "";

    book->name = (struct book_name){ .boot = 1 };
    while (count > 0 && names[count - 1].boot == BOOK_BOOT_MAX) { /* nobody boots so often: somebody made it up */
        char path[BOOK_NAME_BYTES];
        book_print_name(names[--count], path);
        unlinkat(book->folder_fd, path, 0);
    }
    if (count <= 0)
        return;
    book->name = names[count - 1];
    book_file_boot_id(book->folder_fd, book->name, id);
    if (id[0] && strcmp(id, book->id) == 0)
        return; /* an earlier writer of this boot has died */
    book->name = (struct book_name){ .boot = book->name.boot + 1 };
}

int book_file_open(struct book_file *book, const char *folder)
{
    *book = (struct book_file){ .folder_fd = -1, .fd = -1, .size_max = BOOK_FILE_BYTES_MAX };
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return -errno;
    book->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (book->folder_fd < 0)
        return -errno;
    book_boot_id(book->id);
    number_boot(book);
    prune(book);
    return 0;
}

static void end_file(struct book_file *book)
{
    if (book->fd >= 0)
        close(steal_fd(&book->fd));
}

void book_file_close(struct book_file *book)
{
    end_file(book);
    if (book->folder_fd >= 0)
        close(steal_fd(&book->folder_fd));
}

/* ---- writing */

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? -errno : -EIO;
        bytes += written;
        size -= (size_t)written;
    }
    return 0;
}

static int begin_file(struct book_file *book)
{
    char path[BOOK_NAME_BYTES], head[128];
    int size, error;

    for (int i = 0; book->fd < 0; i++) {
        if (book->name.file >= BOOK_FILE_MAX)
            return -EOVERFLOW;
        book->name.file++;
        book_print_name(book->name, path);
        book->fd = openat(book->folder_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (book->fd < 0 && (errno != EEXIST || i == NAMES_TRIED))
            return -errno;
    }
    size = snprintf(head, sizeof head, "# boot %u, file %u of %s\n", book->name.boot, book->name.file, book->id);
    error = write_all(book->fd, head, (size_t)size);
    if (error) {
        end_file(book);
        unlinkat(book->folder_fd, path, 0);
        return error;
    }
    book->size = (size_t)size;
    prune(book);
    return 0;
}

static int try_to_add(struct book_file *book, const char *lines, size_t size)
{
    int error;

    if (book->fd >= 0 && book->size + size > book->size_max) {
        int synced = book_file_sync(book);
        end_file(book);
        if (synced)
            return synced;
    }
    error = book->fd < 0 ? begin_file(book) : 0;
    if (error)
        return error;
    error = write_all(book->fd, lines, size);
    if (!error)
        book->size += size;
    else if (ftruncate(book->fd, (off_t)book->size) < 0) /* nothing is written behind half a line */
        end_file(book);
    return error;
}

int book_file_add(struct book_file *book, const char *lines, size_t size)
{
    int error;

    if (book->folder_fd < 0)
        return -EBADF;
    do {
        error = try_to_add(book, lines, size);
    } while ((error == -ENOSPC || error == -EDQUOT) && give_up_oldest(book));
    return error;
}

int book_file_sync(struct book_file *book)
{
    return book->fd >= 0 && fdatasync(book->fd) < 0 ? -errno : 0;
}
