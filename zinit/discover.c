/* The document lies in the executable. tests/unit/test_zinit_discover.c holds it against the table of methods. */

#include "zinit/discover.h"

__asm__(".section .rodata\n"
        "zinit_openrpc:\n"
        ".incbin \"zinit/openrpc.json\"\n"
        "zinit_openrpc_end:\n"
        ".byte 0\n"
        ".previous\n");
extern const char zinit_openrpc[], zinit_openrpc_end[];

void discover_call(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    size_t size = (size_t)(zinit_openrpc_end - zinit_openrpc);

    if (json_parse(zinit_openrpc, size, size, ret_result, NULL))
        rpc_error_set(ret_error, RPC_INTERNAL_ERROR, "Out of memory", "out of memory");
}
