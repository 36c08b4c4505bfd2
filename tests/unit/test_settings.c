/* Settings: which source wins, and that a wrong one is told and passed over. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/file.h"
#include "lib/settings.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static char root[64];
static char vkey[NOTE_VKEY_BYTES];
static char *invite;

#define WITNESS "witness.example.com/w1+a0059f11+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"

static void put(const char *path, const char *content)
{
    char full[256];

    snprintf(full, sizeof full, "%s%s", root, path);
    *strrchr(full, '/') = '\0';
    assert_int_equal(file_make_folders(full, 0755), 0);
    snprintf(full, sizeof full, "%s%s", root, path);
    assert_int_equal(file_write(full, content, strlen(content), 0600), 0);
}

static int prepare(void **state)
{
    struct key *key;
    struct note_verifier verifier;
    cJSON *payload = cJSON_CreateObject();

    strcpy(root, "/tmp/zos-test-XXXXXX");
    if (sodium_init() < 0 || !mkdtemp(root) || key_generate(&key) < 0)
        return -1;
    note_verifier_make("directory", key_public(key), &verifier, NULL);
    note_verifier_format(&verifier, vkey);
    json_add_integer(payload, "farm", 1);
    json_add_integer(payload, "expires", 2000000000);
    json_add_integer(payload, "nodes_max", 10);
    statement_sign(STATEMENT_INVITE, payload, 1700000000, key, &invite, NULL, NULL);
    cJSON_Delete(payload);
    key_free(key);
    return invite ? 0 : -1;
}

static int clean(void **state)
{
    free(invite);
    return file_remove_tree(root);
}

static void with_no_source_all_is_empty(void **state)
{
    struct settings settings;
    struct reason reason;

    assert_int_equal(settings_read(root, &settings, &reason), 0);
    assert_string_equal(reason.text, "");
    assert_null(settings.directory);
    assert_null(settings.invite);
    assert_false(settings.has_key);
    settings_close(&settings);
}

static void the_command_line_wins_over_the_boot_medium_over_the_initramfs(void **state)
{
    struct settings settings;
    struct reason reason;
    char text[8192], *encoded = encode_base64_url(invite, strlen(invite));

    put(SETTINGS_INITRAMFS, "{\"directory\":\"https://initramfs.example\",\"storage\":{\"claim\":\"none\"}}");
    snprintf(text, sizeof text, "{\"directory\":\"https://medium.example\",\"directory_key\":\"%s\"}", vkey);
    put(SETTINGS_BOOT_MEDIUM, text);
    snprintf(text, sizeof text, "quiet zos.directory=http://10.0.2.2:8000/ zos.invite=%s\n", encoded);
    put(SETTINGS_CMDLINE, text);
    assert_int_equal(settings_read(root, &settings, &reason), 0);
    assert_string_equal(reason.text, "");
    assert_string_equal(settings.directory, "http://10.0.2.2:8000");
    assert_true(settings.has_key);
    assert_non_null(settings.storage);
    assert_non_null(settings.invite);
    settings_close(&settings);
    free(encoded);
}

static void a_wrong_source_is_told_and_passed_over_whole(void **state)
{
    static const char *const wrong[] = {
        "{\"directory\":\"ftp://x.example\"}",
        "{\"directory\":\"https://x.example\",\"unknown\":1}",
        "{\"directory\":\"https://x.example\",\"directory_key\":\"nonsense\"}",
        "{\"directory\":\"https://x.example\",\"invite\":{}}",
        "{\"directory\":\"https://x.example\"",
        "{\"directory\":\"https://x.example\",\"witnesses\":[\"" WITNESS "\"]}",
        "{\"directory\":\"https://x.example\",\"witness_quorum\":0}",
        "{\"directory\":\"https://x.example\",\"witnesses\":[\"" WITNESS "\"],\"witness_quorum\":2}",
        "{\"directory\":\"https://x.example\",\"witnesses\":[\"nonsense\"],\"witness_quorum\":1}",
        "",
    };

    put(SETTINGS_INITRAMFS, "{\"directory\":\"https://initramfs.example\"}");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct settings settings;
        struct reason reason;
        put(SETTINGS_BOOT_MEDIUM, wrong[i]);
        assert_int_equal(settings_read(root, &settings, &reason), 0);
        assert_memory_equal(reason.text, SETTINGS_BOOT_MEDIUM ": ", strlen(SETTINGS_BOOT_MEDIUM) + 2);
        assert_string_equal(settings.directory, "https://initramfs.example");
        settings_close(&settings);
    }
}

static void witnesses_come_with_their_quorum(void **state)
{
    struct settings settings;
    struct reason reason;

    put(SETTINGS_BOOT_MEDIUM, "{\"witnesses\":[\"" WITNESS "\"],\"witness_quorum\":1}");
    assert_int_equal(settings_read(root, &settings, &reason), 0);
    assert_string_equal(reason.text, "");
    assert_int_equal(settings.witnesses.count, 1);
    assert_int_equal(settings.witnesses.quorum, 1);
    settings_close(&settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(with_no_source_all_is_empty, prepare, clean),
        cmocka_unit_test_setup_teardown(the_command_line_wins_over_the_boot_medium_over_the_initramfs, prepare, clean),
        cmocka_unit_test_setup_teardown(a_wrong_source_is_told_and_passed_over_whole, prepare, clean),
        cmocka_unit_test_setup_teardown(witnesses_come_with_their_quorum, prepare, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
