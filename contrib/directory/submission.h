#pragma once

/* A statement (or heartbeat) on its way into the log: from the request that brought it, or from the directoryd that
 * took that request (office.h). It belongs to one thread at a time. */

#include "contrib/directory/directory.h"

#define FRONT_BYTES 33 /* the name of a running directoryd: 32 random hexadecimal digits, and the NUL */

struct submission {
    struct sequencer *sequencer;
    struct submission *next;
    struct request *request; /* NULL: another directoryd has it */
    const char *body;        /* the request's, or `owned` */
    size_t body_size;
    bool is_beat;

    /* Between directoryds: whose it is and its number there. */
    char front[FRONT_BYTES];
    int64_t number;
    char *owned;          /* the body, when another has the request */
    uint64_t deadline_ms; /* by uv_now: until then we wait for the one that writes the log */
    bool sent;

    /* What opening finds: status 0, or why not. */
    int status;
    unsigned retry_after_s; /* 0: not said */
    struct reason reason;
    struct statement statement, invite; /* a zero `payload`: not there */
    struct merkle_hash leaf;

    /* What the commit finds: status 201 or 200 and the index, or why not. */
    uint64_t index;
    struct merkle_proof proof;
    char feed_node[ID_TEXT_BYTES];
    char *answer; /* JSON, malloc()ed; NULL: no memory */
};

/* Submissions in their order; `last` is where the next one is linked in. */
struct submissions {
    struct submission *first, **last;
    size_t count;
};
void submissions_init(struct submissions *list);
void submissions_add(struct submissions *list, struct submission *submission);
/* All of them, linked by `next`. */
struct submission *submissions_take(struct submissions *list);

/* It can't be written down now: 503. */
void submission_fail(struct submission *submission, int error);

/* Opens the body: form, signatures (an invite's too), rules of its kind. Without an effect but on the submission, whose
 * status becomes 400, 401 or 503, or stays 0. */
void submission_open(struct submission *submission);

/* It is in the log: `index` holds. */
static inline bool submission_is_logged(const struct submission *submission)
{
    return submission->status == 200 || submission->status == 201;
}

/* What a request is answered whose statement is entry `index`, with `proof` for the tree of a signed note, which is
 * given as a JSON string (submission_quote), being the same for all of a commit. free(); NULL: no memory. */
char *submission_answer(const struct submission *submission, const char *quoted_note);
char *submission_quote(const char *note);
