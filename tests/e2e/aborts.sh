# A client that goes away ends its exchange in the relay, and the request at the
# provider: while it waits for the answer, in a stream, and while it uploads.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "clients that go away" "node is not installed"; exit 0; }
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
EDGE=$EDGE ADMIN=$ADMIN PROVIDER=$PROVIDER TOKEN=$(token) node "$here/aborts.mjs" >"$D/aborts.log" 2>&1 ||
	echo "not ok - aborts.mjs ends" >>"$D/aborts.log"
cat "$D/aborts.log"
grep -q '^not ok' "$D/aborts.log" && failed=1
settled
final is "each left a completion that says so" "$(cat "$JOURNAL"/* | grep -c '"client_abort"')" 2
