# The file of shares where things go wrong: its disk is full for a new person and for an erasure, it comes back from a copy while Redis
# is away or was emptied, and it and texts have a torn end. Nothing of who was erased opens, and all verifies.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
[ "$(id -u)" = 0 ] && mkdir -p "$D/disk" && mount -t tmpfs -o size=1m,mode=700 tmpfs "$D/disk" 2>/dev/null || {
	skip "a file of shares where things go wrong" "needs root, for a disk of its own"
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
check "opens" opens "$alices"
check "opens" opens "$bobs"

# ---- no opening without a reason ----
audit open "$bobs" --key "$D/ann.key" --part prompt >"$D/text"
like "without a reason nothing is opened" "$? $(wc -c <"$D/text") $(cat "$D/err")" '^2 0 .*--reason is missing'
unasked() { # PAGE JSON
	curl -s -o "$D/text" -w '%{http_code}' --unix-socket "$(sed -n 's#^ *listen: *"unix@\(.*/admin[^/]*\.sock\)"#\1#p' "$D/tollgate.yaml")" \
		"http://localhost$1" -H 'content-type: application/json' -d "$2"
}
is "and the daemon itself gives no share" "$(unasked /audit/share "{\"id\":\"$bobs\",\"part\":\"prompt\",\"share\":2}")" 400
is "nor for a blank" "$(unasked /audit/share "{\"id\":\"$bobs\",\"part\":\"prompt\",\"share\":2,\"reason\":\" \"}")" 400
like "and says why" "$(cat "$D/text")" 'reason: this parameter is missing'
is "nor what a page opens texts with" "$(unasked /audit/opening "{\"id\":\"$bobs\"}")" 400
is "no reading was recorded" "$(cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep -c '"read":"open"')" 2

# ---- its disk is full ----
full() { dd if=/dev/zero of="$D/disk/filler" bs=4k 2>/dev/null; }
room() { rm -f "$D/disk/filler"; wait_for is_ready; }
# names until the page that the file has is used up
full
for n in $(seq 60); do post "new-$n"; [ "$status" = 200 ] || break; last=$id; done
is "a new person's share finds no room: refused" "$status" 503
post "newer" open
is "or goes on without, where that is permitted" "$status" 200
newer=$id
like "/readyz says so" "$(curl -s "$ADMIN/readyz")" 'No space left'
audit erase --person alice --why 'on a full disk' >"$D/out"
like "an erasure that cannot be recorded is refused, and said to be" "$? $(cat "$D/out" "$D/err")" '^2 .*nothing was changed, because it cannot be recorded'
check "with room all goes on" room
audit erase --person alice --why 'once more' >"$D/out"
is "so does the erasure" $? 0
check "it does not open" erased "$alices"
all_done() { audit erase --status >"$D/out"; }
check "the erasure is carried out" wait_for all_done
is "her share is not in the file" "$(awk '$1 == "share" { print $4 }' "$shares" | while read -r h; do base64 -d <<<"$h"; echo; done | grep -c alice)" 0
check "who came is served" wait_for served carol
check "kept" opens "$id"
check "so is who came while it was full" opens "$last"
check "his too" opens "$bobs"
check "all verifies" texts_verify

# ---- from a copy, with Redis away, and emptied ----
post dave; daves=$id
check "opens" opens "$daves"
cp -p "$shares" "$D/shares.copy"; cp -p "$JOURNAL.texts.head" "$D/head.copy"; cp -p "$JOURNAL.live" "$D/live.copy"
audit erase --person dave --why 'he asked' >"$D/out"
is "erased" $? 0
check "does not open" erased "$daves"
stopped
redis_away
cat "$D/shares.copy" >"$shares"; cp -p "$D/head.copy" "$JOURNAL.texts.head"
begin
check "a copy comes back while Redis is away: it is erased again" erased "$daves"
redis_back
stopped
redis flushall >/dev/null
cat "$D/shares.copy" >"$shares"; cp -p "$D/head.copy" "$JOURNAL.texts.head"
begin
check "and with an emptied one" erased "$daves"
since() { tail -n "+$((logged + 1))" "$D/tollgate.log" | grep "$1"; } # EVENT
records() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep -c '"type":"erase"'; }
stopped
redis flushall >/dev/null
cat "$D/shares.copy" >"$shares"; cp -p "$D/head.copy" "$JOURNAL.texts.head"; cp -p "$D/live.copy" "$JOURNAL.live"
deeds=$(records)
logged=$(wc -l <"$D/tollgate.log")
begin
check "if all but the journal is from a copy, the journal's own record erases it again" erased "$daves"
like "which the log states" "$(since shares.erased_again)" 'shares=1 '
is "without another record of it" "$(records)" "$deeds"
stopped
logged=$(wc -l <"$D/tollgate.log")
begin
is "the next start has nothing to erase" "$(since shares.erased)" ""
check "it does not open then either" erased "$daves"
check "bob's opens" opens "$bobs"

