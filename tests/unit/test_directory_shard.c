/* A shard on a loop, and clients over loopback: what they ask is answered, and the shard takes its turns (MHD_run,
 * which is counted here) when there is something to do, and only then. */

#include "contrib/directory/shard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 20000
#define REQUEST "GET /thing HTTP/1.1\r\nHost: a\r\n\r\n"
#define SHARDS 2

struct bed {
    uv_loop_t loop;
    struct shard *shards[SHARDS];
    unsigned turns[SHARDS];
    bool suspends; /* requests wait until they are resumed */
    struct MHD_Connection *suspended;
    unsigned opened, closed, lines, completed;
};

static struct bed bed;

enum MHD_Result __real_MHD_run(struct MHD_Daemon *daemon);
enum MHD_Result __wrap_MHD_run(struct MHD_Daemon *daemon);

enum MHD_Result __wrap_MHD_run(struct MHD_Daemon *daemon)
{
    for (int i = 0; i < SHARDS; i++)
        bed.turns[i] += bed.shards[i] && bed.shards[i]->daemon == daemon;
    return __real_MHD_run(daemon);
}

/* ---- What libmicrohttpd calls */

static enum MHD_Result on_access(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                                 const char *version, const char *upload, size_t *upload_size, void **state)
{
    static int begun, waits;

