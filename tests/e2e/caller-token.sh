# Calls with the caller's own rights: the caller's token is exchanged for one of the server's (RFC 8693, on-behalf-of). The server
# opens a person's own tickets only. Then an identity provider that lies, refuses, asks for a login, hangs or is away.
# Once: no version of HAProxy differs here.
# Upgraded: it also passes with an upgrade in the middle.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "callers' own tokens" "node is not installed"; exit 0; }
secret() { (umask 077 && printf '%s' "$2" >"$D/$1.new") && mv "$D/$1.new" "$D/$1"; }
secret client TopSecretOfClient
secret agent "e30.$(printf '{"sub":"agent-7"}' | base64 -w0 | tr -d '=').c2ln"
node "$here/caller-token.mjs" "$D" >"$D/ports" 2>&1 &
served=$!
wait_for grep -qs server= "$D/ports"
eval "$(tr ' ' '\n' <"$D/ports")"
listener=$(free_ports 1)
{
	cat "$root/haproxy/haproxy.cfg"
	for b in tickets narrow entra; do printf '\nbackend %s from provider\n    server s 127.0.0.1:%s\n' $b "$server"; done
	printf '\nlisten idp from http\n    bind 127.0.0.1:%s\n    server s 127.0.0.1:%s\n' "$listener" "$idp"
} >"$D/edge.cfg"
cat >"$D/p.yaml" <<'Y'
tollgate: 1
name: caller-token
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - api_key: {header: x-api-key, keys: keys.yaml}
providers:
  tickets: {backend: tickets, external: false}
  narrow: {backend: narrow, external: false}
  entra: {backend: entra, external: false}
routes:
  - {name: tickets, match: {path_prefix: /t/}, targets: tickets}
  - {name: narrow, match: {path_prefix: /n/}, targets: narrow}
  - {name: entra, match: {path_prefix: /e/}, targets: entra}
default: permit
Y
url="http://127.0.0.1:$listener/token"
cat >"$D/mine.yaml" <<Y
backends: [tickets, narrow, entra]
log: {level: debug}
credentials:
  tickets: {exchange: {url: "$url", client_id: gw, secret_file: "$D/client", audience: tickets-api, scope: "tickets.read tickets.write"}}
  narrow: {exchange: {url: "$url", client_id: gw, secret_file: "$D/client", resource: "https://tickets.example", scope: tickets.read, actor_file: "$D/agent"}}
  entra: {on_behalf_of: {url: "$url", client_id: gw, secret_file: "$D/client", scope: "api://tickets/.default"}}
Y
key=$("$build/tollgate" key new --person kim --keys "$D/keys.yaml" 2>/dev/null)
stack_up --edge "$D/edge.cfg" --policy "$D/p.yaml" --config "$D/mine.yaml"
note_pid $served served
of() { echo "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}" "${@:2}")"; }
ann=$(of ann) bob=$(of bob)
call() { req GET "$1" -H "$2"; }
exchanges() { cat "$D/exchanges" 2>/dev/null | wc -l; }
lies() { echo "$1" >"$D/lies"; }
honest() { rm -f "$D/lies"; }

# ---- two people ----
call /t/ann "$ann"
is "a person opens their own ticket" "$status $(jq -r .for <<<"$body")" '200 ann'
call /t/bob "$ann"
is "and nobody else's: the server decides" "$status $(jq -r .for <<<"$body")" '403 ann'
call /t/bob "$bob"
is "another person's call has another token" "$status $(jq -r .for <<<"$body")" '200 bob'
is "a token is kept: two exchanges for three calls" "$(exchanges)" 2
is "the form is RFC 8693's" "$(head -1 "$D/exchanges" | jq -c '[.grant, .audience, .scope, .client, .secret, .types]')" \
	'["urn:ietf:params:oauth:grant-type:token-exchange","tickets-api","tickets.read tickets.write","gw","TopSecretOfClient",["urn:ietf:params:oauth:token-type:access_token","urn:ietf:params:oauth:token-type:access_token"]]'
call /n/ann "$ann"
is "another audience and scope is another token, with the agent as actor" "$status $(tail -1 "$D/calls" | jq -c '[.sub, .aud, .act]')" '200 ["ann","https://tickets.example","agent-7"]'
call /e/ann "$ann"
is "Entra ID's grant" "$status $(tail -1 "$D/exchanges" | jq -c '[.grant, .use, .scope]')" '200 ["urn:ietf:params:oauth:grant-type:jwt-bearer","on_behalf_of","api://tickets/.default"]'
unlike "the caller's own token does not reach the server" "$(cat "$D/calls")" 'x-tollgate-set'
req POST /t/ann -H "$ann" -H 'content-type: application/json' -d '{"a":1}'
is "a request with a body" "$status" 200
printf '{"a":"%0200000d"}' 0 >"$D/long"
req POST /t/ann -H "$ann" -H 'content-type: application/json' --data-binary @"$D/long"
is "one with a long body" "$status" 200

# ---- who has no token ----
before=$(exchanges)
call /t/kim "x-api-key: $key"
is "a key has no token to exchange" "$status $(($(exchanges) - before))" '401 0'
like "and the response says so" "$body" 'called with the caller.s own rights: log in'

