# Credentials that the daemon creates, through real HAProxy to a provider that verifies them: AWS signatures over the
# body that arrives, tokens of a service account and of client credentials, and a key in a file. Files, clocks and
# endpoints change, and no credential is written anywhere.
# Once: no version of HAProxy differs here.
# Long: it waits for tokens to expire, and for an endpoint.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "the daemon's own credentials" "node is not installed"; exit 0; }

# A secret file is replaced as a whole: written to another name, then renamed.
secret() { (umask 077 && printf '%b' "$2" >"$D/$1.new") && mv "$D/$1.new" "$D/$1"; }
keys() { # N [TOKEN]: writes the AWS keys of the Nth rotation, for the daemon and for the provider
	id=AKIDROTATION$1 key=TopSecretOfAws+/$1
	printf '{"id":"%s","secret":"%s","token":"%s","client":"TopSecretOfEntra~1","key":"TopSecretKeyFile-1"}' "$id" "$key" "${2:-}" >"$D/expect.json"
	secret aws "[default]\naws_access_key_id = $id\naws_secret_access_key = $key\n${2:+aws_session_token = $2\n}"
}
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$D/private.pem" 2>/dev/null
openssl pkey -in "$D/private.pem" -pubout -out "$D/public.pem"
pem=$(awk '{ printf "%s\\\\n", $0 }' "$D/private.pem")
secret sa.json "{\"type\": \"service_account\", \"private_key_id\": \"k1\", \"client_email\": \"sa@p.example\", \"token_uri\": \"https://tokens.example/token\", \"private_key\": \"$pem\"}"
secret azure.secret 'TopSecretOfEntra~1\n'
secret key 'TopSecretKeyFile-1\n'
keys 1

node "$here/own-credentials.mjs" serve "$D" >"$D/ports" 2>&1 &
served=$!
wait_for grep -qs tokens= "$D/ports"
eval "$(tr ' ' '\n' <"$D/ports")"
listener=$(free_ports 1)
{
	cat "$root/haproxy/haproxy.cfg"
	for b in aws google azure keyed; do
		printf '\nbackend %s from provider\n' $b
		[ $b = aws ] && echo '    http-request set-header host bedrock-runtime.us-east-1.amazonaws.com'
		echo "    server s 127.0.0.1:$provider"
	done
	printf '\nlisten tokens from http\n    bind 127.0.0.1:%s\n    http-request set-header host login.example\n    server s 127.0.0.1:%s\n' "$listener" "$tokens"
} >"$D/edge.cfg"
cat >"$D/mine.yaml" <<Y
backends: [aws, google, azure, keyed]
log: {level: debug}
credentials:
  aws: {sigv4: {region: us-east-1, file: "$D/aws"}}
  google: {vertex: {service_account_file: "$D/sa.json", url: "http://127.0.0.1:$listener/token", token_uri: "https://tokens.example/token"}}
  azure: {entra: {tenant: T, client_id: me, client_secret_file: "$D/azure.secret", authority: "http://127.0.0.1:$listener/"}}
  keyed: {header: x-api-key, file: "$D/key"}
Y
stack_up --edge "$D/edge.cfg" --policy "$here/own-credentials.yaml" --config "$D/mine.yaml"
note_pid $served served
auth="authorization: Bearer $(token)"
json='content-type: application/json'
last() { tail -n "${1:-1}" "$D/seen"; }
count() { wc -l <"$D/seen"; }
model=us.anthropic.claude-x-v1%3A0
arn=arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude-x-v1%3A0
converse() { req POST "/model/${1:-$model}/converse" -H "$auth" -H "$json" -d "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"${text:-hi}\"}]}]}" "${@:2}"; }
chat() { req POST "/$1/v1/chat/completions" -H "$auth" -H "$json" -d '{"model":"m","messages":[{"role":"user","content":"hi"}]}'; }
passes() { "$@" && [ "$status" = 200 ]; }