    assert_true(context == bed.shards[0] || context == bed.shards[1]);
    assert_string_equal(path, "/thing");
    if (!*state) {
        *state = &begun;
        return MHD_YES;
    }
    if (bed.suspends && *state == &begun) {
        *state = &waits;
        bed.suspended = connection;
        MHD_suspend_connection(connection);
        return MHD_YES;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(5, (void *)"hello", MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    bed.completed += code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        bed.opened++;
    else
        bed.closed++;
}

static void *on_first_line(void *context, const char *uri, struct MHD_Connection *connection)
{
    assert_string_equal(uri, "/thing");
    bed.lines++;
    return NULL;
}

/* ---- The bed */

static int begin(void **state)
{
    static const struct shard_callbacks callbacks = { on_access, on_completed, on_connection, on_first_line };

    bed = (struct bed){ 0 };
    uv_loop_init(&bed.loop);
    for (int i = 0; i < SHARDS; i++) {
        bed.shards[i] = shard_new(NULL, &bed.loop, &callbacks, NULL);
        assert_non_null(bed.shards[i]);
    }
    return 0;
}

static int end(void **state)
{
    for (int i = 0; i < SHARDS; i++)
        shard_free(bed.shards[i]);
    uv_run(&bed.loop, UV_RUN_DEFAULT); /* ends, since no handle is left */
    assert_int_equal(uv_loop_close(&bed.loop), 0);
    assert_int_equal(bed.opened, bed.closed);
    return 0;
}

/* Turns of the loop, until nothing has happened for some of them. */
static void settle(void)
{
    unsigned quiet = 0;

    while (quiet < 20) {
        unsigned before = bed.turns[0] + bed.turns[1];
        usleep(500);
        uv_run(&bed.loop, UV_RUN_NOWAIT);
        quiet = bed.turns[0] + bed.turns[1] == before ? quiet + 1 : 0;
    }
}

/* A connection over loopback whose other end is the shard's. */
static int connect_to(struct shard *shard)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof address;
    int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(door, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(door, 1), 0);
    assert_int_equal(getsockname(door, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, size), 0);
    size = sizeof address;
    int taken = accept4(door, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(taken >= 0);
    close(door);
    fcntl(client, F_SETFL, O_NONBLOCK);
    shard_take(shard, taken, (struct sockaddr *)&address, size);
    return client;
}

static void send_text(int client, const char *text)
{
    assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* While the loop runs: until the answer has this end, or with NULL until the connection is closed. */
static void expect(int client, const char *tail)
{
    char text[4096] = "";
    size_t used = 0;

    for (unsigned waited = 0; waited < PATIENCE_MS; waited++) {
        uv_run(&bed.loop, UV_RUN_NOWAIT);
        ssize_t size = recv(client, text + used, sizeof text - 1 - used, 0);
        if (size == 0 && !tail)
            return;
        if (size > 0)
            used += (size_t)size;
        text[used] = '\0';
        if (tail && used >= strlen(tail) && strcmp(text + used - strlen(tail), tail) == 0)
            return;
        usleep(1000);
    }
    fail_msg("waited in vain for %s; there is '%s'", tail ? tail : "the end", text);
}

static bool is_silent(int client)
{
    char byte;

    return recv(client, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

/* ---- */

static void what_is_asked_is_answered(void **state)
{
    int client = connect_to(bed.shards[0]);

    assert_int_equal(bed.opened, 1);
    for (unsigned i = 1; i <= 3; i++) {
        send_text(client, REQUEST);
        expect(client, "\r\n\r\nhello");
        settle();
        assert_int_equal(bed.lines, i);
        assert_int_equal(bed.completed, i);
    }
    close(client);
    settle();
    assert_int_equal(bed.closed, 1);
}

static void a_request_in_pieces_waits_with_a_time_out(void **state)
{
    int client = connect_to(bed.shards[0]);

    send_text(client, "GET /thing HT");
    settle();
    assert_true(uv_is_active((uv_handle_t *)&bed.shards[0]->timer));
    send_text(client, "TP/1.1\r\nHost: a\r\n");
    settle();
    assert_true(is_silent(client));
    assert_int_equal(bed.completed, 0);
    send_text(client, "\r\n");
    expect(client, "hello");
    close(client);
    settle();
    assert_false(uv_is_active((uv_handle_t *)&bed.shards[0]->timer));
}

static void a_request_that_waits_costs_no_turn(void **state)
{
    bed.suspends = true;
    int client = connect_to(bed.shards[0]);
    send_text(client, REQUEST);
    settle();
    assert_non_null(bed.suspended);
    unsigned turns = bed.turns[0];
    for (int i = 0; i < 100; i++)
        uv_run(&bed.loop, UV_RUN_NOWAIT);
    assert_int_equal(bed.turns[0], turns);
    assert_true(is_silent(client));
    MHD_resume_connection(bed.suspended);
    shard_wake(bed.shards[0]);
    expect(client, "hello");
    assert_true(bed.turns[0] > turns);
    close(client);
    settle();
}

static void a_shard_with_nothing_to_do_takes_no_turn(void **state)
{
    int clients[SHARDS];

    settle();
    for (int i = 0; i < SHARDS; i++)
        clients[i] = connect_to(bed.shards[i]);
    settle();
    unsigned turns = bed.turns[1];
    for (int i = 0; i < 5; i++) {
        send_text(clients[0], REQUEST);
        expect(clients[0], "hello");
    }
    assert_int_equal(bed.turns[1], turns);
    send_text(clients[1], REQUEST);
    expect(clients[1], "hello");
    for (int i = 0; i < SHARDS; i++)
        close(clients[i]);
    settle();
}

static void its_end_sends_what_was_answered_and_closes(void **state)
{
    static const struct shard_callbacks callbacks = { on_access, on_completed, on_connection, on_first_line };

    bed.suspends = true;
    int waiting = connect_to(bed.shards[0]), idle = connect_to(bed.shards[0]);
    send_text(waiting, REQUEST);
    settle();
    MHD_resume_connection(bed.suspended); /* its answer is made in the shard's last turns */
    shard_wake(bed.shards[0]);
    uv_run(&bed.loop, UV_RUN_NOWAIT);
    shard_free(bed.shards[0]);
    bed.shards[0] = NULL;
    expect(waiting, "hello");
    expect(waiting, NULL);
    expect(idle, NULL);
    bed.shards[0] = shard_new(NULL, &bed.loop, &callbacks, NULL);
    close(waiting);
    close(idle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_asked_is_answered, begin, end),
        cmocka_unit_test_setup_teardown(a_request_in_pieces_waits_with_a_time_out, begin, end),
        cmocka_unit_test_setup_teardown(a_request_that_waits_costs_no_turn, begin, end),
        cmocka_unit_test_setup_teardown(a_shard_with_nothing_to_do_takes_no_turn, begin, end),
        cmocka_unit_test_setup_teardown(its_end_sends_what_was_answered_and_closes, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
