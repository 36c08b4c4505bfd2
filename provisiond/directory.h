#pragma once

/* The directory's HTTP interface as the node uses it, blocking, from jobs. Nothing that comes back is believed before
 * it is checked: times are signed by the directory's key and carry our nonce, what we post is proven to be in the log.
 */

#include "lib/checkpoint.h"
#include "lib/cosignature.h"
#include "lib/reason.h"

#include <stdbool.h>
#include <stdint.h>

#define DIRECTORY_WAIT_S 50 /* long poll of the feed; the directory allows 60 */
#define DIRECTORY_FEED_BYTES (8u * 1024 * 1024)

/* Immutable once filled: jobs share it. */
struct directory {
    char *url;                           /* without a slash at the end */
    char *ca_pem;                        /* or NULL */
    char ca_file[256];                   /* "" : the library's */
    struct note_verifier verifier;       /* the log's key; the same key signs times */
    struct cosignature_policy witnesses; /* who has to cosign the log before a contract in it is taken up */
};

/* An authenticated time. */
struct directory_time {
    int64_t now;          /* unix seconds, the directory's */
    int64_t heartbeat_s;  /* the pace that it asks for */
    int64_t uncosigned_s; /* for how long some of its log has waited for its witnesses */
};

/* How a call went. */
struct directory_outcome {
    const char *step; /* that failed: "DNS", "TCP", "TLS", or "directory" (it doesn't answer, refuses, or its answer
                         doesn't check); NULL when all went well, or when it is our own side that can't */
    int status;       /* HTTP's; 0 when no answer came, or what came didn't check */
    unsigned retry_after_s;
};

/* Conditions of all below: 0; REFUSED with the reason (no answer, an answer that isn't a success, or one that doesn't
 * check). `ret_outcome` is filled in any case. */
/* `clock_set`: whether the clock can be trusted to judge a certificate's dates. While it can't (a battery that is
 * empty), any certificate is taken here, and here alone: the answer proves itself, and the question gives nothing away.
 */
int directory_ask_time(const struct directory *directory, bool clock_set, struct directory_time *ret_time,
                       struct directory_outcome *ret_outcome, struct reason *reason);
int directory_post(const struct directory *directory, const char *envelope, struct directory_outcome *ret_outcome,
                   struct reason *reason);

/* A fresh nonce, base64 of 32 bytes. The caller's, free(); NULL when memory is out. */
char *directory_nonce(void);
/* `envelope` is the signed heartbeat that carries `nonce`. */
int directory_heartbeat(const struct directory *directory, const char *node, const char *envelope, const char *nonce,
                        struct directory_time *ret_time, struct directory_outcome *ret_outcome, struct reason *reason);

/* Entries behind log index `after` (-1: from the beginning), and how the log grew from `from_size`. The parsed answer
 * is the caller's, cJSON_Delete. */
int directory_feed(const struct directory *directory, const char *node, int64_t after, uint64_t from_size,
                   unsigned wait_s, cJSON **ret_answer, struct directory_outcome *ret_outcome, struct reason *reason);
