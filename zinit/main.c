/* zinit: PID 1 of a node, a supervisor anywhere else, and the command that talks to either. */

#include "lib/log.h"
#include "zinit/api.h"
#include "zinit/book_read.h"
#include "zinit/book_writer.h"
#include "zinit/boot.h"
#include "zinit/client.h"
#include "zinit/console.h"
#include "zinit/fault.h"
#include "zinit/power.h"
#include "zinit/server.h"
#include "zinit/shutdown.h"
#include "zinit/spawn.h"
#include "zinit/supervisor.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNITS_DIR "/etc/zinit"
#define SOCKET_PATH "/run/zinit.sock"
#define EXIT_AGAIN 3 /* of a container's zinit that was told to reboot: who started it may start it again */

struct options {
    const char *dir, *socket_path;
    const char *boot; /* whose log; NULL: what is running keeps it */
    bool container, help;
};

/* The kernel's lines, and the copy of all on the disk. */
static void keep_logs(struct supervisor *supervisor)
{
    static char program[] = "/proc/self/exe", command[] = "log-writer";
    static char *const writer[] = { program, command, NULL };

    kernel_open(&supervisor->kernel, &supervisor->logs, open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    feed_open(&supervisor->feed, &supervisor->logs, &supervisor->children, writer, supervisor->env);
}

static int supervise(const struct options *options, uint64_t began_ms)
{
    static struct supervisor supervisor;
    static struct server server;
    uint64_t now_ms;
    size_t count;

    if (supervisor_open(&supervisor, options->dir, options->container) < 0)
        return 1;
    fault_watch(supervisor.log.source.fd, !options->container);
    server_open(&server, options->socket_path, API_METHODS, &supervisor);
    count = supervisor_load(&supervisor);
    now_ms = loop_now_ms();
    log_info("up, %zu units, %u.%03u s after the kernel's start, %u ms after its own", count, (unsigned)(now_ms / 1000),
             (unsigned)(now_ms % 1000), (unsigned)(now_ms - began_ms));
    if (!options->container) {
        keep_logs(&supervisor);
        power_watch(&supervisor);
        watchdog_open(&supervisor.watchdog, &supervisor);
    }
    loop_run(&supervisor.loop);
    server_close(&server);
    shutdown_finish(&supervisor);
    supervisor_close(&supervisor);
    return supervisor.shutdown == SHUTDOWN_REBOOT ? EXIT_AGAIN : 0;
}

/* The options, in any place: those of `init` and those of commands don't collide. */
static bool read_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        { "config", required_argument, NULL, 'c' }, { "socket", required_argument, NULL, 's' },
        { "container", no_argument, NULL, 'C' },    { "boot", required_argument, NULL, 'B' },
        { "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
    };
    int option;

    *options = (struct options){ .dir = UNITS_DIR, .socket_path = SOCKET_PATH };
    while ((option = getopt_long(argc, argv, "c:s:h", known, NULL)) != -1) {
        if (option == 'c')
            options->dir = optarg;
        else if (option == 's')
            options->socket_path = optarg;
        else if (option == 'C')
            options->container = true;
        else if (option == 'B')
            options->boot = optarg;
        else if (option == 'h')
            options->help = true;
        else
            return false;
    }
    return true;
}

/* The kernel starts /init with what it didn't understand of its command line as arguments: a machine's PID 1 reads
 * none. */
static int be_machine(char **argv)
{
    const struct options options = { .dir = UNITS_DIR, .socket_path = SOCKET_PATH };

    uint64_t began_ms = boot_machine(argv);

    return supervise(&options, began_ms);
}

int main(int argc, char **argv)
{
    struct options options;

    log_open("zinit");
    if (getpid() == 1 && !(argc > 1 && strcmp(argv[1], "init") == 0))
        return be_machine(argv);
    if (!read_options(argc, argv, &options))
        return 2;
    if (options.help || optind == argc) {
        client_help();
        return options.help ? 0 : 2;
    }
    if (strcmp(argv[optind], "init") == 0) {
        options.container |= getpid() != 1;
        return supervise(&options, loop_now_ms());
    }
    if (strcmp(argv[optind], "console") == 0)
        return console_run();
    if (strcmp(argv[optind], "log-writer") == 0)
        return book_writer_run(BOOK_MOUNT, SPAWN_READY_FD);
    if (strcmp(argv[optind], "log") == 0 && options.boot)
        return book_read_boot(BOOK_FOLDER, atoi(options.boot), argv[optind + 1], stdout);
    return client_run(options.socket_path, argc - optind, argv + optind);
}
