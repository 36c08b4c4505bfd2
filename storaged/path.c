/* Paths below the root. */

#include "storaged/path.h"

#include <stdarg.h>
#include <stdio.h>

void path_under(const char *root, char ret_path[static PATH_BYTES], const char *format, ...)
{
    va_list arguments;
    int used, more;

    used = snprintf(ret_path, PATH_BYTES, "%s", root);
    if (used >= 0 && used < PATH_BYTES) {
        va_start(arguments, format);
        more = vsnprintf(ret_path + used, PATH_BYTES - (size_t)used, format, arguments);
        va_end(arguments);
        if (more >= 0 && used + more < PATH_BYTES)
            return;
    }
    snprintf(ret_path, PATH_BYTES, "/nonexistent");
}
