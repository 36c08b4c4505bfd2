/* From a contract's container and an image to crun's configuration; users, secrets and files of it. */

#include "lib/cleanup.h"
#include "lib/encode.h"
#include "lib/file.h"
#include "provisiond/bundle.h"
#include "provisiond/user.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DIGITS "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static char folder[64];
static struct paths paths;
static uint8_t public[32], secret[32];
static int rootfs = -1;

static const char IMAGE[] =
    "{\"config\":{\"Entrypoint\":[\"/entry\"],\"Cmd\":[\"serve\"],\"Env\":[\"PATH=/bin\",\"A=image\",\"B=1\"],"
    "\"WorkingDir\":\"/srv\",\"User\":\"web\"}}";

static cJSON *workload(const char *data)
{
    char text[2048];

    snprintf(text, sizeof text,
             "{\"name\":\"web\",\"type\":\"container\",\"data\":{\"image\":\"r/x@sha256:" DIGITS "\"%s%s}}",
             data[0] ? "," : "", data);
    return cJSON_Parse(text);
}

static struct bundle_request request_of(const cJSON *container, const cJSON *volumes, const cJSON *endpoint)
{
    return (struct bundle_request){ .service = "c-0123-web",
                                    .workload = container,
                                    .paths = &paths,
                                    .volumes = volumes,
                                    .endpoint = endpoint,
                                    .sealing_public = public,
                                    .sealing_secret = secret };
}

/* The configuration for a container with such data; NULL and a reason when it is refused. */
static cJSON *config_of(const char *data, const char *image_text, struct reason *reason)
{
    cleanup_json cJSON *container = workload(data), *image = cJSON_Parse(image_text);
    cleanup_json cJSON *volumes = cJSON_Parse("{\"\":\"/mnt/p/volumes/root\",\"data\":\"/mnt/p/volumes/data\"}");
    cleanup_json cJSON *endpoint =
        cJSON_Parse("{\"netns\":\"/run/netns/x\",\"address\":\"100.64.0.2/24\",\"dns\":[\"10.0.2.3\"]}");
    struct bundle_request request = request_of(container, volumes, endpoint);
    cJSON *config = NULL;

    assert_non_null(container);
    return bundle_config(&request, image, rootfs, &config, reason) == 0 ? config : NULL;
}

static const cJSON *at(const cJSON *value, const char *a, const char *b)
{
    value = cJSON_GetObjectItemCaseSensitive(value, a);
    return b ? cJSON_GetObjectItemCaseSensitive(value, b) : value;
}

static void assert_json(const cJSON *value, const char *text)
{
    cleanup_free char *printed = json_print(value);

    assert_string_equal(printed, text);
}

static void the_images_configuration_is_the_default(void **state)
{
    cleanup_json cJSON *config = config_of("", IMAGE, NULL);

    assert_json(at(config, "process", "args"), "[\"/entry\",\"serve\"]");
    assert_json(at(config, "process", "env"), "[\"PATH=/bin\",\"A=image\",\"B=1\"]");
    assert_json(at(config, "process", "cwd"), "\"/srv\"");
    assert_json(at(config, "process", "user"), "{\"uid\":101,\"gid\":102}");
    assert_json(at(config, "root", "path"), "\"rootfs\"");
    assert_json(at(config, "hostname", NULL), "\"web\"");
}

static void the_contract_overrides_the_image(void **state)
{
    cleanup_json cJSON *config =
        config_of("\"args\":[\"other\"],\"env\":{\"A\":\"contract\",\"C\":\"x=y\"},\"user\":\"7:web\"", IMAGE, NULL);
    cleanup_json cJSON *own = config_of("\"entrypoint\":[\"/mine\"],\"args\":[],\"user\":\"9\"", IMAGE, NULL);

    assert_json(at(config, "process", "args"), "[\"/entry\",\"other\"]");
    assert_json(at(config, "process", "env"), "[\"PATH=/bin\",\"A=contract\",\"B=1\",\"C=x=y\"]");
    assert_json(at(config, "process", "user"), "{\"uid\":7,\"gid\":102}");
    assert_json(at(own, "process", "args"), "[\"/mine\"]");
    assert_json(at(own, "process", "user"), "{\"uid\":9,\"gid\":0}");
}

