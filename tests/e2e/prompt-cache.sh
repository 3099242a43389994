# The provider's prompt cache: cached input is in records, tollgate usage and metrics. If a route's share of cached
# input falls, status, /readyz, log, record and metrics report it until it recovers. Hours pass only on the daemon's
# clock.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
${CC:-cc} -shared -fPIC -o "$D/skew.so" "$root/tests/support/skew.c" || { not_ok "skew.c builds"; exit 1; }
head -c 16 /dev/zero >"$D/skew.a"
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: prompt-cache
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {person: ann}
providers:
  openai: {backend: openai, dialect: openai}
  anthropic: {backend: anthropic, dialect: anthropic}
routes:
  - {name: own, match: {api: openai, host: own.test}, targets: openai, response: [meter], cache: {exact: {ttl: 10m, temperature: 1}}}
  - {name: claude, match: {api: anthropic}, targets: anthropic, response: [meter]}
  - {name: chat, match: {api: openai}, targets: openai, response: [meter]}
default: permit
Y
echo 'workers: 1' >"$D/config.yaml"
stack_up --no-redis --config "$D/config.yaml" --policy "$D/policy.yaml" --preload "$D/skew.so"
tg() { local verb=$1; shift; "$build/tollgate" "$verb" "$@" -c "$D/tollgate.yaml"; }
ask() { req POST /v1/chat/completions -H 'content-type: application/json' "${@:2}" -d '{"model":"m","messages":[{"role":"user","content":"'"$1"'"}]}'; }
gives() { control '{"usage":{"prompt_tokens":10000,"completion_tokens":5,"total_tokens":10005,"prompt_tokens_details":{"cached_tokens":'"$1"'}}}'; }
many() {
	local i
	for ((i = 0; i < 60; i++)); do ask "number $i"; done
	settled
}
passed=0
minutes() { # N: lets minutes pass on the daemon's clock, and waits for its next check
	passed=$((passed + $1))
	python3 -c 'import struct, sys; f = open(sys.argv[1], "r+b"); f.seek(8); f.write(struct.pack("=q", int(sys.argv[2]) * 60 * 10**9))' "$D/skew.a" $passed
	wait_for looked $((passed * 60))
}
looked() { [ "$(metric uptime_seconds)" -ge "$1" ] && sleep 1.1; } # the daemon checks each second
later() { minutes 1; says "$@"; }
fallen() { fetch GET "$ADMIN/metrics" | grep '^tollgate_route_cached_share_fallen'; }
in_log() { cat "$D"/tollgate*.log; }
records() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep '"type":"degraded"' | jq -c 'select(.dependency != "clock") | [.what, .dependency, .why]'; }

# ---- counts ----
gives 8000
many
is "the record has the cached input" "$status $(completion '[.usage.input_tokens, .usage.cached_tokens]')" "200 [10000,8000]"
control '{"usage":{"input_tokens":100,"output_tokens":5,"cache_read_input_tokens":300,"cache_creation_input_tokens":600}}'
req POST /v1/messages -H 'content-type: application/json' -d '{"model":"c","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
gives 8000
for _ in 1 2; do ask again -H 'host: own.test' -H "authorization: Bearer $(token)"; settled; done
is "a response of the gateway's cache has no input" "$(header x-tollgate-cache) $(metric route_usages_total 'route="own",provider="openai",model="m"')" "hit 1"
settled
tg usage --by route --since 1h --sort name --json >"$D/out"
is "tollgate usage has it by route, in any dialect" "$(jq -c '[.rows[] | [.route, .input_tokens, .cached_tokens, .cache_write_tokens, (.cached_percent | round)]]' "$D/out")" \
	'[["chat",600000,480000,0,80],["claude",1000,300,600,30],["own",10000,8000,0,80]]'
tg usage --by model --since 1h >"$D/out"
like "tollgate usage prints it by model" "$(cat "$D/out")" '^c +1 +0 +1000 +300 +5 +0 +0 +0 +0 +0\.0 +0\.0 +600 +30\.0$'
tg usage --by route --since 1h --csv >"$D/out"
like "tollgate usage as CSV has it" "$(head -1 "$D/out" | tr -d '\r') $(tr -d '\r' <"$D/out" | grep '^"chat"')" ',cached_percent,.* "chat",.*,80\.0,'
of_chat() { metric "route_$1" "route=\"chat\",provider=\"openai\",model=\"m\"${2:+,$2}"; }
is "metrics have both counts" "$(of_chat usages_total) $(of_chat tokens_total 'type="input"') $(of_chat token_parts_total 'type="cached"')" "60 600000 480000"

# ---- a falling share ----
is_looking() { [ "$(metric uptime_seconds)" -ge 3 ]; } # the daemon checks since its second second
wait_for is_looking
minutes 80
minutes 16
unlike "nothing is reported yet" "$(tg status)" prompt_cache
gives 300
many
said='degraded: prompt_cache: route chat: share of cached input fell from 80 % to 3 %'
check "a prompt prefix that changes each time is reported" wait_for later "$said" tg status
like "readyz reports it, and stays ready" "$(ready)" "$said"
like "the log reports it" "$(in_log)" 'event=degraded.begin part=prompt_cache .*fell from 80 % to 3 %'
like "the metric of parts reports it" "$(fetch GET "$ADMIN/metrics")" 'tollgate_degraded\{part="prompt_cache"\} 1'
is "the metric of routes reports it" "$(fallen | sort | tr '\n' ';')" 'tollgate_route_cached_share_fallen{route="chat"} 1;tollgate_route_cached_share_fallen{route="claude"} 0;tollgate_route_cached_share_fallen{route="own"} 0;'
is "a record reports it" "$(records)" '["begin","prompt_cache","route chat: share of cached input fell from 80 % to 3 %"]'
sed -i 's/^name: .*/name: another/' "$D/policy.yaml"
like "another policy is loaded" "$(tg reload)" 'policy another@'
like "a reload does not end the report" "$(sleep 1.1; tg status)" "$said"
gives 8000
minutes 15
many
check "it ends when the share has recovered" wait_for later 'event=degraded.end part=prompt_cache' in_log
unlike "status does not report it any more" "$(tg status)" prompt_cache
is "begin and end are recorded" "$(records | jq -c .[0] | tr '\n' ' ')" '"begin" "end" '
