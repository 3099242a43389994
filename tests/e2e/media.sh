# Files inside requests, in every place where a dialect has one: read by tollgate-extract and searched,
# refused, or taken out; what cannot be read is said by kind; pictures in answers.
# Once: the daemon reads files, whichever HAProxy handed the body over (bodies.sh, on each).
. "$(dirname "$0")/lib.sh"

files_are_read "files are read" || exit 0
papers=$D/papers
mkdir "$papers"
node "$here/media/papers.mjs" "$papers"
echo "extract: {listen: unix@$D/extract.sock, deadline: 8s}" >"$D/with.yaml"
stack_up --policy "$here/media.yaml" --config "$D/with.yaml"
extract_start
auth="authorization: Bearer $(token)"
json='content-type: application/json'
decision() { settled; cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"decision"' | tail -1 | jq -c "$1"; }
says() { jq -c "$1" <<<"$body"; }
b64() { base64 -w0 "$papers/$1"; }
type_of() { case $1 in *.pdf) echo application/pdf ;; *.png) echo image/png ;; *.jpg) echo image/jpeg ;; *.gif) echo image/gif ;; *.txt) echo text/plain ;; esac; }
saw() { seen | jq -c "last | .body | fromjson | $1"; }
# ask HOST PATH JSON: the body from a file, as it may be long
ask() { printf %s "$3" >"$D/body.json"; req POST "$2" -H "$auth" -H "$json" -H 'anthropic-version: 2023-06-01' -H "host: $1" --data-binary "@$D/body.json"; }
# chat HOST FILE [TYPE]: as chat completions have it; a picture has its own part
chat_part() {
	local type=${2:-$(type_of "$1")}
	if [[ $type = image/* ]]; then printf '{"type":"image_url","image_url":{"url":"data:%s;base64,%s"}}' "$type" "$(b64 "$1")"
	else printf '{"type":"file","file":{"filename":"%s","file_data":"data:%s;base64,%s"}}' "$1" "$type" "$(b64 "$1")"; fi
}
chat() { ask "$1" /v1/chat/completions "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Sum it up.\"},$(chat_part "$2" "${3:-}")]}]}"; }
file() { decision ".prompt.files[0] | del(.us, .bytes) | ${1:-.}"; }

# ---- a PDF ----
chat deny.test clean.pdf
is "a PDF that holds nothing passes" "$status" 200
is "as it came" "$(saw '.messages[0].content[1].file.file_data | split(",")[1]')" "\"$(b64 clean.pdf)\""
is "the record says what was read" "$(decision '[.prompt.media, (.prompt.files[0] | .kind, .pages, .read, .unread), .prompt.unreadable, .prompt.opaque_parts, .not_inspected]')" \
	'[["file","pdf"],"pdf",1,["text"],null,null,0,["header values"]]'
chat deny.test account.pdf
is "one that holds an account number does not" "$status $(says .error.code)" '403 "content_policy_violation"'
like "and the error names the page" "$(says .error.message)" 'page 2 of a file \(pdf\)'
is "and the record" "$(file)" '{"kind":"pdf","pages":3,"read":["text"],"found":["IBAN_CODE 2"]}'
is "the role is a document's" "$(decision '.entities.IBAN_CODE.roles')" '["document"]'
chat strip.test account.pdf
is "or a text takes its place" "$status $(saw '.messages[0].content')" \
	'200 [{"type":"text","text":"Sum it up."},{"type":"text","text":"[a file was removed here: pdf]"}]'
is "and all around it is as it came" "$(seen | jq -r 'last | .body')" \
	'{"model":"echo","messages":[{"role":"user","content":[{"type":"text","text":"Sum it up."},{"type":"text","text":"[a file was removed here: pdf]"}]}]}'
is "the record says so" "$(decision '[.decision, .rule, .prompt.files[0].stripped]')" '["redact","strip",true]'
like "explain, too" "$("$build/tollgate" audit explain "$(header x-tollgate-id)" -c "$D/tollgate.yaml" 2>&1)" 'file: pdf, 3 pages; read: text; found: IBAN_CODE 2; taken out'
chat strip.test clean.pdf
is "one that holds nothing stays there, too" "$status $(saw '.messages[0].content[1].type')" '200 "file"'
while IFS='|' read -r name kind found; do
	chat deny.test "$name.pdf"
	is "$kind" "$status $(says .error.code) $(file .found)" "403 \"content_policy_violation\" [\"$found\"]"
done <<'T'
white|text in white|IBAN_CODE 1
invisible|invisible text|IBAN_CODE 1
aside|text off the page|IBAN_CODE 1
turned|a page that is turned|IBAN_CODE 1
title|a title|IBAN_CODE
replaced|text that another one stands for|IBAN_CODE 1
tiled|text in a pattern|IBAN_CODE 1
tiny|text after sixty thousand tiny letters|IBAN_CODE 1
boxes|digits in the boxes of a form|IBAN_CODE 1
apart|letters placed one by one|IBAN_CODE 1
T
while read -r name why; do
	chat deny.test "$name.pdf"
	is "unreadable: $name" "$status $(says .error.code) $(file .unread)" "403 \"unreadable_content\" \"$why\""
	like "which the error says" "$(says .error.message)" "$why"
	chat open.test "$name.pdf"
	is "and permitted where the policy says so" "$status" 200
done <<'T'
attached attachments
letters fonts
unnamed fonts
locked encrypted
drawn no_text
scanned no_text
cut damaged
many too_many_pages
both not_as_declared
T
chat open.test form.pdf
is "what is found in one that is not read to its end counts all the same" "$status $(file '[.unread, .found]')" '403 ["forms",["IBAN_CODE"]]'
chat deny.test account.pdf image/png
is "not as declared" "$(file '[.kind, .unread]')" '["pdf","not_as_declared"]'
chat strip.test scanned.pdf
is "what nobody can read is taken out, too" "$status $(saw '.messages[0].content[1].text')" '200 "[a file was removed here: pdf]"'
chat deny.test blank.pdf
is "an empty page is no riddle" "$status" 200
chat deny.test leftover.pdf
is "nor is a form without fields" "$status $(file .unread)" '200 null'

# ---- text, pictures ----
chat deny.test note.txt
is "a file of text is read here" "$status $(file '[.kind, .read, .found]')" '403 ["text",["text"],["IBAN_CODE"]]'
{ printf "\xff\xfe"; iconv -f UTF-8 -t UTF-16LE "$papers/note.txt"; } >"$papers/wide.txt"
chat deny.test wide.txt
is "and one in UTF-16 with its mark" "$status $(file '[.kind, .read, .found]')" '403 ["text",["text"],["IBAN_CODE"]]'
{ printf 'M\xfcller; '; cat "$papers/note.txt"; } >"$papers/latin.txt"
chat deny.test latin.txt
is "and one in Windows-1252" "$status $(file '[.kind, .read, .found]')" '403 ["text",["text"],["IBAN_CODE"]]'
{ printf '\xef\xbb\xbf\r\n'; cat "$papers/account.pdf"; } >"$papers/marked.pdf"
chat deny.test marked.pdf
is "a mark and a line before a PDF are no other kind" "$status $(file '[.kind, .found]')" '403 ["pdf",["IBAN_CODE 2"]]'
chat deny.test small.png
is "a picture is not read" "$status $(file '[.kind, .unread]')" '403 ["png","not_asked"]'
while read -r name kind; do
	chat open.test "$name"
	is "what $kind say is searched" "$status $(file .found)" '403 ["EMAIL_ADDRESS"]'
done <<'T'
said.png texts of a PNG
packed.png packed texts
said.jpg EXIF fields
T
chat deny.test wide.png
is "too many points" "$(file .unread)" '"too_many_points"'
chat deny.test inflates.png
is "a text that inflates without end" "$(file .unread)" '"bomb"'
chat ocr.test small.png
is "where a rule asks for it, a picture is read" "$status $(file '[.read, .unread]')" '200 [["ocr"],null]'
for f in page.png page.jpg scanned.pdf; do
	chat ocr.test $f
	is "and what is found in it counts: $f" "$status $(file '[(.read | last), .found]')" '403 ["ocr",["IBAN_CODE 1"]]'
done

chat ocr.test moving.gif
is "of several pictures one is read alone, so that none is" "$status $(file .unread)" '403 "animated"'

# ---- where each dialect has it ----
for uri in 'data:application/pdf;base64, ' ' data:application/pdf;base64,' 'data:application/pdf; base64,' $'data:application/pdf;base64,\\n'; do
	ask deny.test /v1/chat/completions '{"model":"echo","messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"'"$uri$(b64 clean.pdf)"'"}}]}]}'
	is "blanks in a data URI: [$uri]" "$status $(file '[.kind, .read]')" '200 ["pdf",["text"]]'
done
pdf=$(b64 account.pdf) ok=$(b64 clean.pdf)
place() { # NAME HOST PATH BODY WITH-@, TEXT-JQ EXPECTED [KIND]
	local kind=${7:-pdf} good=$ok bad=$pdf
	[ $kind = pdf ] || good=$(b64 plain.txt) bad=$(b64 note.txt)
	ask "$2" "$3" "${4/@/$good}"
	is "$1: a file passes" "$status $(decision '.prompt.files[0] | [.kind, .read]')" "200 [\"$kind\",[\"text\"]]"
	ask "$2" "$3" "${4/@/$bad}"
	is "$1: or is taken out" "$status $(saw "$5")" "200 $6"
}
gone='[a file was removed here: pdf]'
place "responses" strip.test /v1/responses \
	'{"model":"echo","input":[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,@"}]}]}' \
	'.input[0].content[0]' "{\"type\":\"input_text\",\"text\":\"$gone\"}"
place "messages" anthropic.test /v1/messages \
	'{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","title":"a","source":{"type":"base64","media_type":"application/pdf","data":"@"}},{"type":"text","text":"x"}]}]}' \
	'.messages[0].content' "[{\"type\":\"text\",\"text\":\"$gone\"},{\"type\":\"text\",\"text\":\"x\"}]"
place "a tool's result" anthropic.test /v1/messages \
	'{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"@"}}]}]}]}' \
	'.messages[0].content[0].content' "[{\"type\":\"text\",\"text\":\"$gone\"}]"
ask anthropic.test /v1/messages '{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"riddle","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"'"$(b64 small.png)"'"}}]}]}]}'
is "a file in a part that goes, too, goes with it" "$status $(saw '.messages[0].content')" '200 [{"type":"text","text":"x"},{"type":"text","text":"[a file was removed here: unknown]"}]'
place "generateContent" gemini.test /v1beta/models/echo:generateContent \
	'{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"application/pdf","data":"@"}},{"text":"x"}]}]}' \
	'.contents[0].parts' "[{\"text\":\"$gone\"},{\"text\":\"x\"}]"
place "generateContent, text" gemini.test /v1beta/models/echo:generateContent \
	'{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"text/csv","data":"@"}},{"text":"x"}]}]}' \
	'.contents[0].parts' '[{"text":"[a file was removed here: text]"},{"text":"x"}]' text
place "Converse" bedrock.test /model/echo/converse \
	'{"messages":[{"role":"user","content":[{"document":{"name":"a","format":"pdf","source":{"bytes":"@"}}},{"text":"x"}]}]}' \
	'.messages[0].content' "[{\"text\":\"$gone\"},{\"text\":\"x\"}]"
ask business.test /claims "{\"note\":\"see data:application/pdf;base64,$pdf\"}"
is "a data URI anywhere" "$status $(file '[.kind, .found]')" '403 ["pdf",["IBAN_CODE 2"]]'
ask cohere.test /v2/chat '{"model":"echo","messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:image/png;base64,'"$(b64 small.png)"'"}}]}]}'
is "Cohere: a picture is taken out" "$status $(saw '.messages[0].content[1].text')" '200 "[a file was removed here: png]"'
ask cohere.test /v2/chat '{"model":"echo","messages":[{"role":"user","content":"x"}],"documents":[{"id":"1","data":{"text":"data:application/pdf;base64,'"$pdf"'"}}]}'
is "Cohere: a document that is a PDF" "$status $(file '[.kind, .found]')" '403 ["pdf",["IBAN_CODE 2"]]'
ask tgi.test /generate '{"inputs":"![](data:application/pdf;base64,'"$pdf"') what is it"}'
is "TGI: one in its text" "$status $(file '[.kind, .found]')" '403 ["pdf",["IBAN_CODE 2"]]'
call() { ask mcp.test /mcp '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"file":"'"$1"'"}}}'; }
call "$ok"
is "MCP: an argument that is a PDF passes" "$status $(file '[.kind, .read]')" '200 ["pdf",["text"]]'
call "$ok\\n"
is "with the line break that base64 ends with, too" "$status $(file '[.kind, .read]')" '200 ["pdf",["text"]]'
call "$pdf"
like "MCP: or is an error of the tool" "$(says '[.id, .result.isError, .result.content[0].text]')" '^\[1,true,"data that must be redacted is on page 2'
chat shadow.test account.pdf
is "a rule in shadow: it goes as it came, the record says what would be" "$status $(saw '.messages[0].content[1].type') $(decision '[.would_be.decision, .would_be.rule, .prompt.files[0].found]')" \
	'200 "file" ["redact","would",["IBAN_CODE 2"]]'
req POST /claims -H "$auth" -H 'host: business.test' -F "a=b" -F "paper=@$papers/clean.pdf;type=application/pdf"
is "a form: a PDF passes" "$status $(decision '.prompt.files[0] | [.kind, .read]')" '200 ["pdf",["text"]]'
req POST /claims -H "$auth" -H 'host: business.test' -F "a=b" -F "paper=@$papers/account.pdf;type=application/pdf"
is "a form: and one that holds something does not" "$status $(file .found)" '403 ["IBAN_CODE 2"]'

req POST /claims -H "$auth" -H 'host: business.test' --data-urlencode "paper=$ok"
like "a form of the other type refuses a file, and says what to do" "$status $(says .error.message)" '^403 "the gateway cannot inspect a file in a form of this type: send it as a part of multipart/form-data'

# ---- answers ----
control '{"body":"{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"here\",\"images\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,'"$(b64 small.png)"'\"}}]}}]}"}'
chat answers.test small.png
is "a picture in an answer is stopped by a rule" "$status $(says .error.code)" '403 "content_policy_violation"'
chat open.test small.png
is "or passes, and is recorded in bytes" "$status $(completion '.answer.opaque_bytes > 1000')" "200 true"
control '{}'

# ---- the helper ----
rss() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$(pid_of tollgate)/status"; }
killed extract
chat deny.test clean.pdf
is "without tollgate-extract nobody reads it" "$status $(file .unread)" '403 "extractor_away"'
is "which is counted" "$(metric files_failed_total)" 1
says_away() { ready | grep -q 'files: tollgate-extract does not respond'; }
check "and /readyz says so" wait_for says_away
while read -r how why; do
	rm -f "$D/extract.sock"
	setsid node "$here/media/helper.mjs" "$D/extract.sock" "$how" </dev/null >>"$D/helper.log" 2>&1 &
	note_pid $! helper
	wait_for test -S "$D/extract.sock"
	before=$(rss) since=$EPOCHREALTIME
	chat deny.test clean.pdf
	is "a helper that does this: $how" "$status $(file .unread)" "403 \"$why\""
	check "in time" test $(((${EPOCHREALTIME/./} - ${since/./}) / 1000)) -lt 30000
	check "and memory" test $(($(rss) - before)) -lt 65536
	killed helper
done <<'T'
hang extractor_late
crash extractor_away
flood extractor_nonsense
lies extractor_nonsense
T
rm -f "$D/extract.sock"
extract_start
chat deny.test clean.pdf
is "and with it again" "$status" 200

# ---- many at once ----
chat_body() { printf '{"model":"echo","messages":[{"role":"user","content":[%s]}]}' "$1"; }
chat_body "$(chat_part bomb.pdf)" >"$D/bomb.json"
chat_body '{"type":"text","text":"hi"}' >"$D/plain.json"
before=$(rss) asking=()
for i in $(seq 50); do
	curl -s -o "$D/many.$i" -w "%{http_code}\n" -X POST "$EDGE/v1/chat/completions" -H "$auth" -H "$json" -H "host: deny.test" --data-binary "@$D/bomb.json" >>"$D/many.log" &
	asking+=($!)
done
timeout 1 curl -s -o /dev/null -X POST "$EDGE/v1/chat/completions" -H "$auth" -H "$json" -H 'host: deny.test' --data-binary "@$D/bomb.json"
slowest=0 unserved=0
for i in $(seq 20); do
	t=$(curl -s -o /dev/null -w '%{http_code} %{time_total}' -X POST "$EDGE/v1/chat/completions" -H "authorization: Bearer $(token --claims '{"sub":"another"}')" -H "$json" -H 'host: deny.test' --data-binary "@$D/plain.json")
	[ "${t% *}" = 200 ] || unserved=$((unserved + 1))
	t=${t#* } t=$((10#${t/./} / 1000))
	[ $t -le "$slowest" ] || slowest=$t
done
check "others are served while 50 files wait that inflate without end: slowest $slowest ms" test $unserved = 0
wait "${asking[@]}"
# a machine that stands still for seconds lets tickets end: the gate's own 503, never an answer
is "each of which is refused" "$(grep -cE '^(403|503)$' "$D/many.log")" 50
check "nearly all as the policy says" test "$(grep -c 403 "$D/many.log")" -ge 40
chat deny.test clean.pdf
is "and one that was given up while it waited holds nothing" "$status" 200
check "in flat memory: $((($(rss) - before) / 1024)) MB more" test $(($(rss) - before)) -lt 262144
is "all of it decided again is the same" "$("$build/tollgate" policy replay -c "$D/tollgate.yaml" | grep -oE '[0-9]+ different' | sort -u)" "0 different"
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
