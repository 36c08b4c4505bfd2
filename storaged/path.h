#pragma once

/* Where storaged looks and writes: all paths are below one root, "" on a node, a folder of the test's in tests. */

#define PATH_BYTES 512 /* no path of ours is longer: root, a fixed part, a name of at most 128 bytes */

/* Writes root and the formatted rest. A path that doesn't fit becomes one that doesn't exist. */
__attribute__((format(printf, 3, 4))) void path_under(const char *root, char ret_path[static PATH_BYTES],
                                                      const char *format, ...);
