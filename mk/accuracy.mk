.PHONY: accuracy
accuracy: $(B)/tests/support/accuracy ## precision, recall, F1 per entity on the development corpora
	@$(B)/tests/support/accuracy ../shared/data/detect-dev
