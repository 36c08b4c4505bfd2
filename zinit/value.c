/* Reading values. Only the levels that a unit has are ever walked, so that aliases can't blow up, and mappings and
 * lists are bounded, so that a hostile file can't hold PID 1 up. */

#include "zinit/value.h"

#include "zinit/words.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 1000 /* of a mapping or a list */
#define KEY_BYTES 160

/* ---- telling */

static void tell(struct value_reader *reader, enum unit_tale tale, const char *text)
{
    if (reader->tell)
        reader->tell(reader->context, tale, text);
}

static int refuse_at(struct value_reader *reader, size_t line, const char *key, const char *rule)
{
    struct reason reason;
    char place[300];

    snprintf(place, sizeof place, "%.200s:%zu", reader->file, line);
    reason_refuse(&reason, place, "%s%s%s", key, *key ? ": " : "", rule);
    if (!reader->refused && reader->reason)
        *reader->reason = reason;
    reader->refused = true;
    tell(reader, UNIT_ERROR, reason.text);
    return REFUSED;
}

int value_refuse(struct value_reader *reader, const yaml_node_t *node, const char *key, const char *rule)
{
    return refuse_at(reader, node ? node->start_mark.line + 1 : 1, key, rule);
}

static void warn_unknown(struct value_reader *reader, const yaml_node_t *node, const char *key)
{
    char warning[512];

    snprintf(warning, sizeof warning, "%.200s:%zu: unknown key %.150s, passed over", reader->file,
             node->start_mark.line + 1, key);
    tell(reader, UNIT_WARNING, warning);
}

int value_merge(int result, int next)
{
    return next < 0 || result == 0 ? next : result;
}

/* ---- one text */

const char *value_scalar(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;

    if (node->type != YAML_SCALAR_NODE || strlen(text) != node->data.scalar.length)
        return NULL;
    return text;
}

bool value_empty(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0;
}

int value_text(struct value_reader *reader, const char *key, const yaml_node_t *node, const char **ret_text)
{
    *ret_text = value_scalar(node);
    if (!*ret_text)
        return value_refuse(reader, node, key, "must be one text, such as a word or a quoted string");
    return 0;
}

int value_copy(struct value_reader *reader, const char *key, const yaml_node_t *node, char **text)
{
    const char *value;
    int result = value_text(reader, key, node, &value);

    if (result)
        return result;
    free(*text);
    *text = *value ? strdup(value) : NULL;
    return *value && !*text ? -ENOMEM : 0;
}

int value_bool(struct value_reader *reader, const char *key, const yaml_node_t *node, bool *ret_value)
{
    const char *text = value_scalar(node);

    if (text && (strcasecmp(text, "true") == 0 || strcasecmp(text, "yes") == 0)) {
        *ret_value = true;
    } else if (text && (strcasecmp(text, "false") == 0 || strcasecmp(text, "no") == 0)) {
        *ret_value = false;
    } else {
        return value_refuse(reader, node, key, "must be true or false");
    }
    return 0;
}

int value_count(struct value_reader *reader, const char *key, const yaml_node_t *node, int64_t min, int64_t max,
                int64_t *ret_value)
{
    const char *text = value_scalar(node);
    char *end, rule[100];
    long long value = -1;

    errno = 0;
    if (text && isdigit((unsigned char)*text))
        value = strtoll(text, &end, 10);
    if (value < 0 || errno || *end || value < min || value > max) {
        snprintf(rule, sizeof rule, "must be a whole number from %" PRId64 " to %" PRId64, min, max);
        return value_refuse(reader, node, key, rule);
    }
    *ret_value = value;
    return 0;
}

int value_choice(struct value_reader *reader, const char *key, const yaml_node_t *node, const char *const *choices,
                 const char *rule, int *ret_index)
{
    const char *text = value_scalar(node);

    for (int i = 0; text && choices[i]; i++) {
        if (strcmp(text, choices[i]) == 0) {
            *ret_index = i;
            return 0;
        }
    }
    return value_refuse(reader, node, key, rule);
}

int value_command(struct value_reader *reader, const char *key, const yaml_node_t *node, char ***words)
{
    const char *text;
    struct reason inner = { "" };
    char **split = NULL;
    int result = value_text(reader, key, node, &text);

    if (result)
        return result;
    result = words_split(text, &split, &inner);
    if (result == REFUSED)
        return value_refuse(reader, node, key, inner.text);
    if (result)
        return result;
    words_free(*words);
    *words = split;
    if (!split[0]) {
        words_free(split);
        *words = NULL;
    }
    return 0;
}

/* ---- several */

