/* The command line, and what is wrong with it. */

#include "contrib/directory/options.h"

#include "contrib/directory/store.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

static const char USAGE[] =
    "usage: directoryd --store URL --key FILE --listen ADDRESS:PORT [--name ORIGIN] [--heartbeat SECONDS]\n"
    "                  [--witness VKEY,URL …] [--quorum NUMBER] [--tls-cert FILE --tls-key FILE]\n"
    "                  [--behind-proxy ADDRESS …] [--connections NUMBER] [--rate-address NUMBER] [--rate-key NUMBER]\n"
    "       directoryd verify | mirror | witness | backup | migrate --help\n"
    "\n"
    "Serves the grid's directory: a verifiable log of signed statements, and the views computed from it.\n"
    "\n"
    "  --store URL              where the log is kept, sqlite:PATH or postgresql://…; made when it isn't there\n"
    "  --key FILE               the log's signing key (64 hexadecimal digits); made when it isn't there\n"
    "  --name ORIGIN            the log's name in its checkpoints (zos-directory)\n"
    "  --heartbeat SECONDS      the pace of the nodes' heartbeats, 1 to 86400 (60)\n"
    "  --witness VKEY,URL       asks this witness to cosign the checkpoints; up to 16 of them\n"
    "  --quorum NUMBER          how many of them a checkpoint needs (more than half of them)\n" SERVING_USAGE
    "  --rate-key NUMBER        statements a minute by one key; 0: no limit (600)\n"
    "  --help                   this text\n";

#define HEARTBEAT_MAX_S 86400
#define RATE_KEY_MAX 1000000
#define BEATS_PER_INTERVAL 4 /* of a node that starts again and again, or has a bad line */
#define BEATS_PER_MIN 60     /* in any case */

static int usage_error(const char *text)
{
    fprintf(stderr, "directoryd: %s\n\n%s", text, USAGE);
    return EXIT_USAGE;
}

static int read_number_option(struct options *options, int option, const char *text, long *ret_quorum)
{
    long number;

    switch (option) {
    case 'b':
        if (!serving_read_number(text, 1, HEARTBEAT_MAX_S, &number))
            return usage_error("--heartbeat must be a number of seconds from 1 to 86400");
        options->heartbeat_s = number;
        return 0;
    case 'q':
        if (!serving_read_number(text, 1, COSIGNATURE_WITNESSES_MAX, ret_quorum))
            return usage_error("--quorum must be a number of witnesses");
        return 0;
    default:
        if (!serving_read_number(text, 0, RATE_KEY_MAX, &number))
            return usage_error("--rate-key must be a number from 0 to 1000000");
        options->limits.key_per_min = (unsigned)number;
        return 0;
    }
}

static int read_option(struct options *options, int option, char *text, long *ret_quorum)
{
    struct reason reason = { 0 };

    if (option >= SERVING_LISTEN)
        return serving_take(&options->serving, option, text, &reason) ? usage_error(reason.text) : 0;
    switch (option) {
    case 's':
        options->store = text;
        return 0;
    case 'k':
        options->key = text;
        return 0;
    case 'n':
        options->name = text;
        return 0;
    case 'w':
        return gather_add_witness(&options->gather, text, &reason) ? usage_error(reason.text) : 0;
    default:
        return read_number_option(options, option, text, ret_quorum);
    }
}

/* What each option alone doesn't show. */
static int check_options(struct options *options, long quorum)
{
    struct reason reason = { 0 };

    if (!options->store || !options->key || !options->serving.listen)
        return usage_error("--store, --key and --listen are needed");
    if (!store_backend_of(options->store))
        return usage_error("--store must be sqlite:PATH or postgresql://…");
    if (serving_check(&options->serving, &reason))
        return usage_error(reason.text);
    if (quorum > (long)options->gather.policy.count)
        return usage_error("--quorum is more than there are witnesses");
    options->gather.policy.quorum = quorum ? (unsigned)quorum : (unsigned)options->gather.policy.count / 2 + 1;
    options->limits.address_per_s = options->serving.address_per_s;
    options->limits.beats_per_min = BEATS_PER_MIN + (unsigned)(BEATS_PER_INTERVAL * 60 / options->heartbeat_s);
    return 0;
}

int options_read(int argc, char **argv, struct options *ret_options)
{
    static const struct option known[] = {
        { "store", required_argument, NULL, 's' },
        { "key", required_argument, NULL, 'k' },
        { "name", required_argument, NULL, 'n' },
        { "heartbeat", required_argument, NULL, 'b' },
        { "witness", required_argument, NULL, 'w' },
        { "quorum", required_argument, NULL, 'q' },
        SERVING_OPTIONS,
        { "rate-key", required_argument, NULL, 'r' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    struct options options = { .name = "zos-directory",
                               .heartbeat_s = 60,
                               .serving.address_per_s = SERVING_ADDRESS_PER_S,
                               .limits.key_per_min = 600 };
    long quorum = 0;
    int error = 0;

    for (int option; !error && (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        if (option == 'h') {
            fputs(USAGE, stdout);
            return EXIT_SUCCESS + 1;
        }
        if (option == '?') {
            fputs(USAGE, stderr);
            return EXIT_USAGE + 1;
        }
        error = read_option(&options, option, optarg, &quorum);
    }
    if (!error && optind < argc)
        error = usage_error("takes options only");
    if (!error)
        error = check_options(&options, quorum);
    if (error)
        return error + 1;
    *ret_options = options;
    return 0;
}
