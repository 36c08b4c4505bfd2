/* Images from a registry on loopback that behaves, and from one that doesn't. The registry is a thread of this program:
 * it answers each path with what the test has put there. */

#include "lib/encode.h"
#include "lib/file.h"
#include "lib/http.h"
#include "provisiond/fetch.h"
#include "provisiond/image.h"
#include "provisiond/plan.h"

#include <archive.h>
#include <archive_entry.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct page {
    char path[256];
    char body[4096];
    size_t size;
};

static struct page pages[16];
static int pages_count, listener = -1, port, requests;
static bool asks_for_token, does_ranges;
static char folder[64], images[96];

/* ---- the registry */

static const struct page *find_page(const char *request)
{
    for (int i = pages_count - 1; i >= 0; i--) {
        size_t length = strlen(pages[i].path);
        if (!strncmp(request + 4, pages[i].path, length) && strchr(" ?", request[4 + length]))
            return &pages[i];
    }
    return NULL;
}

static void answer(int client)
{
    static char out[8192];
    char request[4096] = "", *range;
    size_t used = 0, from = 0, size;
    const struct page *page;
    ssize_t n;

    while (!strstr(request, "\r\n\r\n") && (n = read(client, request + used, sizeof request - 1 - used)) > 0)
        used += (size_t)n;
    requests++;
    page = find_page(request);
    range = strstr(request, "Range: bytes=");
    if (range && does_ranges)
        from = (size_t)atoi(range + 13);
    if (asks_for_token && !strstr(request, "Authorization: Bearer sesame") && !strstr(request, "/token"))
        size = (size_t)snprintf(out, sizeof out,
                                "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\"http://127.0.0.1:%d/token\","
                                "service=\"a b\",scope=\"repository:x:pull\"\r\nContent-Length: 0\r\n\r\n",
                                port);
    else if (!page || from > page->size)
        size = (size_t)snprintf(out, sizeof out, "HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n", page ? 416 : 404);
    else {
        size = (size_t)snprintf(out, sizeof out, "HTTP/1.1 %d OK\r\nContent-Length: %zu\r\n\r\n", from ? 206 : 200,
                                page->size - from);
        memcpy(out + size, page->body + from, page->size - from);
        size += page->size - from;
    }
    if (write(client, out, size) < 0)
        perror("write");
    close(client);
}

static void *serve(void *context)
{
    int client;

    while ((client = accept(listener, NULL, NULL)) >= 0)
        answer(client);
    return NULL;
}

static void put(const char *path, const void *body, size_t size)
{
    struct page *page = &pages[pages_count++];

    snprintf(page->path, sizeof page->path, "%s", path);
    memcpy(page->body, body, size);
    page->size = size;
}

/* Puts content under its digest, which is returned; the place is reused. */
static const char *put_digest(const char *kind, const void *body, size_t size)
{
    static char digest[4][72];
    static int next;
    char path[256], *text = digest[next++ % 4];
    uint8_t hash[32];

    crypto_hash_sha256(hash, body, size);
    memcpy(text, "sha256:", 7);
    encode_hex(hash, sizeof hash, text + 7);
    snprintf(path, sizeof path, "/v2/x/%s/%s", kind, text);
    put(path, body, size);
    return text;
}

/* ---- an image */

static size_t make_layer(char *out, size_t room, const char *path, const char *content)
{
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    size_t used;

    archive_write_set_format_ustar(archive);
    archive_write_set_bytes_per_block(archive, 0);
    assert_int_equal(archive_write_open_memory(archive, out, room, &used), ARCHIVE_OK);
    archive_entry_set_pathname(entry, path);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_uid(entry, getuid());
    archive_entry_set_gid(entry, getgid());
    archive_entry_set_size(entry, (la_int64_t)strlen(content));
    assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
    archive_write_data(archive, content, strlen(content));
    archive_entry_free(entry);
    archive_write_close(archive);
    archive_write_free(archive);
    return used;
}

static char layer_digest[72], layer[4096];
static size_t layer_size;

/* Puts an image of one layer into the registry; `index`: behind an index of two platforms. Its name for this registry.
 */
