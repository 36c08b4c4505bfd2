#pragma once

/* From the initramfs to a tmpfs root. */

/* Copies everything from / into a new tmpfs, each file being removed from the initramfs as soon as it is copied, moves
 * that over / and makes it the root. Mount points for the rest are there afterwards. 0, or negative errno, logged. */
int root_move(void);
