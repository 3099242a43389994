# tollgate: build, test and install. `make help` lists the targets.
#
#   make B=DIR           build into DIR instead of build/
#   make CC=clang        another compiler
#   make SAN=address,undefined   instrumented build (see asan, tsan)

SHELL   := /bin/bash
B       ?= build
CC      ?= cc
PREFIX  ?= /usr/local
DESTDIR ?=
OPT     ?= -O2 -g

VERSION := 0.1.0

# What the build and the tests need from Debian; `make deps` installs it.
DEPS_BUILD := gcc make pkg-config libev-dev libjansson-dev libpcre2-dev \
	libssl-dev libsodium-dev libhiredis-dev libyaml-dev \
	libmicrohttpd-dev zlib1g-dev libbrotli-dev

WARN := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wpointer-arith \
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wwrite-strings -Wformat=2 -Wundef -Wvla -Wnull-dereference

# Debian 13 packages llhttp as a library; on Debian 12 the package node-llhttp
# carries its sources, which we compile into our own archive.
ifneq ($(wildcard /usr/include/llhttp.h),)
LLHTTP_CFLAGS :=
LLHTTP_LIBS   := -lllhttp
LLHTTP_SRC    :=
else
LLHTTP_CFLAGS := -isystem /usr/share/include/llhttp -DLLHTTP_STRICT_MODE=1
LLHTTP_LIBS   :=
LLHTTP_SRC    := /usr/share/llhttp/api.c /usr/share/llhttp/http.c \
	/usr/share/llhttp/llhttp.c
endif

PKGS := jansson libpcre2-8 libssl libcrypto libsodium hiredis yaml-0.1 \
	libmicrohttpd zlib libbrotlidec

ifneq ($(SAN),)
SANFLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all \
	-DTG_SANITIZE=1
endif

CPPFLAGS += -D_GNU_SOURCE -DTG_VERSION='"$(VERSION)"' -Ispoa -I$(B)/gen \
	$(LLHTTP_CFLAGS)
CFLAGS   ?= $(OPT)
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARN) $(WERROR) -fno-strict-aliasing -pthread \
	-fstack-protector-strong -MMD -MP $(SANFLAGS) \
	$(shell pkg-config --cflags $(PKGS) 2>/dev/null)
ALL_LIBS = $(LLHTTP_LIBS) $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lev -lm -pthread

# Everything but main() goes into one archive; the program, the unit tests and
# the fuzz targets link against it.
LIB_SRC  := $(filter-out spoa/cmd/main.c,$(wildcard spoa/*/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o) $(patsubst /usr/share/llhttp/%.c,$(B)/llhttp/%.o,$(LLHTTP_SRC))
LIB      := $(B)/libtollgate.a

UNIT_SRC := $(wildcard tests/unit/test_*.c tests/scenario/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/%.c=$(B)/tests/%)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_RUN := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/tests/fuzz/%)

.DEFAULT_GOAL := all
.PHONY: all
all: $(B)/tollgate

-include $(wildcard mk/*.mk)

$(B)/tollgate: $(B)/spoa/cmd/main.o $(LIB)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/llhttp/%.o: /usr/share/llhttp/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(CFLAGS) $(SANFLAGS) $(LLHTTP_CFLAGS) -w -c -o $@ $<

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(B)/tests/%: tests/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< $(LIB) -lcmocka $(ALL_LIBS)

# A fuzz target run over its seeds by a plain driver: part of `make test`.
$(B)/tests/fuzz/%: tests/fuzz/%.c tests/fuzz/driver.c $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< tests/fuzz/driver.c $(LIB) $(ALL_LIBS)

.PHONY: unit
unit: $(UNIT_BIN) ## unit and scenario tests (cmocka)
	@set -e; for t in $(UNIT_BIN); do echo "== $$t"; $$t; done

.PHONY: fuzz-seeds
fuzz-seeds: $(FUZZ_RUN) ## every fuzz target over its seed corpus
	@set -e; for t in $(FUZZ_RUN); do \
		n=$$(basename $$t); echo "== $$n"; \
		$$t tests/fuzz/seeds/$${n#fuzz_}; done

FUZZTIME ?= 60
.PHONY: fuzz
fuzz: ## coverage-guided fuzzing with clang, FUZZTIME seconds a target
	@set -e; for s in $(FUZZ_SRC); do n=$$(basename $$s .c); echo "== $$n"; \
		$(MAKE) --no-print-directory B=$(B)/fuzz CC=clang OPT="-O1 -g" \
			SAN=address,undefined,fuzzer-no-link $(B)/fuzz/libtollgate.a >/dev/null; \
		mkdir -p $(B)/fuzz/corpus/$$n; \
		clang $(CPPFLAGS) -Itests -std=gnu11 -O1 -g -fno-strict-aliasing -pthread \
			-fsanitize=address,undefined,fuzzer -DTG_SANITIZE=1 -o $(B)/fuzz/$$n $$s \
			$(B)/fuzz/libtollgate.a $(ALL_LIBS); \
		$(B)/fuzz/$$n -max_total_time=$(FUZZTIME) -rss_limit_mb=4096 -timeout=20 \
			-artifact_prefix=$(B)/fuzz/ $(B)/fuzz/corpus/$$n \
			tests/fuzz/seeds/$${n#fuzz_}; done

.PHONY: asan
asan: ## unit tests and seeds under AddressSanitizer and UBSan
	$(MAKE) B=$(B)/asan OPT="-O1 -g" SAN=address,undefined unit fuzz-seeds

.PHONY: tsan
tsan: ## unit and scenario tests under ThreadSanitizer
	$(MAKE) B=$(B)/tsan OPT="-O1 -g" SAN=thread unit

.PHONY: format
format: ## clang-format over the C sources
	clang-format -i $$(git ls-files '*.c' '*.h')

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | column -t -s "$$(printf '\t')"

.PHONY: clean
clean: ## remove build/
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' -type f 2>/dev/null)

.PHONY: print-cppflags print-warn
print-cppflags:
	@echo $(CPPFLAGS) $(shell pkg-config --cflags $(PKGS))
print-warn:
	@echo $(filter-out -Wnull-dereference,$(WARN))
