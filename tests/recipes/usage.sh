build/tests/unit/test_docs_lists
