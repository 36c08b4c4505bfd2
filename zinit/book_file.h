#pragma once

/* Writing the log on disk, bounded: the oldest files go for new ones, those of this boot apart from those before. */

#include "zinit/book.h"

struct book_file {
    int folder_fd; /* -1: closed */
    int fd;        /* of the file that is written; -1: the next line begins one */
    struct book_name name;
    size_t size, size_max; /* of the file; BOOK_FILE_BYTES_MAX */
    char id[BOOK_ID_BYTES];
};

/* Opens the folder, makes it if need be, and finds the number of this boot: that of the newest file when it has this
 * boot's id, else the next. 0, or negative errno. */
int book_file_open(struct book_file *book, const char *folder);
/* Fine when it is closed. */
void book_file_close(struct book_file *book);

/* Appends whole lines. When there is no room on the disk, the oldest files are given up for them, down to the one that
 * is written. 0, or negative errno: they are lost. */
int book_file_add(struct book_file *book, const char *lines, size_t size);
/* Makes it durable. 0, or negative errno. */
int book_file_sync(struct book_file *book);
