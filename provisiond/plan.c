/* One contract, one next action. The order is in the order of the ifs: nothing of a later kind is looked at before all
 * of an earlier kind is there. */

#include "provisiond/plan.h"

#include <stdio.h>
#include <string.h>

void plan_volume_name(const char *contract, const char *workload, char ret_name[static PLAN_NAME_BYTES])
{
    snprintf(ret_name, PLAN_NAME_BYTES, "%s.%s", contract, workload);
}

void plan_root_name(const char *contract, const char *container, char ret_name[static PLAN_NAME_BYTES])
{
    snprintf(ret_name, PLAN_NAME_BYTES, "%s.%s.root", contract, container);
}

void plan_service_name(const char *contract, const char *container, char ret_name[static PLAN_NAME_BYTES])
{
    snprintf(ret_name, PLAN_NAME_BYTES, "c-%.*s-%s", PLAN_PREFIX_DIGITS, contract, container);
}

void plan_net_name(const char *contract, const char *workload, char ret_name[static PLAN_NAME_BYTES])
{
    snprintf(ret_name, PLAN_NAME_BYTES, "%.*s-%s", PLAN_PREFIX_DIGITS, contract, workload);
}

const char *plan_image_digest(const char *image)
{
    const char *at = image ? strchr(image, '@') : NULL;

    return at ? at + 1 : NULL;
}

/* The name of an item that is a string, or an object with a name. */
static const char *item_name(const cJSON *item)
{
    const cJSON *name = cJSON_IsObject(item) ? cJSON_GetObjectItemCaseSensitive(item, "name") : item;

    return cJSON_IsString(name) ? name->valuestring : NULL;
}

static bool lists(const cJSON *array, const char *name)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, array) {
        const char *other = item_name(item);
        if (other && !strcmp(other, name))
            return true;
    }
    return false;
}

/* The first name of an array that begins with `prefix`, or NULL. */
static const char *first_with_prefix(const cJSON *array, const char *prefix)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, array) {
        const char *name = item_name(item);
        if (name && !strncmp(name, prefix, strlen(prefix)))
            return name;
    }
    return NULL;
}

/* The same in the keys of an object. */
static const char *first_key_with_prefix(const cJSON *object, const char *prefix)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, object)
        if (item->string && !strncmp(item->string, prefix, strlen(prefix)))
            return item->string;
    return NULL;
}

static bool stop(const char *name, enum plan_kind kind, struct plan_action *action)
{
    if (!name)
        return false;
    *action = (struct plan_action){ .kind = kind };
    snprintf(action->name, sizeof action->name, "%s", name);
    return true;
}

static void plan_end(const struct plan_wanted *wanted, const struct plan_observed *observed, struct plan_action *action)
{
    char service[PLAN_NAME_BYTES], net[PLAN_NAME_BYTES], volume[PLAN_NAME_BYTES];

    plan_service_name(wanted->id, "", service);
    plan_net_name(wanted->id, "", net);
    plan_volume_name(wanted->id, "", volume);
    if (stop(first_key_with_prefix(observed->services, service), PLAN_CONTAINER_STOP, action) ||
        stop(first_with_prefix(observed->bundles, service), PLAN_CONTAINER_STOP, action) ||
        stop(first_with_prefix(observed->networks, net), PLAN_NETWORK_REMOVE, action) ||
        stop(first_with_prefix(observed->volumes, volume), PLAN_VOLUME_DELETE, action))
        return;
    *action = (struct plan_action){ .kind = PLAN_DONE };
}

static bool plan_network(const struct plan_wanted *wanted, const struct plan_observed *observed, const cJSON *workload,
                         struct plan_action *action)
{
    *action = (struct plan_action){ .kind = PLAN_NETWORK_APPLY, .workload = workload };
    plan_net_name(wanted->id, json_string(workload, "name"), action->name);
    return !lists(observed->networks, action->name);
}

