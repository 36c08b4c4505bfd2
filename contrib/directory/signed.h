#pragma once

/* The last checkpoint that was signed or seen signed: beside a store that is a file (PATH.signed), else beside the key
 * (KEY.signed), on the machine of each directoryd. A store that lost its end, because its write-ahead file was damaged
 * or an old copy was put back, is whole in itself; gone on with, it would fork the log that others have seen. The file
 * isn't synced: it outlives the process, and after a power loss it may be one of some seconds before, which is as true.
 */

#include "contrib/directory/tlog.h"

/* Opens or makes the file that belongs to the store at `url` or, where several share it, to the key file at `key_path`;
 * *ret_fd is the caller's to close. 0, or REFUSED. */
int signed_open(const char *url, const char *key_path, int *ret_fd, struct reason *reason);
/* What the file says; false: nothing, since it is new or holds no checkpoint of this signer's. */
bool signed_read(int fd, const struct note_verifier *verifier, struct checkpoint *ret_checkpoint);
/* Whether the log in the store, whose head is `head`, extends what was signed last. 0, or REFUSED with what to do. */
int signed_check(int fd, struct store *store, const struct note_verifier *verifier, const struct checkpoint *head,
                 struct reason *reason);
/* Notes a checkpoint, before anybody is told of it; what fails is logged. */
void signed_write(int fd, const char *note);
