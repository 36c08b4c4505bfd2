/* The command line: words, then options and arguments in any order. Options that every command takes are a table of
 * their own. */

#include "contrib/3bot/command.h"

#include "contrib/3bot/out.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { GLOBAL_DIRECTORY, GLOBAL_KEY, GLOBAL_CA, GLOBAL_JSON, GLOBAL_HELP };

static const struct command_option GLOBALS[] = {
    [GLOBAL_DIRECTORY] = { "directory", "URL", "the directory to ask (else $THREEBOT_DIRECTORY, else what init kept)" },
    [GLOBAL_KEY] = { "directory-key", "VKEY",
                     "its log's verifier key (else $THREEBOT_DIRECTORY_KEY, else what init kept)" },
    [GLOBAL_CA] = { "directory-ca", "FILE",
                    "PEM file of the authority of its certificate (else $THREEBOT_DIRECTORY_CA, …)" },
    [GLOBAL_JSON] = { "json", NULL, "print the result as JSON" },
    [GLOBAL_HELP] = { "help", NULL, "print this help" },
    { 0 },
};

struct line {
    const struct command *commands;
    struct call call;
    bool json, help;
};

const char *command_value(const struct call *call, const char *name)
{
    const struct command_option *options = call->command->options;

    for (size_t i = 0; options && options[i].name; i++) {
        if (strcmp(options[i].name, name) == 0)
            return call->values[i];
    }
    assert(!"an option that is asked for is in the table");
    return NULL;
}

bool command_flag(const struct call *call, const char *name)
{
    return command_value(call, name);
}

/* ---- Help */

static void print_options(const struct command_option *options)
{
    for (size_t i = 0; options && options[i].name; i++) {
        char left[48];
        snprintf(left, sizeof left, "--%s%s%s", options[i].name, options[i].value ? " " : "",
                 options[i].value ? options[i].value : "");
        printf("  %-24s %s\n", left, options[i].help);
    }
}

static int print_help(const struct command *command)
{
    printf("3bot %s%s%s%s\n\n%s\n", command->name, *command->arguments ? " " : "", command->arguments,
           command->options ? " [options]" : "", command->summary);
    if (command->details)
        printf("\n%s\n", command->details);
    if (command->options) {
        puts("\nOptions:");
        print_options(command->options);
    }
    puts("\nOptions of every command:");
    print_options(GLOBALS);
    return 0;
}

static void print_overview(const struct command *commands, FILE *stream)
{
    fputs("3bot: your key to the grid\n\nCommands (each has its own --help):\n", stream);
    for (const struct command *command = commands; command->name; command++) {
        char left[48];
        snprintf(left, sizeof left, "%s %s", command->name, command->arguments);
        fprintf(stream, "  %-20s %s\n", left, command->summary);
    }
    fputs("\nThe first steps: `3bot init`, then `3bot node list`, then `3bot deploy FILE`.\n", stream);
}

/* ---- Parsing */

/* How many of the words at `argv` are the command's name; 0 when they aren't. */
static size_t match_name(const char *name, int argc, char **argv)
{
    size_t words = 0;

    while (*name) {
        size_t length = strcspn(name, " ");
        if ((int)words >= argc || strlen(argv[words]) != length || strncmp(argv[words], name, length) != 0)
            return 0;
        name += length + (name[length] == ' ');
        words++;
    }
    return words;
}

static const struct command_option *find_option(const struct command_option *options, const char *name, size_t length)
{
    for (; options && options->name; options++) {
        if (strlen(options->name) == length && strncmp(options->name, name, length) == 0)
            return options;
    }
    return NULL;
}

static void take_global(struct line *line, size_t which, const char *value)
{
    switch (which) {
    case GLOBAL_DIRECTORY:
        line->call.overrides.directory = value;
        break;
    case GLOBAL_KEY:
        line->call.overrides.directory_key = value;
        break;
    case GLOBAL_CA:
        line->call.overrides.directory_ca = value;
        break;
    case GLOBAL_JSON:
        line->json = true;
        break;
    default:
        line->help = true;
    }
}

