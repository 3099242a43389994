# Functions for the tests of `tollgate upgrade`: the command, a load of requests, and a new instance that ends at a
# step.
# shellcheck shell=bash disable=SC2034,SC2154
upgrades=0

# upgrade_stack [POLICY] [OPTION…]: starts a stack that permits the callers; sets $auth, $json and the body of a
# request for a stream
upgrade_stack() {
	command -v node >/dev/null || { skip "upgrade" "node is not installed"; exit 0; }
	stack_up --policy "${1:-$here/policy.yaml}" --config "$here/config.yaml" "${@:2}"
	auth="authorization: Bearer $(token)"
	json='content-type: application/json'
	stream='{"model":"say:one two three four five six seven eight","stream":true,"messages":[{"role":"user","content":"hi"}]}'
}

# upgrade [OPTIONS]: runs the command; the output of the command and of the new instance is in `$said`. The instance
# ends with the test.
upgrade() {
	local code err
	err=$D/upgrade.$((++upgrades)).log # the instance continues to write into it
	"$build/tollgate" upgrade -c "$D/tollgate.yaml" --exec "${NEW_PROGRAM:-$build/tollgate}" "$@" \
		9>&- >>"$err" 2>&1 </dev/null
	code=$?
	said=$(cat "$err")
	note_instances
	return $code
}
# note_instances: registers the instances that commands started, so that they end with the test
note_instances() {
	local pid
	for pid in $(pgrep -f "^$build/tollgate serve -c $D/tollgate.yaml --instance"); do
		grep -q "^$pid " "$D/.pids" || note_pid "$pid" instance
	done
}
answered() { curl -s -m 10 -o /dev/null -w '%{http_code}' -H "$auth" -H "$json" -d '{"model":"echo","messages":[]}' "$EDGE/v1/chat/completions"; }
served() { [ "$(answered)" = 200 ]; }
node_of() { "$build/tollgate" status -c "$D/tollgate.yaml" --json | jq -r .node; }
decided_twice() { cat "$D"/journal/* "$D"/journal-b/* | tr -d '\0' | jq -r 'select(.type == "decision") | .id' | sort | uniq -d | wc -l; }
deciding() { pgrep -f "^$build/tollgate serve -c $D/tollgate.yaml"; } # prints one pid while there is one instance
load_begin() {
	rm -f "$D/enough" "$D/load.txt"
	EDGE=$EDGE TOKEN=$(token) STOP=$D/enough NOW=$D/load.txt node "$here/load.mjs" &
	loading=$!
}
load_end() {
	touch "$D/enough"
	wait $loading
}
refused() { awk '$1 !~ /^(200|403)$/ { n += $2 } END { print n + 0 }' "$D/load.txt"; }
# adopted DIR: succeeds once the instance that decides has closed the other one's chain in this journal, and given back the room that
# its file had
adopted() { [ "$(tail -qc 1 "$1"/*.jsonl | tr -d '\n' | wc -c)" = 0 ] && cat "$1"/*.jsonl | tr -d '\0' | jq -c 'select(.type == "boot" or .type == "close") | [.type, .written_by != null]' | tail -2 | xargs | grep -q '^.boot,true. .close,false.$'; }
# peer STEP [NODE]: starts a new instance that follows the hand-over up to this step and then ends
peer() {
	python3 "$here/upgrade-peer.py" "$SOCKETS/agent.sock.hand" "$@" 2>&1
}