# ---- a name that nobody has ----
check "who comes is served" wait_for served $'\xc3\xa9mile'
emiles=$id
check "opens" opens "$emiles"
while IFS='|' read -r name person want; do
	audit erase --person "$(printf %b "$person")" --why 'a typo' >"$D/out"
	like "$name: exit 1, with the nearest names" "$? $(cat "$D/err")" "^1 .*nothing was sealed for this name on this node.*$want"
done <<'T'
another case|BOB|: nearest: bob(,|$)
another Unicode form|e\xcc\x81mile|: nearest: émile(,|$)
a slip|boob|: nearest: bob(,|$)
no name at all|quetzalcoatl|Unicode form count$
T
check "nobody was erased by it" opens "$bobs"
check "nor in another form" opens "$emiles"
audit erase --person $'\xc3\xa9mile' --why 'the right form' >"$D/out"
is "the name as it was sealed" "$?" 0
audit erase --person $'\xc3\xa9mile' --why 'once more' >"$D/out"
is "and a name that was erased before" "$?" 0

# ---- torn ends ----
stopped
printf 'share 9999 0011' >>"$shares"
newest=$(ls "$JOURNAL.texts" | tail -1)
head -c 1000 "$JOURNAL.texts/$newest" | tail -c 300 >>"$JOURNAL.texts/$newest"
printf 'TGt1\0\0' >>"$JOURNAL.texts/$newest"
begin
check "with torn ends it starts" wait_for is_ready
check "and serves" wait_for served erin
check "what it keeps opens" opens "$id"
check "what was before, too" opens "$bobs"
check "all verifies" texts_verify
stopped
printf 'share 10 zz\n' >>"$shares"
daemon_start
echo "$(pid_of tollgate) tollgate" >>"$D/.killed" # it ends by itself
damaged() { grep -q 'line [0-9]* is damaged' "$D/tollgate.log"; }
check "a damaged line refuses the start, named" wait_for damaged
sed -i '$d' "$shares"
begin
check "mended by hand it starts" wait_for is_ready
oldest=$(ls "$JOURNAL.texts" | head -1)
mv "$JOURNAL.texts/$oldest" "$D/away.texts"
open_by "$bobs"
like "its file is gone: said" "$? $(wc -c <"$D/text") $(cat "$D/err")" '^1 0 .*is not here'
mv "$D/away.texts" "$JOURNAL.texts/$oldest"
check "back, it opens" opens "$bobs"

# ---- all texts lost, the journal is not ----
stopped
mv "$JOURNAL.texts" "$D/lost.texts"
begin
check "without its texts it starts" wait_for is_ready
check "and serves" wait_for served bob
after=$id
check "what it keeps opens" opens "$after"
open_by "$bobs"
like "what was lost is said to be" "$? $(wc -c <"$D/text") $(cat "$D/err")" '^1 0 .*is not here'
cp -n "$D/lost.texts/"* "$JOURNAL.texts/"
check "from a backup they come back" opens "$bobs"
check "next to the new ones" opens "$after"
check "all verifies" texts_verify
stopped
begin
check "so it is after a start" wait_for served bob
check "opens" opens "$id"
check "opens" opens "$after"
check "opens" opens "$bobs"
check "all verifies" texts_verify
final check "and the chain" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
