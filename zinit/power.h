#pragma once

/* The power button. */

#include "zinit/supervisor.h"

/* Watches every input device that has a power key: pressed, it begins an orderly power-off. How many there are. */
size_t power_watch(struct supervisor *supervisor);
