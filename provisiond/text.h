#pragma once

/* Text of others (container output, names in archives, answers of registries) on its way into a statement. */

/* Makes it valid UTF-8 (RFC 3629) without control characters but newline and tabulator; each byte that doesn't fit
 * becomes '?'. */
void text_clean(char *text);
