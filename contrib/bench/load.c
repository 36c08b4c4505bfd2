/* The load generator of the directory's benchmark, in C since it shares the cores with what it measures.
 *
 *     load make KIND FILE FIRST COUNT   makes records: bots | world (bot 0, its farm, COUNT nodes) | deployments (each
 *                                       four statements: contract, running, cancel, stopped) | beats
 *     load PEER TARGET CLIENTS GROUP FILE [SECONDS]
 *                                       sends them, each client one at a time and so many in a row; with SECONDS
 *                                       records come again, in a random order, until the time is over
 *
 * It prints one line of JSON: how many were taken and refused, seconds, the latency's quantiles in milliseconds, and
 * its own processor time. */

#include "contrib/bench/load.h"
#include "contrib/bench/grid.h"

#include "lib/cleanup.h"
#include "lib/encode.h"
#include "lib/log.h"

#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#define NODES 1000 /* that deployments are spread over */
#define EVENTS 64

/* ---- Making */

static void put(FILE *file, char *text)
{
    records_write(file, text);
    free(text);
}

static void make_deployment(FILE *file, unsigned number)
{
    struct key *bot = grid_key(GRID_BOT, 0), *node = grid_key(GRID_NODE, number % NODES);
    char id[HASH_TEXT_BYTES];

    put(file, grid_contract(bot, node, id));
    put(file, grid_result(node, id, "running"));
    put(file, grid_cancel(bot, id));
    put(file, grid_result(node, id, "stopped"));
    key_free(bot);
    key_free(node);
}

static void make_beat(FILE *file, unsigned number)
{
    struct key *node = grid_key(GRID_NODE, number);
    cleanup_free char *envelope = grid_heartbeat(node), *text = malloc(strlen(envelope) + 128);

    sprintf(text, "/v1/nodes/%s/heartbeat %s", key_id(node), envelope);
    records_write(file, text);
    key_free(node);
}

static int make(const char *kind, const char *path, unsigned first, unsigned count)
{
    FILE *file = fopen(path, "we");

    if (!file)
        return log_error("%s can't be written", path), EXIT_FAILURE;
    if (strcmp(kind, "world") == 0) {
        put(file, grid_bot(0));
        put(file, grid_farm());
    }
    for (unsigned number = first; number < first + count; number++) {
        if (strcmp(kind, "bots") == 0)
            put(file, grid_bot(number));
        else if (strcmp(kind, "world") == 0)
            put(file, grid_node(number));
        else if (strcmp(kind, "deployments") == 0)
            make_deployment(file, number);
        else
            make_beat(file, number);
    }
    return fclose(file) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* etcd's gateway takes key and value as base64 in JSON: made before the clock runs. */
static void as_puts(struct records *records)
{
    for (size_t i = 0; i < records->count; i++) {
        struct record *record = &records->items[i];
        uint8_t hash[32];
        crypto_hash_sha256(hash, (const uint8_t *)record->bytes, record->size);
        cleanup_free char *key = encode_base64(hash, sizeof hash), *value = encode_base64(record->bytes, record->size);
        char *text = NULL;
        if (asprintf(&text, "{\"key\":\"%s\",\"value\":\"%s\"}", key, value) < 0)
            exit(EXIT_FAILURE);
        *record = (struct record){ text, (uint32_t)strlen(text) };
    }
}

/* ---- Sending */

struct client {
    void *connection;
    size_t next, end; /* of its group */
    double sent_s;
    int fd;
};

struct load {
    const struct load_peer *peer;
    struct records records;
    size_t next, group, answered, refused, room;
    double until_s; /* 0: each record once */
    double *latencies_s;
};

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* false: nothing is left for this client. */
static bool send_next(struct load *load, struct client *client)
{
    if (load->until_s > 0) {
        if (now_s() > load->until_s)
            return false;
        client->next = randombytes_uniform((uint32_t)load->records.count);
    } else if (client->next == client->end) {
        if (load->next >= load->records.count)
            return false;
        client->next = load->next;
        load->next += load->group;
        client->end = load->next < load->records.count ? load->next : load->records.count;
    }
    client->sent_s = now_s();
    load->peer->send(client->connection, &load->records.items[client->next++]);
    return true;
}

static void note(struct load *load, double latency_s, int result)
{
    load->refused += result < 0;
    if (load->answered == load->room) {
        load->room = 2 * load->room + 65536;
        load->latencies_s = realloc(load->latencies_s, load->room * sizeof *load->latencies_s);
        if (!load->latencies_s)
            exit(EXIT_FAILURE);
    }
    load->latencies_s[load->answered++] = latency_s;
}

static void run(struct load *load, struct client *clients, size_t count)
{
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    size_t busy = 0;

    for (size_t i = 0; i < count; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = &clients[i] };
        epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event);
        busy += send_next(load, &clients[i]);
    }
    while (busy > 0) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            int result = load->peer->receive(client->connection);
            if (result == 0)
                continue;
            note(load, now_s() - client->sent_s, result);
            busy -= !send_next(load, client);
        }
    }
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double quantile_ms(const struct load *load, double part)
{
    return load->answered ? 1e3 * load->latencies_s[(size_t)((double)(load->answered - 1) * part)] : 0;
}

static int send_all(const struct load_peer *peer, int argc, char **argv)
{
    struct load load = { .peer = peer, .group = strtoul(argv[4], NULL, 10) };
    size_t count = strtoul(argv[3], NULL, 10);
    struct client *clients = calloc(count, sizeof *clients);
    struct rusage usage;

    records_read(argv[5], &load.records);
    if (peer == &LOAD_ETCD)
        as_puts(&load.records);
    if (!clients || load.group < 1 || load.records.count < 1)
        return log_error("no clients, or nothing to send"), EXIT_FAILURE;
    for (size_t i = 0; i < count; i++)
        clients[i].connection = peer->open(argv[2], &clients[i].fd);
    double began_s = now_s();
    load.until_s = argc > 6 ? began_s + strtod(argv[6], NULL) : 0;
    run(&load, clients, count);
    double took_s = now_s() - began_s;
    getrusage(RUSAGE_SELF, &usage);
    qsort(load.latencies_s, load.answered, sizeof *load.latencies_s, compare);
    printf("{\"taken\": %zu, \"refused\": %zu, \"seconds\": %.3f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f,"
           " \"cpu_s\": %.3f}\n",
           load.answered - load.refused, load.refused, took_s, quantile_ms(&load, 0.5), quantile_ms(&load, 0.99),
           quantile_ms(&load, 1),
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static const struct load_peer *const peers[] = { &LOAD_SUBMIT, &LOAD_BEAT, &LOAD_GET, &LOAD_ETCD,
                                                     &LOAD_POSTGRESQL };

    log_open("load");
    signal(SIGPIPE, SIG_IGN);
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    if (argc == 6 && strcmp(argv[1], "make") == 0)
        return make(argv[2], argv[3], (unsigned)atoi(argv[4]), (unsigned)atoi(argv[5]));
    for (size_t i = 0; i < sizeof peers / sizeof *peers && argc >= 6; i++) {
        if (strcmp(argv[1], peers[i]->name) == 0)
            return send_all(peers[i], argc, argv);
    }
    log_error("usage: load make KIND FILE FIRST COUNT, or load PEER TARGET CLIENTS GROUP FILE [SECONDS]");
    return 2;
}
