# What turns while texts are under way: the day, the auditors, both at once with an erasure. Each text opens by whoever it was
# sealed to, each auditor alone, and nothing of who was erased does.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
${CC:-cc} -shared -fPIC -o "$D/skew.so" "$root/tests/support/skew.c" || { not_ok "skew.c builds"; exit 1; }
for node in a b c; do head -c 16 /dev/zero >"$D/skew.$node"; done
for who in ann ben eve; do auditor_key $who; done
seal_to() { # NAME…
	local list='' who
	for who; do list="$list${list:+, }$(auditor_entry "$who")"; done
	echo "seal: {auditors: [$list]}"
}
seal_to ann ben >"$D/mine.yaml"
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: turns
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {person: nobody}
providers:
  openai: {backend: local, dialect: openai}
routes:
  - {name: chat, match: {path: /v1/chat/completions}, targets: openai, record: {prompt: full, response: full}}
default: permit
Y
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml" --preload "$D/skew.so"
audit() { "$build/tollgate" audit "$@" -c "$D/tollgate.yaml" 2>"$D/err"; }
declare -A bearer
for who in alice bob; do bearer[$who]="authorization: Bearer $(token --ttl 864000 --claims "{\"sub\":\"$who\"}")"; done
post() { # PERSON TEXT
	req POST /v1/chat/completions -H "${bearer[$1]}" -H 'content-type: application/json' \
		-d "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"
	id=$(header x-tollgate-id)
}
open_by() { audit open "$2" --key "$D/$1.key" --part "$3" --reason 'a drill' >"$D/text"; } # KEY ID PART
opens() { wait_for open_by "$@"; }
opens_not() { ! open_by "$@" && [ ! -s "$D/text" ]; }
answer() { # WORD N: events, each of which has it
	jq -nr --arg word "$1" --argjson n "$2" '"data: " + ({id: "c", object: "chat.completion.chunk", model: "echo", choices: [{index: 0, delta: {content: ($word + " " + "w" * 900)}}]} | tojson) + "\n\n" | . * $n + "data: [DONE]\n\n"' |
		jq -Rsc '{body: .[:-1], content_type: "text/event-stream", chunk_bytes: 2048, chunk_ms: 30, times: 1}' | curl -s -o /dev/null "$PROVIDER/_control" -d @-
}
slow_stream() { # PERSON WORD N
	answer "$2" "$3"
	rm -f "$D/$1.head"
	curl -s -o "$D/$1.body" -D "$D/$1.head" "$EDGE/v1/chat/completions" -H "${bearer[$1]}" -H 'content-type: application/json' \
		-d '{"model":"echo","stream":true,"messages":[{"role":"user","content":"slow"}]}' &
	begun() { grep -qsi x-tollgate-id "$D/$1.head"; }
	check "a stream of $1 is under way" wait_for begun "$1"
}
id_of() { sed -n 's/^x-tollgate-id: *\([0-9A-Za-z-]*\).*/\1/pi' "$D/$1.head"; }
has_completion() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep '"type":"completion"' | grep -q "\"id\":\"$1\""; }
days_on() { python3 -c 'import struct, sys; f = open(sys.argv[1], "r+b"); f.write(struct.pack("=q", int(sys.argv[2]) * 86400 * 10**9))' "$D/skew.a" "$1"; }
over() {
	echo "$1" >"$D/over.yaml"
	"$build/stackhelp" merge "$D/tollgate.yaml" "$D/over.yaml" >"$D/whole.yaml" && mv "$D/whole.yaml" "$D/tollgate.yaml"
}
reload() { "$build/tollgate" reload -c "$D/tollgate.yaml" >"$D/reload" 2>&1; }
texts_verify() { audit verify --texts >"$D/verify.log" || { sed 's/^/#   /' "$D/verify.log"; false; }; }

# ---- two auditors, each alone ----
post alice "of two"
first=$id
for who in ann ben; do check "$who alone opens" opens $who "$first" prompt; done
check "a third does not" opens_not eve "$first" prompt

# ---- midnight in the middle of a stream, twice ----
slow_stream alice over-midnight 400
stream=$(id_of alice)
post alice "before midnight"
before=$id
days_on 1
post alice "after midnight"
after=$id
is "served" "$status" 200
post bob "bob after midnight"
bobs=$id
sleep 2
days_on 2
post alice "a day later"
later=$id
wait $!
check "the stream ends" wait_for has_completion "$stream"
check "the answer over midnight opens" opens ann "$stream" response
is "whole" "$(cmp "$D/text" "$D/alice.body" && grep -c over-midnight "$D/text")" 400
for one in "$before" "$after" "$bobs" "$later"; do check "so does what was around it" opens ben "$one" prompt; done
check "all verifies" texts_verify
days_on 1
post alice "the clock is set back"
back=$id
is "the clock is set back: served" "$status" 200
check "opens" opens ann "$back" prompt
# ---- midnight, other auditors, and an erasure in the middle of a stream ----
slow_stream alice erased-then 300
stream=$(id_of alice)
slow_stream bob stays 300
bobstream=$(id_of bob)
over "$(seal_to ben)"
check "ann leaves by a reload" reload
days_on 4
audit erase --person alice --why 'asked at midnight' >"$D/out"
is "an erasure" $? 0
post alice "a new share"
new=$id
days_on 5
wait
check "her stream has its record" wait_for has_completion "$stream"
check "so has his" wait_for has_completion "$bobstream"
for one in "$first" "$before" "$after" "$later" "$back" "$stream"; do
	check "what she wrote does not open: $one" opens_not ben "$one" prompt
	like "which is said" "$(cat "$D/err")" 'erased|no prompt'
done
check "nor her answer" opens_not ben "$stream" response
check "nor by ann" opens_not ann "$stream" response
check "his opens, by ben" opens ben "$bobstream" response
is "whole" "$(cmp "$D/text" "$D/bob.body" && grep -c stays "$D/text")" 300
check "and by ann, to whom it was sealed" opens ann "$bobstream" response
check "what she wrote then opens by ben" opens ben "$new" prompt
check "not by ann" opens_not ann "$new" prompt
check "what was of bob before opens by both" opens ann "$bobs" prompt
check "by both" opens ben "$bobs" prompt

# ---- others come and go ----
over "$(seal_to ben eve)"
check "eve comes" reload
post bob "to ben and eve"
check "eve opens it" opens eve "$id" prompt
check "not what was before" opens_not eve "$bobs" prompt
like "which says why" "$(cat "$D/err")" 'not sealed to this key'
over "seal: {auditors: [$(auditor_entry ben), $(auditor_entry eve | sed 's/name: eve/name: ben/')]}"
reload
like "two of one name are refused" "$? $(tr '\n' ' ' <"$D/reload")" '^1 .*name ben is listed twice'
over "seal: {auditors: [$(auditor_entry ben), $(auditor_entry ben | sed 's/name: ben/name: eve/')]}"
reload
like "and two of one key" "$? $(tr '\n' ' ' <"$D/reload")" '^1 .*auditor eve: the public key is also that of auditor ben'
over 'seal: {auditors: []}'
reload
like "so is nobody, while routes keep texts" "$? $(tr '\n' ' ' <"$D/reload")" '^1 .*tollgate.yaml has none'
post bob "still"
check "those of before stay" opens eve "$id" prompt
over "$(seal_to ann)"
check "ann comes back" reload
post alice "by ann again"
check "she opens what is sealed then" opens ann "$id" prompt
check "not what was while she was away" opens_not ann "$new" prompt
check "all verifies" texts_verify
final check "and the chain" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
