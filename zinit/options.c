/* Two stages, since -s is the socket, but behind `log` it is zinit's short form of --snapshot. */

#include "zinit/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 1000000

static const struct option KNOWN[] = {
    { "socket", required_argument, NULL, 's' },
    { "config", required_argument, NULL, 'c' },
    { "buffer", required_argument, NULL, 'b' },
    { "container", no_argument, NULL, 'C' },
    { "snapshot", no_argument, NULL, 'S' },
    { "boot", required_argument, NULL, 'B' },
    { "debug", no_argument, NULL, 'd' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static bool read_lines(const char *text, uint32_t *ret_lines)
{
    char *end;
    unsigned long lines;

    errno = 0;
    lines = strtoul(text, &end, 10);
    if (errno || *end || text[0] < '0' || text[0] > '9' || lines > LINES_MAX) {
        fprintf(stderr, "zinit: -b %s: must be a number of lines, at most %d\n", text, LINES_MAX);
        return false;
    }
    *ret_lines = (uint32_t)lines;
    return true;
}

/* Reads options by `spelling` from optind on. */
static bool read_stage(int argc, char **argv, const char *spelling, struct options *options)
{
    for (;;) {
        int option;
        optarg = NULL; /* musl leaves it as it was */
        option = getopt_long(argc, argv, spelling, KNOWN, NULL);
        if (option == -1)
            return true;
        switch (option) {
        case 's':
            if (optarg)
                options->socket_path = optarg;
            else
                options->snapshot = true;
            break;
        case 'c':
            options->dir = optarg;
            break;
        case 'b':
            if (!optarg || !read_lines(optarg, &options->lines))
                return false;
            break;
        case 'C':
            options->container = true;
            break;
        case 'S':
            options->snapshot = true;
            break;
        case 'B':
            options->boot = optarg;
            break;
        case 'd': /* zinit's: more is said; here all is said as it is */
            break;
        case 'h':
            options->help = true;
            break;
        default:
            return false;
        }
    }
}

bool options_read(int argc, char **argv, struct options *ret_options)
{
    struct options options = { .dir = OPTIONS_DIR, .socket_path = OPTIONS_SOCKET };
    bool log;

    optind = 1;
    if (!read_stage(argc, argv, "+s:c:b:dh", &options))
        return false;
    options.words_at = optind;
    log = optind < argc && strcmp(argv[optind], "log") == 0;
    if (optind < argc) {
        /* What the second stage sees as its program's name is the command. */
        int begin = optind;
        optind = 0;
        if (!read_stage(argc - begin, argv + begin, log ? "sdh" : "s:c:b:dh", &options))
            return false;
        /* The words lie behind the options now: the command goes before them. */
        argv[begin + optind - 1] = argv[begin];
        options.words_at = begin + optind - 1;
    }
    *ret_options = options;
    return true;
}

bool options_name_init(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-s") == 0 || strcmp(argv[i], "--socket") == 0)
            i++;
        else if (argv[i][0] != '-')
            return strcmp(argv[i], "init") == 0;
    }
    return false;
}
