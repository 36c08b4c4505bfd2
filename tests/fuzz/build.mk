# Fuzz targets: every parser of foreign bytes, under ASan and UBSan, driven by tests/fuzz/main.c. A target links lib.a and
# the sources named in <target>_SOURCES, and begins from the kept corpus in tests/fuzz/corpus/<name>. With clang, the same
# file without main.c and with -fsanitize=fuzzer is a libFuzzer target.

FUZZ_TARGETS = fuzz_json fuzz_statement fuzz_envelope fuzz_proof fuzz_checkpoint fuzz_3bot_deployment fuzz_zinit_unit fuzz_provisiond_layer \
    fuzz_provisiond_contract fuzz_netd_lease fuzz_zinit_kmsg fuzz_directory_witness fuzz_directory_tile fuzz_directory_body fuzz_provisiond_feed
fuzz_3bot_deployment_SOURCES = $(addprefix contrib/3bot/, deployment.c yaml.c units.c)
fuzz_3bot_deployment_LIBS = -lyaml
fuzz_zinit_unit_SOURCES = $(addprefix zinit/, unit.c value.c words.c signals.c capability.c)
fuzz_zinit_unit_LIBS = -lyaml
fuzz_zinit_kmsg_SOURCES = zinit/kmsg.c
fuzz_provisiond_layer_SOURCES = $(addprefix provisiond/, layer.c inodes.c cache.c)
fuzz_provisiond_layer_LIBS = -larchive
fuzz_provisiond_contract_SOURCES = $(addprefix provisiond/, verify.c wanted.c)
fuzz_directory_witness_SOURCES = contrib/directory/witness_rules.c
fuzz_provisiond_feed_SOURCES = $(addprefix provisiond/, verify.c wanted.c)
fuzz_directory_body_SOURCES = $(addprefix contrib/directory/, signature.c sha256.c base64.c submission.c commit.c proven.c rules.c state.c tlog.c rehash.c meta.c tile.c presence.c \
    store.c schema.c store_sqlite.c store_wal.c store_tidy.c store_postgresql.c)
fuzz_directory_body_LIBS = -l25519 -lnettle -lsqlite3 -lpq
fuzz_directory_tile_SOURCES = contrib/directory/tile.c
fuzz_netd_lease_SOURCES = $(addprefix netd/, lease.c prefix.c)
FUZZ_TARGETS += fuzz_zinit_rpc fuzz_zinit_text fuzz_directory_request
fuzz_directory_request_SOURCES = $(filter-out contrib/directory/main.c,$(directoryd_SOURCES))
fuzz_directory_request_LIBS = $(directoryd_LIBS)
fuzz_zinit_rpc_SOURCES = $(filter-out zinit/main.c,$(zinit_SOURCES))
fuzz_zinit_rpc_LIBS = -lyaml
fuzz_zinit_text_SOURCES = $(filter-out zinit/main.c,$(zinit_SOURCES))
fuzz_zinit_text_LIBS = -lyaml
FUZZ_MUTATIONS = 2000
FUZZ_SEED = 1

define fuzz_rule
$(B)/fuzz/$(1): $(call objects,san,tests/fuzz/$(1).c tests/fuzz/main.c $($(1)_SOURCES)) $(B)/obj/san/lib.a
	@mkdir -p $$(@D)
	@$$(san_CC) $$(LDFLAGS) $$(san_CFLAGS) $$(san_LDFLAGS) $$^ -o $$@ $($(1)_LIBS) -luv -lcjson -lsodium -lcurl -lpthread
endef
$(foreach target,$(FUZZ_TARGETS),$(eval $(call fuzz_rule,$(target))))

unit-programs: $(FUZZ_TARGETS:%=$(B)/fuzz/%)

.PHONY: fuzz
fuzz: $(FUZZ_TARGETS:%=$(B)/fuzz/%) ## run every fuzz target over its corpus and FUZZ_MUTATIONS= inputs made from it
	@for target in $(FUZZ_TARGETS); do echo -n "$$target: "; \
	    $(B)/fuzz/$$target -n $(FUZZ_MUTATIONS) -s $(FUZZ_SEED) tests/fuzz/corpus/$${target#fuzz_}; done
