#pragma once

/* Sizes and durations as people write them, and back. */

#include "lib/reason.h"

#include <stddef.h>
#include <stdint.h>

#define UNITS_TEXT_BYTES 32

/* "1GiB", "512 MiB", "1.5GiB", "10GB", "4096", "4096B": a whole number of bytes, at most 2^53-1. Binary units are KiB
 * to PiB, decimal ones kB (or KB) to PB; a bare K, M or G could mean either and is refused. 0, or REFUSED. */
int units_parse_size(const char *text, int64_t *ret_bytes, struct reason *reason);

/* "90s", "30m", "1h", "1h30m", "7d", "2w": parts from the larger unit to the smaller, each once; at least a second, at
 * most 100 years. 0, or REFUSED. */
int units_parse_duration(const char *text, int64_t *ret_s, struct reason *reason);

/* A decimal number in min…max, nothing else. 0, or REFUSED. */
int units_parse_integer(const char *text, int64_t min, int64_t max, int64_t *ret_value, struct reason *reason);

/* "1.5 GiB" (rounded down to a tenth), "1h 30m" (its two largest parts), "2.5 CPU" of thousandths. Each returns
 * `ret_text`. */
const char *units_format_size(int64_t bytes, char ret_text[static UNITS_TEXT_BYTES]);
const char *units_format_duration(int64_t seconds, char ret_text[static UNITS_TEXT_BYTES]);
const char *units_format_milli(int64_t milli, char ret_text[static UNITS_TEXT_BYTES]);
/* "2026-01-31 12:00:00Z" of unix seconds. */
const char *units_format_time(int64_t unix_s, char ret_text[static UNITS_TEXT_BYTES]);
