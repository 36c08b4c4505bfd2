/* From a person's file to the exact contract. */

#include "contrib/3bot/deployment.h"

#include "lib/cleanup.h"
#include "lib/contract.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define DIGEST "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define WEB "workloads:\n  - name: web\n    type: container\n    data:\n      image: r.example/w" DIGEST "\n"

static int read_text(const char *text, struct deployment *ret_deployment, struct reason *reason)
{
    struct yaml_file file;
    int result = yaml_file_read("f", text, strlen(text), &file, reason);

    if (result)
        return result;
    result = deployment_read(&file, ret_deployment, reason);
    yaml_file_close(&file);
    return result;
}

static char *workloads_text(const struct deployment *deployment)
{
    uint8_t public[32], secret[32];
    cleanup_json cJSON *workloads = NULL;

    crypto_box_keypair(public, secret);
    assert_int_equal(deployment_workloads(deployment, public, &workloads, NULL), 0);
    return json_print(workloads);
}

static void what_is_left_out_has_a_default(void **state)
{
    struct deployment deployment;
    cleanup_free char *text = NULL;
    static const char yaml[] = WEB "  - name: data\n    type: volume\n    data: {size_bytes: 2GiB}\n";

    assert_int_equal(read_text(yaml, &deployment, NULL), 0);
    assert_string_equal(deployment.node, "auto");
    assert_int_equal(deployment.expires_s, 0);
    text = workloads_text(&deployment);
    assert_string_equal(
        text, "[{\"name\":\"web\",\"type\":\"container\",\"data\":{\"image\":\"r.example/w" DIGEST
              "\",\"cpu_milli\":1000,\"memory_bytes\":268435456,\"root_size_bytes\":1073741824}},"
              "{\"name\":\"data\",\"type\":\"volume\",\"data\":{\"size_bytes\":2147483648,\"media\":\"ssd\"}}]");
    deployment_close(&deployment);
}

static void what_is_given_stays(void **state)
{
    struct deployment deployment;
    cleanup_free char *text = NULL;
    static const char yaml[] = "node: 7xQ\nexpires: 1h30m\n" WEB
                               "      cpu_milli: 10\n      memory_bytes: 8388608\n      root_size_bytes: 1.5MiB\n"
                               "      env: {A: 1GiB}\n";

    assert_int_equal(read_text(yaml, &deployment, NULL), 0);
    assert_string_equal(deployment.node, "7xQ");
    assert_int_equal(deployment.expires_s, 5400);
    text = workloads_text(&deployment);
    assert_string_equal(text, "[{\"name\":\"web\",\"type\":\"container\",\"data\":{\"image\":\"r.example/w" DIGEST
                              "\",\"cpu_milli\":10,\"memory_bytes\":8388608,\"root_size_bytes\":1572864,"
                              "\"env\":{\"A\":\"1GiB\"}}}]");
    deployment_close(&deployment);
}

static void secrets_are_sealed_to_the_key_and_to_no_other(void **state)
{
    struct deployment deployment;
    uint8_t public[32], secret[32], opened[16] = { 0 };
    cleanup_json cJSON *workloads = NULL;
    cleanup_free char *text = NULL;
    cleanup_free uint8_t *box = NULL;
    const cJSON *data;
    size_t size = 0;

    assert_int_equal(setenv("TEST_3BOT_SECRET", "from-outside", 1), 0);
    assert_int_equal(
        read_text(WEB "      secrets:\n        A: swordfish\n        B: {env: TEST_3BOT_SECRET}\n", &deployment, NULL),
        0);
    crypto_box_keypair(public, secret);
    assert_int_equal(deployment_workloads(&deployment, public, &workloads, NULL), 0);
    deployment_close(&deployment);
    text = json_print(workloads);
    assert_null(strstr(text, "swordfish"));
    assert_null(strstr(text, "secrets"));
    assert_int_equal(contract_check_workloads(workloads, NULL), 0);
    data = json_member(workloads->child, "data");
    box = decode_base64(json_string(json_member(data, "secret_env"), "B"), &size);
    assert_int_equal(size, 12 + crypto_box_SEALBYTES);
    assert_int_equal(crypto_box_seal_open(opened, box, size, public, secret), 0);
    assert_string_equal((char *)opened, "from-outside");
}

