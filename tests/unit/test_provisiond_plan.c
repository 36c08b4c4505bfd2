/* What is wanted and what is there, and the one next action: a table for each life. */

#include "provisiond/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define P "0123456789abcdef0123"
#define DIGEST "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const char WORKLOADS[] =
    "[{\"name\":\"web\",\"type\":\"container\",\"data\":{\"image\":\"r/x@" DIGEST "\",\"root_size_bytes\":5}},"
    "{\"name\":\"data\",\"type\":\"volume\",\"data\":{\"size_bytes\":7,\"media\":\"hdd\"}},"
    "{\"name\":\"net\",\"type\":\"network\",\"data\":{}}]";

struct row {
    const char *networks, *volumes, *images, *services, *bundles;
    enum plan_kind kind;
    const char *name;
    int64_t size_bytes;
};

static void check(const struct row *row, bool ending)
{
    cJSON *parts[6] = { cJSON_Parse(WORKLOADS),   cJSON_Parse(row->networks), cJSON_Parse(row->volumes),
                        cJSON_Parse(row->images), cJSON_Parse(row->services), cJSON_Parse(row->bundles) };
    struct plan_wanted wanted = { ID, ending ? NULL : parts[0], ending };
    struct plan_observed observed = { parts[2], parts[1], parts[4], parts[3], parts[5] };
    struct plan_action action;

    plan_next(&wanted, &observed, &action);
    assert_int_equal(action.kind, row->kind);
    assert_string_equal(action.name, row->name);
    if (row->size_bytes)
        assert_int_equal(action.size_bytes, row->size_bytes);
    for (int i = 0; i < 6; i++)
        cJSON_Delete(parts[i]);
}

#define NET "[{\"name\":\"" P "-net\"}]"
#define DATA "{\"name\":\"" ID ".data\"}"
#define ROOT "{\"name\":\"" ID ".web.root\"}"
#define OTHERS "{\"name\":\"ff" ID ".data\"},{\"name\":\"0123.data\"}"
#define SERVICE "{\"c-" P "-web\":\"Running\",\"c-ffff-web\":\"Running\",\"storaged\":\"Running\"}"

static void a_contract_is_realized_network_volume_container(void **state)
{
    static const struct row ROWS[] = {
        { "[]", "[]", "[]", "{}", "[]", PLAN_NETWORK_APPLY, P "-net", 0 },
        { NET, "[" OTHERS "]", "[]", "{}", "[]", PLAN_VOLUME_CREATE, ID ".data", 7 },
        { NET, "[" DATA "]", "[]", "{}", "[]", PLAN_IMAGE_PULL, "", 0 },
        { NET, "[" DATA "]", "[\"" DIGEST ".part\"]", "{}", "[]", PLAN_IMAGE_PULL, "", 0 },
        { NET, "[" DATA "]", "[\"" DIGEST "\"]", "{}", "[]", PLAN_VOLUME_CREATE, ID ".web.root", 5 },
        { NET, "[" DATA "," ROOT "]", "[\"" DIGEST "\"]", "{}", "[]", PLAN_CONTAINER_START, "c-" P "-web", 0 },
        { NET, "[" DATA "," ROOT "]", "[\"" DIGEST "\"]", SERVICE, "[]", PLAN_CONTAINER_START, "c-" P "-web", 0 },
        { NET, "[" DATA "," ROOT "]", "[\"" DIGEST "\"]", "{}", "[\"c-" P "-web\"]", PLAN_CONTAINER_START,
          "c-" P "-web", 0 },
        { NET, "[" DATA "," ROOT "]", "[\"" DIGEST "\"]", SERVICE, "[\"c-" P "-web\"]", PLAN_WATCH, "", 0 },
        /* Something was lost: the earlier kind comes first again. */
        { "[]", "[" DATA "," ROOT "]", "[\"" DIGEST "\"]", SERVICE, "[\"c-" P "-web\"]", PLAN_NETWORK_APPLY, P "-net",
          0 },
        { NET, "[" ROOT "]", "[\"" DIGEST "\"]", SERVICE, "[\"c-" P "-web\"]", PLAN_VOLUME_CREATE, ID ".data", 7 },
        { NET, "[" DATA "," ROOT "]", "[]", SERVICE, "[\"c-" P "-web\"]", PLAN_IMAGE_PULL, "", 0 },
    };

    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        check(&ROWS[i], false);
}

