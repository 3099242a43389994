# The file of shares under faults: its disk is full for a new person and for an erasure, it is restored from a copy,
# Redis is unreachable or was emptied, and shares and texts have an incomplete end. No text of an erased person opens,
# and everything verifies.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
[ "$(id -u)" = 0 ] && mkdir -p "$D/disk" && mount -t tmpfs -o size=1m,mode=700 tmpfs "$D/disk" 2>/dev/null || {
	skip "the file of shares under faults" "needs root, for a disk of its own"
	exit 0
}
finish_too() {
	umount -l "$D/disk"
	finish
}
trap finish_too EXIT
{
	printf 'console: {open: true}\nadmin: {console: true, tokens: "%s"}\n' "$D/admin.tokens"
	auditor ann
} | sed "s#^seal: {#seal: {require_reason: true, shares: \"$D/disk/shares\", #" >"$D/mine.yaml"
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: shares
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {}
providers:
  openai: {backend: local, dialect: openai}
routes:
  - {name: open, match: {path: /v1/chat/completions, host: open}, targets: openai, record: {prompt: full, response: full}, on_failure: {audit: permit}}
  - {name: chat, match: {path: /v1/chat/completions}, targets: openai, record: {prompt: full, response: full}}
default: permit
Y
"$build/tollgate" admin-token new ann --roles viewer,auditor --tokens "$D/admin.tokens" >/dev/null 2>&1
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml"
as_shipped
shares=$D/disk/shares
audit() { "$build/tollgate" audit "$@" -c "$D/tollgate.yaml" 2>"$D/err"; }
post() { # PERSON [HOST]
	req POST /v1/chat/completions -H "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")" -H 'content-type: application/json' -H "host: ${2:-chat}" \
		-d "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"of $1\"}]}"
	id=$(header x-tollgate-id)
}
served() { post "$@"; [ "$status" = 200 ]; }
open_by() { audit open "$1" --key "$D/ann.key" --part prompt --reason 'a drill' >"$D/text"; }
opens() { wait_for open_by "$1"; }
erased() { open_by "$1"; matches "$? $(wc -c <"$D/text") $(cat "$D/err")" '^1 0 .*: erased: '; }
texts_verify() { audit verify --texts >"$D/verify.log" || { sed 's/^/#   /' "$D/verify.log"; false; }; }
stopped() {
	local pid
	pid=$(pid_of tollgate)
	kill -TERM "$pid"
	wait_for gone "$pid"
}
begin() { daemon_start; wait_for says . fetch GET "$ADMIN/readyz"; }
post alice; alices=$id
post bob; bobs=$id
check "a text of alice opens" opens "$alices"
check "a text of bob opens" opens "$bobs"

# ---- each opening needs a reason ----
audit open "$bobs" --key "$D/ann.key" --part prompt >"$D/text"
like "without a reason nothing is opened" "$? $(wc -c <"$D/text") $(cat "$D/err")" '^2 0 .*--reason is missing'
unasked() { # PAGE JSON
	curl -s -o "$D/text" -w '%{http_code}' --unix-socket "$(sed -n 's#^ *listen: *"unix@\(.*/admin[^/]*\.sock\)"#\1#p' "$D/tollgate.yaml")" \
		"http://localhost$1" -H 'content-type: application/json' -d "$2"
}
is "the daemon returns no share without a reason" "$(unasked /audit/share "{\"id\":\"$bobs\",\"part\":\"prompt\",\"share\":2}")" 400
is "a space is no reason" "$(unasked /audit/share "{\"id\":\"$bobs\",\"part\":\"prompt\",\"share\":2,\"reason\":\" \"}")" 400
like "the error explains it" "$(cat "$D/text")" 'reason: this parameter is missing'
is "the console's request needs a reason too" "$(unasked /audit/opening "{\"id\":\"$bobs\"}")" 400
is "no read was recorded" "$(cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep -c '"read":"open"')" 2

# ---- the disk is full ----
full() { dd if=/dev/zero of="$D/disk/filler" bs=4k 2>/dev/null; }
room() { rm -f "$D/disk/filler"; wait_for is_ready; }
# adds names until the file's last page is full
full
for n in $(seq 60); do post "new-$n"; [ "$status" = 200 ] || break; last=$id; done
is "a new person's share does not fit: the request is refused" "$status" 503
post "newer" open
is "a route can permit the request without keeping its texts" "$status" 200
newer=$id
like "readyz reports the full disk" "$(curl -s "$ADMIN/readyz")" 'No space left'
audit erase --person alice --why 'on a full disk' >"$D/out"
like "an erasure that cannot be recorded is refused, with an explanation" "$? $(cat "$D/out" "$D/err")" '^2 .*nothing was changed, because it cannot be recorded'
check "with free space, requests pass" room
audit erase --person alice --why 'once more' >"$D/out"
is "the erasure succeeds" $? 0
check "the text does not open any more" erased "$alices"
all_done() { audit erase --status >"$D/out"; }
check "every node has erased" wait_for all_done
is "the person's share is not in the file" "$(awk '$1 == "share" { print $4 }' "$shares" | while read -r h; do base64 -d <<<"$h"; echo; done | grep -c alice)" 0
check "a new person is served" wait_for served carol
check "the new person's text opens" opens "$id"
check "a text from shortly before the disk was full opens" opens "$last"
check "bob's text opens" opens "$bobs"
check "all texts verify" texts_verify

