/* Requests. None blocks for longer than a btrfs transaction takes to join: what was changed is made durable behind it
 * (storaged/volume.c starts the commit). */

#include "storaged/api.h"

#include "lib/log.h"
#include "storaged/quota.h"
#include "storaged/state.h"

#include <string.h>
#include <sys/statvfs.h>

static const char *check_name(const cJSON *value)
{
    return volume_name_is_valid(value->valuestring) ? NULL : "must be [a-z0-9][a-z0-9._-]{0,127}";
}

static const char *check_media(const cJSON *value)
{
    enum disk_media media;

    return disk_media_parse(value->valuestring, &media) ? NULL : "must be \"ssd\" or \"hdd\"";
}

#define NAME_RULE                                                                                                      \
    {                                                                                                                  \
        .name = "name", .kind = JSON_STRING, .min = 1, .max = VOLUME_NAME_BYTES - 1, .check = check_name               \
    }

static const struct json_rule NO_RULES[] = { { 0 } };
static const struct json_rule NAME_RULES[] = { NAME_RULE, { 0 } };
static const struct json_rule CREATE_RULES[] = {
    NAME_RULE,
    { .name = "size_bytes", .kind = JSON_INTEGER, .min = VOLUME_SIZE_MIN, .max = JSON_INTEGER_MAX },
    { .name = "media", .kind = JSON_STRING, .min = 3, .max = 3, .check = check_media },
    { 0 },
};

/* "used", "refused: …", or what is going on with it */
static void add_disk_state(cJSON *object, const struct state_entry *entry)
{
    char text[PLAN_REASON_BYTES + 16];

    if (entry->known.stage == PLAN_REFUSED)
        snprintf(text, sizeof text, "refused: %s", entry->reason);
    else
        snprintf(text, sizeof text, "%s",
                 entry->known.stage == PLAN_USED      ? "used"
                 : entry->known.stage == PLAN_WORKING ? "being made ready"
                                                      : "being examined");
    cJSON_AddStringToObject(object, "state", text);
}

static cJSON *disk_to_json(const struct state_entry *entry)
{
    const struct disk *disk = &entry->known.disk;
    enum disk_media media = disk->rotational ? DISK_HDD : DISK_SSD;
    cJSON *object = cJSON_CreateObject();

    if (entry->known.stage == PLAN_USED)
        media = entry->pool.media;
    cJSON_AddStringToObject(object, "name", disk->name);
    cJSON_AddStringToObject(object, "media", disk_media_name(media));
    json_add_integer(object, "size_bytes", disk->size_bytes);
    cJSON_AddStringToObject(object, "model", disk->model);
    json_add_integer(object, "read_iops", entry->pool.measure.read_iops);
    json_add_integer(object, "read_bytes_per_s", entry->pool.measure.read_bytes_per_s);
    add_disk_state(object, entry);
    return object;
}

static void call_disk_list(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    const struct state *state = context;
    cJSON *result = cJSON_CreateObject(), *disks = cJSON_AddArrayToObject(result, "disks");

    for (size_t i = 0; i < state->count; i++)
        cJSON_AddItemToArray(disks, disk_to_json(&state->entries[i]));
    *ret_result = result;
}

static cJSON *pool_to_json(const struct pool *pool)
{
    cJSON *object = cJSON_CreateObject();
    char path[64];
    struct statvfs status;

    snprintf(path, sizeof path, "/mnt/%s", pool->label);
    cJSON_AddStringToObject(object, "label", pool->label);
    cJSON_AddStringToObject(object, "disk", pool->disk);
    cJSON_AddStringToObject(object, "media", disk_media_name(pool->media));
    json_add_integer(object, "size_bytes", pool->size_bytes);
    json_add_integer(object, "free_bytes",
                     fstatvfs(pool->top_fd, &status) == 0 ? (int64_t)(status.f_bavail * status.f_frsize) : 0);
    cJSON_AddStringToObject(object, "mounted_at", path);
    return object;
}

static void call_pool_list(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    const struct state *state = context;
    cJSON *result = cJSON_CreateObject(), *pools = cJSON_AddArrayToObject(result, "pools");

    for (size_t i = 0; i < state->count; i++)
        if (state->entries[i].known.stage == PLAN_USED)
            cJSON_AddItemToArray(pools, pool_to_json(&state->entries[i].pool));
    *ret_result = result;
}

