# Sealed texts under faults: remains in memory and on disk, a disk that becomes full during a text, streams that are
# cut, an erasure during a request, concurrent erasures, another auditor, midnight.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
[ "$(id -u)" = 0 ] && mkdir -p "$D/journal.texts" && mount -t tmpfs -o size=3m,mode=700 tmpfs "$D/journal.texts" 2>/dev/null || {
	skip "sealed texts under faults" "needs root, for a disk of its own and the daemon's memory"
	exit 0
}
finish_too() {
	umount -l "$D/journal.texts"
	finish
}
trap finish_too EXIT
${CC:-cc} -shared -fPIC -o "$D/skew.so" "$root/tests/support/skew.c" || { not_ok "skew.c builds"; exit 1; }
head -c 16 /dev/zero >"$D/skew.a"
auditor ann >"$D/mine.yaml"
auditor_key ben
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: faults
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {person: nobody}
providers:
  openai: {backend: local, dialect: openai}
routes:
  - {name: open, match: {path: /v1/chat/completions, host: open}, targets: openai, record: {prompt: full, response: full, tools: full}, on_failure: {audit: permit}}
  - {name: chat, match: {path: /v1/chat/completions}, targets: openai, record: {prompt: full, response: full, tools: full}}
default: permit
Y
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml" --preload "$D/skew.so"
as_shipped
audit() { "$build/tollgate" audit "$@" -c "$D/tollgate.yaml" 2>"$D/err"; }
alice="authorization: Bearer $(token --claims '{"sub":"alice"}')"
# post PERSON TEXT [HOST [CURL'S OPTIONS]]
post() {
	req POST /v1/chat/completions -H "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")" -H 'content-type: application/json' -H "host: ${3:-chat}" \
		-d "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}" "${@:4}"
	id=$(header x-tollgate-id)
}
open_by() { audit open "$2" --key "$D/$1.key" --part "$3" --reason 'a drill' >"$D/text"; } # KEY ID PART
opens() { wait_for open_by "$@"; }
completion_of() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep '"type":"completion"' | grep "\"id\":\"$1\""; }
has_completion() { completion_of "$1" >/dev/null; }
kept_of() { wait_for has_completion "$1" && completion_of "$1" | jq -c "$2"; } # ID JQ
texts_verify() { audit verify --texts >"$D/verify.log" || { sed 's/^/#   /' "$D/verify.log"; false; }; }
# answer WORD KB [MEMBERS]: prints a response whose events each contain the word. `told`: the provider returns it once.
answer() {
	jq -nr --arg word "$1" --argjson n "$2" '"data: " + ({id: "c", object: "chat.completion.chunk", model: "echo", choices: [{index: 0, delta: {content: ($word + " " + "w" * 900)}}]} | tojson) + "\n\n" | . * $n + "data: [DONE]\n\n"' |
		jq -Rsc '{body: .[:-1], content_type: "text/event-stream", chunk_bytes: 4096, times: 1, '"${3:-}"'}'
}
told() { curl -s -o /dev/null "$PROVIDER/_control" -d @-; }

# ---- no plain text stays in memory or on disk ----
pid=$(pid_of tollgate)
memory() { node "$here/own-credentials.mjs" memory "$pid" "$@" | grep -v ' 0$'; }
word() { head -c 400 /dev/urandom | tr -dc 'bcdfghjklmnpqrstvwxz' | head -c 20; }
asked=$(word) said=$(word) again=$(word)
post alice "some words, then $asked and more"
is "a text is kept" "$status" 200
first=$id
answer "$said" 300 | told
post alice "a stream, of $again"
is "a long stream is kept" "$status $(grep -c . <<<"$body")" "200 301"
long=$id
settled
fetch DELETE "$PROVIDER/_seen" >/dev/null
check "the prompt opens" opens ann "$first" prompt
check "it is the prompt that was sent" grep -q "$asked" "$D/text"
check "the response opens" opens ann "$long" response
is "the response is complete" "$(grep -c "$said" "$D/text") $(completion_of "$long" | jq -c '.answer.kept | [.cut, (.at | length) > 4]')" "300 [null,true]"
rm -f "$D/text" "$D/.body" "$D"/.*.body "$D"/.*.head
none_left() { [ -z "$(memory "$asked" "$said" "$again")" ]; }
if grep -q 'lib[at]san' "/proc/$pid/maps"; then skip "nothing of it is in the daemon's memory" "a sanitizer has a heap of its own"; else
	check "the daemon's memory contains none of the texts" wait_for none_left
	memory "$asked" "$said" "$again" | sed 's/^/#   /'
