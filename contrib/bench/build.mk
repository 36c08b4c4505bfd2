# Programs of the benchmarks, and what each benchmark has to have built: only `node` needs the image.

BENCH_PROGRAMS = actor
# Those that are built for this machine, with its own libraries (libpq).
BENCH_HOST_PROGRAMS = load fill swarm
BENCH_NEEDS = host $(BENCH_PROGRAMS:%=$(B)/test/%) $(BENCH_HOST_PROGRAMS:%=$(B)/test/%) $(if $(BENCH),$(if $(filter node,$(BENCH)),image,node),image)

.PHONY: bench
bench: $(BENCH_NEEDS)

define bench_program_rule
$(B)/test/$(1): $(call objects,node,contrib/bench/$(1).c)
	@mkdir -p $$(@D)
	@$$(node_CC) $$(LDFLAGS) $$(node_CFLAGS) $$(node_LDFLAGS) $$^ -o $$@
	@strip $$@
endef
$(foreach program,$(BENCH_PROGRAMS),$(eval $(call bench_program_rule,$(program))))

load_SOURCES = $(addprefix contrib/bench/, load.c load_http.c load_postgresql.c grid.c records.c)
load_LIBS = -lcjson -lsodium -lpq
fill_SOURCES = $(addprefix contrib/bench/, fill.c grid.c records.c) $(filter-out %/main.c,$(directoryd_SOURCES))
fill_LIBS = $(directoryd_LIBS)
swarm_SOURCES = $(addprefix contrib/bench/, swarm.c wire.c grid.c)
swarm_LIBS = -lcjson -lsodium -lgnutls

define bench_host_program_rule
$(B)/test/$(1): $(call objects,host,$($(1)_SOURCES)) $(B)/obj/host/lib.a
	@mkdir -p $$(@D)
	@$$(host_CC) $$(LDFLAGS) $$(host_CFLAGS) $$(host_LDFLAGS) $$^ -o $$@ $$($(1)_LIBS) -lpthread
endef
$(foreach program,$(BENCH_HOST_PROGRAMS),$(eval $(call bench_host_program_rule,$(program))))
