# After `tollgate upgrade`, the changes of the other instance are in force, also if Redis
# has lost its data.
# Once: HAProxy does not affect the result.
. "$(dirname "$0")/lib.sh"
. "$here/upgrade.bash"
cp "$here/live-keys.policy.yaml" "$D/p.yaml"
"$build/tollgate" key new --person filed --keys "$D/keys.yaml" >/dev/null 2>&1
upgrade_stack "$D/p.yaml"
chat='{"model":"echo","messages":[{"role":"user","content":"hello"}]}'
code() { curl -s -m 90 -o "$D/answer" -w '%{http_code}' -H "authorization: Bearer $1" -H "$json" -d "$chat" "$EDGE/v1/chat/completions"; }
answers() { [ "$(code "$1")" = "$2" ]; }
# only_first: the deciding instance ends, Redis loses its data, and the first instance starts, as after a reboot
only_first() {
	local pid
	for pid in $(deciding); do
		kill -TERM "$pid"
		wait_for gone "$pid"
	done
	redis flushall >/dev/null
	daemon_start
	wait_for is_ready
}

revoked=$(key new --person alice --by ops --reason 'ticket 1') kept=$(key new --person bob --by ops --reason 'ticket 2')
check "a key of the first instance passes" wait_for answers "$revoked" 200
check "the second instance takes over" upgrade
is "it decides" "$(node_of)" a_b
check "the key passes there too" wait_for answers "$revoked" 200
made=$(key new --person carol --by ops --reason 'ticket 3')
key revoke "$(cut -d_ -f2 <<<"$revoked")" --by ops --reason 'it leaked' >/dev/null
check "the key is revoked there" wait_for answers "$revoked" 401
only_first
is "the first instance decides again" "$(node_of)" a
check "a key that was made at the second instance passes there" wait_for answers "$made" 200
is "the key stays revoked" "$(code "$revoked")" 401
is "a key that nobody revoked passes" "$(code "$kept")" 200
check "the second instance takes over again" upgrade
is "it knows the same" "$(node_of) $(code "$revoked") $(code "$made") $(code "$kept")" "a_b 401 200 200"
