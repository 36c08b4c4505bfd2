/* From libyaml's events to cJSON. Of YAML's riches only what JSON can say is let through, so that nobody is surprised
 * by what a node is asked for. */

#include "contrib/3bot/yaml.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#define PATH_BYTES 512

struct reader {
    yaml_parser_t parser;
    struct yaml_file *file;
    struct reason *reason;
    char path[PATH_BYTES];
    unsigned depth;
};

static int refuse_at(struct reader *reader, size_t line, const char *rule)
{
    char place[128];

    snprintf(place, sizeof place, "%.100s:%zu", reader->file->name, line + 1);
    if (reader->path[0])
        return reason_refuse(reader->reason, place, "%.200s: %s", reader->path, rule);
    return reason_refuse(reader->reason, place, "%s", rule);
}

static int refuse(struct reader *reader, const yaml_event_t *event, const char *rule)
{
    return refuse_at(reader, event->start_mark.line, rule);
}

/* The next event, the caller's (yaml_event_delete). 0, or REFUSED. */
static int next(struct reader *reader, yaml_event_t *ret_event)
{
    yaml_parser_t *parser = &reader->parser;
    char rule[256];

    if (yaml_parser_parse(parser, ret_event))
        return 0;
    snprintf(rule, sizeof rule, "%s%s%s", parser->problem ? parser->problem : "not YAML", parser->context ? ", " : "",
             parser->context ? parser->context : "");
    reader->path[0] = '\0';
    return refuse_at(reader, parser->problem_mark.line, rule);
}

static void remember(struct reader *reader, size_t line)
{
    struct yaml_file *file = reader->file;
    struct yaml_place *places = realloc(file->places, (file->places_count + 1) * sizeof *places);

    if (!places)
        return; /* a message without its line */
    file->places = places;
    places[file->places_count] = (struct yaml_place){ .path = strdup(reader->path), .line = line + 1 };
    file->places_count += places[file->places_count].path != NULL;
}

/* ---- Scalars */

/* RFC 8259, §6, without the exponent: -?(0|[1-9][0-9]*)(\.[0-9]+)? */
static bool is_number(const char *text)
{
    size_t digits;

    text += *text == '-';
    digits = strspn(text, "0123456789");
    if (!digits || (text[0] == '0' && digits > 1))
        return false;
    text += digits;
    if (*text == '.') {
        digits = strspn(text + 1, "0123456789");
        if (!digits)
            return false;
        text += 1 + digits;
    }
    return !*text;
}

static cJSON *plain_scalar(const char *text)
{
    if (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0)
        return cJSON_CreateNull();
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return cJSON_CreateBool(text[0] == 't');
    if (is_number(text))
        return cJSON_CreateNumber(strtod(text, NULL));
    return cJSON_CreateString(text);
}

static int read_scalar(struct reader *reader, const yaml_event_t *event, cJSON **ret_value)
{
    const char *text = (const char *)event->data.scalar.value;
    cJSON *value;

    if (event->data.scalar.anchor)
        return refuse(reader, event, "anchors (&name) aren't taken: write it out");
    if (event->data.scalar.tag)
        return refuse(reader, event, "tags (!name) aren't taken");
    if (strlen(text) != event->data.scalar.length)
        return refuse(reader, event, "must not hold a NUL character");
    value = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_scalar(text) : cJSON_CreateString(text);
    if (cJSON_IsNumber(value) &&
        !(value->valuedouble >= -(double)JSON_INTEGER_MAX && value->valuedouble <= (double)JSON_INTEGER_MAX)) {
        cJSON_Delete(value);
        return refuse(reader, event, "the number is too large to be exact");
    }
    *ret_value = value;
    return value ? 0 : refuse(reader, event, "memory is out");
}

/* ---- Collections */

static int read_value(struct reader *reader, const yaml_event_t *event, cJSON **ret_value);

/* Reads the value that the event begins at `path` + `suffix`; `line` is where one would look for it: a key's, an
 * item's. */
