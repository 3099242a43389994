# Each use of wall time that affects a decision (tests/data/wall_times.txt), while a daemon's clock is wrong and after
# it is corrected. The clock is ahead or behind at the start, or for 20 s, without Redis, with Redis, and beside a
# second daemon. CLOCKS=all runs all combinations, otherwise one start with the clock behind.
# Once: HAProxy does not affect the result.
# Long: clocks are wrong for 20 s.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
. "$here/skewed.bash"
for command in openssl node; do
	command -v $command >/dev/null || { skip "clocks" "$command is not installed"; exit 0; }
done
if [ "${CLOCKS:-}" = all ]; then
	worlds='alone redis two' courses='ahead_start ahead_20s behind_20s behind_start' # after a start with the clock behind, the next times of the journal are doubtful for a day
else
	worlds=alone courses=behind_start
fi
off=864000 # ten days
W=$D/webhook
mkdir -p "$W"
webhook_secret=whsec_$(openssl rand -base64 32)
(umask 077 && echo "$webhook_secret" >"$D/notify.secret")
node "$here/notify.mjs" "$W" "$webhook_secret" >"$D/hook" 2>"$D/hook.log" &
hook=$!
node "$here/pins.mjs" >"$D/ports" 2>"$D/server.log" &
served=$!
wait_for test -s "$D/hook" -a -s "$D/ports"
eval "$(cat "$D/ports")"
. "$here/tsa.bash"
trap 'kill $hook $served $places; finish' EXIT # stacks end before these processes
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 18 -subj /CN=localhost -keyout "$D/admin.key" -out "$D/admin.crt" 2>/dev/null
{
	cat "$root/haproxy/haproxy.cfg"
	printf "\\nbackend calc from provider\\n    server s 127.0.0.1:%s\\nbackend old from http\\n    server local 127.0.0.1:1\\n" "$port"
} >"$D/edge.cfg"
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: clocks
identity:
  - {jwt: {header: authorization, demo_issuer: true}}
  - {signed_headers: {keys: hmac.yaml}}
  - {api_key: {header: x-api-key, keys: keys.yaml}}
classes:
  pii: [EMAIL_ADDRESS]
providers:
  openai: {backend: local, dialect: openai}
  throttled: {backend: local_2, dialect: openai}
  calc: {backend: calc, dialect: mcp}
observe: {hosts: [old.test], backend: old, until: UNTIL}
routes:
  - {name: brief, match: {host: [brief.test], path_prefix: /v1/}, targets: openai}
  - {name: throttled, match: {host: [throttled.test], path_prefix: /v1/}, targets: throttled, response: [meter], retry: {attempts: 2}}
  - {name: calc, match: {path: /mcp}, targets: calc}
  - {name: cached, match: {host: [cached.test], path_prefix: /v1/}, targets: openai, response: [meter], cache: {exact: {ttl: 1h, temperature: 1}}}
  - {name: kept, match: {path_prefix: /v1/responses}, targets: openai, response: restore}
  - {name: chat, match: {methods: [POST], path: [/v1/chat/completions]}, targets: openai, response: [meter], record: {prompt: redacted}}
  - {name: models, match: {methods: [GET], path: [/v1/models]}, targets: openai}
rules:
  - {name: pii, redact: {classes: [pii]}}
default: permit
limits:
  - {name: day, when: 'route.name == "chat"', per: [identity.person], requests: 5, window: {calendar: day}}
  - {name: brief, when: 'route.name == "brief"', per: [identity.person], requests: 2, window: 5s, soft: 50%}
  - {name: hour, when: 'route.name == "models"', per: [identity.person], requests: 5000, window: 1h}
