/* images/<digits>/ is an image that is unpacked whole, images/<digits>.part/ one on its way, images/.gone-… what is out
 * of sight.
 */

#include "provisiond/cache.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/log.h"
#include "provisiond/paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GONE ".gone-"
#define LAUNCH_BYTES_MAX 65536
#define DIGITS 64
#define PART ".part"
#define JOURNAL_ROOM_BYTES (1024 * 1024)

static const char FULL[] =
    "the node's image cache is full: take a smaller image or another node, or end contracts that use "
    "other images here";

static bool is_full(int error)
{
    return error == EDQUOT || error == ENOSPC; /* the limit of storaged's cache; of a tmpfs */
}

/* Adds the names in a folder that are meant; a folder that isn't there is empty. */
static void each_name(const char *path, bool (*is_meant)(const char *name), cJSON *list)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    while (folder && (entry = readdir(folder)))
        if (is_meant(entry->d_name))
            cJSON_AddItemToArray(list, cJSON_CreateString(entry->d_name));
    if (folder)
        closedir(folder);
}

static bool is_gone(const char *name)
{
    return !strncmp(name, GONE, strlen(GONE));
}

static bool is_in_sight(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !is_gone(name);
}

static bool is_bundle(const char *name)
{
    return name[0] != '.';
}

cJSON *cache_list(const char *images)
{
    cJSON *list = cJSON_CreateArray();

    each_name(images, is_in_sight, list);
    return list;
}

/* The digest in a bundle's launch.json: the lower layer is images/<digits>/rootfs. */
static void add_lower(const char *path, cJSON *digests)
{
    cleanup_free char *text = NULL;
    cleanup_json cJSON *launch = NULL;
    char digest[8 + DIGITS];
    const char *lower, *slash;
    size_t size;

    if (file_read(path, LAUNCH_BYTES_MAX, &text, &size) < 0 ||
        json_parse(text, size, LAUNCH_BYTES_MAX, &launch, NULL) != 0)
        return;
    lower = json_string(launch, "lower");
    slash = lower ? strrchr(lower, '/') : NULL;
    if (!slash || slash - lower < DIGITS || strspn(slash - DIGITS, "0123456789abcdef") != DIGITS)
        return;
    snprintf(digest, sizeof digest, "sha256:%.*s", DIGITS, slash - DIGITS);
    cJSON_AddItemToArray(digests, cJSON_CreateString(digest));
}

cJSON *cache_bundled(const char *containers)
{
    cleanup_json cJSON *bundles = cJSON_CreateArray();
    cJSON *digests = cJSON_CreateArray();
    const cJSON *bundle;
    char path[PATH_BYTES];

    each_name(containers, is_bundle, bundles);
    cJSON_ArrayForEach(bundle, bundles) {
        snprintf(path, sizeof path, "%.255s/%.200s/launch.json", containers, bundle->valuestring);
        add_lower(path, digests);
    }
    return digests;
}

int cache_hide(const char *images, const char *name)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    struct stat status;

    snprintf(from, sizeof from, "%.255s/%.200s", images, name);
    for (unsigned n = 0;; n++) {
        snprintf(to, sizeof to, "%.255s/" GONE "%u", images, n);
        if (lstat(to, &status) == 0)
            continue;
        return rename(from, to) == 0 ? 0 : log_fail(-errno, "remove %s", from);
    }
}

int cache_sweep(const char *images)
{
    cleanup_json cJSON *names = cJSON_CreateArray();
    const cJSON *name;
    char path[PATH_BYTES];
    int r = 0;

    each_name(images, is_gone, names);
    cJSON_ArrayForEach(name, names) {
        int removed;
        snprintf(path, sizeof path, "%.255s/%.200s", images, name->valuestring);
        removed = file_remove_tree(path);
        r = r == 0 ? removed : r;
    }
    return r;
}

static int hold(const char *images, off_t bytes)
{
    int fd = open(images, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), error;

    if (fd < 0 || fallocate(fd, 0, 0, bytes) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

int cache_hold_room(const char *images)
{
    return hold(images, CACHE_ROOM_BYTES);
}

static bool is_on_its_way(const char *name)
{
    size_t size = strlen(name);

    return size > strlen(PART) && !strcmp(name + size - strlen(PART), PART);
}

void cache_make_room(const char *images)
{
    int fd = hold(images, JOURNAL_ROOM_BYTES);
    cleanup_json cJSON *names = NULL;
    const cJSON *name;

    if (fd >= 0)
        close(fd);
    if (fd >= 0 || !is_full(errno))
        return;
    names = cJSON_CreateArray();
    each_name(images, is_on_its_way, names);
    cJSON_ArrayForEach(name, names) {
        log_warning("the cache is full: %s goes, half fetched", name->valuestring);
        cache_hide(images, name->valuestring);
    }
    cache_sweep(images);
}

int cache_refuse(struct reason *reason, const char *place, int error)
{
    return reason_refuse(reason, place, "%s", is_full(error) ? FULL : strerror(error));
}

bool cache_says_full(const struct reason *reason)
{
    return strstr(reason->text, FULL) != NULL;
}
