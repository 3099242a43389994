# Packages, releases and images: make deb, release, and the tests that install them. The Makefile includes this file.

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
