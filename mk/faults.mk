# Tests under faults (tests/faults), and the same with sanitized programs.
.PHONY: faults faults-sanitized
faults: deps ## the stack under faults: kills, full disks, reloads, hostile peers (FAULTS="NAME…")
	@$(MAKE) --no-print-directory all
	@tests/faults/run $(if $(HAPROXY),--haproxy $(HAPROXY)) $(FAULTS)

faults-sanitized: deps ## the stack under load with TSan, then with ASan and UBSan
	@$(MAKE) --no-print-directory B=$(B)/tsan OPT="-O1 -g" SAN=thread all
	@$(MAKE) --no-print-directory B=$(B)/asan OPT="-O1 -g" SAN=address,undefined all
	@tests/faults/sanitized $(B)
