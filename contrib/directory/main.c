/* directoryd: the grid's directory, and what goes with it. The first word says which; without one it serves. */

#include "contrib/directory/commands.h"

#include "lib/log.h"

#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
};

static const struct command COMMANDS[] = {
    { "verify", verify_run }, { "migrate", migrate_run }, { "backup", backup_run },
    { "mirror", mirror_run }, { "witness", witness_run }, { 0 },
};

int main(int argc, char **argv)
{
    log_open("directoryd");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk: 503 */
    if (sodium_init() < 0)
        return EXIT_FAILURE;
    if (argc < 2 || argv[1][0] == '-')
        return serve_run(argc, argv);
    for (const struct command *command = COMMANDS; command->name; command++) {
        if (strcmp(command->name, argv[1]) == 0)
            return command->run(argc - 1, argv + 1);
    }
    fprintf(stderr, "directoryd: there is no command %s; see directoryd --help\n", argv[1]);
    return EXIT_USAGE;
}
