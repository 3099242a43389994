build/tests/unit/test_docs_lists
build/tollgate policy schema | grep -c '415,422,429'
