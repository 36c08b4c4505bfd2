/* provisiond: identity, registration, contracts. Wiring only.
 *
 *   provisiond [--root FOLDER]   the daemon; FOLDER stands for "/" in tests
 *   provisiond launch FOLDER     a container's service (launch.c) */

#include "lib/http.h"
#include "lib/log.h"
#include "provisiond/api.h"
#include "provisiond/connect.h"
#include "provisiond/launch.h"
#include "provisiond/node.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int usage(void)
{
    fprintf(stderr, "usage: provisiond [--root FOLDER]\n       provisiond launch FOLDER\n");
    return 2;
}

static int serve(const char *root)
{
    static struct node node; /* outlives the jobs that are running when the loop ends */
    int code;

    /* A long poll, a heartbeat, a result, a look at the machine, tidying up, and four contracts at once; read by libuv
     * at the first job. */
    setenv("UV_THREADPOOL_SIZE", "9", 1);
    setlocale(LC_CTYPE, "C.UTF-8"); /* names in archives are UTF-8 */
    node = (struct node){ .position = -1, .heartbeat_s = NODE_HEARTBEAT_S };
    if (daemon_open(&node.daemon, "provisiond", API_METHODS, &node) < 0 || http_open() < 0)
        return 1;
    paths_set(&node.paths, root, false);
    machine_read(root, &node.machine);
    if (connect_start(&node) < 0)
        return 1;
    daemon_ready(&node.daemon);
    code = daemon_run(&node.daemon);
    /* Jobs may be waiting for the directory for a minute yet. They keep nothing that isn't in the journal: leave them.
     */
    journal_close(node.journal);
    fflush(NULL);
    _exit(code);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "launch"))
        return launch(argv[2]);
    if (argc == 3 && !strcmp(argv[1], "--root"))
        return serve(argv[2]);
    return argc == 1 ? serve("") : usage();
}
