/* HTTP requests against a server thread on loopback that says exactly what each test wants said. */

#include "lib/cleanup.h"
#include "lib/http.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define REQUEST_BYTES 8192

/* Gives the raw answer to a request; NULL: say nothing, and keep the connection open for a second. */
typedef const char *answer_function(const char *request);

static struct {
    int listener;
    unsigned port;
    pthread_t thread;
    answer_function *answer;
    char request[REQUEST_BYTES]; /* the last */
    unsigned requests;
} server;

/* Reads head and body; the length of the body is in Content-Length. */
static void read_request(int fd, char *text, size_t size)
{
    size_t used = 0, length = 0;
    char *end = NULL, *header;
    ssize_t got;

    while (used < size - 1 && (!end || used < (size_t)(end + 4 - text) + length)) {
        got = read(fd, text + used, size - 1 - used);
        if (got <= 0)
            break;
        used += (size_t)got;
        text[used] = '\0';
        if (text[0] == 0x16) /* a TLS record, RFC 8446 §5.1: we don't speak it */
            break;
        end = strstr(text, "\r\n\r\n");
        header = strcasestr(text, "\r\nContent-Length:");
        length = header ? strtoul(header + 17, NULL, 10) : 0;
    }
    text[used] = '\0';
}

static void serve_one(int fd)
{
    const char *answer;

    read_request(fd, server.request, sizeof server.request);
    server.requests++;
    answer = server.answer(server.request);
    if (!answer)
        sleep(1);
    for (size_t left = answer ? strlen(answer) : 0; left;) {
        ssize_t wrote = send(fd, answer, left, MSG_NOSIGNAL);
        if (wrote <= 0)
            break;
        answer += wrote;
        left -= (size_t)wrote;
    }
}

static void *serve(void *context)
{
    for (;;) {
        int fd = accept(server.listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        serve_one(fd);
        close(fd);
    }
}

static int open_server(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;

    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server.listener, (struct sockaddr *)&address, size) || listen(server.listener, 8) ||
        getsockname(server.listener, (struct sockaddr *)&address, &size) || http_open())
        return -1;
    server.port = ntohs(address.sin_port);
    return pthread_create(&server.thread, NULL, serve, NULL);
}

static int close_server(void **state)
{
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listener);
    return 0;
}

static char url[128];

/* A GET of `path` at the server, which answers with `answer`. */
static struct http_request get(const char *path, answer_function *answer)
{
    server.answer = answer;
    server.requests = 0;
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", server.port, path);
    return (struct http_request){ .method = "GET", .url = url, .answer_bytes_max = 1000, .timeout_ms = 10000 };
}

/* Performs what must not come to an answer: REFUSED, or the step at which it fails. */
static void assert_fails(const struct http_request *request, int result, const char *reason_part)
{
    struct http_answer answer;
    struct reason reason = { 0 };

    assert_int_equal(http_perform(request, &answer, &reason), result);
    if (!strstr(reason.text, reason_part))
        fail_msg("\"%s\" rather than \"%s\"", reason.text, reason_part);
}

/* ---- Answers */

static const char *say_hello(const char *request)
{
    return "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8 \r\nContent-Length: 5\r\nConnection: "
           "close\r\n\r\nhello";
}

static void an_answer_has_status_body_and_type(void **state)
{
    struct http_request request = get("/a?b=c", say_hello);
    struct http_answer answer;
    struct reason reason = { 0 };

    assert_int_equal(http_perform(&request, &answer, &reason), 0);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.body_size, 5);
    assert_string_equal(answer.body, "hello");
    assert_string_equal(answer.content_type, "text/plain; charset=utf-8");
    assert_string_equal(answer.www_authenticate, "");
    assert_int_equal(answer.retry_after_s, 0);
    assert_int_equal(strncmp(server.request, "GET /a?b=c HTTP/1.1\r\n", 21), 0);
    http_answer_close(&answer);
    assert_null(answer.body);
    http_answer_close(&answer);
    http_answer_close(NULL);
}

