/* storaged: finds the disks, makes pools of the empty ones, keeps volumes in them. README.md has the picture.
 *
 * $ZOS_ROOT is put before every path (tests); "" otherwise. */

#include "lib/log.h"
#include "storaged/api.h"
#include "storaged/apply.h"
#include "storaged/uevent.h"

#include <stdlib.h>

/* A dying disk holds on to a thread for as long as the kernel's time-outs take; this many may do so at once. */
#define THREADS "16"

int main(void)
{
    static struct state state;

    state.root = getenv("ZOS_ROOT") ? getenv("ZOS_ROOT") : "";
    setenv("UV_THREADPOOL_SIZE", THREADS, 0);
    if (daemon_open(&state.daemon, "storaged", API_METHODS, &state) < 0)
        return 1;
    uevent_open(&state); /* before the first scan, so that nothing falls between the two */
    daemon_ready(&state.daemon);
    apply_begin(&state);
    return daemon_run(&state.daemon);
}
