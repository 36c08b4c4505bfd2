#pragma once

/* Ownership in the type of a variable: what is declared `cleanup_free` or `cleanup_close` is released when the scope
 * ends, whichever way it ends; `steal_` hands it on. */

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_pointer(void *pointer)
{
    free(*(void **)pointer);
}

static inline void cleanup_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define cleanup_free __attribute__((cleanup(cleanup_free_pointer)))
/* The variable must be initialized; -1 stands for "none". */
#define cleanup_close __attribute__((cleanup(cleanup_close_fd)))

/* Gives the value of a pointer variable and leaves NULL in it. */
#define steal_pointer(pointer)                                                                                         \
    ({                                                                                                                 \
        typeof(pointer) *steal_from_ = &(pointer);                                                                     \
        typeof(pointer) steal_value_ = *steal_from_;                                                                   \
        *steal_from_ = NULL;                                                                                           \
        steal_value_;                                                                                                  \
    })

/* Gives the value of a file descriptor variable and leaves -1 in it. */
static inline int steal_fd(int *fd)
{
    int value = *fd;
    *fd = -1;
    return value;
}
