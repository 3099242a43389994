# The services of docs/policy.md behind real HAProxy. Each entry of the page is asked with the credentials of the page, and by
# check --probe. Simulated services give harmless, bad, slow, wrong and unknown responses in their documented form.
# Once: no version of HAProxy differs here.
# Turns: eleven services with five kinds of responses each.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "services of recognizers" "node is not installed"; exit 0; }
secret() { (umask 077 && printf '%b' "$2" >"$D/$1"); }
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$D/private.pem" 2>/dev/null
openssl pkey -in "$D/private.pem" -pubout -out "$D/public.pem"
pem=$(awk '{ printf "%s\\\\n", $0 }' "$D/private.pem")
secret google.json "{\"type\": \"service_account\", \"private_key_id\": \"k1\", \"client_email\": \"sa@p.example\", \"token_uri\": \"https://oauth2.googleapis.com/token\", \"private_key\": \"$pem\"}"
secret aws-credentials '[default]\naws_access_key_id = AKIDGUARD\naws_secret_access_key = SecretOfTheGuard\n'
secret entra.secret 'SecretOfEntra\n'
secret content-safety.key 'KeyOfContentSafety\n'
secret lakera.key 'KeyOfLakera\n'
secret openai.key 'KeyOfOpenai\n'
node "$root/tests/support/guard_services.mjs" "$D" >"$D/services.log" 2>&1 &
services=$!
trap 'kill $services 2>/dev/null; finish' EXIT
wait_for test -s "$D/services"
R=$(cat "$D/services")

# block KEY: prints the YAML block of the page's section that begins with KEY
block() { awk -v key="$1:" '/^### Services/ { on = 1 } on && /^```/ { read = !read; next } read && $0 == key { print_it = 1 } read && print_it; !read { print_it = 0 }' "$root/docs/policy.md"; }
# Each entry gets a condition, so that a request chooses its service by the name of its model, and time for a busy machine.
{
	sed -e '/^rules:/,$d' "$here/policy.yaml"
	block detectors | sed -E -e "s#https?://[^/\"]+#$R#" \
		-e 's/timeout: [0-9]+ms/timeout: 2s/' \
		-e "s/^(    - \\{name: ([a-z-]+), .*)\\}\$/\\1, WITH('\\2')}/" \
		-e "s/^    - name: ([a-z-]+)\$/&\\n      WITH('\\1')/" |
		sed -E -e "s/^      WITH\\('(.*)'\\)/      when: 'model.name == \"\\1\"'\\n      on_failure: deny\\n      cache: false\\n      breaker: {failures: 1000}\\n      class: guards/" \
			-e "s/WITH\\('(.*)'\\)/when: 'model.name == \"\\1\"', on_failure: deny, cache: false, breaker: {failures: 1000}, class: guards/" \
			-e '/name: tei/s/, class/, timeout: 2s, class/'
	cat <<-YAML
	rules:
	  - {name: no-anonymous, when: 'identity.method == "none"', deny: {status: 401, reason: sign in}}
	  - {name: guards, when: '"guards" in prompt.classes', deny: {reason: a guard found something}}
	  - {name: person, when: 'model.name == "presidio" && "PERSON" in prompt.entities', deny: {reason: a guard found something}}
	default: permit
	limits: []
	YAML
} >"$D/policy.yaml"
{
	grep -v '^workers:' "$here/config.yaml"
	echo 'workers: 1'
	block credentials | sed -e "s#/etc/tollgate/#$D/#" -e "s#https://[^/\"]*#$R#"
} >"$D/config.yaml"
names=$(sed -nE 's/^    - (\{)?name: ([a-z-]+).*/\2/p' "$D/policy.yaml" | tr '\n' ' ')
is "the page has eleven services" "$names" 'tei llama-guard granite-guardian bedrock prompt-shields azure-text model-armor lakera nemo openai presidio '
is "six of them have a credential" "$(grep -c 'credential: ' "$D/policy.yaml")" 6
stack_up --policy "$D/policy.yaml" --config "$D/config.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
mode() { curl -s "$R/_control" -d "{\"mode\":\"$1\"}" >/dev/null; }
ask() { req POST /v1/chat/completions -H "$auth" -H "$json" -d "{\"model\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"; }
# statuses TEXT: prints the status of a request with this text for each service
statuses() {
	local name out=''
	for name in $names; do
		ask "$name" "$1"
		out+="$name=$status "
	done
	echo "$out"
}
# all STATUS [NAME=STATUS…]: the same list, with this status for each service that is not named
all() {
	local name out='' one
	for name in $names; do
		one=$name=$1
		[[ " ${*:2} " != *" $name="* ]] || one=$(grep -o "$name=[0-9]*" <<<"${*:2}")
		out+="$one "
	done
	echo "$out"
}
is "a harmless text passes each service" "$(statuses 'a harmless text')" "$(all 200)"
is "a bad text is denied by each service" "$(statuses 'the zorblax text')" "$(all 403)"
is "each service accepted the credential" "$(fetch GET "$R/_seen" | jq length)" 11
mode unknown
# tei, azure-text and presidio: an unknown label with a score counts as nothing found, and is reported. openai: the flag counts.
is "an unknown verdict is no verdict" "$(statuses 'a harmless text')" "$(all 503 azure-text=200 openai=403 presidio=200)"
for name in llama-guard granite-guardian bedrock prompt-shields model-armor lakera nemo; do
	check "the log names $name" grep -q "recogniser.failed name=$name .*not in map" "$D/tollgate.log"
