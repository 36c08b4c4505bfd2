/* zinit's socket under clients of every kind. The supervisor runs in a child process, as a container's would. */

#include "zinit/api.h"
#include "zinit/server.h"
#include "zinit/supervisor.h"

#include "lib/file.h"
#include "lib/rpc.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_S 60 /* the machine may be busy */
#define CLIENTS 1000
#define FLOOD_LINES 100001 /* and what one says at its end */
#define MANY_BYTES (100UL * 1024 * 1024)
/* Beyond what its clients may hold: trees of one request, lines of logs. The sanitizers keep what is freed. */
#ifdef __SANITIZE_ADDRESS__
#define GROWTH_BYTES_MAX (400UL * 1024 * 1024)
#else
#define GROWTH_BYTES_MAX (SERVER_HELD_BYTES_MAX + 8UL * 1024 * 1024)
#endif

static char dir[64], path[96];
static pid_t child;

static int serve(void)
{
    static struct supervisor supervisor;
    static struct server server;
    int null = open("/dev/null", O_WRONLY);

    dup2(null, STDOUT_FILENO);
    close(null);
    if (supervisor_open(&supervisor, dir, true) < 0 || server_open(&server, path, API_METHODS, &supervisor) < 0)
        return 1;
    supervisor_load(&supervisor);
    loop_run(&supervisor.loop);
    server_close(&server);
    supervisor_close(&supervisor);
    return 0;
}

static int begin(void **state)
{
    /* Says a line, and at a signal another one or a flood of them. */
    static const char unit[] = "exec: |\n"
                               "  sh -c 'trap \"echo got one\" USR1;\n"
                               "  trap \"seq -f \\\"flood %.0f\\\" 100000; echo flooded\" USR2;\n"
                               "  echo ready; while :; do sleep 1000 & wait; done'\n";
    char file[128];
    cJSON *params = cJSON_Parse("[\"web\"]");

    strcpy(dir, "/tmp/zinit-server-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/socket", dir);
    snprintf(file, sizeof file, "%s/web.yaml", dir);
    if (file_write(file, unit, sizeof unit - 1, 0600) < 0)
        return -1;
    child = fork();
    if (child == 0)
        exit(serve());
    for (int i = 0; child > 0 && i < 1000; i++) {
        cJSON *result = NULL;
        bool ready = rpc_call(path, "stream_currentLogs", params, 5000, &result, NULL, NULL) == 0 && result->child;
        cJSON_Delete(result);
        if (ready) {
            cJSON_Delete(params);
            return 0;
        }
        usleep(10000);
    }
    return -1;
}

