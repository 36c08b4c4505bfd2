# Zero-OS: `make help` tells the targets. Objects and all that is made lie under build/; third-party builds and the kernel's
# objects lie in ${XDG_CACHE_HOME:-~/.cache}/zos, so that a new checkout finds them built.

SHELL = /bin/bash
.SHELLFLAGS = -o pipefail -ec
.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
B = build

# ---- Programs: sources and the libraries of each. The node's are built twice: for the node (static, musl), and for the host.

NODE_PROGRAMS = zinit storaged netd provisiond
HOST_PROGRAMS = $(NODE_PROGRAMS) directoryd 3bot

lib_SOURCES = $(addprefix lib/, log.c reason.c json.c json_memory.c json_rules.c json_print.c encode.c base64.c sha256.c key.c key_verify.c envelope.c resources.c statement.c statement_rules.c contract.c contract_text.c contract_seal.c merkle.c \
    note.c checkpoint.c cosignature.c file.c settings.c http.c rpc.c rpc_call.c daemon.c)

zinit_SOURCES = $(addprefix zinit/, main.c after.c api.c book.c book_file.c book_read.c book_writer.c boot.c bucket.c buffer.c \
    capability.c census.c cgroup.c chain.c check.c children.c client.c clone.c confine.c console.c consoles.c discover.c \
    environment.c fault.c feed.c frame.c framing.c heap.c history.c kernel.c kexec.c kin.c kmsg.c launch.c logs.c loop.c machine.c merge.c \
    notify.c options.c orphans.c page.c power.c print.c probe.c qr.c ready.c ring.c root.c screen.c server.c service.c \
    session.c shutdown.c signals.c spawn.c stats.c subscribe.c supervisor.c table.c text.c unit.c value.c watchdog.c words.c \
    yaml.c)
zinit_LIBS = -lyaml -lcjson -lsodium -lqrencode
$(foreach kind,host node san,$(B)/obj/$(kind)/zinit/discover.o): zinit/openrpc.json # embedded by .incbin

storaged_SOURCES = $(addprefix storaged/, main.c state.c path.c disk.c probe.c measure.c mounts.c mkfs.c quota.c volume.c pool.c \
    boot_medium.c plan.c wanted.c job.c apply.c uevent.c api.c)
storaged_LIBS = -luv -lcjson -lsodium -luring -lbtrfsutil -lblkid

netd_SOURCES = $(addprefix netd/, main.c netd.c api.c plan.c apply.c link.c uplink.c lease.c dhcp.c config.c firewall.c nft.c \
    endpoint.c overlay.c overlay_rules.c wireguard.c netns.c netlink.c rtnl.c sysctl.c prefix.c)
netd_LIBS = -luv -lcjson -lsodium -lnl-3

provisiond_SOURCES = $(addprefix provisiond/, api.c apply.c bundle.c cache.c call.c clock.c connect.c deploy.c directory.c \
    engine.c feed.c fetch.c heartbeat.c identity.c image.c inodes.c journal.c launch.c layer.c machine.c main.c \
    node.c observe.c owner.c paths.c plan.c profile.c register.c result.c text.c tidy.c user.c verify.c wanted.c watch.c)
provisiond_LIBS = -luv -lcjson -lsodium -lsqlite3 -lcurl -larchive

directoryd_SOURCES = $(addprefix contrib/directory/, main.c options.c directory.c serve.c api.c log_api.c server.c shard.c request.c sequencer.c committer.c commit.c \
    submission.c rules.c state.c tile.c tlog.c rehash.c scrub.c meta.c signed.c proven.c feed.c log_wait.c page.c view.c view_node.c presence.c explorer.c)
directoryd_SOURCES += $(addprefix contrib/directory/, store.c schema.c store_sqlite.c store_wal.c store_tidy.c store_postgresql.c office.c exchange.c migrate.c backup.c)
directoryd_SOURCES += $(addprefix contrib/directory/, verify.c compare.c replay.c mirror.c mirror_options.c follow.c remote.c forward.c witness.c \
    witness_rules.c gather.c cosigned.c signature.c sha256.c base64.c)
directoryd_SOURCES += $(addprefix contrib/directory/, serving.c address.c connection.c limiter.c limits.c listen.c tls.c metrics.c health.c)
directoryd_LIBS = -l25519 -luv -lcjson -lsodium -lsqlite3 -lpq -lmicrohttpd -lgnutls -lnettle -lcurl -lz

3bot_SOURCES = $(addprefix contrib/3bot/, main.c command.c config.c session.c client.c evidence.c bot.c farm.c invite.c node.c yaml.c \
    deployment.c contracts.c contracts_tell.c deploy.c status.c verify.c units.c out.c)
3bot_LIBS = -lcjson -lsodium -lcurl -lyaml

# Libraries that only the static link has to be told of.
NODE_EXTRA_LIBS = -lmbedtls -lmbedx509 -lmbedcrypto -lzstd -lz -luuid -lm

# ---- How they are compiled

WARNINGS = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wno-unused-parameter
CPPFLAGS = -I. -D_GNU_SOURCE
CFLAGS = -std=gnu17 -g $(WARNINGS) -MMD -MP -fstack-protector-strong -ffunction-sections -fdata-sections
host_CC = gcc
host_LDFLAGS = -L$(B)/host/lib
host_CFLAGS = -O2 -isystem $(B)/host/include -D_FORTIFY_SOURCE=2 -isystem /usr/include/libnl3 -isystem /usr/include/postgresql
node_CC = $(B)/sysroot/bin/musl-gcc
node_CFLAGS = -Os -isystem $(B)/sysroot/include/libnl3 -fno-asynchronous-unwind-tables -ffile-prefix-map=$(CURDIR)=.
node_LDFLAGS = -static -Wl,--gc-sections -Wl,--as-needed
san_CC = gcc
san_CFLAGS = -O1 -isystem $(B)/host/include -isystem /usr/include/libnl3 -isystem /usr/include/postgresql -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
san_LDFLAGS = -L$(B)/host/lib -fsanitize=address,undefined
LDFLAGS = -Wl,--gc-sections

