# Third-party things: packages of the host, and the musl sysroot that the node's programs link.

$(B)/.setup: contrib/deps/host contrib/deps/host-packages.list
	@contrib/deps/host
	@mkdir -p $(B); touch $@

$(B)/host/.built: contrib/deps/host-build contrib/deps/pins.list | $(B)/.setup
	@contrib/deps/host-build $(B)/host
	@touch $@

# The script itself knows what is to do; the stamp only keeps make from asking it each time.
$(B)/sysroot/.built: contrib/deps/build contrib/deps/pins.list | $(B)/.setup
	@contrib/deps/build $(B)/sysroot
	@touch $@