# ---- a restored copy, with Redis unreachable, and with Redis emptied ----
post dave; daves=$id
check "a text of dave opens" opens "$daves"
cp -p "$shares" "$D/shares.copy"; cp -p "$JOURNAL.texts.head" "$D/head.copy"; cp -p "$JOURNAL.live" "$D/live.copy"
audit erase --person dave --why 'he asked' >"$D/out"
is "dave is erased" $? 0
check "dave's text does not open" erased "$daves"
stopped
redis_away
cat "$D/shares.copy" >"$shares"; cp -p "$D/head.copy" "$JOURNAL.texts.head"
begin
check "a copy is restored while Redis is unreachable: the erasure is repeated" erased "$daves"
redis_back
stopped
redis flushall >/dev/null
cat "$D/shares.copy" >"$shares"; cp -p "$D/head.copy" "$JOURNAL.texts.head"
begin
check "a copy is restored with an emptied Redis: the erasure is repeated" erased "$daves"
since() { tail -n "+$((logged + 1))" "$D/tollgate.log" | grep "$1"; } # EVENT
records() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep -c '"type":"erase"'; }
stopped
redis flushall >/dev/null
cat "$D/shares.copy" >"$shares"; cp -p "$D/head.copy" "$JOURNAL.texts.head"; cp -p "$D/live.copy" "$JOURNAL.live"
deeds=$(records)
logged=$(wc -l <"$D/tollgate.log")
begin
check "everything except the journal is restored from a copy: the journal's record repeats the erasure" erased "$daves"
like "the log reports the repetition" "$(since shares.erased_again)" 'shares=1 '
is "no second record is written" "$(records)" "$deeds"
stopped
logged=$(wc -l <"$D/tollgate.log")
begin
is "the next start has nothing to erase" "$(since shares.erased)" ""
check "dave's text still does not open" erased "$daves"
check "bob's text still opens" opens "$bobs"

# ---- a name without texts ----
check "a person with an accent in the name is served" wait_for served $'\xc3\xa9mile'
emiles=$id
check "that person's text opens" opens "$emiles"
while IFS='|' read -r name person want; do
	audit erase --person "$(printf %b "$person")" --why 'a typo' >"$D/out"
	like "$name: exit 1, with the nearest names" "$? $(cat "$D/err")" "^1 .*nothing was sealed for this name on this node.*$want"
done <<'T'
another case|BOB|: nearest: bob(,|$)
another Unicode form|e\xcc\x81mile|: nearest: émile(,|$)
a typing error|boob|: nearest: bob(,|$)
no name at all|quetzalcoatl|Unicode form count$
T
check "no erasure happened to bob" opens "$bobs"
check "no erasure happened to the person with the other Unicode form" opens "$emiles"
audit erase --person $'\xc3\xa9mile' --why 'the right form' >"$D/out"
is "the exact name is erased" "$?" 0
audit erase --person $'\xc3\xa9mile' --why 'once more' >"$D/out"
is "a name that was erased before succeeds" "$?" 0

# ---- incomplete ends ----
stopped
printf 'share 9999 0011' >>"$shares"
newest=$(ls "$JOURNAL.texts" | tail -1)
head -c 1000 "$JOURNAL.texts/$newest" | tail -c 300 >>"$JOURNAL.texts/$newest"
printf 'TGt1\0\0' >>"$JOURNAL.texts/$newest"
begin
check "with incomplete ends, the daemon starts" wait_for is_ready
check "it serves requests" wait_for served erin
check "a new text opens" opens "$id"
check "an earlier text opens" opens "$bobs"
check "all texts verify with incomplete ends" texts_verify
stopped
printf 'share 10 zz\n' >>"$shares"
daemon_start
echo "$(pid_of tollgate) tollgate" >>"$D/.killed" # this daemon ends by itself
damaged() { grep -q 'line [0-9]* is damaged' "$D/tollgate.log"; }
check "a damaged line stops the start, and is named" wait_for damaged
sed -i '$d' "$shares"
begin
check "after a manual correction, the daemon starts" wait_for is_ready
oldest=$(ls "$JOURNAL.texts" | head -1)
mv "$JOURNAL.texts/$oldest" "$D/away.texts"
open_by "$bobs"
like "without its file, a text is reported as missing" "$? $(wc -c <"$D/text") $(cat "$D/err")" '^1 0 .*is not here'
mv "$D/away.texts" "$JOURNAL.texts/$oldest"
check "with its file restored, the text opens" opens "$bobs"

# ---- all texts are lost, the journal is not ----
stopped
mv "$JOURNAL.texts" "$D/lost.texts"
begin
check "without its texts, the daemon starts" wait_for is_ready
check "it serves a request of bob" wait_for served bob
after=$id
check "the new text opens" opens "$after"
open_by "$bobs"
like "lost texts are reported" "$? $(wc -c <"$D/text") $(cat "$D/err")" '^1 0 .*is not here'
cp -n "$D/lost.texts/"* "$JOURNAL.texts/"
check "texts restored from a backup open" opens "$bobs"
check "new texts open next to them" opens "$after"
check "all texts verify after the backup" texts_verify
stopped
begin
check "after a restart, a request is served" wait_for served bob
check "its text opens" opens "$id"
check "the text from before the backup opens" opens "$after"
check "the text in the backup opens" opens "$bobs"
check "all texts verify after a restart" texts_verify
final check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