done
check "the log names the label of azure-text once" wait_for eval '[ "$(grep -c "recogniser.unknown name=azure-text label=Spam" "$D/tollgate.log")" = 1 ]'
mode wrong
is "an error document with status 200 is no verdict" "$(statuses 'a harmless text')" "$(all 503)"
mode partial
ask model-armor 'a harmless text'
is "a verdict of Model Armor whose filters did not run is no verdict" "$status" 503
mode slow
is "a slow service is no verdict" "$(statuses 'a harmless text')" "$(all 503)"
mode good
is "all services pass a harmless text again" "$(statuses 'a harmless text')" "$(all 200)"

# ---- tokens ----
sleep 9 # the tokens of the first requests are valid for eight seconds
is "tokens are renewed before they expire" "$(statuses 'a harmless text')" "$(all 200)"
curl -s "$R/_control" -d '{"revoked":true}' >/dev/null
ask prompt-shields 'a harmless text'
is "a token that the service refuses is no verdict" "$status" 503
passes() { ask "$1" 'a harmless text' && [ "$status" = 200 ]; }
check "the daemon fetches another token" wait_for passes prompt-shields
secret aws-credentials '[default]\naws_access_key_id = AKIDGUARD\naws_secret_access_key = AnotherSecret\n'
refused() { ask bedrock 'a harmless text' && [ "$status" = 503 ]; }
check "a changed key file is read again: the service refuses the other key" wait_for refused
secret aws-credentials '[default]\naws_access_key_id = AKIDGUARD\naws_secret_access_key = SecretOfTheGuard\n'
check "the right key is read again" wait_for passes bedrock

# ---- check --probe ----
probe() { "$B/tollgate" check -c "$D/tollgate.yaml" --haproxy "$D/haproxy/haproxy.cfg" "$D/haproxy/tollgate.cfg" --probe 2>&1; }
out=$(probe)
is "the probe finds nothing in a harmless text" "$(grep -c 'probe: recognizer .*, harmless text: found nothing' <<<"$out")" 11
is "each service but Presidio finds something in a bad text" "$(grep -c 'probe: recognizer .*, bad text: found [A-Z]' <<<"$out")" 10
secret lakera.key 'AnotherKey\n'
like "the probe states that a service refuses the credential" "$(probe)" 'probe: recognizer lakera, harmless text: the response has status 401'
secret lakera.key 'KeyOfLakera\n'
secret entra.secret 'AnotherSecret\n'
like "the probe states that a credential gets no token" "$(probe)" 'probe: recognizer prompt-shields, harmless text: its credential has no usable value'

# ---- mistakes ----
told() { sed "$1" "$D/policy.yaml" >"$D/mistaken.yaml" && "$B/tollgate" check -c "$D/tollgate.yaml" --policy "$D/mistaken.yaml" 2>&1; }
like "check reports a credential that does not exist" "$(told 's/credential: lakera/credential: lakrea/')" 'credential: .*tollgate.yaml has no credential lakrea, did you mean lakera'
like "check reports a credential that nothing uses" "$(told '/credential: lakera/d')" 'credentials: policy .* has no provider lakera'
like "check reports a signature for another host" "$(told 's#http://[^/]*\(/guardrail\)#https://bedrock-runtime.us-east-1.amazonaws.com\1#')" 'credential: guardrails signs requests to bedrock-runtime.eu-west-1.amazonaws.com, and url has another host'
unlike "no secret is in the log" "$(cat "$D/tollgate.log")" 'SecretOf|KeyOf|azure-[0-9]|google-[0-9]'