static void a_post_carries_its_body_and_headers(void **state)
{
    static const char *const headers[] = { "Content-Type: application/json", "X-One: two", NULL };
    struct http_request request = get("/", say_hello);
    struct http_answer answer;

    request.method = "POST";
    request.headers = headers;
    request.body = "{\"a\":1}";
    request.body_size = 7;
    assert_int_equal(http_perform(&request, &answer, NULL), 0);
    assert_non_null(strstr(server.request, "POST / HTTP/1.1\r\n"));
    assert_non_null(strstr(server.request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(server.request, "\r\nX-One: two\r\n"));
    assert_non_null(strstr(server.request, "\r\n\r\n{\"a\":1}"));
    assert_null(strstr(server.request, "Expect"));
    http_answer_close(&answer);
}

static const char *say_unauthorized(const char *request)
{
    return "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: Bearer "
           "realm=\"y\",service=\"z\"\r\n"
           "Retry-After: 17\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
}

static void an_error_is_an_answer_too(void **state)
{
    struct http_request request = get("/", say_unauthorized);
    struct http_answer answer;

    assert_int_equal(http_perform(&request, &answer, NULL), 0);
    assert_int_equal(answer.status, 401);
    assert_string_equal(answer.www_authenticate, "Bearer realm=\"y\",service=\"z\"");
    assert_int_equal(answer.retry_after_s, 17);
    assert_string_equal(answer.body, "");
    http_answer_close(&answer);
}

/* ---- Bounds */

static const char *say_chunks(const char *request)
{
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
           "a\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n";
}

static void a_body_is_taken_up_to_its_bound_and_no_further(void **state)
{
    struct http_request request = get("/", say_chunks);
    struct http_answer answer;

    request.answer_bytes_max = 20;
    assert_int_equal(http_perform(&request, &answer, NULL), 0);
    assert_int_equal(answer.body_size, 20);
    http_answer_close(&answer);
    request.answer_bytes_max = 19;
    assert_fails(&request, HTTP_TRANSFER, "too large, at most 19 bytes");
    request = get("/", say_hello);
    request.answer_bytes_max = 4;
    assert_fails(&request, HTTP_TRANSFER, "too large");
}

static const char *say_nothing(const char *request)
{
    return NULL;
}

static const char *say_half(const char *request)
{
    return "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: close\r\n\r\nhalf";
}

static void silence_and_broken_answers_are_refused(void **state)
{
    struct http_request request = get("/", say_nothing);

    request.timeout_ms = 200;
    assert_fails(&request, HTTP_TRANSFER, "time-out at 127.0.0.1");
    request = get("/", say_half);
    assert_fails(&request, HTTP_TRANSFER, "transfer with 127.0.0.1");
}

static bool at_once(void *context)
{
    return true;
}

static void a_request_can_be_given_up(void **state)
{
    struct http_request request = get("/", say_nothing);

    request.cancelled = at_once;
    assert_fails(&request, REFUSED, "given up");
}

/* ---- Data that goes elsewhere */

struct sink {
    char text[64];
    size_t used;
    int result;
};

static int on_data(void *context, const void *data, size_t size)
{
    struct sink *sink = context;

    assert_true(sink->used + size < sizeof sink->text);
    memcpy(sink->text + sink->used, data, size);
    sink->used += size;
    return sink->result;
}

static const char *say_missing(const char *request)
{
    return "HTTP/1.1 404 No\r\nContent-Type: application/problem+json\r\nContent-Length: 19\r\nConnection: "
           "close\r\n\r\n"
           "{\"title\":\"missing\"}";
}

static void data_goes_where_it_is_wanted_and_errors_do_not(void **state)
{
    struct sink sink = { 0 };
    struct http_request request = get("/", say_chunks);
    struct http_answer answer;

    request.on_data = on_data;
    request.context = &sink;
    assert_int_equal(http_perform(&request, &answer, NULL), 0);
    assert_string_equal(sink.text, "01234567890123456789");
    assert_int_equal(answer.body_size, 0);
    http_answer_close(&answer);
    sink = (struct sink){ .result = 1 };
    assert_fails(&request, REFUSED, "not wanted further");
    sink = (struct sink){ 0 };
    server.answer = say_missing;
    assert_int_equal(http_perform(&request, &answer, NULL), 0);
    assert_int_equal(sink.used, 0);
    assert_string_equal(answer.body, "{\"title\":\"missing\"}");
    http_answer_close(&answer);
}

/* ---- Redirects */

/* "/n" leads to "/n-1", and "/0" is there. */
static const char *say_nearer(const char *request)
{
    static char answer[256];
    int distance = request[5] - '0';

    if (distance == 0)
        return say_hello(request);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 307 There\r\nLocation: /%d\r\nContent-Type: x/y\r\nRetry-After: 5\r\nContent-Length: 3\r\n"
             "Connection: close\r\n\r\nxyz",
             distance - 1);
    return answer;
}

static void three_redirects_are_followed(void **state)
{
    struct http_request request = get("/3", say_nearer);
    struct http_answer answer;

    assert_int_equal(http_perform(&request, &answer, NULL), 0);
    assert_string_equal(answer.body, "hello");
    assert_int_equal(answer.retry_after_s, 0);
    assert_int_equal(server.requests, 4);
    http_answer_close(&answer);
    request = get("/4", say_nearer);
    assert_fails(&request, HTTP_TRANSFER, "redirect of 127.0.0.1");
}

