# Sealed texts on another machine: from copies of journal, texts and shares, and from the archive alone. Each text
# opens unchanged, and a damaged one does not open.
# Once: no version of HAProxy differs here.
# Long: it waits for the daemon to close files of texts.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
mkdir "$D/archive"
printf 'workers: 1\n%s\nretention: {age: 300d, archive: "%s", every: 50ms}\n' "$(auditor ann)" "$D/archive" >"$D/mine.yaml"
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: elsewhere
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {}
providers:
  openai: {backend: local, dialect: openai}
routes:
  - {name: chat, match: {path: /v1/chat/completions}, targets: openai, record: {prompt: full, response: full}}
default: permit
Y
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml"
audit() { "$build/tollgate" audit "$@" 2>"$D/err"; }
post() { # PERSON TEXT
	req POST /v1/chat/completions -H "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")" -H 'content-type: application/json' \
		-d @- <<<"{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"
	id=$(header x-tollgate-id)
}
served() { post "$@"; [ "$status" = 200 ]; }
elsewhere() { # JOURNAL SHARES ID PART
	audit open "$3" --key "$D/ann.key" --part "$4" --journal "$1" --public-key "$D/audit.key.pub" --shares "$2" >"$D/text"
}
covered() { [ "$(metric audit_tree_behind_records)" = 0 ] && [ "$(metric audit_checkpoints_total)" -gt 0 ]; }
stopped() {
	local pid
	pid=$(pid_of tollgate)
	kill -TERM "$pid"
	wait_for gone "$pid"
}
long=$(head -c 150000 /dev/zero | tr '\0' x)
post alice "first of alice $long"
first=$id
post bob "first of bob"
bobs=$id
settled
check "the tree covers all records" wait_for covered
stopped

# ---- copies ----
mkdir "$D/copy"
for what in "$JOURNAL" "$JOURNAL.texts" "$JOURNAL.shares"; do cp -a "$what" "$D/copy/"; done
name=$(basename "$JOURNAL")
check "the copies are enough to open a text" elsewhere "$D/copy/$name" "$D/copy/$name.shares" "$first" prompt
like "the text is unchanged" "$(head -c 100 "$D/text")" 'first of alice'
check "all texts of the copies verify" audit verify --texts --journal "$D/copy/$name" --public-key "$D/audit.key.pub"
texts=$(ls "$D/copy/$name.texts")
damaged() { # NAME REGEX: checks that the error matches, and that nothing opens
	elsewhere "$D/copy/$name" "$D/copy/$name.shares" "$first" prompt
	like "$1: it does not open" "$? $(wc -c <"$D/text") $(cat "$D/err")" "^1 0 .*$2"
	audit verify --texts --journal "$D/copy/$name" --public-key "$D/audit.key.pub" >"$D/verify.log"
	like "$1: verify reports it" "$? $(tr '\n' ' ' <"$D/verify.log")" "^1 .*bad .*id=$first part=prompt .*why="
	elsewhere "$D/copy/$name" "$D/copy/$name.shares" "$bobs" prompt
	is "$1: another text opens" "$? $(grep -c 'first of bob' "$D/text")" "${3:-0 1}"
	cp --remove-destination "$JOURNAL.texts/$texts" "$D/copy/$name.texts/"
}
alter "$D/copy/$name.texts/$texts" 70000; damaged "a bit of it flipped" 'the hash of the ciphertext differs from the record'
alter "$D/copy/$name.texts/$texts" 128; damaged "the frame's head" 'no text begins at byte'
alter "$D/copy/$name.texts/$texts" 3; damaged "the file's head" 'the head of the file does not match' '1 0'
truncate -s 100000 "$D/copy/$name.texts/$texts"; damaged "cut" 'ends' '1 0'
truncate -s 60 "$D/copy/$name.texts/$texts"; damaged "cut in its head" 'the file ends within its head' '1 0'
truncate -s 0 "$D/copy/$name.texts/$texts"; damaged "empty" 'the file ends within its head' '1 0'
rm "$D/copy/$name.texts/$texts"; damaged "missing" 'is not here' '1 0'
rm "$D/copy/$name.texts/$texts"; ln -s "$JOURNAL.texts/$texts" "$D/copy/$name.texts/$texts"; damaged "a link" 'symbolic' '1 0'
auditor_key eve
elsewhere_by() { audit open "$first" --key "$1" --part prompt --journal "$D/copy/$name" --public-key "$D/audit.key.pub" --shares "$D/copy/$name.shares" "${@:2}" >"$D/text"; }
wrong() { # NAME KEY REGEX
	elsewhere_by "${@:2:1}" "${@:4}"
	like "$1" "$? $(wc -c <"$D/text") $(cat "$D/err")" "$3"
}
wrong "the key of another auditor" "$D/eve.key" '^1 0 .*not sealed to this key'
(umask 077 && openssl genpkey -algorithm ed25519 -out "$D/ed.key" && openssl genpkey -algorithm X448 -out "$D/x448.key") 2>/dev/null
wrong "a key of another kind" "$D/ed.key" '^2 0 .*X25519'
wrong "a key of another curve" "$D/x448.key" '^2 0 .*X25519'
head -c 60 "$D/ann.key" >"$D/half.key"; chmod 600 "$D/half.key"
wrong "a truncated key" "$D/half.key" '^2 0 .*half.key'
: >"$D/empty.key"; chmod 600 "$D/empty.key"
wrong "an empty key file" "$D/empty.key" '^2 0 .*empty.key'
wrong "a missing key file" "$D/none.key" '^2 0 .*none.key'
openssl pkey -in "$D/ann.key" -pubout -out "$D/pub.key"; chmod 600 "$D/pub.key"
wrong "the public key in place of the private one" "$D/pub.key" '^2 0 .*pub.key'
cp "$D/ann.key" "$D/wide.key"; chmod 644 "$D/wide.key"
wrong "a key file that others can read" "$D/wide.key" '^2 0 .*0644'
auditor_key pass s3cret
(umask 077; echo wrong >"$D/word")
wrong "a wrong passphrase" "$D/pass.key" '^2 0 .*passphrase does not' --passphrase-file "$D/word"
wrong "no passphrase" "$D/pass.key" '^2 0 .*the key is encrypted, and no passphrase is given'

