/* Counting, and the text that Prometheus reads (its text format, version 0.0.4). Times are in seconds, as it wants. */

#include "contrib/directory/metrics.h"

#include "contrib/directory/api.h"
#include "contrib/directory/directory.h"
#include "contrib/directory/feed.h"
#include "contrib/directory/log_wait.h"
#include "contrib/directory/scrub.h"
#include "contrib/directory/sequencer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const int CODES[METRICS_CODES] = { 200, 201, 304, 400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 503, 0 };

static const double SECONDS[METRICS_BOUNDS] = { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 15, 60 };
static const double STATEMENTS[METRICS_BOUNDS] = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000 };

/* ---- Counting */

static void observe(struct metrics_histogram *histogram, const double bounds[static METRICS_BOUNDS], double value)
{
    unsigned i = 0;

    while (i < METRICS_BOUNDS && value > bounds[i])
        i++;
    histogram->counts[i]++;
    histogram->sum += value;
}

void metrics_count_request(struct metrics *metrics, const struct request *request)
{
    struct metrics_route *route = &metrics->routes[request->route];
    unsigned code = 0;

    while (CODES[code] && CODES[code] != request->status)
        code++;
    route->codes[code]++;
    observe(&route->seconds, SECONDS, (double)(uv_hrtime() - request->began_ns) / 1e9);
}

void metrics_count_commit(struct metrics *metrics, uint64_t duration_ns, size_t count, bool failed)
{
    observe(&metrics->commit_seconds, SECONDS, (double)duration_ns / 1e9);
    observe(&metrics->commit_statements, STATEMENTS, (double)count);
    metrics->commits_failed += failed;
}

void metrics_count_statement(struct metrics *metrics, enum statement_kind kind)
{
    metrics->statements[kind]++;
}

/* ---- The text */

static void write_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_one(FILE *out, const char *name, const char *type, const char *help, double value)
{
    write_head(out, name, type, help);
    fprintf(out, "%s %.17g\n", name, value);
}

/* `labels` is "" or ends in a comma. */
static void write_histogram(FILE *out, const char *name, const char *labels, const struct metrics_histogram *histogram,
                            const double bounds[static METRICS_BOUNDS])
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < METRICS_BOUNDS; i++) {
        sum += histogram->counts[i];
        fprintf(out, "%s_bucket{%sle=\"%g\"} %" PRIu64 "\n", name, labels, bounds[i], sum);
    }
    sum += histogram->counts[METRICS_BOUNDS];
    fprintf(out, "%s_bucket{%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, sum);
    int length = (int)strlen(labels);
    const char *open = length ? "{" : "", *close = length ? "}" : "";
    fprintf(out, "%s_sum%s%.*s%s %.17g\n", name, open, length ? length - 1 : 0, labels, close, histogram->sum);
    fprintf(out, "%s_count%s%.*s%s %" PRIu64 "\n", name, open, length ? length - 1 : 0, labels, close, sum);
}

static void write_requests(FILE *out, const struct metrics *metrics)
{
    const char *method, *path;

    write_head(out, "directoryd_requests_total", "counter", "Requests answered, by route and status.");
    for (size_t route = 0; api_route(route, &method, &path); route++) {
        for (unsigned code = 0; code < METRICS_CODES; code++) {
            uint64_t count = metrics->routes[route].codes[code];
            if (code == 0 || count)
                fprintf(out, "directoryd_requests_total{method=\"%s\",route=\"%s\",code=\"%d\"} %" PRIu64 "\n", method,
                        path, CODES[code], count);
        }
    }
    write_head(out, "directoryd_request_seconds", "histogram",
               "From a request's headers to the end of its answer; a long poll's wait is in it.");
    for (size_t route = 0; api_route(route, &method, &path); route++) {
        char labels[128];
        snprintf(labels, sizeof labels, "method=\"%s\",route=\"%s\",", method, path);
        write_histogram(out, "directoryd_request_seconds", labels, &metrics->routes[route].seconds, SECONDS);
    }
}