static int read_inner(struct reader *reader, const yaml_event_t *event, size_t line, const char *suffix,
                      cJSON **ret_value)
{
    size_t length = strlen(reader->path);
    int result;

    snprintf(reader->path + length, sizeof reader->path - length, "%s%s", length && *suffix != '[' ? "." : "", suffix);
    remember(reader, line);
    result = read_value(reader, event, ret_value);
    reader->path[length] = '\0';
    return result;
}

static int read_sequence(struct reader *reader, cJSON *array)
{
    int result = 0;

    for (size_t i = 0; !result; i++) {
        yaml_event_t event;
        cJSON *item = NULL;
        char suffix[32];
        result = next(reader, &event);
        if (result)
            return result;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        snprintf(suffix, sizeof suffix, "[%zu]", i);
        result = read_inner(reader, &event, event.start_mark.line, suffix, &item);
        if (!result)
            cJSON_AddItemToArray(array, item);
        yaml_event_delete(&event);
    }
    return result;
}

static int check_key(struct reader *reader, const yaml_event_t *event, const cJSON *object)
{
    const char *key = (const char *)event->data.scalar.value;

    if (event->type != YAML_SCALAR_EVENT)
        return refuse(reader, event, "a key must be a string");
    if (event->data.scalar.anchor || event->data.scalar.tag)
        return refuse(reader, event, "anchors and tags aren't taken");
    if (strlen(key) != event->data.scalar.length || !*key)
        return refuse(reader, event, "a key must not be empty nor hold a NUL character");
    if (strcmp(key, "<<") == 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return refuse(reader, event, "merge keys (<<) aren't taken: write it out");
    if (json_member(object, key)) {
        char rule[160];
        snprintf(rule, sizeof rule, "the key \"%.100s\" stands twice", key);
        return refuse(reader, event, rule);
    }
    return 0;
}

/* Reads one key and its value into the object; *ret_end when there is none. */
static int read_pair(struct reader *reader, cJSON *object, bool *ret_end)
{
    yaml_event_t key, value;
    cJSON *item = NULL;
    int result = next(reader, &key);

    if (result)
        return result;
    *ret_end = key.type == YAML_MAPPING_END_EVENT;
    result = *ret_end ? 0 : check_key(reader, &key, object);
    if (!result && !*ret_end)
        result = next(reader, &value);
    if (result || *ret_end) {
        yaml_event_delete(&key);
        return result;
    }
    result = read_inner(reader, &value, key.start_mark.line, (const char *)key.data.scalar.value, &item);
    if (!result)
        cJSON_AddItemToObject(object, (const char *)key.data.scalar.value, item);
    yaml_event_delete(&value);
    yaml_event_delete(&key);
    return result;
}

static int read_collection(struct reader *reader, const yaml_event_t *event, cJSON **ret_value)
{
    bool mapping = event->type == YAML_MAPPING_START_EVENT, end = false;
    cleanup_json cJSON *value = mapping ? cJSON_CreateObject() : cJSON_CreateArray();
    int result = 0;

    if (mapping ? event->data.mapping_start.anchor || event->data.mapping_start.tag
                : event->data.sequence_start.anchor || event->data.sequence_start.tag)
        return refuse(reader, event, "anchors (&name) and tags (!name) aren't taken");
    if (++reader->depth > JSON_DEPTH_MAX)
        return refuse(reader, event, "is nested too deeply");
    if (!mapping)
        result = read_sequence(reader, value);
    while (mapping && !end && !result)
        result = read_pair(reader, value, &end);
    reader->depth--;
    if (!result)
        *ret_value = steal_pointer(value);
    return result;
}

static int read_value(struct reader *reader, const yaml_event_t *event, cJSON **ret_value)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(reader, event, ret_value);
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        return read_collection(reader, event, ret_value);
    case YAML_ALIAS_EVENT:
        return refuse(reader, event, "aliases (*name) aren't taken: write it out");
    default:
        return refuse(reader, event, "a value is missing");
    }
}