static void what_has_nothing_to_run_is_refused(void **state)
{
    struct reason reason;

    assert_null(config_of("", "{}", &reason));
    assert_non_null(strstr(reason.text, "what to run"));
    assert_null(config_of("\"user\":\"nobody-here\"", IMAGE, &reason));
    assert_non_null(strstr(reason.text, "passwd"));
    assert_null(config_of("\"mounts\":[{\"volume\":\"gone\",\"target\":\"/x\"}]", IMAGE, &reason));
    assert_non_null(strstr(reason.text, "gone"));
}

static void volumes_are_mounted_where_the_contract_says(void **state)
{
    cleanup_json cJSON *config = config_of("\"mounts\":[{\"volume\":\"data\",\"target\":\"/data\",\"read_only\":false},"
                                           "{\"volume\":\"data\",\"target\":\"/ro\",\"read_only\":true}]",
                                           IMAGE, NULL);
    const cJSON *mounts = at(config, "mounts", NULL);
    int count = cJSON_GetArraySize(mounts);

    assert_json(cJSON_GetArrayItem(mounts, count - 2),
                "{\"destination\":\"/data\",\"type\":\"bind\","
                "\"source\":\"/mnt/p/volumes/data\",\"options\":[\"bind\",\"nosuid\",\"nodev\",\"rw\"]}");
    assert_json(at(cJSON_GetArrayItem(mounts, count - 1), "options", NULL), "[\"bind\",\"nosuid\",\"nodev\",\"ro\"]");
}

static void a_container_gains_no_privileges(void **state)
{
    cleanup_json cJSON *config = config_of("", IMAGE, NULL);
    cleanup_free char *text = json_print(config);
    const cJSON *item;
    int namespaces = 0;

    assert_json(at(config, "process", "noNewPrivileges"), "true");
    assert_null(strstr(text, "CAP_SYS_ADMIN"));
    assert_null(strstr(text, "CAP_MKNOD"));
    assert_null(strstr(text, "CAP_NET_ADMIN"));
    assert_non_null(strstr(text, "\"/proc/sysrq-trigger\""));
    assert_non_null(strstr(text, "\"kexec_load\""));
    cJSON_ArrayForEach(item, at(config, "linux", "namespaces"))
        namespaces++;
    assert_int_equal(namespaces, 6);
    assert_non_null(strstr(text, "{\"type\":\"network\",\"path\":\"/run/netns/x\"}"));
}

static char *sealed(const char *text, const uint8_t key[static 32])
{
    uint8_t box[256];

    assert_int_equal(crypto_box_seal(box, (const uint8_t *)text, strlen(text), key), 0);
    return encode_base64(box, strlen(text) + crypto_box_SEALBYTES);
}

static void secrets_are_opened_into_the_environment(void **state)
{
    uint8_t other_public[32], other_secret[32];
    cleanup_free char *good = sealed("hunter2", public), *foreign = NULL;
    cleanup_json cJSON *config = NULL;
    struct reason reason;
    char data[512];

    crypto_box_keypair(other_public, other_secret);
    foreign = sealed("hunter2", other_public);
    snprintf(data, sizeof data, "\"secret_env\":{\"PASSWORD\":\"%s\"}", good);
    config = config_of(data, IMAGE, NULL);
    assert_string_equal(cJSON_GetArrayItem(at(config, "process", "env"), 3)->valuestring, "PASSWORD=hunter2");
    snprintf(data, sizeof data, "\"secret_env\":{\"PASSWORD\":\"%s\"}", foreign);
    assert_null(config_of(data, IMAGE, &reason));
    assert_non_null(strstr(reason.text, "PASSWORD"));
    assert_null(config_of("\"secret_env\":{\"PASSWORD\":\"AAAA\"}", IMAGE, &reason));
}

