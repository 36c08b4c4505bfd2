/* name → manifest → config and layers → rootfs.
 *
 * The digest in the name fixes the manifest (or the index that names it), and that fixes everything else, so each part
 * is checked against the digest that led to it. Two contracts that want the same image at once: the second waits for
 * the first. */

#include "provisiond/image.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/http.h"
#include "lib/json.h"
#include "lib/log.h"
#include "provisiond/cache.h"
#include "provisiond/fetch.h"
#include "provisiond/layer.h"
#include "provisiond/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define INDEX_DEPTH_MAX 2 /* an index may name an index; ours is never deeper */

struct descriptor {
    char digest[72];
    int64_t size;
};

/* ---- names */

static bool is_digest(const char *text)
{
    size_t size = strlen(text);

    return size == 71 && !strncmp(text, "sha256:", 7) && strspn(text + 7, "0123456789abcdef") == 64;
}

int image_parse_name(const char *name, struct image_name *ret_name, struct reason *reason)
{
    struct image_name parts = { 0 };
    const char *at = name ? strchr(name, '@') : NULL, *slash = name ? strchr(name, '/') : NULL;
    char *colon;

    if (!at || !is_digest(at + 1))
        return reason_refuse(reason, "image", "must end in @sha256: and 64 digits");
    if (!slash || slash > at || slash == name || (size_t)(slash - name) >= sizeof parts.registry ||
        (size_t)(at - slash) >= sizeof parts.repository)
        return reason_refuse(reason, "image", "must be registry/repository@digest");
    snprintf(parts.registry, sizeof parts.registry, "%.*s", (int)(slash - name), name);
    snprintf(parts.repository, sizeof parts.repository, "%.*s", (int)(at - slash - 1), slash + 1);
    snprintf(parts.digest, sizeof parts.digest, "%s", at + 1);
    colon = strrchr(parts.repository, ':'); /* a tag beside the digest says nothing */
    if (colon)
        *colon = '\0';
    if (!parts.repository[0] ||
        strspn(parts.repository, "abcdefghijklmnopqrstuvwxyz0123456789._-/") != strlen(parts.repository))
        return reason_refuse(reason, "image", "the repository's name is of a-z, 0-9, '.', '_', '-' and '/'");
    if (!strcmp(parts.registry, "docker.io"))
        snprintf(parts.registry, sizeof parts.registry, "registry-1.docker.io");
    *ret_name = parts;
    return 0;
}

/* ---- documents */

static int read_descriptor(const cJSON *object, int64_t size_max, struct descriptor *ret_descriptor, const char *place,
                           struct reason *reason)
{
    const char *digest = json_string(object, "digest");
    const cJSON *size = cJSON_GetObjectItemCaseSensitive(object, "size");

    if (!digest || !is_digest(digest))
        return reason_refuse(reason, place, "the digest must be sha256");
    if (!cJSON_IsNumber(size) || size->valuedouble < 0 || size->valuedouble > (double)size_max)
        return reason_refuse(reason, place, "the size must be at most %lld", (long long)size_max);
    snprintf(ret_descriptor->digest, sizeof ret_descriptor->digest, "%s", digest);
    ret_descriptor->size = (int64_t)size->valuedouble;
    return 0;
}

/* The manifest for this machine in an index. */
static int choose(const cJSON *index, struct descriptor *ret_descriptor, struct reason *reason)
{
    const cJSON *manifest;

    cJSON_ArrayForEach(manifest, cJSON_GetObjectItemCaseSensitive(index, "manifests")) {
        const cJSON *platform = cJSON_GetObjectItemCaseSensitive(manifest, "platform");
        const char *os = json_string(platform, "os"), *architecture = json_string(platform, "architecture");
        if (os && architecture && !strcmp(os, "linux") && !strcmp(architecture, "amd64"))
            return read_descriptor(manifest, IMAGE_MANIFEST_BYTES_MAX, ret_descriptor, "manifest", reason);
    }
    return reason_refuse(reason, "index", "has no image for linux/amd64");
}

