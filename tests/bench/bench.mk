# Benches and long measurements: speed, accuracy, counted instructions, runs under faults. The Makefile includes this file.

.PHONY: accuracy
accuracy: deps ## precision and recall per entity on labelled texts (DATA="FILE…"; development corpora)
	@$(MAKE) --no-print-directory $(B)/tollgate $(B)/tollgate-train $(B)/tests/support/accuracy
	@$(B)/tests/support/accuracy $(or $(DATA),../shared/data/detect-dev/pii.jsonl ../shared/data/detect-dev/secrets.jsonl)
	@$(if $(DATA),,tests/support/injection $(B)/tollgate-train $(INJECT) ../shared/data/injection)


.PHONY: fidelity
fidelity: deps-run ## values that redaction misses or cuts, and bytes it takes too many, in everyday documents (SEED=N MB=N SHOW=N)
	@$(MAKE) --no-print-directory $(B)/tests/support/fidelity
	@$(B)/tests/support/fidelity -s $(or $(SEED),1) -m $(or $(MB),10) -v $(or $(SHOW),0)

.PHONY: printed
printed: deps ## values in what terminals, diffs, logs, HTML, Markdown, JSON and mail print: the share that passes (SEED=N SHOW=N)
	@$(MAKE) --no-print-directory $(B)/tollgate
	@tests/support/printed --tollgate $(B)/tollgate --seed $(or $(SEED),1) --show $(or $(SHOW),0)

.PHONY: agents-flow
agents-flow: deps ## AgentDojo's tasks and scripted attacks through rules on the origins of values: permitted and denied
	@$(MAKE) --no-print-directory $(B)/tollgate
	@tests/bench/agents-flow-run $(B)

# Tests under faults (tests/faults), and the same with sanitized programs.
.PHONY: faults faults-sanitized
faults: deps ## the stack under faults: kills, full disks, reloads, hostile peers (FAULTS="NAME…")
	@$(MAKE) --no-print-directory all
	@tests/faults/run $(if $(HAPROXY),--haproxy $(HAPROXY)) $(FAULTS)
ifeq ($(FAULTS),)
	@$(MAKE) --no-print-directory $(B)/tests/unit/test_quota_race
	@RACE_S=60 $(B)/tests/unit/test_quota_race
	@RACE_S=60 tests/e2e/run $(if $(HAPROXY),--haproxy $(HAPROXY)) race.sh
endif

faults-sanitized: deps ## the stack under load with TSan, then with ASan and UBSan
	@$(MAKE) --no-print-directory B=$(B)/tsan SAN=thread all
	@$(MAKE) --no-print-directory B=$(B)/asan SAN=address,undefined all
	@tests/faults/sanitized $(B)

# The benchmark: tests/bench/run and what it needs beside the stack.
BENCH_BIN := $(B)/bench/noop $(B)/bench/streams $(B)/bench/fdatasync $(B)/bench/targets $(B)/bench/tree $(B)/bench/keep $(B)/bench/tools $(B)/bench/tool_list $(B)/bench/views

$(BENCH_BIN): $(B)/bench/%: tests/bench/%.c $(SUPPORT) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< $(SUPPORT) $(LIB) -lcmocka $(ALL_LIBS)

SOAK    ?= 100000
HAPROXY ?= haproxy

.PHONY: bench
bench: deps ## speed and memory beside plain HAProxy (SOAK=requests HAPROXY=BIN)
	@tests/support/deps wrk:wrk
	@$(MAKE) --no-print-directory all $(BENCH_BIN)
	@B=$(B) SOAK=$(SOAK) tests/bench/run --haproxy $(HAPROXY)

.PHONY: bench-peers
bench-peers: deps ## tollgate beside plain HAProxy, nginx and other gateways (ROUNDS=3 PEERS="plain portkey")
	@tests/support/deps wrk:wrk nginx:nginx-light
	@$(MAKE) --no-print-directory all $(B)/bench/streams
	@tests/bench/peers-run $(B)

.PHONY: soak
soak: deps ## hours of a mixed load with everything on, a line of memory and keys a minute (MINUTES=150 RATE=100)
	@$(MAKE) --no-print-directory all
	@B=$(B) tests/soak/run --haproxy $(HAPROXY)

# make bench-detect DETECT_BENCH="FILE…" or DETECT_BENCH="--search N"
TEXTS_OBJ := $(B)/tests/bench/detect_texts.o

