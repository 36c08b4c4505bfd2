#pragma once

/* What the parts of directoryd share: one loop, two sessions of the store, who was seen, the log's head. All of it is
 * used on the loop's thread but for `writer`, which is the sequencer's while a commit runs. It is NULL while another
 * directoryd writes the log (office.h). */

#include "contrib/directory/limits.h"
#include "contrib/directory/metrics.h"
#include "contrib/directory/presence.h"
#include "contrib/directory/server.h"
#include "contrib/directory/store.h"
#include "contrib/directory/tlog.h"

#include <uv.h>

struct directory {
    uv_loop_t *loop;
    struct store *reader, *writer;
    int signed_fd; /* signed.h; -1: none */
    struct presence *presence;
    struct tlog_signer signer;
    struct tlog_head head; /* durable and signed: what is served */
    struct server *server;
    struct sequencer *sequencer;
    struct feed *feed;
    struct scrub *scrub;   /* NULL: another writes the log, or a mirror began with nothing */
    struct office *office; /* NULL: the store is this directoryd's alone */
    struct log_wait *log_wait;
    struct gather *gather;     /* NULL: no witnesses */
    struct tlog_head cosigned; /* the newest that a quorum of witnesses cosigned; `note` NULL: none yet */
    bool cosigned_unwritten;   /* it isn't in the store yet (cosigned.h) */
    struct forward *forward;   /* a mirror: where what only the directory can answer is handed on to; else NULL */
    int64_t heartbeat_s;
    struct limits limits;
    struct metrics metrics;
    unsigned jobs; /* requests that wait for the thread pool beside the sequencer's */
};

/* Unix seconds. */
int64_t directory_now(void);

/* The head that /log/checkpoint shows: with witnesses the newest that they cosigned, once there is one. */
const struct tlog_head *directory_public_head(const struct directory *directory);

/* Tells those who wait for it that the head is a new one, all entries of which are in the store. */
void directory_grew(struct directory *directory);

/* Answers 503 when the reader's session failed during the request (logged where it began), whatever was answered
 * before. */
void directory_finish_read(struct directory *directory, struct request *request);

/* Compresses what was just answered, in the thread pool, when it is large enough to be worth it and the client takes
 * gzip. */
void directory_gzip(struct directory *directory, struct request *request);

/* Answers with the `time` envelope: the directory's word on what time it is, over the asker's nonce (base64). */
void directory_answer_time(struct directory *directory, struct request *request, const char *nonce);
