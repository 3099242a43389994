# A request that exceeds a limit alone can never pass: it gets a 403 that must not be retried, and is not charged.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

sed 's/^limits:/&\n  - {name: tiny, when: '"'identity.team == \"tiny\"'"', per: [identity.person], tokens: 6000, window: 1h}\n  - {name: turns, when: '"'identity.team == \"tiny\"'"', per: [identity.person], requests: 3, window: 1h}/' \
	"$here/policy.yaml" >"$D/policy-in.yaml"
stack_up --policy "$D/policy-in.yaml" --config "$here/config.yaml"
json='content-type: application/json'
as() { auth="authorization: Bearer $(token --claims "{\"sub\":\"$1\",\"team\":\"tiny\"}")"; }
chat() { req POST "$1" -H "$auth" -H "$json" -d "{\"model\":\"echo\",\"max_tokens\":$2,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"; }
counters() { redis-cli -s "${REDIS#unix:}" --scan --pattern '*' | grep -v 'audit\|epoch' | sort; }

before=$(counters)
for path in /v1/chat/completions /v1/messages; do
	as "of$path"
	chat $path 6500
	case $path in
	/v1/messages) error='^\{"type":"error","error":\{"type":"permission_error","message":"[^"]*limit tiny [^"]*","code":"limit_unreachable"\}' ;;
	*) error='^\{"error":\{"message":"[^"]*tiny[^"]*","type":"[a-z_]*","param":null,"code":"limit_unreachable"\}' ;;
	esac
	is "$path: a request over the limit is 403" "$status" 403
	like "$path: the error has the dialect's form" "$body" "$error"
	is "$path: the error must not be retried" "$(header x-should-retry) $(header retry-after)" "false "
	like "$path: the record has the code" "$("$B/tollgate" audit show -c "$D/tollgate.yaml" "$(header x-tollgate-id)" | tr -d ' \n')" '"decision":"deny","status":403,"code":"limit_unreachable"'
done
forget
# a body that the relay reads
as large
{ printf '{"model":"echo","max_tokens":6500,"messages":[{"role":"user","content":"'; head -c 300000 /dev/zero | tr '\0' y; printf '"}]}'; } >"$D/large"
req POST /v1/chat/completions -H "$auth" -H "$json" --data-binary "@$D/large"
is "a request that the relay reads gets the same 403" "$status $(header x-should-retry) $(grep -o limit_unreachable <<<"$body")" "403 false limit_unreachable"
final is "the provider gets none of them" "$(seen 5)" "[]"
is "no counter increased" "$(for k in $(comm -13 <(echo "$before") <(counters)); do redis-cli -s "${REDIS#unix:}" get "$k"; done 2>/dev/null | awk '$1 > 0' | wc -l)" 0

as patient
for _ in 1 2 3 4 5; do chat /v1/chat/completions 6500; done
is "five such requests get the same 403" "$status" 403
chat /v1/chat/completions 5900
is "a request that fits has the whole limit" "$status $(header x-ratelimit-remaining-requests)" "200 2"
chat /v1/chat/completions 6500
is "the 403 is the same if a part of the limit is used" "$status" 403
exit $failed
