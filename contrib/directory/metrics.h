#pragma once

/* What is counted, for Prometheus. All of it is counted on the loop, so nothing is locked: a count is an addition. */

#include "contrib/directory/server.h"

#include "lib/statement.h"

#define METRICS_ROUTES_MAX 48
#define METRICS_CODES 16
#define METRICS_BOUNDS 12

struct metrics_histogram {
    uint64_t counts[METRICS_BOUNDS + 1]; /* the last: above all bounds */
    double sum;
};

struct metrics_route {
    uint64_t codes[METRICS_CODES];
    struct metrics_histogram seconds;
};

struct metrics {
    struct metrics_route routes[METRICS_ROUTES_MAX];
    uint64_t statements[STATEMENT_KINDS];
    struct metrics_histogram commit_seconds, commit_statements;
    uint64_t commits_failed;
};

/* A request was answered, and the answer sent. */
void metrics_count_request(struct metrics *metrics, const struct request *request);
/* A commit of `count` submissions took so long; those that are in the log now are counted one by one. */
void metrics_count_commit(struct metrics *metrics, uint64_t duration_ns, size_t count, bool failed);
void metrics_count_statement(struct metrics *metrics, enum statement_kind kind);

struct directory;

/* GET /metrics: the text format 0.0.4. */
void metrics_get(struct directory *directory, struct request *request);
