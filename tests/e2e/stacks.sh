# The stack as people use it: two side by side, without Redis, a policy with API
# keys that nobody has made yet, tokens good and bad.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
E=$D/second
mkdir "$E" "$D/policy"
sed 's/^identity:/&\n  - api_key: {header: x-my-key, keys: keys.yaml}/' "$root/tests/support/stack-policy.yaml" >"$D/policy/policy.yaml"
stack_up --policy "$D/policy/policy.yaml"
check "a missing file of API keys is made" test -f "$D/policy/keys.yaml"
if ! "$root/tests/support/stack" up --dir "$E" --no-redis --patient; then not_ok "a second stack comes up beside it"; exit 1; fi
trap '"$root/tests/support/stack" down --dir "$E"; finish' EXIT
first=$EDGE first_pids=$PIDS
json='content-type: application/json'
code() { curl -s -m 90 -o /dev/null -w '%{http_code}' "$@"; }
is "the first serves its tokens" "$(code "$EDGE/v1/models" -H "authorization: Bearer $(token)")" 200
second=$(sed -n 's/^EDGE=//p' "$E/env")
mine=$("$root/tests/support/token" --dir "$E")
is "the second its own, without Redis" "$(code "$second/v1/models" -H "authorization: Bearer $mine")" 200
is "not the other's" "$(code "$first/v1/models" -H "authorization: Bearer $mine")" 401
is "REDIS is empty without one" "$(sed -n 's/^REDIS=//p' "$E/env")" ""

for bad in expired alg-none wrong-key wrong-aud future; do
	is "a token that is $bad is refused" "$(code "$EDGE/v1/models" -H "authorization: Bearer $(token --bad $bad)")" 401
done
is "none at all too" "$(code "$EDGE/v1/models")" 401
t=$(token --claims '{"sub":"bob","team":null}' --ttl 60 | cut -d. -f2 | tr '_-' '/+')
claims=$(base64 -d 2>/dev/null <<<"$t")
like "claims are laid over the default ones" "$claims" '"sub":"bob".*"dept":"sales"'
unlike "a null removes one" "$claims" '"team"'

key=$("$build/tollgate" key new --keys "$D/policy/keys.yaml" --person carol)
kill -HUP "$(awk '$3 == "tollgate" { print $1 }' "$D/.pids")"
check "an API key is good after a reload" wait_for says 200 code "$EDGE/v1/models" -H "x-my-key: $key"
is "another is not" "$(code "$EDGE/v1/models" -H "x-my-key: ${key%?}x")" 401
unlike "the file holds no key" "$(cat "$D/policy/keys.yaml")" "$key"
curl -s -o /dev/null "$EDGE/v1/models" -H "x-my-key: $key"
unlike "the provider saw no key" "$(seen 100)" "$key"

"$root/tests/support/stack" down --dir "$D"
for p in $first_pids; do # ended: gone, or a zombie that nobody has asked about yet
	state=$(sed 's/.*) //' "/proc/$p/stat" 2>/dev/null | cut -c1)
	case $state in '' | Z) ;; *) not_ok "stack down ended $p" "state $state" ;; esac
done
is "the second is untouched by the end of the first" "$(code "$second/v1/models" -H "authorization: Bearer $mine")" 200
check "the first's files are left" test -f "$D/env" -a -d "$D/journal" -a -f "$D/haproxy.log"
check "and its journal verifies, closed" verifies "$D/journal" "$D/audit.key.pub"
