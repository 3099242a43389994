# tollgate check --probe: the result for a working HAProxy, and for one where a rule, the daemon or a key is wrong. A
# probe does not reach a provider and counts for no caller, and it needs the state_key.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

cp "$root/tests/support/stack-policy.yaml" "$D/policy.yaml"
stack_up --policy "$D/policy.yaml"
files=("$D/haproxy/haproxy.cfg" "$D/haproxy/tollgate.cfg")
probe() { # [OPTIONS]: $code, $out, $err
	out=$("$B/tollgate" check -c "$D/tollgate.yaml" --haproxy "${files[@]}" --probe "$@" 2>"$D/probe.err")
	code=$? err=$(cat "$D/probe.err")
}
metric() { curl -s -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/metrics" | sed -n "s/^tollgate_$1 //p"; }
records() { "$B/tollgate" audit list -c "$D/tollgate.yaml" --since 1h --json | grep -c .; }
decided=$(metric 'decisions_total{decision="permit"}')
probe
is "a working gateway is exit 0" "$code $err" "0 "
like "the guard answers the direct probe, which is reported with its line" "$out" "^probe: http://localhost:[0-9]*, route chat, direct: the guard of backend openai answered .*haproxy.cfg:[0-9]*"
like "the relayed probe passes both passes" "$out" '^probe: .*route chat, relayed: both passes succeeded'
is "each backend of the policy is probed" "$(grep -c '^probe: .*route \(chat\|messages\),' <<<"$out")" 4
final is "no probe reaches a provider" "$(seen 10)" "[]"
is "four probes are counted" "$(metric probes_total)" 4
is "probes are not counted as decisions" "$(metric 'decisions_total{decision="permit"}')" "$decided"
is "no response of a provider is counted" "$(metric 'provider_answers_total{provider="openai",status="503"}')" 0
"$B/tollgate" audit verify -c "$D/tollgate.yaml" >/dev/null 2>&1
is "the records of probes verify" "$?" 0
is "they have their own type" "$(grep -ah '"type":"probe"' "$JOURNAL"/*.jsonl | grep -c '"decision":"permit"')" 4
like "they have no person" "$(grep -ah '"type":"probe"' "$JOURNAL"/*.jsonl | tail -1)" '"identity":\{"method":"probe"\}'
like "they state where the relayed probe stopped" "$(grep -ah '"type":"probe"' "$JOURNAL"/*.jsonl)" '"outcome":"never_sent".*"why":"a probe stops before the provider"'
is "audit list does not show them" "$(records)" 0
like "usage does not count them" "$("$B/tollgate" usage -c "$D/tollgate.yaml" --by person --since 1h)" '^total +0 '
like "with --json, results are notes" "$("$B/tollgate" check -c "$D/tollgate.yaml" --haproxy "${files[@]}" --probe --json)" '"valid":true.*"probe: http://localhost'
probe --host ai.example.com
like "--host probes another host" "$out" '^probe: http://ai.example.com:[0-9]*, route chat, direct: the guard'

# A probe cannot be faked.
body='{"model":"echo","max_tokens":1,"messages":[{"role":"user","content":"tollgate probe"}]}'
req POST /v1/chat/completions -H 'content-type: application/json' -H "authorization: Bearer tg_pr001234_0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk" -d "$body"
is "an invented key is a 401" "$status $(header x-tollgate-decision)" "401 deny"
"$B/tollgate" keygen --secret "$D/other.key" >/dev/null
sed "s#^state_key:.*#state_key: \"$D/other.key\"#" "$D/tollgate.yaml" >"$D/other.yaml"
out=$("$B/tollgate" check -c "$D/other.yaml" --haproxy "${files[@]}" --probe 2>&1)
is "a key of another state_key is exit 1" "$?" 1
like "the message explains it" "$out" 'direct: the gate returned 401: it does not accept the key of this probe'
sed '/^state_key:/d' "$D/tollgate.yaml" >"$D/none.yaml"
out=$("$B/tollgate" check -c "$D/none.yaml" --haproxy "${files[@]}" --probe 2>&1)
is "without a state_key, the probe is exit 2" "$?" 2
like "the message explains how to create one" "$out" 'has no state_key.*tollgate keygen --secret'
final is "none of these reached a provider" "$(seen 10)" "[]"

# rules of the configuration
cp "$D/haproxy/haproxy.cfg" "$D/right.cfg"
haproxy_with() { # SED: starts HAProxy with this change of its file
	sed "$1" "$D/right.cfg" >"$D/haproxy/haproxy.cfg"
	local pid
	pid=$(pid_of haproxy)
	kill -TERM "$pid"
	wait_for gone "$pid"
	rm -f "$SOCKETS/inner.sock"
	setsid "$HAPROXY" -W -db -f "$D/haproxy/haproxy.cfg" -f "$D/haproxy/tollgate.cfg" >>"$D/haproxy.log" 2>&1 </dev/null &
	note_pid $! haproxy
	wait_for edge_is_up
}
edge_is_up() { curl -s -m 5 -o /dev/null -X TRACE "$EDGE/"; }
export OPENAI_API_KEY=a ANTHROPIC_API_KEY=b LOCAL_API_KEY=c
line_of() { grep -n "$1" "$D/haproxy/haproxy.cfg" | cut -d: -f1; }
edge=$(sed -n '/^frontend edge/=' "$D/right.cfg") egress=$(sed -n '/^frontend egress/=' "$D/right.cfg")
haproxy_with "${edge}a\\    http-request redirect location /elsewhere code 302 if { method POST }"
probe
is "a redirect of all requests is exit 1" "$code" 1
like "the message has its line" "$err" "haproxy.cfg:[0-9]*:1: probe: http://localhost:[0-9]*, route chat, direct: answered before the gate: 302, a redirect to /elsewhere, by .*haproxy.cfg:$(line_of elsewhere)\$"
haproxy_with "${egress}a\\    http-request deny deny_status 421 if { path /v1/chat/completions }"
probe
like "a rule on the relay's second pass is reported with its line" "$err" "route chat, relayed: answered on the relay's second pass: 421, by a rule of yours: .*haproxy.cfg:$(line_of 'deny_status 421')\$"
like "the direct probe still succeeds" "$out" 'route chat, direct: the guard of backend openai answered'
like "the other route still succeeds" "$out" 'route messages, relayed: both passes succeeded'
haproxy_with 's/^\( *server anthropic .*\)/\1 disabled/'
probe
like "a backend without a server is reported" "$err" 'route messages, direct: 503: the running HAProxy has no backend anthropic, or none of its servers is up'
haproxy_with ''

usage=$("$B/tollgate" usage -c "$D/tollgate.yaml" --by person)
# probes to the provider, if the policy permits them
echo 'probe: provider' >>"$D/policy.yaml"
kill -HUP "$(pid_of tollgate)"
reloaded() {
	probe
	[[ $out = *'the provider returned'* ]]
}
wait_for reloaded
is "with probe: provider the probe is forwarded: exit 0" "$code $err" "0 "
like "the provider answers the direct probe" "$out" 'route chat, direct: the provider returned 200'
like "the provider answers the relayed probe" "$out" 'route chat, relayed: the provider returned 200'
like "the provider receives the probe" "$(seen)" 'tollgate probe'
unlike "the provider does not receive the probe's key" "$(seen 20)" 'tg_pr0'
is "usage still does not count them" "$("$B/tollgate" usage -c "$D/tollgate.yaml" --by person)" "$usage"

# without daemon, without HAProxy
killed tollgate
probe
is "without the daemon, the probe is exit 1" "$code" 1
like "the message explains that the daemon is missing" "$err" 'direct: 503: the daemon sent no decision'
pid=$(pid_of haproxy)
kill -TERM "$pid"
wait_for gone "$pid"
probe
is "without HAProxy, the probe is exit 2" "$code" 2
like "the message explains that there was no connection" "$err" 'direct: no answer: .*[Cc]onnect'
exit $failed
