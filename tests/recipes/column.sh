build/tests/unit/test_usage
