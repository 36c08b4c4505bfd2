/* It lies in `meta` beside the head. Nothing is believed of it that can't be checked again: a store that was put back
 * from a copy has an old one, which is as good as it was then. */

#include "contrib/directory/cosigned.h"

#include "contrib/directory/meta.h"
#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int check(const struct directory *directory, const char *note, const struct cosignature_policy *policy,
                 struct checkpoint *ret_checkpoint, struct reason *reason)
{
    const struct checkpoint *head = &directory->head.checkpoint;
    struct checkpoint checkpoint;
    struct merkle_proof proof = { 0 };
    int error = 0;

    if (checkpoint_open(note, &directory->signer.verifier, &checkpoint, reason) ||
        cosignature_check(note, policy, reason))
        return REFUSED;
    if (checkpoint.size > 0 && checkpoint.size < head->size)
        error = tlog_prove_consistency(directory->reader, checkpoint.size, head->size, &proof);
    if (error < 0)
        return error;
    if (!merkle_verify_consistency(checkpoint.size, head->size, &proof, &checkpoint.root, &head->root))
        return reason_refuse(reason, NULL,
                             "the %" PRIu64 " entries that it vouches for aren't the beginning of this log",
                             checkpoint.size);
    *ret_checkpoint = checkpoint;
    return 0;
}

int cosigned_load(struct directory *directory, const struct cosignature_policy *policy)
{
    cleanup_rows struct store_rows rows;
    struct tlog_head cosigned = { 0 };
    struct reason reason = { 0 };

    store_select_values(directory->reader, &rows, "SELECT value FROM meta WHERE name = 'cosigned'", NULL, 0);
    if (!store_next(&rows))
        return directory->reader->error;
    cosigned.note = strdup(store_text(&rows, 0));
    if (!cosigned.note)
        return -ENOMEM;
    int result = check(directory, cosigned.note, policy, &cosigned.checkpoint, &reason);
    if (!result) {
        directory->cosigned = cosigned;
        return 0;
    }
    tlog_head_close(&cosigned);
    if (result == REFUSED)
        log_warning("the cosigned checkpoint that was kept isn't used: %s", reason.text);
    return result == REFUSED ? 0 : result;
}

void cosigned_write(struct store *store, const char *note)
{
    meta_write(store, "cosigned", note);
}
