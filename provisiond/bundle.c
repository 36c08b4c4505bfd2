/* config.json is put together from the contract's container, the image's configuration, netd's endpoint and the fixed
 * profile. The folder is made beside its final place and renamed: the mark that plan.c looks for is never half written.
 */

#include "provisiond/bundle.h"

#include "lib/cleanup.h"
#include "lib/encode.h"
#include "lib/file.h"
#include "provisiond/image.h"
#include "provisiond/owner.h"
#include "provisiond/plan.h"
#include "provisiond/profile.h"
#include "provisiond/user.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_DEFAULT "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define NOFILE_MAX 65536

static const cJSON *data_of(const struct bundle_request *request)
{
    return json_member(request->workload, "data");
}

/* ---- process */

static void add_strings(cJSON *list, const cJSON *strings)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, strings)
        if (cJSON_IsString(item))
            cJSON_AddItemToArray(list, cJSON_CreateString(item->valuestring));
}

/* As Docker has it: an entrypoint in the contract replaces the image's and its Cmd, args replace Cmd. */
static int add_args(cJSON *process, const cJSON *data, const cJSON *config, struct reason *reason)
{
    const cJSON *entrypoint = json_member(data, "entrypoint"), *args = json_member(data, "args");
    cJSON *list = cJSON_AddArrayToObject(process, "args");
    bool own = cJSON_GetArraySize(entrypoint) > 0;

    add_strings(list, own ? entrypoint : cJSON_GetObjectItemCaseSensitive(config, "Entrypoint"));
    if (cJSON_GetArraySize(args) > 0)
        add_strings(list, args);
    else if (!own)
        add_strings(list, cJSON_GetObjectItemCaseSensitive(config, "Cmd"));
    return cJSON_GetArraySize(list) > 0 ? 0
                                        : reason_refuse(reason, "args", "neither image nor contract says what to run");
}

/* Sets "NAME=value": a later one replaces an earlier one of that name. */
static void set_env(cJSON *list, const char *name, size_t name_size, const char *pair)
{
    for (int i = 0; i < cJSON_GetArraySize(list); i++) {
        const char *other = cJSON_GetArrayItem(list, i)->valuestring;
        if (!strncmp(other, name, name_size) && other[name_size] == '=') {
            cJSON_ReplaceItemInArray(list, i, cJSON_CreateString(pair));
            return;
        }
    }
    cJSON_AddItemToArray(list, cJSON_CreateString(pair));
}

static int set_pair(cJSON *list, const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + 2;
    char *pair = malloc(size);

    if (!pair)
        return -ENOMEM;
    snprintf(pair, size, "%s=%s", name, value);
    set_env(list, name, strlen(name), pair);
    sodium_memzero(pair, size);
    free(pair);
    return 0;
}

/* Opens a sealed box into the environment. The text in it never goes anywhere but into config.json. */
static int set_secret(const struct bundle_request *request, cJSON *list, const char *name, const char *box,
                      struct reason *reason)
{
    size_t size;
    cleanup_free uint8_t *sealed = decode_base64(box, &size);
    char *text = sealed && size >= crypto_box_SEALBYTES ? sodium_malloc(size - crypto_box_SEALBYTES + 1) : NULL;
    int r = 0;

    if (!text)
        return reason_refuse(reason, "secret_env", "%s: not a sealed box", name);
    if (crypto_box_seal_open((uint8_t *)text, sealed, size, request->sealing_public, request->sealing_secret) != 0) {
        r = reason_refuse(reason, "secret_env", "%s: isn't sealed to this node's key", name);
    } else {
        text[size - crypto_box_SEALBYTES] = '\0';
        if (strlen(text) != size - crypto_box_SEALBYTES)
            r = reason_refuse(reason, "secret_env", "%s: must not hold a NUL byte", name);
        else
            set_pair(list, name, text);
    }
    sodium_free(text);
    return r;
}

static int add_env(const struct bundle_request *request, cJSON *process, const cJSON *config, struct reason *reason)
{
    cJSON *list = cJSON_AddArrayToObject(process, "env");
    const cJSON *item;
    int r = 0;

    cJSON_AddItemToArray(list, cJSON_CreateString(PATH_DEFAULT));
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(config, "Env"))
        if (cJSON_IsString(item) && strchr(item->valuestring, '='))
            set_env(list, item->valuestring, strcspn(item->valuestring, "="), item->valuestring);
    cJSON_ArrayForEach(item, json_member(data_of(request), "env"))
        set_pair(list, item->string, item->valuestring);
    cJSON_ArrayForEach(item, json_member(data_of(request), "secret_env")) {
        r = set_secret(request, list, item->string, item->valuestring, reason);
        if (r != 0)
            return r;
    }
    return 0;
}