static bool plan_volume(const struct plan_wanted *wanted, const struct plan_observed *observed, const cJSON *workload,
                        struct plan_action *action)
{
    const cJSON *data = json_member(workload, "data");

    *action = (struct plan_action){ .kind = PLAN_VOLUME_CREATE,
                                    .workload = workload,
                                    .size_bytes = json_integer(data, "size_bytes"),
                                    .media = json_string(data, "media") };
    plan_volume_name(wanted->id, json_string(workload, "name"), action->name);
    return !lists(observed->volumes, action->name);
}

static bool plan_container(const struct plan_wanted *wanted, const struct plan_observed *observed,
                           const cJSON *workload, struct plan_action *action)
{
    const cJSON *data = json_member(workload, "data");
    const char *name = json_string(workload, "name"), *digest = plan_image_digest(json_string(data, "image"));

    *action = (struct plan_action){ .kind = PLAN_IMAGE_PULL, .workload = workload };
    if (digest && !lists(observed->images, digest))
        return true;
    action->kind = PLAN_VOLUME_CREATE;
    action->size_bytes = json_integer(data, "root_size_bytes");
    action->media = "ssd";
    plan_root_name(wanted->id, name, action->name);
    if (!lists(observed->volumes, action->name))
        return true;
    *action = (struct plan_action){ .kind = PLAN_CONTAINER_START, .workload = workload };
    plan_service_name(wanted->id, name, action->name);
    return !cJSON_GetObjectItemCaseSensitive(observed->services, action->name) ||
           !lists(observed->bundles, action->name);
}

void plan_next(const struct plan_wanted *wanted, const struct plan_observed *observed, struct plan_action *ret_action)
{
    static const struct {
        const char *type;
        bool (*plan)(const struct plan_wanted *, const struct plan_observed *, const cJSON *, struct plan_action *);
    } ORDER[] = { { "network", plan_network }, { "volume", plan_volume }, { "container", plan_container } };
    const cJSON *workload;

    if (wanted->ending) {
        plan_end(wanted, observed, ret_action);
        return;
    }
    for (size_t i = 0; i < sizeof ORDER / sizeof *ORDER; i++)
        cJSON_ArrayForEach(workload, wanted->workloads)
            if (!strcmp(json_string(workload, "type"), ORDER[i].type) &&
                ORDER[i].plan(wanted, observed, workload, ret_action))
                return;
    *ret_action = (struct plan_action){ .kind = PLAN_WATCH };
}

/* ---- tidying up */

bool plan_volume_contract(const char *name, char ret_id[static PLAN_ID_BYTES])
{
    size_t digits = PLAN_ID_BYTES - 1;

    if (strspn(name, "0123456789abcdef") != digits || name[digits] != '.')
        return false;
    snprintf(ret_id, PLAN_ID_BYTES, "%s", name);
    return true;
}

/* "<digits>" or "<digits>.part", where "sha256:<digits>" is used. */
static bool is_used(const cJSON *used, const char *entry)
{
    size_t digits = strspn(entry, "0123456789abcdef");
    const char *rest = entry + digits;
    char digest[80];

    if (digits != 64 || (*rest && strcmp(rest, ".part") != 0))
        return false;
    snprintf(digest, sizeof digest, "sha256:%.64s", entry);
    return lists(used, digest);
}

void plan_tidy(const struct plan_tidied *tidied, struct plan_action *ret_action)
{
    const cJSON *item;
    char contract[PLAN_ID_BYTES];

    cJSON_ArrayForEach(item, tidied->entries)
        if (!is_used(tidied->used, item->valuestring) && stop(item->valuestring, PLAN_IMAGE_DROP, ret_action))
            return;
    cJSON_ArrayForEach(item, tidied->volumes) {
        const char *name = item_name(item);
        if (name && plan_volume_contract(name, contract) && lists(tidied->over, contract) &&
            stop(name, PLAN_VOLUME_DELETE, ret_action))
            return;
    }
    *ret_action = (struct plan_action){ .kind = PLAN_DONE };
}
