/* Splitting into words: one pass, a word gathered in a buffer as long as the whole text, which no word can exceed,
 * and as many words as it can hold at most. */

#include "zinit/words.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

size_t words_count(char *const *words)
{
    size_t count = 0;

    while (words && words[count])
        count++;
    return count;
}

void words_free(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

int words_append(char ***words, const char *word)
{
    size_t count = words_count(*words);
    cleanup_free char *copy = strdup(word);
    char **grown = copy ? realloc(*words, (count + 2) * sizeof *grown) : NULL;

    if (!grown)
        return -ENOMEM;
    grown[count] = steal_pointer(copy);
    grown[count + 1] = NULL;
    *words = grown;
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Takes what stands between double quotes, from behind the first; returns where it ends, or NULL when it doesn't. */
static const char *take_double(const char *text, char **out)
{
    while (*text && *text != '"') {
        if (*text == '\\' && text[1] == '\n') { /* a line that goes on */
            text += 2;
            continue;
        }
        if (*text == '\\' && text[1] && strchr("$`\"\\", text[1]))
            text++;
        *(*out)++ = *text++;
    }
    return *text ? text + 1 : NULL;
}

static const char *take_single(const char *text, char **out)
{
    while (*text && *text != '\'')
        *(*out)++ = *text++;
    return *text ? text + 1 : NULL;
}

/* Takes one word; returns where it ends, or NULL when a quote stays open. */
static const char *take_word(const char *text, char *out)
{
    while (text && *text && !is_space(*text)) {
        if (*text == '"') {
            text = take_double(text + 1, &out);
        } else if (*text == '\'') {
            text = take_single(text + 1, &out);
        } else if (*text == '\\') {
            if (!text[1])
                return NULL;
            if (text[1] != '\n')
                *out++ = text[1];
            text += 2;
        } else {
            *out++ = *text++;
        }
    }
    *out = '\0';
    return text;
}

static const char *skip(const char *text)
{
    for (;;) {
        while (is_space(*text))
            text++;
        if (*text != '#')
            return text;
        text += strcspn(text, "\n");
    }
}

int words_split(const char *text, char ***ret_words, struct reason *reason)
{
    size_t size = strlen(text), count = 0;
    cleanup_free char *word = malloc(size + 1);
    char **words = calloc(size / 2 + 2, sizeof *words), **fitted;

    if (!word || !words)
        goto no_memory;
    for (text = skip(text); *text; text = skip(text)) {
        text = take_word(text, word);
        if (!text) {
            words_free(words);
            return reason_refuse(reason, NULL, "a quote (or a \\ at the end) is left open: close it");
        }
        words[count] = strdup(word);
        if (!words[count++])
            goto no_memory;
    }
    fitted = realloc(words, (count + 1) * sizeof *words);
    *ret_words = fitted ? fitted : words;
    return 0;

no_memory:
    words_free(words);
    return -ENOMEM;
}
