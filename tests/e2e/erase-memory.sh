# Each node has a cache in memory. An erasure that one node receives also deletes the person's responses on the other, and
# the results of searches on both, which have no person.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
auditor ann >"$D/mine.yaml"
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: memory
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {}
providers:
  openai: {backend: local, dialect: openai}
routes:
  - {name: chat, match: {path: /v1/chat/completions}, targets: openai, cache: {exact: {ttl: 1h, temperature: 1}}}
default: permit
Y
unset MEMO
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml" --daemons 2
entries() { "$build/tollgate" cache stats --json -c "$D/tollgate$1.yaml" | jq .entries; } # ''|-b
post() { # PERSON
	req POST /v1/chat/completions -H "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")" -H 'content-type: application/json' \
		-d '{"model":"echo","messages":[{"role":"user","content":"hello"}]}'
}
both_have() { [ "$(($(entries '') - ${texts:-0})) $(($(entries -b) - ${texts_b:-0}))" = "$1" ]; }
asked() { # HAProxy uses the daemons in turn, so that three requests reach both
	for who in alice bob bob; do post $who; done
	both_have "2 2"
}
searched() { # hit or miss: searches on both nodes
	echo $(($(metric memo_searches_total "result=\"$1\"") + $(metric memo_searches_total "result=\"$1\"" "$ADMIN_B")))
}
long=$(seq 60 | paste -sd' ')
tell() { for i in 1 2 3 4; do req POST /v1/chat/completions -H "authorization: Bearer $(token --claims "{\"sub\":\"bob\"}")" -H 'content-type: application/json' \
	-d "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"$long $i\"},{\"role\":\"user\",\"content\":\"$long\"}]}"; done; }
for i in 1 2; do tell; done
missed=$(searched miss) hits=$(searched hit)
tell
texts=$(entries '') texts_b=$(entries -b)
is "texts that come again are not searched again" "$(($(searched miss) - missed < 8)) $(($(searched hit) > hits))" "1 1"
check "both nodes have a response for each person" wait_for asked
"$build/tollgate" audit erase --person alice --why asked -c "$D/tollgate.yaml" >"$D/out"
like "an erasure is requested" "$(cat "$D/out")" '^[0-9a-f]{16} '
check "the person's responses are deleted on both nodes" wait_for both_have "1 1"
all_done() { "$build/tollgate" audit erase --status -c "$D/tollgate-b.yaml" >"$D/status"; }
check "the other node reports the erasure as done" wait_for all_done
missed=$(searched miss)
tell
is "after an erasure they are searched again" "$(($(searched miss) - missed >= 4))" 1
final check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
