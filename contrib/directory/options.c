/* The command line, and what is wrong with it. */

#include "contrib/directory/options.h"

#include "contrib/directory/server.h"
#include "contrib/directory/store.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

static const char USAGE[] =
    "usage: directoryd --store URL --key FILE --listen ADDRESS:PORT [--name ORIGIN] [--heartbeat SECONDS]\n"
    "                  [--witness VKEY,URL …] [--quorum NUMBER]\n"
    "       directoryd verify | mirror | witness --help\n"
    "\n"
    "Serves the grid's directory: a verifiable log of signed statements, and the views computed from it.\n"
    "\n"
    "  --store URL              where the log is kept, sqlite:PATH or postgresql://…; made when it isn't there\n"
    "  --key FILE               the log's signing key (64 hexadecimal digits); made when it isn't there\n"
    "  --listen ADDRESS:PORT    where to listen, as in 127.0.0.1:8080 or [::1]:8080; port 0 picks one\n"
    "  --name ORIGIN            the log's name in its checkpoints (zos-directory)\n"
    "  --heartbeat SECONDS      the pace of the nodes' heartbeats, 1 to 86400 (60)\n"
    "  --witness VKEY,URL       asks this witness to cosign the checkpoints; up to 16 of them\n"
    "  --quorum NUMBER          how many of them a checkpoint needs (more than half of them)\n"
    "  --help                   this text\n";

static int usage_error(const char *text)
{
    fprintf(stderr, "directoryd: %s\n\n%s", text, USAGE);
    return EXIT_USAGE;
}

int options_read(int argc, char **argv, struct options *ret_options)
{
    static const struct option known[] = {
        { "store", required_argument, NULL, 's' },
        { "key", required_argument, NULL, 'k' },
        { "listen", required_argument, NULL, 'l' },
        { "name", required_argument, NULL, 'n' },
        { "heartbeat", required_argument, NULL, 'b' },
        { "witness", required_argument, NULL, 'w' },
        { "quorum", required_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    struct options options = { .name = "zos-directory", .heartbeat_s = 60 };
    struct reason reason = { 0 };
    long quorum = 0;
    char *end;

    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        switch (option) {
        case 's':
            options.store = optarg;
            break;
        case 'k':
            options.key = optarg;
            break;
        case 'l':
            options.listen = optarg;
            break;
        case 'n':
            options.name = optarg;
            break;
        case 'b':
            options.heartbeat_s = strtol(optarg, &end, 10);
            if (*end || options.heartbeat_s < 1 || options.heartbeat_s > 86400)
                return usage_error("--heartbeat must be a number of seconds from 1 to 86400") + 1;
            break;
        case 'w':
            if (gather_add_witness(&options.gather, optarg, &reason))
                return usage_error(reason.text) + 1;
            break;
        case 'q':
            quorum = strtol(optarg, &end, 10);
            if (*end || quorum < 1)
                return usage_error("--quorum must be a number of witnesses") + 1;
            break;
        case 'h':
            fputs(USAGE, stdout);
            return EXIT_SUCCESS + 1;
        default:
            fputs(USAGE, stderr);
            return EXIT_USAGE + 1;
        }
    }
    if (optind < argc)
        return usage_error("takes options only") + 1;
    if (!options.store || !options.key || !options.listen)
        return usage_error("--store, --key and --listen are needed") + 1;
    if (!store_backend_of(options.store))
        return usage_error("--store must be sqlite:PATH or postgresql://…") + 1;
    if (server_check_listen(options.listen, &reason))
        return usage_error(reason.text) + 1;
    if (quorum > (long)options.gather.policy.count)
        return usage_error("--quorum is more than there are witnesses") + 1;
    options.gather.policy.quorum = quorum ? (unsigned)quorum : (unsigned)options.gather.policy.count / 2 + 1;
    *ret_options = options;
    return 0;
}
