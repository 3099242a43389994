# Realtime sessions over WebSockets, decided message by message.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "WebSockets" "node is not installed"; exit 0; }
stack_up --policy "$here/realtime.yaml"
forget
export EDGE TOKEN
TOKEN=$(token)
for part in handshakes contents bad; do
	node "$here/realtime.mjs" $part >"$D/$part.log" 2>&1 || failed=1
	grep -E '^(ok|not ok|#)' "$D/$part.log"
	grep -q '^ok' "$D/$part.log" || not_ok "realtime.mjs $part" "$(tail -3 "$D/$part.log")"
done
