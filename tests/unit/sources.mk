# The sources, beside lib.a, that a unit test links, and the libraries beside UNIT_LIBS: what it tests.

test_zinit_machine_SOURCES = zinit/machine.c
test_zinit_unit_SOURCES = $(addprefix zinit/, unit.c value.c words.c signals.c capability.c)
test_zinit_environment_SOURCES = zinit/environment.c zinit/words.c
test_zinit_ring_SOURCES = zinit/ring.c
test_zinit_census_SOURCES = zinit/census.c

test_storaged_plan_SOURCES = storaged/plan.c
test_storaged_disk_SOURCES = $(addprefix storaged/, path.c disk.c probe.c measure.c)
test_storaged_disk_LIBS = -lblkid -luring
storaged_TESTED = $(filter-out storaged/main.c, $(storaged_SOURCES))
test_storaged_pool_SOURCES = $(storaged_TESTED) tests/unit/loop_disk.c
test_storaged_apply_SOURCES = $(storaged_TESTED) tests/unit/loop_disk.c
test_storaged_apply_LIBS = -lblkid -luring -lbtrfsutil
test_storaged_pool_LIBS = -lblkid -luring -lbtrfsutil
test_storaged_uevent_SOURCES = $(storaged_TESTED)
test_storaged_uevent_LIBS = -lblkid -luring -lbtrfsutil
test_zinit_service_SOURCES = tests/unit/zinit_bed.c $(filter-out zinit/main.c,$(zinit_SOURCES))

test_netd_prefix_SOURCES = netd/prefix.c
test_netd_lease_SOURCES = netd/lease.c netd/prefix.c
test_netd_plan_SOURCES = $(addprefix netd/, plan.c uplink.c config.c link.c netlink.c prefix.c firewall.c nft.c)
test_netd_plan_LIBS = -lnl-3
test_netd_firewall_SOURCES = $(addprefix netd/, firewall.c nft.c netlink.c prefix.c)
test_netd_firewall_LIBS = -lnl-3
test_netd_config_SOURCES = $(addprefix netd/, config.c prefix.c)
test_netd_endpoint_SOURCES = $(addprefix netd/, endpoint.c plan.c uplink.c config.c link.c netlink.c prefix.c firewall.c nft.c \
    netns.c rtnl.c sysctl.c)
test_netd_endpoint_LIBS = -lnl-3
test_netd_overlay_SOURCES = $(test_netd_endpoint_SOURCES) netd/overlay.c netd/overlay_rules.c netd/wireguard.c
test_netd_overlay_LIBS = -lnl-3
test_3bot_units_SOURCES = contrib/3bot/units.c
test_3bot_out_SOURCES = contrib/3bot/out.c
test_3bot_yaml_SOURCES = contrib/3bot/yaml.c
test_3bot_deployment_SOURCES = $(addprefix contrib/3bot/, deployment.c yaml.c units.c)

