/* Sizes and durations as people write them. Pure: tables of tests/unit/test_3bot_units.c hold it. */

#include "contrib/3bot/units.h"

#include "lib/json.h"

#include <string.h>
#include <time.h>

static const struct {
    const char *name;
    int64_t bytes;
} SIZES[] = {
    { "", 1 },
    { "B", 1 },
    { "KiB", 1LL << 10 },
    { "MiB", 1LL << 20 },
    { "GiB", 1LL << 30 },
    { "TiB", 1LL << 40 },
    { "PiB", 1LL << 50 },
    { "kB", 1000 },
    { "KB", 1000 },
    { "MB", 1000000 },
    { "GB", 1000000000 },
    { "TB", 1000000000000 },
    { "PB", 1000000000000000 },
};

static const struct {
    char name;
    int64_t seconds;
} DURATIONS[] = { { 'w', 604800 }, { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define DURATION_MAX_S (100LL * 366 * 86400)
#define FRACTION_DIGITS 3

/* Reads digits; false when there is none, or the number leaves 2^53-1. */
static bool read_digits(const char **text, int64_t *ret_number)
{
    const char *at = *text;
    int64_t number = 0;

    for (; *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (*at - '0');
        if (number > JSON_INTEGER_MAX)
            return false;
    }
    if (at == *text)
        return false;
    *text = at;
    *ret_number = number;
    return true;
}

/* Reads "12" or "1.5" as thousandths. */
static bool read_thousandths(const char **text, int64_t *ret_thousandths)
{
    int64_t whole, fraction = 0;
    const char *begin;

    if (!read_digits(text, &whole) || __builtin_mul_overflow(whole, 1000, &whole))
        return false;
    if (**text == '.') {
        begin = ++*text;
        if (!read_digits(text, &fraction) || *text - begin > FRACTION_DIGITS)
            return false;
        for (ptrdiff_t digits = *text - begin; digits < FRACTION_DIGITS; digits++)
            fraction *= 10;
    }
    *ret_thousandths = whole + fraction;
    return true;
}

int units_parse_size(const char *text, int64_t *ret_bytes, struct reason *reason)
{
    const char *at = text;
    int64_t number;

    if (!read_thousandths(&at, &number))
        return reason_refuse(reason, NULL, "must be a size such as 512MiB, 1GiB or a number of bytes");
    while (*at == ' ')
        at++;
    for (size_t i = 0; i < COUNT(SIZES); i++) {
        int64_t product;
        if (strcmp(at, SIZES[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(number, SIZES[i].bytes, &product) || product / 1000 > JSON_INTEGER_MAX)
            return reason_refuse(reason, NULL, "is more than 2^53-1 bytes");
        if (product % 1000)
            return reason_refuse(reason, NULL, "isn't a whole number of bytes");
        *ret_bytes = product / 1000;
        return 0;
    }
    return reason_refuse(reason, NULL, "unknown unit \"%.16s\": use KiB, MiB, GiB, TiB (or kB, MB, GB, TB)", at);
}

int units_parse_duration(const char *text, int64_t *ret_s, struct reason *reason)
{
    const char *at = text;
    int64_t total = 0, number;
    size_t unit = 0;

    while (*at) {
        if (!read_digits(&at, &number))
            break;
        while (unit < COUNT(DURATIONS) && DURATIONS[unit].name != *at)
            unit++;
        if (unit == COUNT(DURATIONS) || number > DURATION_MAX_S)
            break;
        total += number * DURATIONS[unit++].seconds;
        at++;
    }
    if (*at || at == text)
        return reason_refuse(reason, NULL, "must be a duration such as 90s, 30m, 1h30m, 7d or 2w");
    if (total < 1 || total > DURATION_MAX_S)
        return reason_refuse(reason, NULL, "must be between a second and 100 years");
    *ret_s = total;
    return 0;
}

int units_parse_integer(const char *text, int64_t min, int64_t max, int64_t *ret_value, struct reason *reason)
{
    const char *at = text;
    int64_t number;

    if (!read_digits(&at, &number) || *at || number < min || number > max)
        return reason_refuse(reason, NULL, "must be a number from %lld to %lld", (long long)min, (long long)max);
    *ret_value = number;
    return 0;
}

const char *units_format_size(int64_t bytes, char ret_text[static UNITS_TEXT_BYTES])
{
    static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB" };
    size_t i = 0;
    int64_t unit = 1024;

    if (bytes < 1024) {
        snprintf(ret_text, UNITS_TEXT_BYTES, "%lld B", (long long)bytes);
        return ret_text;
    }
    while (i + 1 < COUNT(names) && bytes / 1024 >= unit)
        unit *= 1024, i++;
    if (bytes % unit == 0)
        snprintf(ret_text, UNITS_TEXT_BYTES, "%lld %s", (long long)(bytes / unit), names[i]);
    else
        snprintf(ret_text, UNITS_TEXT_BYTES, "%lld.%u %s", (long long)(bytes / unit),
                 (unsigned)(bytes % unit * 10 / unit) % 10, names[i]);
    return ret_text;
}

const char *units_format_duration(int64_t seconds, char ret_text[static UNITS_TEXT_BYTES])
{
    size_t used = 0, parts = 0;

    ret_text[0] = '\0';
    for (size_t i = 0; i < COUNT(DURATIONS) && parts < 2; i++) {
        int64_t number = seconds / DURATIONS[i].seconds;
        if (!number && (i + 1 < COUNT(DURATIONS) || parts)) {
            parts += parts != 0; /* "1d" rather than "1d 5s" */
            continue;
        }
        used += (size_t)snprintf(ret_text + used, UNITS_TEXT_BYTES - used, "%s%lld%c", parts ? " " : "",
                                 (long long)number, DURATIONS[i].name);
        seconds %= DURATIONS[i].seconds;
        parts++;
    }
    return ret_text;
}

const char *units_format_milli(int64_t milli, char ret_text[static UNITS_TEXT_BYTES])
{
    if (milli % 1000 == 0)
        snprintf(ret_text, UNITS_TEXT_BYTES, "%lld", (long long)(milli / 1000));
    else
        snprintf(ret_text, UNITS_TEXT_BYTES, "%lld.%02lld", (long long)(milli / 1000), (long long)(milli % 1000 / 10));
    return ret_text;
}

const char *units_format_time(int64_t unix_s, char ret_text[static UNITS_TEXT_BYTES])
{
    time_t seconds = (time_t)unix_s;
    struct tm parts;

    if (!gmtime_r(&seconds, &parts) || strftime(ret_text, UNITS_TEXT_BYTES, "%Y-%m-%d %H:%M:%SZ", &parts) == 0)
        snprintf(ret_text, UNITS_TEXT_BYTES, "%lld", (long long)unix_s);
    return ret_text;
}
