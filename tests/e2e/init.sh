# tollgate init on a person's own configuration: what it lays is what HAProxy runs, the gate
# asks, the rest is as it was; and a guard that is taken away is seen by check.
. "$(dirname "$0")/lib.sh"

grep -v '^#+' "$here/bolt-on/person.cfg" >"$D/person.cfg"
mkdir -p "$D/root/etc/haproxy"
sed 's/127.0.0.1:1$/127.0.0.1:1 check/' "$D/person.cfg" >"$D/root/etc/haproxy/haproxy.cfg"
laid() {
	"$B/tollgate" init --root "$D/root" --host ai.example.com --backend openai=openai \
		--backend anthropic=anthropic --backend local=rest --backend own=rest \
		--haproxy-binary true "$@"
}
laid >"$D/difference" 2>"$D/init.err"
is "it says what it would do" "$?" 0
is "and writes nothing" "$(ls "$D/root/etc")" haproxy
laid --write >"$D/written" 2>>"$D/init.err"
is "it does it" "$?" 0
laid --write >"$D/again" 2>>"$D/init.err"
like "twice is once" "$(cat "$D/again")" 'Nothing to do'
cp "$D/root/etc/haproxy/haproxy.cfg" "$D/laid.cfg"
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml" --edge "$D/laid.cfg"
is "HAProxy loads it without a warning" "$(cat "$D/haproxy-check.log")" ""
auth="authorization: Bearer $(token)"
json='content-type: application/json'
ai='host: ai.example.com'
chat='{"model":"echo","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'
req POST /v1/chat/completions -H "$ai" -H "$auth" -H "$json" -d "$chat"
is "a request of that host is decided" "$status $(header x-tollgate-decision)" "200 redact"
like "and redacted" "$(seen)" 'EMAIL_ADDRESS_1'
req POST /v1/chat/completions -H "$ai" -H "$json" -d "$chat"
is "without a credential: 401" "$status" 401
req GET / -H 'host: www.example.com'
is "the site is as it was" "$status" 200
req POST /v1/chat/completions -H 'host: www.example.com' -H "$json" -d "$chat"
is "the key's backend is guarded" "$status" 503

# a backend with a key whose guard is forgotten: HAProxy takes it, check does not
awk '/^backend openai/ { on = 1 } /^backend anthropic/ { on = 0 } !(on && /did not pass the gate|another backend/)' \
	"$D/laid.cfg" >"$D/forgotten.cfg"
"$B/tollgate" check --haproxy "$D/forgotten.cfg" "$root/haproxy/tollgate.cfg" --haproxy-version 2.6.12 >"$D/check.out" 2>"$D/check.err"
is "a forgotten guard is an error" "$?" 1
like "with its line" "$(cat "$D/check.err")" 'forgotten.cfg:[0-9]*:1: credential-unguarded: openai holds a credential'
"$B/tollgate" check --haproxy "$D/laid.cfg" "$root/haproxy/tollgate.cfg" --haproxy-version 2.6.12 >"$D/check.out" 2>"$D/check.err"
is "what init laid is none" "$? $(cat "$D/check.err")" "0 "
"$root/tests/support/stack" down --dir "$D"
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml" --edge "$D/forgotten.cfg"
forget
req POST /v1/chat/completions -H 'host: www.example.com' -H "$json" -d "$chat"
is "and it is real: without any key the provider answers" "$status" 200
exit $failed