static int get_manifest(struct fetch *fetch, const char *digest, cJSON **ret_manifest, struct reason *reason)
{
    char wanted[72];

    snprintf(wanted, sizeof wanted, "%s", digest);
    for (int depth = 0; depth <= INDEX_DEPTH_MAX; depth++) {
        cleanup_free char *body = NULL;
        cleanup_json cJSON *document = NULL;
        struct descriptor chosen;
        size_t size;
        if (fetch_document(fetch, "manifests", wanted, IMAGE_MANIFEST_BYTES_MAX, &body, &size, reason) != 0 ||
            json_parse(body, size, IMAGE_MANIFEST_BYTES_MAX, &document, reason) != 0)
            return reason_prefix(reason, "manifest");
        if (!cJSON_GetObjectItemCaseSensitive(document, "manifests")) {
            *ret_manifest = steal_pointer(document);
            return 0;
        }
        if (choose(document, &chosen, reason) != 0)
            return REFUSED;
        memcpy(wanted, chosen.digest, sizeof wanted);
    }
    return reason_refuse(reason, "index", "names indexes without end");
}

/* ---- layers */

static void layer_path(const char *part, const char *digest, char ret_path[static PATH_BYTES])
{
    snprintf(ret_path, PATH_BYTES, "%.380s/layers/%s", part, digest + strlen("sha256:"));
}

static int get_layers(struct fetch *fetch, const char *part, const cJSON *layers, struct reason *reason)
{
    char path[PATH_BYTES], place[32];
    const cJSON *layer;
    int n = 0, r;

    if (!cJSON_IsArray(layers) || cJSON_GetArraySize(layers) > IMAGE_LAYERS_MAX)
        return reason_refuse(reason, "layers", "must be an array of at most %d", IMAGE_LAYERS_MAX);
    snprintf(path, sizeof path, "%.400s/layers", part);
    r = file_make_folders(path, 0700);
    if (r < 0)
        return cache_refuse(reason, "layers", -r);
    cJSON_ArrayForEach(layer, layers) {
        struct descriptor descriptor;
        snprintf(place, sizeof place, "layer %d", n++);
        if (read_descriptor(layer, IMAGE_BLOB_BYTES_MAX, &descriptor, place, reason) != 0)
            return REFUSED;
        layer_path(part, descriptor.digest, path);
        if (fetch_blob(fetch, descriptor.digest, descriptor.size, path, reason) != 0)
            return reason_prefix(reason, place);
    }
    return 0;
}

static int unpack_layers(const struct image_request *request, const char *part, const cJSON *layers, int rootfs,
                         struct reason *reason)
{
    struct layer_budget budget = { LAYER_ENTRIES_MAX, LAYER_UNPACKED_BYTES_MAX };
    char path[PATH_BYTES], place[32];
    const cJSON *layer;
    int n = 0;

    cJSON_ArrayForEach(layer, layers) {
        snprintf(place, sizeof place, "layer %d", n++);
        layer_path(part, json_string(layer, "digest"), path);
        if (layer_apply(path, rootfs, &budget, request->cancelled, request->context, reason) != 0)
            return reason_prefix(reason, place);
    }
    return 0;
}

/* ---- the whole */

static int system_failure(struct reason *reason, const char *what)
{
    return cache_refuse(reason, what, errno);
}

/* Makes what was unpacked durable, then visible under its name: a crash in between leaves nothing half. */
static int publish(const struct image_request *request, const char *from, const char *to, struct reason *reason)
{
    cleanup_close int folder = open(request->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0 || syncfs(folder) < 0 || rename(from, to) < 0 || fsync(folder) < 0)
        return system_failure(reason, "keep the image");
    return 0;
}

static int unpack(const struct image_request *request, const cJSON *manifest, const char *config, size_t config_size,
                  const char *part, const char *final, struct reason *reason)
{
    char path[PATH_BYTES];
    cleanup_close int rootfs = -1;
    int r;

    snprintf(path, sizeof path, "%.400s/rootfs", part);
    r = file_remove_tree(path);
    if (r == 0)
        r = file_make_folders(path, 0755);
    if (r < 0)
        return cache_refuse(reason, "unpack", -r);
    rootfs = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rootfs < 0)
        return system_failure(reason, "unpack");
    if (unpack_layers(request, part, cJSON_GetObjectItemCaseSensitive(manifest, "layers"), rootfs, reason) != 0) {
        file_remove_tree(path);
        return REFUSED;
    }
    snprintf(path, sizeof path, "%.400s/config.json", part);
    r = file_write(path, config, config_size, 0644);
    if (r < 0)
        return cache_refuse(reason, "unpack", -r);
    snprintf(path, sizeof path, "%.400s/layers", part);
    if (chmod(part, 0755) < 0 || file_remove_tree(path) < 0)
        return system_failure(reason, "unpack");
    return publish(request, part, final, reason);
}