Y
secret=$(openssl rand -hex 32)
echo "$secret" >"$D/hmac.secret"
truncate -s -1 "$D/hmac.secret"
chmod 600 "$D/hmac.secret"
echo 'keys: [{id: gw, secret: file:hmac.secret}]' >"$D/hmac.yaml"
auditor ann >"$D/base.yaml"
cat >>"$D/base.yaml" <<Y
backends: [local, local_2, calc, old]
workers: 1
admin: {tokens: "$D/admin.tokens"TLS}
notify: {url: "http://127.0.0.1:$(<"$D/hook")/hook", secret_file: "$D/notify.secret"}
retention: {texts: 7d, every: 1s}
anchors: [{file: "$D/anchors.txt", every: 5s}, {tsa: "$http/tsr", ca: "$D/out/tsa.crt", every: 5s}]
Y
json='content-type: application/json'
auth=''
id_of() { cut -d_ -f2 <<<"$1"; }
audit() { "$build/tollgate" audit "$@" -c "$D/tollgate.yaml" 2>"$D/audit.err"; }
status_of() { "$build/tollgate" status -c "$D/tollgate.yaml" 2>&1; }
# chat PERSON: prints the status
chat() {
	req POST /v1/chat/completions -H "authorization: Bearer $(token --ttl 86400 --claims "{\"sub\":\"$1\"}")" -H "$json" -d '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"write to jane@example.com"}]}'
	echo "$status"
}
# admitted PERSON N: prints how many of N requests pass
admitted() {
	local n=0 i
	for ((i = 0; i < $2; i++)); do [ "$(chat "$1")" != 200 ] || n=$((n + 1)); done
	echo $n
}
by_token() { req GET /v1/models -H "$auth"; [ "$status" = 200 ]; }
by_key() { with_key "$1"; echo "$status"; }
signed() {
	local now nonce mac
	now=$(date +%s) nonce=$(openssl rand -hex 16)
	mac=$(printf 'tollgate-v1\nGET\n/v1/models\nx-identity-nonce:%s\nx-identity-person:sue\nx-identity-timestamp:%s\n' "$nonce" "$now" |
		openssl dgst -sha256 -mac HMAC -macopt "key:$secret" -r | cut -d' ' -f1)
	req GET /v1/models -H "x-identity-person: sue" -H "x-identity-timestamp: $now" -H "x-identity-nonce: $nonce" -H "x-identity-signature: $mac"
	echo "$status"
}
cached() {
	req POST /v1/chat/completions -H 'host: cached.test' -H "$auth" -H "$json" -d '{"model":"m","messages":[{"role":"user","content":"the same each time"}]}'
	echo "$status $(header x-tollgate-cache)"
}
# turn BEFORE ID: prints what the caller receives if the provider repeats a placeholder
turn() {
	control "$(jq -cn --arg id "$2" '{body:({id:$id,object:"response",output:[{type:"message",id:("m"+$id),role:"assistant",content:[{type:"output_text",text:"<EMAIL_ADDRESS_1>"}]}]}|tojson),content_type:"application/json",times:1}')"
	req POST /v1/responses -H "$auth" -H "$json" -d "$(jq -cn --arg p "$1" '{model:"m",input:"for jane@example.com"} + (if $p == "" then {} else {previous_response_id:$p,input:"and"} end)')"
	jq -r '.output[0].content[0].text' <<<"$body"
}
api() { curl -s -m 60 -o /dev/null -w '%{http_code}' --unix-socket "$sock" -H "authorization: Bearer $1" "http://admin/status"; }
admin_token() { "$build/tollgate" admin-token new "$1" --roles viewer --ttl "$2" --tokens "$D/admin.tokens"; }
by_nobody() { req GET /v1/models -H 'host: old.test' && echo "$status $(header x-tollgate-decision)"; }
listed() { curl -s -o /dev/null -m 20 -H "$auth" -H "$json" -H 'accept: application/json, text/event-stream' -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' "$EDGE/mcp"; }
# seen_in: prints how many hours ago the tool was last seen, rounded down
seen_ago() { "$build/tollgate" tools list --json -c "$D/tollgate.yaml" | jq -r '[.[] | .seen | sub("\\.[0-9]+Z$"; "Z") | fromdate] | max | (now - .) / 3600 | floor'; }
brief() { req GET /v1/models -H 'host: brief.test' -H "$auth"; echo "$status"; }
renewed() { grep -q 'the limit brief was spent' "$W/bodies"; }
told_of_end() { wait_for renewed || wait_for renewed; } # one notice a minute is sent
# throttled: prints the status if the only target first asks to wait two seconds, and how long the request took
throttled() {
	fetch POST "$PROVIDER_2/_control" "{\"status\":429,\"headers\":{\"retry-after\":\"$(LC_ALL=C date -u -d '+2 seconds' '+%a, %d %b %Y %T GMT')\"},\"times\":1}" >/dev/null
	req POST /v1/chat/completions -H 'host: throttled.test' -H "$auth" -H "$json" -d '{"model":"m","messages":[{"role":"user","content":"hello"}]}'
	echo "$status"
}
decisions() { audit list --json --since "$began" | grep -c '"type":"decision"'; }
# written: prints the number of decisions in the journals of all daemons; with Redis, audit list shows them all
written() { { cat "$D"/journal{,-b}/*.jsonl; zstd -dcq "$D"/journal{,-b}.keep/*.zst; } 2>/dev/null | tr -d '\0' | grep -o '"type":"decision","id":"[^"]*"' | sort -u | wc -l; }
stamped() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep '"type":"anchor"' | grep '"kind":"tsa"' | grep -c '"result":"taken"'; }
anchored() { cat "$D/anchors.txt" 2>/dev/null | wc -l; }
# shares_of ID: prints the file of shares of the node that recorded the request
shares_of() { if grep -qs -- "$1" "$D"/journal-b/*.jsonl; then echo "$D/journal-b.shares"; else echo "$JOURNAL.shares"; fi; }
opened() { audit open "$1" --key "$D/ann.key" --part prompt --shares "$(shares_of "$1")" --reason test; }
reloaded() { grep -c 'event=reload.done' "$D/tollgate.log"; }
to_edge() { [ "$(by_key "$endless")" = 200 ]; }
again() { stopped tollgate; daemon a; wait_for is_ready; wait_for to_edge; }

# made: makes the data that each course checks
made() {
	began=$(date -u -d '-30 days' +%FT%TZ)
	auth="authorization: Bearer $(token --ttl 86400)"
	ending=$(key new --person ending --ttl 1h) endless=$(key new --person endless) over=$(key new --person over --ttl 1h) old=$(key new --person old)
	key revoke "$(id_of "$over")" >/dev/null
	key rotate "$(id_of "$old")" --overlap 2h >/dev/null
	limit set day --for person=kim --to 7 --until "$(date -u -d '+2 hours' +%FT%TZ)" >/dev/null
	chat open >/dev/null
	text_id=$(header x-tollgate-id)
	chat zoe >/dev/null
	erased_id=$(header x-tollgate-id)
	audit erase --person zoe --why test >/dev/null
	admitted used 5 >/dev/null
	cached >/dev/null
	listed
	turn '' r0 >/dev/null
	last=r0
	settled
}
# during WORLD COURSE: the checks while the clock is wrong
during() {
	local reloads
	reloads=$(reloaded)
	is "$1, $2: key-revoked: refused meanwhile" "$(by_key "$over")" 401
	is "$1, $2: key-endless: accepted meanwhile" "$(by_key "$endless")" 200
	sleep 1.2 # the daemon checks its files twice a second
	is "$1, $2: reload: unchanged files are not loaded again" "$(reloaded)" "$reloads"
	# Without Redis, the daemon cannot know that the clock is wrong at the start, and a window of another day begins.
	[ "$1 ${2#*_}" != 'alone start' ] || return
	check "$1, $2: jwt: accepted meanwhile" wait_for by_token
	is "$1, $2: admin-token: accepted meanwhile" "$(api "$token_ending")" 200
	is "$1, $2: admin-token: refused meanwhile" "$(api "$token_ended")" 401
	is "$1, $2: observe: permitted meanwhile" "$(by_nobody)" "200 observed"
	is "$1, $2: throttled: the wait is correct meanwhile" "$(throttled)" 200
	listed
	: >"$W/bodies"
	[ "$(brief; brief)" = 200 ] || :
	"$build/tollgate" cache purge --older 1h --reason test -c "$D/tollgate.yaml" >/dev/null
	meanwhile=$(key new --person meanwhile --ttl 1h)
	check "$1, $2: key-made: accepted meanwhile" key_is "$meanwhile" 200
	is "$1, $2: limit-day: used up meanwhile" "$(chat used)" 429
}
# after WORLD COURSE: the checks after the clock was corrected and the daemon was started again
after() {
	local w="$1, $2"
	is "$w: key-ending" "$(by_key "$ending")" 200
	[ -z "$meanwhile" ] || is "$w: key-made" "$(by_key "$meanwhile")" 200
	meanwhile=''
	is "$w: key-endless" "$(by_key "$endless")" 200
	is "$w: key-revoked" "$(by_key "$over")" 401
	is "$w: key-rotated" "$(by_key "$old")" 200
	is "$w: limit-day: the earlier use counts" "$(chat used)" 429
	is "$w: limit-day: a new caller" "$(admitted "new-$2" 7)" 5
	is "$w: limit-override" "$(admitted kim 8)" "$kim"
	kim=0
	check "$w: jwt" by_token
	is "$w: signed" "$(signed)" 200
	is "$w: admin-token" "$(api "$token_ending") $(api "$token_ended")" "200 401"
	is "$w: observe" "$(by_nobody)" "200 observed"
	listed
	is "$w: tool-seen: hours ago" "$(seen_ago)" 0
	is "$w: cache" "$(cached >/dev/null; cached)" "200 hit"
	if [ "$1" != alone ]; then
		is "$w: kept" "$(turn "$last" "r$2")" jane@example.com
		last=r$2
	fi
	settled
	like "$w: texts" "$(opened "$text_id")" 'EMAIL_ADDRESS'
	opened "$erased_id" >/dev/null
	is "$w: erased" $? 1
	check "$w: verify" verifies "$JOURNAL" "$D/audit.key.pub"
	is "$w: list" "$(decisions)" "$(written)"
	like "$w: search" "$(audit search --id "$text_id" --since "$began")" "$text_id"
	unlike "$w: clock-status" "$(status_of)" '^clock:.*not followed'
	local lines stamps
	lines=$(anchored) stamps=$(stamped)
	more_anchors() { [ "$(anchored)" -gt "$lines" ]; }
	more_stamps() { [ "$(stamped)" -gt "$stamps" ]; }
	check "$w: anchors" wait_for more_anchors
	check "$w: time-stamps" wait_for more_stamps
	unlike "$w: degraded" "$(status_of | sed '/clock/d')" '^degraded'
	is "$w: throttled" "$(throttled)" 200
}
# course WORLD NAME: sets the clock, and runs the checks
course() {
	local by=$off
	[ "${2%%_*}" = ahead ] || by=-$off
	case $2 in
	*_start)
		stopped tollgate
		clock a $by
		daemon a
		wait_for is_ready
		wait_for to_edge
		during "$@"
		clock a 0
		again ;;
	*_20s)
		clock a $by
		sleep 21 # two intervals after which ended entries are removed
		during "$@"
		clock a 0
		is "$1, $2: cache-purge: an earlier response" "$(cached)" "200 hit"
		[ "$1 $2" != "alone ahead_20s" ] || check "$1, $2: notify: the end of a window" told_of_end
		again ;;
	esac
	after "$@"
}
sed -i "s/UNTIL/$(date -u -d '+80 days' +%FT%TZ)/" "$D/policy.yaml"
token_ending=$(admin_token ending 12h) token_ended=$(admin_token ended 1s)
clear_of day 900
for world in $worlds; do
	options=() kim=7 meanwhile=''
	tls=", tls: {listen: \"127.0.0.1:$(free_ports 1)\", certificate: \"$D/admin.crt\", key: \"$D/admin.key\"}"
	case $world in
	alone) options=(--no-redis) ;;
	two) options=(--daemons 2) tls='' ;; # the TLS listener's port can belong to one daemon only
	esac
	sed "s#TLS}#$tls}#" "$D/base.yaml" >"$D/config.yaml"
	stack_up --policy "$D/policy.yaml" --config "$D/config.yaml" --edge "$D/edge.cfg" --providers 2 --preload "$skew" "${options[@]}"
	sock=$(sed -n "s#^ *listen: *\"unix@\(.*/admin.sock\)\"#\1#p" "$D/tollgate.yaml")
	made
	for course in $courses; do course $world $course; done
	if [ $world = two ]; then
		check "two: key-revoked: the other daemon has the revocation" synced
	fi
	"$root/tests/support/stack" down --dir "$D"
	rm -rf "$JOURNAL"* "$D"/journal* "$D/anchors.txt" "$D"/*.log
done
