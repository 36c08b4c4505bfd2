/* Compact JSON out of a cJSON tree. cJSON's own printer writes 10^15 as "1e+15" and -0 as "-0"; here an integer that a
 * double holds exactly is printed with all its digits and nothing else, whichever version of cJSON is linked. */

#include "lib/cleanup.h"
#include "lib/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

struct output {
    char *text;
    size_t used, size;
    bool failed; /* memory was out once; all that follows is dropped */
};

static void put(struct output *output, const char *bytes, size_t size)
{
    if (output->failed)
        return;
    if (output->size - output->used <= size) {
        size_t wanted = output->used + size + 1, doubled = output->size * 2;
        char *text = realloc(output->text, wanted > doubled ? wanted : doubled);
        if (!text) {
            output->failed = true;
            return;
        }
        output->text = text;
        output->size = wanted > doubled ? wanted : doubled;
    }
    memcpy(output->text + output->used, bytes, size);
    output->used += size;
    output->text[output->used] = '\0';
}

static void put_text(struct output *output, const char *text)
{
    put(output, text, strlen(text));
}

static void put_number(struct output *output, double number)
{
    char text[32];

    if (!isfinite(number))
        snprintf(text, sizeof text, "null");
    else if (number == floor(number) && fabs(number) <= (double)JSON_INTEGER_MAX)
        snprintf(text, sizeof text, "%" PRId64, (int64_t)number);
    else {
        snprintf(text, sizeof text, "%.15g", number);
        if (strtod(text, NULL) != number)
            snprintf(text, sizeof text, "%.17g", number);
    }
    put_text(output, text);
}

/* RFC 8259 §7: what must be escaped, and nothing else. */
static bool must_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

static void put_escaped(struct output *output, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *known = strchr(from, c);
    char escape[8];

    if (known)
        snprintf(escape, sizeof escape, "\\%c", to[known - from]);
    else
        snprintf(escape, sizeof escape, "\\u%04x", c);
    put_text(output, escape);
}

static void put_string(struct output *output, const char *text)
{
    const char *begin;

    put(output, "\"", 1);
    for (begin = text; *text; text++) {
        if (!must_escape((unsigned char)*text))
            continue;
        put(output, begin, (size_t)(text - begin));
        put_escaped(output, (unsigned char)*text);
        begin = text + 1;
    }
    put(output, begin, (size_t)(text - begin));
    put(output, "\"", 1);
}

static void put_value(struct output *output, const cJSON *value)
{
    bool object = cJSON_IsObject(value);

    if (cJSON_IsString(value))
        put_string(output, value->valuestring);
    else if (cJSON_IsNumber(value))
        put_number(output, value->valuedouble);
    else if (cJSON_IsRaw(value))
        put_text(output, value->valuestring);
    else if (cJSON_IsBool(value))
        put_text(output, cJSON_IsTrue(value) ? "true" : "false");
    else if (object || cJSON_IsArray(value)) {
        put_text(output, object ? "{" : "[");
        for (const cJSON *child = value->child; child; child = child->next) {
            if (object) {
                put_string(output, child->string);
                put_text(output, ":");
            }
            put_value(output, child);
            if (child->next)
                put_text(output, ",");
        }
        put_text(output, object ? "}" : "]");
    } else
        put_text(output, "null");
}

char *json_print(const cJSON *value)
{
    struct output output = { 0 };

    put_value(&output, value);
    if (output.failed) {
        free(output.text);
        return NULL;
    }
    return output.text;
}

cJSON *json_add_integer(cJSON *object, const char *name, int64_t value)
{
    assert(value >= -JSON_INTEGER_MAX && value <= JSON_INTEGER_MAX);
    return cJSON_AddNumberToObject(object, name, (double)value);
}
