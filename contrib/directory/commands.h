#pragma once

/* What directoryd can be told to do: each has its own command line, of which argv[0] is the program or the command, and
 * gives the exit code: 0, 1 (failed: the log says what to do), 2 (usage). */

/* Without a command: the directory itself. */
int serve_run(int argc, char **argv);
/* A witness of logs: cosigns their checkpoints. */
int witness_run(int argc, char **argv);
/* A verified copy of a directory, that serves in its place. */
int mirror_run(int argc, char **argv);
/* Replays a log and checks everything. */
int verify_run(int argc, char **argv);
/* A log from one store into another. */
int migrate_run(int argc, char **argv);
/* A copy of a store that is in use. */
int backup_run(int argc, char **argv);
