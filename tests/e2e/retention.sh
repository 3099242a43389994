# Retention on a running stack: closed segments are compressed, archived to a folder or an S3-compatible store, and
# trimmed by age or size. The remaining records verify and have proofs. Trimmed segments can be restored, and altered
# ones are refused by name. Nothing is trimmed that is not in the archive, or by size if it is younger than six
# months.
# Once: no version of HAProxy differs here.
# Long: it waits for segments to fill and to age.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"

base='audit: {segment: 64k, stream_consumed: true}'
printf 'workers: 1\n%s\nretention: {size: 64m, every: 100ms}\n' "$base" >"$D/config.yaml"
stack_up --config "$D/config.yaml"
auth="authorization: Bearer $(token)"
node=$(sed -n 's/^node: *//p' "$D/tollgate.yaml")
audit() { "$B/tollgate" audit "$@" 2>&1; }
status() { "$B/tollgate" status -c "$D/tollgate.yaml"; }
asked() { req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -d '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}'; [ "$status" != 503 ]; }
ask() { wait_for asked; } # HAProxy may not be connected to a new daemon yet
asks() { for ((i = 0; i < $1; i++)); do ask; done; }
plain() { find "$JOURNAL" -name '*.jsonl' | wc -l; }
packed() { find "$JOURNAL.keep" -name '*.jsonl.zst' -printf '%f\n' 2>/dev/null | sort; }
records() { cat "$JOURNAL"/* | tr -d '\0' | grep "\"type\":\"$1\"" | jq -c "select(${2:-true})"; }
recorded() { [ -n "$(records "$@")" ]; }
# The two newest closed segments stay uncompressed, next to the open one.
tidy() { [ "$(plain)" -le 3 ] && [ "$(packed | wc -l)" -ge 2 ]; }
verify() { audit verify --journal "$JOURNAL" --public-key "$AUDIT_KEY"; }
show() { audit show -c "$D/tollgate.yaml" "$@"; }
prove() { "$B/tollgate" audit show -c "$D/tollgate.yaml" "$@" --proof >"$D/proof" 2>"$D/proof.err"; }
holds() { audit verify --file "$D/proof" --public-key "$AUDIT_KEY"; }
search() { audit search -c "$D/tollgate.yaml" --limit 0 "$@"; }
# the daemon's retention options, and since when they apply
retention() { again_with "retention: $1"; }

# ---- compression ----
ask
first=$(header x-tollgate-id)
check "the first record has a proof" wait_for prove "$first"
cp "$D/proof" "$D/kept"
asks 90
settled
check "closed segments are compressed, and the uncompressed files are removed" wait_for tidy
check "a metric counts them" test "$(metric retention_compressed_total)" -gt 0
is "the first record is in no uncompressed segment" "$(grep -l "$first" "$JOURNAL"/* | wc -l)" 0
like "the whole journal verifies" "$(verify)" '^ok .* checkpoints=[1-9]'
like "audit show reads a compressed segment" "$(show "$first")" '"type": *"decision"'
like "audit search reads it with an index" "$(search --id "$first")" "$first\$"
is "a search without indexes has the same result" "$(search --at today --decision permit | wc -l)" "$(search --at today --decision permit --no-index | wc -l)"
check "the segments have indexes" test -n "$(find "$JOURNAL.index" -name '*.idx')"
check "a record in a compressed segment has a proof" prove "$first"
like "the proof verifies" "$(holds)" '^ok .*type=decision'
if command -v zstd >/dev/null; then
	like "zstd decompresses the segment" "$(zstd -dc "$JOURNAL.keep/$(packed | head -1)" | head -c 200)" '^\{"v":1,'
else
	skip "zstd decompresses the segment" "zstd is not installed"
fi

# ---- trimming by size: nothing younger than six months ----
retention '{size: 64k, every: 100ms}'
check "a journal over the size with only young records is recorded as an alarm" wait_for recorded alarm '.how=="retention_size" and .bytes > .size'
like "status reports it" "$(status)" '^retention: the journal is larger than retention.size'
is "a metric reports it" "$(metric retention_below_six_months)" 1
is "nothing is trimmed" "$(metric retention_trimmed_total) $(records trim | wc -l)" "0 0"

# ---- an unreachable archive, then a reachable one ----
retention "{size: 64k, below_six_months: true, every: 100ms, archive: $D/archive}"
asks 40
settled
check "an unreachable archive is reported" wait_for says '^retention: the archive does not accept segments' status
check "segments that should be trimmed wait" wait_for says '^retention: not trimmed: .*: waits until it is archived' status
is "nothing is trimmed that is not archived" "$(metric retention_trimmed_total) $(records trim | wc -l)" "0 0"
ask
is "requests pass meanwhile" "$status" 200
mkdir "$D/archive"
retention "{every: 100ms}"
check "when the archive is reachable, the oldest segments are trimmed" wait_for recorded trim '.why=="size"'
gone_there() { ! packed | grep -qF "$(records trim | tail -1 | jq -r '.segments[-1].segment')"; }
check "the record of the trim names them" wait_for gone_there
trimmed=$(records trim | head -1 | jq -r '.segments[0].segment')
is "the archive has each with its SHA-256" "$(sha256sum <"$D/archive/$trimmed.zst" | cut -d' ' -f1)" "$(records trim | head -1 | jq -r '.segments[0].packed_sha256')"
is "the record names the archive" "$(records trim | head -1 | jq -r .archive)" "$D/archive"
like "the remaining records verify with the record of the trim" "$(verify)" '^ok .* trimmed=[1-9][0-9]* trim_record=[1-9]'
like "the first request is no longer found" "$(show "$first")" 'no such record'
ask
check "a remaining record has a proof" wait_for prove "$(header x-tollgate-id)"
like "this proof verifies" "$(holds)" '^ok '
against() { audit verify --journal "$JOURNAL" --note "$D/kept" --public-key "$AUDIT_KEY" | grep source=note; }
like "the log continues a checkpoint from before the trim" "$(against)" '^ok '
cp "$D/kept" "$D/proof"
like "a proof from before the trim verifies" "$(holds)" '^ok .*type=decision'

# ---- restoring ----
stem=${trimmed%.jsonl}
restored() { audit restore -c "$D/tollgate.yaml" "$@"; }
like "a segment is restored by name" "$(restored "$stem")" "^restored $trimmed first=1 "
check "the daemon records the restore" wait_for recorded read '.read=="audit restore"'
like "the record has user and segment" "$(records read '.read=="audit restore"' | tail -1)" "\"peer\":.*$trimmed|$trimmed.*\"peer\":"
like "audit show finds the first request again" "$(show "$first")" '"type": *"decision"'
like "audit search finds it again" "$(search --id "$first")" "$first\$"
check "it has a proof again" prove "$first"
like "the new proof verifies" "$(holds)" '^ok .*type=decision'
end=$(records trim | head -1 | jq -r '.segments[0].last')
check "the last record of the segment has a proof, with a checkpoint in another segment" prove --seq "$end"
like "that proof verifies with the hashes of the tree" "$(holds)" "^ok .* seq=$end "
like "a segment is not restored twice" "$(restored "$stem")" "^here $trimmed"
like "the journal still verifies" "$(verify)" '^ok '
rm -r "$JOURNAL.restored"
cp "$D/archive/$trimmed.zst" "$D/whole.zst"
alter "$D/archive/$trimmed.zst" 3000
like "an altered segment is refused by name" "$(restored "$stem")" "^refused $trimmed why="
like "its records are not shown" "$(show "$first")" 'no such record'
cp "$D/whole.zst" "$D/archive/$trimmed.zst"

# ---- the machine is lost: only the archive and the public key are left ----
mkdir "$D/other"
archived=$(find "$D/archive" -name '*.hashes' -printf '%f\n' | sort)
check "the tree's hashes are archived with each segment" test "$(wc -l <<<"$archived")" = "$(find "$D/archive" -name '*.jsonl.zst' | wc -l)"
# Choose a segment with a checkpoint after its first record; without other segments, nothing else covers that record.
elsewhere() { "$B/tollgate" audit show --journal "$D/other" --seq "$seq" --proof >"$D/proof" 2>"$D/proof.err"; }
restore_other() { audit restore --journal "$D/other" --archive "$D/archive" --public-key "$AUDIT_KEY" "${second%.hashes}"; }
for second in $(sed 1d <<<"$archived"); do
	rm -rf "$D"/other.*
	lost=$(restore_other)
	seq=$(sed -n 's/^restored .* first=\([0-9]*\) .*/\1/p' <<<"$lost")
	elsewhere && break
done
like "a segment is restored on another machine" "$lost" "^restored ${second%.hashes}.jsonl first="
like "the tree is restored from the hashes of all segments" "$lost" "^tree node=$node hashes=[1-9]"
check "its first record has a proof there" elsewhere
like "that proof verifies there" "$(holds)" "^ok .* seq=$seq "
rm -r "$D"/other.*
alter "$D/archive/$(head -1 <<<"$archived")" 40
restore_other >/dev/null
is "with altered hashes there is no proof" "$(elsewhere && echo proved)" ""
like "the error explains it" "$(cat "$D/proof.err")" 'do not have the root of the checkpoint'

# ---- replaced keys are archived too; missing and foreign segments are named ----
cp "$AUDIT_KEY" "$D/first.pub"
"$B/tollgate" keygen --hash-key "$D/hash.key" --from "$D/audit.key" >/dev/null
again_with "audit: {hash_key: $D/hash.key}"
"$B/tollgate" keygen --rotate "$D/audit.key" >/dev/null
check "the key is replaced" "$B/tollgate" reload -c "$D/tollgate.yaml"
two_keys() { grep -qah '"type":"key"' "$JOURNAL"/*; }
ask
check "the replacement is recorded" wait_for two_keys
asks 120
settled
signed_by_second() { find "$D/archive" -name '*.jsonl.zst' -newer "$D/hash.key" | grep -q .; }
check "segments signed by the new key are archived" wait_for signed_by_second
check "the key statements are archived" test -s "$D/archive/$node.keys"
# Each closed segment has a manifest, which is archived after the segment, and NODE.latest names the last one.
archive_is_whole() {
	local segment last=none
	for segment in "$JOURNAL"/*.jsonl; do
		[ "$last" = none ] || [ -e "$D/archive/$last.json" ] || return 1
		was=$last last=$(basename "$segment" .jsonl)
	done
	grep -q "\"$was.jsonl\"" "$D/archive/$node.latest"
}
check "the archive is complete" wait_for archive_is_whole
all_from() { # ARCHIVE
	rm -rf "$D"/lost "$D"/lost.*
	mkdir "$D/lost"
	audit restore --journal "$D/lost" --archive "$1" --public-key "$D/first.pub" --since 2000-01-01
	echo "exit $?"
}
before=$(find "$D/archive" -name '*.jsonl.zst' | wc -l)
said=$(all_from "$D/archive")
n=$(grep -c '^restored .*\.jsonl ' <<<"$said")
# the daemon may archive another segment while they are restored
is "with the first public key, everything is restored" "$((n >= before)) $(grep -c '^refused\|^missing' <<<"$said") $(tail -1 <<<"$said")" "1 0 exit 0"
for folder in lost lost.restored; do
	like "the journal in $folder verifies" "$(audit verify --journal "$D/$folder" --public-key "$D/first.pub" | tr '\n' ' '; echo "exit ${PIPESTATUS[0]}")" '^ok node=.*exit 0'
done
mv "$D/archive/$node.keys" "$D/node.keys"
like "without the key statements, nothing after the rotation is restored" "$(all_from "$D/archive" | tr '\n' ' ')" 'refused .*exit 1'
rm -rf "$D"/lost "$D"/lost.*
mkdir "$D/lost"
like "with a copy of them, everything is restored" "$(audit restore --journal "$D/lost" --archive "$D/archive" --public-key "$D/first.pub" --statement "$D/node.keys" --since 2000-01-01 >"$D/said"; echo "$(grep -c '^refused' "$D/said") exit $?")" '^0 exit'
mv "$D/node.keys" "$D/archive/$node.keys"
mapfile -t kept < <(find "$D/archive" -name '*.zst' -printf '%f\n' | sort)
one=${kept[1]%.jsonl.zst} two=${kept[2]%.jsonl.zst}
cp -r "$D/archive" "$D/holed"
rm "$D/holed/$one".*
said=$(all_from "$D/holed")
like "a missing segment in the middle is named" "$(tr '\n' ' ' <<<"$said")" "missing node=$node first=$((10#${one##*-})) last=$((10#${two##*-} - 1)) .*exit 1"
cp -r "$D/archive" "$D/swapped"
cp "$D/archive/$two.jsonl.zst" "$D/swapped/$one.jsonl.zst"
sed "s/$two/$one/" "$D/archive/$two.json" >"$D/swapped/$one.json"
like "a segment and manifest of another journal under its name: it is named" "$(all_from "$D/swapped" | tr '\n' ' ')" "(refused $one|missing node=$node first=$((10#${one##*-}))) .*exit 1"
cp "$D/archive/$one.json" "$D/swapped/"
like "a segment of another journal under its name: it is refused" "$(all_from "$D/swapped" | tr '\n' ' ')" "refused $one.jsonl why=.*exit 1"

# ---- the stream in Redis, with a consumer group that is behind ----
stream=tollgate:audit:$node
oldest() { redis xrange "$stream" - + count 1 | head -1; }
redis xgroup create "$stream" siem 0 >/dev/null
was=$(oldest)
asks 3
is "entries that a group has not read are kept" "$(oldest)" "$was"
ids=$(redis xreadgroup group siem one count 50 streams "$stream" '>' | grep -E '^[0-9]+-[0-9]+$')
# shellcheck disable=SC2086 # ids, a word each
redis xack "$stream" siem $ids >/dev/null
behind() { [ "$(oldest)" != "$was" ]; }
check "entries that the group acknowledged are trimmed" wait_for behind
# Redis trims whole nodes of the stream, so some acknowledged entries may stay, but every other entry does.
unread=$(redis xinfo groups "$stream" | sed -n '/^last-delivered-id$/{n;p}')
is "no unread entry is trimmed" "$(printf '%s\n%s\n' "$(oldest)" "$unread" | sort -V | head -1)" "$(oldest)"
redis xgroup destroy "$stream" siem >/dev/null

# ---- an S3-compatible store ----
s3_names=$(grep -o '"S3: [^"]*"' "$0" | tr -d '"')
s3_skip() { while read -r name; do skip "$name" "$1"; done <<<"$s3_names"; }
if ! command -v npm >/dev/null; then
	s3_skip "npm is not installed"
elif npm_packages s3 "S3: a store to archive to"; then
	s3() {
		rm -f "$D/s3/port"
		(cd "$B/s3" && exec node s3.mjs "$D/s3" "${1:-}") >>"$D/s3.log" 2>&1 &
		s3_pid=$!
		note_pid $s3_pid s3
		wait_for test -s "$D/s3/port"
	}
	s3_away() {
		kill -KILL $s3_pid
		wait $s3_pid 2>/dev/null
	}
	mkdir "$D/s3"
	s3
	port=$(<"$D/s3/port")
	printf 'S3RVER\nS3RVER\n' >"$D/s3.credentials"
	chmod 600 "$D/s3.credentials"
	place="archive: \"s3://records/gw\", endpoint: \"http://127.0.0.1:$port\", credentials_file: $D/s3.credentials, lock: 2d"
	retention "{size: 64m, every: 100ms, $place}"
	put() { grep -cE "^PUT /records/gw/$node-[0-9]+-[0-9]+\.jsonl\.zst .* 200\$" "$D/s3/requests" 2>/dev/null; }
	some_put() { [ "$(put)" -ge 3 ]; }
	check "S3: uploads are signed and accepted" wait_for some_put
	all_there() { [ "$(metric retention_unarchived_segments)" = 0 ]; }
	check "S3: all closed segments are uploaded" wait_for all_there
	all_read() { awk '{ n[$1 " " $2]++ } END { for (k in n) if (k ~ /^PUT/) { g = k; sub(/^PUT/, "GET", g); bad += !n[g] } exit bad > 0 }' "$D/s3/requests"; }
	check "S3: each upload is read back" wait_for all_read
	tomorrow=$(date -u -d '+2 days' +%Y-%m-%d)
	like "S3: objects are locked for the configured time" "$(grep '^PUT' "$D/s3/requests" | tail -1)" " COMPLIANCE ($tomorrow|$(date -u -d '+1 day' +%Y-%m-%d))T[0-9:]+Z 200\$"

	s3_away
	retention "{age: 1s, below_six_months: true, every: 100ms, $place}"
	asks 30
	is "S3: an unreachable store does not delay a request" "$status" 200
	check "S3: status reports it" wait_for says '^retention: (the archive does not accept segments|not trimmed|failed)' status
	is "S3: nothing is trimmed meanwhile" "$(metric retention_trimmed_total)" 0
	# The store now has other bytes of the next segment to trim.
	next=$(packed | head -1)
	object=$(find "$D/s3/store" -name "$next*" | grep -E '_object$|zst$' | head -1)
	alter "$object" 2000
	before=$(put)
	s3 "$port"
	retention '{every: 100ms}'
	check "S3: when the store is back, the oldest segments are trimmed by age" wait_for recorded trim '.why=="age" and .archive=="s3://records/gw"'
	check "S3: a segment that the store lost is uploaded again" test "$(put)" -gt "$before"
	trimmed=$(records trim '.why=="age"' | head -1 | jq -r '.segments[0].segment')
	is "S3: it is the segment that was lost" "$trimmed.zst" "$next"
	like "S3: the remaining records verify" "$(verify)" '^ok .* trimmed=[1-9]'
	like "S3: a segment is restored from the store" "$(restored "${trimmed%.jsonl}")" "^restored $trimmed "
	rm -r "$JOURNAL.restored"
	alter "$object" 2000
	like "S3: an altered object is refused by name" "$(restored "${trimmed%.jsonl}")" "^refused $trimmed why="

	# ---- files of texts ----
	cat >"$D/sealing.yaml" <<-'Y'
		tollgate: 1
		name: sealing
		identity: [{jwt: {header: authorization, demo_issuer: true}}, {none: {}}]
		providers: {local: {backend: local, dialect: openai}}
		routes: [{name: chat, match: {api: openai}, targets: local, record: {prompt: full, response: full}}]
		default: permit
	Y
	sealing=$(auditor ann)
	# Each start begins a new file of texts, so the older one can be trimmed.
	again_with "{${sealing//seal:/'"seal":'}, retention: {age: 300d}, policy: $D/sealing.yaml}"
	ask
	id=$(header x-tollgate-id)
	settled
	ago() { date -u -d "-$1 minutes" +%Y-%m-%dT%H:%M:%SZ; }
	by_name() { restored "$@" "$file" | tr '\n' ' '; echo "exit ${PIPESTATUS[0]}"; }
	opened() { "$B/tollgate" audit open "$id" --key "$D/ann.key" --part prompt --shares "$JOURNAL.shares" -c "$D/tollgate.yaml" >"$D/text" 2>"$D/open.err"; }
	check "S3: a text opens" wait_for opened
	cp "$D/text" "$D/asked"
	file=$(ls "$JOURNAL.texts")
	again_with 'retention: {texts: 1s}'
	ask
	settled
	touch -d '1 hour ago' "$JOURNAL.texts/$file"
	check "S3: its file is archived, then trimmed, with a record" wait_for recorded trim '.what=="texts" and .archive=="s3://records/gw"'
	there=$(records trim '.what=="texts"' | tail -1 | jq -r '.texts[].file' | paste -sd' ')
	is "S3: it is the file of that text" "$there $(ls "$JOURNAL.texts" | grep -c "$file")" "$file 0"
	is "S3: its manifest is uploaded too" "$(grep -cE "^PUT /records/gw/$file(\\.json)? COMPLIANCE .* 200\$" "$D/s3/requests")" 2
	opened
	like "S3: the error states that the text was trimmed" "$? $(cat "$D/open.err")" '^1 .*trimmed: '
	like "S3: the remaining texts verify" "$(audit verify --texts -c "$D/tollgate.yaml" | tail -1)" '^ok source=texts .* trimmed=[1-9][0-9]* bad=0'
	alter "$object" 2000
	like "S3: the file is restored by time" "$(restored --texts --since "$(ago 70)" --until "$(ago 50)" | tr '\n' ' '; echo "exit ${PIPESTATUS[0]}")" "^restored $file [^ ]* [^ ]* exit 0$"
	check "S3: the text opens again" opened
	check "S3: the text is unchanged" cmp "$D/text" "$D/asked"
	like "S3: all texts verify" "$(audit verify --texts -c "$D/tollgate.yaml" | tail -1)" '^ok source=texts .* trimmed=0 bad=0'
	# On another machine, the file is named, because a store is not listed.
	rm -rf "$D/lost" "$D"/lost.*
	mkdir "$D/lost"
	like "S3: another machine restores the file by name" "$(by_name --journal "$D/lost" --public-key "$D/first.pub")" "restored $file .*exit 0"
	is "S3: the restored file is unchanged" "$(sha256sum <"$D/lost.restored.texts/$file")" "$(sha256sum <"$JOURNAL.restored.texts/$file")"
	rm -r "$JOURNAL.restored.texts"
	object=$(find "$D/s3/store" -name "$file*" | grep -E '_object$|texts$' | head -1)
	alter "$object" 200
	like "S3: an altered file of texts is refused" "$(by_name)" "^refused $file why=.*exit 1"
	opened
	like "S3: it does not open" "$? $(wc -c <"$D/text")" '^1 0'
fi
exit $failed
