#!/bin/bash
# Published SDKs and frameworks of Python and JavaScript. Each runs a loop of two tools in three turns, whole and as a
# stream, with a provider of each API that checks each request against the published schema (python/schemas.py). `make
# agents-test` runs it. The clients are the rows of python/rows.txt; its last column names what a client cannot do.
# CLIENTS="openai_sdk langchain_" runs only the programs that begin with these names. RETRIES=1 also uses a target
# that always returns 503, which some clients retry for a minute.
. "$(dirname "$0")/../lib.sh"
py=$here/agents/python
what="SDKs and frameworks of Python and JavaScript"
command -v python3 >/dev/null || { skip "$what" "python3 is not installed"; exit 0; }
# installed SET: the packages of requirements-SET.txt, in a folder of their own: some cannot be installed together
installed() {
	local venv=$build/agents-py/$1
	cmp -s "$py/requirements-$1.txt" "$venv/installed" && return
	python3 -m venv "$venv" && "$venv/bin/pip" install -q --no-deps -r "$py/requirements-$1.txt" >"$D/pip.log" 2>&1 && cp "$py/requirements-$1.txt" "$venv/installed"
}
what_agents=$build/agents/node_modules/.bin/codex # which agents.sh installs
for set in new frameworks; do
	installed $set || { skip "$what" "$(grep -v WARNING "$D/pip.log" | tail -1)"; exit 0; }
done

npm_packages sdk "$what" && npm_packages agents/js "$what" || exit 0
mkdir -p "$build/sdk/agents"
cp "$here"/agents/js/*.mjs "$build/sdk/agents/"

# The models of the targets, which take less than older ones
declare -A model=([chat]=gpt-5 [responses]=gpt-5 [messages]=claude-opus-4-8 [generate]=gemini-3-pro-preview [converse]=us.anthropic.claude-opus-4-7-v1:0 [mistral]=mistral-large-latest)
forms=${FORMS:-chat responses messages generate converse mistral}
read -ra ports < <("$build/stackhelp" ports 21)
served=("${ports[@]:0:3}") at=("${ports[@]:3}")
"$build/agents-py/new/bin/python" "$py/provider.py" "${served[@]}" >"$D/provider.log" 2>&1 &
provider=$!
# Each target has a port of its own, since a client is given nothing but a URL; and one of TLS, without which boto3 sends no key.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout "$D/edge.key" -out "$D/edge.crt" 2>/dev/null
cat "$D/edge.crt" "$D/edge.key" >"$D/edge.pem"
n=0 binds='' hosts='' urls=()
for target in $forms own denied ${RETRIES:+ill}; do
	binds+="    bind 127.0.0.1:${at[n]}\n    bind 127.0.0.1:${at[n + 9]} ssl crt $D/edge.pem alpn h2,http/1.1\n"
	hosts+="    http-request set-header host $target.test if { dst_port ${at[n]} ${at[n + 9]} }\n"
	urls+=("$target=http://127.0.0.1:${at[n]} https://127.0.0.1:${at[n + 9]}")
	n=$((n + 1))
done
{
	sed -e "s#^frontend edge from http#&\n${binds%\\n}#" -e "s/^    filter spoe engine tollgate .*/&\n${hosts%\\n}/" "$root/haproxy/haproxy.cfg"
	printf '\nbackend strict from provider\n    server s 127.0.0.1:%s\nbackend mistral_strict from provider\n    server s 127.0.0.1:%s\nbackend sick from provider\n    server s 127.0.0.1:%s\n' "${served[@]}"
} >"$D/edge.cfg"
echo 'backends: [strict, mistral_strict, sick]' >"$D/mine.yaml"
{
	cat <<'Y'
tollgate: 1
name: python-clients
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - jwt: {header: x-api-key, demo_issuer: true}
  - jwt: {header: x-goog-api-key, demo_issuer: true}
providers:
  chat: {backend: strict, dialect: openai, speaks: [chat], breaker: {failures: 1000}}
  responses: {backend: strict, dialect: openai, speaks: [responses], breaker: {failures: 1000}}
  messages: {backend: strict, dialect: anthropic, breaker: {failures: 1000}}
  generate: {backend: strict, dialect: gemini, breaker: {failures: 1000}}
  converse: {backend: strict, dialect: bedrock, breaker: {failures: 1000}}
  mistral: {backend: mistral_strict, dialect: mistral, breaker: {failures: 1000}}
  ill: {backend: sick, dialect: openai, breaker: {failures: 1000}}
  denied: {backend: strict, dialect: openai}
  cohere: {backend: strict, dialect: cohere}
routes:
  - {name: own-cohere, match: {methods: [POST], host: own.test, api: cohere}, targets: [cohere], response: [meter, record, restore]}
  - {name: own-bedrock, match: {methods: [POST], host: own.test, api: bedrock}, targets: [converse], response: [meter, record, restore]}
  - {name: own-gemini, match: {methods: [POST], host: own.test, api: gemini}, targets: [generate], response: [meter, record, restore]}
  - {name: denied-cohere, match: {methods: [POST], host: denied.test, api: cohere}, targets: [cohere]}
Y
	for form in $forms ill denied; do
		for api in anthropic openai gemini bedrock; do # OpenAI's API has Anthropic's path, too
			case $api-$form in # what docs/translation.md has for Claude Code and Codex
			anthropic-messages | *-ill | *-denied) drop='' ;;
			anthropic-*) drop=", translate: {drop: ['messages[*].role=system']}" ;;
			openai-*) drop=", translate: {drop: ['tools[*].type=web_search']}" ;;
			*) drop='' ;;
			esac
			echo "  - {name: $form-$api, match: {methods: [GET, POST], host: $form.test, api: $api}, targets: [{provider: $form${model[$form]:+, model: \"${model[$form]}\"}}], response: [meter, record, restore]$drop}"
		done
	done
	cat <<'Y'
