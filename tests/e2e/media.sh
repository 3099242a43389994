# Files in requests, in each place where a dialect has one: tollgate-extract reads them, and the request is searched,
# refused, or forwarded without the file. Files that cannot be inspected are reported by kind. Then images in
# responses.
# Once: the daemon inspects files, so HAProxy's version does not matter (bodies.sh tests it).
# Late: it inspects hundreds of files.
. "$(dirname "$0")/lib.sh"

files_are_read "files are inspected" || exit 0
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
# ask HOST PATH JSON: sends the body from a file, because it may be long
ask() { printf %s "$3" >"$D/body.json"; req POST "$2" -H "$auth" -H "$json" -H 'anthropic-version: 2023-06-01' -H "host: $1" --data-binary "@$D/body.json"; }
# chat HOST FILE [TYPE]: sends a file in a chat completion; an image has its own kind of part
chat_part() {
	local type=${2:-$(type_of "$1")}
	if [[ $type = image/* ]]; then printf '{"type":"image_url","image_url":{"url":"data:%s;base64,%s"}}' "$type" "$(b64 "$1")"
	else printf '{"type":"file","file":{"filename":"%s","file_data":"data:%s;base64,%s"}}' "$1" "$type" "$(b64 "$1")"; fi
}
chat() { ask "$1" /v1/chat/completions "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Sum it up.\"},$(chat_part "$2" "${3:-}")]}]}"; }
file() { decision ".prompt.files[0] | del(.us, .bytes) | ${1:-.}"; }

# ---- a PDF ----
chat deny.test clean.pdf
is "a PDF without a finding passes" "$status" 200
is "the PDF is unchanged" "$(saw '.messages[0].content[1].file.file_data | split(",")[1]')" "\"$(b64 clean.pdf)\""
is "the record has the parts that were inspected" "$(decision '[.prompt.media, (.prompt.files[0] | .kind, .pages, .read, .unread), .prompt.unreadable, .prompt.opaque_parts, .not_inspected]')" \
	'[["file","pdf"],"pdf",1,["text"],null,null,0,["header values"]]'
chat deny.test account.pdf
is "a PDF with an account number is denied" "$status $(says .error.code)" '403 "content_policy_violation"'
like "the error names the page" "$(says .error.message)" 'page 2 of a file \(pdf\)'
is "the record has the page" "$(file)" '{"kind":"pdf","pages":3,"read":["text"],"found":["IBAN_CODE 2"]}'
is "the finding has the role document" "$(decision '.entities.IBAN_CODE.roles')" '["document"]'
chat strip.test account.pdf
is "another rule replaces the PDF with a text" "$status $(saw '.messages[0].content')" \
	'200 [{"type":"text","text":"Sum it up."},{"type":"text","text":"[a file was removed here: pdf]"}]'
is "everything around the PDF is unchanged" "$(seen | jq -r 'last | .body')" \
	'{"model":"echo","messages":[{"role":"user","content":[{"type":"text","text":"Sum it up."},{"type":"text","text":"[a file was removed here: pdf]"}]}]}'
is "the record has stripped: true" "$(decision '[.decision, .rule, .prompt.files[0].stripped]')" '["redact","strip",true]'
like "explain shows the file" "$("$build/tollgate" audit explain "$(header x-tollgate-id)" -c "$D/tollgate.yaml" 2>&1)" 'file: pdf, 3 pages; read: text; found: IBAN_CODE 2; taken out'
chat strip.test clean.pdf
is "a PDF without a finding is not replaced" "$status $(saw '.messages[0].content[1].type')" '200 "file"'
while IFS='|' read -r name kind found; do
	chat deny.test "$name.pdf"
	is "a finding in $kind is denied" "$status $(says .error.code) $(file .found)" "403 \"content_policy_violation\" [\"$found\"]"
done <<'T'
white|text in white|IBAN_CODE 1
invisible|invisible text|IBAN_CODE 1
aside|text off the page|IBAN_CODE 1
turned|a rotated page|IBAN_CODE 1
title|a title|IBAN_CODE
replaced|a text with a replacement|IBAN_CODE 1
tiled|text in a pattern|IBAN_CODE 1
tiny|text after sixty thousand tiny letters|IBAN_CODE 1
boxes|digits in the boxes of a form|IBAN_CODE 1
apart|letters placed one by one|IBAN_CODE 1
T
while read -r name why; do
	chat deny.test "$name.pdf"
	is "unreadable: $name" "$status $(says .error.code) $(file .unread)" "403 \"unreadable_content\" \"$why\""
	like "the error names the reason" "$(says .error.message)" "$why"
	chat open.test "$name.pdf"
	is "the policy can permit it" "$status" 200
done <<'T'
attached_picture attachments
letters fonts
unnamed fonts
locked encrypted
drawn no_text
scanned no_text
cut damaged
many too_many_pages
both not_as_declared
T
chat open.test attached_both.pdf
is "a finding in a file that was not inspected completely counts" "$status $(file '[.unread, .found]')" '403 ["attachments",["IBAN_CODE"]]'
while read -r name found; do
	chat open.test "$name.pdf"
	is "a value is found: $name" "$status $(file '[.unread, .found]')" "403 [null,$found]"
done <<'T'
form ["IBAN_CODE","IBAN_CODE 1"]
attached ["IBAN_CODE"]
attached_paper ["IBAN_CODE"]
broken ["IBAN_CODE 1"]
T
chat deny.test account.pdf image/png
is "a file of another type than declared is reported" "$(file '[.kind, .unread]')" '["pdf","not_as_declared"]'
chat strip.test scanned.pdf
is "a file that could not be inspected can be replaced too" "$status $(saw '.messages[0].content[1].text')" '200 "[a file was removed here: pdf]"'
chat deny.test blank.pdf
is "a PDF with an empty page passes" "$status" 200
chat deny.test leftover.pdf
is "a PDF form without fields passes" "$status $(file .unread)" '200 null'

# ---- text files and images ----
chat deny.test note.txt
is "a text file is inspected" "$status $(file '[.kind, .read, .found]')" '403 ["text",["text"],["IBAN_CODE"]]'
{ printf "\xff\xfe"; iconv -f UTF-8 -t UTF-16LE "$papers/note.txt"; } >"$papers/wide.txt"
chat deny.test wide.txt
is "a text file in UTF-16 with a byte order mark is inspected" "$status $(file '[.kind, .read, .found]')" '403 ["text",["text"],["IBAN_CODE"]]'
{ printf 'M\xfcller; '; cat "$papers/note.txt"; } >"$papers/latin.txt"
chat deny.test latin.txt
is "a text file in Windows-1252 is inspected" "$status $(file '[.kind, .read, .found]')" '403 ["text",["text"],["IBAN_CODE"]]'
{ printf '\xef\xbb\xbf\r\n'; cat "$papers/account.pdf"; } >"$papers/marked.pdf"
chat deny.test marked.pdf
is "a PDF after a byte order mark and a line is inspected as a PDF" "$status $(file '[.kind, .found]')" '403 ["pdf",["IBAN_CODE 2"]]'
chat deny.test note.txt application/vnd.ms-excel
is "CSV that Windows declares as Excel is inspected" "$status $(file '[.kind, .found]')" '403 ["text",["IBAN_CODE"]]'
chat deny.test letter.docx application/vnd.openxmlformats-officedocument.wordprocessingml.document
is "a damaged Office document is refused with its kind and the reason" "$status $(says .error.message | grep -o '([a-z]*: damaged)') $(file .unread)" '403 (docx: damaged) "damaged"'
chat deny.test small.png
is "without a rule that asks for OCR, an image is not inspected" "$status $(file '[.kind, .unread]')" '403 ["png","not_asked"]'
while read -r name kind; do
	chat open.test "$name"
	is "a value in $kind is found" "$status $(file .found)" '403 ["EMAIL_ADDRESS"]'
done <<'T'
said.png texts of a PNG
packed.png compressed texts
said.jpg EXIF fields
T
chat deny.test small.png
like "a picture is refused with the reason" "$(says .error.message)" 'a picture \(png\), and no rule requires'

# ---- metadata ----
# sent JQ: writes the picture that the provider got into $D/got
sent() { seen | jq -r "last | .body | fromjson | $1 | sub(\"^data:[^,]*,\"; \"\")" | base64 -d >"$D/got"; }
url='.messages[0].content[1].image_url.url'
chat bare.test photo.jpg
sent "$url"
is "a photo with a position is sent without its metadata" "$status $(decision '[.decision, (.prompt.files[0] | .found, .metadata_removed, .stripped)]')" \
	'200 ["redact",["GEO_COORDINATES"],true,null]'
is "the picture, the color profile and the orientation stay" "$(node "$here/media/jpeg.mjs" "$papers/photo.jpg" "$D/got")" "same picture, profile, turned 6"
like "explain shows it" "$("$build/tollgate" audit explain "$(header x-tollgate-id)" -c "$D/tollgate.yaml" 2>&1)" 'found: GEO_COORDINATES; its metadata were taken out'
ask bare.test /v1/chat/completions "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},$(chat_part photo.jpg | sed 's|/|\\/|g')]}]}"
sent "$url"
is "also if JSON escapes the slashes of base64" "$status $(node "$here/media/jpeg.mjs" "$papers/photo.jpg" "$D/got")" "200 same picture, profile, turned 6"
chat bare.test said.png
sent "$url"
is "a PNG is sent without its texts" "$status $(decision '.prompt.files[0].metadata_removed') $(grep -c -a tEXt "$D/got")" '200 true 0'
chat bare.test page.jpg
is "a picture with a finding in its pixels is replaced by a text" "$status $(saw '.messages[0].content[1].type')" '200 "text"'
chat open.test photo.jpg
is "a rule that denies files denies the photo" "$status $(file .found)" '403 ["GEO_COORDINATES"]'
like "the error names the metadata" "$(says .error.message)" 'the metadata of a file \(jpeg\): remove the metadata'

chat deny.test wide.png
is "an image with too many pixels is reported" "$(file .unread)" '"too_many_points"'
chat deny.test inflates.png
is "a text that inflates without end is reported" "$(file .unread)" '"bomb"'
chat ocr.test small.png
is "with a rule that asks for OCR, an image is inspected" "$status $(file '[.read, .unread]')" '200 [["ocr"],null]'
for f in page.png page.jpg scanned.pdf; do
	chat ocr.test $f
	is "a finding in an image counts: $f" "$status $(file '[(.read | last), .found]')" '403 ["ocr",["IBAN_CODE 1"]]'
done
chat ocr.test misread.png
is "a value that OCR misread counts, and is recorded as uncertain" "$status $(file .found)" '403 ["IBAN_CODE 1 uncertain"]'

chat ocr.test moving.gif
is "only the first image of an animation is inspected, so the file counts as uninspected" "$status $(file .unread)" '403 "animated"'

# ---- the places of files in each dialect ----
for uri in 'data:application/pdf;base64, ' ' data:application/pdf;base64,' 'data:application/pdf; base64,' $'data:application/pdf;base64,\\n'; do
	ask deny.test /v1/chat/completions '{"model":"echo","messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"'"$uri$(b64 clean.pdf)"'"}}]}]}'
	is "spaces in a data URI are accepted: [$uri]" "$status $(file '[.kind, .read]')" '200 ["pdf",["text"]]'
done
pdf=$(b64 account.pdf) ok=$(b64 clean.pdf)
place() { # NAME HOST PATH BODY-WITH-@ TEXT-JQ EXPECTED [KIND]
	local kind=${7:-pdf} good=$ok bad=$pdf
	[ $kind = pdf ] || good=$(b64 plain.txt) bad=$(b64 note.txt)
	ask "$2" "$3" "${4/@/$good}"
	is "$1: a file without a finding passes" "$status $(decision '.prompt.files[0] | [.kind, .read]')" "200 [\"$kind\",[\"text\"]]"
	ask "$2" "$3" "${4/@/$bad}"
	is "$1: a file with a finding is replaced" "$status $(saw "$5")" "200 $6"
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
is "a file in a part that is removed is removed with it" "$status $(saw '.messages[0].content')" '200 [{"type":"text","text":"x"},{"type":"text","text":"[a file was removed here: unknown]"}]'
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
is "a data URI in any string is inspected" "$status $(file '[.kind, .found]')" '403 ["pdf",["IBAN_CODE 2"]]'
ask cohere.test /v2/chat '{"model":"echo","messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:image/png;base64,'"$(b64 small.png)"'"}}]}]}'
is "Cohere: an image is replaced" "$status $(saw '.messages[0].content[1].text')" '200 "[a file was removed here: png]"'
ask cohere.test /v2/chat '{"model":"echo","messages":[{"role":"user","content":"x"}],"documents":[{"id":"1","data":{"text":"data:application/pdf;base64,'"$pdf"'"}}]}'
is "Cohere: a document that is a PDF is inspected" "$status $(file '[.kind, .found]')" '403 ["pdf",["IBAN_CODE 2"]]'
ask tgi.test /generate '{"inputs":"![](data:application/pdf;base64,'"$pdf"') what is it"}'
is "TGI: a PDF in the prompt is inspected" "$status $(file '[.kind, .found]')" '403 ["pdf",["IBAN_CODE 2"]]'
call() { ask mcp.test /mcp '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"file":"'"$1"'"}}}'; }
call "$ok"
is "MCP: an argument that is a PDF passes" "$status $(file '[.kind, .read]')" '200 ["pdf",["text"]]'
call "$ok\\n"
is "MCP: base64 with a line break at its end is accepted" "$status $(file '[.kind, .read]')" '200 ["pdf",["text"]]'
call "$pdf"
like "MCP: a PDF with a finding becomes an error of the tool" "$(says '[.id, .result.isError, .result.content[0].text]')" '^\[1,true,"data that must be redacted is on page 2'
chat shadow.test account.pdf
is "a rule in shadow mode changes nothing, and the record has its decision" "$status $(saw '.messages[0].content[1].type') $(decision '[.would_be.decision, .would_be.rule, .prompt.files[0].found]')" \
	'200 "file" ["redact","would",["IBAN_CODE 2"]]'
req POST /claims -H "$auth" -H 'host: business.test' -F "a=b" -F "paper=@$papers/clean.pdf;type=application/pdf"
is "a multipart form: a PDF without a finding passes" "$status $(decision '.prompt.files[0] | [.kind, .read]')" '200 ["pdf",["text"]]'
req POST /claims -H "$auth" -H 'host: business.test' -F "a=b" -F "paper=@$papers/account.pdf;type=application/pdf"
is "a multipart form: a PDF with a finding is denied" "$status $(file .found)" '403 ["IBAN_CODE 2"]'

req POST /claims -H "$auth" -H 'host: business.test' --data-urlencode "paper=$ok"
like "an URL-encoded form with a file is refused, and the error explains it" "$status $(says .error.message)" '^403 "the gateway cannot inspect a file in a form of this type: send it as a part of multipart/form-data'

# ---- images in responses ----
control '{"body":"{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"here\",\"images\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,'"$(b64 small.png)"'\"}}]}}]}"}'
chat answers.test small.png
is "a rule can deny an image in a response" "$status $(says .error.code)" '403 "content_policy_violation"'
chat open.test small.png
is "an image in a response passes otherwise, and the record has its size" "$status $(completion '.answer.opaque_bytes > 1000')" "200 true"
control '{}'

# ---- tollgate-extract fails ----
rss() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$(pid_of tollgate)/status"; }
killed extract
chat deny.test clean.pdf
is "without tollgate-extract, files count as uninspected" "$status $(file .unread)" '403 "extractor_away"'
is "a metric counts the file" "$(metric files_failed_total)" 1
says_away() { ready | grep -q 'files: tollgate-extract does not respond'; }
check "readyz reports it" wait_for says_away
while read -r how why; do
	rm -f "$D/extract.sock"
	setsid node "$here/media/helper.mjs" "$D/extract.sock" "$how" </dev/null >>"$D/helper.log" 2>&1 &
	note_pid $! helper
	wait_for test -S "$D/extract.sock"
	before=$(rss) since=$EPOCHREALTIME
	chat deny.test clean.pdf
	is "a tollgate-extract that does this: $how" "$status $(file .unread)" "403 \"$why\""
	check "the decision comes in time" test $(((${EPOCHREALTIME/./} - ${since/./}) / 1000)) -lt 30000
	check "the daemon's memory does not grow" test $(($(rss) - before)) -lt 65536
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
is "with tollgate-extract again, the file is inspected" "$status" 200

# ---- many concurrent files ----
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
check "other requests are served while 50 files wait that inflate without end: slowest $slowest ms" test $unserved = 0
wait "${asking[@]}"
# If the machine stands still for seconds, tickets expire. The gate then returns 503, never a response.
is "each of the 50 is refused" "$(grep -cE '^(403|503)$' "$D/many.log")" 50
check "nearly all are refused by the policy" test "$(grep -c 403 "$D/many.log")" -ge 40
chat deny.test clean.pdf
is "a canceled request that waited holds nothing" "$status" 200
check "memory grows little: $((($(rss) - before) / 1024)) MB" test $(($(rss) - before)) -lt 262144
is "replay makes the same decisions for all requests" "$("$build/tollgate" policy replay -c "$D/tollgate.yaml" | grep -oE '[0-9]+ different' | sort -u)" "0 different"
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
