# Office documents and archives in requests: tollgate-extract reads them in its sandbox, the record has the place of a
# finding, and a file that cannot be read is refused with its reason.
# Once: the daemon inspects files, so HAProxy's version does not matter.
. "$(dirname "$0")/lib.sh"

files_are_read "Office documents" || exit 0
papers=$D/papers
mkdir "$papers"
node "$here/media/office.mjs" "$papers" || not_ok "documents are made"
echo "extract: {listen: unix@$D/extract.sock, deadline: 8s}" >"$D/with.yaml"
stack_up --policy "$here/office.yaml" --config "$D/with.yaml"
extract_start
auth="authorization: Bearer $(token)"
decision() { settled; cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"decision"' | tail -1 | jq -c "$1"; }
says() { jq -r "$1" <<<"$body"; }
send() { # HOST FILE: as a file of a chat completion
	printf '{"model":"echo","messages":[{"role":"user","content":[{"type":"file","file":{"filename":"%s","file_data":"data:application/octet-stream;base64,%s"}}]}]}' \
		"$2" "$(base64 -w0 "$papers/$2")" >"$D/body.json"
	req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -H "host: $1" --data-binary "@$D/body.json"
}
file() { decision ".prompt.files[0] | $1"; }

send deny.test clean.docx
is "a document without a finding passes" "$status $(file '[.kind, .read, .unread]')" '200 ["docx",["metadata","text"],null]'
while IFS='|' read -r name kind place; do
	send deny.test "$name"
	is "a finding in $name is denied, and has its place" "$status $(file '[.kind, .found[0]]')" "403 [\"$kind\",\"$place\"]"
done <<'T'
runs.docx|docx|CREDIT_CARD paragraph 2
comment.docx|docx|CREDIT_CARD comment by A. Smith
tracked.docx|docx|CREDIT_CARD paragraph 1, with deleted text
hidden.docx|docx|CREDIT_CARD paragraph 1
utf16.docx|docx|CREDIT_CARD paragraph 1
payroll.xlsx|xlsx|IBAN_CODE sheet Payroll, B17
named.xlsx|xlsx|IBAN_CODE workbook
notes.pptx|pptx|CREDIT_CARD slide 2, notes
letter.odt|odt|CREDIT_CARD paragraph 2
table.ods|ods|CREDIT_CARD sheet Payroll, B17
letter.rtf|rtf|CREDIT_CARD paragraph 2
inner.zip|zip|CREDIT_CARD letter.docx, paragraph 1
letter.gz|gzip|CREDIT_CARD gzip, paragraph 1
page.zip|zip|CREDIT_CARD a.html
T
unlike "a place that has a finding is not in the record" "$(send deny.test named.xlsx; file .found)" '3704'
send deny.test payroll.xlsx
is "the caller is told the place" "$(says .error.message | grep -o 'is in a file[^(]*([^(]*[^ (]')" 'is in a file (xlsx): sheet Payroll, B17'
like "explain has the place" "$("$build/tollgate" audit explain "$(header x-tollgate-id)" -c "$D/tollgate.yaml" 2>&1)" 'file: xlsx; read: metadata, text; found: IBAN_CODE sheet Payroll, B17'
send strip.test payroll.xlsx
is "media: strip removes the document" "$status $(seen | jq -c 'last | .body | fromjson | .messages[0].content')" '200 [{"type":"text","text":"[a file was removed here: xlsx]"}]'
send open.test macros.xlsx
is "macros are a fact for rules" "$status $(decision '[.rule, .prompt.macros, .prompt.files[0].macros]')" '403 ["no-macros",true,true]'
send deny.test links.xlsx
is "addresses are references" "$status $(decision '.prompt.references')" '200 {"link":1}'
while read -r name why; do
	began=$EPOCHREALTIME
	send deny.test "$name"
	is "$name is refused: $why" "$status $(says .error.code) $(file .unread)" "403 unreadable_content \"$why\""
	is "in time: $name" "$(awk "BEGIN { print ($EPOCHREALTIME - $began < 5) }")" 1
done <<'T'
utf7.docx encoding
doctype.docx doctype
twice.docx two_entries
overlap.docx overlapping_entries
header.docx zip_mismatch
sized.docx damaged
outside.docx outside
path.zip outside
locked.zip encrypted
deep.zip nested
bomb.docx bomb
nested.docx nested
cells.xlsx too_large
part.docx parts
sound.docx attachments
model.xlsx data_model
broken.docx damaged
old.doc old_office
T
tried() { "$build/tollgate" classify --file "$papers/$1" --json | jq -c "$2"; }
is "a file is tried before it is sent" "$(tried payroll.xlsx '[.findings[0].entity, .findings[0].place, .kind]')" '["IBAN_CODE","sheet Payroll, B17","xlsx"]'
is "the part that is not read is named" "$(tried doctype.docx '[.findings, .not_read]')" '[[],"doctype"]'
is "so is an old document" "$(tried old.doc .not_read)" '"old_office"'
like "the caller is told what to do with an old document" "$(says .error.message)" 'old_office\): save the document as .docx'
exit $failed
