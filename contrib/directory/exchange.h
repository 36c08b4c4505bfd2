#pragma once

/* One turn of what directoryds tell each other through the database (office.h has the picture): sends, reads the
 * published checkpoint, the answers, and others' submissions. It runs in the pool. */

#include "contrib/directory/office.h"
#include "contrib/directory/submission.h"

struct exchange {
    const char *url;
    char name[FRONT_BYTES];
    struct store *bus; /* STORE_SHARED; NULL: not connected */
    int64_t epoch;     /* that was read last */
    bool listening, in_office, failed;
    bool away; /* and that was said */
};

struct exchange_answer {
    int64_t number;
    int status;
    uint64_t index;
    struct merkle_proof proof;
    struct reason reason;
};

struct turn {
    uv_work_t work;
    struct office *office;
    struct exchange *exchange;
    const struct directory *directory;

    /* In. */
    struct submission *pending; /* in the order of their numbers; the turn sets `sent` */
    bool in_office, take, reopen;
    struct seen *seen; /* to be written */
    size_t seen_count;
    uint64_t known_size;
    char *known_note; /* free()d with the turn */

    /* Out. */
    struct tlog_head head; /* the published one, when it is news; else no note */
    char (*nodes)[ID_TEXT_BYTES];
    size_t nodes_count;
    struct exchange_answer *answers; /* in the order of their numbers */
    size_t answers_count;
    struct submission *taken;
    struct store *reader; /* a new one, when `reopen` asked for it */
    bool seen_written;
    bool again; /* there is more to do at once */
};

/* A uv_work_cb. When it fails, `exchange->failed` is set and logged. */
void turn_run(uv_work_t *work);
/* With what wasn't taken out of it. */
void turn_free(struct turn *turn);

/* The nodes whose feeds have one of the entries from `from` on, before `to`: an array to be freed. */
void exchange_read_nodes(struct store *store, uint64_t from, uint64_t to, char (**ret_nodes)[ID_TEXT_BYTES],
                         size_t *ret_count);
/* The published head. 0; TLOG_NEW: none yet; REFUSED: another log's; or negative errno. */
int exchange_read_head(struct store *store, const struct note_verifier *verifier, struct tlog_head *ret_head,
                       struct reason *reason);
/* Makes the submission's answer by its status, index and proof. */
void exchange_answer_submission(struct submission *submission, const char *note);
void exchange_close(struct exchange *exchange);