static void a_secret_can_stand_in_a_file(void **state)
{
    char path[] = "/tmp/test_3bot_XXXXXX", yaml[1024];
    int fd = mkstemp(path);
    struct deployment deployment;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "in a file\n", 10), 10);
    close(fd);
    snprintf(yaml, sizeof yaml, "%s      secrets: {A: {file: %s}}\n", WEB, path);
    assert_int_equal(read_text(yaml, &deployment, NULL), 0);
    assert_string_equal(json_string(json_member(json_member(deployment.workloads->child, "data"), "secrets"), "A"),
                        "in a file");
    deployment_close(&deployment);
    unlink(path);
}

#define NET                                                                                                            \
    "workloads:\n  - name: net\n    type: network\n    data:\n      range: 10.20.0.0/16\n      subnet: 10.20.1.0/24\n"

static int find_key(void *context, const char *node, uint8_t ret_key[static 32], struct reason *reason)
{
    if (strcmp(node, "7xQ") != 0)
        return reason_refuse(reason, NULL, "no node %s", node);
    memset(ret_key, 'k', 32);
    return 0;
}

static void a_peer_can_be_named_by_its_node(void **state)
{
    struct deployment deployment;
    cleanup_free char *text = NULL;
    static const char yaml[] = NET "      peers: [{node: 7xQ, endpoint: '192.0.2.7:51820', allowed: [10.20.2.0/24]}]\n";

    assert_int_equal(read_text(yaml, &deployment, NULL), 0);
    assert_int_equal(deployment_name_peers(&deployment, find_key, NULL, NULL), 0);
    text = workloads_text(&deployment);
    assert_string_equal(text,
                        "[{\"name\":\"net\",\"type\":\"network\",\"data\":{\"range\":\"10.20.0.0/16\",\"subnet\":"
                        "\"10.20.1.0/24\",\"peers\":[{\"endpoint\":\"192.0.2.7:51820\",\"allowed\":[\"10.20.2.0/24\"],"
                        "\"public_key\":\"a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=\"}]}}]");
    deployment_close(&deployment);
}

static void a_peer_whose_node_has_no_key_is_told_with_its_place(void **state)
{
    struct deployment deployment;
    struct reason reason = { 0 };
    static const char yaml[] = NET "      peers: [{node: 8yR, allowed: [10.20.2.0/24]}]\n";

    assert_int_equal(read_text(yaml, &deployment, NULL), 0);
    assert_int_equal(deployment_name_peers(&deployment, find_key, NULL, &reason), REFUSED);
    assert_string_equal(reason.text, "workloads[0].data.peers[0].node: no node 8yR");
    deployment_close(&deployment);
}

