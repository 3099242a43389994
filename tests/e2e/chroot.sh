# HAProxy in its chroot, as on Debian. The shipped socket paths are resolved inside the chroot for servers, and
# outside for binds.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || { skip "HAProxy in a chroot" "needs root"; exit 0; }
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
kill "$(pid_of haproxy)"
wait_for gone "$(pid_of haproxy)"
read -r port < <("$build/stackhelp" ports 1)
mkdir "$D/jailed"
for f in haproxy.cfg tollgate.cfg spoe.cfg 503.http origins.lst; do
	sed -e "s#/etc/haproxy/tollgate/#$D/jailed/#g" -e "s#chroot /var/lib/haproxy#chroot $SOCKETS#" \
		-e '/^ *user haproxy$/d; /^ *group haproxy$/d' \
		-e "s#unix@/run/tollgate/inner.sock mode 660 user haproxy group tollgate#unix@$SOCKETS/inner.sock mode 660#" \
		-e "s#bind :8080#bind 127.0.0.1:$port#" -e "s#^\( *server \(openai\|anthropic\|local\)\) .*#\1 ${PROVIDER#http://}#" \
		"$root/haproxy/$f" >"$D/jailed/$f"
done
check "the shipped socket paths are used unchanged" grep -q 'presetenv TOLLGATE_SOCKETS /tollgate$' "$D/jailed/tollgate.cfg"
ln -s . "$SOCKETS/tollgate" # inside the chroot, /tollgate/agent.sock is the stack's socket
setsid "$HAPROXY" -db -f "$D/jailed/haproxy.cfg" -f "$D/jailed/tollgate.cfg" </dev/null >"$D/jailed.log" 2>&1 &
echo "$! $(sed 's/.*) //' "/proc/$!/stat" | cut -d' ' -f20) haproxy" >>"$D/.pids"
EDGE=http://127.0.0.1:$port
wait_for curl -s -o /dev/null -X TRACE "$EDGE/"
is "HAProxy runs in its chroot" "$(readlink "/proc/$!/root")" "$SOCKETS"
auth="authorization: Bearer $(token)"
req POST /api/direct/x -H "$auth" -H 'content-type: application/json' -d '{}'
is "HAProxy reaches the agent" "$status $(header x-tollgate-decision)" "200 permit"
req POST /v1/chat/completions -H "$auth" -H 'content-type: application/json' -d '{"model":"echo","messages":[{"role":"user","content":"mail jane.doe@example.com"}]}'
is "HAProxy reaches the relay, and the relay reaches HAProxy" "$status $(header x-tollgate-decision)" "200 redact"
