#pragma once

/* Signatures on which verifiers of Ed25519 differ, with the policy's verdict (lib/README.md). */

#include "lib/key.h"

/* Fails the test when the key_verify that it links decides otherwise; `name` tells which one that is. */
void ed25519_vectors_check(const char *name);
