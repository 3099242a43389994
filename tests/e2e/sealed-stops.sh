# The daemon is killed at each step of keeping a text, of a new person's share, of an erasure, and of archiving and
# trimming a file of texts, under load, and starts again. Everything verifies, the texts of complete responses open,
# and erased texts do not.
# Once: no version of HAProxy differs here.
# Late: it starts the daemon some twenty times.
. "$(dirname "$0")/lib.sh"
. "$here/stopped.bash"
. "$here/auditor.bash"
mkdir "$D/archive"
cat >"$D/mine.yaml" <<Y
workers: 1
$(auditor ann)
Y
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: stops
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {person: nobody}
providers:
  openai: {backend: local, dialect: openai}
routes:
  - {name: chat, match: {path: [/v1/chat/completions]}, targets: openai, record: {prompt: full, response: full}}
default: permit
Y
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml"
as_shipped
: >"$D/answered"
audit() { "$build/tollgate" audit "$@" -c "$D/tollgate.yaml"; }
# Sends two requests at a time, each by another person and with 150 KB in three segments; notes those with a complete
# response. alice sends requests too.
ask() { # PERSON
	local long
	long=$(head -c 150000 /dev/zero | tr '\0' x)
	curl -s -m 5 -o /dev/null -w '%{http_code} %{exitcode} %header{x-tollgate-id}\n' -H "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")" \
		-H 'content-type: application/json' -d @- "$EDGE/v1/chat/completions" \
		<<<"{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"marker-of-$1 $long\"}]}" |
		awk -v who="$1" '$1 == 200 && $2 == 0 { print $3, who; fflush() }' >>"$D/answered"
}
touch "$D/loading"
n=0
while [ -e "$D/loading" ]; do
	n=$((n + 1))
	ask "person-$n" &
	ask alice
	wait $!
	sleep 0.3
done 2>/dev/null &
loading=$!
verified() { audit verify --journal "$JOURNAL" --public-key "$D/audit.key.pub" >"$D/verify.log" 2>&1 || { sed 's/^/#   /' "$D/verify.log"; false; }; }
texts_verified() { audit verify --texts >"$D/verify.log" 2>&1 || { sed 's/^/#   /' "$D/verify.log"; false; }; }
# stopped POINT[:N] [COMMAND…]: as ends_at; afterwards chain and texts verify
stopped() {
	local point=$1 status
	ends_at "$@"
	status=$?
	[ $status != 255 ] || return
	is "killed at $point" $status 137
	final check "killed at $point: the chain verifies" verified
	final check "killed at $point: the texts equal their records" texts_verified
}
# The texts of complete responses open unless they are erased: the last ones, and every tenth.
open_shares() { audit open "$1" --key "$D/ann.key" --shares "$JOURNAL.shares" 2>"$D/open.err"; } # ID
all_open() {
	local id who bad=''
	while read -r id who; do
		[ "$who" != alice ] || [ -n "${with_alice:-}" ] || continue
		open_shares "$id" >"$D/text" && [ "$(grep -c "marker-of-$who" "$D/text")" -ge 1 ] || bad="$bad $id $who $(tail -1 "$D/open.err")"
	done < <(awk -v n="$(wc -l <"$D/answered.now")" 'NR % 10 == 0 || NR > n - 30' "$D/answered.now")
	[ -z "$bad" ] || { echo "#  $bad" | cut -c 1-600; false; }
}
covered() { [ "$(metric audit_tree_behind_records)" = 0 ] && [ "$(metric audit_checkpoints_total)" -gt 0 ]; }
whole() { # NAME: starts a daemon that is not killed
	local before
	daemon_start
	check "$1: the next daemon is ready" wait_for is_ready
	before=$(wc -l <"$D/answered")
	answers() { [ "$(wc -l <"$D/answered")" -gt $((before + 8)) ]; }
	check "$1: it answers requests" wait_for answers
	sort -u "$D/answered" >"$D/answered.now"
	check "$1: the tree covers all records" wait_for covered
	final check "$1: each text of a complete response opens" all_open
	ended
}

# ---- a text, a new person's share ----
ended
for point in shares-appended:2 shares-durable:3 shares-synced:9 texts-written:7 texts-synced:5 commit-written:9; do stopped $point; done
with_alice=1 whole "after kills in a commit"

# ---- an erasure ----
erase() { audit erase --person alice --why 'she asked'; }
done_everywhere() { audit erase --status >"$D/status"; }
for point in shares-erasing shares-overwritten shares-erased; do
	# alice sends further requests, so that each start has a share of hers to erase
	stopped $point erase
	awk '$2 == "alice" { print $1 }' "$D/answered" | sort -u | head -200 >"$D/erased.$point"
	daemon_start
	check "after $point the next daemon is ready" wait_for is_ready
	check "$point: the erasure is carried out" wait_for done_everywhere
	back=''
	while read -r id; do ! open_shares "$id" >/dev/null || back="$back $id"; done < <(head -20 "$D/erased.$point")
	is "$point: no earlier text opens" "$back" ""
	ended
done
whole "after kills in an erasure"
# Each erasure is recorded, with the pseudonym.
on_record() {
	cat "$JOURNAL"/*.jsonl | tr -d '\0' | grep '"type":"erase"' | jq -r 'select(.pseudonyms | length > 0) | .serial' | sort -u | wc -l
}
is "each erasure is recorded, with a pseudonym" "$(on_record)" 3

# ---- the archive and the trim ----
cat >"$D/over.yaml" <<Y
retention: {age: 300d, texts: 1s, archive: "$D/archive", every: 50ms}
Y
"$build/stackhelp" merge "$D/tollgate.yaml" "$D/over.yaml" >"$D/whole.yaml" && mv "$D/whole.yaml" "$D/tollgate.yaml"
rm "$D/loading"
wait $loading
find "$JOURNAL.texts" -name '*.texts' -exec touch -d '1 hour ago' {} +
for point in archive-texts archive-put trim-texts-record trim-texts-recorded trim-texts-removed; do stopped $point; done
daemon_start
check "after kills of retention the next daemon is ready" wait_for is_ready
one_left() { [ "$(ls "$JOURNAL.texts" | wc -l)" = 1 ]; }
check "what had begun is finished: only the newest file is left" wait_for one_left
none_half() { ! ls "$JOURNAL.keep" "$D/archive" | grep -q 'tollgate-new'; }
check "no temporary file is left there" wait_for none_half
final check "the chain verifies" verified
final check "the remaining texts verify" texts_verified
audit restore --texts --since 2020-01-01 >"$D/restored" 2>&1
is "the archive restores texts" $? 0
final check "the restored texts equal their records" texts_verified
sort -u "$D/answered" >"$D/answered.now"
final check "each text of a complete response opens" all_open
echo "# $(wc -l <"$D/answered") answers"
exit $failed
