#pragma once

/* SQLite's write-ahead log, as this directory writes it. SQLite writes each page of a transaction, and the 24 bytes
 * before it, with a call of its own, some hundred for a commit, and then waits for the disk. This VFS is the default
 * one but for the WAL's file:
 *
 * - what is written is gathered, and goes to the kernel in one piece before the file is read, synced, truncated or
 * closed;
 * - the sync at the end of a commit is left to store_sync, so that the next transaction can run meanwhile. Every other
 *   sync is made at once: of the WAL's header, and before and after a checkpoint.
 *
 * With that a commit is as durable as with synchronous=NORMAL, and by store_sync as with FULL
 * (sqlite.org/pragma.html#pragma_synchronous). It has to be FULL for the sessions that write with this VFS: then SQLite
 * syncs the WAL, which hands on what was gathered, before it tells other sessions in the shared index of the new pages;
 * and an error is the commit's. The file is as always: others open it with the default VFS at the same time. */

/* The VFS's name, for sqlite3_open_v2; NULL when it can't be registered: then the default one, which syncs by itself.
 */
const char *store_wal_vfs(void);
