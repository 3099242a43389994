# The benchmark: tests/bench/run and what it needs beside the stack.
BENCH_BIN := $(B)/bench/noop $(B)/bench/streams $(B)/bench/fdatasync

$(BENCH_BIN): $(B)/bench/%: tests/bench/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< $(LIB) $(ALL_LIBS)

SOAK    ?= 100000
HAPROXY ?= haproxy

.PHONY: bench
bench: all $(BENCH_BIN) ## speed and memory beside plain HAProxy (SOAK=requests HAPROXY=BIN)
	@tests/support/deps $(DEPS_RUN) wrk:wrk
	@B=$(B) SOAK=$(SOAK) tests/bench/run --haproxy $(HAPROXY)