fi
redis config set dir "$D" >/dev/null
redis save >/dev/null
is "neither the disk nor Redis' dump contains them" "$(grep -rlaF -e "$asked" -e "$said" -e "$again" "$D" 2>/dev/null | grep -v mockllm | head -3)" ""

# ---- streams that are cut ----
answer cut-by-provider 300 '"cut_after_bytes": 150000' | told
post alice cut
cut=$id
like "the part of a cut stream is kept, and marked as cut" "$(kept_of "$cut" '.answer.kept | [.cut, .bytes > 100000, .bytes <= 150000]')" '\[true,true,true\]'
check "the part opens" opens ann "$cut" response
like "it is the part that arrived" "$(head -c 300 "$D/text")" 'cut-by-provider'
answer cut-by-client 600 '"chunk_ms": 20' | told
post alice goes-away chat -m 1.5
cut=$id
like "the part of a stream that its client left is kept" "$(kept_of "$cut" '.answer.kept | [.cut, .bytes > 20000, .bytes < 500000]')" '\[true,true,true\]'
check "that part opens too" opens ann "$cut" response
check "all kept texts equal their records" texts_verify

# ---- the disk becomes full during a text ----
full() {
	local page
	dd if=/dev/zero of="$D/journal.texts/.filler" bs=64k 2>/dev/null
	page=$(stat -c %s "$D/journal.texts/.filler")
	[ "$1" = all ] || truncate -s $((page - $1)) "$D/journal.texts/.filler"
}
room() { rm -f "$D/journal.texts/.filler"; wait_for is_ready; }
for how in chat open; do
	answer "full-$how" 600 | told
	full 200000
	found=$(curl -s -o "$D/.body" -D "$D/.head" -w '%{http_code} %{exitcode}' "$EDGE/v1/chat/completions" -H "$alice" -H 'content-type: application/json' -H "host: $how" \
		-d '{"model":"echo","stream":true,"messages":[{"role":"user","content":"on a disk that is soon full"}]}')
	case $how in
	chat) is "on_failure deny: a stream that cannot be kept is cut" "$found" "200 18" ;;
	open) is "on_failure permit: the stream continues without being kept" "$found $(grep -c "full-$how" "$D/.body")" "200 0 600" ;;
	esac
	half=$(sed -n 's/^x-tollgate-id: *\([0-9A-Za-z-]*\).*/\1/pi' "$D/.head")
	like "readyz reports the full disk" "$(curl -s "$ADMIN/readyz")" 'No space left'
	post alice "there is no room" "$how"
	is "the next request: $how" "$status" "$([ $how = chat ] && echo 503 || echo 200)"
	check "with free space, requests pass" room
	post alice "and again $how" "$how"
	is "the status is 200" "$status" 200
	check "the text is kept" opens ann "$id" prompt
	check "no incomplete text counts as complete" texts_verify
	! has_completion "$half" || like "its record, if there is one, states the kept part" "$(completion_of "$half" | jq -c '.answer.kept')" 'null|"cut":true|"bytes":[6-9][0-9]{5}'
done
final check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"

# ---- an erasure during a text, and two concurrent erasures ----
answer under-way 300 '"chunk_ms": 30' | told
post bob "somebody else"
bobs=$id
slow_stream() { # HOST: sends a stream of alice; $slow is its process
	rm -f "$D/slow.head"
	curl -s -o /dev/null -D "$D/slow.head" "$EDGE/v1/chat/completions" -H "$alice" -H 'content-type: application/json' -H "host: $1" \
		-d '{"model":"echo","stream":true,"messages":[{"role":"user","content":"slow"}]}' &
	slow=$!
	begun() { grep -qsi x-tollgate-id "$D/slow.head"; }
	check "a stream is in progress" wait_for begun
}
slow_id() { sed -n 's/^x-tollgate-id: *\([0-9A-Za-z-]*\).*/\1/pi' "$D/slow.head"; }
slow_stream chat
audit erase --person alice --why 'she asked' >"$D/one" 2>&1 &
one=$!
audit erase --person alice --why 'and again' >"$D/two" 2>&1
two=$?
wait $one
is "two concurrent erasures succeed" "$? $two" "0 0"
wait $slow
slow=$(slow_id)
check "the stream has its record" wait_for has_completion "$slow"
for part in prompt response; do
	open_by ann "$slow" $part
	like "the text in progress does not open: $part" "$? $(wc -c <"$D/text") $(cat "$D/err")" '^1 0 .*: erased: '
