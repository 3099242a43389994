# What a newcomer types: demo, test, e2e.
.PHONY: test e2e demo unit-programs seed-programs print-tests
test: deps ## every ring but the long ones, from a fresh machine
	@tests/support/rings

e2e: deps ## the end-to-end ring, HAPROXY=BIN for another HAProxy
	@$(MAKE) --no-print-directory all
	@tests/e2e/run $(if $(HAPROXY),--haproxy $(HAPROXY)) $(E2E)

demo: deps-run ## from a fresh machine to a running gateway, with a tour
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@tests/support/demo

unit-programs: $(UNIT_BIN)
seed-programs: $(FUZZ_RUN)
print-tests:
	@echo $(UNIT_BIN) $(FUZZ_RUN)

