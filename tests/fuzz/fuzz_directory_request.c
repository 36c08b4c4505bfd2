/* What comes over a connection to directoryd, from its bytes to the answers: the real server (libmicrohttpd, request.c,
 * server.c), all routes, a store with a bot, a farm, a node and a contract. Nothing is left out but TLS, and that a
 * long poll waits.
 *
 * An input is what a client sends before it goes: one request or several, whole or cut. @BOT, @NODE,
 * @CONTRACT stand for ids. Whatever it is, the answers are whole and true to form: none is a failure of ours (5xx),
 * errors are problems, JSON is strict, gzip opens, and an address with %00 in it is none of ours. */

#include "contrib/directory/api.h"
#include "contrib/directory/feed.h"
#include "contrib/directory/log_wait.h"
#include "contrib/directory/sequencer.h"

#include "lib/cleanup.h"
#include "lib/file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define TEXT_BYTES_MAX (1 << 18)
#define ANSWERS_BYTES_MAX (1 << 24)
#define QUIET_TURNS 4 /* of the loop, in which nothing comes any more */
#define HANG_NS (20 * UINT64_C(1000000000))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BOT, NODE, LOG, KEYS };

static struct key *keys[KEYS];
static struct directory directory = { .signed_fd = -1, .heartbeat_s = 60 };
static struct sockaddr_in server;
static char contract[HASH_TEXT_BYTES], folder[] = "/tmp/fuzz_directory_request.XXXXXX";
static char answers[ANSWERS_BYTES_MAX + 1];

static _Noreturn void fail(const char *what, const char *at)
{
    fprintf(stderr, "%s:\n%.2000s\n", what, at);
    abort();
}

/* ---- The client */

/* The server has the connection, and waits for more than it was sent. */
static bool wants_more(void)
{
    const struct connections *connections = server_connections(directory.server);

    return connections_count(connections) ==
           connections->counts[CONNECTION_QUIET] + connections->counts[CONNECTION_RECEIVING];
}

/* Sends, reads what is answered, and is gone when the server does no more by itself. */
static size_t exchange(const char *bytes, size_t size)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct linger linger = { .l_onoff = 1 }; /* a reset at the end: a million ports would be in TIME_WAIT */
    uint64_t begun = uv_hrtime(), opened = server_connections(directory.server)->opened;
    size_t used = 0, sent = 0;

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
        fail("connect", strerror(errno));
    for (int quiet = 0; quiet < QUIET_TURNS;) {
        ssize_t count = sent < size ? send(fd, bytes + sent, size - sent, MSG_NOSIGNAL) : 0;
        sent = count >= 0 ? sent + (size_t)count : errno == EAGAIN ? sent : size;
        uv_run(directory.loop, UV_RUN_NOWAIT);
        count = recv(fd, answers + used, ANSWERS_BYTES_MAX - used, 0);
        if (count == 0 || (count < 0 && errno != EAGAIN))
            break;
        used += count > 0 ? (size_t)count : 0;
        bool waits = sent == size && server_connections(directory.server)->opened > opened && wants_more();
        quiet = waits && count < 0 ? quiet + 1 : 0;
        if (uv_hrtime() - begun > HANG_NS)
            fail("no end", bytes);
    }
    close(fd);
    answers[used] = '\0';
    return used;
}

/* ---- What answers have to be */

struct answer {
    int status;
    size_t length;
    const char *body;
    bool gzipped, json, problem, ours; /* libmicrohttpd's own never reach us, and say nothing to caches */
};

/* The value of a header, or NULL. */
static const char *header(const char *head, const char *end, const char *name)
{
    const char *found = strcasestr(head, name);

    return found && found < end ? found + strlen(name) : NULL;
}

static struct answer read_head(const char *head)
{
    const char *end = strstr(head, "\r\n\r\n");
    struct answer answer = { 0 };

    if (!end || sscanf(head, "HTTP/1.%*1[01] %3d ", &answer.status) != 1)
        fail("no answer's head", head);
    const char *length = header(head, end, "\r\nContent-Length: "), *type = header(head, end, "\r\nContent-Type: ");
    answer.length = length ? strtoul(length, NULL, 10) : 0;
    answer.body = end + 4;
    answer.gzipped = header(head, end, "\r\nContent-Encoding: gzip\r\n");
    answer.json = type && strncmp(type, "application/json\r", 17) == 0;
    answer.problem = type && strncmp(type, "application/problem+json\r", 25) == 0;
    answer.ours = header(head, end, "\r\nCache-Control: ");
    if ((answer.status == 405) != (header(head, end, "\r\nAllow: ") != NULL) && answer.ours)
        fail("405 and Allow", head);
    return answer;
}

