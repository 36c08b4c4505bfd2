/* zinit while memory, descriptors and processes are out: of what it does, the nth call that can fail does, for every n,
 * once alone and once with all that follow. It never crashes, and once there is enough again all services come up and
 * every request is answered. */

#include "zinit/api.h"
#include "zinit/server.h"
#include "zinit/supervisor.h"

#include "lib/file.h"
#include "tests/unit/failing.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 20000
#define NTH_MAX 3000

static char dir[64], socket_path[96];
static struct supervisor supervisor;
static struct server server;
static int error_fd, output_fd;
static struct loop_timer look, patience;
static bool (*wanted)(void);
static bool seen;

static const char *const NAMES[] = { "base", "top", "crash" };
#define NAMES_COUNT (sizeof NAMES / sizeof NAMES[0])

static void on_look(struct loop_timer *timer)
{
    seen = wanted();
    if (seen)
        loop_end(&supervisor.loop);
    else
        loop_arm(&supervisor.loop, timer, 2);
}

static void on_patience(struct loop_timer *timer)
{
    loop_end(&supervisor.loop);
}

static bool turns(bool (*condition)(void), uint64_t at_most_ms)
{
    wanted = condition;
    look = (struct loop_timer){ .on_fire = on_look };
    patience = (struct loop_timer){ .on_fire = on_patience };
    supervisor.loop.ended = false;
    loop_arm(&supervisor.loop, &look, 0);
    loop_arm(&supervisor.loop, &patience, at_most_ms);
    loop_run(&supervisor.loop);
    loop_disarm(&supervisor.loop, &look);
    loop_disarm(&supervisor.loop, &patience);
    return seen;
}

static void unit(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s.yaml", dir, name);
    assert_int_equal(file_write(path, text, strlen(text), 0600), 0);
}

static int begin(void **state)
{
    int null = open("/dev/null", O_WRONLY);

    error_fd = dup(STDERR_FILENO);
    output_fd = dup(STDOUT_FILENO);
    dup2(null, STDOUT_FILENO); /* the supervisor's console */
    close(null);
    strcpy(dir, "/tmp/zinit-scarcity-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(socket_path, sizeof socket_path, "%s/socket", dir);
    unit("base", "exec: sh -c 'echo said; exec sleep 1000'\nenv: {A: b}\n");
    unit("top", "exec: sleep 1000\nafter: [base]\ntest: 'true'\n");
    unit("crash", "exec: sleep 1000\n");
    return 0;
}

static int end(void **state)
{
    dup2(error_fd, STDERR_FILENO);
    dup2(output_fd, STDOUT_FILENO);
    close(error_fd);
    close(output_fd);
    return file_remove_tree(dir);
}

static void open_all(void)
{
    assert_int_equal(supervisor_open(&supervisor, dir, true), 0);
    assert_int_equal(server_open(&server, socket_path, API_METHODS, &supervisor), 0);
}

static bool none_has_a_process(void)
{
    for (struct service *service = supervisor.services; service; service = service->next)
        if (service->pid)
            return false;
    return true;
}

static void close_all(void)
{
    for (struct service *service = supervisor.services; service; service = service->next) {
        service_stop(service);
        service_kill(service);
    }
    assert_true(turns(none_has_a_process, PATIENCE_MS));
    server_close(&server);
    supervisor_close(&supervisor);
    dup2(error_fd, STDERR_FILENO);
}

/* ---- what is well once there is enough again */

static bool all_run(void)
{
    for (size_t i = 0; i < NAMES_COUNT; i++) {
        const struct service *service = supervisor_find(&supervisor, NAMES[i]);
        if (!service || service->state != MACHINE_RUNNING)
            return false;
    }
    return true;
}

static void ask(const char *method, const char *params, char **ret_reply)
{
    char line[512];

    snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}", method, params);
    rpc_dispatch(API_METHODS, &supervisor, line, strlen(line), ret_reply);
}

