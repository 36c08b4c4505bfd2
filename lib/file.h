#pragma once

/* Whole small files: read bounded, written so that after a crash there is the old content or the new, never half. */

#include <stddef.h>
#include <sys/types.h>

/* Reads at most `size_max` bytes; the caller's, free(), NUL-terminated behind its size (`ret_size` may be NULL). 0,
 * -ENOENT, -EFBIG, or another negative errno; silent, the caller knows whether absence is an error. */
int file_read(const char *path, size_t size_max, char **ret_content, size_t *ret_size);

/* Writes a temporary file beside it, fsyncs, renames, fsyncs the folder (rename(2); a folder's fsync makes the name
 * durable). 0, or negative errno, logged. */
int file_write(const char *path, const void *content, size_t size, mode_t mode);

/* Makes the folder and those above it that are missing. 0, or negative errno, logged. */
int file_make_folders(const char *path, mode_t mode);
/* Removes a file or a whole tree, never following a symbolic link nor crossing into another file system. Absence is
 * fine. 0, or negative errno, logged. */
int file_remove_tree(const char *path);
