# A conversation that the provider keeps, behind two daemons of one Redis: a placeholder stands for one value on both, after a
# restart, and for nothing once its table is lost or erased.
# Once: nothing of HAProxy's is tried.
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
# turn ID-BEFORE TEXT ID SAYS
turn() {
	says "$3" "$4"
	ask /v1/responses "$(jq -cn --arg p "$1" --arg t "$2" '{model:"m",input:$t} + (if $p == "" then {} else {previous_response_id:$p} end)')" | text
}

is "a first turn" "$(turn '' 'write to jane@example.com' resp_1 'to <EMAIL_ADDRESS_1>')" 'to jane@example.com'
is "the second one goes on" "$(turn resp_1 'and bob@example.com' resp_2 '<EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_2>')" 'jane@example.com, bob@example.com'
is "and so its provider sees it" "$(sent)" 'and <EMAIL_ADDRESS_2>'
for i in 3 4 5 6 7 8; do
	is "turn $i, whichever daemon it is" "$(turn "resp_$((i - 1))" hello "resp_$i" '<EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_2>')" 'jane@example.com, bob@example.com'
done
is "two that go on with one response know nothing of each other" \
	"$(turn resp_2 'carl@example.com' resp_c ok) $(turn resp_2 'dora@example.com' resp_d ok) $(turn resp_c hello resp_e '<EMAIL_ADDRESS_3>') $(turn resp_d hello resp_f '<EMAIL_ADDRESS_3>')" \
	'ok ok carl@example.com dora@example.com'
says resp_8 '<EMAIL_ADDRESS_2>'
is "a response that is fetched later" "$(ask /v1/responses/resp_8 | text)" 'bob@example.com'
auth="authorization: Bearer $(token --claims '{"sub":"mallory"}')"
is "another caller gets nothing of it" "$(turn resp_8 hello resp_m '<EMAIL_ADDRESS_1>')" '<EMAIL_ADDRESS_1>'
auth="authorization: Bearer $(token)"
is "a conversation has tagged ones" "$(says r_1 ok; ask /v1/responses '{"model":"m","conversation":"conv_1","input":"jane@example.com"}' >/dev/null; sent | grep -cE '^<EMAIL_ADDRESS_[A-Z2-7]{8}_1>$')" 1
jane=$(sent)
says r_2 "$jane"
is "which are known in the next turn" "$(ask /v1/responses '{"model":"m","conversation":"conv_1","input":"bob@example.com"}' | text)" 'jane@example.com'
unlike "and are other ones for another value" "$(sent)" "^$jane\$"
check "tables are in Redis" test "$(redis --raw keys 'tollgate:kept:*' | wc -l)" -gt 10
final is "and no value is" "$(for k in $(redis --raw keys 'tollgate:kept:*'); do redis --raw get "$k"; done | grep -ac 'example.com')" 0
ttl=$(redis ttl "$(redis --raw keys 'tollgate:kept:*' | head -1)")
check "each ends ($ttl s)" test "$ttl" -gt 2600000

# HAProxy asks the daemon that is left, once it has seen that the other one is gone.
serves() { for _ in 1 2 3 4; do [ "$(turn resp_8 hello resp_w ok)" = ok ] || return 1; done; }
killed second
again_with '{}'
wait_for serves
is "a daemon that begins anew goes on" "$(turn resp_8 hello resp_9 '<EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_2>')" 'jane@example.com, bob@example.com'
redis_away
is "and while Redis is away, with what it has itself" "$(turn resp_9 hello resp_10 '<EMAIL_ADDRESS_1>')" 'jane@example.com'
redis_back
wait_for redis ping >/dev/null
redis flushall >/dev/null
again_with '{}'
wait_for serves
is "where all is lost a number stays" "$(turn resp_9 'emil@example.com' resp_l '<EMAIL_ADDRESS_1>')" '<EMAIL_ADDRESS_1>'
like "and no new value gets one that was given" "$(sent)" '^<EMAIL_ADDRESS_[A-Z2-7]{8}_1>$'
is "the record says so" "$(cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"decision"' | tail -1 | jq -r .placeholders) $(completion .answer.unresolved)" 'lost 1'
is "the next turn knows it" "$(turn resp_l hello resp_k "$(sent)")" 'emil@example.com'
check "something of hers is there" test "$(redis --raw keys 'tollgate:kept:*' | wc -l)" -gt 0
"$build/tollgate" audit erase --person "$(completion .identity.person | tr -d '"')" --why asked -c "$D/tollgate.yaml" >"$D/erase.log" 2>&1
is "a person is erased" $? 0
erased() { [ -z "$(redis --raw keys 'tollgate:kept:*')" ]; }
check "and so are the tables" wait_for erased
is "nothing comes back then" "$(turn resp_k hello resp_z '<EMAIL_ADDRESS_1>')" '<EMAIL_ADDRESS_1>'
exit $failed
