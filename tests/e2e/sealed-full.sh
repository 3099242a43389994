# The disk of `seal.shares` is full: requests of new persons are refused, and the daemon names the file of shares, not the
# journal. With room on the disk it serves again.
# Once: HAProxy does not affect the result.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
disk="$D/disk"
if [ "$(id -u)" != 0 ] || ! mkdir "$disk" || ! mount -t tmpfs -o size=1m,mode=700 tmpfs "$disk" 2>/dev/null; then
	skip "a full disk of shares" "needs root, for a disk of its own"
	exit 0
fi
unmount() { "$root/tests/support/stack" down --dir "$D"; umount "$disk" 2>/dev/null; finish; }
trap unmount EXIT
auditor ann | sed "s#seal: {#seal: {shares: \"$disk/shares\", #" >"$D/mine.yaml"
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: sealing
identity: [{jwt: {header: authorization, demo_issuer: true}}]
providers: {openai: {backend: local, dialect: openai}}
routes: [{name: chat, match: {path: [/v1/chat/completions]}, targets: openai, record: {prompt: redacted}}]
default: permit
Y
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml"
person=0
say() { # the next person
	person=$((person + 1))
	req POST /v1/chat/completions -H "authorization: Bearer $(token --claims "{\"sub\":\"person-$person\"}")" -H 'content-type: application/json' \
		-d '{"model":"echo","messages":[{"role":"user","content":"hello"}]}'
}
say
is "a person is served" "$status" 200
settled
head -c 4000000 /dev/zero >"$disk/.filler" 2>/dev/null
is_refused() { say; [ "$status" = 503 ]; }
check "a new person is refused" wait_for is_refused
like "the refusal has its cause" "$body" audit_unavailable
in_status() { "$build/tollgate" status -c "$D/tollgate.yaml"; }
cause="$disk/shares .seal.shares. cannot be written: No space left on device"
check "status reports the part shares with the file" wait_for says "^degraded: shares: $cause" in_status
like "readyz names the file" "$(ready)" "^audit: down: $cause"
sleep 3 # two further checks of the parts
unlike "the journal is not blamed" "$(in_status; ready)" 'degraded: journal|the journal cannot be written'
is "the metric names the part" "$(metric degraded 'part="shares"') $(metric degraded 'part="journal"')" "1 0"
like "the log names the file" "$(grep event=audit.failing "$D/tollgate.log")" "shares=$disk/shares"
rm "$disk/.filler"
served() { say; [ "$status" = 200 ]; }
check "with room on the disk new persons are served" wait_for served
well() { ! says 'part="shares"\} 1' eval "fetch GET $ADMIN/metrics"; }
check "the end is reported" wait_for well
settled
recorded() { cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"degraded"' | grep -c '"dependency":"shares"'; }
check "begin and end are recorded for the shares" wait_for says '^2' recorded
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
