# Sealed texts where things go wrong: what is left of them in the daemon's memory and on the disk, a disk that is full in the middle
# of a text, streams that are cut, an erasure of who is speaking, two at once, another auditor, midnight.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
[ "$(id -u)" = 0 ] && mkdir -p "$D/journal.texts" && mount -t tmpfs -o size=3m,mode=700 tmpfs "$D/journal.texts" 2>/dev/null || {
	skip "sealed texts where things go wrong" "needs root, for a disk of its own and the daemon's memory"
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
# answer WORD KB [MEMBERS]: events, each of which holds the word. told: the provider, which answers once with it.
answer() {
	jq -nr --arg word "$1" --argjson n "$2" '"data: " + ({id: "c", object: "chat.completion.chunk", model: "echo", choices: [{index: 0, delta: {content: ($word + " " + "w" * 900)}}]} | tojson) + "\n\n" | . * $n + "data: [DONE]\n\n"' |
		jq -Rsc '{body: .[:-1], content_type: "text/event-stream", chunk_bytes: 4096, times: 1, '"${3:-}"'}'
}
told() { curl -s -o /dev/null "$PROVIDER/_control" -d @-; }

# ---- nothing is left in memory, nor on the disk ----
pid=$(pid_of tollgate)
memory() { node "$here/own-credentials.mjs" memory "$pid" "$@" | grep -v ' 0$'; }
word() { head -c 400 /dev/urandom | tr -dc 'bcdfghjklmnpqrstvwxz' | head -c 20; }
asked=$(word) said=$(word) again=$(word)
post alice "some words, then $asked and more"
is "a text is kept" "$status" 200
first=$id
answer "$said" 300 | told
post alice "a stream, of $again"
is "and a long stream" "$status $(grep -c . <<<"$body")" "200 301"
long=$id
settled
fetch DELETE "$PROVIDER/_seen" >/dev/null
check "the prompt opens" opens ann "$first" prompt
check "it is it" grep -q "$asked" "$D/text"
check "the answer opens" opens ann "$long" response
is "whole" "$(grep -c "$said" "$D/text") $(completion_of "$long" | jq -c '.answer.kept | [.cut, (.at | length) > 4]')" "300 [null,true]"
rm -f "$D/text" "$D/.body" "$D"/.*.body "$D"/.*.head
none_left() { [ -z "$(memory "$asked" "$said" "$again")" ]; }
if grep -q 'lib[at]san' "/proc/$pid/maps"; then skip "nothing of it is in the daemon's memory" "a sanitizer has a heap of its own"; else
	check "nothing of it is in the daemon's memory" wait_for none_left
	memory "$asked" "$said" "$again" | sed 's/^/#   /'
fi
redis config set dir "$D" >/dev/null
redis save >/dev/null
is "nor on the disk, nor in what Redis dumps" "$(grep -rlaF -e "$asked" -e "$said" -e "$again" "$D" 2>/dev/null | grep -v mockllm | head -3)" ""

# ---- streams that are cut ----
answer cut-by-provider 300 '"cut_after_bytes": 150000' | told
post alice cut
cut=$id
like "of what the provider cut what came is kept, and marked" "$(kept_of "$cut" '.answer.kept | [.cut, .bytes > 100000, .bytes <= 150000]')" '\[true,true,true\]'
check "it opens" opens ann "$cut" response
like "and is what came" "$(head -c 300 "$D/text")" 'cut-by-provider'
answer cut-by-client 600 '"chunk_ms": 20' | told
post alice goes-away chat -m 1.5
cut=$id
like "of what the client left, too" "$(kept_of "$cut" '.answer.kept | [.cut, .bytes > 20000, .bytes < 500000]')" '\[true,true,true\]'
check "it opens, too" opens ann "$cut" response
check "all that is kept is what records say" texts_verify

# ---- a disk that is full in the middle of a text ----
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
	chat) is "denied: what is not kept does not come to its end" "$found" "200 18" ;;
	open) is "permitted: it goes on without" "$found $(grep -c "full-$how" "$D/.body")" "200 0 600" ;;
	esac
	half=$(sed -n 's/^x-tollgate-id: *\([0-9A-Za-z-]*\).*/\1/pi' "$D/.head")
	like "/readyz says so" "$(curl -s "$ADMIN/readyz")" 'No space left'
	post alice "there is no room" "$how"
	is "what comes then: $how" "$status" "$([ $how = chat ] && echo 503 || echo 200)"
	check "with room it goes on" room
	post alice "and again $how" "$how"
	is "and is answered" "$status" 200
	check "kept" opens ann "$id" prompt
	check "nothing half is called whole" texts_verify
	! has_completion "$half" || like "its record, if any, says what is there" "$(completion_of "$half" | jq -c '.answer.kept')" 'null|"cut":true|"bytes":[6-9][0-9]{5}'
