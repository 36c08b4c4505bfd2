# The sources, beside lib.a, that a unit test links, and the libraries beside UNIT_LIBS: what it tests.

test_zinit_machine_SOURCES = zinit/machine.c
test_zinit_unit_SOURCES = zinit/unit.c zinit/words.c zinit/signals.c
test_zinit_ring_SOURCES = zinit/ring.c
test_zinit_census_SOURCES = zinit/census.c
