# Multipart forms with files, and JSON, at one provider with the dialect `rest`. Texts and names in the parts are
# inspected. Files pass uninspected if the route permits it, and the record states that.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

awk '{ print } /^routes:/ {
	print "  - {name: speech, match: {methods: [POST], path: /v1/audio/transcriptions}, dialect: rest, targets: [openai], response: ignore, on_failure: {unreadable: permit}}"
	print "  - {name: upload, match: {methods: [POST], path: /v1/files}, dialect: rest, targets: [openai], response: ignore}"
}' "$here/policy.yaml" >"$D/policy-in.yaml"
stack_up --policy "$D/policy-in.yaml" --config "$here/config.yaml"
auth="authorization: Bearer $(token)"
printf 'ID3\0\1\2\3\4\5\6\7' >"$D/a.mp3"
{ printf 'ID3\0'; head -c 600000 /dev/urandom; } >"$D/long.mp3"
control '{"status":200}'
shown() { "$B/tollgate" audit show -c "$D/tollgate.yaml" "$(header x-tollgate-id)" | tr -d ' \n'; }
# the bytes of the body that the provider received
got() { seen | node -e 'const r = JSON.parse(require("fs").readFileSync(0))[0]; process.stdout.write(Buffer.from(r.body_base64 || "", "base64")); process.stdout.write(r.body || "")'; }
text() { tr -cd '[:print:]'; }

req POST /v1/audio/transcriptions -H "$auth" -F model=whisper-1 -F 'prompt=a call with jane.doe@example.com' -F "file=@$D/a.mp3;type=audio/mpeg"
is "a form with a file is redacted" "$status $(header x-tollgate-decision)" "200 redact"
like "its text part is redacted" "$(got | text)" 'a call with <EMAIL_ADDRESS_1>'
like "its file is unchanged" "$(got | od -An -tx1 | tr -d ' \n')" '0d0a0d0a49443300010203040506070d0a'
like "the record has the uninspected bytes" "$(shown)" '"opaque_bytes":11,"opaque_parts":1,"media":\["audio"[^]]*\].*"not_inspected":\["headervalues","opaqueparts"\]'
req POST /v1/audio/transcriptions -H "$auth" -F model=whisper-1 -F "file=@$D/a.mp3;filename=call of jane.doe@example.com.mp3"
like "a file's name is inspected" "$status $(got | text)" '^200.*filename="call of <EMAIL_ADDRESS_1>'
req POST /v1/audio/transcriptions -H "$auth" -F model=whisper-1 -F "file=@$D/long.mp3"
is "a form that is longer than HAProxy's buffer is redacted" "$status $(got | wc -c | awk '{ print ($1 > 600000) }')" "200 1"
req POST /v1/audio/transcriptions -H "$auth" -H 'transfer-encoding: chunked' -F 'prompt=jane.doe@example.com' -F "file=@$D/long.mp3"
like "a chunked form is redacted" "$status $(got 2>/dev/null | head -c 400 | text)" '^200.*<EMAIL_ADDRESS_1>'
req POST /v1/audio/transcriptions -H "$auth" -F 'prompt=AKIA2OGYBAH6STMMNXNN and Kq3vT8xW1zR5yB7nM2pL9sD4fG6hJ0cA8eUwQxYz' -F "file=@$D/a.mp3"
is "a form with a secret is denied" "$status" 403
req POST /v1/audio/transcriptions -H "$auth" -F 'meta={"to":"jane.d\u006fe@example.com"};type=application/json' -F "file=@$D/a.mp3"
like "a JSON part is inspected as JSON" "$status $(got | text)" '^200.*"to":"<EMAIL_ADDRESS_1>"'
req POST /v1/audio/transcriptions -H "$auth" -H 'content-type: multipart/form-data; boundary=b' --data-binary "$(printf -- '--b\nContent-Disposition: form-data; name=f\n\nx\n--b--\n')"
is "a form that parsers could divide differently is refused" "$status $(grep -o invalid_multipart <<<"$body")" "400 invalid_multipart"
req POST /v1/files -H "$auth" -F purpose=batch -F "file=@$D/a.mp3"
is "a route that does not permit uninspected files refuses the form" "$status $(grep -ao unreadable_content <<<"$body")" "403 unreadable_content"
req POST /v1/files -H "$auth" -F purpose=batch -F 'file=a,b;filename=a.csv;type=text/csv'
is "a file that is text passes on that route" "$status" 200
control '{}'
req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -d '{"model":"echo","messages":[{"role":"user","content":"hello"}]}'
is "JSON passes at the same provider" "$status" 200
req POST /v1/chat/completions -H "$auth" -F model=echo -F messages=hello
is "a form is refused where JSON is required" "$status $(grep -o invalid_json <<<"$body")" "400 invalid_json"
check "the records verify" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
