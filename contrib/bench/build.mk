# Programs of the benchmarks, and what each benchmark has to have built: only `node` needs the image.

BENCH_PROGRAMS = actor
BENCH_NEEDS = host $(BENCH_PROGRAMS:%=$(B)/test/%) $(if $(BENCH),$(if $(filter node,$(BENCH)),image,node),image)

.PHONY: bench
bench: $(BENCH_NEEDS)

define bench_program_rule
$(B)/test/$(1): $(call objects,node,contrib/bench/$(1).c)
	@mkdir -p $$(@D)
	@$$(node_CC) $$(LDFLAGS) $$(node_CFLAGS) $$(node_LDFLAGS) $$^ -o $$@
	@strip $$@
endef
$(foreach program,$(BENCH_PROGRAMS),$(eval $(call bench_program_rule,$(program))))