static int add_process(const struct bundle_request *request, cJSON *bundle, const cJSON *config, int rootfs,
                       struct reason *reason)
{
    cJSON *process = cJSON_AddObjectToObject(bundle, "process"), *object;
    const char *name = json_string(data_of(request), "user"), *folder = json_string(config, "WorkingDir");
    struct user user;
    int r = add_args(process, data_of(request), config, reason);

    if (r == 0)
        r = add_env(request, process, config, reason);
    if (!name || !name[0])
        name = json_string(config, "User") ? json_string(config, "User") : "";
    if (r == 0)
        r = user_find(name, rootfs, &user, reason);
    if (r != 0)
        return r;
    object = cJSON_AddObjectToObject(process, "user");
    cJSON_AddNumberToObject(object, "uid", user.uid);
    cJSON_AddNumberToObject(object, "gid", user.gid);
    cJSON_AddStringToObject(process, "cwd", folder && folder[0] == '/' ? folder : "/");
    cJSON_AddBoolToObject(process, "terminal", false);
    cJSON_AddBoolToObject(process, "noNewPrivileges", true);
    cJSON_AddItemToObject(process, "capabilities", profile_capabilities());
    object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "type", "RLIMIT_NOFILE");
    cJSON_AddNumberToObject(object, "soft", NOFILE_MAX);
    cJSON_AddNumberToObject(object, "hard", NOFILE_MAX);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(process, "rlimits"), object);
    return 0;
}

/* ---- mounts */

static void add_bind(cJSON *mounts, const char *source, const char *target, bool read_only)
{
    const char *const OPTIONS[] = { "bind", "nosuid", "nodev", read_only ? "ro" : "rw" };
    cJSON *mount = cJSON_CreateObject();

    cJSON_AddStringToObject(mount, "destination", target);
    cJSON_AddStringToObject(mount, "type", "bind");
    cJSON_AddStringToObject(mount, "source", source);
    cJSON_AddItemToObject(mount, "options", cJSON_CreateStringArray(OPTIONS, 4));
    cJSON_AddItemToArray(mounts, mount);
}

static int add_mounts(const struct bundle_request *request, cJSON *bundle, struct reason *reason)
{
    static const char *const FILES[] = { "resolv.conf", "hosts", "hostname" };
    cJSON *mounts = profile_mounts();
    char source[PATH_BYTES], target[64];
    const cJSON *mount;

    cJSON_AddItemToObject(bundle, "mounts", mounts);
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        snprintf(source, sizeof source, "%.255s/%.200s/%s", request->paths->containers, request->service, FILES[i]);
        snprintf(target, sizeof target, "/etc/%s", FILES[i]);
        add_bind(mounts, source, target, true);
    }
    cJSON_ArrayForEach(mount, json_member(data_of(request), "mounts")) {
        const char *path = json_string(request->volumes, json_string(mount, "volume"));
        if (!path)
            return reason_refuse(reason, "mounts", "no volume %s", json_string(mount, "volume"));
        add_bind(mounts, path, json_string(mount, "target"), json_bool(mount, "read_only"));
    }
    return 0;
}

/* ---- namespaces */

static void add_namespaces(cJSON *object, const char *netns)
{
    static const char *const TYPES[] = { "pid", "ipc", "uts", "mount", "cgroup", "network" };
    cJSON *list = cJSON_AddArrayToObject(object, "namespaces");

    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "type", TYPES[i]);
        if (!strcmp(TYPES[i], "network") && netns)
            cJSON_AddStringToObject(item, "path", netns);
        cJSON_AddItemToArray(list, item);
    }
}

int bundle_config(const struct bundle_request *request, const cJSON *image, int rootfs, cJSON **ret_config,
                  struct reason *reason)
{
    cleanup_json cJSON *bundle = cJSON_CreateObject();
    cJSON *object;
    int r;

    cJSON_AddStringToObject(bundle, "ociVersion", "1.0.2");
    r = add_process(request, bundle, cJSON_GetObjectItemCaseSensitive(image, "config"), rootfs, reason);
    if (r == 0)
        r = add_mounts(request, bundle, reason);
    if (r != 0)
        return r;
    object = cJSON_AddObjectToObject(bundle, "root");
    cJSON_AddStringToObject(object, "path", "rootfs");
    cJSON_AddBoolToObject(object, "readonly", false);
    cJSON_AddStringToObject(bundle, "hostname", json_string(request->workload, "name"));
    object = cJSON_AddObjectToObject(bundle, "linux");
    add_namespaces(object, json_string(request->endpoint, "netns"));
    cJSON_AddItemToObject(object, "seccomp", profile_seccomp());
    cJSON_AddItemToObject(object, "maskedPaths", profile_masked_paths());
    cJSON_AddItemToObject(object, "readonlyPaths", profile_readonly_paths());
    *ret_config = steal_pointer(bundle);
    return 0;
}

/* ---- files */

