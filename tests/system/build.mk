# Programs of the system stories. They lie apart from build/node, from which alone the image is made.

.PHONY: story-programs
story-programs: $(B)/test/chaos

$(B)/test/chaos: $(call objects,node,tests/system/chaos.c)
	@mkdir -p $(@D)
	@$(node_CC) $(LDFLAGS) $(node_CFLAGS) $(node_LDFLAGS) $^ -o $@
	@strip $@
