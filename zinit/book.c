/* Names and lines of the log on disk. What is in the folder may be of a broken disk or a bad hand: names and marks are
 * parsed strictly, and all else is as if it weren't there. */

#include "zinit/book.h"

#include "lib/cleanup.h"
#include "lib/file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"
#define ENTRIES_MAX 4096
#define DIGITS_BOOT 8
#define DIGITS_FILE 6
#define SUFFIX ".log"

/* "2026-11-25T02:04:03", made anew once a second. */
static const char *print_second(time_t second)
{
    static time_t printed = -1;
    static char text[32];
    struct tm utc;

    if (second != printed && gmtime_r(&second, &utc) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc))
        printed = second;
    return text;
}

size_t book_format_line(char *out, const char *name, const struct ring_line *line, const char *text)
{
    static const char *const levels[] = { "emergency", "alert",  "critical", "error",
                                          "warning",   "notice", "info",     "debug" };
    size_t used = (size_t)sprintf(out, "%.20s.%03dZ %s %.128s: ", print_second((time_t)(line->time_ms / 1000)),
                                  (int)(line->time_ms % 1000), levels[line->level & 7], name);

    memcpy(out + used, text, line->size);
    used += line->size;
    out[used++] = '\n';
    out[used] = '\0';
    return used;
}

/* So many digits and no more, as a number from 1. */
static bool read_digits(const char *text, size_t digits, unsigned *ret_number)
{
    unsigned number = 0;

    for (size_t i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (unsigned)(text[i] - '0');
    }
    *ret_number = number;
    return number > 0;
}

bool book_parse_name(const char *text, struct book_name *ret_name)
{
    struct book_name name;

    if (strlen(text) != DIGITS_BOOT + 1 + DIGITS_FILE + strlen(SUFFIX) || text[DIGITS_BOOT] != '-' ||
        strcmp(text + DIGITS_BOOT + 1 + DIGITS_FILE, SUFFIX) != 0 || !read_digits(text, DIGITS_BOOT, &name.boot) ||
        !read_digits(text + DIGITS_BOOT + 1, DIGITS_FILE, &name.file))
        return false;
    *ret_name = name;
    return true;
}

void book_print_name(struct book_name name, char ret_text[static BOOK_NAME_BYTES])
{
    snprintf(ret_text, BOOK_NAME_BYTES, "%08u-%06u" SUFFIX, name.boot, name.file);
}

static int compare_names(const void *left, const void *right)
{
    const struct book_name *a = left, *b = right;

    if (a->boot != b->boot)
        return a->boot < b->boot ? -1 : 1;
    return a->file < b->file ? -1 : a->file > b->file;
}

int book_list(int folder_fd, struct book_name **ret_names)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct book_name *names = folder ? calloc(ENTRIES_MAX, sizeof *names) : NULL;
    const struct dirent *entry;

    if (!names) {
        int error = errno;
        if (folder)
            closedir(folder);
        else if (fd >= 0)
            close(fd);
        return -error;
    }
    while (count < ENTRIES_MAX && (entry = readdir(folder)))
        count += book_parse_name(entry->d_name, &names[count]);
    closedir(folder);
    qsort(names, (size_t)count, sizeof *names, compare_names);
    *ret_names = names;
    return count;
}

/* The word that begins there, when it is no longer than an id. */
static void copy_id(const char *from, char ret_id[static BOOK_ID_BYTES])
{
    size_t size = 0;

    while (size < BOOK_ID_BYTES - 1 && (isxdigit((unsigned char)from[size]) || from[size] == '-'))
        size++;
    memcpy(ret_id, from, size);
    ret_id[size] = '\0';
}

void book_boot_id(char ret_id[static BOOK_ID_BYTES])
{
    cleanup_free char *text = NULL;

    ret_id[0] = '\0';
    if (file_read(BOOT_ID_FILE, 4096, &text, NULL) == 0)
        copy_id(text, ret_id);
}

void book_file_boot_id(int folder_fd, struct book_name name, char ret_id[static BOOK_ID_BYTES])
{
    char path[BOOK_NAME_BYTES], head[128];
    cleanup_close int fd = -1;
    const char *id;
    ssize_t size;

    ret_id[0] = '\0';
    book_print_name(name, path);
    fd = openat(folder_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    size = fd < 0 ? -1 : read(fd, head, sizeof head - 1);
    if (size <= 0)
        return;
    head[size] = '\0';
    id = strncmp(head, "# boot ", 7) == 0 ? strstr(head, " of ") : NULL;
    if (id)
        copy_id(id + 4, ret_id);
}
