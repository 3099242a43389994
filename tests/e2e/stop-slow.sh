# A daemon that stops while clients of HAProxy read a long stream slowly, or not at all: it leaves a client that never reads within
# 5 s, and waits for one that has read on after a pause.
# Turns: it waits for the clients.
. "$(dirname "$0")/lib.sh"
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
TOKEN=$(token)
# events N: N events of 64 KB each
events() {
	python3 - "$1" <<-'PY'
		import json, sys
		event = "data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": "x" * 65000}}]}) + "\n\n"
		end = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
		print(json.dumps({"body": event * int(sys.argv[1]) + end, "content_type": "text/event-stream", "times": 1}))
	PY
}
# reader BYTES SECONDS: asks for a stream, and reads so many bytes in so many seconds each time; BYTES 0: never reads. Prints the
# bytes that it received and whether the end of the stream was among them.
# It becomes the Python program, so that `kill` ends the program and no process keeps the output of this script open.
reader() {
	exec python3 - "$EDGE" "$TOKEN" "$@" <<-'PY'
		import socket, sys, time
		edge, token, size, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
		host, port = edge.split("//")[1].split(":")
		s = socket.socket()
		s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
		s.connect((host, int(port)))
		body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}'
		s.sendall(("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer %s\r\n"
		           "content-type: application/json\r\ncontent-length: %d\r\n\r\n" % (token, len(body))).encode() + body)
		s.settimeout(60)
		total, tail = 0, b""
		while size == 0:
		    time.sleep(60)
		while True:
		    some = s.recv(size)
		    if not some:
		        break
		    total, tail = total + len(some), (tail + some)[-64:]
		    time.sleep(pause)
		print(total, tail.count(b"[DONE]"))
	PY
}
haproxy_serves() { # a health check of HAProxy has found the daemon
	req GET /v1/models -H "authorization: Bearer $TOKEN"
	[ "$status" = 200 ]
}
in_flight() { [ "$(metric requests_in_flight)" -ge 1 ]; }
daemon=$(pid_of tollgate)
ms() { echo $((${EPOCHREALTIME/./} / 1000)); }
# stops: sends SIGTERM, waits for the end, and prints the milliseconds
stops() {
	local began
	began=$(ms)
	kill -TERM "$1"
	wait_for gone "$1"
	echo $(($(ms) - began))
}
stream() { # BYTES SECONDS EVENTS WAIT: starts a reader of a stream with so many events, and waits: 1.5 s until HAProxy's buffers are full
	events "$3" >"$D/.big"
	control "@$D/.big"
	reader "$1" "$2" >"$D/.reader" &
	client=$!
	check "the stream is in flight" wait_for in_flight
	sleep "$4"
}

stream 0 0 300 1.5 # 19 MB
took=$(stops "$daemon")
check "a client that never reads holds the daemon for at most 5 s ($took ms)" test "$took" -le 5500
is "the record has the reason" "$(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | tail -n 1 | jq -r .why)" 'the client did not read, and the daemon stops'
kill "$client"

"$build/tollgate" serve -c "$D/tollgate.yaml" </dev/null >>"$D/tollgate.log" 2>&1 &
daemon=$!
note_pid $daemon tollgate
wait_for is_ready
wait_for haproxy_serves
stream 65536 0.22 170 8 # 11 MB at 300 KB/s; HAProxy reads on after 4 to 5 s
took=$(stops "$daemon")
check "the daemon waits for a client that has read on after a pause ($took ms)" test "$took" -gt 5500
wait "$client"
is "such a client gets the whole stream" "$(cut -d ' ' -f 2 "$D/.reader")" 1
exit $failed
