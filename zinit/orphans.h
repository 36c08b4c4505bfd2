#pragma once

/* Processes that outlived their services, where no control group holds them together. */

/* Kills and reaps every child of this process, and what becomes its child thereby (as process 1 of a namespace, or as a
 * subreaper), for 2 s at most. */
void orphans_kill(void);
