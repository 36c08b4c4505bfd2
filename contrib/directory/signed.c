/* One pwrite a commit. It is read only at the start; a note is its own proof of being whole. */

#include "contrib/directory/signed.h"

#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SIGNED_BYTES_MAX 1024 /* three lines of text and one signature; the name has at most 127 bytes */

int signed_open(const char *url, const char *key_path, int *ret_fd, struct reason *reason)
{
    const struct store_backend *backend = store_backend_of(url);
    char path[4096];
    int fd;

    *ret_fd = -1;
    if (snprintf(path, sizeof path, "%s.signed", backend->shared ? key_path : url + strlen(backend->scheme)) >=
        (int)sizeof path)
        return reason_refuse(reason, "store", "the path is too long");
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return reason_refuse(reason, backend->shared ? "key" : "store",
                             "can't open %s: %s; what was signed is kept there, so its folder must be there, and be"
                             " writable",
                             path, strerror(errno));
    *ret_fd = fd;
    return 0;
}

bool signed_read(int fd, const struct note_verifier *verifier, struct checkpoint *ret_checkpoint)
{
    char note[SIGNED_BYTES_MAX + 1];
    ssize_t size = pread(fd, note, SIGNED_BYTES_MAX, 0);

    if (size <= 0)
        return false;
    note[size] = '\0';
    return checkpoint_open(note, verifier, ret_checkpoint, NULL) == 0;
}

int signed_check(int fd, struct store *store, const struct note_verifier *verifier, const struct checkpoint *head,
                 struct reason *reason)
{
    struct checkpoint checkpoint;

    if (!signed_read(fd, verifier, &checkpoint))
        return 0;
    if (checkpoint.size > head->size)
        return reason_refuse(reason, "store",
                             "ends at %" PRIu64 " statements, but %" PRIu64 " were signed; restore the store from a"
                             " mirror or back-up that has them all (its .signed file has the checkpoint)",
                             head->size, checkpoint.size);
    if (tlog_check_head(store, &checkpoint) < 0)
        return reason_refuse(reason, "store",
                             "isn't the log that was signed at %" PRIu64 " statements; restore the store from a mirror"
                             " or back-up",
                             checkpoint.size);
    return 0;
}

/* With its NUL, behind which there may be the end of a longer one. */
void signed_write(int fd, const char *note)
{
    size_t size = strlen(note) + 1;

    if (fd >= 0 && pwrite(fd, note, size, 0) != (ssize_t)size)
        log_fail(-errno, "note what was signed");
}
