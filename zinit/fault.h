#pragma once

/* Tells on the console what kills PID 1, since the kernel panics right after. */

void fault_watch(void);