$(B)/bench/detect: tests/bench/detect.c $(TEXTS_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $(filter-out %.h,$^) $(ALL_LIBS) \
		$(patsubst %,-Wl$(comma)--wrap=%,words_rejectable word_unknown eights_end eights_begin)

# The findings of the detectors, a line a source: tests/data/findings.txt has them.
# (the rule is that of the tests, below)
$(B)/tests/support/findings $(B)/tests/unit/test_same_findings $(B)/tests/unit/test_used $(B)/tests/unit/test_effort $(B)/tests/unit/test_effort_kinds: $(TEXTS_OBJ)

.PHONY: bench-detect
bench-detect: deps-run ## microseconds a KB of each stage of detection beside one-by-one PCRE2
	@$(MAKE) --no-print-directory $(B)/bench/detect
	@$(B)/bench/detect $(DETECT_BENCH)

# make bench-answers ANSWERS_BENCH="FILE…"
$(B)/bench/answers: tests/bench/answers.c $(TEXTS_OBJ) $(SUPPORT) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $(filter-out %.h,$^) -lcmocka $(ALL_LIBS)

.PHONY: bench-answers
bench-answers: deps-run ## CPU us a token event of a stream, ms a whole answer of 1 MB
	@$(MAKE) --no-print-directory $(B)/bench/answers
	@$(B)/bench/answers $(ANSWERS_BENCH)

.PHONY: bench-tool-list
bench-tool-list: deps-run ## CPU ms a list of 500 tools from an MCP server, filtered
	@$(MAKE) --no-print-directory $(B)/bench/tool_list
	@$(B)/bench/tool_list

$(B)/bench/quota: tests/bench/quota.c $(SUPPORT) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< $(SUPPORT) $(LIB) -lcmocka $(ALL_LIBS)

# Instructions a request (tests/bench/count), of what is shipped: the same objects.
COUNT_WRAP := memcpy memmove memset malloc calloc realloc __memcpy_chk __memmove_chk __memset_chk \
	sodium_memzero explicit_bzero __explicit_bzero_chk

$(B)/bench/count: tests/bench/count.c $(B)/tests/support/fake_clock.o $(SUPPORT) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< $(B)/tests/support/fake_clock.o $(SUPPORT) $(LIB) -lcmocka $(ALL_LIBS) \
		$(patsubst %,-Wl$(comma)--wrap=%,$(COUNT_WRAP))

.PHONY: count
count: deps ## instructions a request, by callgrind (COUNT="--against FILE")
	@$(MAKE) -s --no-print-directory ranks >/dev/null
	@$(MAKE) -s --no-print-directory $(B)/bench/count
	@tests/bench/count-run $(B) $(COUNT)

.PHONY: count-haproxy
count-haproxy: deps ## HAProxy's instructions a request, by callgrind (COUNT="--against FILE")
	@$(MAKE) -s --no-print-directory all
	@tests/bench/count-haproxy-run $(B) $(COUNT)

# Instructions of texts made to be dear: fifty a day (COUNT, of FIRST on).
$(B)/bench/effort: tests/bench/effort.c $(SUPPORT) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< $(SUPPORT) $(LIB) -lcmocka $(ALL_LIBS)

.PHONY: effort
effort: ## instructions of searches in texts made to be dear, by callgrind, at two sizes (FIRST=N COUNT=N)
	@tests/support/deps valgrind:valgrind
	@$(MAKE) -s --no-print-directory $(B)/bench/effort
	@tests/bench/effort-run $(B) $(FIRST) $(COUNT)

.PHONY: bench-audit
bench-audit: deps-run ## ten million records (RECORDS=N, DIR=D): index, searches, verify
	@$(MAKE) --no-print-directory $(B)/tollgate $(B)/traffic
	@tests/bench/audit-run $(B) $(or $(RECORDS),10000000) $(DIR)

.PHONY: bench-quota
bench-quota: deps ## Redis' CPU a reservation and a settlement, beside a Lua script
	@$(MAKE) --no-print-directory $(B)/bench/quota
	@$(B)/bench/quota

$(B)/bench/policy: tests/bench/policy.c $(SUPPORT) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< $(SUPPORT) $(LIB) -lcmocka $(ALL_LIBS)

.PHONY: bench-policy
bench-policy: deps-run ## what rules and tokens cost, beside a SPOP round trip
	@$(MAKE) --no-print-directory $(B)/bench/policy
	@$(B)/bench/policy

$(B)/bench/seal: tests/bench/seal.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< $(LIB) $(ALL_LIBS)

.PHONY: bench-seal
bench-seal: deps-run ## what sealing texts costs, in microseconds and instructions
	@$(MAKE) --no-print-directory $(B)/bench/seal
	@$(B)/bench/seal

$(B)/bench/tokens: tests/bench/tokens.c $(LIB)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< $(LIB) $(ALL_LIBS)

.PHONY: bench-tokens
bench-tokens: deps-run ## MB a second of token counting, and what hostile texts cost
	@$(MAKE) --no-print-directory $(B)/bench/tokens ranks
	@for r in $(RANKS); do $(B)/bench/tokens $$r; done
