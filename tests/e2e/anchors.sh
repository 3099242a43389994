# Checkpoints are sent to a file, to rsyslog over TLS, to a URL, to a time-stamp authority, and to a second daemon,
# which is the witness. The manual checks of docs/evidence.md succeed. If an old copy of the journal is restored, the
# witness refuses its checkpoint and the daemon reports the reason.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "external checkpoints" "node is not installed"; exit 0; }
mkdir -p "$D/out"
stack_up --no-redis
node=$(sed -n 's/^node: *//p' "$D/tollgate.yaml")
ask() { for ((i = 0; i < $1; i++)); do req GET /v1/models -H "authorization: Bearer $(token)"; done; }
status() { "$build/tollgate" status -c "$D/tollgate.yaml"; }
records() { cat "$D"/journal/* | tr -d '\0' | grep "\"type\":\"$1\"" | jq -c "select(${2:-true})"; }
recorded() { [ -n "$(records "$@")" ]; }

# ---- the anchors ----
. "$here/tsa.bash"
note_pid $places places
(cd "$D/out" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
	-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout log.key -out log.crt) 2>"$D/openssl.log"

rsyslog() {
	rsyslog_found || return 1
	syslog_port=$(free_ports 1)
	cat >"$D/out/rsyslog.conf" <<-CONF
	global(defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="$D/out/log.crt"
		defaultNetstreamDriverCertFile="$D/out/log.crt" defaultNetstreamDriverKeyFile="$D/out/log.key")
	module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
	input(type="imtcp" port="$syslog_port" address="127.0.0.1")
	template(name="all" type="string" string="%pri% %hostname% %app-name% %msgid% %msg%\n")
	action(type="omfile" file="$D/out/syslog" template="all")
	CONF
	LD_LIBRARY_PATH=$libraries "$rsyslogd" -n ${modules:+-M "$modules"} -f "$D/out/rsyslog.conf" -i "$D/out/rsyslog.pid" </dev/null >"$D/rsyslog.log" 2>&1 &
	note_pid $! rsyslog
}
has_syslog=yes
rsyslog || has_syslog=''

# ---- the witness: a second daemon ----
. "$here/witness.bash"
accepts() { "$build/tollgate" check -c "$1" >"$D/check.log" 2>&1 || { sed 's/^/#   /' "$D/check.log"; false; }; }
check "check accepts the witness" accepts "$D/w.yaml"
"$build/tollgate" serve -c "$D/w.yaml" </dev/null >"$D/w.log" 2>&1 &
note_pid $! witness
check "the witness listens" wait_for test -S "$D/witness.sock"

again_with "anchors:
  - {file: \"$D/out/notes\", every: 1s}
  - {url: \"$http/notes\", every: 1s}
  - {tsa: \"$http/tsr\", ca: \"$D/out/tsa.crt\", every: 1s}
  - {witness: \"unix:$D/witness.sock:/\", key: \"$D/witness.key.pub\", every: 1s}
  - {witness: \"http://127.0.0.1:9/\", key: \"$D/witness.key.pub\", every: 1s}
$([ -z "$has_syslog" ] || echo "  - {syslog: \"tls://localhost:$syslog_port\", tls_ca: \"$D/out/log.crt\", every: 1s}")"
check "check accepts the anchors" accepts "$D/tollgate.yaml"
ask 3
for kind in file url tsa witness; do
	check "$kind: a checkpoint is delivered, and recorded" wait_for recorded anchor ".kind==\"$kind\" and .result==\"taken\""
done
if [ -n "$has_syslog" ]; then
	check "rsyslog: a checkpoint is delivered over TLS" wait_for recorded anchor '.kind=="syslog" and .result=="taken"'
	check "rsyslog writes it with its priority, name and id" wait_for says "^109 $node tollgate checkpoint tollgate/$node#012[0-9]+#012.{44}#012#012— tollgate/$node " cat "$D/out/syslog"
else
	skip "rsyslog: a checkpoint is delivered over TLS" "Debian's rsyslog is not available"
fi
like "the file contains signed notes" "$(cat "$D/out/notes")" "^— tollgate/$node "
like "the URL received signed notes" "$(cat "$D/out/posted")" "^— tollgate/$node "
like "status reports an anchor that is unreachable" "$(status)" '^anchor witness http://127.0.0.1:9/: away for [0-9]+ s: '
check "a metric counts the failed deliveries" test "$(metric anchors_total 'kind="witness",result="away"')" -gt 0
is "the daemon stays ready if an anchor is unreachable" "$(curl -s -o /dev/null -w '%{http_code}' "$ADMIN/readyz")" 200
like "the witness logs the checkpoint that it cosigned" "$(cat "$D/w.log")" "event=witness.cosigned origin=tollgate/$node"

# ---- manual checks of docs/evidence.md ----
by_hand() { # HEADING SIZE LAST-COMMAND: runs the commands of that section, with this checkpoint's size and folder
	sed -n "/^### $1/,/^<a id/p" "$root/docs/evidence.md" | sed -n '/^```sh/,/^```$/p' | sed '/^```/d' |
		sed "s/==N)/==$2)/; s#--journal DIR#--journal $D/journal#; s#tsa-ca.pem#$D/out/tsa.crt#; s#-inkey witness.pub#-inkey $D/witness.key.pub#"
}
size=$(records anchor '.kind=="tsa"' | tail -1 | jq .size)
mkdir -p "$D/hand"
(cd "$D/hand" && PATH=$build:$PATH bash -euc "$(by_hand 'Verify a time stamp by hand' "$size")") >"$D/hand.log" 2>&1
like "a time stamp can be verified by hand" "$(cat "$D/hand.log")" '^Verification: OK'
size=$(records anchor '.kind=="witness" and .result=="taken"' | tail -1 | jq .size)
(cd "$D/hand" && PATH=$build:$PATH tollgate audit export --journal "$D/journal" >all.jsonl &&
	jq -rj "select(.type==\"checkpoint\" and .size==$size).note" all.jsonl >note &&
	bash -euc "$(by_hand 'Verify a cosignature by hand' "$size")") >"$D/hand.log" 2>&1
like "a cosignature can be verified by hand" "$(cat "$D/hand.log")" 'Verified Successfully'

# ---- an old copy of the journal is restored ----
stopped() {
	local pid
	pid=$(pid_of tollgate)
	kill -TERM "$pid"
	wait_for gone "$pid"
}
stopped
mkdir "$D/old" && cp -a "$D"/journal "$D"/journal.* "$D/old/"
daemon_start
wait_for is_ready
seen_by_witness() { cut -d' ' -f1 "$D/w-journal.witness" | tail -1; }
before=$(seen_by_witness)
ask 30
grown() { [ "$(seen_by_witness)" -gt $((before + 30)) ]; }
check "the witness cosigns the longer log" wait_for grown
stopped
mkdir "$D/true" && mv "$D"/journal "$D"/journal.* "$D/true/"
cp -a "$D"/old/. "$D/"
daemon_start
wait_for is_ready
check "the witness refuses a restored old copy" wait_for recorded anchor '.kind=="witness" and .result=="refused"'
check "status reports that the log is shorter than the witness has seen" wait_for says '^anchor witness unix:.*: refused for [0-9]+ s: the witness has seen [0-9]+ records of this log, which has [0-9]+ now: its end was cut off' status
like "the daemon's log reports it too" "$(cat "$D/tollgate.log")" 'event=anchor.refused kind=witness .*an old copy was restored'
check "the witness logs its refusal" grep -q 'event=witness.refused .*status=409' "$D/w.log"
ask 60
check "if the old copy grows beyond the size that the witness saw, status reports a fork" wait_for says '^anchor witness unix:.*this log does not continue the log that the witness has seen \(422\): the journal was forked' status
is "requests are not affected" "$status" 200
stopped
rm -rf "$D"/journal "$D"/journal.*
cp -a "$D"/true/. "$D/"
daemon_start
check "after the true journal is restored, the witness cosigns again" wait_for says '"kind":"witness","place":"unix:[^"]*","state":"taken"' "$build/tollgate" status --json -c "$D/tollgate.yaml"
stopped
check "the chain with its anchor records verifies" verifies "$D/journal" "$D/audit.key.pub"
with_theirs() { "$build/tollgate" audit verify --journal "$D/journal" --public-key "$D/audit.key.pub" --tsa-ca "$D/out/tsa.crt" --witness-key "$1"; }
like "verify also verifies the witness's signatures" "$(with_theirs "$D/witness.key.pub")" '^ok .* anchors=[1-9][0-9]* verified_anchors=[1-9]'
is "a file that contains no key is refused" "$(with_theirs "$D/out/tsa.cnf" >"$D/theirs.log" 2>&1; echo $?)" 2
kill -TERM "$(pid_of witness)"
check "the witness ends" wait_for gone "$(pid_of witness)"
check "the witness's own chain verifies" verifies "$D/w-journal" "$D/w-audit.key.pub"
