# make install PREFIX=/usr/local DESTDIR=: program, what an operator copies, manual
# pages, systemd's files. Touches nothing under /etc and starts nothing.
SHARE = $(DESTDIR)$(PREFIX)/share
UNITS = $(DESTDIR)$(PREFIX)/lib
MAN1 := $(wildcard docs/man/*.1)
MAN5 := $(wildcard docs/man/*.5)
MAN8 := $(wildcard docs/man/*.8)

.PHONY: install uninstall
install: $(B)/tollgate ## into PREFIX (/usr/local) under DESTDIR
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/tollgate/haproxy $(SHARE)/tollgate/policies/detectors \
		$(SHARE)/man/man1 $(SHARE)/man/man5 $(SHARE)/man/man8 $(SHARE)/doc/tollgate/docs \
		$(UNITS)/systemd/system $(UNITS)/sysusers.d $(UNITS)/tmpfiles.d
	install -m 755 $(B)/tollgate $(DESTDIR)$(PREFIX)/bin/tollgate
	install -m 644 haproxy/* $(SHARE)/tollgate/haproxy
	install -m 644 policies/*.yaml $(SHARE)/tollgate/policies
	install -m 644 policies/detectors/* $(SHARE)/tollgate/policies/detectors
	install -m 644 $(MAN1) $(SHARE)/man/man1
	install -m 644 $(MAN5) $(SHARE)/man/man5
	install -m 644 $(MAN8) $(SHARE)/man/man8
	install -m 644 README.md LICENSE $(SHARE)/doc/tollgate
	install -m 644 docs/*.md $(SHARE)/doc/tollgate/docs
	sed 's#@PREFIX@#$(PREFIX)#g' docs/tollgate.service >$(UNITS)/systemd/system/tollgate.service
	chmod 644 $(UNITS)/systemd/system/tollgate.service
	install -m 644 docs/tollgate.sysusers $(UNITS)/sysusers.d/tollgate.conf
	install -m 644 docs/tollgate.tmpfiles $(UNITS)/tmpfiles.d/tollgate.conf

uninstall: ## removes what install put there; /etc/tollgate and /var/lib/tollgate stay
	rm -f $(DESTDIR)$(PREFIX)/bin/tollgate $(UNITS)/systemd/system/tollgate.service \
		$(UNITS)/sysusers.d/tollgate.conf $(UNITS)/tmpfiles.d/tollgate.conf \
		$(MAN1:docs/man/%=$(SHARE)/man/man1/%) $(MAN5:docs/man/%=$(SHARE)/man/man5/%) \
		$(MAN8:docs/man/%=$(SHARE)/man/man8/%)
	rm -rf $(SHARE)/tollgate $(SHARE)/doc/tollgate
