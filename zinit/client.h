#pragma once

/* zinit's command line: commands to the zinit that runs. */

#include "zinit/options.h"

/* Does the command words[0] with what follows it; without any, `list`. The program's exit code: 0 done, 1 refused, 2
 * not understood. */
int client_run(const struct options *options, int count, char **words);
void client_help(void);
