# A record that is changed on the disk is reported in every place, by the daemon's own verification and by *Verify now*,
# until an auditor accepts it with a reason. After `tollgate upgrade`, the instance that decides verifies both journals.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/upgrade.bash"

mkdir "$D/webhook"
secret=whsec_$(openssl rand -base64 32)
(umask 077 && echo "$secret" >"$D/notify.secret")
node "$here/notify.mjs" "$D/webhook" "$secret" >"$D/hook" 2>"$D/hook.log" &
hook=$!
wait_for test -s "$D/hook"
printf 'workers: 1\naudit: {segment: 64k}\nnotify: {url: "http://127.0.0.1:%s/", secret_file: "%s/notify.secret"}\n' "$(<"$D/hook")" "$D" >"$D/config.yaml"
stack_up --config "$D/config.yaml"
auth="authorization: Bearer $(token)"
ask() { req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -d '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}'; }
tg() { "$B/tollgate" "$@" -c "$D/tollgate.yaml" 2>&1; }
says() { [[ $(tg status) =~ $1 ]]; }
quiet() { ! says 'degraded: chain'; }
verified() { tg status --json | jq -c ".audit.verified$1"; }
api() { curl -s --unix-socket "$(sed -n 's/^ *listen: "unix@\(.*admin.sock\)"/\1/p' "$D/tollgate.yaml")" "http://tollgate$1" "${@:2}"; }
ended() { [ "$(api /records/verify | jq .running)" = false ]; }
verify_now() {
	is "a verification begins" "$(api /records/verify -d '{}')" '{"running":true}'
	wait_for ended
}
metric_chain() { fetch GET "$ADMIN/metrics" | sed -n 's/^tollgate_degraded{part="chain"} //p'; }

for ((i = 0; i < 160; i++)); do ask; done
settled
check "requests fill segments" test "$(find "$JOURNAL" -name '*.jsonl' | wc -l)" -ge 3
is "no fault is known at first" "$(verified .faults)" '[]'
verify_now
is "Verify now finds none either" "$(verified .faults)" '[]'

victim=$(find "$JOURNAL" -name '*.jsonl' | sort | sed -n 2p)
cp "$victim" "$D/sound"
printf X | dd of="$victim" bs=1 seek="$(grep -abo '"decision":"permit"' "$victim" | sed -n '3s/:.*//p')" conv=notrunc status=none
check "a byte of the segment is another one" test "$(cmp -l "$victim" "$D/sound" | wc -l)" = 1
verify_now
check "status reports the record" wait_for says 'degraded: chain: record [a-z0-9-]+/[0-9]+ \(journal\): changed'
is "the metric reports it" "$(metric_chain)" 1
check "the webhook receives it, signed" wait_for grep -q '^signed .* begin chain ' "$D/webhook/got"
like "the daemon stays ready" "$(tg status)" 'ready$'
like "the log names the record" "$(cat "$D/tollgate.log")" 'event=audit.chain_fault .*seq=[0-9]+'
id=$(verified '.faults[0] | "\(.node)/\(.seq)"' | tr -d '"')
like "without a reason, the fault is not accepted" "$(tg audit accept "$id")" 'reason'
like "an unknown record is not accepted" "$(tg audit accept nobody/1 --reason x; echo $?)" 'no fault of this record'
like "with a reason, it is accepted" "$(tg audit accept "$id" --reason 'a test changed it')" "$id is accepted"
check "it is no news any more" wait_for quiet
is "it stays listed" "$(verified '.faults[0].accepted')" true
check "the acceptance is a record" test -n "$(cat "$JOURNAL"/* | tr -d '\0' | grep '"what":"fault"' | grep 'a test changed it')"
is "a verification by hand still fails" "$(tg audit verify >/dev/null; echo $?)" 1

again_with 'log: {level: info}'
kill "$hook"
is "a restart keeps the acceptance" "$(verified '.faults[0].accepted')" true
check "an accepted fault is not reported again" quiet
rm "$JOURNAL.verified"
again_with 'log: {level: info}'
check "without its file, the daemon finds the record by itself" wait_for says 'degraded: chain: record [a-z0-9-]+/[0-9]+ \(journal\): changed'
cp "$D/sound" "$victim"
verify_now
is "a corrected record is no fault any more" "$(verified .faults)" '[]'

printf X | dd of="$victim" bs=1 seek="$(grep -abo '"decision":"permit"' "$victim" | sed -n '3s/:.*//p')" conv=notrunc status=none
check "the second instance takes over" upgrade
check "it verifies the first instance's journal, too" wait_for says "degraded: chain: record $(printf %s "${id%/*}")/[0-9]+ \\(journal\\): changed"
like "the fault names the first instance's node" "$(verified '.faults[0].node') $(node_of)" "^\"${id%/*}\" ${id%/*}_b"