int value_list(struct value_reader *reader, const char *key, const yaml_node_t *node, value_read *read_item)
{
    int result = 0;

    if (value_empty(node))
        return 0;
    if (node->type == YAML_SCALAR_NODE)
        return read_item(reader, key, node);
    if (node->type != YAML_SEQUENCE_NODE)
        return value_refuse(reader, node, key, "must be a list, one `- name` a line");
    if (node->data.sequence.items.top - node->data.sequence.items.start > ENTRIES_MAX)
        return value_refuse(reader, node, key, "has more than 1000 entries");
    for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
        result = value_merge(result, read_item(reader, key, yaml_document_get_node(&reader->document, *item)));
        if (result < 0)
            break;
    }
    return result;
}

static bool stands_before(struct value_reader *reader, const yaml_node_t *mapping, const yaml_node_pair_t *pair)
{
    const char *name = value_scalar(yaml_document_get_node(&reader->document, pair->key));

    for (yaml_node_pair_t *earlier = mapping->data.mapping.pairs.start; name && earlier < pair; earlier++) {
        const char *other = value_scalar(yaml_document_get_node(&reader->document, earlier->key));
        if (other && strcmp(other, name) == 0)
            return true;
    }
    return false;
}

/* By the table when there is one, else by the function. */
static int read_entry(struct value_reader *reader, const char *outer, const yaml_node_t *key, const yaml_node_t *value,
                      const struct value_key *keys)
{
    const char *name = value_scalar(key);
    char whole[KEY_BYTES];

    snprintf(whole, sizeof whole, "%s%s%.100s", outer, *outer ? "." : "", name ? name : "(not a text)");
    for (size_t i = 0; name && keys[i].name; i++)
        if (strcmp(name, keys[i].name) == 0)
            return keys[i].read(reader, whole, value);
    warn_unknown(reader, key, whole);
    return 0;
}

static int walk(struct value_reader *reader, const char *key, const yaml_node_t *node, const struct value_key *keys,
                int (*read_pair)(struct value_reader *, const yaml_node_t *, const yaml_node_t *))
{
    int result = 0;

    if (value_empty(node))
        return 0;
    if (node->type != YAML_MAPPING_NODE)
        return value_refuse(reader, node, key, "must be a mapping, one `name: value` a line, indented");
    if (node->data.mapping.pairs.top - node->data.mapping.pairs.start > ENTRIES_MAX)
        return value_refuse(reader, node, key, "has more than 1000 entries");
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *name = yaml_document_get_node(&reader->document, pair->key);
        yaml_node_t *value = yaml_document_get_node(&reader->document, pair->value);
        int next;
        if (stands_before(reader, node, pair))
            next = value_refuse(reader, name, value_scalar(name), "stands there twice: keep one");
        else
            next = keys ? read_entry(reader, key, name, value, keys) : read_pair(reader, name, value);
        result = value_merge(result, next);
        if (result < 0)
            break;
    }
    return result;
}

int value_mapping(struct value_reader *reader, const char *key, const yaml_node_t *node, const struct value_key *keys)
{
    return walk(reader, key, node, keys, NULL);
}

int value_pairs(struct value_reader *reader, const char *key, const yaml_node_t *node,
                int (*read_pair)(struct value_reader *, const yaml_node_t *, const yaml_node_t *))
{
    return walk(reader, key, node, NULL, read_pair);
}

/* ---- the document */

/* libyaml says of a tab that it "cannot start any token": true, and no help. */
static const char *hint(const char *text, size_t size, size_t index)
{
    return index < size && text[index] == '\t' ? ": indent with spaces, not with a tab" : "";
}

static int refuse_syntax(struct value_reader *reader, const yaml_parser_t *parser, const char *text, size_t size)
{
    char rule[300];

    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    snprintf(rule, sizeof rule, "isn't YAML: %.100s%s%.100s%s", parser->problem ? parser->problem : "unreadable",
             parser->context ? ", " : "", parser->context ? parser->context : "",
             hint(text, size, parser->problem_mark.index));
    return refuse_at(reader, parser->problem_mark.line + 1, "", rule);
}

/* What comes behind the first document would else be passed over in silence. */
static int check_end(struct value_reader *reader, yaml_parser_t *parser, const char *text, size_t size)
{
    yaml_document_t second;
    yaml_node_t *root;
    int result = 0;

    if (!yaml_parser_load(parser, &second))
        return refuse_syntax(reader, parser, text, size);
    root = yaml_document_get_root_node(&second);
    if (root)
        result = value_refuse(reader, root, "", "a second document begins here: a file is one unit");
    yaml_document_delete(&second);
    return result;
}

int value_open(struct value_reader *reader, const char *text, size_t size)
{
    yaml_parser_t parser;
    int result = 0;

    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (!yaml_parser_load(&parser, &reader->document)) {
        result = refuse_syntax(reader, &parser, text, size);
    } else {
        result = yaml_document_get_root_node(&reader->document) ? check_end(reader, &parser, text, size) : 0;
        if (result)
            yaml_document_delete(&reader->document);
    }
    yaml_parser_delete(&parser);
    return result;
}