static void write_log(FILE *out, const struct directory *directory)
{
    const struct metrics *metrics = &directory->metrics;

    write_head(out, "directoryd_statements_total", "counter",
               "Statements that this process logged, and heartbeats that it took, by kind.");
    for (enum statement_kind kind = 0; kind < STATEMENT_KINDS; kind++) {
        if (kind != STATEMENT_INVITE && kind != STATEMENT_TIME)
            fprintf(out, "directoryd_statements_total{kind=\"%s\"} %" PRIu64 "\n", statement_kind_name(kind),
                    metrics->statements[kind]);
    }
    write_one(out, "directoryd_log_size", "gauge", "Entries of the log that are signed.",
              (double)directory->head.checkpoint.size);
    write_one(out, "directoryd_log_cosigned_size", "gauge", "Entries that a quorum of witnesses cosigned; 0 without.",
              (double)directory->cosigned.checkpoint.size);
    write_one(out, "directoryd_log_check_size", "gauge",
              "Entries that were there when their writer began, and are hashed again; 0 where another writes.",
              (double)scrub_size(directory->scrub));
    write_one(out, "directoryd_log_check_done", "gauge", "Those of them that were hashed again so far.",
              (double)scrub_done(directory->scrub));
    write_one(out, "directoryd_log_damaged", "gauge", "1 when damage was found by that: nothing more is signed.",
              scrub_damage(directory->scrub) != NULL);
    write_one(out, "directoryd_writes_log", "gauge", "1 when this process is the one that writes the log.",
              directory->writer && !directory->forward);
    write_head(out, "directoryd_commit_seconds", "histogram",
               "How long a commit takes until it is durable and signed.");
    write_histogram(out, "directoryd_commit_seconds", "", &metrics->commit_seconds, SECONDS);
    write_head(out, "directoryd_commit_statements", "histogram", "Submissions in one commit.");
    write_histogram(out, "directoryd_commit_statements", "", &metrics->commit_statements, STATEMENTS);
    write_one(out, "directoryd_commits_failed_total", "counter", "Commits that failed.",
              (double)metrics->commits_failed);
}

static void write_load(FILE *out, const struct directory *directory)
{
    struct sequencer_load load = { 0 };

    if (directory->sequencer) /* a mirror has none */
        load = sequencer_load(directory->sequencer);
    write_one(out, "directoryd_opening", "gauge", "Submissions whose signature is being checked, or is about to be.",
              (double)load.opening);
    write_one(out, "directoryd_queue_length", "gauge", "Submissions that wait for a commit.", (double)load.queued);
    write_one(out, "directoryd_pending_bytes", "gauge", "Bytes of bodies under way.", (double)load.bytes);
    write_one(out, "directoryd_answer_bytes", "gauge", "Bytes of large answers that clients haven't taken yet.",
              (double)server_answer_bytes(directory->server));
    write_head(out, "directoryd_waiting", "gauge", "Requests that wait for news.");
    fprintf(out, "directoryd_waiting{for=\"feed\"} %zu\n", feed_waiting(directory->feed));
    fprintf(out, "directoryd_waiting{for=\"checkpoint\"} %zu\n", log_wait_waiting(directory->log_wait));
    write_head(out, "directoryd_limited_total", "counter", "What was refused with 429 by a rate.");
    fprintf(out, "directoryd_limited_total{by=\"address\"} %" PRIu64 "\n", directory->limits.addresses_refused);
    fprintf(out, "directoryd_limited_total{by=\"key\"} %" PRIu64 "\n", directory->limits.keys_refused);
    fprintf(out, "directoryd_limited_total{by=\"heartbeat\"} %" PRIu64 "\n", directory->limits.beats_refused);
}

static void write_connections(FILE *out, const struct connections *connections)
{
    write_head(out, "directoryd_connections", "gauge", "Open connections, by what they are at.");
    for (unsigned i = 0; i < CONNECTION_PHASES; i++)
        fprintf(out, "directoryd_connections{phase=\"%s\"} %zu\n", CONNECTION_PHASE_NAMES[i], connections->counts[i]);
    write_one(out, "directoryd_connections_max", "gauge", "Connections that may be open.", (double)connections->max);
    write_one(out, "directoryd_connections_total", "counter", "Connections that were accepted.",
              (double)connections->opened);
    write_head(out, "directoryd_connections_cut_total", "counter",
               "Connections that were cut off: the phase took too long, or another needed the place.");
    for (unsigned i = 0; i < CONNECTION_PHASES; i++) {
        if (i != CONNECTION_WORKING)
            fprintf(out, "directoryd_connections_cut_total{why=\"%s\"} %" PRIu64 "\n", CONNECTION_PHASE_NAMES[i],
                    connections->late[i]);
    }
    fprintf(out, "directoryd_connections_cut_total{why=\"crowded\"} %" PRIu64 "\n", connections->displaced);
}

static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void write_process(FILE *out)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    write_one(out, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    write_one(out, "process_cpu_seconds_total", "counter", "User and system time.",
              seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
}

void metrics_get(struct directory *directory, struct request *request)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out) {
        request_problem(request, 503, "out of memory");
        return;
    }
    write_requests(out, &directory->metrics);
    write_log(out, directory);
    write_load(out, directory);
    write_connections(out, server_connections(directory->server));
    write_process(out);
    if (fclose(out) == 0) {
        request_answer_bytes(request, "text/plain; version=0.0.4; charset=utf-8", text, size);
        directory_gzip(directory, request);
    } else {
        free(text);
        request_problem(request, 503, "out of memory");
    }
}