static void wrong_files_are_refused_with_line_and_place(void **state)
{
    static const struct {
        const char *yaml, *reason;
    } table[] = {
        { "just text", "f: must be an object" },
        { "node: auto", "f: workloads: is missing" },
        { "workloads: []", "f:1: workloads: " },
        { "workloads: [x]", "f:1: workloads[0]: must be an object" },
        { "nodes: x\n" WEB, "f:1: nodes: unknown key" },
        { "node: 5\n" WEB, "f:1: node: must be a string" },
        { "node: auto\nexpires: 60\n" WEB, "f:2: expires: must be a string" },
        { "expires: soon\n" WEB, "f:1: expires: must be a duration" },
        { WEB "      memory_bytes: 1G\n", "f:6: workloads[0].data.memory_bytes: unknown unit" },
        { WEB "      memory_bytes: 1KiB\n", "f:6: workloads[0].data.memory_bytes: must be at least 4194304" },
        { WEB "      port: 80\n", "f:6: workloads[0].data.port: unknown key" },
        { WEB "      env: {A: 1}\n", "f:6: workloads[0].data.env" },
        { WEB "      secrets: x\n", "f:6: workloads[0].data.secrets: must be an object" },
        { WEB "      secrets: {A: 1}\n", "f:6: workloads[0].data.secrets.A: must be a string" },
        { WEB "      secrets: {A: {env: X, file: Y}}\n", "f:6: workloads[0].data.secrets.A: must have either" },
        { WEB "      secrets: {A: {}}\n", "f:6: workloads[0].data.secrets.A: must have either" },
        { WEB "      secrets: {A: {env: NOT_SET_ANYWHERE}}\n", "no variable NOT_SET_ANYWHERE" },
        { WEB "      secrets: {A: {file: /nowhere/at/all}}\n", "can't be read" },
        { WEB "      env: {A: x}\n      secrets: {A: x}\n", "f:7: workloads[0].data.secrets.A: stands in env" },
        { WEB "      secrets: {'A=': x}\n", "workloads[0].data" },
        { "workloads:\n  - name: v\n    type: volume\n    data: {size_bytes: 1GiB, secrets: {A: x}}",
          "f:4: workloads[0].data.secrets: unknown key" },
        { "workloads:\n  - name: v\n    type: 7\n    data: {secrets: {A: 7}}",
          "f:3: workloads[0].type: must be a string" },
        { "workloads:\n  - name: v\n    type: volume\n    data: 7", "f:4: workloads[0].data: must be an object" },
        { "workloads:\n  - type: volume\n    data: {size_bytes: 1GiB}", "f:2: workloads[0].name: is missing" },
        { "{\"workloads\":[{\"name\":\"v\",\"type\":\"volume\",\"data\":{\"size_bytes\":\"1\"}}]}",
          "f: workloads[0].data.size_bytes: must be at least" },
        { NET "      peers:\n        - {node: 7, allowed: [10.20.2.0/24]}\n",
          "f:8: workloads[0].data.peers[0].node: must be a string" },
        { NET "      peers: [{node: 7xQ, public_key: x, allowed: [10.20.2.0/24]}]\n",
          "f:7: workloads[0].data.peers[0].node: stands beside public_key" },
        { NET "      peers: [{node: 7xQ, allowed: [10.20.2.0/24]}, {node: 7xQ, allowed: [10.20.3.0/24]}]\n",
          "f:7: workloads[0].data.peers[1]: public_key stands twice" },
        { NET "      peers: [{allowed: [10.20.2.0/24]}]\n", "f:7: workloads[0].data.peers[0].public_key: is missing" },
        { NET "      peers: {}\n", "f:7: workloads[0].data.peers: must be an array" },
        { NET "      peers: {a: {node: 7xQ}}\n", "f:7: workloads[0].data.peers: must be an array" },
        { NET "      peers: [{node: }]\n", "f:7: workloads[0].data.peers[0].node: must be a string" },
    };

    for (size_t i = 0; i < COUNT(table); i++) {
        struct deployment deployment;
        struct reason reason = { 0 };
        assert_int_equal(read_text(table[i].yaml, &deployment, &reason), REFUSED);
        if (!strstr(reason.text, table[i].reason))
            fail_msg("%s\n%s\nrather than %s", table[i].yaml, reason.text, table[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_has_a_default),
        cmocka_unit_test(what_is_given_stays),
        cmocka_unit_test(secrets_are_sealed_to_the_key_and_to_no_other),
        cmocka_unit_test(a_secret_can_stand_in_a_file),
        cmocka_unit_test(a_peer_can_be_named_by_its_node),
        cmocka_unit_test(a_peer_whose_node_has_no_key_is_told_with_its_place),
        cmocka_unit_test(wrong_files_are_refused_with_line_and_place),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
