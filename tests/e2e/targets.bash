# Several targets: three simulated providers, and a route with targets of its own for each group of checks, so that a
# group does not change the targets of another. Source this file after lib.sh.
#
#   route ID [TARGETS [MEMBERS]]   call it before targets_up. Adds a route for the host ID.test. TARGETS (default "ab") are
#                                  letters of providers (a, b, c: the first, second, third), or YAML in which @a is a
#                                  provider. $dialect (openai) is the dialect of callers and providers, other[c] another
#                                  one of c. $provider_more are further members of each provider. With letters, the
#                                  models are say:from-a, say:from-b, …
#   targets_up [OPTION…]           starts the stack; $rules, $limits, $prices and $identity_more (an entry) are added to
#                                  its policy
#   row ID                         begins a group of checks: resets the providers and uses the route ID
#   fault N JSON                   sends JSON to /_control of the N-th provider
#   ask [MEMBERS] [curl option…]   sends a request; sets what req sets, and $from: the letter of the provider
# shellcheck shell=bash disable=SC2034
TIMEOUT=20 # some faults have no other limit
routes='' providers='' dialect=openai provider_more='' rules='' limits='' prices='' policy_more='' identity_more=''
declare -A backend_of=([a]=local [b]=local_2 [c]=local_3) dialect_of=() other=()
targets_yaml() { # ID LETTERS
	local i list=''
	for ((i = 0; i < ${#2}; i++)); do list="$list${list:+, }{provider: ${2:i:1}-$1, model: \"say:from-${2:i:1}\"}"; done
	echo "[$list]"
}
route() {
	local id=$1 targets=${2:-ab} p
	dialect_of[$id]=$dialect
	case $targets in
	\[*) targets=$(sed "s/@\([abc]\)/\1-$id/g" <<<"$targets") ;;
	*) targets=$(targets_yaml "$id" "$targets") ;;
	esac
	for p in a b c; do
		providers="$providers
  $p-$id: {backend: ${backend_of[$p]}, dialect: ${other[$p]:-$dialect}${provider_more:+, $provider_more}}"
	done
	routes="$routes
  - {name: $id, match: {api: $dialect, host: $id.test$([ $dialect != mistral ] || echo ', path_prefix: /mistral')}, targets: $targets, response: [meter]${3:+, $3}}"
}
targets_up() {
	cat >"$D/policy.yaml" <<-Y
	tollgate: 1
	name: targets
	identity:
	  - jwt: {header: authorization, demo_issuer: true}
	  $identity_more
	providers:$providers
	routes:$routes
	${rules:+rules:$rules}
	default: permit
	$policy_more
	${prices:+prices: prices.yaml}
	limits:
	  - {name: all, per: [identity.person], tokens: 100000000, window: 1h}$limits
	output_default: 100
	Y
	[ -z "$prices" ] || echo "$prices" >"$D/prices.yaml"
	stack_up --providers 3 --policy "$D/policy.yaml" "$@"
	auth="authorization: Bearer $(token)"
	trap 'targets_down' EXIT
}
targets_down() { finish; }
at() { local url=PROVIDER; [ "$1" = 1 ] || url=PROVIDER_$1; echo "${!url}"; }
fault() { curl -s -o /dev/null "$(at "$1")/_control" -d "$2"; }
faults() { local n; for n in 1 2 3; do fault $n "$1"; done; }
provider() { "$root/tests/support/stack" provider "$1" "$2" --dir "$D"; }
row() {
	id=$1
	curl -s -X DELETE "$PROVIDER/_seen" "$PROVIDER_2/_seen" "$PROVIDER_3/_seen" >/dev/null
	curl -s -d '{}' "$PROVIDER/_control" "$PROVIDER_2/_control" "$PROVIDER_3/_control" >/dev/null
}
# The path and the body that a client of the dialect sends. $stream is 1 if the body does not request the stream.
path_of() {
	case ${dialect_of[$id]} in
	openai) echo /v1/chat/completions ;;
	anthropic) echo /v1/messages ;;
	gemini) echo "/v1beta/models/m:$(if [ "${1:-}" ]; then echo 'streamGenerateContent?alt=sse'; else echo generateContent; fi)" ;;
	bedrock) echo "/model/m/converse${1:+-stream}" ;;
	cohere) echo /v2/chat ;;
	mistral) echo /mistral/v1/chat/completions ;;
	ollama) echo /api/chat ;;
	esac
}
body_of() { # [stream] [MEMBERS]
	local stream=false
	[ -z "${1:-}" ] || stream=true
	case ${dialect_of[$id]} in
	gemini) printf '{"contents":[{"role":"user","parts":[{"text":"hi"}]}]%s}' "${2:-}" ;;
	bedrock) printf '{"messages":[{"role":"user","content":[{"text":"hi"}]}]%s}' "${2:-}" ;;
	anthropic) printf '{"model":"m","max_tokens":50,"stream":%s,"messages":[{"role":"user","content":"hi"}]%s}' $stream "${2:-}" ;;
	*) printf '{"model":"m","stream":%s,"messages":[{"role":"user","content":"hi"}]%s}' $stream "${2:-}" ;;
	esac
}
ask_body() { # BODY [stream] [curl option…]
	local body_sent=$1 stream=${2:-}
	shift $(($# > 1 ? 2 : 1))
	printf %s "$body_sent" >"$D/.asked.$BASHPID"
	req POST "${path:-$(path_of "$stream")}" -H "${as:-$auth}" -H 'content-type: application/json' -H "host: $id.test" --data-binary "@$D/.asked.$BASHPID" "$@"
	rm -f "$D/.asked.$BASHPID"
	# the response's "model" contains the letter too
	from=$(grep -aoP '(?<!say:)from-[abc]' <<<"$body" | sort -u | cut -c6 | paste -sd ' ')
	times=$(grep -aoP '(?<!say:)from-[abc]' <<<"$body" | grep -c .)
}
ask() { ask_body "$(body_of '' "${1:-}")" '' "${@:2}"; }
ask_stream() { ask_body "$(body_of 1 "${1:-}")" 1 "${@:2}"; }
# How many requests each provider had since `row`.
asked() { curl -s "$PROVIDER/_count" "$PROVIDER_2/_count" "$PROVIDER_3/_count" | grep -o '"requests":[0-9]*' | cut -d: -f2 | paste -sd ' '; }
# The target and the number of attempts from the response's head, such as: a 2
said() { echo "$(header x-tollgate-target | cut -c1) $(header x-tollgate-attempts)"; }
# The attempts in the record of the last response, or of the last record if the response has no id: "a throttled 429,
# b done 200"
own_completion() { cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | grep -m 1 "\"id\":\"$(header x-tollgate-id)\""; }
attempts() {
	local each='[.attempts[]? | "\(.target[0:1]) \(.cause) \(.status // "-")"] | join(", ")'
	if [ "$(header x-tollgate-id)" ] && wait_for own_completion >/dev/null; then own_completion | jq -c "$each"; else completion "$each"; fi | tr -d '"'
}
# The last request to the N-th provider.
sent_to() { curl -s "$(at "$1")/_seen?last=1" | jq -c ".[0]${2:-}"; }