rules:
  - {name: never, when: 'request.host == "denied.test"', deny: {reason: "nobody may"}}
  - {name: mail, redact: {entities: [EMAIL_ADDRESS]}}
default: permit
output_default: 4096
Y
} >"$D/python.yaml"
stack_up --edge "$D/edge.cfg" --policy "$D/python.yaml" --config "$D/mine.yaml"
note_pid $provider provider
told() { fetch GET "http://127.0.0.1:${served[0]}/"; }
wait_for told >/dev/null
key=$(token)
prompt="Write to jane@example.com and to their colleague that the ferry leaves at nine."
want='{"calls":[["look_up","jane@example.com"],["send_mail","bob@example.com","The ferry leaves at nine"]],"text":"Sent to jane@example.com and bob@example.com."}'
denials() { cat "$JOURNAL"/* | tr -d '\0' | grep -c '"route":"denied-'; }
# version SET NAME: the package with its version
version() {
	case $1 in
	js) echo "JavaScript: $2 $(jq -r --arg n "$2" '.dependencies[$n]' "$here/sdk/package.json")" ;;
	agents) echo "$2 $(jq -r --arg n "$2" '.dependencies[$n]' "$here/agents/package.json")" ;;
	js-agents) echo "JavaScript: $2 $(jq -r --arg n "$2" '.dependencies[$n]' "$here/agents/js/package.json")" ;;
	*) echo "Python: $2 $(sed -n "s/^$2==//p" "$py/requirements-$1.txt")" ;;
	esac
}
# forms_of RUNS: the targets at which both whole and streamed responses ran, then those with whole ones only
forms_of() {
	local form both='' whole=''
	for form in $forms own; do
		case " $1 " in
		*" $form-whole $form-streamed "*) both+=", $form" ;;
		*" $form-whole "*) whole+=", $form" ;;
		esac
	done
	[ "$both" != ", ${forms// /, }" ] || both=', all'
	echo "${both#, }${whole:+; whole responses: ${whole#, }}"
}
while read -r program variant set shown left; do
	[[ $program != '#'* ]] || continue
	if [ "$program" = coding_agent ] && [ ! -x "$what_agents" ]; then
		skip "$shown $variant" "agents.sh has not installed it"
		continue
	fi
	chosen=${CLIENTS:+no}
	for c in ${CLIENTS:-}; do [[ $program.$set != "$c"* ]] || chosen=''; done
	[ -z "$chosen" ] || continue
	out=$D/$program.$variant.$set denied=$(denials) ill=$(told | jq .ill)
	case $set in
	js) client=(node "$build/sdk/agents/$program.mjs") ;;
	agents) client=("$build/agents-py/new/bin/python" "$py/clients/$program.py") ;;
	js-agents) client=(node "$build/agents/js/$program.mjs") ;;
	*) client=("$build/agents-py/$set/bin/python" "$py/clients/$program.py") ;;
	esac
	targets=()
	for url in "${urls[@]}"; do # those of OWN and of all others exclude each other
		case $url in own=*) [ "${left:-}" = own ] || continue ;; denied=* | ill=*) ;; *) [ "${left:-}" != own ] || continue ;; esac
		[ "$program" = boto3_sdk ] && targets+=("${url%%=*}=${url##* }") || targets+=("${url%% *}")
	done
	B=$build PYTHONPATH=$py AWS_CA_BUNDLE=$D/edge.crt timeout 600 nice -n 5 "${client[@]}" "$key" "$variant" "$prompt" "${targets[@]}" >"$out" 2>"$out.err" </dev/null
	told >"$out.told"
	runs=''
	for form in $([ "${left:-}" = own ] && echo own || echo "$forms"); do
		for mode in whole streamed; do
			[[ " ${left:-} " != *" $form-$mode "* && "${left:-} $mode" != "streamed whole" ]] || continue
			stream=$([ $mode = streamed ] && echo true || echo false)
			got=$(jq -cS --arg f $form "select(.target == \$f and .stream == $stream) | {calls, text} + (if .error then {error, says: .says[:400]} else {} end)" "$out")
			refused=$(jq -r --arg f $form "[.wrong[] | select((.form == \$f or \$f == \"own\") and (.stream == $stream or \"${left:-}\" == \"streamed\")) | .why] | unique | .[]" "$out.told")
			name="$shown $variant at $form, $mode"
			if [ "$got" = "$(jq -cS . <<<"$want")" ] && [ -z "$refused" ]; then ok "$name"; runs+="$([ "${left:-}" != streamed ] || echo " $form-whole") $form-$mode"; else not_ok "$name" "${got:-$(tail -n 1 "$out.err")}" "$refused"; fi
		done
	done
	row="| $(version "$set" "$shown") | $variant | $(forms_of "$runs") | $(jq -r 'select(.target == "denied") | .error // "none"' "$out"), $(($(denials) - denied)) |"
	check "docs/clients.md has what $shown $variant runs at" grep -qF "$row" "$root/docs/clients.md"
	[ -z "${RETRIES:-}" ] || row+=" $(jq -r 'select(.target == "ill") | "\(.error) in \(.seconds) s"' "$out"), $(($(jq .ill "$out.told") - ill)) |"
	echo "$row" >>"$D/ran"
done <"$py/rows.txt"
cp "$D/ran" "$build/agents-py/ran"
exit $failed
