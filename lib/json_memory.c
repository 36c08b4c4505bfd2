/* cJSON answers an allocation that fails with NULL, and takes NULL wherever it takes an item, so that an object that
 * was built without looking lacks members rather than crashes. Who must not send such a one looks here, once, at the
 * end. */

#include "lib/json.h"

#include <stdlib.h>

static bool memory_is_out;

static void *allocate(size_t size)
{
    void *bytes = malloc(size);

    memory_is_out |= bytes == NULL;
    return bytes;
}

void json_watch_memory(void)
{
    static bool watched;

    if (!watched)
        cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = allocate, .free_fn = free });
    watched = true;
    memory_is_out = false;
}

bool json_memory_is_out(void)
{
    return memory_is_out;
}