static size_t open_gzip(const struct answer *answer, char *ret_text)
{
    z_stream stream = { .next_in = (void *)answer->body, .avail_in = (uInt)answer->length };

    stream.next_out = (uint8_t *)ret_text;
    stream.avail_out = ANSWERS_BYTES_MAX;
    if (inflateInit2(&stream, 15 + 16) != Z_OK || inflate(&stream, Z_FINISH) != Z_STREAM_END || stream.avail_in)
        fail("gzip that doesn't open", answer->body);
    inflateEnd(&stream);
    return stream.total_out;
}

static void check_body(const struct answer *answer, const char *head)
{
    static char opened[ANSWERS_BYTES_MAX];
    cleanup_json cJSON *value = NULL;
    struct reason reason;
    const char *text = answer->gzipped ? opened : answer->body;
    size_t size = answer->gzipped ? open_gzip(answer, opened) : answer->length;

    if ((answer->json || answer->problem) && json_parse(text, size, ANSWERS_BYTES_MAX, &value, &reason) != 0)
        fail(reason.text, head);
    if (answer->problem && cJSON_GetNumberValue(cJSON_GetObjectItem(value, "status")) != answer->status)
        fail("a problem of another status", head);
}

static void check_status(const struct answer *answer, const char *head)
{
    static const int ours[] = { 400, 401, 403, 404, 405, 409, 413, 422, 429 },
                     theirs[] = { 400, 413, 414, 417, 431, 500, 501, 505 };
    const int *known = answer->ours ? ours : theirs;
    size_t count = answer->ours ? sizeof ours / sizeof *ours : sizeof theirs / sizeof *theirs;

    if (answer->status == 100 || answer->status == 200 || answer->status == 304)
        return;
    for (size_t i = 0; i < count; i++) {
        if (known[i] == answer->status && (answer->problem || !answer->ours))
            return;
    }
    fail("an answer of no known kind", head);
}

/* Of a HEAD, 304 or 100 there is no body. */
static void check_answers(size_t size)
{
    for (const char *at = answers, *end = answers + size; at < end;) {
        struct answer answer = read_head(at);
        bool none = answer.status == 304 || answer.status == 100 || answer.body == end ||
                    strncmp(answer.body, "HTTP/1.", 7) == 0;
        check_status(&answer, at);
        if (!none && answer.length > (size_t)(end - answer.body))
            fail("cut short", at);
        if (!none)
            check_body(&answer, at);
        at = answer.body + (none ? 0 : answer.length);
    }
}

static void check_address(const char *text, size_t answers_size)
{
    size_t length = strncmp(text, "GET ", 4) == 0 ? strcspn(text + 4, " \t\r\n") : 0;

    if (answers_size > 12 && memmem(text + 4, length, "%00", 3) &&
        (strncmp(answers + 9, "200", 3) == 0 || strncmp(answers + 9, "304", 3) == 0))
        fail("an address with a NUL is served", text);
}

/* ---- The grid that is there */

static void plant(enum statement_kind kind, int key, const char *json, char *ret_id)
{
    cleanup_json cJSON *payload = cJSON_Parse(json);
    cleanup_free char *envelope = NULL, *text = NULL;
    struct reason reason = { 0 };

    if (statement_sign(kind, payload, directory_now(), keys[key], &envelope, ret_id, &reason) != 0)
        fail(reason.text, json);
    int size = asprintf(&text, "POST /v1/statements HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s",
                        strlen(envelope), envelope);
    if (size < 0 || exchange(text, (size_t)size) == 0 || !strstr(answers, " 201 "))
        fail("not logged", answers);
}

static char *invite(void)
{
    cleanup_json cJSON *payload = cJSON_Parse("{\"farm\":1,\"expires\":4000000000,\"nodes_max\":2}");
    struct reason reason = { 0 };
    char *envelope;

    if (statement_sign(STATEMENT_INVITE, payload, directory_now(), keys[BOT], &envelope, NULL, &reason) != 0)
        fail(reason.text, "the invite");
    return envelope;
}