static int pull(const struct image_request *request, const struct image_name *name, const char *final,
                struct reason *reason)
{
    char part[PATH_BYTES];
    struct fetch fetch = { .plain_http = request->plain_http,
                           .registry = name->registry,
                           .repository = name->repository,
                           .cancelled = request->cancelled,
                           .context = request->context };
    cleanup_json cJSON *manifest = NULL;
    cleanup_free char *config = NULL;
    cleanup_close int room = -1;
    struct descriptor descriptor;
    size_t config_size;
    int r;

    snprintf(part, sizeof part, "%.400s.part", final);
    snprintf(fetch.ca_file, sizeof fetch.ca_file, "%s/etc/ssl/ca.pem", request->root);
    if (access(fetch.ca_file, R_OK) != 0)
        fetch.ca_file[0] = '\0';
    r = file_make_folders(request->folder, 0755);
    if (r < 0)
        return cache_refuse(reason, NULL, -r);
    room = cache_hold_room(request->folder);
    if (room < 0)
        return cache_refuse(reason, NULL, errno);
    r = get_manifest(&fetch, name->digest, &manifest, reason);
    if (r == 0)
        r = read_descriptor(cJSON_GetObjectItemCaseSensitive(manifest, "config"), IMAGE_CONFIG_BYTES_MAX, &descriptor,
                            "config", reason);
    if (r == 0)
        r = fetch_document(&fetch, "blobs", descriptor.digest, IMAGE_CONFIG_BYTES_MAX, &config, &config_size, reason);
    if (r == 0)
        r = get_layers(&fetch, part, cJSON_GetObjectItemCaseSensitive(manifest, "layers"), reason);
    if (r == 0)
        r = unpack(request, manifest, config, config_size, part, final, reason);
    fetch_close(&fetch);
    if (r != 0 && cache_says_full(reason))
        file_remove_tree(part); /* what can't be finished isn't to stand in others' way */
    return r;
}

/* ---- one at a time for each image */

#define PULLS_MAX 8 /* more than the threads that could pull */

static pthread_mutex_t pulls_lock = PTHREAD_MUTEX_INITIALIZER;
static char pulls[PULLS_MAX][72];

static bool claim(const char *digest)
{
    int slot = -1;

    pthread_mutex_lock(&pulls_lock);
    for (int i = 0; i < PULLS_MAX; i++) {
        if (!pulls[i][0])
            slot = slot == -1 ? i : slot;
        else if (!strcmp(pulls[i], digest))
            slot = -2;
    }
    if (slot >= 0)
        snprintf(pulls[slot], sizeof pulls[slot], "%s", digest);
    pthread_mutex_unlock(&pulls_lock);
    return slot >= 0;
}

static void release(const char *digest)
{
    pthread_mutex_lock(&pulls_lock);
    for (int i = 0; i < PULLS_MAX; i++)
        if (!strcmp(pulls[i], digest))
            pulls[i][0] = '\0';
    pthread_mutex_unlock(&pulls_lock);
}

int image_pull(const struct image_request *request, struct reason *reason)
{
    struct image_name name;
    char final[PATH_BYTES];
    int r = image_parse_name(request->name, &name, reason);

    if (r != 0)
        return r;
    snprintf(final, sizeof final, "%.256s/%s", request->folder, name.digest + strlen("sha256:"));
    while (!claim(name.digest)) {
        if (request->cancelled && request->cancelled(request->context))
            return reason_refuse(reason, NULL, "given up");
        nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    }
    if (access(final, F_OK) != 0) {
        log_info("image %s: fetching", request->name);
        r = pull(request, &name, final, reason);
        if (r == 0)
            log_info("image %s: unpacked", request->name);
    }
    release(name.digest);
    return r;
}
