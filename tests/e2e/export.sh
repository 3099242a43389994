# Records leave for others, on a running stack: each format is read by a real consumer, manifests say what was changed,
# a follower that is killed with the daemon, over segments that are compressed, has each record once; a SIEM reads the
# stream by the page's script.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

printf 'workers: 1\naudit: {segment: 64k, stream_consumed: true}\nretention: {every: 100ms}\n' >"$D/config.yaml"
stack_up --config "$D/config.yaml"
node=$(sed -n 's/^node: *//p' "$D/tollgate.yaml")
auth="authorization: Bearer $(token)"
json='content-type: application/json'
# Names of a caller who knows that somebody opens them in a spreadsheet.
hostile="authorization: Bearer $(token --claims '{"sub":"=HYPERLINK(\"http://x\",\"y\")","team":"+1;=2","dept":"\t@SUM(A1)"}')"
ask() { req POST /v1/chat/completions -H "${2:-$auth}" -H "$json" -d "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"; }
audit() { "$B/tollgate" audit "$@" -c "$D/tollgate.yaml"; }
export_to() { rm -f "$D/e" "$D/e.manifest"; audit export --out "$D/e" "$@" >"$D/said" 2>&1; }
# Segments that are just compressed are there twice.
lines() { { zstd -qdc "$JOURNAL.keep"/*.zst; cat "$JOURNAL"/*.jsonl; } | tr -d '\0' | awk '!seen[$0]++'; }
reads() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep '"type":"read"' | jq -c "select($1)"; }

ask hello
ask 'hello again' "$hostile"
ask 'my key is AKIAIOSFODNN7EXAMPLE'
is "a secret is denied" "$status" 403
req POST /v1/chat/completions -H "$json" -d '{}'
settled

# ---- JSON lines, by jq ----
check "JSON lines with a manifest" export_to --format jsonl
like "which says what it is" "$(cat "$D/said")" "^exported file=$D/e records=[0-9]+ .*key=[0-9a-f]{16}$"
is "each line is JSON to jq" "$(jq -s length "$D/e")" "$(wc -l <"$D/e")"
is "as many records as the manifest says" "$(jq -s 'map(select(.seq)) | length' "$D/e")" "$(jq .export.records "$D/e.manifest")"
like "the file verifies alone" "$(audit verify --file "$D/e" --public-key "$AUDIT_KEY")" "^ok node=$node source=file"
text=$(basename "$JOURNAL.policies"/*)
check "the text of the policy that decided is next to it" cmp "$D/e.policies/$text" "$JOURNAL.policies/$text"
decided=$(jq -r 'select(.type == "decision") | .id' "$D/e" | head -1)
mv "$JOURNAL.policies" "$D/aside"
like "explain reads it there" "$(audit explain "$decided" --file "$D/e" | tr '\n' ' ')" 'the policy that decided'
mv "$D/aside" "$JOURNAL.policies"
alter "$D/e.policies/$text" 200
like "verify names a text that was changed" "$(audit verify --file "$D/e" --public-key "$AUDIT_KEY")" 'bad source=policies .*was changed'
cp "$JOURNAL.policies/$text" "$D/e.policies/"
like "the manifest holds" "$(audit verify --manifest "$D/e.manifest")" "^ok manifest=.* $node=1-[0-9]+ "
id=$(jq -r 'select(.what == "export") | .id' <<<"$(reads '.what == "export"')")
is "the daemon recorded what it signed" "$id" "$(sed 's/^{"v":1,"export":\(.*\),"key":"[0-9a-f]*","sig":"[^"]*"}$/\1/' "$D/e.manifest" | tr -d '\n' | sha256sum | cut -d' ' -f1)"
check "and that they were read" test -n "$(reads '.read == "audit export" and .after.records > 0')"
from=$(jq -r 'select(.type == "decision") | .time' "$D/e" | sed -n 2p) until=$(jq -r 'select(.type == "decision") | .time' "$D/e" | sed -n 3p)
is "a window begins with its first time and ends before its last" \
	"$(audit export --since "$from" --until "$until" --type decision 2>/dev/null | jq -r .time)" "$from"
is "--between reaches to the end of its second time" "$(audit export --between "$from" "$until" --type decision 2>/dev/null | wc -l)" 2
is "terms are those of search" "$(audit export --class secret --decision deny 2>/dev/null | jq -r .status)" 403

# ---- the manifest by hand, and changed ----
awk '/^## / { mine = $0 == "## Export" } /^### / { mine = 0 } /^```$/ { code = 0 } mine && code; /^```sh$/ { code = 1 }' "$root/docs/evidence.md" |
	sed "s#F.manifest#$D/e.manifest#g; s#sha256sum F#sha256sum $D/e#; s#audit.key.pub#$AUDIT_KEY#" >"$D/hand.sh"
by_hand() { (cd "$D" && sh -e hand.sh 2>&1); }
like "by the page's script it holds without tollgate" "$(by_hand | tr '\n' ' ')" '^Signature Verified Successfully ([0-9a-f]{64}) \1 '
cp "$D/e" "$D/kept"
sed -i '3s/"time"/"tyme"/' "$D/e"
like "a changed file is named" "$(audit verify --manifest "$D/e.manifest")" '^bad .* why="changed: .* has another SHA-256'
head -c 1000 "$D/kept" >"$D/e"
like "a cut one" "$(audit verify --manifest "$D/e.manifest")" '^bad .* why="changed: .* has 1000 bytes'
cp "$D/kept" "$D/e"
sed -i 's/"since":null/"since":"2026-01-01T00:00:00Z"/' "$D/e.manifest"
like "a changed manifest" "$(audit verify --manifest "$D/e.manifest")" '^bad .* why="bad signature: the manifest was changed"'
unlike "by hand too" "$(by_hand)" 'Verified Successfully'

# ---- CSV, by Python or node ----
check "CSV" export_to --format csv
cat >"$D/csv.mjs" <<'JS'
import { readFileSync } from 'node:fs'
const rows = [], text = readFileSync(process.argv[2], 'utf8')
for (let i = 0, row = [], cell = ''; i < text.length; i++) {
	if (text[i] === '"') { for (i++; text[i] !== '"' || text[i + 1] === '"'; i++) { cell += text[i]; if (text[i] === '"') i++ } }
	else if (text[i] === ',') { row.push(cell); cell = '' }
	else if (text[i] === '\r' && text[i + 1] === '\n') { rows.push([...row, cell]); row = []; cell = ''; i++ }
	else cell += text[i]
}
const bad = rows.flat().filter((c) => /^\s*[=+@\uff1d\uff0b\uff20]/.test(c) || /^\s*-\D/.test(c) || /^[\t\r\n]/.test(c))
console.log(rows.length - 1, new Set(rows.map((r) => r.length)).size, bad.length)
JS
cat >"$D/rows.py" <<'PY'
import csv, re, sys
rows = list(csv.reader(open(sys.argv[1], newline='', encoding='utf-8'), strict=True))
bad = [c for r in rows for c in r if re.match(r'\s*[=+@\uff1d\uff0b\uff20]|\s*-\D|[\t\r\n]', c)]
print(len(rows) - 1, len({len(r) for r in rows}), len(bad))
PY
want="$(jq .export.records "$D/e.manifest") 1 0"
is "node reads as many rows, of one length, without a formula" "$(node "$D/csv.mjs" "$D/e")" "$want"
if command -v python3 >/dev/null; then
	is "so does Python" "$(python3 "$D/rows.py" "$D/e" 2>&1)" "$want"
else
	skip "so does Python" "python3 is not installed"
fi
check "the hostile name is a text" grep -qF "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"" "$D/e"
check "and so is a second formula in it" grep -qF "\"'+1;'=2\"" "$D/e"
like "its manifest holds" "$(audit verify --manifest "$D/e.manifest")" '^ok .* format=csv'

# ---- OCSF, by the schema ----
check "OCSF" export_to --format ocsf
like "each event is one of the schema's" "$(node "$here/ocsf.mjs" "$root/tests/data/ocsf.json" "$D/e")" '^[0-9]+ events, 0 mistakes, classes 2004,6002,6003$'
is "an event a record" "$(wc -l <"$D/e")" "$(jq .export.records "$D/e.manifest")"
is "the denial is a finding" "$(jq -r 'select(.class_uid == 2004) | [.severity_id, .disposition_id, .evidences[0].actor.user.name] | @csv' "$D/e")" '4,2,"alice"'
is "a broken event is found" "$(jq -c 'del(.metadata.version) | .severity_id = "x"' "$D/e" | head -1 >"$D/broken"; node "$here/ocsf.mjs" "$root/tests/data/ocsf.json" "$D/broken" | tail -1 | cut -d, -f1,2)" "1 events, 2 mistakes"

# ---- syslog, by rsyslog ----
sent="$(audit export --type decision 2>/dev/null | wc -l)"
if rsyslog_found; then
	port=$(free_ports 1)
	cat >"$D/rsyslog.conf" <<-CONF
	module(load="imtcp")
	global(maxMessageSize="256k")
	input(type="imtcp" port="$port" address="127.0.0.1")
	template(name="all" type="string" string="%pri% %hostname% %app-name% %msgid% %structured-data%\n")
	action(type="omfile" file="$D/syslog" template="all")
	CONF
	LD_LIBRARY_PATH=$libraries "$rsyslogd" -n ${modules:+-M "$modules"} -f "$D/rsyslog.conf" -i "$D/rsyslog.pid" </dev/null >"$D/rsyslog.log" 2>&1 &
	note_pid $! rsyslog
	listens() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
	wait_for listens
	deliver() { audit export --type decision --format syslog "$@" 2>/dev/null >"/dev/tcp/127.0.0.1/$port"; }
	got() { [ "$(wc -l <"$D/syslog")" = "$1" ]; }
	deliver --octets
	check "rsyslog takes them, octets counted" wait_for got "$sent"
	deliver
	check "and a line each" wait_for got $((2 * sent))
	is "both say the same" "$(sort "$D/syslog" | uniq -c | awk '{ print $1 }' | sort -u)" 2
	like "a denial is a warning" "$(cat "$D/syslog")" "^108 $node tollgate decision \[tollgate@32473 seq=\"[0-9]+\" hash=\"[0-9a-f]{64}\" .*decision=\"deny\" status=\"403\" person=\"alice\""
	like "quotes in a name are escaped" "$(cat "$D/syslog")" 'person="=HYPERLINK\(\\"http://x\\",\\"y\\"\)"'
else
	skip "rsyslog takes them" "rsyslog cannot be had"
fi

# ---- nowhere to write, nobody to sign ----
audit export --format csv >/dev/full 2>"$D/err"
is "a full disk behind standard output: exit" $? 2
like "and why" "$(cat "$D/err")" 'cannot write the output: No space left on device'
sed 's#^admin:.*#admin: {listen: "unix@'"$D"'/nobody.sock"}#' "$D/tollgate.yaml" >"$D/away.yaml"
"$B/tollgate" audit export --journal "$JOURNAL" --out "$D/unsigned" -c "$D/away.yaml" >"$D/out" 2>&1
is "nobody to sign: exit" $? 2
like "what may be done is said" "$(cat "$D/out")" 'or give a key with --sign-key FILE'
is "and no file is there" "$(ls "$D" | grep -c '^unsigned')" 0
"$B/tollgate" audit export --journal "$JOURNAL" --out "$D/signed" --sign-key "$D/audit.key" -c "$D/away.yaml" >"$D/out" 2>"$D/err"
is "with the key's file it goes" $? 0
like "which nobody records, and that is said" "$(cat "$D/err")" 'not recorded: '

# ---- followed: killed, with the daemon, over compressed segments ----
follow() { exec "$B/tollgate" audit export --follow --position "$D/position" --out "$D/siem.csv" --format csv -c "$D/tollgate.yaml" </dev/null >>"$D/follow.log" 2>&1; }
packed() { find "$JOURNAL.keep" -name '*.zst' 2>/dev/null | wc -l; }
for round in 1 2 3 4 5 6; do
	follow &
	follower=$!
	for _ in {1..14}; do ask "round $round"; done
	if [ $((round % 2)) = 0 ]; then
		killed tollgate
		daemon_start
		wait_for is_ready
	fi
	kill -KILL $follower
	wait $follower 2>/dev/null
	for _ in {1..8}; do ask "while nobody follows"; done
done
settled
enough() { [ "$(packed)" -ge 2 ]; }
check "segments were compressed meanwhile" wait_for enough
"$B/tollgate" audit export --position "$D/position" --out "$D/siem.csv" --format csv -c "$D/tollgate.yaml" >"$D/out" 2>&1
is "the rest comes by a last run" $? 0
last=$(sed 's/.*"'"$node"'":{"seq":\([0-9]*\).*/\1/' "$D/position")
tail -n +2 "$D/siem.csv" | sed 's/^"[^"]*",[0-9]*,\([0-9]*\),.*/\1/' >"$D/numbers"
is "each record stands in it once, in order" "$(cat "$D/numbers")" "$(seq "$last")"
is "as one CSV with one head" "$(node "$D/csv.mjs" "$D/siem.csv")" "$last 1 0"
if command -v zstd >/dev/null; then
	tail -n +2 "$D/siem.csv" | tr -d '\r' | sed 's/.*,//' | head -n $((last - 1)) >"$D/hashes"
	lines | jq -r 'select(.seq and .seq > 1) | .prev' | head -n $((last - 1)) >"$D/links"
	check "journal and export have the same hashes" cmp "$D/hashes" "$D/links"
else
	skip "journal and export have the same hashes" "zstd is not installed"
fi
follow &
follower=$!
# Looked at, not tried: who tries has it for that moment, and the follower would be refused.
taken() { grep -q ":$(stat -c %i "$D/position.lock") " /proc/locks; }
wait_for taken
"$B/tollgate" audit export --position "$D/position" --format csv -c "$D/tollgate.yaml" >"$D/out" 2>&1
is "two do not go by one position: exit" $? 2
like "and it is said" "$(cat "$D/out")" 'another export uses this position'
began() { [ -n "$(reads ".after.follow == \"begin\" and .peer.pid == $follower")" ]; }
wait_for began
kill $follower
wait $follower 2>/dev/null
is "a follower that is ended tells the daemon" "$(reads ".after.follow == \"end\" and .peer.pid == $follower" | jq -r .read)" "audit export"
oldest=$(find "$JOURNAL.keep" -name '*.zst' | sort | head -1)
mv "$oldest" "$D/"
sed 's/"seq":[0-9]*/"seq":3/' "$D/position" >"$D/behind"
audit export --position "$D/behind" --format csv >"$D/out" 2>"$D/err"
is "records that are gone: exit" $? 2
like "they are named" "$(cat "$D/err")" "$node: records 4 to [0-9]+ are not here"
mv "$D/${oldest##*/}" "$oldest"

# A rotation that copies the file and empties it while the follower has it open.
emptying() { exec "$B/tollgate" audit export --follow --position "$D/emptied" --out "$D/emptied.csv" --format csv -c "$D/tollgate.yaml" </dev/null >>"$D/follow.log" 2>&1; }
emptying &
follower=$!
holds_some() { [ -s "$D/emptied.csv" ] && [ "$(wc -l <"$D/emptied.csv")" -gt 2 ]; }
wait_for holds_some
sleep 2
: >"$D/emptied.csv"
ask 'after it was emptied'
again() { [ "$(wc -l <"$D/emptied.csv")" -gt 1 ] && tail -1 "$D/emptied" | grep -q "\"bytes\":$(stat -c %s "$D/emptied.csv")}"; }
check "a file that is emptied is gone on with" wait_for again
is "from its begin, and with a head" "$(tr -dc '\0' <"$D/emptied.csv" | wc -c) $(head -c 9 "$D/emptied.csv")" "0 node,boot"
kill $follower
wait $follower 2>/dev/null

# ---- a SIEM reads the stream, by the page's script ----
awk '/^### / { mine = $0 == "### The stream to a SIEM" } /^```$/ { code = 0 } mine && code; /^```sh$/ { code = 1 }' "$root/docs/evidence.md" |
	sed "s#redis.sock#${REDIS#unix:}#g; s#audit:NODE#audit:$node#g" >"$D/siem.sh"
mkdir "$D/siem"
siem() { (cd "$D/siem" && sh "$1"); }
sed -n '/XGROUP/p' "$D/siem.sh" >"$D/siem/group.sh"
sed '/XGROUP/d' "$D/siem.sh" >"$D/siem/take.sh"
is "its consumer group" "$(siem group.sh)" OK
# Given, written, and killed before it was acknowledged.
sed '/XACK/s/.*/kill -9 $$/' "$D/siem/take.sh" >"$D/siem/killed.sh"
siem killed.sh 2>/dev/null
ask 'for the SIEM'
settled
caught_up() { siem take.sh; redis XINFO GROUPS "tollgate:audit:$node" | tr '\n' ' ' | grep -q 'pending 0 .*lag 0'; }
check "it is caught up" wait_for caught_up
have() { jq -r 'select(.seq) | .seq' "$D/siem/siem.jsonl" | sort -n; }
is "no record is missing" "$(have | uniq | awk 'NR > 1 && $1 != last + 1 { print "after", last } { last = $1 }')" ""
check "what was not acknowledged came again" test "$(have | uniq -d | wc -l)" -gt 0
trimmed() { [ "$(redis XLEN "tollgate:audit:$node")" -lt 10 ]; }
check "what it acknowledged is trimmed" wait_for trimmed
