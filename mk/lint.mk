.PHONY: lint
lint: ## layers, headers that compile alone, warnings of gcc and clang, file sizes
	@tests/support/lint