static const char *put_image(bool index)
{
    static char name[256];
    static const char CONFIG[] = "{\"config\":{\"Cmd\":[\"/x\"]}}";
    char text[2048], config[72];
    const char *digest;

    layer_size = make_layer(layer, sizeof layer, "etc/motd", "hello");
    strcpy(layer_digest, put_digest("blobs", layer, layer_size));
    strcpy(config, put_digest("blobs", CONFIG, strlen(CONFIG)));
    snprintf(text, sizeof text,
             "{\"schemaVersion\":2,\"config\":{\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"digest\":\"%s\",\"size\":"
             "%zu}]}",
             config, strlen(CONFIG), layer_digest, layer_size);
    digest = put_digest("manifests", text, strlen(text));
    if (index) {
        char manifest[72];
        strcpy(manifest, digest);
        snprintf(text, sizeof text,
                 "{\"manifests\":[{\"digest\":\"sha256:%064d\",\"size\":1,\"platform\":{\"os\":\"linux\","
                 "\"architecture\":\"arm64\"}},"
                 "{\"digest\":\"%s\",\"size\":300,\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}}]}",
                 0, manifest);
        digest = put_digest("manifests", text, strlen(text));
    }
    snprintf(name, sizeof name, "127.0.0.1:%d/x@%s", port, digest);
    return name;
}

static int pull(const char *name, struct reason *reason)
{
    struct image_request request = { .name = name, .plain_http = true, .folder = images, .root = folder };

    return image_pull(&request, reason);
}

static void assert_unpacked(const char *name, bool wanted)
{
    char path[256], *content;

    snprintf(path, sizeof path, "%s/%s/rootfs/etc/motd", images, plan_image_digest(name) + 7);
    if (!wanted) {
        assert_int_equal(access(path, F_OK), -1);
        return;
    }
    assert_int_equal(file_read(path, 100, &content, NULL), 0);
    assert_string_equal(content, "hello");
    free(content);
}

static void an_image_is_pulled_and_unpacked_once(void **state)
{
    const char *name = put_image(false);
    struct reason reason = { 0 };
    char path[256];

    if (pull(name, &reason) != 0)
        fail_msg("%s", reason.text);
    assert_unpacked(name, true);
    assert_int_equal(requests, 3);
    assert_int_equal(pull(name, &reason), 0);
    assert_int_equal(requests, 3);
    snprintf(path, sizeof path, "%s/%s/layers", images, plan_image_digest(name) + 7);
    assert_int_equal(access(path, F_OK), -1); /* what is unpacked needs no archive any more */
}

static void an_index_leads_to_the_manifest_of_this_machine(void **state)
{
    const char *name = put_image(true);

    assert_int_equal(pull(name, NULL), 0);
    assert_unpacked(name, true);
}

static void a_public_registrys_token_is_asked_for(void **state)
{
    const char *name = put_image(false);
    struct reason reason = { 0 };

    asks_for_token = true;
    put("/token", "{\"token\":\"sesame\"}", 18);
    if (pull(name, &reason) != 0)
        fail_msg("%s", reason.text);
    assert_unpacked(name, true);
    pages_count--;
    put("/token", "{}", 2);
    name = put_image(true);
    assert_int_equal(pull(name, &reason), REFUSED);
    assert_non_null(strstr(reason.text, "public"));
}

static void what_doesnt_have_its_digest_is_refused(void **state)
{
    const char *name = put_image(false);
    struct reason reason;
    char path[256];

    layer[600] ^= 1;
    snprintf(path, sizeof path, "/v2/x/blobs/%s", layer_digest);
    put(path, layer, layer_size); /* the latest one is served */
    assert_int_equal(pull(name, &reason), REFUSED);
    assert_non_null(strstr(reason.text, "instead of"));
    assert_unpacked(name, false);
    snprintf(path, sizeof path, "/v2/x/manifests/%s", plan_image_digest(name));
    put(path, "{}", 2);
    assert_int_equal(pull(name, &reason), REFUSED);
    assert_non_null(strstr(reason.text, "manifest"));
}

static void what_has_another_size_is_refused(void **state)
{
    const char *name = put_image(false);
    struct reason reason;
    char path[256];

    snprintf(path, sizeof path, "/v2/x/blobs/%s", layer_digest);
    put(path, layer, layer_size - 1);
    assert_int_equal(pull(name, &reason), REFUSED);
    assert_non_null(strstr(reason.text, "ends after"));
    pages[pages_count - 1].size = layer_size + 1;
    assert_int_equal(pull(name, &reason), REFUSED);
    assert_unpacked(name, false);
}