static cJSON *volume_to_json(const struct volume *volume, const struct pool *pool, bool with_used)
{
    cJSON *object = cJSON_CreateObject();
    char path[VOLUME_NAME_BYTES + 64];
    int64_t limit, used = 0;

    snprintf(path, sizeof path, "/mnt/%s/volumes/%s", pool->label, volume->name);
    cJSON_AddStringToObject(object, "name", volume->name);
    cJSON_AddStringToObject(object, "path", path);
    json_add_integer(object, "size_bytes", volume->size_bytes);
    cJSON_AddStringToObject(object, "media", disk_media_name(pool->media));
    if (with_used) {
        quota_read(pool->top_fd, volume->subvolume_id, &limit, &used);
        json_add_integer(object, "used_bytes", used);
    }
    return object;
}

/* Before it is settled, a volume that isn't known may lie on a disk that wasn't looked at yet: "there is none" would be
 * a lie, on which whoever asks might forget it. */
static bool is_settled(const struct state *state, struct rpc_error *ret_error)
{
    if (!state->settled)
        rpc_error_set(ret_error, RPC_NOT_YET, "volumes aren't known yet", "the disks are still being examined");
    return state->settled;
}

static void call_volume_create(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    struct reason reason = { 0 };
    struct state_entry *entry;
    struct volume *volume;
    enum disk_media media;
    int r;

    disk_media_parse(json_string(params, "media"), &media);
    if (!is_settled(context, ret_error))
        return;
    r = state_make_volume(context, json_string(params, "name"), json_integer(params, "size_bytes"), media, &volume,
                          &entry, &reason);
    if (r == 0)
        *ret_result = volume_to_json(volume, &entry->pool, false);
    else if (r == REFUSED)
        rpc_error_set(ret_error, RPC_REFUSED, "volume can't be made", reason.text);
    else
        rpc_error_set(ret_error, RPC_INTERNAL_ERROR, "volume can't be made", strerror(-r));
}

static void call_volume_delete(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    int r;

    if (!is_settled(context, ret_error))
        return;
    r = state_delete_volume(context, json_string(params, "name"));
    if (r == 0)
        *ret_result = cJSON_CreateObject();
    else
        rpc_error_set(ret_error, RPC_INTERNAL_ERROR, "volume can't be deleted", strerror(-r));
}

static void call_volume_get(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    struct state_entry *entry;
    struct volume *volume = state_find_volume(context, json_string(params, "name"), &entry);

    if (volume)
        *ret_result = volume_to_json(volume, &entry->pool, true);
    else if (is_settled(context, ret_error))
        rpc_error_set(ret_error, RPC_REFUSED, "no such volume", "name: there is no volume of this name");
}

static void call_volume_list(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    const struct state *state = context;
    cJSON *result, *volumes;

    if (!is_settled(state, ret_error))
        return;
    result = cJSON_CreateObject();
    volumes = cJSON_AddArrayToObject(result, "volumes");
    for (size_t i = 0; i < state->count; i++) {
        const struct pool *pool = &state->entries[i].pool;
        for (size_t j = 0; state->entries[i].known.stage == PLAN_USED && j < pool->volume_count; j++)
            cJSON_AddItemToArray(volumes, volume_to_json(&pool->volumes[j], pool, true));
    }
    *ret_result = result;
}

static void call_capacity(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    const struct state *state = context;
    cJSON *result = cJSON_CreateObject();

    cJSON_AddBoolToObject(result, "settled", state->settled);
    cJSON_AddStringToObject(result, "cache", state->cache_mounted ? "disk" : "memory");
    json_add_integer(result, "sru_bytes", state_capacity(state, DISK_SSD));
    json_add_integer(result, "hru_bytes", state_capacity(state, DISK_HDD));
    *ret_result = result;
}

const struct rpc_method API_METHODS[] = {
    { "disk.list", NO_RULES, call_disk_list },
    { "pool.list", NO_RULES, call_pool_list },
    { "volume.create", CREATE_RULES, call_volume_create },
    { "volume.delete", NAME_RULES, call_volume_delete },
    { "volume.get", NAME_RULES, call_volume_get },
    { "volume.list", NO_RULES, call_volume_list },
    { "capacity", NO_RULES, call_capacity },
    { 0 },
};