static void is_answered(const char *method, const char *params)
{
    char *reply = NULL;

    ask(method, params, &reply);
    if (!reply || strstr(reply, "\"error\""))
        fail_msg("%s %s: %s", method, params, reply ? reply : "no answer");
    free(reply);
}

/* Units that couldn't be read are asked for again, as an operator would; those that couldn't start do so by themselves.
 */
static void recovers(void)
{
    for (size_t i = 0; i < NAMES_COUNT; i++) {
        const struct service *service = supervisor_find(&supervisor, NAMES[i]);
        char params[64];
        snprintf(params, sizeof params, "[\"%s\"]", NAMES[i]);
        if (!service)
            is_answered("service_monitor", params);
        else if (!machine_wanted_up(service->state))
            is_answered("service_start", params);
    }
    if (!turns(all_run, PATIENCE_MS))
        for (size_t i = 0; i < NAMES_COUNT; i++) {
            const struct service *service = supervisor_find(&supervisor, NAMES[i]);
            fail_msg("%s: %s, %s", NAMES[i], service_state_name(service), service->reason);
        }
    is_answered("service_list", "[]");
}

/* Does `deed` with the nth call failing, for every n until none fails; `after` each there is enough again. How many. */
static long for_every_call(enum failing_kind kind, bool lasting, void (*deed)(void), void (*after)(void))
{
    long nth = 0;
    bool failed;

    do {
        failing_begin(kind, nth, lasting);
        deed();
        failed = failing_end();
        after();
    } while (failed && ++nth < NTH_MAX);
    assert_true(nth > 0);
    assert_true(nth < NTH_MAX);
    return nth;
}

static void for_every_kind(const char *what, void (*deed)(void), void (*after)(void))
{
    for (int round = 0; round < 4; round++) {
        long count = for_every_call(round / 2 ? FAILING_KERNEL : FAILING_MEMORY, round % 2, deed, after);
        dprintf(output_fd, "%s: %ld %s calls failed%s\n", what, count, round / 2 ? "kernel" : "memory",
                round % 2 ? ", and all thereafter" : "");
    }
}

/* ---- loading and starting */

static bool is_never(void)
{
    return false;
}

static void load(void)
{
    supervisor_load(&supervisor);
    turns(is_never, 5);
}

static void recovers_and_begins_anew(void)
{
    recovers();
    close_all();
    open_all();
}

static void units_are_loaded_and_started(void **state)
{
    open_all();
    for_every_kind("loading", load, recovers_and_begins_anew);
    close_all();
}

/* ---- restarts */

static void crash_and_turn(void)
{
    for (size_t i = 0; i < NAMES_COUNT; i++) {
        struct service *service = supervisor_find(&supervisor, NAMES[i]);
        service->failures = 0;
        service_signal(service, SIGKILL);
    }
    turns(is_never, 20);
}

static void services_are_restarted(void **state)
{
    open_all();
    supervisor_load(&supervisor);
    recovers();
    for_every_kind("restarting", crash_and_turn, recovers);
    close_all();
}

/* ---- requests */

static const char *const REQUESTS[][2] = {
    { "service_list", "[]" },
    { "service_status", "[\"top\"]" },
    { "service_status", "[\"nobody\"]" },
    { "service_get", "[\"base\"]" },
    { "service_start", "[\"top\"]" },
    { "service_monitor", "[\"top\"]" },
    { "service_kill", "[\"top\",\"CONT\"]" },
    { "stream_currentLogs", "[]" },
    { "stream_currentLogs", "[\"base\",true]" },
    { "service_create", "[\"extra\",{\"exec\":\"sleep 1000\"}]" },
    { "service_monitor", "[\"extra\"]" },
    { "service_stop", "[\"extra\"]" },
    { "service_forget", "[\"extra\"]" },
    { "service_delete", "[\"extra\"]" },
};
static size_t request;
static char *whole;

