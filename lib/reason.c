/* Reasons: the text that goes back to whoever sent something wrong. */

#include "lib/reason.h"

#include <stdarg.h>
#include <string.h>

int(reason_refuse)(struct reason *reason, const char *place, const char *rule, ...)
{
    va_list arguments;
    size_t used = 0;

    if (!reason)
        return REFUSED;
    if (place && *place) {
        snprintf(reason->text, sizeof reason->text / 2, "%s: ", place);
        used = strlen(reason->text);
    }
    va_start(arguments, rule);
    vsnprintf(reason->text + used, sizeof reason->text - used, rule, arguments);
    va_end(arguments);
    return REFUSED;
}

int(reason_prefix)(struct reason *reason, const char *prefix)
{
    struct reason inner;

    if (!reason)
        return REFUSED;
    inner = *reason;
    snprintf(reason->text, sizeof reason->text, "%.200s: %.300s", prefix, inner.text);
    return REFUSED;
}
