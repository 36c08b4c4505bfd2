# The sources, beside lib.a, that a unit test links, and the libraries beside UNIT_LIBS: what it tests.

test_zinit_machine_SOURCES = zinit/machine.c
test_zinit_unit_SOURCES = zinit/unit.c zinit/words.c zinit/signals.c
test_zinit_ring_SOURCES = zinit/ring.c
test_zinit_census_SOURCES = zinit/census.c

test_storaged_plan_SOURCES = storaged/plan.c
test_storaged_disk_SOURCES = $(addprefix storaged/, path.c disk.c probe.c measure.c)
test_storaged_disk_LIBS = -lblkid -luring