# ---- the archive alone, after the machine was lost ----
find "$JOURNAL.texts" -name '*.texts' -exec touch -d '1 hour ago' {} +
for i in 1 2 3; do
	daemon_start
	check "the daemon starts again" wait_for is_ready
	check "it serves a request" wait_for served "p$i" "of start $i"
	settled
	check "the tree covers all records again" wait_for covered
	stopped
	find "$JOURNAL.texts" -name '*.texts' -exec touch -d '1 hour ago' {} +
done
daemon_start
check "the daemon starts once more" wait_for is_ready
in_archive() { ls "$D/archive" | grep -q '\.texts$'; }
wait_for in_archive
stopped
mkdir -p "$D/NEW/journal"
audit restore --archive "$D/archive" --public-key "$D/audit.key.pub" --journal "$D/NEW/journal" --since 2020-01-01 --texts >"$D/restored"
like "the archive restores records and texts" "$? $(tr '\n' ' ' <"$D/restored")" '^0 .*restored a-0+.texts .*restored a-00000001-'
check "a restored text opens" elsewhere "$D/NEW/journal" "$JOURNAL.shares" "$first" prompt
like "the restored text is unchanged" "$(head -c 100 "$D/text")" 'first of alice'
check "another person's text opens" elsewhere "$D/NEW/journal" "$JOURNAL.shares" "$bobs" response
alter "$D/archive/$texts" 70000
mkdir -p "$D/AGAIN/journal"
audit restore --archive "$D/archive" --public-key "$D/audit.key.pub" --journal "$D/AGAIN/journal" --since 2020-01-01 --texts >"$D/restored"
like "texts that were altered in the archive are refused" "$? $(tr '\n' ' ' <"$D/restored")" "^1 .*refused $texts why=\"the archive has a different file\""
elsewhere "$D/AGAIN/journal" "$JOURNAL.shares" "$first" prompt
like "they do not open" "$? $(wc -c <"$D/text") $(cat "$D/err")" '^1 0 .*is not here'
exit $failed