static void an_ending_contract_is_taken_down_in_the_reverse_and_nothing_else(void **state)
{
    static const struct row ROWS[] = {
        { NET, "[" DATA "," ROOT "]", "[]", SERVICE, "[\"c-" P "-web\"]", PLAN_CONTAINER_STOP, "c-" P "-web", 0 },
        { NET, "[" DATA "]", "[]", "{}", "[\"c-" P "-web\"]", PLAN_CONTAINER_STOP, "c-" P "-web", 0 },
        { NET, "[" DATA "]", "[]", "{\"c-ffff-web\":\"Running\"}", "[]", PLAN_NETWORK_REMOVE, P "-net", 0 },
        { "[\"" P "-net\"]", "[]", "[]", "{}", "[]", PLAN_NETWORK_REMOVE, P "-net", 0 },
        { "[]", "[" OTHERS "," ROOT "," DATA "]", "[]", "{}", "[]", PLAN_VOLUME_DELETE, ID ".web.root", 0 },
        { "[\"ffff-net\"]", "[" OTHERS "]", "[\"" DIGEST "\"]", "{\"storaged\":\"Running\"}", "[]", PLAN_DONE, "", 0 },
    };

    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        check(&ROWS[i], true);
}

static void an_images_digest_stands_behind_the_at(void **state)
{
    assert_string_equal(plan_image_digest("r/x:1@" DIGEST), DIGEST);
    assert_null(plan_image_digest("r/x:1"));
    assert_null(plan_image_digest(NULL));
}

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define USED_A "[\"sha256:" A "\"]"

static void what_is_nobodys_is_tidied_up(void **state)
{
    static const struct {
        const char *entries, *used, *volumes, *over;
        enum plan_kind kind;
        const char *name;
    } ROWS[] = {
        { "[]", "[]", "[]", "[]", PLAN_DONE, "" },
        /* Images: whole, half, and what is none. */
        { "[\"" A "\",\"" A ".part\"]", USED_A, "[]", "[]", PLAN_DONE, "" },
        { "[\"" A "\",\"" B "\"]", USED_A, "[]", "[]", PLAN_IMAGE_DROP, B },
        { "[\"" A "\"]", "[]", "[]", "[]", PLAN_IMAGE_DROP, A },
        { "[\"" A "\",\"" B ".part\"]", USED_A, "[]", "[]", PLAN_IMAGE_DROP, B ".part" },
        { "[\"" A ".partial\"]", USED_A, "[]", "[]", PLAN_IMAGE_DROP, A ".partial" },
        { "[\"" A "a\"]", USED_A, "[]", "[]", PLAN_IMAGE_DROP, A "a" },
        { "[\"blobs\"]", USED_A, "[]", "[]", PLAN_IMAGE_DROP, "blobs" },
        /* Volumes: only those of a contract that is known to be over. */
        { "[]", "[]", "[" OTHERS "," ROOT "," DATA "]", "[]", PLAN_DONE, "" },
        { "[]", "[]", "[" OTHERS "," ROOT "," DATA "]", "[\"" A "\"]", PLAN_DONE, "" },
        { "[]", "[]", "[" OTHERS "," ROOT "," DATA "]", "[\"" A "\",\"" ID "\"]", PLAN_VOLUME_DELETE, ID ".web.root" },
        { "[]", "[]", "[{\"name\":\"" ID "\"},{\"name\":\"" ID "data\"}]", "[\"" ID "\"]", PLAN_DONE, "" },
        { "null", "[]", "null", "[]", PLAN_DONE, "" },
    };

    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        cJSON *parts[4] = { cJSON_Parse(ROWS[i].entries), cJSON_Parse(ROWS[i].used), cJSON_Parse(ROWS[i].volumes),
                            cJSON_Parse(ROWS[i].over) };
        struct plan_tidied tidied = { parts[0], parts[1], parts[2], parts[3] };
        struct plan_action action;
        plan_tidy(&tidied, &action);
        assert_int_equal(action.kind, ROWS[i].kind);
        assert_string_equal(action.name, ROWS[i].name);
        for (int j = 0; j < 4; j++)
            cJSON_Delete(parts[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_contract_is_realized_network_volume_container),
        cmocka_unit_test(an_ending_contract_is_taken_down_in_the_reverse_and_nothing_else),
        cmocka_unit_test(an_images_digest_stands_behind_the_at),
        cmocka_unit_test(what_is_nobodys_is_tidied_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
