# Two issuers with persons of the same names; one issuer has a realm. Records, sealed texts, erasure, export and
# search distinguish them. Then pseudonyms: records have only those claims of a token that the policy lists.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
. "$here/answers-redis.bash"
answers_redis "a Redis for responses" $evicting
mkdir "$D/acme"
echo "keys: []" >"$D/keys.yaml"
"$build/stackhelp" issuer "$D/acme"
cat >"$D/mine.yaml" <<Y
cache: {redis: "redis://127.0.0.1:$port"}
$(auditor ann)
Y
cat >"$D/policy.yaml" <<Y
tollgate: 1
name: realms
identity:
  - jwt: {demo_issuer: true}
  - jwt: {issuer: https://acme/, audience: tollgate-demo, jwks: "$D/acme/jwks.json", realm: acme, record: [scope]}
  - api_key: {keys: "$D/keys.yaml"}
  - none: {}
providers:
  openai: {backend: local, dialect: openai}
routes:
  - {name: cached, match: {host: cached.test, api: openai}, targets: openai, cache: {exact: {ttl: 1h, temperature: 1}}}
  - {name: chat, match: {path: /v1/chat/completions}, targets: openai, record: {prompt: full}, response: [meter]}
rules:
  - {name: acmes-carol, when: 'identity.person == "acme/carol"', deny: {status: 403, reason: not here}}
limits:
  - {name: few, when: 'route.name == "chat"', per: identity.person, requests: 3, window: 1h}
default: permit
Y
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml" --daemons 3
audit() { "$build/tollgate" audit "$@" -c "${conf:-$D/tollgate.yaml}" 2>"$D/err"; }
claims='"email":"alice.liddell@example.com","name":"Alice Liddell","preferred_username":"aliddell","scope":"chat"'
ours() { token --claims "{\"sub\":\"$1\",$claims}"; }                                                             # PERSON
acmes() { "$build/stackhelp" token "$D/acme" --claims "{\"iss\":\"https://acme/\",\"sub\":\"$1\",$claims}"; } # PERSON
post() { # TOKEN TEXT [HOST]
	req POST /v1/chat/completions -H "host: ${3:-chat.test}" -H "authorization: Bearer $1" -H 'content-type: application/json' \
		-d "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"
	id=$(header x-tollgate-id)
}
lines() { cat "$D"/journal*/*.jsonl | tr -d '\0'; }
of() { lines | jq -r "select(.type == \"decision\" and .identity.person == \"$1\" and (.route | startswith(\"${2:-}\"))) | .id"; } # PERSON [ROUTE]

# ---- identities ----
alice=$(ours alice) other=$(acmes alice)
for i in 1 2 3; do post "$alice" "marker-ours-$i"; done
is "three requests of the first alice pass" "$status" 200
post "$alice" marker-ours-4
is "the fourth exceeds the limit" "$status" 429
for i in 1 2 3; do
	post "$other" "marker-acmes-$i"
	is "the second alice has a limit of her own: $i" "$status" 200
done
post "$other" marker-acmes-4
is "it is as small as the first one's" "$status" 429
post "$(ours acme/alice)" marker-forged
is "the other issuer cannot name a person of the realm" "$status" 401
post "$(ours acmes/alice)" x
is "a name that only begins like the realm is an ordinary name" "$status" 200
post "$(acmes carol)" x
is "a rule names the person with the realm" "$status" 403
post "$(ours carol)" x
is "the rule does not apply to the person without it" "$status" 200
settled
limit set few --for person=acme/eve --to 1 --reason 'a try' >"$D/out"
known() { for c in "$D"/tollgate.yaml "$D"/tollgate-[bc].yaml; do "$build/tollgate" limit list --json -c "$c" | grep -q acme/eve || return 1; done; }
check "an override for one person is on each node" wait_for known
for who in acmes ours; do for i in 1 2; do post "$($who eve)" x && echo "$status"; done; done | paste -sd' ' >"$D/got"
is "an override for one person does not apply to the other" "$(<"$D/got")" "200 429 200 200"
made=$(key new --person acme/eve)
req POST /v1/chat/completions -H "authorization: Bearer $made" -H 'content-type: application/json' -d '{"model":"echo","messages":[]}'
is "a key with the full name has the same limit as the token" "$status" 429
cached() { post "$1" 'the same for all' cached.test && settled && header x-tollgate-cache; } # TOKEN
is "the cache distinguishes them" "$(cached "$alice") $(cached "$alice") $(cached "$other") $(cached "$other")" "miss hit miss hit"
settled
is "records have both names" "$(of alice | grep -c .) $(of acme/alice | grep -c .)" "6 6"
found() { for conf in "$D"/tollgate.yaml "$D"/tollgate-[bc].yaml; do audit search --person "$1" --json; done | jq -r '.id // .record.id' | sort -u; } # PERSON
is "search finds the first person's records" "$(found alice)" "$(of alice | sort -u)"
is "search finds the second person's records" "$(found acme/alice)" "$(of acme/alice | sort -u)"

# ---- export ----
subject() { # PERSON
	rm -rf "$D"/subject*
	for n in '' -b -c; do
		conf=$D/tollgate$n.yaml audit subject --person "$1" --key "$D/ann.key" --reason drill --out "$D/subject$n" >>"$D/out"
	done
	cat "$D"/subject*/* | grep -ao 'marker-[a-z]*' | sort -u | paste -sd' '
}
is "the export of the first person has only that person's content" "$(subject alice)" marker-ours
is "the export of the second person has only that person's content" "$(subject acme/alice)" marker-acmes

# ---- erasure ----
node_of() { local c; for c in "" -b -c; do ! grep -aq "\"$1\"" "$D/journal$c"/*.jsonl || echo "$D/tollgate$c.yaml"; done; } # ID
open_of() { # PERSON: prints how many of the three texts open
	local one n=0
	for one in $(of "$1" chat); do
		! conf=$(node_of "$one" | head -1) audit open "$one" --key "$D/ann.key" --part prompt --reason drill >"$D/text" || n=$((n + 1))
	done
	echo "$n"
}
all_open() { [ "$(open_of alice) $(open_of acme/alice)" = "${1:-}" ]; }
before="$(open_of alice) $(open_of acme/alice)"
like "texts of both persons open" "$before" '^[34] [34]$'
audit erase --person acme/alice --why 'asked' >"$D/out"
all_done() { audit erase --status >"$D/status"; }
check "the first person is erased on each node" wait_for all_done
is "only the first person's stored response is deleted" "$(cached "$other") $(cached "$alice")" "miss hit"
is "no text of the first person opens, all of the second open" "$(open_of alice) $(open_of acme/alice)" "${before% *} 0"
like "the error has the reason" "$(cat "$D/err")" ': erased: '
is "the first person's export is empty" "$(subject acme/alice)" ""
is "the second person's export is not" "$(subject alice)" marker-ours
audit erase --person alice --why 'asked' >"$D/out"
check "the second person is erased" wait_for all_done
is "no text opens any more" "$(open_of alice) $(open_of acme/alice)" "0 0"

# ---- claims in records ----
attributes() { lines | jq -c "select(.id == \"$1\" and .type == \"decision\") | .identity.attributes | keys"; } # ID
post "$(ours dora)" x
settled
like "with names in plain text all claims are recorded" "$(attributes "$id")" '"email".*"name".*"preferred_username".*"scope"'
post "$(acmes dora)" x
settled
is "with a list, only those claims are recorded" "$(attributes "$id")" '["scope"]'
for n in -b -c; do check "the chain of ${n#-} verifies" verifies "$D/journal$n" "$D/audit$n.key.pub"; done
final check "the first node's chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
