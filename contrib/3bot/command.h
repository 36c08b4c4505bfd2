#pragma once

/* A command is a row of a table: its words, what may stand behind them, its help, and the function that runs it. */

#include "contrib/3bot/config.h"

#include <stdbool.h>
#include <stddef.h>

#define COMMAND_OPTIONS_MAX 12
#define COMMAND_ARGUMENTS_MAX 2

struct command_option {
    const char *name;  /* without the dashes */
    const char *value; /* what stands for its value in the help; NULL: a flag */
    const char *help;
};

struct call;

struct command {
    const char *name;      /* "farm create" */
    const char *arguments; /* "NAME", "[ID]", or "" */
    size_t arguments_min, arguments_max;
    const char *summary;                  /* a line */
    const char *details;                  /* more lines for its --help, or NULL */
    const struct command_option *options; /* ends with a NULL name; or NULL */
    int (*run)(struct call *call);        /* the exit code */
};

/* A command as it was typed. */
struct call {
    const struct command *command;
    const char *arguments[COMMAND_ARGUMENTS_MAX];
    size_t arguments_count;
    const char *values[COMMAND_OPTIONS_MAX]; /* by the option's place in its table; flags have "" */
    struct config_overrides overrides;
};

/* The value of an option; NULL when it wasn't given. A flag that was given has "". */
const char *command_value(const struct call *call, const char *name);
bool command_flag(const struct call *call, const char *name);

/* Reads the command line against the table (which ends with a NULL name), answers --help and --version, and runs what
 * it says. The exit code. */
int command_main(const struct command *commands, int argc, char **argv);
