#pragma once

/* A new process, in its control group from its first instruction. */

#include <stdbool.h>
#include <sys/types.h>

/* Makes a process that calls `function`, which must not return: it executes a program or _exits, and the caller sleeps
 * until then (CLONE_VFORK). A signal that we handle has its default action there; one that we ignore stays ignored.
 * `cgroup_fd`: the folder of its control group, -1: ours.
 * `shared`: it uses our memory meanwhile, so that no page table is copied: in zinit's size, a fifth of the time. Then
 * `function` must not allocate, use stdio's streams, or change what we rely on, nor call what does (getpwnam(3)); nor
 * raise(3) or abort(3), which signal the thread that the library takes it for: us.
 * Its pid, or negative errno. */
pid_t clone_process(int cgroup_fd, bool shared, void (*function)(void *argument), void *argument);
