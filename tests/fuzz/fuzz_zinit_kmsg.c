/* A record of the kernel's of any bytes is either refused or keeps what kmsg.h promises. */

#include "zinit/kmsg.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct kmsg kmsg;

    if (!kmsg_parse((const char *)bytes, size, &kmsg))
        return 0;
    assert(kmsg.level >= 0 && kmsg.level <= 7 && kmsg.facility >= 0);
    assert(kmsg.size <= RING_LINE_BYTES_MAX && kmsg.size <= size);
    assert(kmsg.text[kmsg.size] == '\0' && !memchr(kmsg.text, '\n', kmsg.size));
    return 0;
}
