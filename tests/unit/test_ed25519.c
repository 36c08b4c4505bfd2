/* Signatures on which verifiers of Ed25519 differ: key_verify says of each what lib/README.md says. A libsodium that
 * decides otherwise fails here. */

#include "tests/unit/ed25519_vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include <sodium.h>

static void each_vector_gets_the_verdict_of_the_policy(void **state)
{
    char name[64];

    snprintf(name, sizeof name, "libsodium %s", sodium_version_string());
    ed25519_vectors_check(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_vector_gets_the_verdict_of_the_policy),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
