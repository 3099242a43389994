build/tests/unit/test_docs_lists
build/tests/unit/test_key
build/tollgate policy schema | grep -c '"bytes"'