static void a_post_is_not_redirected(void **state)
{
    struct http_request request = get("/1", say_nearer);
    struct http_answer answer;

    request.method = "POST";
    request.body = "x";
    request.body_size = 1;
    assert_int_equal(http_perform(&request, &answer, NULL), 0);
    assert_int_equal(answer.status, 307);
    assert_int_equal(server.requests, 1);
    http_answer_close(&answer);
}

static const char *say_https(const char *request)
{
    return "HTTP/1.1 302 There\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
}

static const char *say_file(const char *request)
{
    return "HTTP/1.1 302 There\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
}

static void a_redirect_to_another_scheme_is_refused(void **state)
{
    struct http_request request = get("/", say_https);

    assert_fails(&request, HTTP_TRANSFER, "redirect of");
    server.answer = say_file;
    assert_fails(&request, HTTP_TRANSFER, "redirect of");
}

/* ---- What can't be asked */

static void other_schemes_and_forged_headers_are_refused(void **state)
{
    static const char *const forged[] = { "X: y\r\nEvil: z", NULL };
    struct http_request request = get("/", say_hello);

    request.headers = forged;
    assert_fails(&request, REFUSED, "127.0.0.1");
    assert_int_equal(server.requests, 0);
    request = get("/", say_hello);
    request.url = "file:///etc/passwd";
    assert_fails(&request, REFUSED, "file:///etc/passwd");
    request.url = "ftp://127.0.0.1/";
    assert_fails(&request, REFUSED, "must be http or https");
    request.url = "http://";
    assert_fails(&request, REFUSED, "not an address");
}

static void no_such_name_nobody_there_and_no_tls_there_are_told_apart(void **state)
{
    struct http_request request = get("/", say_hello);

    snprintf(url, sizeof url, "https://127.0.0.1:%u/", server.port);
    assert_fails(&request, HTTP_TLS, "TLS with 127.0.0.1");
    request.url = "http://127.0.0.1:1/";
    assert_fails(&request, HTTP_CONNECT, "connect to 127.0.0.1:1: the connection is refused");
    request.url = "http://nobody.invalid/"; /* RFC 6761 §6.4: no such name, ever */
    assert_fails(&request, HTTP_RESOLVE, "resolve nobody.invalid: ");
}

/* The server takes the connection and says nothing for a second. */
static void a_server_that_is_silent_in_the_handshake_fails_at_tls(void **state)
{
    struct http_request request = get("/", say_nothing);

    snprintf(url, sizeof url, "https://127.0.0.1:%u/", server.port);
    request.timeout_ms = 300;
    assert_fails(&request, HTTP_TLS, "TLS with 127.0.0.1: no answer");
}

/* ---- Problems */

static void a_problem_says_what_is_wrong(void **state)
{
    static const struct {
        const char *type, *body, *reason;
    } table[] = {
        { "application/problem+json", "{\"title\":\"Conflict\",\"detail\":\"name taken\"}", "Conflict: name taken" },
        { "application/problem+json; charset=utf-8", "{\"title\":\"Conflict\"}", "Conflict" },
        { "application/problem+json", "{\"detail\":\"why\"}", "why" },
        { "application/problem+json", "{\"title\":7}", "answered with HTTP status 409" },
        { "application/problem+json", "[]", "answered with HTTP status 409" },
        { "application/problem+json", "{", "answered with HTTP status 409" },
        { "text/html", "{\"title\":\"x\"}", "answered with HTTP status 409" },
        { "", "", "answered with HTTP status 409" },
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct http_answer answer = { .status = 409,
                                      .body = (char *)table[i].body,
                                      .body_size = strlen(table[i].body) };
        struct reason reason = { 0 };
        snprintf(answer.content_type, sizeof answer.content_type, "%s", table[i].type);
        assert_int_equal(http_problem(&answer, &reason), REFUSED);
        assert_string_equal(reason.text, table[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_status_body_and_type),
        cmocka_unit_test(a_post_carries_its_body_and_headers),
        cmocka_unit_test(an_error_is_an_answer_too),
        cmocka_unit_test(a_body_is_taken_up_to_its_bound_and_no_further),
        cmocka_unit_test(silence_and_broken_answers_are_refused),
        cmocka_unit_test(a_request_can_be_given_up),
        cmocka_unit_test(data_goes_where_it_is_wanted_and_errors_do_not),
        cmocka_unit_test(three_redirects_are_followed),
        cmocka_unit_test(a_post_is_not_redirected),
        cmocka_unit_test(a_redirect_to_another_scheme_is_refused),
        cmocka_unit_test(other_schemes_and_forged_headers_are_refused),
        cmocka_unit_test(no_such_name_nobody_there_and_no_tls_there_are_told_apart),
        cmocka_unit_test(a_server_that_is_silent_in_the_handshake_fails_at_tls),
        cmocka_unit_test(a_problem_says_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, open_server, close_server);
}
