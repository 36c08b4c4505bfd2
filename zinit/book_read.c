/* The log on disk, file by file. A line that has no end was being written when the power went: it is left out. */

#include "zinit/book_read.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct book_folder {
    int fd;
    struct book_name *names;
    int count;
    unsigned last; /* the number of the last boot before the one that is running; 0: none */
};

static int open_folder(const char *path, struct book_folder *folder)
{
    char id[BOOK_ID_BYTES], newest[BOOK_ID_BYTES];
    int i;

    *folder = (struct book_folder){ .fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) };
    if (folder->fd < 0)
        return -errno;
    folder->count = book_list(folder->fd, &folder->names);
    if (folder->count < 0)
        return folder->count;
    if (folder->count == 0)
        return 0;
    i = folder->count - 1;
    book_boot_id(id);
    book_file_boot_id(folder->fd, folder->names[i], newest);
    folder->last = folder->names[i].boot;
    if (!id[0] || strcmp(id, newest) != 0)
        return 0;
    while (i >= 0 && folder->names[i].boot == folder->last)
        i--;
    folder->last = i >= 0 ? folder->names[i].boot : 0;
    return 0;
}

static void close_folder(struct book_folder *folder)
{
    if (folder->fd >= 0)
        close(folder->fd);
    free(folder->names);
}

static FILE *open_file(const struct book_folder *folder, int index)
{
    char path[BOOK_NAME_BYTES];
    int fd;
    FILE *file;

    book_print_name(folder->names[index], path);
    fd = openat(folder->fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    file = fd < 0 ? NULL : fdopen(fd, "r");
    if (!file && fd >= 0)
        close(fd);
    return file;
}

/* A whole line of what a service or zinit said; not a mark, nor half a line. */
static bool is_line(const char *line)
{
    return line[0] >= '0' && line[0] <= '9' && strchr(line, '\n');
}

/* Whether "TIME LEVEL NAME: …" is of this name. */
static bool is_of(const char *line, const char *name)
{
    const char *at = strchr(line, ' ');

    at = at ? strchr(at + 1, ' ') : NULL;
    return at && strncmp(at + 1, name, strlen(name)) == 0 && at[1 + strlen(name)] == ':';
}

/* Prints a file's lines (out may be NULL), and keeps the last in `last` and whether the mark of an orderly end came. */
static void read_file(FILE *file, const char *name, FILE *out, char last[static BOOK_LINE_BYTES_MAX], bool *ret_clean)
{
    char line[BOOK_LINE_BYTES_MAX];

    while (fgets(line, sizeof line, file)) {
        *ret_clean = strcmp(line, BOOK_END) == 0;
        if (!is_line(line) || (name && !is_of(line, name)))
            continue;
        strcpy(last, line);
        if (out)
            fputs(line, out);
    }
}

/* 0: there is no such boot. */
static unsigned find_boot(const struct book_folder *folder, int boot)
{
    unsigned seen = 0;
    int back = 0;

    for (int i = folder->count - 1; i >= 0; i--) {
        unsigned number = folder->names[i].boot;
        if (number == seen)
            continue;
        seen = number;
        back -= number <= folder->last; /* the one that is running is 0 */
        if (boot > 0 ? (unsigned)boot == number : boot == back)
            return number;
    }
    return 0;
}

int book_read_boot(const char *path, int boot, const char *name, FILE *out)
{
    char last[BOOK_LINE_BYTES_MAX] = "";
    struct book_folder folder;
    bool clean = false;
    unsigned number;
    int error = open_folder(path, &folder);

    if (error && error != -ENOENT)
        fprintf(stderr, "zinit: read %s: %s\n", path, strerror(-error));
    number = error ? 0 : find_boot(&folder, boot);
    if (number == 0)
        fprintf(stderr, "zinit: no log of that boot in %s\n", path);
    for (int i = 0; number > 0 && i < folder.count; i++) {
        FILE *file = folder.names[i].boot == number ? open_file(&folder, i) : NULL;
        if (!file)
            continue;
        read_file(file, name, out, last, &clean);
        fclose(file);
    }
    if (number > 0 && !clean && boot != 0)
        fprintf(stderr, "zinit: boot %u ended without a shutdown\n", number);
    close_folder(&folder);
    return number > 0 ? 0 : 1;
}

int book_read_last_end(const char *path, struct book_end *ret_end)
{
    char last[BOOK_LINE_BYTES_MAX] = "";
    struct book_folder folder;
    int error = open_folder(path, &folder);
    bool clean = false;

    if (error) {
        close_folder(&folder);
        return error;
    }
    *ret_end = (struct book_end){ .boot = folder.last };
    for (int i = folder.count - 1; i >= 0 && folder.last && !last[0]; i--) {
        FILE *file = folder.names[i].boot == folder.last ? open_file(&folder, i) : NULL;
        if (!file)
            continue;
        read_file(file, NULL, NULL, last, &clean);
        ret_end->clean |= clean;
        fclose(file);
    }
    last[strcspn(last, "\n")] = '\0';
    snprintf(ret_end->line, sizeof ret_end->line, "%.*s", (int)sizeof ret_end->line - 1, last);
    close_folder(&folder);
    return 0;
}
