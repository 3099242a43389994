# Changes during requests: a new day, new auditors, and both together with an erasure. Each text opens with the key of
# each of its auditors, and no erased text opens.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
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
answer() { # WORD N: the provider's next response has N events that each contain the word
	jq -nr --arg word "$1" --argjson n "$2" '"data: " + ({id: "c", object: "chat.completion.chunk", model: "echo", choices: [{index: 0, delta: {content: ($word + " " + "w" * 900)}}]} | tojson) + "\n\n" | . * $n + "data: [DONE]\n\n"' |
		jq -Rsc '{body: .[:-1], content_type: "text/event-stream", chunk_bytes: 2048, chunk_ms: 30, times: 1}' | curl -s -o /dev/null "$PROVIDER/_control" -d @-
}
slow_stream() { # PERSON WORD N
	answer "$2" "$3"
	rm -f "$D/$1.head"
	curl -s -o "$D/$1.body" -D "$D/$1.head" "$EDGE/v1/chat/completions" -H "${bearer[$1]}" -H 'content-type: application/json' \
		-d '{"model":"echo","stream":true,"messages":[{"role":"user","content":"slow"}]}' &
	begun() { grep -qsi x-tollgate-id "$D/$1.head"; }
	check "a stream of $1 is in progress" wait_for begun "$1"
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

# ---- two auditors, each with a key ----
post alice "of two"
first=$id
for who in ann ben; do check "$who's key opens the text" opens $who "$first" prompt; done
check "a third key does not" opens_not eve "$first" prompt

# ---- midnight during a stream, twice ----
slow_stream alice over-midnight 400
stream=$(id_of alice)
post alice "before midnight"
before=$id
days_on 1
post alice "after midnight"
after=$id
is "a request of another person is served" "$status" 200
post bob "bob after midnight"
bobs=$id
sleep 2
days_on 2
post alice "a day later"
later=$id
wait $!
check "the stream ends" wait_for has_completion "$stream"
check "the response over midnight opens" opens ann "$stream" response
is "it is complete" "$(cmp "$D/text" "$D/alice.body" && grep -c over-midnight "$D/text")" 400
for one in "$before" "$after" "$bobs" "$later"; do check "texts before and after midnight open" opens ben "$one" prompt; done
check "all texts verify after midnight" texts_verify
days_on 1
post alice "the clock is set back"
back=$id
is "after the clock is set back, a request is served" "$status" 200
check "its text opens" opens ann "$back" prompt
# ---- midnight, other auditors, and an erasure during a stream ----
slow_stream alice erased-then 300
stream=$(id_of alice)
slow_stream bob stays 300
bobstream=$(id_of bob)
over "$(seal_to ben)"
check "a reload removes the auditor ann" reload
days_on 4
audit erase --person alice --why 'asked at midnight' >"$D/out"
is "an erasure succeeds" $? 0
post alice "a new share"
new=$id
days_on 5
wait
check "the erased person's stream has its record" wait_for has_completion "$stream"
check "another person's stream has its record" wait_for has_completion "$bobstream"
for one in "$first" "$before" "$after" "$later" "$back" "$stream"; do
	check "the erased person's prompt does not open: $one" opens_not ben "$one" prompt
	like "the error explains it" "$(cat "$D/err")" 'erased|no prompt'
done
check "the erased response does not open with ben's key" opens_not ben "$stream" response
check "the erased response does not open with ann's key" opens_not ann "$stream" response
check "another person's response opens with ben's key" opens ben "$bobstream" response
is "it is complete" "$(cmp "$D/text" "$D/bob.body" && grep -c stays "$D/text")" 300
check "another person's response opens with ann's key, because it was sealed to ann" opens ann "$bobstream" response
check "a new text of the erased person opens with ben's key" opens ben "$new" prompt
check "a new text does not open with ann's key" opens_not ann "$new" prompt
check "another person's earlier text opens with ann's key" opens ann "$bobs" prompt
check "another person's earlier text opens with ben's key" opens ben "$bobs" prompt

# ---- other auditors are added and removed ----
over "$(seal_to ben eve)"
check "a reload adds the auditor eve" reload
post bob "to ben and eve"
check "eve's key opens a new text" opens eve "$id" prompt
check "eve's key does not open an earlier text" opens_not eve "$bobs" prompt
like "the error states that the text is not sealed to this key" "$(cat "$D/err")" 'not sealed to this key'
over "seal: {auditors: [$(auditor_entry ben), $(auditor_entry eve | sed 's/name: eve/name: ben/')]}"
reload
like "two auditors of the same name are refused" "$? $(tr '\n' ' ' <"$D/reload")" '^1 .*name ben is listed twice'
over "seal: {auditors: [$(auditor_entry ben), $(auditor_entry ben | sed 's/name: ben/name: eve/')]}"
reload
like "two auditors with the same key are refused" "$? $(tr '\n' ' ' <"$D/reload")" '^1 .*auditor eve: the public key is also that of auditor ben'
over 'seal: {auditors: []}'
reload
like "a configuration without auditors is refused while routes keep texts" "$? $(tr '\n' ' ' <"$D/reload")" '^1 .*tollgate.yaml has none'
post bob "still"
check "the earlier auditors stay in force" opens eve "$id" prompt
over "$(seal_to ann)"
check "a reload adds ann again" reload
post alice "by ann again"
check "ann's key opens a new text" opens ann "$id" prompt
check "ann's key does not open the text from the time without ann" opens_not ann "$new" prompt
check "all texts verify" texts_verify
final check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
