#pragma once

/* zinit check DIR: all that is wrong in a folder of units, before any machine reads it. */

#include <stdio.h>

/* Writes every error and warning to `out`, each with file and line, and a last line that counts them. The program's
 * exit code: 0, with warnings alone too; 1 any error; 2 the folder can't be read. */
int check_folder(const char *dir, FILE *out);
