# Programs of the system stories. They lie apart from build/node, from which alone the image is made.

STORY_PROGRAMS = chaos inmate probe

.PHONY: story-programs
story-programs: $(STORY_PROGRAMS:%=$(B)/test/%) $(B)/test/clock.so

define story_program_rule
$(B)/test/$(1): $(call objects,node,tests/system/$(1).c)
	@mkdir -p $$(@D)
	@$$(node_CC) $$(LDFLAGS) $$(node_CFLAGS) $$(node_LDFLAGS) $$^ -o $$@
	@strip $$@
endef
$(foreach program,$(STORY_PROGRAMS),$(eval $(call story_program_rule,$(program))))

$(B)/test/clock.so: tests/system/clock.c
	@mkdir -p $(@D)
	@$(host_CC) $(CPPFLAGS) $(filter-out -MMD -MP,$(CFLAGS)) -fPIC -shared $< -o $@
