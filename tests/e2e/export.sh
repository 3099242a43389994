# Exports on a running stack: a real consumer reads each format, and manifests detect changes. A follower that is
# killed together with the daemon exports each record once, also from compressed segments. A SIEM reads the stream
# with the script of the page.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"

printf 'workers: 1\naudit: {segment: 64k, stream_consumed: true}\nretention: {every: 100ms}\n' >"$D/config.yaml"
stack_up --config "$D/config.yaml"
node=$(sed -n 's/^node: *//p' "$D/tollgate.yaml")
auth="authorization: Bearer $(token)"
json='content-type: application/json'
# Names of a caller who knows that the export is opened in a spreadsheet.
hostile="authorization: Bearer $(token --claims '{"sub":"=HYPERLINK(\"http://x\",\"y\")","team":"+1;=2","dept":"\t@SUM(A1)"}')"
ask() { req POST /v1/chat/completions -H "${2:-$auth}" -H "$json" -d "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"$1\"}]}"; }
audit() { "$B/tollgate" audit "$@" -c "$D/tollgate.yaml"; }
export_to() { rm -f "$D/e" "$D/e.manifest"; audit export --out "$D/e" "$@" >"$D/said" 2>&1; }
# While a segment is being compressed, both files exist.
lines() { { zstd -qdc "$JOURNAL.keep"/*.zst; cat "$JOURNAL"/*.jsonl; } | tr -d '\0' | awk '!seen[$0]++'; }
reads() { cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep '"type":"read"' | jq -c "select($1)"; }

ask hello
ask 'hello again' "$hostile"
ask 'my key is AKIAIOSFODNN7EXAMPLE'
is "a request with a secret is denied" "$status" 403
req POST /v1/chat/completions -H "$json" -d '{}'
settled

# ---- JSON lines, by jq ----
check "JSON lines with a manifest are exported" export_to --format jsonl
like "the command prints file, records and key" "$(cat "$D/said")" "^exported file=$D/e records=[0-9]+ .*key=[0-9a-f]{16}$"
is "jq reads each line" "$(jq -s length "$D/e")" "$(wc -l <"$D/e")"
is "the number of records is that of the manifest" "$(jq -s 'map(select(.seq)) | length' "$D/e")" "$(jq .export.records "$D/e.manifest")"
like "the file verifies without the journal" "$(audit verify --file "$D/e" --public-key "$AUDIT_KEY")" "^ok node=$node source=file"
text=$(basename "$JOURNAL.policies"/*)
check "the text of the policy in force is exported next to it" cmp "$D/e.policies/$text" "$JOURNAL.policies/$text"
decided=$(jq -r 'select(.type == "decision") | .id' "$D/e" | head -1)
mv "$JOURNAL.policies" "$D/aside"
like "explain reads the policy from there" "$(audit explain "$decided" --file "$D/e" | tr '\n' ' ')" 'the policy that decided'
mv "$D/aside" "$JOURNAL.policies"
alter "$D/e.policies/$text" 200
like "verify reports a policy that was changed" "$(audit verify --file "$D/e" --public-key "$AUDIT_KEY")" 'bad source=policies .*was changed'
cp "$JOURNAL.policies/$text" "$D/e.policies/"
like "the manifest verifies" "$(audit verify --manifest "$D/e.manifest")" "^ok manifest=.* $node=1-[0-9]+ "
id=$(jq -r 'select(.what == "export") | .id' <<<"$(reads '.what == "export"')")
is "the daemon recorded the manifest that it signed" "$id" "$(sed 's/^{"v":1,"export":\(.*\),"key":"[0-9a-f]*","sig":"[^"]*"}$/\1/' "$D/e.manifest" | tr -d '\n' | sha256sum | cut -d' ' -f1)"
check "the daemon recorded the read" test -n "$(reads '.read == "audit export" and .after.records > 0')"
from=$(jq -r 'select(.type == "decision") | .time' "$D/e" | sed -n 2p) until=$(jq -r 'select(.type == "decision") | .time' "$D/e" | sed -n 3p)
is "a period includes its first time and excludes its last" \
	"$(audit export --since "$from" --until "$until" --type decision 2>/dev/null | jq -r .time)" "$from"
is "--between includes the whole second time" "$(audit export --between "$from" "$until" --type decision 2>/dev/null | wc -l)" 2
is "terms are those of audit search" "$(audit export --class secret --decision deny 2>/dev/null | jq -r .status)" 403

# ---- the manifest without tollgate, and changed ----
awk '/^## / { mine = $0 == "## Export" } /^### / { mine = 0 } /^```$/ { code = 0 } mine && code; /^```sh$/ { code = 1 }' "$root/docs/evidence.md" |
	sed "s#F.manifest#$D/e.manifest#g; s#sha256sum F#sha256sum $D/e#; s#audit.key.pub#$AUDIT_KEY#" >"$D/hand.sh"
by_hand() { (cd "$D" && sh -e hand.sh 2>&1); }
like "the script of the page verifies the manifest without tollgate" "$(by_hand | tr '\n' ' ')" '^Signature Verified Successfully ([0-9a-f]{64}) \1 '
cp "$D/e" "$D/kept"
sed -i '3s/"time"/"tyme"/' "$D/e"
like "a changed file is reported" "$(audit verify --manifest "$D/e.manifest")" '^bad .* why="changed: .* has another SHA-256'
head -c 1000 "$D/kept" >"$D/e"
like "a truncated file is reported" "$(audit verify --manifest "$D/e.manifest")" '^bad .* why="changed: .* has 1000 bytes'
cp "$D/kept" "$D/e"
sed -i 's/"since":null/"since":"2026-01-01T00:00:00Z"/' "$D/e.manifest"
like "a changed manifest is reported" "$(audit verify --manifest "$D/e.manifest")" '^bad .* why="bad signature: the manifest was changed"'
unlike "the script of the page does not verify it" "$(by_hand)" 'Verified Successfully'

# ---- CSV, read by Python and Node ----
check "CSV is exported" export_to --format csv
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
is "Node reads the rows, all of one length, without a formula" "$(node "$D/csv.mjs" "$D/e")" "$want"
if command -v python3 >/dev/null; then
	is "Python reads the same rows" "$(python3 "$D/rows.py" "$D/e" 2>&1)" "$want"
else
	skip "Python reads the same rows" "python3 is not installed"
fi
check "a name that is a formula becomes a text" grep -qF "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"" "$D/e"
check "a second formula in the name becomes a text" grep -qF "\"'+1;'=2\"" "$D/e"
like "the manifest of the CSV verifies" "$(audit verify --manifest "$D/e.manifest")" '^ok .* format=csv'

# ---- OCSF, checked against its schema ----
check "OCSF is exported" export_to --format ocsf
like "each event matches the schema" "$(node "$here/ocsf.mjs" "$root/tests/data/ocsf.json" "$D/e")" '^[0-9]+ events, 0 mistakes, classes 2004,6002,6003$'
is "each record has an event" "$(wc -l <"$D/e")" "$(jq .export.records "$D/e.manifest")"
is "a denial is a finding" "$(jq -r 'select(.class_uid == 2004) | [.severity_id, .disposition_id, .evidences[0].actor.user.name] | @csv' "$D/e")" '4,2,"alice"'
is "an event that does not match the schema is reported" "$(jq -c 'del(.metadata.version) | .severity_id = "x"' "$D/e" | head -1 >"$D/broken"; node "$here/ocsf.mjs" "$root/tests/data/ocsf.json" "$D/broken" | tail -1 | cut -d, -f1,2)" "1 events, 2 mistakes"

# ---- syslog, read by rsyslog ----
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
	check "rsyslog receives messages framed by octet counts" wait_for got "$sent"
	deliver
	check "rsyslog receives messages framed by lines" wait_for got $((2 * sent))
	is "both forms are the same" "$(sort "$D/syslog" | uniq -c | awk '{ print $1 }' | sort -u)" 2
	like "a denial has the severity warning" "$(cat "$D/syslog")" "^108 $node tollgate decision \[tollgate@32473 seq=\"[0-9]+\" hash=\"[0-9a-f]{64}\" .*decision=\"deny\" status=\"403\" person=\"alice\""
	like "quotes in a name are escaped" "$(cat "$D/syslog")" 'person="=HYPERLINK\(\\"http://x\\",\\"y\\"\)"'
else
	skip "rsyslog receives messages" "rsyslog is not available"
fi

# ---- a full disk, and no key to sign with ----
audit export --format csv >/dev/full 2>"$D/err"
is "a full disk at standard output is exit 2" $? 2
like "the error names the full disk" "$(cat "$D/err")" 'cannot write the output: No space left on device'
sed 's#^admin:.*#admin: {listen: "unix@'"$D"'/nobody.sock"}#' "$D/tollgate.yaml" >"$D/away.yaml"
"$B/tollgate" audit export --journal "$JOURNAL" --out "$D/unsigned" -c "$D/away.yaml" >"$D/out" 2>&1
is "without the daemon's key, a manifest is exit 2" $? 2
like "the error advises to use --sign-key" "$(cat "$D/out")" 'or give a key with --sign-key FILE'
is "no file is left" "$(ls "$D" | grep -c '^unsigned')" 0
"$B/tollgate" audit export --journal "$JOURNAL" --out "$D/signed" --sign-key "$D/audit.key" -c "$D/away.yaml" >"$D/out" 2>"$D/err"
is "with the key's file, the export succeeds" $? 0
like "the command reports that the export was not recorded" "$(cat "$D/err")" 'not recorded: '

# ---- --follow, killed together with the daemon, over compressed segments ----
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
check "segments are compressed meanwhile" wait_for enough
"$B/tollgate" audit export --position "$D/position" --out "$D/siem.csv" --format csv -c "$D/tollgate.yaml" >"$D/out" 2>&1
is "a last run exports the rest" $? 0
last=$(sed 's/.*"'"$node"'":{"seq":\([0-9]*\).*/\1/' "$D/position")
tail -n +2 "$D/siem.csv" | sed 's/^"[^"]*",[0-9]*,\([0-9]*\),.*/\1/' >"$D/numbers"
is "each record is exported once, in order" "$(cat "$D/numbers")" "$(seq "$last")"
is "the CSV has one head" "$(node "$D/csv.mjs" "$D/siem.csv")" "$last 1 0"
if command -v zstd >/dev/null; then
	tail -n +2 "$D/siem.csv" | tr -d '\r' | sed 's/.*,//' | head -n $((last - 1)) >"$D/hashes"
	lines | jq -r 'select(.seq and .seq > 1) | .prev' | head -n $((last - 1)) >"$D/links"
	check "journal and export have the same hashes" cmp "$D/hashes" "$D/links"
else
	skip "journal and export have the same hashes" "zstd is not installed"
fi
follow &
follower=$!
# Reads the list of locks. Taking the lock would hold it for a moment, and the follower would be refused.
taken() { grep -q ":$(stat -c %i "$D/position.lock") " /proc/locks; }
wait_for taken
"$B/tollgate" audit export --position "$D/position" --format csv -c "$D/tollgate.yaml" >"$D/out" 2>&1
is "a second export with the same position is exit 2" $? 2
like "the error explains it" "$(cat "$D/out")" 'another export uses this position'
began() { [ -n "$(reads ".after.follow == \"begin\" and .peer.pid == $follower")" ]; }
wait_for began
kill $follower
wait $follower 2>/dev/null
is "a follower reports its end to the daemon" "$(reads ".after.follow == \"end\" and .peer.pid == $follower" | jq -r .read)" "audit export"
oldest=$(find "$JOURNAL.keep" -name '*.zst' | sort | head -1)
mv "$oldest" "$D/"
sed 's/"seq":[0-9]*/"seq":3/' "$D/position" >"$D/behind"
audit export --position "$D/behind" --format csv >"$D/out" 2>"$D/err"
is "a position whose records are gone is exit 2" $? 2
like "the error names the lost records" "$(cat "$D/err")" "$node: records 4 to [0-9]+ are not here"
mv "$D/${oldest##*/}" "$oldest"

# A rotation of logs that copies the file and truncates it, while the follower has it open.
emptying() { exec "$B/tollgate" audit export --follow --position "$D/emptied" --out "$D/emptied.csv" --format csv -c "$D/tollgate.yaml" </dev/null >>"$D/follow.log" 2>&1; }
emptying &
follower=$!
holds_some() { [ -s "$D/emptied.csv" ] && [ "$(wc -l <"$D/emptied.csv")" -gt 2 ]; }
wait_for holds_some
sleep 2
: >"$D/emptied.csv"
ask 'after it was emptied'
again() { [ "$(wc -l <"$D/emptied.csv")" -gt 1 ] && tail -1 "$D/emptied" | grep -q "\"bytes\":$(stat -c %s "$D/emptied.csv")}"; }
check "the follower continues in a truncated file" wait_for again
is "it writes from the beginning of the file, with a head" "$(tr -dc '\0' <"$D/emptied.csv" | wc -c) $(head -c 9 "$D/emptied.csv")" "0 node,boot"
kill $follower
wait $follower 2>/dev/null

# ---- a SIEM reads the stream with the script of the page ----
awk '/^### / { mine = $0 == "### The stream to a SIEM" } /^```$/ { code = 0 } mine && code; /^```sh$/ { code = 1 }' "$root/docs/evidence.md" |
	sed "s#redis.sock#${REDIS#unix:}#g; s#audit:NODE#audit:$node#g" >"$D/siem.sh"
mkdir "$D/siem"
siem() { (cd "$D/siem" && sh "$1"); }
sed -n '/XGROUP/p' "$D/siem.sh" >"$D/siem/group.sh"
sed '/XGROUP/d' "$D/siem.sh" >"$D/siem/take.sh"
is "the consumer group is created" "$(siem group.sh)" OK
# The script is killed after it wrote a record and before it acknowledged it.
sed '/XACK/s/.*/kill -9 $$/' "$D/siem/take.sh" >"$D/siem/killed.sh"
siem killed.sh 2>/dev/null
ask 'for the SIEM'
settled
caught_up() { siem take.sh; redis XINFO GROUPS "tollgate:audit:$node" | tr '\n' ' ' | grep -q 'pending 0 .*lag 0'; }
check "the script catches up" wait_for caught_up
have() { jq -r 'select(.seq) | .seq' "$D/siem/siem.jsonl" | sort -n; }
is "no record is missing" "$(have | uniq | awk 'NR > 1 && $1 != last + 1 { print "after", last } { last = $1 }')" ""
check "records that were not acknowledged are read again" test "$(have | uniq -d | wc -l)" -gt 0
trimmed() { [ "$(redis XLEN "tollgate:audit:$node")" -lt 10 ]; }
check "acknowledged records are trimmed" wait_for trimmed
