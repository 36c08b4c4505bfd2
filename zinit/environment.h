#pragma once

/* What every service's environment begins with. */

#include <stdbool.h>

/* Appends to *env (words.h), in place of what has the same name there, what the lines of /etc/environment set, by the
 * rules of zinit and of pam_env(8): NAME=value, after `export ` or not; a value in '…' or "…" is what stands between
 * the quotes, any other ends before white space and # and loses the white space at its end. Blank lines and comments
 * are passed over, and so, with a warning that names `file` and the line, is what is no NAME=value and a PATH in which
 * a folder isn't absolute. `text` is changed. Memory that is out costs the variable. */
void environment_parse(const char *file, char *text, char ***env);
/* *env is the caller's (words_free), empty before: in a container zinit's own environment, but for what its own
 * supervisor tells it alone (NOTIFY_SOCKET and its kind), on a machine a PATH; then `file`'s, which may be missing.
 * PATH becomes zinit's own, so that programs are found by it. */
void environment_read(const char *file, bool container, char ***env);