static void an_interrupted_blob_goes_on_where_it_was(void **state)
{
    struct reason reason = { 0 };

    for (int ranges = 0; ranges < 2; ranges++) {
        const char *name = put_image(ranges);
        char part[512];
        does_ranges = ranges;
        snprintf(part, sizeof part, "%s/%s.part/layers", images, plan_image_digest(name) + 7);
        file_make_folders(part, 0700);
        snprintf(part, sizeof part, "%s/%s.part/layers/%s.part", images, plan_image_digest(name) + 7, layer_digest + 7);
        assert_int_equal(file_write(part, layer, 700, 0600), 0);
        if (pull(name, &reason) != 0)
            fail_msg("%s", reason.text);
        assert_unpacked(name, true);
    }
    /* A beginning that was something else is dropped, and the next try gets it whole. */
    {
        const char *name = put_image(false);
        char part[512];
        snprintf(part, sizeof part, "%s/%s", images, plan_image_digest(name) + 7);
        file_remove_tree(part);
        snprintf(part, sizeof part, "%s/%s.part/layers", images, plan_image_digest(name) + 7);
        file_make_folders(part, 0700);
        snprintf(part, sizeof part, "%s/%s.part/layers/%s.part", images, plan_image_digest(name) + 7, layer_digest + 7);
        assert_int_equal(file_write(part, "nonsense", 8, 0600), 0);
        assert_int_equal(pull(name, &reason), REFUSED);
        assert_int_equal(pull(name, &reason), 0);
    }
}

static void names_are_taken_apart(void **state)
{
#define D "@sha256:0123456789012345678901234567890123456789012345678901234567890123"
    static const char *const BAD[] = { "r/x",           "r/x:latest", "x" D,  "/x" D,    "r/X" D,
                                       "r/x@sha256:12", "r/x@md5:12", "r/" D, "r/a b" D, "" };
    struct image_name name;

    assert_int_equal(image_parse_name("r.example:5000/a/b:tag" D, &name, NULL), 0);
    assert_string_equal(name.registry, "r.example:5000");
    assert_string_equal(name.repository, "a/b");
    assert_string_equal(name.digest, D + 1);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(image_parse_name(BAD[i], &name, NULL), REFUSED);
}

static void a_challenge_is_read_by_its_names(void **state)
{
    static const char HEADER[] = "Bearer realm=\"https://a/token\",service=\"b c\", scope=\"x:y\"";
    char value[32];

    assert_true(fetch_challenge(HEADER, "realm", value, sizeof value));
    assert_string_equal(value, "https://a/token");
    assert_true(fetch_challenge(HEADER, "scope", value, sizeof value));
    assert_string_equal(value, "x:y");
    assert_false(fetch_challenge(HEADER, "cope", value, sizeof value));
    assert_false(fetch_challenge(HEADER, "realm", value, 5));
    assert_false(fetch_challenge("Bearer realm=\"open", "realm", value, sizeof value));
}

static int set_up(void **state)
{
    strcpy(folder, "/tmp/test-fetch-XXXXXX");
    pages_count = requests = 0;
    asks_for_token = does_ranges = false;
    if (!mkdtemp(folder))
        return -1;
    snprintf(images, sizeof images, "%s/images", folder);
    return 0;
}

static int tear_down(void **state)
{
    return file_remove_tree(folder);
}

static int start(void **state)
{
    static pthread_t thread;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;

    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (sodium_init() < 0 || http_open() < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 ||
        listen(listener, 8) < 0 || getsockname(listener, (struct sockaddr *)&address, &size) < 0)
        return -1;
    port = ntohs(address.sin_port);
    return pthread_create(&thread, NULL, serve, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_image_is_pulled_and_unpacked_once),  TEST(an_index_leads_to_the_manifest_of_this_machine),
        TEST(a_public_registrys_token_is_asked_for), TEST(what_doesnt_have_its_digest_is_refused),
        TEST(what_has_another_size_is_refused),      TEST(an_interrupted_blob_goes_on_where_it_was),
        cmocka_unit_test(names_are_taken_apart),     cmocka_unit_test(a_challenge_is_read_by_its_names),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