test_directory_witness_SOURCES = contrib/directory/witness_rules.c
test_directory_connection_SOURCES = $(addprefix contrib/directory/, address.c connection.c)
test_directory_limits_SOURCES = $(addprefix contrib/directory/, address.c limiter.c)
test_directory_tile_SOURCES = contrib/directory/tile.c
test_directory_rules_SOURCES = contrib/directory/rules.c
directory_STORE = $(addprefix contrib/directory/, store.c schema.c store_sqlite.c store_wal.c store_tidy.c store_postgresql.c)
test_directory_store_SOURCES = $(addprefix contrib/directory/, tlog.c rehash.c meta.c state.c) $(directory_STORE)
test_directory_store_LIBS = -lpq
test_directory_presence_SOURCES = contrib/directory/presence.c $(directory_STORE)
test_directory_presence_LIBS = -lpq
test_directory_wal_SOURCES = $(directory_STORE)
test_directory_wal_LIBS = -lpq
test_ed25519_SOURCES = tests/unit/ed25519_vectors.c
test_directory_primitives_SOURCES = tests/unit/ed25519_vectors.c $(addprefix contrib/directory/, signature.c sha256.c base64.c)
test_directory_primitives_LIBS = -l25519 -lnettle
test_directory_shard_SOURCES = $(addprefix contrib/directory/, shard.c tls.c)
test_directory_shard_LIBS = -lmicrohttpd -lgnutls -Wl$(comma)--wrap=MHD_run
UNIT_HOST_ONLY = test_directory_primitives test_directory_store test_directory_presence test_directory_wal test_directory_shard
test_zinit_page_SOURCES = zinit/page.c zinit/chain.c
test_zinit_chain_SOURCES = zinit/chain.c
test_zinit_frame_SOURCES = zinit/frame.c zinit/qr.c
test_zinit_bucket_SOURCES = zinit/bucket.c
test_zinit_logs_SOURCES = $(addprefix zinit/, logs.c history.c merge.c ring.c bucket.c screen.c consoles.c loop.c heap.c)
test_zinit_heap_SOURCES = zinit/heap.c
test_zinit_table_SOURCES = zinit/table.c zinit/children.c
test_zinit_kmsg_SOURCES = $(addprefix zinit/, kernel.c kmsg.c logs.c ring.c bucket.c screen.c consoles.c loop.c heap.c)
test_zinit_book_SOURCES = $(addprefix zinit/, book.c book_file.c book_read.c book_writer.c)
test_zinit_feed_SOURCES = $(addprefix zinit/, feed.c book.c children.c table.c spawn.c clone.c confine.c machine.c merge.c logs.c ring.c bucket.c screen.c consoles.c loop.c heap.c)

test_provisiond_verify_SOURCES = provisiond/verify.c provisiond/wanted.c
test_provisiond_plan_SOURCES = provisiond/plan.c
test_provisiond_identity_SOURCES = $(addprefix provisiond/, identity.c machine.c paths.c)
test_provisiond_journal_SOURCES = provisiond/journal.c
test_provisiond_layer_SOURCES = provisiond/layer.c provisiond/inodes.c provisiond/cache.c
test_provisiond_layer_LIBS = -larchive
test_provisiond_bundle_SOURCES = $(addprefix provisiond/, bundle.c user.c owner.c profile.c plan.c paths.c)
test_provisiond_fetch_SOURCES = $(addprefix provisiond/, fetch.c image.c layer.c inodes.c cache.c plan.c)
test_provisiond_fetch_LIBS = -larchive
test_provisiond_owner_SOURCES = provisiond/owner.c
test_provisiond_cache_SOURCES = provisiond/cache.c
test_provisiond_deploy_SOURCES = $(addprefix provisiond/, deploy.c apply.c bundle.c cache.c call.c fetch.c image.c inodes.c launch.c layer.c \
    owner.c paths.c plan.c profile.c text.c user.c watch.c)
test_provisiond_deploy_LIBS = -larchive
test_provisiond_result_SOURCES = $(addprefix provisiond/, result.c text.c watch.c call.c plan.c wanted.c journal.c directory.c node.c)
test_zinit_server_SOURCES = $(filter-out zinit/main.c,$(zinit_SOURCES))
test_zinit_watchdog_SOURCES = $(filter-out zinit/main.c,$(zinit_SOURCES))
test_zinit_after_SOURCES = $(filter-out zinit/main.c,$(zinit_SOURCES))
test_zinit_fault_SOURCES = zinit/fault.c
test_zinit_running_SOURCES = tests/unit/zinit_bed.c $(filter-out zinit/main.c,$(zinit_SOURCES))
test_zinit_spawn_SOURCES = $(addprefix zinit/, spawn.c clone.c confine.c capability.c)
test_zinit_scale_SOURCES = tests/unit/zinit_bed.c $(filter-out zinit/main.c,$(zinit_SOURCES))
test_zinit_scarcity_SOURCES = $(filter-out zinit/main.c,$(zinit_SOURCES)) tests/unit/failing.c
test_zinit_scarcity_LIBS = $(addprefix -Wl$(comma)--wrap=, malloc calloc realloc strdup strndup asprintf scandir pipe2 open openat epoll_ctl \
    accept4 clone_process fork)
test_zinit_discover_SOURCES = $(filter-out zinit/main.c,$(zinit_SOURCES))
test_zinit_check_SOURCES = $(addprefix zinit/, check.c capability.c signals.c unit.c value.c words.c)