like "check names the routes" "$("$build/tollgate" check -c "$D/tollgate.yaml" 2>&1)" "route tickets: provider tickets is called with the caller's own token, so callers .* get 401"

# ---- an identity provider that lies ----
for row in other-person:503 no-person:503 other-audience:503 wider:503 wider-response:503 year:503 ended:503 long:503 redirect:503 html:503 error-200:503 client:503 denied:403; do
	lies "${row%:*}"
	before=$(wc -l <"$D/calls")
	call /t/ann "$(of "ann-${row%:*}")"
	is "${row%:*}: refused, and the server hears nothing" "$status $(wc -l <"$D/calls")" "${row#*:} $before"
	unlike "${row%:*}: the response has no words of the identity provider's" "$body" TopSecret
done
call /t/ann "$(of ann-denied)"
is "a refusal is not asked again at once" "$status $(tail -1 "$D/exchanges" | jq -r .sub)" "403 ann-denied"
honest
opaque() { lies opaque; call /t/opal "$(of opal)"; }
opaque
is "an opaque token passes" "$status $(jq -r .for <<<"$body")" '200 opal'

# ---- consent ----
lies claims
call /t/cat "$(of cat)"
like "claims reach the client once" "$status $(header www-authenticate)" '^401 Bearer error="insufficient_claims", error_description="interaction_required", claims="eyJ'
call /t/cat "$(of cat --ttl 333)"
is "a login that changes nothing is told so" "$status $(header www-authenticate)" '403 '
like "with a sentence" "$body" 'logging in again did not change that'
lies consent
call /t/dan "$(of dan)"
like "a missing consent asks for a login" "$status $(header www-authenticate)" '^401 Bearer error="insufficient_claims", error_description="invalid_grant"$'
lies server-401
call /t/eve "$(of eve)"
is "a server's challenge is not passed on" "$(header www-authenticate)" ''

# ---- one exchange in flight ----
lies slow
before=$(exchanges) fay=$(of fay)
for _ in $(seq 12); do curl -s -o /dev/null -w '%{http_code}\n' -H "$fay" "$EDGE/t/fay" & done >"$D/codes"
wait $(jobs -p | grep -v "^$served$" | tail -12)
is "twelve calls at once wait for one exchange" "$(sort "$D/codes" | uniq -c | xargs) $(($(exchanges) - before))" '12 200 1'

# ---- away ----
lies hangs
began=$EPOCHREALTIME
call /t/gus "$(of gus)"
is "a silent identity provider: 503 after two seconds" "$status $(awk -v a=$began -v b=$EPOCHREALTIME 'BEGIN { d = b - a; print (d > 1.5 && d < 4) }')" '503 1'
like "with its code" "$body" credential_unavailable
lies 500
for i in 1 2; do call /t/hal "$(of hal$i)"; done
before=$(exchanges)
call /t/hal "$(of hal3)"
is "after three failures it is not asked" "$status $(($(exchanges) - before))" '503 0'
call /t/ann "$ann"
# the tokens of an instance end with it
[ -n "${upgraded:-}" ] || is "who has a token is served meanwhile" "$status" 200
honest
back() { call /t/ian "$(of ian)"; [ "$status" = 200 ]; }
check "it is asked again after a moment" wait_for back

# ---- credential try ----
secret ann "$(token --claims '{"sub":"ann"}')"
tried() { "$build/tollgate" credential try "$1" --token-file "$D/ann" -c "$D/tollgate.yaml" 2>&1; }
said=$(tried narrow)
like "try prints the claims" "$said" '^the returned token: .*"sub":"ann"'
like "try prints the result" "$said" '^person, audience, scope and life fit'
unlike "try prints no token and no secret" "$said$(tried entra)" 'TopSecret|c2ln'
lies other-person
like "try names a failed check" "$(tried tickets)" "refused: the token is another person's"
lies denied
like "try prints the identity provider's error, which callers do not get" "$(tried tickets)" 'status 400, error access_denied: TopSecretDescription'
honest

# ---- what is written ----
settled
record=$(journals | grep '"type":"completion"' | jq -c 'select(.caller_token.subject == "ann" and .caller_token.actor == "agent-7") | .caller_token' | head -1)
is "the record has subject, actor, audience and scope" "$(jq -c '[.subject, .actor, .audience, .scope]' <<<"$record")" '["ann","agent-7","https://tickets.example","tickets.read"]'
like "and the token's hash and end" "$record" '"hash":"[0-9a-f]{64}","ends":"20'
tokens=$(cat "$D/calls" | jq -r .jti | wc -l)
[ "$tokens" -gt 5 ] || not_ok "calls were made"
unlike "no token or secret is in the log, the journal or the metrics" "$(cat "$D"/*.log "$D"/journal*/* 2>/dev/null | tr -d '\0'; curl -s -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/metrics")" 'TopSecret|c2ln'
like "metrics count" "$(curl -s -H "authorization: Bearer $ADMIN_TOKEN" "$ADMIN/metrics")" 'tollgate_caller_tokens_total\{result="(kept|exchanged|failed)"\} [1-9]'
exit $failed