/* Its exit code tells of leaks and faults, as the sanitizers see them. */
static int end(void **state)
{
    int status = -1;

    kill(child, SIGTERM);
    waitpid(child, &status, 0);
    file_remove_tree(dir);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int dial(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct timeval patience = { .tv_sec = PATIENCE_S };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void says(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* One line, byte by byte, so that the next one stays. */
static void hears(int fd, const char *part)
{
    char reply[4096];
    size_t size = 0;

    while (size < sizeof reply - 1 && recv(fd, &reply[size], 1, 0) == 1 && reply[size] != '\n')
        size++;
    reply[size] = '\0';
    if (!strstr(reply, part))
        fail_msg("\"%s\"\ndoesn't contain %s", reply, part);
}

static void it_still_answers(void)
{
    cJSON *result = NULL;
    struct reason reason = { "" };

    if (rpc_call(path, "service_list", NULL, PATIENCE_S * 1000, &result, NULL, &reason))
        fail_msg("%s", reason.text);
    assert_string_equal(cJSON_GetObjectItem(result, "web")->valuestring, "Running");
    cJSON_Delete(result);
}

static void the_socket_is_its_owners_alone(void **state)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    it_still_answers();
}

static void half_a_line_waits_for_its_other_half(void **state)
{
    int fd = dial();

    says(fd, "{\"jsonrpc\":\"2.0\",\"id\":7,");
    it_still_answers();
    says(fd, "\"method\":\"service_list\"}\n\n");
    hears(fd, "\"id\":7");
    close(fd);
}

static void several_requests_at_once_are_answered_in_order(void **state)
{
    int fd = dial();

    says(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no\"}\n[{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"service_"
             "list\"}]\n");
    hears(fd, "-32601");
    hears(fd, "[{");
    close(fd);
}

static size_t resident_bytes(void)
{
    char name[64], text[128] = "";
    unsigned long pages = 0;
    FILE *file;

    snprintf(name, sizeof name, "/proc/%d/statm", (int)child);
    file = fopen(name, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_int_equal(sscanf(text, "%*u %lu", &pages), 1);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void stays_small(size_t before)
{
    assert_in_range(resident_bytes(), 0, before + GROWTH_BYTES_MAX);
}

/* Sends the block again and again, and asks in between as another client, until MANY_BYTES are taken or it is turned
 * away. How many bytes were taken. */
static size_t floods(int fd, const char *block, size_t size)
{
    size_t sent = 0;

    for (unsigned round = 0; sent < MANY_BYTES; round++) {
        ssize_t taken = send(fd, block, size, MSG_NOSIGNAL);
        if (taken < 0)
            break;
        sent += (size_t)taken;
        if (round % 512 == 0)
            it_still_answers();
    }
    return sent;
}

static void hears_the_end(int fd)
{
    char byte;
    ssize_t size = recv(fd, &byte, 1, 0);

    assert_true(size == 0 || (size < 0 && errno == ECONNRESET));
}

static void text_that_is_no_command_is_told(void **state)
{
    int fd = dial();

    says(fd, "\x01\xff garbage\n");
    hears(fd, "{\"state\":\"error\",\"body\":\"invalid command syntax");
    hears_the_end(fd);
    close(fd);
}

static void what_stands_between_requests_is_told_and_passed_over(void **state)
{
    int fd = dial();

    says(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_list\"} } garbage {\n");
    says(fd, "{\"a\": "
             "\"\n{\"jsonrpc\":\"2.0\",\"id\":\"\xff\"}[}{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"service_list\"}");
    hears(fd, "\"id\":1");
    hears(fd, "-32700");
    hears(fd, "within a string");
    hears(fd, "-32700");
    hears(fd, "-32700");
    hears(fd, "\"id\":2");
    close(fd);
}

static void endless_garbage_of_any_kind_is_turned_away(void **state)
{
    static const struct {
        const char *begin, *repeated, *answer;
    } table[] = {
        { "", "x", "too long" },
        { "", "[", "nested deeper" },
        { "", "{\"a\":", "nested deeper" },
        { "[", "[[],[[]]],", "Request too long" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"", "m", "Request too long" },
        { "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"", "\xff\\\"", "Request too long" },
    };
    size_t before = resident_bytes();

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        static char block[60000];
        size_t size = strlen(table[i].repeated);
        int fd = dial();
        for (size_t j = 0; j < sizeof block; j++)
            block[j] = table[i].repeated[j % size];
        says(fd, table[i].begin);
        assert_true(floods(fd, block, sizeof block / size * size) < MANY_BYTES);
        hears(fd, table[i].answer);
        hears_the_end(fd);
        close(fd);
        it_still_answers();
    }
    stays_small(before);
}

/* What is answered or passed over may go on for as long as it likes. */
static void a_hundred_megabytes_of_nothing_cost_no_memory(void **state)
{
    static char blanks[65536];
    size_t before = resident_bytes();
    int fd = dial();

    memset(blanks, ' ', sizeof blanks);
    says(fd, "{}}");
    hears(fd, "-32600");
    hears(fd, "-32700");
    assert_true(floods(fd, blanks, sizeof blanks) >= MANY_BYTES);
    says(fd, "\n{}");
    hears(fd, "-32600");
    close(fd);
    stays_small(before);
}

static void the_heaviest_requests_cost_bounded_memory(void **state)
{
    static char items[128 * 1024];
    size_t before = resident_bytes();
    int fd = dial();

    for (size_t i = 0; i < sizeof items; i++)
        items[i] = i == 0 ? '[' : i % 2 ? '0' : ',';
    items[sizeof items - 2] = ']';
    for (int i = 0; i < 20; i++) {
        assert_int_equal(send(fd, items, sizeof items - 1, MSG_NOSIGNAL), sizeof items - 1);
        hears(fd, "-32600");
    }
    close(fd);
    stays_small(before);
}

static void who_never_reads_is_not_read_from_for_ever(void **state)
{
    static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_list\"}\n";
    int fd = dial(), sent = 0;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int idle = 0; sent < 1000000 && idle < 50;) {
        if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0) {
            sent++;
            idle = 0;
        } else {
            usleep(1000);
            idle++;
        }
    }
    assert_true(sent < 1000000);
    it_still_answers();
    close(fd);
}

static void may_open_many(void)
{
    struct rlimit many = { 8192, 8192 }, now;

    getrlimit(RLIMIT_NOFILE, &now);
    many.rlim_max = now.rlim_max;
    many.rlim_cur = now.rlim_max < 8192 ? now.rlim_max : 8192;
    setrlimit(RLIMIT_NOFILE, &many);
}

static void a_thousand_clients_are_served(void **state)
{
    static int fds[CLIENTS];

    may_open_many();
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = dial();
    for (int i = 0; i < CLIENTS; i++)
        says(fds[i], i % 2 ? "list\n" : "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"service_list\"}");
    for (int i = 0; i < CLIENTS; i++) {
        hears(fds[i], "Running");
        close(fds[i]);
    }
}

/* Each begins a request as long as may be; together they are held to what all may hold. */
static void a_thousand_halves_of_requests_cost_bounded_memory(void **state)
{
    static int fds[CLIENTS];
    static char half[120000];
    size_t before = resident_bytes(), gone = 0;

    may_open_many();
    memset(half, 'x', sizeof half);
    memcpy(half, "{\"", 2);
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = dial();
        for (size_t sent = 0; sent < sizeof half;) {
            ssize_t size = send(fds[i], half + sent, sizeof half - sent, MSG_NOSIGNAL);
            if (size < 0)
                break;
            sent += (size_t)size;
        }
    }
    it_still_answers();
    stays_small(before);
    for (int i = 0; i < CLIENTS; i++) {
        char byte;
        gone += recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
        close(fds[i]);
    }
    assert_in_range(gone, CLIENTS / 2, CLIENTS - 1);
}

