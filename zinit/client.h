#pragma once

/* zinit's command line: commands to the zinit that runs. */

/* Does the command argv[0] with what follows it. The program's exit code: 0 done, 1 refused, 2 not understood. */
int client_run(const char *socket_path, int argc, char **argv);
void client_help(void);
