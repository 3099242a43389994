# The detector rules that are compiled into the program: policies/detectors/*.yaml
# as C strings in $(B)/gen/detectors.c.
DETECTOR_YAML := $(sort $(wildcard policies/detectors/*.yaml))

LIB_OBJ += $(B)/gen/detectors.o

$(B)/gen/detectors.c: $(DETECTOR_YAML) policies/detectors mk/detect.mk mk/detectors.awk
	@mkdir -p $(@D)
	LC_ALL=C awk -f mk/detectors.awk $(DETECTOR_YAML) >$@.tmp && mv $@.tmp $@

$(B)/gen/detectors.o: $(B)/gen/detectors.c spoa/detect/rule.h
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<
