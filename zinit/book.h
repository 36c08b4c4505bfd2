#pragma once

/* The log on disk: a folder of files `<boot, 8 digits>-<file, 6 digits>.log`, in plain text:
 *
 *     # boot 12, file 1 of c3a2…-…            the boot's number, and the kernel's id of it
 *     2026-11-25T02:04:03.123Z info netd: eth0: leased 10.0.2.15
 *     # end                                   the boot ended in order
 *
 * A line begins with a time or #, so that no service's text can pass for a mark. A file is only appended to by the
 * process that made it; one that ends within a line was cut off there. */

#include "zinit/ring.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define BOOK_MOUNT "/var/lib/zos"           /* storaged's cache subvolume, once it is there */
#define BOOK_FOLDER BOOK_MOUNT "/log"       /* 0700, files 0600 */
#define BOOK_FILE_BYTES_MAX (4096UL * 1024) /* of a file */
#define BOOK_FILES_MAX 4                    /* of this boot */
#define BOOK_EARLIER_FILES_MAX 32           /* of all boots before, which take BOOK_FILES_MAX files' bytes at most */
#define BOOK_BOOT_MAX 99999999
#define BOOK_FILE_MAX 999999
#define BOOK_NAME_BYTES 32
#define BOOK_ID_BYTES 40
/* Of a line: time, level and the longest name of a unit, in characters, around the text; and the line end. */
#define BOOK_LINE_BYTES_MAX (24 + 1 + 9 + 1 + 128 + 2 + RING_LINE_BYTES_MAX + 2)
#define BOOK_LINE_HEAD_BYTES 48 /* about what stands before a text */
#define BOOK_END "# end\n"

struct book_name {
    unsigned boot, file; /* from 1 */
};

/* Writes a line with its end, and a NUL, at `out`, which has room for BOOK_LINE_BYTES_MAX; its size. */
size_t book_format_line(char *out, const char *name, const struct ring_line *line, const char *text);

/* False for names that aren't a file of the log. */
bool book_parse_name(const char *text, struct book_name *ret_name);
void book_print_name(struct book_name name, char ret_text[static BOOK_NAME_BYTES]);

/* The files of the folder, the oldest first, as a new array, the caller's (free()). How many, or negative errno. */
int book_list(int folder_fd, struct book_name **ret_names);

/* The kernel's id of this boot; "" when it can't be read. */
void book_boot_id(char ret_id[static BOOK_ID_BYTES]);
/* The id in the file's first line; "" when there is none. */
void book_file_boot_id(int folder_fd, struct book_name name, char ret_id[static BOOK_ID_BYTES]);
