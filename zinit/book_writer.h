#pragma once

/* The process that writes the log on disk (feed.h has PID 1's side). */

/* Reads lines from the descriptor until its end, and writes them to the folder `log` of the mount once
 * that is there, whenever it comes and again when it comes back; until then nothing is read. Ends with the mark of an
 * orderly end. The process's exit code. */
int book_writer_run(const char *mount, int fd);
