build/tollgate policy schema | grep -c stream_deadline
