#pragma once

/* SQLite's checkpoints (sqlite.org/wal.html#ckpt), which copy the WAL's pages into the file, so that it can begin anew.
 * SQLite would make the commit wait that happens to be the one too many: for a tenth of a second, once in some thousand
 * statements. Here a thread copies them, in rounds, while the writer goes on, until so little is left that the writer
 * can do the rest itself: for a WAL to begin anew, all of it has to be copied at a moment when nothing is written. */

#include <sqlite3.h>

struct tidy;

/* Takes the writer's hook on its WAL, and has a thread look after the file at `path`. NULL, logged: SQLite's own way
 * stays. */
struct tidy *store_tidy_start(sqlite3 *writer, const char *path);
/* Has the WAL copied now, however small it is. */
void store_tidy_wake(struct tidy *tidy);
/* To be called by the writer between two transactions: does the rest when the time for it has come. */
void store_tidy_finish(struct tidy *tidy);
/* Ends the thread; NULL is passed over. The writer is to be closed next. */
void store_tidy_stop(struct tidy *tidy);
