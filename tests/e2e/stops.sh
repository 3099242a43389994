# The daemon is killed at each step of a checkpoint, a rotation, a compression, an archive and a trim, under load, and
# starts again. Each response has its record, everything verifies with the first public key, and a step that had begun
# is finished or undone.
# Once: no version of HAProxy differs here.
# Late: it starts the daemon some forty times.
. "$(dirname "$0")/lib.sh"
. "$here/stopped.bash"
"$build/tollgate" keygen --hash-key "$D/hash.key" >/dev/null
mkdir "$D/archive"
cat >"$D/config.yaml" <<Y
workers: 1
audit: {segment: 64k, hash_key: "$D/hash.key"}
Y
stack_up --config "$D/config.yaml"
as_shipped # requests at a daemon that is killed end soon
cp "$D/audit.key.pub" "$D/first.pub"
auth="authorization: Bearer $(token)"
: >"$D/answered"
# N requests, four at a time; prints the ids of those with a complete response. It runs during all kills.
load() {
	seq "$1" | xargs -P 4 -I{} curl -s -m 3 -o /dev/null -w '%{http_code} %{exitcode} %header{x-tollgate-id}\n' \
		-H "$auth" -H 'content-type: application/json' -d '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}' \
		"$EDGE/v1/chat/completions" | awk '$1 == 200 && $2 == 0 { print $3; fflush() }' >>"$D/answered"
}
touch "$D/loading"
while [ -e "$D/loading" ]; do load 8; sleep 0.2; done 2>/dev/null &
loading=$!
by_first() {
	[ ! -f "$JOURNAL.keys" ] || set -- "$@" --statement "$JOURNAL.keys"
	"$build/tollgate" audit verify --public-key "$D/first.pub" "$@" >"$D/verify.log" 2>&1 || { sed 's/^/#   /' "$D/verify.log"; false; }
}
verified() { by_first --journal "$JOURNAL"; }
started() { wait_for is_ready; }
# stopped POINT[:N] [COMMAND…]: as ends_at; afterwards everything verifies
stopped() {
	local point=$1 status
	ends_at "$@"
	status=$?
	[ $status != 255 ] || return
	[ $status = 137 ] || not_ok "the daemon is killed at $point" "$(tail -3 "$D/tollgate.log")"
	final check "killed at $point: everything verifies" verified
}
# All records, once each and in order: those in the archive, then the others.
everything() {
	local f
	{
		for f in "$D"/archive/*.jsonl.zst; do [ ! -f "$f" ] || basename "$f" .zst; done
		(cd "$JOURNAL" && ls)
	} | sort -u | while read -r f; do
		if [ -f "$D/archive/$f.zst" ]; then zstd -dqc "$D/archive/$f.zst"; else tr -d '\0' <"$JOURNAL/$f"; fi
	done
}
# Each response has two records, and everything verifies with the first key.
all_there() { # NAME
	local missing
	sort -u "$D/answered" >"$D/answered.now"
	everything >"$D/all.jsonl"
	for type in decision completion; do
		sed -n 's/.*"type":"'$type'","id":"\([^"]*\)".*/\1/p' "$D/all.jsonl" | sort -u >"$D/$type"
		missing=$(comm -23 "$D/answered.now" "$D/$type" | head -3)
		final is "$1: each response has a $type" "$missing" ''
	done
	final check "$1: all records verify" by_first --file "$D/all.jsonl"
}
whole() { # NAME: starts a daemon that is not killed
	local before
	daemon_start
	check "$1: the next daemon starts" started
	before=$(wc -l <"$D/answered")
	answers() { [ "$(wc -l <"$D/answered")" -gt $((before + 8)) ]; }
	check "$1: it answers requests" wait_for answers
	all_there "$1"
}

# ---- a checkpoint ----
ended
for point in checkpoint-made:2 segment-begun:2 commit-written:9 checkpoint-durable:2 checkpoint-fed:2 tiles-leaves:2 tiles-levels:2; do
	stopped $point
done
whole "after kills in a checkpoint"
covered() { [ "$(metric audit_tree_behind_records)" = 0 ] && [ "$(metric audit_checkpoints_total)" -gt 0 ]; }
check "the tree covers each record again" wait_for covered
last() { "$build/tollgate" audit list --journal "$JOURNAL" --since 1h --json | tail -1 | jq -r .id; }
provable() { "$build/tollgate" audit show "$(last)" --proof --journal "$JOURNAL" >"$D/proof" 2>"$D/proof.err" && by_first --file "$D/proof"; }
check "a record from that time has a proof" wait_for provable

# ---- a rotation ----
signs() { "$build/tollgate" status -c "$D/tollgate.yaml" --json | jq -r '.. | objects | select(has("signs")) | .signs' | head -1; }
public() { openssl pkey -in "$1" -pubout -outform DER | tail -c 32 | sha256sum | cut -c1-16; }
before=$(signs)
for point in replace-made replace-old replace-public replace-done; do
	TG_STOP_AT=$point "$build/stops/tollgate" keygen --rotate "$D/audit.key" >"$D/command.log" 2>&1
	is "keygen is killed at $point" $? 137
	[ $point = replace-done ] || is "the old key is still in use" "$(public "$D/audit.key")" "$before"
	[ $point != replace-public ] || {
		ended
		daemon_start
		check "the daemon starts with the existing key" started
	}
done
is "the command completes: the new key is in use, and the old one next to it" "$(public "$D/audit.key.old") $([ "$(public "$D/audit.key")" = "$before" ] || echo another)" "$before another"
ended
rotate() { "$build/tollgate" keygen --rotate "$D/audit.key" && "$build/tollgate" reload -c "$D/tollgate.yaml"; }
# Each start first completes what the previous one began, and passes each point once.
for point in key-made:2 key-durable:2 keys-written:3 key-kept; do
	stopped $point rotate
	# once more, before the new key has signed anything
	[ $point != key-durable:2 ] || "$build/tollgate" keygen --rotate "$D/audit.key" >"$D/command.log" 2>&1
done
whole "after kills in a rotation"
is "the new key signs" "$(signs)" "$("$build/tollgate" audit export --journal "$JOURNAL" | tail -1 | jq -r .key)"
is "it is the key in the file" "$(signs)" "$(public "$D/audit.key")"
is "no temporary file is left" "$(ls "$D" | grep 'keys\.tollgate-new')" ''

# ---- compression, archive, trim ----
ended
echo "retention: {age: 1s, below_six_months: true, archive: \"$D/archive\", every: 50ms}" >"$D/over.yaml"
"$build/stackhelp" merge "$D/tollgate.yaml" "$D/over.yaml" >"$D/whole.yaml" && mv "$D/whole.yaml" "$D/tollgate.yaml"
for point in pack-written pack-synced pack-verified pack-manifest pack-placed:2 plain-remove plain-removed archive-written \
	replace-aside:4 archive-put archive-segment:2 archive-manifest archive-latest archive-marked trim-record trim-recorded:2 trim-plain trim-packed; do
	stopped $point
done
whole "after kills of retention"
settled_all() { [ "$(ls "$JOURNAL" | wc -l)" = 3 ] && [ "$(ls "$JOURNAL.keep" | grep -c 'zst$')" = 2 ]; }
rm "$D/loading"
wait $loading
check "what had begun is finished: only the newest segments are left" wait_for settled_all
none_half() { ! ls "$JOURNAL.keep" "$D/archive" | grep -q 'tollgate-new'; }
check "no temporary file is left there" wait_for none_half
final check "the remaining records verify" verified
like "verify names the record of the trim" "$(cat "$D/verify.log")" 'trimmed=[0-9]+ trim_record='
all_there "in the archive and in the journal"
echo "# $(wc -l <"$D/answered") answers"
exit $failed