/* Takes the option at argv[*at], and its value, which may be the next word. 0, or OUT_USAGE, said. */
static int take_option(struct line *line, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2, *value = strchr(name, '=');
    size_t length = value ? (size_t)(value - name) : strlen(name);
    const struct command *command = line->call.command;
    const struct command_option *option = find_option(command ? command->options : NULL, name, length);
    const struct command_option *global = option ? NULL : find_option(GLOBALS, name, length);
    const struct command_option *either = option ? option : global;

    if (!either)
        return out_fail(OUT_USAGE, "unknown option --%.*s: see `3bot %s%s--help`", (int)length, name,
                        command ? command->name : "", command ? " " : "");
    if (!either->value && value)
        return out_fail(OUT_USAGE, "--%s takes no value", either->name);
    /* Two dashes are another option rather than a value; a value that has them can be given with '='. */
    if (either->value && !value && (++*at >= argc || strncmp(argv[*at], "--", 2) == 0))
        return out_fail(OUT_USAGE, "--%s needs a value: --%s %s", either->name, either->name, either->value);
    value = !either->value ? "" : value ? value + 1 : argv[*at];
    if (either->value && !*value)
        return out_fail(OUT_USAGE, "--%s needs a value that isn't empty", either->name);
    if (option && command)
        line->call.values[option - command->options] = value;
    else
        take_global(line, (size_t)(global - GLOBALS), value);
    return 0;
}

/* "farm" alone: which commands begin so. */
static int refuse_word(const struct command *commands, const char *word)
{
    size_t length = strlen(word), used = 0;
    char names[256] = "";

    for (; commands->name; commands++) {
        if (strncmp(commands->name, word, length) == 0 && commands->name[length] == ' ' && used < sizeof names)
            used +=
                (size_t)snprintf(names + used, sizeof names - used, "%s`3bot %s`", used ? ", " : "", commands->name);
    }
    if (used)
        return out_fail(OUT_USAGE, "\"%s\" is only half a command: %s", word, names);
    return out_fail(OUT_USAGE, "unknown command \"%s\": see `3bot --help`", word);
}

static int take_argument(struct line *line, int argc, char **argv, int *at)
{
    struct call *call = &line->call;
    size_t words = 0;

    if (!call->command) {
        for (const struct command *command = line->commands; command->name && !words; command++) {
            words = match_name(command->name, argc - *at, argv + *at);
            if (words)
                call->command = command;
        }
        if (!words)
            return refuse_word(line->commands, argv[*at]);
        *at += (int)words - 1;
        return 0;
    }
    if (call->arguments_count >= call->command->arguments_max)
        return out_fail(OUT_USAGE, "\"%s\" is one too many: 3bot %s %s", argv[*at], call->command->name,
                        call->command->arguments);
    call->arguments[call->arguments_count++] = argv[*at];
    return 0;
}

static int read_line(struct line *line, int argc, char **argv)
{
    bool only_arguments = false;
    int result = 0;

    for (int at = 1; at < argc && !result; at++) {
        if (!only_arguments && strcmp(argv[at], "--") == 0)
            only_arguments = true;
        else if (!only_arguments && strcmp(argv[at], "-h") == 0)
            line->help = true;
        else if (!only_arguments && strncmp(argv[at], "--", 2) == 0)
            result = take_option(line, argc, argv, &at);
        else
            result = take_argument(line, argc, argv, &at);
    }
    return result;
}

int command_main(const struct command *commands, int argc, char **argv)
{
    struct line line = { .commands = commands };
    int result;

    for (int i = 1; i < argc; i++) /* known first, so that a complaint about the rest is JSON too */
        line.json |= strcmp(argv[i], "--json") == 0;
    out_open(line.json);
    result = read_line(&line, argc, argv);
    if (result)
        return result;
    if (line.help && line.call.command)
        return print_help(line.call.command);
    if (line.help || !line.call.command) {
        print_overview(commands, line.help ? stdout : stderr);
        return line.help ? 0 : OUT_USAGE;
    }
    if (line.call.arguments_count < line.call.command->arguments_min)
        return out_fail(OUT_USAGE, "%s is missing: 3bot %s %s", line.call.command->arguments, line.call.command->name,
                        line.call.command->arguments);
    return line.call.command->run(&line.call);
}
