# The stages of the tests, and the programs that tests, demo and benches need beside tollgate: a simulated provider, a
# sender of traffic, curl. The Makefile includes this file.

# Programs that the tests, the demo and the bench need beside tollgate itself.
MOCK_SRC := $(wildcard tests/support/mock/*.c)
MOCK_OBJ := $(MOCK_SRC:%.c=$(B)/%.o)

$(B)/mockllm: $(MOCK_OBJ) $(LIB)
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -ljansson $(ALL_LIBS)

$(B)/traffic: $(addprefix $(B)/tests/support/,traffic.o traffic_journal.o) $(LIB)
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(ALL_LIBS)

$(B)/extract_tool: $(B)/tests/support/extract_tool.o
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^

$(B)/stackhelp: $(B)/tests/support/stackhelp.o
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

# The end-to-end files' curl; static, where llhttp comes as sources, so that there is nothing to load.
QUICK_OBJ := $(patsubst /usr/share/llhttp/%.c,$(B)/llhttp/%.o,$(LLHTTP_SRC))
$(B)/quick/curl: tests/support/curl.c $(QUICK_OBJ)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(if $(QUICK_OBJ),$(if $(SAN),,-static)) -MF $@.d -o $@ $< $(QUICK_OBJ) $(LLHTTP_LIBS)

# The daemon that ends at a named point (spoa/base/stops.h): all its objects but one are the shipped one's.
$(B)/stops/stops.o: spoa/base/stops.c spoa/base/stops.h
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CPPFLAGS) -DTG_STOPS $(ALL_CFLAGS) -c -o $@ $<

$(B)/stops/tollgate: $(B)/spoa/cmd/main.o $(B)/stops/stops.o $(LIB)
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

.PHONY: support
support: $(B)/mockllm $(B)/extract_tool $(B)/stackhelp $(B)/traffic $(B)/quick/curl $(B)/stops/tollgate
all: support

.PHONY: test check-fresh check-sanitized check-long e2e unit-programs seed-programs print-tests
test: deps ## every ring but the long ones, from a fresh machine
	@tests/support/rings

check-sanitized: deps ## the programs of make test and the fuzz targets' seeds, under ASan and UBSan
	@tests/support/rings asan

check-fresh: ## the commands of README and the steps of docker/ in a minimal Debian 12 (even days) or 13 (odd days), without optimization (as root)
	@tests/support/deps git:git $(DEPS_FRESH)
	@tests/support/rings fresh

check-long: deps ## the other long rings, or STAGES: clang's warnings, texts made to be dear, CONTRIBUTING's examples, real SDKs, e2e files that take long, e2e files with an upgrade in the middle, two builds that are the same bytes, each target in a minimal Debian, HAProxy 3.0 to 3.4, newer Redis, a smoke of what runs for long, one of them whole (WHOLE=NAME)
	@tests/support/rings $(or $(STAGES),warnings effort examples clients late turns upgraded repro targets newer newest sources smoke whole)

.PHONY: altered clocks
altered: deps ## ten minutes in which a proxy changes 5 % of what Redis sends
	@$(MAKE) --no-print-directory all
	@ALTERED_S=600 tests/e2e/run --haproxy $(HAPROXY) redis-altered.sh
clocks: deps ## each use of a wall time while a daemon's clock is wrong, and after that (5 minutes)
	@$(MAKE) --no-print-directory all
	@CLOCKS=all tests/e2e/run --haproxy $(HAPROXY) clocks.sh

.PHONY: files-test
files-test: deps ## files made by the tools of this machine, and those of FILES=DIR: recall by tool, refusals by reason, milliseconds and memory a file
	@$(MAKE) --no-print-directory all
	@tests/e2e/run files-made.sh

.PHONY: agents-test
agents-test: deps ## Claude Code and Codex under policies/coding-agents.yaml and with edits of files that must be the same as without the gateway, ten coding agents at their first prompt under default.yaml and a policy of the day, and Python SDKs in kept conversations, and loops of SDKs and frameworks at providers that check schemas (half an hour, and 10 minutes to install; downloads 700 MB from npm and 530 MB from PyPI, 3.3 GB installed)
	@$(MAKE) --no-print-directory all
	@tests/e2e/run agents/agents.sh agents/clients.sh agents/tools.sh agents/files.sh agents/translate.sh agents/kept.sh agents/python.sh

e2e: deps ## the end-to-end ring, HAPROXY=BIN for another HAProxy
	@$(MAKE) --no-print-directory all
	@tests/e2e/run $(if $(HAPROXY),--haproxy $(HAPROXY)) $(E2E)

.PHONY: pictures
pictures: deps ## docs/pictures/: a picture of each view of the console, taken by its browser test
	@$(MAKE) --no-print-directory all
	@PICTURES=$(CURDIR)/docs/pictures tests/e2e/run console.sh

unit-programs: $(UNIT_BIN)
seed-programs: $(FUZZ_RUN)
print-tests:
	@echo $(UNIT_BIN) $(FUZZ_RUN)