static void beyond_the_most_clients_the_most_silent_gives_way(void **state)
{
    static int fds[SERVER_CLIENTS_MAX + 10];
    size_t gone = 0;

    may_open_many();
    for (int i = 0; i < SERVER_CLIENTS_MAX + 10; i++)
        fds[i] = dial();
    it_still_answers();
    for (int i = 0; i < SERVER_CLIENTS_MAX + 10; i++) {
        char byte;
        gone += recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0;
        close(fds[i]);
    }
    assert_in_range(gone, 10, 12);
}

/* ---- lines of logs */

static void hears_lines_as_they_come(void **state)
{
    int fd = dial(), other = dial();

    says(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"stream_subscribeLogs\",\"params\":[\"web\"]}"
             "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"stream_subscribeLogs\",\"params\":[\"nobody\"]}"
             "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"stream_subscribeLogs\",\"params\":[null]}");
    hears(fd, "\"result\":\"1\"");
    hears(fd, "-32000");
    hears(fd, "\"result\":\"2\"");
    says(other, "kill web SIGUSR1\n");
    hears(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"stream_subscribeLogs\",\"params\":{\"subscription\":");
    hears(fd, "web: got one");
    says(fd, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"stream_unsubscribeLogs\",\"params\":[\"1\"]}"
             "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"stream_unsubscribeLogs\",\"params\":[\"1\"]}");
    hears(fd, "true");
    hears(fd, "false");
    close(fd);
    close(other);
}