static void plant_all(void)
{
    cleanup_free char *bytes = invite(), *node = NULL, *wanted = NULL;

    plant(STATEMENT_BOT, BOT, "{\"name\":\"alice\",\"description\":\"\"}", NULL);
    plant(STATEMENT_FARM, BOT,
          "{\"name\":\"attic\",\"description\":\"\",\"location\":{\"country\":\"Belgium\",\"city\":\"Ghent\"}}", NULL);
    if (asprintf(&node,
                 "{\"farm\":1,\"invite\":%s,\"hostname\":\"n\",\"os_version\":\"1\",\"wireguard_key\":"
                 "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"sealing_key\":"
                 "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"resources\":{\"cru_milli\":4000,"
                 "\"mru_bytes\":8589934592,\"sru_bytes\":107374182400,\"hru_bytes\":0},\"disks\":[],"
                 "\"machine\":{\"vendor\":\"\",\"product\":\"\",\"bios\":\"\",\"cpu\":\"\",\"hypervisor\":\"\"},"
                 "\"interfaces\":[]}",
                 bytes) < 0 ||
        asprintf(&wanted,
                 "{\"node\":\"%s\",\"expires\":4000000000,\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAA==\","
                 "\"reserves\":{\"cru_milli\":0,\"mru_bytes\":0,\"sru_bytes\":1073741824,\"hru_bytes\":0},"
                 "\"workloads\":[{\"name\":\"data\",\"type\":\"volume\",\"data\":{\"size_bytes\":1073741824,"
                 "\"media\":\"ssd\"}}]}",
                 key_id(keys[NODE])) < 0)
        abort();
    plant(STATEMENT_NODE, NODE, node, NULL);
    plant(STATEMENT_CONTRACT, BOT, wanted, contract);
}

static void remove_folder(void)
{
    file_remove_tree(folder);
}

static void open_log(struct reason *reason)
{
    char url[128];

    for (uint8_t i = 0; i < KEYS; i++)
        if (key_from_seed((const uint8_t[KEY_SEED_BYTES]){ i + 1 }, &keys[i]) < 0)
            abort();
    directory.signer.key = keys[LOG];
    if (!mkdtemp(folder))
        abort();
    atexit(remove_folder);
    snprintf(url, sizeof url, "sqlite:%s/store", folder);
    if (note_verifier_make("example.com/log", key_public(keys[LOG]), &directory.signer.verifier, reason) != 0 ||
        store_open(url, STORE_WRITE, &directory.writer, reason) != 0 ||
        tlog_open(directory.writer, &directory.signer, TLOG_ALL, &directory.head, reason) != 0 ||
        store_open(url, STORE_READ, &directory.reader, reason) != 0)
        fail("no store", reason->text);
}

static void set_up(void)
{
    struct reason reason = { 0 };
    struct server_options options = {
        .listen = "127.0.0.1:0", .on_request = api_on_request, .on_done = api_on_done, .context = &directory
    };
    struct limits_options limits = { .address_per_s = 1000000 };

    open_log(&reason);
    address_parse("127.0.0.1", &options.proxies.addresses[options.proxies.count++]);
    directory.loop = uv_default_loop();
    directory.presence = presence_new();
    if (limits_open(&directory.limits, &limits) < 0 || sequencer_new(&directory, &directory.sequencer) < 0 ||
        server_open(directory.loop, &options, &directory.server, &reason) != 0 ||
        feed_new(&directory, &directory.feed) < 0 || log_wait_new(&directory, &directory.log_wait) < 0)
        fail("no server", reason.text);
    server = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    server.sin_port = htons((uint16_t)atoi(strrchr(server_address(directory.server), ':') + 1));
    feed_release(directory.feed);
    log_wait_release(directory.log_wait);
    plant_all();
}

/* Puts in what the names stand for; the size. */
static size_t expand(const char *from, size_t size, char *text)
{
    const struct {
        const char *name, *value;
    } names[] = { { "@BOT", key_id(keys[BOT]) }, { "@NODE", key_id(keys[NODE]) }, { "@CONTRACT", contract } };
    size_t used = 0;

    for (const char *end = from + size; from < end && used < TEXT_BYTES_MAX - HASH_TEXT_BYTES;) {
        const char *value = NULL;
        for (size_t i = 0; !value && i < sizeof names / sizeof *names && *from == '@'; i++) {
            size_t length = strlen(names[i].name);
            if ((size_t)(end - from) < length || memcmp(from, names[i].name, length) != 0)
                continue;
            value = names[i].value;
            from += length;
        }
        if (value)
            used = (size_t)(stpcpy(text + used, value) - text);
        else
            text[used++] = *from++;
    }
    text[used] = '\0';
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[TEXT_BYTES_MAX];

    if (!directory.server)
        set_up();
    size = expand((const char *)data, size, text);
    size = exchange(text, size);
    check_answers(size);
    check_address(text, size);
    return 0;
}