static int write_text(const char *folder, const char *name, const char *text, mode_t mode, struct reason *reason)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "%.460s/%s", folder, name);
    return file_write(path, text, strlen(text), mode) == 0
               ? 0
               : reason_refuse(reason, "bundle", "%s can't be written: see the node's log", name);
}

static int write_json(const char *folder, const char *name, const cJSON *value, struct reason *reason)
{
    char *text = json_print(value);
    int r = text ? write_text(folder, name, text, 0600, reason) : reason_refuse(reason, NULL, "out of memory");

    if (text)
        sodium_memzero(text, strlen(text));
    free(text);
    return r;
}

static int write_etc(const struct bundle_request *request, const char *folder, struct reason *reason)
{
    char resolv[512] = "", hosts[512], hostname[128];
    const char *name = json_string(request->workload, "name"), *address = json_string(request->endpoint, "address");
    const cJSON *server;
    size_t used = 0;
    int r;

    cJSON_ArrayForEach(server, cJSON_GetObjectItemCaseSensitive(request->endpoint, "dns"))
        if (cJSON_IsString(server) && strlen(server->valuestring) < 64 && used < sizeof resolv - 80)
            used += (size_t)snprintf(resolv + used, sizeof resolv - used, "nameserver %s\n", server->valuestring);
    snprintf(hosts, sizeof hosts, "127.0.0.1 localhost\n::1 localhost\n%.*s %.100s\n",
             address ? (int)strcspn(address, "/") : 9, address ? address : "127.0.1.1", name);
    snprintf(hostname, sizeof hostname, "%.100s\n", name);
    r = write_text(folder, "resolv.conf", resolv, 0644, reason);
    if (r == 0)
        r = write_text(folder, "hosts", hosts, 0644, reason);
    return r == 0 ? write_text(folder, "hostname", hostname, 0644, reason) : r;
}

/* New volumes that the container may write to become its user's. */
static int give_volumes(const struct bundle_request *request, const cJSON *config, int rootfs, struct reason *reason)
{
    const cJSON *user = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(config, "process"), "user"),
                *mount;
    struct user owner = { (uint32_t)json_integer(user, "uid"), (uint32_t)json_integer(user, "gid") };

    cJSON_ArrayForEach(mount, json_member(data_of(request), "mounts")) {
        const char *volume = json_string(mount, "volume");
        if (!json_bool(mount, "read_only") && owner_give(json_string(request->volumes, volume), rootfs,
                                                         json_string(mount, "target"), &owner, reason) != 0)
            return reason_prefix(reason, volume);
    }
    return 0;
}

static int write_all(const struct bundle_request *request, const char *folder, struct reason *reason)
{
    const char *digest = plan_image_digest(json_string(data_of(request), "image"));
    char image_folder[PATH_BYTES], path[PATH_BYTES];
    cleanup_free char *text = NULL;
    cleanup_json cJSON *image = NULL, *config = NULL, *launch = cJSON_CreateObject();
    cleanup_close int rootfs = -1;
    size_t size;
    int r;

    snprintf(image_folder, sizeof image_folder, "%.255s/%.64s", request->paths->images, digest + strlen("sha256:"));
    snprintf(path, sizeof path, "%.400s/config.json", image_folder);
    if (file_read(path, IMAGE_CONFIG_BYTES_MAX, &text, &size) < 0)
        return reason_refuse(reason, "image", "its configuration can't be read");
    if (json_parse(text, size, IMAGE_CONFIG_BYTES_MAX, &image, reason) != 0)
        return reason_prefix(reason, "image's configuration");
    snprintf(path, sizeof path, "%.400s/rootfs", image_folder);
    rootfs = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    cJSON_AddStringToObject(launch, "lower", path);
    cJSON_AddStringToObject(launch, "volume", json_string(request->volumes, ""));
    r = bundle_config(request, image, rootfs, &config, reason);
    if (r == 0)
        r = give_volumes(request, config, rootfs, reason);
    if (r == 0)
        r = write_etc(request, folder, reason);
    if (r == 0)
        r = write_json(folder, "launch.json", launch, reason);
    return r == 0 ? write_json(folder, "config.json", config, reason) : r;
}

int bundle_write(const struct bundle_request *request, struct reason *reason)
{
    char final[PATH_BYTES], part[PATH_BYTES];
    int r;

    snprintf(final, sizeof final, "%.255s/%.200s", request->paths->containers, request->service);
    snprintf(part, sizeof part, "%.255s/.%.200s", request->paths->containers, request->service);
    if (file_remove_tree(part) < 0 || file_make_folders(part, 0700) < 0 || chmod(request->paths->containers, 0700) < 0)
        return reason_refuse(reason, "bundle", "the folder can't be made: see the node's log");
    r = write_all(request, part, reason);
    if (r == 0 && rename(part, final) < 0)
        r = reason_refuse(reason, "bundle", "%s", strerror(errno));
    if (r != 0)
        file_remove_tree(part);
    return r;
}
