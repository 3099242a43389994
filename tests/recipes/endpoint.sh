grep -c limits/kinds docs/reference/tollgate.8.md
