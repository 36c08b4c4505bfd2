/* zinit: PID 1 of a node, a supervisor anywhere else, and the command that talks to either. */

#include "lib/log.h"
#include "zinit/api.h"
#include "zinit/book_read.h"
#include "zinit/book_writer.h"
#include "zinit/boot.h"
#include "zinit/check.h"
#include "zinit/client.h"
#include "zinit/console.h"
#include "zinit/fault.h"
#include "zinit/options.h"
#include "zinit/power.h"
#include "zinit/server.h"
#include "zinit/shutdown.h"
#include "zinit/spawn.h"
#include "zinit/supervisor.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_AGAIN 3 /* of a container's zinit that was told to reboot: who started it may start it again */

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
    supervisor.logs.lines_max = options->lines;
    if (server_open(&server, options->socket_path, API_METHODS, &supervisor) < 0 && options->container && getpid() != 1)
        return 1; /* on a machine, and where it is all there is, what can be done without it is done */
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

/* The kernel starts /init with what it didn't understand of its command line as arguments: a machine's PID 1 reads
 * none. */
static int be_machine(char **argv)
{
    const struct options options = { .dir = OPTIONS_DIR, .socket_path = OPTIONS_SOCKET };

    uint64_t began_ms = boot_machine(argv);

    return supervise(&options, began_ms);
}

int main(int argc, char **argv)
{
    struct options options;
    char **words;
    int count;

    log_open("zinit");
    if (getpid() == 1 && !options_name_init(argc, argv))
        return be_machine(argv);
    if (!options_read(argc, argv, &options))
        return 2;
    words = argv + options.words_at;
    count = argc - options.words_at;
    if (options.help || (count > 0 && strcmp(words[0], "help") == 0)) {
        client_help();
        return 0;
    }
    if (count == 1 && strcmp(words[0], "init") == 0) {
        options.container |= getpid() != 1;
        return supervise(&options, loop_now_ms());
    }
    if (count == 1 && strcmp(words[0], "console") == 0)
        return console_run();
    if (count == 1 && strcmp(words[0], "log-writer") == 0)
        return book_writer_run(BOOK_MOUNT, SPAWN_READY_FD);
    if (count > 0 && count <= 2 && strcmp(words[0], "log") == 0 && options.boot)
        return book_read_boot(BOOK_FOLDER, atoi(options.boot), words[1], stdout);
    if (count == 2 && strcmp(words[0], "check") == 0)
        return check_folder(words[1], stdout);
    return client_run(&options, count, words);
}
