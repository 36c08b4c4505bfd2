/* The settings: `storage` of a node's settings (lib/settings.h). */

#include "storaged/wanted.h"

#include "lib/log.h"
#include "lib/settings.h"

#include <stdlib.h>
#include <string.h>

struct plan_wanted wanted_from_json(const cJSON *storage)
{
    struct plan_wanted wanted = { .claim_empty = true };
    const cJSON *item;

    cJSON_ArrayForEach(item, storage) {
        if (strcmp(item->string, "claim") != 0) {
            log_warning("settings: storage.%.64s: unknown, ignored", item->string);
            continue;
        }
        wanted.claim_empty = cJSON_IsString(item) && !strcmp(item->valuestring, "empty");
        if (!wanted.claim_empty && !(cJSON_IsString(item) && !strcmp(item->valuestring, "none")))
            log_warning("settings: storage.claim: must be \"empty\" or \"none\"; no disk is claimed");
    }
    return wanted;
}

struct plan_wanted wanted_read(const char *root)
{
    struct reason reason = { 0 };
    struct plan_wanted wanted;
    struct settings settings;

    if (settings_read(root, &settings, &reason) < 0)
        abort();
    if (reason.text[0])
        log_warning("settings: %s", reason.text);
    wanted = wanted_from_json(settings.storage);
    settings_close(&settings);
    return wanted;
}