static void a_command_tells_what_is_kept_and_goes_on(void **state)
{
    int fd = dial(), snapshot = dial(), nobody = dial();

    says(snapshot, "log snapshot web\n");
    hears(snapshot, "[+] web: ready");
    hears_the_end(snapshot);
    says(fd, "log web\n");
    shutdown(fd, SHUT_WR);
    hears(fd, "[+] web: ready");
    says(nobody, "kill web SIGUSR1\n");
    hears(nobody, "{\"state\":\"ok\",\"body\":null}");
    hears(fd, "[+] web: got one");
    close(nobody);
    nobody = dial();
    says(nobody, "log nobody\n");
    hears(nobody, "{\"state\":\"error\",\"body\":\"service name \\\"nobody\\\" unknown\"}");
    close(fd);
    close(snapshot);
    close(nobody);
}

static void who_reads_lines_too_slowly_is_told_how_many_it_missed(void **state)
{
    size_t before = resident_bytes(), count = 0, size = 0;
    int fd = dial(), other = dial();
    static char text[4 * 1024 * 1024];
    unsigned long missed, sum = 0;
    struct timeval rest = { .tv_sec = 2 };

    says(fd, "log web\n");
    hears(fd, "[+] web: ready");
    says(other, "kill web SIGUSR2\n");
    hears(other, "ok");
    for (int i = 0; i < 20; i++) {
        usleep(100000);
        it_still_answers();
    }
    stays_small(before);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &rest, sizeof rest);
    for (ssize_t got = 1; got > 0; size += got > 0 ? (size_t)got : 0)
        got = recv(fd, text + size, sizeof text - 1 - size, 0);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "[+] web: ", 9) == 0)
            count++;
        else if (sscanf(line, "[+] zinit: %lu lines left out here", &missed) == 1)
            sum += missed;
    }
    assert_in_range(sum, 1, FLOOD_LINES);
    assert_int_equal(count + sum, FLOOD_LINES);
    close(fd);
    close(other);
}

static void it_survives_running_out_of_descriptors(void **state)
{
    struct rlimit few, before;
    int fds[200];

    assert_int_equal(prlimit(child, RLIMIT_NOFILE, NULL, &before), 0);
    few = (struct rlimit){ 24, before.rlim_max };
    assert_int_equal(prlimit(child, RLIMIT_NOFILE, &few, NULL), 0);
    for (int i = 0; i < 200; i++)
        fds[i] = dial();
    usleep(300000);
    for (int i = 0; i < 200; i++)
        close(fds[i]);
    usleep(500000);
    it_still_answers();
    assert_int_equal(prlimit(child, RLIMIT_NOFILE, &before, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_socket_is_its_owners_alone, begin, end),
        cmocka_unit_test_setup_teardown(half_a_line_waits_for_its_other_half, begin, end),
        cmocka_unit_test_setup_teardown(several_requests_at_once_are_answered_in_order, begin, end),
        cmocka_unit_test_setup_teardown(text_that_is_no_command_is_told, begin, end),
        cmocka_unit_test_setup_teardown(what_stands_between_requests_is_told_and_passed_over, begin, end),
        cmocka_unit_test_setup_teardown(endless_garbage_of_any_kind_is_turned_away, begin, end),
        cmocka_unit_test_setup_teardown(a_hundred_megabytes_of_nothing_cost_no_memory, begin, end),
        cmocka_unit_test_setup_teardown(the_heaviest_requests_cost_bounded_memory, begin, end),
        cmocka_unit_test_setup_teardown(who_never_reads_is_not_read_from_for_ever, begin, end),
        cmocka_unit_test_setup_teardown(a_thousand_clients_are_served, begin, end),
        cmocka_unit_test_setup_teardown(a_thousand_halves_of_requests_cost_bounded_memory, begin, end),
        cmocka_unit_test_setup_teardown(beyond_the_most_clients_the_most_silent_gives_way, begin, end),
        cmocka_unit_test_setup_teardown(hears_lines_as_they_come, begin, end),
        cmocka_unit_test_setup_teardown(a_command_tells_what_is_kept_and_goes_on, begin, end),
        cmocka_unit_test_setup_teardown(who_reads_lines_too_slowly_is_told_how_many_it_missed, begin, end),
        cmocka_unit_test_setup_teardown(it_survives_running_out_of_descriptors, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