# ---- What a newcomer types

.PHONY: help all run usb test unit system bench image lint format clean setup
help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: image host ## set up, build, and show the whole system: directory, registry, a node in QEMU, a contract (ONCE=1 DISKS= MEM= CPUS=)
	@contrib/run/demo

test: image host unit-programs story-programs ## set up, build, then every test; ends in `N passed, N failed`
	@tests/run

unit: unit-programs ## the unit tests alone
	@tests/run unit

system: image host story-programs ## the system stories alone, or those named in STORY=
	@tests/run system $(STORY)

bench: ## print the figures, each beside a peer (BENCH="node zinit directory")
	@contrib/bench/run $(BENCH)

all: host image ## build everything

setup: ## install what the build needs (apt; sudo when not root)
	@contrib/deps/host

clean: ## remove build/ (the cache in ~/.cache/zos stays)
	rm -rf $(B)

lint: setup $(B)/host/.built ## clang-format and clang-tidy over the tree, the latter on what git tracks
	@clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h')
	@clang-tidy --quiet $$(git ls-files '*.c' | grep -v ^tests/) -- $(CPPFLAGS) -std=gnu17 -isystem $(B)/host/include -isystem /usr/include/libnl3 -isystem /usr/include/postgresql

format: ## clang-format the tree in place
	clang-format -i $$(git ls-files '*.c' '*.h')

# ---- Rules

include contrib/deps/build.mk kernel/build.mk initramfs/build.mk

.PHONY: host node
host: $(HOST_PROGRAMS:%=$(B)/bin/%) ## the programs that this machine runs: build/bin/3bot, directoryd and the daemons
node: $(NODE_PROGRAMS:%=$(B)/node/%)

objects = $(patsubst %.c,$(B)/obj/$(1)/%.o,$(2))

define compile_rule
$(B)/obj/$(1)/%.o: %.c | $(B)/.setup $(if $(filter node,$(1)),$(B)/sysroot/.built,$(B)/host/.built)
	@mkdir -p $$(@D)
	@$$($(1)_CC) $$(CPPFLAGS) $$(CFLAGS) $$($(1)_CFLAGS) -c $$< -o $$@
$(B)/obj/$(1)/lib.a: $(call objects,$(1),$(lib_SOURCES))
	@rm -f $$@; ar rcs $$@ $$^
endef
$(foreach kind,host node san,$(eval $(call compile_rule,$(kind))))

# $(1): host or node; $(2): program; $(3): folder. What addr2line needs of a node's program is kept in build/debug.
define link_rule
$(B)/$(3)/$(2): $(call objects,$(1),$($(2)_SOURCES)) $(B)/obj/$(1)/lib.a
	@mkdir -p $$(@D)
	@echo "link $$@"
	@$$($(1)_CC) $$(LDFLAGS) $$($(1)_CFLAGS) $$($(1)_LDFLAGS) $$^ -o $$@ $(if $(filter node,$(1)),-Wl$(comma)--start-group) $($(2)_LIBS) $(if $(filter node,$(1)),$(NODE_EXTRA_LIBS) -Wl$(comma)--end-group) -lpthread
	$(if $(filter node,$(1)),@mkdir -p $(B)/debug; objcopy --only-keep-debug $$@ $(B)/debug/$(2); strip $$@)
endef
comma = ,
$(foreach program,$(HOST_PROGRAMS),$(eval $(call link_rule,host,$(program),bin)))
$(foreach program,$(NODE_PROGRAMS),$(eval $(call link_rule,node,$(program),node)))
$(B)/obj/host/contrib/directory/explorer.o: $(wildcard contrib/directory/web/*) contrib/directory/openapi.json # embedded by .incbin

# ---- Unit tests: one program a module, under ASan and UBSan on the host, and as the node has it (musl).
# A test links lib.a and the sources named in <test>_SOURCES. UNIT_HOST_ONLY are those of programs that no node runs.

UNIT_TESTS = $(basename $(notdir $(wildcard tests/unit/test_*.c)))
include tests/unit/sources.mk
UNIT_LIBS = -lcmocka -luv -lcjson -lsodium -lcurl -lyaml -lqrencode -lsqlite3

define unit_rule
$(B)/unit/$(1)/$(2): $(call objects,$(1),tests/unit/$(2).c $($(2)_SOURCES)) $(B)/obj/$(1)/lib.a
	@mkdir -p $$(@D)
	@$$($(1)_CC) $$(LDFLAGS) $$($(1)_CFLAGS) $$($(1)_LDFLAGS) $$^ -o $$@ $(if $(filter node,$(1)),-Wl$(comma)--start-group) $(UNIT_LIBS) $($(2)_LIBS) $(if $(filter node,$(1)),$(NODE_EXTRA_LIBS) -Wl$(comma)--end-group) -lpthread
endef
$(foreach test,$(UNIT_TESTS),$(foreach kind,san node,$(eval $(call unit_rule,$(kind),$(test)))))
.PHONY: unit-programs
unit-programs: $(UNIT_TESTS:%=$(B)/unit/san/%) $(patsubst %,$(B)/unit/node/%,$(filter-out $(UNIT_HOST_ONLY),$(UNIT_TESTS)))

include tests/fuzz/build.mk tests/system/build.mk contrib/bench/build.mk

-include $(shell [ -d $(B)/obj ] && find $(B)/obj -name '*.d')
