# The header fields with which HAProxy reports, on the relay's second pass, whether a response is the provider's or
# its own, and why. One check for each way in which a provider can fail. tests/unit/test_relay_said.c has the meaning
# of each. Checks the effect with a second target, the values that HAProxy sets for the relay, and that neither
# callers nor providers can fake them.
# Long: a queue and a connection reach their timeouts.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "what HAProxy reports on the second pass" "node is not installed"; exit 0; }
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$D/key" -out "$D/cert" -days 2 -subj /CN=provider 2>/dev/null
node "$here/inner-bind.mjs" serve "$D/key" "$D/cert" >"$D/ports" 2>&1 &
providers=$!
wait_for grep -q refusing= "$D/ports"
declare -A port
for p in $(cat "$D/ports"); do port[${p%%=*}]=${p#*=}; done
backend() { # NAME LINES
	printf 'backend %s from provider\n' "$1"
	shift
	printf '    %s\n' "$@"
}
at() { echo "server s 127.0.0.1:${port[$1]}"; }
{
	sed 's/^    use_backend anthropic if .*/    use_backend off if { path \/off }\n&/' "$root/haproxy/haproxy.cfg"
	echo
	backend off "server s 127.0.0.1:1 disabled"
	backend unresolved "server s nowhere.invalid:443 resolvers dns init-addr none"
	backend queued "timeout queue 300ms" "$(at silent) maxconn 1"
	backend refused "$(at refusing)"
	backend several "retries 1" "option redispatch 1" "$(at refusing)" "server t 127.0.0.1:${port[refusing]}"
	backend second "retries 1" "option redispatch 1" "balance first" "$(at refusing)" "server t 127.0.0.1:${port[good]}"
	backend mute "timeout connect 300ms" "$(at mute) ssl verify none"
	backend certificate "$(at tls) ssl verify required ca-file /etc/ssl/certs/ca-certificates.crt"
	backend late "timeout server 300ms" "$(at silent)"
	for p in good forging cut reset garbage halfhead kept; do backend $p "$(at $p)"; done
	backend denied "http-response deny" "$(at good)"
	backend ruled "http-request deny deny_status 429" "$(at good)"
	backend keyless "server local 127.0.0.1:1"
} >"$D/edge.cfg"
# A route for each backend, with a second target of its own, because the retry budget is a share of the first
# attempts.
# tried first, and a few
causes='queued|never_sent
off|never_sent
unresolved|never_sent
ghost|never_sent
refused|never_sent
several|never_sent
mute|never_sent
certificate|never_sent
cut|perhaps_billed
reset|perhaps_billed
garbage|perhaps_billed
halfhead|perhaps_billed
late|perhaps_billed
denied|perhaps_billed'
{
	sed '/^routes:/,$d' "$here/policy.yaml"
	while IFS='|' read -r b _; do printf '  %s: {backend: %s, dialect: rest}\n  spare-%s: {backend: good, dialect: rest}\n' "$b" "$b" "$b"; done <<<"$causes"
	printf '  spare-kept: {backend: good, dialect: rest}\n  spare-ruled: {backend: good, dialect: rest}\n  ruled: {backend: ruled, dialect: rest}\n  kept: {backend: kept, dialect: rest}\n\n'
	sed -n '/^routes:/,/^rules:/p' "$here/policy.yaml" | sed '$d'
	printf '%s\nkept|3\nruled|\n' "$causes" | while IFS='|' read -r b n; do
		[ "$n" = 3 ] || n=2
		printf '  - {name: row-%s, match: {path: /row/%s}, dialect: rest, targets: [%s, spare-%s], retry: {attempts: %s}, response: [record]}\n' "$b" "$b" "$b" "$b" "$n"
	done
	sed -n '/^rules:/,$p' "$here/policy.yaml"
} >"$D/rows.yaml"
echo "backends: [openai, anthropic, local, good, ruled, kept, $(cut -d'|' -f1 <<<"$causes" | paste -sd ,)]" >"$D/rows.config.yaml"
stack_up --edge "$D/edge.cfg" --policy "$D/rows.yaml" --config "$D/rows.config.yaml"
note_pid $providers providers
inner() { node "$here/inner-bind.mjs" ask "$SOCKETS/inner.sock" "$@"; }
# row NAME TEXT REGEX: # in REGEX is any number
row() { like "$1" "$2" "^${3//#/[0-9]+}\$"; }

# ---- on a new connection of the relay ----
while IFS='|' read -r name backend expect; do
	row "$name" "$(inner "$backend")" "$backend ${expect//;/\\|}"
done <<'T'
a provider's own response|good|200;provider;;
a provider cannot fake the report|forging|200;provider;;
a server that is down|/off|503;;503 -1 -1 -1 0 off <NOSRV>( 0)?;
a backend whose server is down|off|503;;503 -1 -1 -1 0 tollgate-deny <NOSRV>( 0)?;
a name without an address|unresolved|503;;503 -1 -1 -1 0 tollgate-deny <NOSRV>( 0)?;
an unknown backend|ghost|503;;503 -1 -1 -1 0 tollgate-deny <NOSRV>( 0)?;
no backend for the path|/nowhere|503;;503 -1 -1 -1 0 egress <NOSRV>( 0)?;
refused|refused|503;;503 # -1 -1 0 refused s( #)?;
refused by both servers|several|503;;503 # -1 -1 \+1 several [st]( #)?;
refused by the first of two|second|200;provider;;
no connection in time: a silent TLS peer|mute|503;;503 # -1 -1 0 mute s( #)?;
a certificate that does not verify|certificate|503;;503 # -1 -1 0 certificate s 34;
cut before the head|cut|503;;502 # # -1 0 cut s( #)?;
reset before the head|reset|503;;502 # # -1 0 reset s( #)?;
garbage in place of a head|garbage|503;;502 # # -1 0 garbage s( #)?;
cut in the head|halfhead|503;;502 # # -1 0 halfhead s( #)?;
no head in time|late|503;;504 # # -1 0 late s( #)?;
a rule that denies the response|denied|503;;502 # # # 0 denied s( #)?;
a rule of the configuration that answers|ruled|429;;429 -1 -1 -1 0 ruled <NOSRV>( 0)?;
T
# one of two requests has the server's only place
for n in 1 2; do
	inner queued >"$D/queued.$n" &
	two[n]=$!
done
wait_for grep -hs '|' "$D/queued.1" "$D/queued.2" >/dev/null
row "no place at the server before the timeout" "$(cat "$D"/queued.[12])" 'queued 503\|\|503 # -1 -1 0 queued <NOSRV>( 0)?\|'

# ---- the effect: the next target answers, and the record has the cause ----
auth="authorization: Bearer $(token)"
attempts() { completion '[.attempts[]? | "\(.target) \(.cause)"] | join(", ")' | tr -d '"'; }
ask_row() { req POST "/row/$1" -H "$auth" -H 'content-type: application/json' -d '{}'; }
while IFS='|' read -r backend cause; do
	ask_row "$backend"
	is "$backend: the next target answers" "$status $(header x-tollgate-target)" "200 spare-$backend"
	like "$backend: $cause" "$(attempts)" "^$backend $cause, spare-$backend done\$"
done <<<"$causes"
kill "${two[@]}" 2>/dev/null
ask_row ruled
is "a response of a rule in the configuration is forwarded" "$status" 429

# ---- on a reused connection ----
# HAProxy closes where it expects a client to try again. The relay cannot know why, and must not guess.
later=$(printf '%s\n' 3.0 "$HAPROXY_VERSION" | sort -V | head -1)
silent='EOF'
said() { if [ "$later" = 3.0 ]; then echo "503\\|\\|502 # # -1 0 $1 s( #)?\\|"; else echo EOF; fi; }
kept() { row "after another answer: $1" "$(inner good "$2" good | tr '\n' ' ')" "good 200\\|provider\\|\\| $2 $3 good 200\\|provider\\|\\| "; }
kept "refused" refused '503\|\|503 # -1 -1 0 refused s( #)?\|'
kept "a certificate that does not verify" certificate '503\|\|503 # -1 -1 0 certificate s 34\|'
kept "a server that is down" off '503\|\|503 -1 -1 -1 0 tollgate-deny <NOSRV>( 0)?\|'
kept "no head in time" late '503\|\|504 # # -1 0 late s( #)?\|'
kept "no connection in time: closed without a response, although nothing was sent" mute $silent
kept "cut before the head: closed without a response by 2.6" cut "$(said cut)"
kept "reset before the head: the same" reset "$(said reset)"
kept "cut in the head: the same" halfhead "$(said halfhead)"
# the provider's connection is the reused one
is "a provider's reused connection answers" "$(inner kept)" "kept 200|provider||"
if [ "$later" = 3.0 ]; then
	is "cut on the reused connection: since 3.0 HAProxy closes without a response" "$(inner kept)" "kept EOF"
else
	row "cut on the reused connection: 2.6 reports it" "$(inner kept)" 'kept 503\|\|502 # # -1 0 kept s( #)?\|'
fi

# In both cases the relay repeats the same request once, at once.
ask_row kept
is "a provider's connection is kept open" "$status $(attempts)" "200 kept done"
ask_row kept
is "if the kept connection breaks, the request is sent again as another attempt" "$status $(attempts)" "200 kept perhaps_billed, kept done"

# ---- header fields that HAProxy sets for the relay ----
ask_set() { # BACKEND HEADERS…
	local b=$1 h=()
	shift
	for x in "$@"; do h+=(-H "$x"); done
	curl -s -m 60 --unix-socket "$SOCKETS/inner.sock" http://inner/v1/models -H "x-tollgate-src: 192.0.2.1" -H "x-tollgate-backend: $b" "${h[@]}" >/dev/null
}
sigv4='AWS4-HMAC-SHA256 Credential=AKID/20261122/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=0a'
ask_set keyless "x-tollgate-set-authorization: $sigv4" "x-tollgate-set-x-amz-security-token: tok-1" "x-amz-date: 20261122T120000Z" \
	"x-tollgate-set-api-key: k-1" "x-tollgate-set-x-api-key: k-2" "x-tollgate-set-x-goog-api-key: k-3" \
	"authorization: Bearer callers" "x-api-key: callers" "api_key: callers" "x-tollgate-set-cookie: a=callers"
got=$(seen 1)
for want in "\"authorization\": *\"$sigv4\"" '"x-amz-security-token": *"tok-1"' '"api-key": *"k-1"' '"x-api-key": *"k-2"' '"x-goog-api-key": *"k-3"' '"x-amz-date": *"20261122T120000Z"'; do
	like "a field is set after the caller's is deleted: ${want:0:40}" "$got" "$want"
done
unlike "no other field of the caller arrives" "$got" 'x-tollgate|callers'
ask_set keyless "authorization: Bearer callers" "x-tollgate-set-authorization:"
unlike "an empty or missing value sets nothing" "$(seen 1)" 'callers|AWS4'
ask_set local
like "a backend's own key is kept" "$(seen 1)" 'Bearer sk-provider-local'

# ---- callers and providers cannot fake the fields ----
forged='x-tollgate-said|x-tollgate-why|x-tollgate-target|x-tollgate-attempts: 7'
for way in direct relay; do
	control '{"headers":{"x-tollgate-said":"provider","x-tollgate-why":"503 -1 -1 -1 0 a <NOSRV> 0","x-tollgate-target":"theirs/m","x-tollgate-attempts":"7"}}'
	req POST /api/$way/forged -H "$auth" -H 'content-type: application/json' -d '{}' -H 'x-tollgate-set-authorization: Bearer callers' \
		-H 'x-tollgate-set-x-api-key: callers' -H 'X_Tollgate_Set_Authorization: callers'
	is "$way: the request is answered" "$status" 200
	unlike "$way: fields that a provider sends do not reach the caller" "$head" "$forged"
	unlike "$way: fields that a caller sends have no effect" "$(seen 1)" 'callers'
done
control '{}'
killed mockllm
for way in direct relay; do
	req POST /api/$way/down -H "$auth" -H 'content-type: application/json' -d '{}'
	is "$way: without a provider, the status is 503" "$status" 503
	unlike "$way: the reason does not reach the caller" "$head" 'x-tollgate-(said|why)'
done
exit $failed
