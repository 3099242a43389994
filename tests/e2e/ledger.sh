# Thirty people, two daemons, one of which is killed for a minute: the ledger of the generator is compared with each
# command and endpoint, of either daemon, and with the console.
# Late: it runs for three minutes.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
cp "$here/ledger.prices.yaml" "$D/"
sed -e 's/- jwt: {header: authorization, demo_issuer: true}/- jwt: {header: authorization, demo_issuer: true, claims: {team: team, agent: act.sub}}/' \
	-e 's/^rules:/&\n  - {name: no-deploy, phase: tool, when: "tool.name == \\"deploy\\"", deny: {reason: agents do not deploy}}/' \
	-e 's/response: ignore/response: [inspect]/' -e 's/^routes:/prices: ledger.prices.yaml\n&/' "$root/tests/support/stack-policy.yaml" >"$D/policy-ledger.yaml"
stack_up --daemons 2 --policy "$D/policy-ledger.yaml"
tls=$(free_ports 1)
token=$("$build/tollgate" admin-token new olga --roles operator,auditor --tokens "$D/admin.tokens" 2>/dev/null)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
	-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$D/admin.key" -out "$D/admin.crt" 2>/dev/null
chmod 600 "$D/admin.key"
again_with "admin: {console: true, tokens: \"$D/admin.tokens\", tls: {listen: \"127.0.0.1:$tls\", certificate: \"$D/admin.crt\", key: \"$D/admin.key\"}}"
teams=(red blue green gold gray)
agents=('' '' coder reviewer)
for i in {0..29}; do
	team=${teams[i % 5]} agent=${agents[i % 4]}
	jq -cn --arg p "person-$i" --arg t "$team" --arg a "$agent" --arg token "$(token --ttl 3600 --claims "{\"sub\":\"person-$i\",\"team\":\"$team\"${agent:+,\"act\":{\"sub\":\"$agent\"\}}}")" \
		'{person: $p, team: $t, agent: (if $a == "" then null else $a end), token: $token}'
done | jq -s . >"$D/tokens.json"
EDGE=$EDGE TOKENS=$D/tokens.json STOP=$D/enough LEDGER=$D/ledger RATE=${RATE:-15} node "$here/ledger.mjs" &
generator=$!
sleep "${FIRST:-75}" # more than a minute, so that the trends have a part of the killed daemon
killed second
sleep "${AWAY:-60}"
setsid "$build/tollgate" serve -c "$D/tollgate-b.yaml" </dev/null >>"$D/second.log" 2>&1 &
note_pid $! second
wait_for fetch GET "$ADMIN_B/readyz" >/dev/null
sleep 25
touch "$D/enough"
wait $generator
for of in journal journal-b; do echo "# $of: $(cat "$D/$of"/*.jsonl | tr -d '\0' | grep -c '"type":"decision"') decisions"; done
both_settled() { local n; n=$("$build/tollgate" audit search --limit 0 --json -c "$D/tollgate.yaml" 2>/dev/null | jq -c 'select(.type == "decision" and .decision != "deny" and .outcome == null)' | wc -l); [ "$n" = 0 ]; }
check "each request has its completion" wait_for both_settled
against() { node "$here/ledger-sums.mjs" "$D/ledger" "$D/records" "$@"; }
admin() { curl -s -m 60 --unix-socket "$SOCKETS/admin$1.sock" "http://localhost$2"; }
for of in '' -b; do
	"$build/tollgate" audit search --limit 0 --json -c "$D/tollgate$of.yaml" >"$D/records" 2>"$D/err"
	is "audit search$of: each response has its record, with the person, team, agent, model, tokens and cost" "$(against records 2>"$D/said")" ""
	cat "$D/said"
	is "audit list$of prints each request once" "$("$build/tollgate" audit list -c "$D/tollgate$of.yaml" 2>/dev/null | awk '{ print $NF }' | sort | uniq -c | awk '$1 != 1' | wc -l) $("$build/tollgate" audit list -c "$D/tollgate$of.yaml" 2>/dev/null | wc -l)" "0 $(jq -s 'map(select(.type == "decision")) | length' "$D/records")"
	for by in person team agent model day provider route tool; do
		is "usage$of --by $by" "$("$build/tollgate" usage --by $by --json -c "$D/tollgate$of.yaml" 2>/dev/null | against usage $by)" ""
		is "GET /usage?by=$by$of" "$(admin "$of" "/usage?by=$by&limit=1000" | against usage $by)" ""
	done
	for by in person team agent model decision; do
		is "audit search$of --count --by $by" "$("$build/tollgate" audit search --count --by $by --json -c "$D/tollgate$of.yaml" 2>/dev/null | against counts $by)" ""
	done
	is "audit report$of" "$("$build/tollgate" audit report --json -c "$D/tollgate$of.yaml" 2>/dev/null | jq .decisions.total)" "$(jq -s 'map(select(.type == "decision")) | length' "$D/records")"
	like "audit verify$of" "$("$build/tollgate" audit verify -c "$D/tollgate$of.yaml" 2>&1 | tr '\n' ' ')" '^ok node=[ab] .*ok node=[ab] '
	# the minute of the killed daemon's trends that was not closed is lost with it
	sum() { admin "$of" "/trends?range=1h&by=$1" | jq '[.series[] | [.permit, .deny, .redact, .observed] | map(. // [] | add // 0) | add] | add'; }
	before=$(jq -s --argjson at "$(stat -c %Y "$D/.killed")" 'map(select(.type == "decision" and .node == "b" and ((.time[0:19] + "Z") | fromdate) > $at - 62 and ((.time[0:19] + "Z") | fromdate) < $at + 2)) | length' "$D/records")
	total=$(jq -s 'map(select(.type == "decision")) | length' "$D/records")
	all_shown() { shown=$(sum total); [ "${shown:-0}" -ge $((total - before)) ] && [ "$shown" -le "$total" ]; }
	all_closed() { wait_for all_shown || wait_for all_shown; } # a minute, and the exchange of ten seconds
	check "GET /trends$of has all requests, except at most those of the killed daemon's last minute ($before)" all_closed
	echo "# trends$of: $shown of $total"
done

# ---- the console ----

export CHROMIUM=/usr/lib/chromium/chromium-headless-shell
what="the ledger and the console"
if ! command -v node >/dev/null || [ ! -x $CHROMIUM ] || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
	skip "$what" "no chromium-headless-shell or no Node 20"
	exit $failed
fi
npm_packages console "$what" || exit $failed
CONSOLE=https://localhost:$tls TOKEN=$token LEDGER=$D/ledger RECORDS=$D/records FACES=${FACES:-} \
	timeout 240 node "$build/console/ledger.mjs" >"$D/console.log" 2>&1
cat "$D/console.log"
if ! grep -q '^ok' "$D/console.log" || grep -q '^not ok' "$D/console.log"; then failed=1; fi
exit $failed
