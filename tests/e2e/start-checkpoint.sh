# Starts from start checkpoints: limits hold over a stop, a kill and a loss of Redis' data, whether the
# file is whole, altered, older or missing.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

clear_of day 120
stack_up --policy "$here/emptied.yaml"
file=$D/journal.start
. "$here/emptied.bash"
passed() { local got; got=$(some "$@"); echo "${got% *}"; }
edge_up() { req GET /v1/models; [ "$status" != 503 ]; }
starts() {
	daemon_start
	wait_for is_ready
	wait_for edge_up
}
stops() {
	local pid
	pid=$(pid_of tollgate)
	kill -TERM "$pid"
	wait_for gone "$pid"
}
empty() { redis-cli -s "${REDIS#unix:}" FLUSHALL >/dev/null; }
# from: prints the source of the last start
from() { grep 'event=quota.recalled' "$D/tollgate.log" | tail -1 | sed 's/.* from=//'; }
written() { [ -s "$file" ]; }

is "five requests of twelve pass" "$(passed ann 5)" 5
settled
stops
check "a stop writes the file" written
is "the file has mode 0600" "$(stat -c %a "$file")" 600
cp "$file" "$D/older"
starts
is "the next start reads the file" "$(from)" checkpoint
is "two more requests pass" "$(passed ann 2)" 2
settled
killed tollgate
empty
starts
is "after a kill, a start reads the file" "$(from)" checkpoint
is "after Redis lost its data, five requests are left" "$(passed ann 7)" 5
settled
stops
cp "$D/older" "$file"
empty
starts
is "an older file is read" "$(from)" checkpoint
is "no request is left" "$(passed ann 2)" 0
settled
stops
sed -i 's/^count /count 9/' "$file"
empty
starts
is "an altered file is not read" "$(from)" journal
check "the log has the reason" says 'event=start.checkpoint_refused .*the start checkpoint is damaged' tail -60 "$D/tollgate.log"
is "the metric counts it" "$(metric start_checkpoints_total 'result="refused"')" 1
is "no request is left" "$(passed ann 2)" 0
settled
stops
rm -f "$file"
empty
starts
is "without the file the journal is read" "$(from)" journal
is "no request is left" "$(passed ann 2)" 0
check "a file is written at once" wait_for written
settled
stops
check "the journal verifies" verifies "$D/journal" "$D/audit.key.pub"
