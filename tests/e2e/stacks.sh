# tests/support/stack as developers use it: two stacks side by side, a stack without Redis, a policy with API keys
# that do not exist yet, valid and invalid tokens.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
E=$D/second
mkdir "$E" "$D/policy"
sed 's/^identity:/&\n  - api_key: {header: x-my-key, keys: keys.yaml}/' "$root/tests/support/stack-policy.yaml" >"$D/policy/policy.yaml"
stack_up --policy "$D/policy/policy.yaml"
check "a missing file of API keys is created" test -f "$D/policy/keys.yaml"
if ! "$root/tests/support/stack" up --dir "$E" --no-redis --patient; then not_ok "a second stack comes up beside it"; exit 1; fi
trap '"$root/tests/support/stack" down --dir "$E"; finish' EXIT
first=$EDGE first_pids=$PIDS
json='content-type: application/json'
code() { curl -s -m 90 -o /dev/null -w '%{http_code}' "$@"; }
is "the first stack accepts its tokens" "$(code "$EDGE/v1/models" -H "authorization: Bearer $(token)")" 200
second=$(sed -n 's/^EDGE=//p' "$E/env")
mine=$("$root/tests/support/token" --dir "$E")
is "the second stack accepts its own, without Redis" "$(code "$second/v1/models" -H "authorization: Bearer $mine")" 200
is "it refuses the first stack's tokens" "$(code "$first/v1/models" -H "authorization: Bearer $mine")" 401
is "REDIS is empty without Redis" "$(sed -n 's/^REDIS=//p' "$E/env")" ""

for bad in expired alg-none wrong-key wrong-aud future; do
	is "a token that is $bad is refused" "$(code "$EDGE/v1/models" -H "authorization: Bearer $(token --bad $bad)")" 401
done
is "a request without a token is refused" "$(code "$EDGE/v1/models")" 401
t=$(token --claims '{"sub":"bob","team":null}' --ttl 60 | cut -d. -f2 | tr '_-' '/+')
claims=$(base64 -d 2>/dev/null <<<"$t")
like "--claims changes the default claims" "$claims" '"sub":"bob".*"dept":"sales"'
unlike "null removes a claim" "$claims" '"team"'

key=$("$build/tollgate" key new --keys "$D/policy/keys.yaml" --person carol)
kill -HUP "$(awk '$3 == "tollgate" { print $1 }' "$D/.pids")"
check "an API key is accepted after a reload" wait_for says 200 code "$EDGE/v1/models" -H "x-my-key: $key"
is "another API key is refused" "$(code "$EDGE/v1/models" -H "x-my-key: ${key%?}x")" 401
unlike "the file contains no key" "$(cat "$D/policy/keys.yaml")" "$key"
curl -s -o /dev/null "$EDGE/v1/models" -H "x-my-key: $key"
unlike "the provider received no key" "$(seen 100)" "$key"

"$root/tests/support/stack" down --dir "$D"
for p in $first_pids; do # ended: the process is gone, or a zombie
	state=$(sed 's/.*) //' "/proc/$p/stat" 2>/dev/null | cut -c1)
	case $state in '' | Z) ;; *) not_ok "stack down ended $p" "state $state" ;; esac
done
is "the end of the first stack does not affect the second" "$(code "$second/v1/models" -H "authorization: Bearer $mine")" 200
check "the first stack's files are kept" test -f "$D/env" -a -d "$D/journal" -a -f "$D/haproxy.log"
check "its journal verifies after the end" verifies "$D/journal" "$D/audit.key.pub"
