/* The command lines, and what is wrong with them. */

#include "contrib/directory/mirror_options.h"

#include "contrib/directory/store.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

static const char MIRROR_USAGE[] =
    "usage: directoryd mirror URL --log VKEY --store URL --listen ADDRESS:PORT [--ca FILE] [--evidence FILE]\n"
    "                         [--witness VKEY …] [--quorum NUMBER] [--tls-cert FILE --tls-key FILE]\n"
    "                         [--behind-proxy ADDRESS …] [--connections NUMBER] [--rate-address NUMBER]\n"
    "\n"
    "Keeps and serves a verified copy of the directory at URL (or of a mirror of it); what only the directory can do "
    "is\n"
    "handed on to it.\n"
    "\n"
    "  --log VKEY               the verifier key of its log, name+hash+key, as it prints it\n"
    "  --store URL              where the copy is kept (sqlite:PATH); made when it isn't there\n" SERVING_USAGE
    "  --ca FILE                authorities (PEM) for its certificate in place of the system's\n"
    "  --evidence FILE          where two signed histories are kept, should it show them (PATH.evidence)\n"
    "  --witness VKEY           the verifier key of a witness; with --quorum\n"
    "  --quorum NUMBER          how many of them must have cosigned a checkpoint before it is taken over (0)\n"
    "  --help                   this text\n";

static const char VERIFY_USAGE[] =
    "usage: directoryd verify --store URL [--log VKEY]\n"
    "       directoryd verify URL --log VKEY [--ca FILE] [--witness VKEY …] [--quorum NUMBER]\n"
    "\n"
    "Replays a whole log and checks everything: of a store (that may be in use), or of the directory or mirror at "
    "URL.\n"
    "Needs room for a second copy of the log in $TMPDIR. Exit code 0: all is well; 1: it isn't, or couldn't be looked "
    "at.\n"
    "\n"
    "  --store URL              sqlite:PATH or postgresql://…\n"
    "  --log VKEY               the verifier key that the log must have\n"
    "  --ca, --witness, --quorum   as for `directoryd mirror`\n"
    "  --help                   this text\n";

static int usage_error(const char *usage, const char *text)
{
    fprintf(stderr, "directoryd: %s\n\n%s", text, usage);
    return EXIT_USAGE + 1;
}

static int read_url(const char *text, struct mirror_options *options, struct reason *reason)
{
    if (strncmp(text, "https://", 8) != 0 && strncmp(text, "http://", 7) != 0)
        return reason_refuse(reason, NULL,
                             "%.200s: a URL must begin with https:// or http://; a store is given by --store", text);
    if (strlen(text) >= sizeof options->url)
        return reason_refuse(reason, NULL, "the URL is too long");
    snprintf(options->url, sizeof options->url, "%s", text);
    for (size_t length = strlen(options->url); length && options->url[length - 1] == '/'; length--)
        options->url[length - 1] = '\0';
    return 0;
}

static int read_quorum(const char *text, struct mirror_options *options, struct reason *reason)
{
    char *end;
    unsigned long quorum = strtoul(text, &end, 10);

    if (!*text || *end || quorum > COSIGNATURE_WITNESSES_MAX)
        return reason_refuse(reason, "--quorum", "must be a number of witnesses");
    options->witnesses.quorum = (unsigned)quorum;
    return 0;
}

static int take_option(int option, struct mirror_options *options, struct reason *reason)
{
    if (option >= SERVING_LISTEN)
        return serving_take(&options->serving, option, optarg, reason);
    switch (option) {
    case 's':
        options->store = optarg;
        return 0;
    case 'c':
        options->ca = optarg;
        return 0;
    case 'e':
        options->evidence = optarg;
        return 0;
    case 'l':
        options->has_verifier = true;
        return note_verifier_parse(optarg, &options->verifier, reason) ? reason_prefix(reason, "--log") : 0;
    case 'w':
        return cosignature_policy_add(&options->witnesses, optarg, reason) ? reason_prefix(reason, "--witness") : 0;
    case 'q':
        return read_quorum(optarg, options, reason);
    default:
        return reason_refuse(reason, NULL, "no such option");
    }
}

static int read_options(int argc, char **argv, const char *usage, struct mirror_options *options)
{
    static const struct option known[] = {
        { "store", required_argument, NULL, 's' },
        SERVING_OPTIONS,
        { "log", required_argument, NULL, 'l' },
        { "ca", required_argument, NULL, 'c' },
        { "evidence", required_argument, NULL, 'e' },
        { "witness", required_argument, NULL, 'w' },
        { "quorum", required_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    struct reason reason = { 0 };

    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        if (option == 'h') {
            fputs(usage, stdout);
            return EXIT_SUCCESS + 1;
        }
        if (take_option(option, options, &reason))
            return usage_error(usage, reason.text);
    }
    if (argc - optind > 1)
        return usage_error(usage, "one URL at most");
    if (optind < argc && read_url(argv[optind], options, &reason))
        return usage_error(usage, reason.text);
    if (options->store && !store_backend_of(options->store))
        return usage_error(usage, "--store must be sqlite:PATH or postgresql://…");
    if (options->witnesses.quorum > options->witnesses.count)
        return usage_error(usage, "--quorum is more than there are witnesses");
    return 0;
}

/* Beside the store, when that is a file. */
static void choose_evidence(struct mirror_options *options)
{
    static char path[4096];

    snprintf(path, sizeof path, "%s.evidence",
             strncmp(options->store, "sqlite:", 7) == 0 ? options->store + 7 : "directoryd-mirror");
    if (!options->evidence)
        options->evidence = path;
}

int mirror_options_read(int argc, char **argv, struct mirror_options *ret_options)
{
    struct mirror_options options = { .serving.address_per_s = SERVING_ADDRESS_PER_S };
    struct reason reason = { 0 };
    int exit_code = read_options(argc, argv, MIRROR_USAGE, &options);

    if (exit_code)
        return exit_code;
    if (!options.url[0] || !options.has_verifier || !options.store)
        return usage_error(MIRROR_USAGE, "a URL, --log and --store are needed");
    if (serving_check(&options.serving, &reason))
        return usage_error(MIRROR_USAGE, reason.text);
    choose_evidence(&options);
    *ret_options = options;
    return 0;
}

int verify_options_read(int argc, char **argv, struct mirror_options *ret_options)
{
    struct mirror_options options = { 0 };
    int exit_code = read_options(argc, argv, VERIFY_USAGE, &options);

    if (exit_code)
        return exit_code;
    if (options.serving.listen || options.evidence || !options.store == !options.url[0])
        return usage_error(VERIFY_USAGE, "either --store or a URL is needed");
    if (options.url[0] && !options.has_verifier)
        return usage_error(VERIFY_USAGE, "--log is needed: what a URL says is checked against the log's key");
    *ret_options = options;
    return 0;
}
