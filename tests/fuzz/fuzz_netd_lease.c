/* A DHCP message of any bytes never makes lease_parse read past them, and what it accepts holds its promises. The entry
 * point is libFuzzer's (clang -fsanitize=fuzzer,address); seeds lie in corpus/netd_lease. */

#include "netd/lease.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct lease lease;
    struct reason reason;
    if (lease_parse(bytes, size, &lease, &reason) != 0)
        return 0;
    assert(prefix_usable(&lease.address) && lease.address.length <= 32);
    assert(lease.gateway.family == 0 || prefix_usable(&lease.gateway));
    assert(lease.dns_count <= LEASE_DNS_MAX);
    for (size_t i = 0; i < lease.dns_count; i++)
        assert(prefix_usable(&lease.dns[i]));
    return 0;
}
