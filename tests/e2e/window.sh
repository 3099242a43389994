# A rolling window with HAProxy, Redis and two daemons: three concurrent requests leave a window of 20 s together, not
# before its end and at most 2 % later, and Retry-After states that time.
# Once: no version of HAProxy differs here.
# Long: it waits for a window to end.
. "$(dirname "$0")/lib.sh"
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: window
identity:
  - none: {}
providers:
  openai: {backend: local, dialect: openai}
routes:
  - {name: chat, match: {path: /v1/chat/completions}, targets: openai}
limits:
  - {name: three, requests: 3, window: 20s}
default: permit
Y
stack_up --policy "$D/policy.yaml" --daemons 2
ask() {
	req POST /v1/chat/completions -H 'content-type: application/json' \
		-d '{"model":"echo","messages":[{"role":"user","content":"hello"}]}'
}
admitted() { ask && [ "$status" = 200 ]; }
now_ms() { date +%s%3N; }

check "the first request is admitted" wait_for admitted
sleep 21 # the first request has left the window
first=$(now_ms)
got=
for _ in 1 2 3 4; do
	ask
	got="$got $status"
	[ "$status" != 200 ] || last=$(now_ms)
done
is "three concurrent requests are admitted, and the fourth is not" "$got" " 200 200 200 429"
sleep 5
ask
asked=$(now_ms) wait=$(header retry-after)
early=$((asked + (wait - 1) * 1000 - last))
check "Retry-After states the time of the window: $wait s" [ "$early" -le 20400 ]
check "Retry-After is not too short: $wait s" [ $((asked + wait * 1000 - first)) -ge 20000 ]
while ask && [ "$status" = 429 ] && [ $(($(now_ms) - first)) -lt 30000 ]; do sleep .02; done
back=$(now_ms)
check "a request is admitted after 20 s: $((back - first)) ms" [ $((back - first)) -ge 20000 ]
check "a request is admitted after at most 20.4 s: $((back - last)) ms" [ $((back - last)) -le 20400 ]
