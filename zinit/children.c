#include "zinit/children.h"

#include <stddef.h>

static uint32_t hash(pid_t pid)
{
    return table_hash_number((uint32_t)pid);
}

void children_await(struct children *children, struct child *child, pid_t pid)
{
    children_leave(children, child);
    child->pid = pid;
    table_add(&children->by_pid, &child->node, hash(pid));
}

void children_leave(struct children *children, struct child *child)
{
    if (child->pid == 0)
        return;
    table_remove(&children->by_pid, &child->node);
    child->pid = 0;
}

bool children_awaits(struct children *children, pid_t pid)
{
    return table_first(&children->by_pid, hash(pid)) != NULL;
}

void children_end(struct children *children, const siginfo_t *info)
{
    /* table_hash_number gives each number a hash of its own */
    struct table_node *node = table_first(&children->by_pid, hash(info->si_pid));
    struct child *child;

    if (!node)
        return;
    child = (struct child *)((char *)node - offsetof(struct child, node));
    children_leave(children, child);
    child->on_end(child, info);
}
