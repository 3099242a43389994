# The caller's own rights, with a real authorization server (npm's oidc-provider): two people log in, their calls arrive at one server
# with two tokens, and each opens their own ticket only. A second daemon exchanges for itself.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
what="callers' tokens from oidc-provider"
if ! command -v npm >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
	skip "$what" "no npm or no Node 20"
	exit 0
fi
npm_packages oidc "$what" || exit 0
node "$build/oidc/as.mjs" serve >"$D/as" 2>"$D/as.log" &
issues=$!
node "$here/caller-token.mjs" "$D" >"$D/ports" 2>&1 &
served=$!
wait_for grep -qs issuer= "$D/as"
wait_for grep -qs server= "$D/ports"
. "$D/as"
eval "$(tr ' ' '\n' <"$D/ports")"
curl -s "$issuer/jwks" >"$D/idp.json"
(umask 077 && printf TopSecretOfGateway >"$D/client")
listener=$(free_ports 1)
{
	cat "$root/haproxy/haproxy.cfg"
	printf '\nbackend tickets from provider\n    server s 127.0.0.1:%s\n' "$server"
	printf '\nlisten idp from http\n    bind 127.0.0.1:%s\n    http-request set-header host %s\n    server s %s\n' "$listener" "${issuer#http://}" "${issuer#http://}"
} >"$D/edge.cfg"
cat >"$D/p.yaml" <<Y
tollgate: 1
name: caller-login
identity:
  - jwt: {header: authorization, issuer: "$issuer", audience: "https://gateway.example", jwks: idp.json}
providers: {tickets: {backend: tickets, external: false}}
routes: [{name: tickets, match: {path_prefix: /t/}, targets: tickets}]
default: permit
Y
cat >"$D/mine.yaml" <<Y
backends: [tickets]
credentials:
  tickets: {exchange: {url: "http://127.0.0.1:$listener/token", client_id: gateway, secret_file: "$D/client", resource: "https://tickets.example", scope: tickets.read}}
Y
stack_up --daemons 2 --edge "$D/edge.cfg" --policy "$D/p.yaml" --config "$D/mine.yaml"
note_pid $served served
note_pid $issues issuer
login() { echo "authorization: Bearer $(node "$build/oidc/as.mjs" login "$issuer" "$1" 2>>"$D/login.log")"; }
call() { req GET "$1" -H "$2"; }
ann=$(login ann) bob=$(login bob) eve=$(login eve)
call /t/ann "$ann"
is "a person who logged in opens their own ticket" "$status $(jq -r .for <<<"$body")" '200 ann'
call /t/bob "$ann"
is "and nobody else's" "$status" 403
call /t/bob "$bob"
is "another person's call has their own token" "$status $(tail -1 "$D/calls" | jq -c '[.sub, .aud]')" '200 ["bob","https://tickets.example"]'
call /t/eve "$eve"
is "the authorization server refuses a person" "$status" 403
like "in the gateway's words" "$body" 'the identity provider refuses a token of this person'
kill -STOP "$(pid_of tollgate)"
other() { TIMEOUT=3 call /t/ann "$ann"; [ "$status" = 200 ]; }
check "the second daemon exchanges for itself" wait_for other
kill -CONT "$(pid_of tollgate)"
settled
like "the record names the real issuer" "$(journals | grep '"type":"completion"' | jq -c '.caller_token // empty' | head -1)" "\"subject\":\"ann\".*\"scope\":\"tickets.read\",\"issuer\":\"$issuer\""
exit $failed
