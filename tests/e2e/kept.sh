# A conversation that the provider stores, behind two daemons with one Redis. A placeholder stands for the same value
# on both, also after a restart, and for none after its table was lost or erased.
# Once: HAProxy does not affect the result.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
auditor ann >"$D/mine.yaml"
cat >"$D/kept.yaml" <<'Y'
tollgate: 1
name: kept
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  openai: {backend: local, dialect: openai}
routes:
  - {name: kept, match: {path_prefix: /v1/}, targets: openai, response: restore}
rules:
  - {name: pii, redact: {classes: [pii]}}
default: permit
Y
stack_up --policy "$D/kept.yaml" --config "$D/mine.yaml" --second
auth="authorization: Bearer $(token)"
ask() { curl -s -m 60 "$EDGE$1" -H "$auth" -H 'content-type: application/json' ${2:+-d "$2"}; }
says() { control "$(jq -cn --arg id "$1" --arg t "$2" '{body:({id:$id,object:"response",output:[{type:"message",id:("msg_"+$id),role:"assistant",content:[{type:"output_text",text:$t}]}]}|tojson),content_type:"application/json",times:1}')"; }
text() { jq -r '.output[0].content[0].text'; }
sent() { seen | jq -r '.[-1].body' | jq -r .input; }
# turn ID-BEFORE TEXT ID RESPONSE-TEXT
turn() {
	says "$3" "$4"
	ask /v1/responses "$(jq -cn --arg p "$1" --arg t "$2" '{model:"m",input:$t} + (if $p == "" then {} else {previous_response_id:$p} end)')" | text
}

is "the first turn restores a placeholder" "$(turn '' 'write to jane@example.com' resp_1 'to <EMAIL_ADDRESS_1>')" 'to jane@example.com'
is "the second turn restores both placeholders" "$(turn resp_1 'and bob@example.com' resp_2 '<EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_2>')" 'jane@example.com, bob@example.com'
is "the provider gets the next placeholder" "$(sent)" 'and <EMAIL_ADDRESS_2>'
for i in 3 4 5 6 7 8; do
	is "turn $i restores them on either daemon" "$(turn "resp_$((i - 1))" hello "resp_$i" '<EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_2>')" 'jane@example.com, bob@example.com'
done
is "two turns after the same response have independent placeholders" \
	"$(turn resp_2 'carl@example.com' resp_c ok) $(turn resp_2 'dora@example.com' resp_d ok) $(turn resp_c hello resp_e '<EMAIL_ADDRESS_3>') $(turn resp_d hello resp_f '<EMAIL_ADDRESS_3>')" \
	'ok ok carl@example.com dora@example.com'
turn resp_8 'see https://x.acme.com/?m=jane@example.com' resp_u ok >"$D/turn"
is "a URL of an earlier turn is restored whole, and no other URL" \
	"$(turn resp_u hello resp_v 'https://x.acme.com/?m=<EMAIL_ADDRESS_1> https://y.acme.com/?m=<EMAIL_ADDRESS_1>')" \
	'https://x.acme.com/?m=jane@example.com https://y.acme.com/?m=<EMAIL_ADDRESS_1>'
says resp_8 '<EMAIL_ADDRESS_2>'
is "a stored response that is fetched later is restored" "$(ask /v1/responses/resp_8 | text)" 'bob@example.com'
auth="authorization: Bearer $(token --claims '{"sub":"mallory"}')"
is "another caller gets no value" "$(turn resp_8 hello resp_m '<EMAIL_ADDRESS_1>')" '<EMAIL_ADDRESS_1>'
auth="authorization: Bearer $(token)"
is "a conversation object has placeholders with a tag" "$(says r_1 ok; ask /v1/responses '{"model":"m","conversation":"conv_1","input":"jane@example.com"}' >/dev/null; sent | grep -cE '^<EMAIL_ADDRESS_[A-Z2-7]{8}_1>$')" 1
jane=$(sent)
says r_2 "$jane"
is "the next turn restores them" "$(ask /v1/responses '{"model":"m","conversation":"conv_1","input":"bob@example.com"}' | text)" 'jane@example.com'
unlike "another value gets another placeholder" "$(sent)" "^$jane\$"
check "the tables are in Redis" test "$(redis --raw keys 'tollgate:kept:*' | wc -l)" -gt 10
final is "Redis contains no plain value" "$(for k in $(redis --raw keys 'tollgate:kept:*'); do redis --raw get "$k"; done | grep -ac 'example.com')" 0
ttl=$(redis ttl "$(redis --raw keys 'tollgate:kept:*' | head -1)")
check "each table expires ($ttl s)" test "$ttl" -gt 2600000

# HAProxy uses the remaining daemon after it has found that the other one is gone.
serves() { for _ in 1 2 3 4; do [ "$(turn resp_8 hello resp_w ok)" = ok ] || return 1; done; }
killed second
again_with '{}'
wait_for serves
is "a restarted daemon restores the placeholders" "$(turn resp_8 hello resp_9 '<EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_2>')" 'jane@example.com, bob@example.com'
redis_away
is "while Redis is unreachable, a daemon uses the tables in its memory" "$(turn resp_9 hello resp_10 '<EMAIL_ADDRESS_1>')" 'jane@example.com'
redis_back
wait_for redis ping >/dev/null
redis flushall >/dev/null
again_with '{}'
wait_for serves
is "if all tables are lost, placeholders are not restored" "$(turn resp_9 'emil@example.com' resp_l '<EMAIL_ADDRESS_1>')" '<EMAIL_ADDRESS_1>'
like "a new value does not get a placeholder that was used before" "$(sent)" '^<EMAIL_ADDRESS_[A-Z2-7]{8}_1>$'
is "the record reports lost placeholders" "$(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"decision"' | tail -1 | jq -r .placeholders) $(completion .answer.unresolved)" 'lost 1'
is "the next turn restores the new placeholder" "$(turn resp_l hello resp_k "$(sent)")" 'emil@example.com'
check "Redis has tables of the person" test "$(redis --raw keys 'tollgate:kept:*' | wc -l)" -gt 0
"$build/tollgate" audit erase --person "$(completion .identity.person | tr -d '"')" --why asked -c "$D/tollgate.yaml" >"$D/erase.log" 2>&1
is "the person is erased" $? 0
erased() { [ -z "$(redis --raw keys 'tollgate:kept:*')" ]; }
check "the person's tables are deleted" wait_for erased
is "afterwards no placeholder is restored" "$(turn resp_k hello resp_z '<EMAIL_ADDRESS_1>')" '<EMAIL_ADDRESS_1>'
exit $failed