done
open_by ann "$first" prompt
like "an earlier text does not open" "$? $(cat "$D/err")" '^1 .*: erased: '
check "another person's text opens" opens ann "$bobs" prompt
post alice "she goes on"
check "a later text of the erased person opens" opens ann "$id" prompt
check "all texts verify after the erasures" texts_verify

# ---- another auditor ----
seal_lines() { # YAML
	echo "$1" >"$D/over.yaml"
	"$build/stackhelp" merge "$D/tollgate.yaml" "$D/over.yaml" >"$D/whole.yaml" && mv "$D/whole.yaml" "$D/tollgate.yaml"
}
reload() { "$build/tollgate" reload -c "$D/tollgate.yaml" >"$D/reload" 2>&1; }
before=$id
seal_lines 'seal: {auditors: [{name: ben, public_key: "no key at all"}]}'
reload
like "an invalid key is refused" "$? $(cat "$D/reload" "$D/tollgate.log" | grep -c 'the value is not an X25519 public key')" '^[1-9][0-9]* [1-9]|^0 [1-9]'
post alice "by the old one"
check "the old key stays in use" opens ann "$id" prompt
seal_lines "seal: {auditors: [$(auditor_entry ben)]}"
check "another auditor is configured by a reload" reload
post alice "by the new one"
after=$id
check "new texts open with the new auditor's key" opens ben "$after" prompt
open_by ann "$after" prompt
is "new texts do not open with the old key" "$? $(wc -c <"$D/text")" "1 0"
check "the old key opens old texts" opens ann "$before" prompt
open_by ben "$before" prompt
is "the new key does not open old texts" "$? $(wc -c <"$D/text")" "1 0"

# ---- no number for a new share is left ----
nobody() { req POST /v1/chat/completions -H 'content-type: application/json' -d '{"model":"echo","messages":[{"role":"user","content":"who am I"}]}'; }
nobody # has no share from here on
pid=$(pid_of tollgate)
kill -TERM "$pid"
wait_for gone "$pid"
given="given $(((1 << 53) - 1))"
{
	grep -v '^given ' "$D/journal.texts.head"
	echo "$given $(printf %s "$given" | sha256sum | head -c 8)"
} >"$D/head" && cat "$D/head" >"$D/journal.texts.head"
SKEW_FILE=$D/skew.a LD_PRELOAD=$D/skew.so setsid "$build/tollgate" serve -c "$D/tollgate.yaml" </dev/null >>"$D/tollgate.log" 2>&1 &
note_pid $! tollgate
check "the daemon starts with the last number in use" wait_for is_ready
serves() { post bob "has one"; [ "$status" = 200 ]; }
check "it serves persons who have a share" wait_for serves
post eve "somebody new"
is "a person without a share is refused" "$status" 503
post eve "somebody new" open
is "a route can permit such a request without keeping its texts" "$status" 200
answer without-a-share 200 '"chunk_ms": 30' | told
slow_stream open
audit erase --person alice --why 'once more' >"$D/one"
wait $slow
check "the stream of an erased person ends" wait_for has_completion "$(slow_id)"
is "its record mentions no text" "$(completion_of "$(slow_id)" | jq -c '[.answer.kept, .identity.person]')" '[null,"alice"]'
check "all texts verify without new shares" texts_verify

# ---- midnight ----
seals() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep '"type":"seal"' | jq -r .day | sort -u | wc -l; }
days=$(seals) files=$(ls "$D/journal.texts" | wc -l)
python3 -c 'import struct, sys; f = open(sys.argv[1], "r+b"); f.write(struct.pack("=q", 86400 * 10**9))' "$D/skew.a"
# Today's tokens have expired by then.
nobody
tomorrow=$(header x-tollgate-id)
is "a request on the next day passes" "$status" 200
check "it has its record" wait_for has_completion "$tomorrow"
is "no new seal is created if Redis contradicts the clock" "$(seals)" "$days"
is "a new file of texts begins" "$(ls "$D/journal.texts" | wc -l)" $((files + 1))
check "the text in it opens" opens ben "$tomorrow" prompt
check "all texts verify on the next day" texts_verify
final check "the chain verifies at the end" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