# ---- check ----
told() { "$build/tollgate" check -c "$D/tollgate.yaml" 2>&1; }
unlike "check accepts the files" "$(told)" 'credentials:'
chmod 644 "$D/key"
like "a file that others can read is reported" "$(told)" "credentials: $D/key: its mode is 0644"
chmod 600 "$D/key"
cp -p "$D/aws" "$D/aws.good"
echo TopSecretOfAws+/1 >>"$D/aws"
like "a malformed file is reported" "$(told)" "credentials: $D/aws: a line of the profile has no ="
unlike "the report contains no secret" "$(told)" TopSecret
mv "$D/aws.good" "$D/aws"

# ---- AWS ----
converse
is "a request is signed" "$status $(last | grep -o '"wrong":"[^"]*"')" '200 "wrong":""'
converse "$arn"
is "the model may be an ARN with a slash" "$status" 200
text='write to alice@example.com' converse
is "the signature covers the redacted body" "$status" 200
like "the body is redacted" "$(last)" 'EMAIL_ADDRESS'
converse "$model" -H 'x-amz-date: 20200101T000000Z' -H 'x-amz-security-token: callers' -H 'x-amz-content-sha256: callers' \
	-H 'x-amz-meta: callers' -H 'x-tollgate-set-authorization: callers' -H 'x-tollgate-set-x-amz-security-token: callers'
is "a signature of the caller is ignored" "$status" 200
unlike "no field of the caller's signature arrives" "$(last)" callers
{ printf '{"messages":[{"role":"user","content":[{"text":"'; head -c 700000 /dev/zero | tr '\0' 'a'; printf '"}]}]}'; } >"$D/long"
req POST "/model/$model/converse" -H "$auth" -H "$json" -H 'transfer-encoding: chunked' -H 'expect:' --data-binary @"$D/long"
is "a long body is signed if it arrives in chunks" "$status" 200
req POST "/model/$model/converse" -H "$auth" -H "$json" -H 'expect:' --data-binary @"$D/long"
is "a long body is signed if it arrives with a length" "$status" 200
keys 2 TopSecretSession/2==
check "a rotated file is loaded again" wait_for passes converse
like "the session's token is sent" "$(last)" '"x-amz-security-token":"TopSecretSession/2=="'
# The failures with the old keys may have opened the circuit breaker. These requests close it.
is_closed() { converse && [ "$(fetch GET "$ADMIN/metrics" | grep '^tollgate_target_up{target="aws' | awk '{ n += $NF == 1 } END { print n + 0 }')" -ge 1 ]; }
for _ in 1 2 3; do wait_for is_closed; done
echo 3600 >"$D/clock"
n=$(count)
converse
is "a clock that is an hour wrong is corrected by a retry" "$status $(($(count) - n))" "200 2"
converse
is "the next request needs no retry" "$status $(($(count) - n))" "200 3"
statuses=
for seconds in 0 7200 0 3600 0 7200 0 3600 0 7200 0 3600; do
	echo $seconds >"$D/clock"
	converse
	statuses+=" $status"
done
is "the retries do not count as failures of the target" "$statuses" "$(printf ' 200%.0s' {1..12})"
rm "$D/clock"

# ---- tokens ----
check "a service account gets a token" wait_for passes chat g
like "that token is sent" "$(last)" '"authorization":"Bearer issued-[0-9]+-google"'
check "client credentials get a token" wait_for passes chat a
like "that token is sent, too" "$(last)" '"authorization":"Bearer issued-[0-9]+-azure"'
n=$(cat "$D/issued")
for _ in 1 2 3 4 5; do chat g; done
is "a token is kept" "$(cat "$D/issued")" "$n"
chat a
last | grep -o 'issued-[0-9]*-azure' >"$D/revoked"
over=$(cat "$D/revoked")
chat a
is "a token that the provider refuses is fetched again, and the request is repeated" "$status $(cat "$D/issued")" "200 $((n + 1))"
chat k
is "a key in a file is sent" "$status" 200
logged() { grep -c "$1" "$D/tollgate.log"; }
logged_again() { [ "$(logged "$1")" -gt "$2" ]; } # PATTERN EARLIER-NUMBER
wide='credential.unusable provider=keyed .*mode is 0644' replaced='credential.replaced provider=keyed'
was_wide=$(logged "$wide") was_replaced=$(logged "$replaced")
mv "$D/key" "$D/key.aside"
check "a missing file is logged" wait_for grep -q 'credential.unusable provider=keyed .*No such file' "$D/tollgate.log"
cp "$D/key.aside" "$D/key.next" && chmod 644 "$D/key.next" && mv "$D/key.next" "$D/key"
check "a file with a wrong mode is logged" wait_for logged_again "$wide" "$was_wide"
chat k
is "the earlier key stays in use" "$status" 200
secret key 'TopSecretKeyFile-2\n'
wait_for logged_again "$replaced" "$was_replaced"
sed -i 's/KeyFile-1/KeyFile-2/' "$D/expect.json"
chat k
is "a corrected file is loaded" "$status" 200
was_replaced=$(logged "$replaced")
secret key 'TopSecretMistyped\n'
wait_for logged_again "$replaced" "$was_replaced"
chat k
is "a key that the provider refuses is a 401" "$status" 401
check "such a target is disabled" grep -q 'target.out target=keyed' "$D/tollgate.log"
was_replaced=$(logged "$replaced")
secret key 'TopSecretKeyFile-2\n'
wait_for logged_again "$replaced" "$was_replaced"
chat k
is "a changed file enables the target at once" "$status" 200

# ---- an endpoint that is unreachable ----
echo away >"$D/mode"
secret azure.secret 'TopSecretOfEntra~2\n'
sed -i 's/Entra~1/Entra~2/' "$D/expect.json"
wait_for grep -q 'credential.fetch_failed' "$D/tollgate.log"
chat a
is "the current token is used while its endpoint is unreachable" "$status" 200
last | grep -o 'issued-[0-9]*-azure' >"$D/revoked"
# A token is not fetched again for each refusal within a short time. After that time, it is dropped.
sleep 30
chat a
is "without a token the status is 503" "$status" 503
like "the error names the code" "$body" provider_unavailable
n=$(count)
chat e
is "another target is used if there is one" "$status $(($(count) - n))" "200 1"
like "its own key is sent" "$(last)" '"x-api-key":"TopSecretKeyFile-2"'
unlike "no other token is sent" "$(last)" 'issued-'
rm "$D/mode" "$D/revoked"
check "when the endpoint is back, requests pass" wait_for passes chat a

# ---- no credential is written ----
settled
pid=$(pid_of tollgate)
for what in "$D"/*.log "$D"/journal/*; do
	unlike "${what##*/} contains no credential" "$(tr -d '\0' <"$what")" 'TopSecret|issued-[0-9]|PRIVATE KEY|AWS4-HMAC|AKIDROTATION'
done
auth_admin="authorization: Bearer $(cat "$D/admin.token" 2>/dev/null)"
unlike "status and metrics contain no credential" "$(curl -s -H "$auth_admin" "$ADMIN/status"; fetch GET "$ADMIN/metrics"; curl -s -H "$auth_admin" "$ADMIN/recent")" 'TopSecret|issued-[0-9]|AWS4-HMAC|AKIDROTATION'
# A current credential is in one place of the memory, an earlier one in none.
sleep 2
memory() { node "$here/own-credentials.mjs" memory "$pid" "$@"; }
is "earlier credentials are not in memory" "$(memory 'TopSecretOfAws+/1' 'TopSecretKeyFile-1' 'TopSecretOfEntra' "$over" "$(sed -n 3p "$D/private.pem")" | grep -v ' 0$')" ""
is "current credentials are in memory once" "$(memory 'TopSecretOfAws+/2' 'TopSecretKeyFile-2')" "$(printf 'TopSecretOfAws+/2 1\nTopSecretKeyFile-2 1')"
is "core files are disabled" "$(awk '/Max core file size/ { print $5, $6 }' "/proc/$pid/limits")" "0 0"
unlike "the response contains no credential" "$head$body" 'TopSecret|issued-[0-9]|AWS4-HMAC|x-tollgate-set'
exit $failed
