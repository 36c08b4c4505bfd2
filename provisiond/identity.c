/* Copies in order of trust: the state folder, then the pools as storaged lists them, then memory. */

#include "provisiond/identity.h"

#include "lib/file.h"
#include "lib/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The n-th place of a key on disk: 0 the cache subvolume, then the pools. false behind the last. */
static bool disk_place(const char *root, const cJSON *pools, int n, char ret_path[static PATH_BYTES])
{
    const cJSON *mounted;

    if (n == 0) {
        snprintf(ret_path, PATH_BYTES, "%s%s/%s", root, PATHS_DISK, PATHS_KEY);
        return true;
    }
    mounted = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(pools, n - 1), "mounted_at");
    if (!cJSON_IsString(mounted))
        return false;
    snprintf(ret_path, PATH_BYTES, "%s%.256s/identity/%s", root, mounted->valuestring, PATHS_KEY);
    return true;
}

static int find(const struct paths *paths, const cJSON *pools, struct key **ret_key)
{
    char path[PATH_BYTES];

    for (int n = 0; paths->on_disk && disk_place(paths->root, pools, n, path); n++)
        if (key_load(path, 0, ret_key) == 0) /* a copy that can't be read was told by key_load; the next may do */
            return 0;
    snprintf(path, sizeof path, "%s%s/%s", paths->root, PATHS_MEMORY, PATHS_KEY);
    return key_load(path, 0, ret_key);
}

/* Writes one copy when it isn't there; tells one that differs. */
static int keep_copy(const char *path, const struct key *key)
{
    struct key *other = NULL;
    char folder[PATH_BYTES];
    int r = key_load(path, 0, &other);

    if (r == 0) {
        if (strcmp(key_id(other), key_id(key)) != 0)
            log_warning("identity: %s holds another node's key, %s; it is left alone", path, key_id(other));
        key_free(other);
        return 0;
    }
    if (r != -ENOENT)
        return r;
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    r = file_make_folders(folder, 0700);
    return r < 0 ? r : key_save(key, path);
}

int identity_load(const struct paths *paths, const cJSON *pools, struct key **ret_key)
{
    char path[PATH_BYTES];
    struct key *key = NULL;
    int kept = 0, r = find(paths, pools, &key);

    if (r != 0) {
        r = key_generate(&key);
        if (r < 0)
            return log_fail(r, "identity: make a key");
        log_info("identity: new node");
    }
    if (!paths->on_disk) {
        snprintf(path, sizeof path, "%s%s/%s", paths->root, PATHS_MEMORY, PATHS_KEY);
        kept = keep_copy(path, key) == 0;
    }
    for (int n = 0; paths->on_disk && disk_place(paths->root, pools, n, path); n++)
        kept += keep_copy(path, key) == 0;
    if (!kept) {
        key_free(key);
        return log_fail(-EIO, "identity: keep the key");
    }
    *ret_key = key;
    return 0;
}

bool identity_on_disk(const char *root, const cJSON *pools)
{
    char path[PATH_BYTES];
    struct key *key = NULL;

    for (int n = 0; disk_place(root, pools, n, path); n++)
        if (key_load(path, 0, &key) == 0) {
            key_free(key);
            return true;
        }
    return false;
}
