/* A unit of any bytes is either refused with a reason or keeps what unit.h promises. */

#include "zinit/unit.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void on_tale(void *context, enum unit_tale tale, const char *text)
{
    assert(text[0]);
    *(int *)context += tale == UNIT_ERROR;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct unit unit;
    struct reason reason = { "" };
    int errors = 0;
    int result = unit_parse("unit", "unit.yaml", (const char *)bytes, size, &unit, on_tale, &errors, &reason);

    if (result == REFUSED)
        assert(reason.text[0] && errors > 0);
    else
        assert(errors == 0);
    if (result != 0)
        return 0;
    assert(unit.exec && unit.exec[0]);
    assert(unit.stop_signal > 0 && unit.stop_signal < 65);
    assert(unit.limits.memory_bytes >= 0 && unit.limits.cpu_milli >= 0 && unit.limits.pids >= 0);
    assert(unit.limits.nofile >= 0 && unit.health.every_ms > 0 && unit.health.failures > 0);
    assert(unit.capabilities >> 41 == 0 && (!unit.user || *unit.user));
    for (char **path = unit.writable; path && *path; path++)
        assert((*path)[0] == '/');
    for (char **name = unit.after; name && *name; name++)
        assert(unit_name_fits(*name));
    unit_close(&unit);
    return 0;
}