done
final check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"

# ---- an erasure while a text is under way, and two at once ----
answer under-way 300 '"chunk_ms": 30' | told
post bob "somebody else"
bobs=$id
slow_stream() { # HOST: alice's; $slow is its process
	rm -f "$D/slow.head"
	curl -s -o /dev/null -D "$D/slow.head" "$EDGE/v1/chat/completions" -H "$alice" -H 'content-type: application/json' -H "host: $1" \
		-d '{"model":"echo","stream":true,"messages":[{"role":"user","content":"slow"}]}' &
	slow=$!
	begun() { grep -qsi x-tollgate-id "$D/slow.head"; }
	check "a stream is under way" wait_for begun
}
slow_id() { sed -n 's/^x-tollgate-id: *\([0-9A-Za-z-]*\).*/\1/pi' "$D/slow.head"; }
slow_stream chat
audit erase --person alice --why 'she asked' >"$D/one" 2>&1 &
one=$!
audit erase --person alice --why 'and again' >"$D/two" 2>&1
two=$?
wait $one
is "two erasures at once are done" "$? $two" "0 0"
wait $slow
slow=$(slow_id)
check "the stream has its record" wait_for has_completion "$slow"
for part in prompt response; do
	open_by ann "$slow" $part
	like "what was under way does not open: $part" "$? $(wc -c <"$D/text") $(cat "$D/err")" '^1 0 .*: erased: '
done
open_by ann "$first" prompt
like "nor what was before" "$? $(cat "$D/err")" '^1 .*: erased: '
check "another person's does" opens ann "$bobs" prompt
post alice "she goes on"
check "and what she says then" opens ann "$id" prompt
check "all verifies" texts_verify

# ---- another auditor ----
seal_lines() { # YAML
	echo "$1" >"$D/over.yaml"
	"$build/stackhelp" merge "$D/tollgate.yaml" "$D/over.yaml" >"$D/whole.yaml" && mv "$D/whole.yaml" "$D/tollgate.yaml"
}
reload() { "$build/tollgate" reload -c "$D/tollgate.yaml" >"$D/reload" 2>&1; }
before=$id
seal_lines 'seal: {auditors: [{name: ben, public_key: "no key at all"}]}'
reload
like "a key that is none is refused" "$? $(cat "$D/reload" "$D/tollgate.log" | grep -c 'the value is not an X25519 public key')" '^[1-9][0-9]* [1-9]|^0 [1-9]'
post alice "by the old one"
check "and the old one stays" opens ann "$id" prompt
seal_lines "seal: {auditors: [$(auditor_entry ben)]}"
check "another auditor comes by a reload" reload
post alice "by the new one"
after=$id
check "what is sealed then opens by his key" opens ben "$after" prompt
open_by ann "$after" prompt
is "and not by the one of before" "$? $(wc -c <"$D/text")" "1 0"
check "who opens what was before" opens ann "$before" prompt
open_by ben "$before" prompt
is "as the new one does not" "$? $(wc -c <"$D/text")" "1 0"

# ---- no share can be given any more ----
nobody() { req POST /v1/chat/completions -H 'content-type: application/json' -d '{"model":"echo","messages":[{"role":"user","content":"who am I"}]}'; }
nobody # has a share from here on
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
check "the daemon starts with the last number given" wait_for is_ready
serves() { post bob "has one"; [ "$status" = 200 ]; }
check "and serves who has a share" wait_for serves
post eve "somebody new"
is "who has no share is refused" "$status" 503
post eve "somebody new" open
is "or goes on without, where that is permitted" "$status" 200
answer without-a-share 200 '"chunk_ms": 30' | told
slow_stream open
audit erase --person alice --why 'once more' >"$D/one"
wait $slow
check "a stream of who was erased ends" wait_for has_completion "$(slow_id)"
is "its record says nothing of a text that was not brought to its end" "$(completion_of "$(slow_id)" | jq -c '[.answer.kept, .identity.person]')" '[null,"alice"]'
check "all verifies" texts_verify

# ---- midnight ----
seals() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep '"type":"seal"' | jq -r .day | sort -u | wc -l; }
days=$(seals) files=$(ls "$D/journal.texts" | wc -l)
python3 -c 'import struct, sys; f = open(sys.argv[1], "r+b"); f.write(struct.pack("=q", 86400 * 10**9))' "$D/skew.a"
# tokens of today have ended by then: who has none is nobody
nobody
tomorrow=$(header x-tollgate-id)
is "the next day" "$status" 200
check "has its record" wait_for has_completion "$tomorrow"
is "begins no new seal by a clock that Redis contradicts" "$(seals)" "$days"
is "and a new file of texts" "$(ls "$D/journal.texts" | wc -l)" $((files + 1))
check "which opens" opens ben "$tomorrow" prompt
check "all verifies then" texts_verify
final check "and the chain" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
