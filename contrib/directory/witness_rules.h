#pragma once

/* What a witness does with a checkpoint (c2sp.org/tlog-witness, add-checkpoint): the request's form, and whether the
 * checkpoint may be cosigned. Pure. */

#include "lib/checkpoint.h"

#include <stdbool.h>

struct witness_request {
    uint64_t old_size;
    struct merkle_proof proof;
    const char *note; /* within the body */
};

/* 0, or REFUSED: status 400. `body` is NUL-terminated. */
int witness_parse(const char *body, struct witness_request *ret_request, struct reason *reason);
/* The body that asks for it; the caller's, free(); NULL when memory is out. */
char *witness_format(uint64_t old_size, const struct merkle_proof *proof, const char *note);

enum witness_verdict {
    WITNESS_COSIGN,
    WITNESS_BAD_SIZE,     /* 400: the old size is larger than the checkpoint's */
    WITNESS_OTHER_SIZE,   /* 409: the last one cosigned has another size, which the answer tells */
    WITNESS_FORKED,       /* 409: the last one cosigned has this size and another root: the log signed two histories */
    WITNESS_INCONSISTENT, /* 422: the proof doesn't show that it extends the last one */
};

/* `submitted` was signed by the log; `last` is what the witness cosigned last, of size 0 when nothing. */
enum witness_verdict witness_judge(const struct witness_request *request, const struct checkpoint *submitted,
                                   const struct checkpoint *last);