static void a_bundle_is_written_whole_and_for_root_alone(void **state)
{
    cleanup_json cJSON *container = workload(""), *volumes = cJSON_Parse("{\"\":\"/mnt/p/volumes/root\"}");
    cleanup_json cJSON *endpoint =
        cJSON_Parse("{\"netns\":\"/run/netns/x\",\"address\":\"100.64.0.2/24\",\"dns\":[\"10.0.2.3\",\"::1\"]}");
    struct bundle_request request = request_of(container, volumes, endpoint);
    char path[PATH_BYTES], *text;
    struct stat status;

    assert_int_equal(bundle_write(&request, NULL), 0);
    snprintf(path, sizeof path, "%s/c-0123-web", paths.containers);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    snprintf(path, sizeof path, "%s/c-0123-web/config.json", paths.containers);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    snprintf(path, sizeof path, "%s/c-0123-web/resolv.conf", paths.containers);
    assert_int_equal(file_read(path, 1000, &text, NULL), 0);
    assert_string_equal(text, "nameserver 10.0.2.3\nnameserver ::1\n");
    free(text);
    snprintf(path, sizeof path, "%s/c-0123-web/hosts", paths.containers);
    assert_int_equal(file_read(path, 1000, &text, NULL), 0);
    assert_non_null(strstr(text, "100.64.0.2 web\n"));
    free(text);
}

static void users_are_found_by_name_and_number_inside_the_image_alone(void **state)
{
    static const struct {
        const char *text;
        uint32_t uid, gid;
    } GOOD[] = { { "", 0, 0 },        { "0", 0, 0 },       { "root", 0, 0 },       { "web", 101, 102 },
                 { "101", 101, 102 }, { "101:5", 101, 5 }, { "web:root", 101, 0 }, { "4000", 4000, 0 } };
    static const char *const BAD[] = { "we", "web:", "web:none", "nobody", "-1", "99999999999", ":" };
    struct user user;

    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        assert_int_equal(user_find(GOOD[i].text, rootfs, &user, NULL), 0);
        assert_int_equal(user.uid, GOOD[i].uid);
        assert_int_equal(user.gid, GOOD[i].gid);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(user_find(BAD[i], rootfs, &user, NULL), REFUSED);
}

static int write_below(const char *name, const char *text)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s/%s/%s", paths.images, DIGITS, name);
    return file_write(path, text, strlen(text), 0644);
}

static int set_up(void **state)
{
    char path[PATH_BYTES];

    strcpy(folder, "/tmp/test-bundle-XXXXXX");
    if (sodium_init() < 0 || !mkdtemp(folder))
        return -1;
    crypto_box_keypair(public, secret);
    paths_set(&paths, folder, true);
    snprintf(path, sizeof path, "%s/%s/rootfs/etc", paths.images, DIGITS);
    if (file_make_folders(path, 0755) < 0 || write_below("config.json", IMAGE) < 0 ||
        write_below("rootfs/etc/passwd", "root:x:0:0::/:/bin/sh\nbroken\nweb:x:101:102::/:/bin/sh") < 0 ||
        write_below("rootfs/etc/group", "root:x:0:\nweb:x:102:\n") < 0)
        return -1;
    snprintf(path, sizeof path, "%s/%s/rootfs", paths.images, DIGITS);
    rootfs = open(path, O_PATH | O_DIRECTORY);
    return rootfs < 0;
}

static int tear_down(void **state)
{
    close(rootfs);
    return file_remove_tree(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_images_configuration_is_the_default),
        cmocka_unit_test(the_contract_overrides_the_image),
        cmocka_unit_test(what_has_nothing_to_run_is_refused),
        cmocka_unit_test(volumes_are_mounted_where_the_contract_says),
        cmocka_unit_test(a_container_gains_no_privileges),
        cmocka_unit_test(secrets_are_opened_into_the_environment),
        cmocka_unit_test(a_bundle_is_written_whole_and_for_root_alone),
        cmocka_unit_test(users_are_found_by_name_and_number_inside_the_image_alone),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
