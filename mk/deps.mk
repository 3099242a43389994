# Debian packages: what the build needs, what tests and demo need beside it.
# Debian 13 has libllhttp-dev; on Debian 12 the package node-llhttp brings the
# sources.
DEPS_LLHTTP := $(if $(wildcard /usr/include/llhttp.h /usr/share/include/llhttp/llhttp.h),,$(shell \
	apt-cache show libllhttp-dev >/dev/null 2>&1 && echo libllhttp-dev || echo node-llhttp))
DEPS_RUN  := haproxy:haproxy redis-server:redis-server curl:curl openssl:openssl tzdata
DEPS_TEST := libcmocka-dev varnishtest:varnish mandoc:mandoc node:nodejs npm:npm

.PHONY: deps deps-run
deps: ## install the Debian packages that build and tests lack, and say which
	@tests/support/deps $(DEPS_BUILD) $(DEPS_LLHTTP) $(DEPS_RUN) $(DEPS_TEST)
deps-run:
	@tests/support/deps $(DEPS_BUILD) $(DEPS_LLHTTP) $(DEPS_RUN)
