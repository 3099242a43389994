grep -c tollgate_streams_asked_total docs/reference/tollgate.8.md