/* What is answered is whole, an error, or nothing. */
static void request_it(void)
{
    char *reply = NULL;

    ask(REQUESTS[request][0], REQUESTS[request][1], &reply);
    failing_end();
    if (whole && reply && !strstr(reply, "\"error\"") && strlen(reply) != strlen(whole))
        fail_msg("%s: half an answer\n%s\nrather than\n%s", REQUESTS[request][0], reply, whole);
    free(reply);
}

static bool is_down(void)
{
    const struct service *extra = supervisor_find(&supervisor, "extra");

    return !extra || (extra->pid == 0 && !machine_wanted_up(extra->state));
}

static void forget_extra(void)
{
    struct service *extra = supervisor_find(&supervisor, "extra");
    char path[128];

    if (extra) {
        service_stop(extra);
        assert_true(turns(is_down, PATIENCE_MS));
        supervisor_remove(&supervisor, extra);
    }
    snprintf(path, sizeof path, "%s/extra.yaml", dir);
    unlink(path);
}

/* What must be there for the request to make sense. */
static void set_scene(void)
{
    const char *method = REQUESTS[request][0];

    forget_extra();
    if (!strstr(REQUESTS[request][1], "extra") || strcmp(method, "service_create") == 0)
        return;
    unit("extra", "exec: sleep 1000\n");
    if (strcmp(method, "service_monitor") != 0)
        is_answered("service_monitor", "[\"extra\"]");
    if (strcmp(method, "service_forget") == 0) {
        is_answered("service_stop", "[\"extra\"]");
        assert_true(turns(is_down, PATIENCE_MS));
    }
}

static void recovers_for_the_next(void)
{
    recovers();
    set_scene();
}

static void requests_are_answered_whole_or_refused(void **state)
{
    open_all();
    supervisor_load(&supervisor);
    recovers();
    for (request = 0; request < sizeof REQUESTS / sizeof REQUESTS[0]; request++) {
        bool reads = strstr(REQUESTS[request][0], "list") || strstr(REQUESTS[request][0], "get");
        set_scene();
        if (reads)
            ask(REQUESTS[request][0], REQUESTS[request][1], &whole);
        for_every_call(FAILING_MEMORY, false, request_it, recovers_for_the_next);
        for_every_call(FAILING_MEMORY, true, request_it, recovers_for_the_next);
        free(whole);
        whole = NULL;
    }
    forget_extra();
    close_all();
}

/* ---- clients */

static int client = -1;

static void dial(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
}

static char reply[4096];
static size_t reply_size;

static bool is_heard(void)
{
    ssize_t size = recv(client, reply + reply_size, sizeof reply - 1 - reply_size, 0);

    reply_size += size > 0 ? (size_t)size : 0;
    reply[reply_size] = '\0';
    return size == 0 || (size < 0 && errno == ECONNRESET) || strchr(reply, '\n');
}

static void talk(uint64_t at_most_ms)
{
    static const char text[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_list\"}\n";

    reply_size = 0;
    dial();
    assert_int_equal(send(client, text, sizeof text - 1, MSG_NOSIGNAL), sizeof text - 1);
    turns(is_heard, at_most_ms);
    close(client);
    client = -1;
}

static void talk_for_a_while(void)
{
    talk(30);
}

static void another_client_is_served(void)
{
    talk(PATIENCE_MS);
    if (!strstr(reply, "Running"))
        fail_msg("answered: \"%s\"", reply);
}

static void clients_are_served_once_there_is_enough(void **state)
{
    open_all();
    supervisor_load(&supervisor);
    recovers();
    for_every_kind("serving", talk_for_a_while, another_client_is_served);
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(units_are_loaded_and_started, begin, end),
        cmocka_unit_test_setup_teardown(services_are_restarted, begin, end),
        cmocka_unit_test_setup_teardown(requests_are_answered_whole_or_refused, begin, end),
        cmocka_unit_test_setup_teardown(clients_are_served_once_there_is_enough, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
