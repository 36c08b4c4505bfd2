/* What anyone may post to a witness: a body that is taken apart is put together the same. */

#include "contrib/directory/witness_rules.h"

#include "lib/cleanup.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_free char *text = malloc(size + 1);
    struct witness_request request;
    struct reason reason = { 0 };

    memcpy(text, data, size);
    text[size] = '\0';
    if (witness_parse(text, &request, &reason)) {
        if (!reason.text[0])
            abort();
        return 0;
    }
    cleanup_free char *again = witness_format(request.old_size, &request.proof, request.note);
    if (!again || strcmp(again, text) != 0)
        abort();
    return 0;
}