/* ---- The stream */

/* Takes an event that must be of that type. */
static int expect(struct reader *reader, yaml_event_type_t type, const char *rule)
{
    yaml_event_t event;
    int result = next(reader, &event);

    if (result)
        return result;
    if (event.type != type)
        result = refuse(reader, &event, rule);
    else if (type == YAML_DOCUMENT_START_EVENT &&
             (event.data.document_start.version_directive ||
              event.data.document_start.tag_directives.start != event.data.document_start.tag_directives.end))
        result = refuse(reader, &event, "directives (%YAML, %TAG) aren't taken");
    yaml_event_delete(&event);
    return result;
}

static int read_stream(struct reader *reader, cJSON **ret_root)
{
    yaml_event_t event;
    int result = expect(reader, YAML_STREAM_START_EVENT, "not YAML");

    if (!result)
        result = expect(reader, YAML_DOCUMENT_START_EVENT, "the file is empty");
    if (!result)
        result = next(reader, &event);
    if (result)
        return result;
    result = read_value(reader, &event, ret_root);
    yaml_event_delete(&event);
    if (!result)
        result = expect(reader, YAML_DOCUMENT_END_EVENT, "only one value is taken");
    return result ? result : expect(reader, YAML_STREAM_END_EVENT, "only one document is taken");
}

static int read_yaml(struct yaml_file *file, const char *text, size_t size, struct reason *reason)
{
    struct reader reader = { .file = file, .reason = reason };
    int result;

    if (!yaml_parser_initialize(&reader.parser))
        return reason_refuse(reason, file->name, "memory is out");
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, size);
    result = read_stream(&reader, &file->root);
    yaml_parser_delete(&reader.parser);
    return result;
}

static int read_json(struct yaml_file *file, const char *text, size_t size, struct reason *reason)
{
    int result = json_parse(text, size, YAML_FILE_BYTES_MAX, &file->root, reason);

    if (result < 0)
        return reason_refuse(reason, file->name, "memory is out");
    return result ? reason_prefix(reason, file->name) : 0;
}

int yaml_file_read(const char *name, const char *text, size_t size, struct yaml_file *ret_file, struct reason *reason)
{
    struct yaml_file file = { .name = strdup(name) };
    size_t blank = 0;
    int result;

    while (blank < size && strchr(" \t\r\n", text[blank]) && text[blank])
        blank++;
    if (!file.name)
        return reason_refuse(reason, name, "memory is out");
    if (size > YAML_FILE_BYTES_MAX)
        result = reason_refuse(reason, name, "is larger than %d bytes", YAML_FILE_BYTES_MAX);
    else if (blank < size && text[blank] == '{')
        result = read_json(&file, text, size, reason);
    else
        result = read_yaml(&file, text, size, reason);
    if (result)
        yaml_file_close(&file);
    else
        *ret_file = file;
    return result;
}

void yaml_file_close(struct yaml_file *file)
{
    for (size_t i = 0; i < file->places_count; i++)
        free(file->places[i].path);
    free(file->places);
    free(file->name);
    cJSON_Delete(file->root);
    *file = (struct yaml_file){ 0 };
}

/* Whether `path` is `place` or what stands around it. */
static bool is_around(const char *path, const char *place)
{
    size_t length = strlen(path);

    return strncmp(path, place, length) == 0 && (strchr(".[:", place[length]) || !place[length]);
}

int yaml_file_refuse(const struct yaml_file *file, struct reason *reason)
{
    const struct yaml_place *best = NULL;
    char prefix[160];

    for (size_t i = 0; i < file->places_count; i++) {
        const struct yaml_place *place = &file->places[i];
        if (is_around(place->path, reason->text) && (!best || strlen(place->path) >= strlen(best->path)))
            best = place;
    }
    if (best)
        snprintf(prefix, sizeof prefix, "%.120s:%zu", file->name, best->line);
    else
        snprintf(prefix, sizeof prefix, "%.120s", file->name);
    return reason_prefix(reason, prefix);
}
