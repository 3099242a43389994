# HAProxy is reloaded with another provider key. When the new HAProxy serves, no request uses the old key, although
# the relay has open connections to the old HAProxy.
. "$(dirname "$0")/lib.sh"

stack_up
auth="authorization: Bearer $(token)"
json='content-type: application/json'
master=$(awk '$3 == "haproxy" { p = $1 } END { print p }' "$D/.pids")
# several at the same time, so that the relay's pool has several connections
burst() {
	for _ in $(seq "$1"); do
		curl -s -o /dev/null -w '%{http_code}\n' "$EDGE/v1/chat/completions" -H "$auth" -H "$json" \
			-d '{"model":"m","messages":[{"role":"user","content":"write to jane@example.com"}]}' &
	done >"$D/codes"
	wait
}
keys() { seen 1000 | grep -o '"authorization":"[^"]*"' | sort | uniq -c; }
control '{"delay_ms":100}'
burst 20
control '{}'
old=$(keys | grep -o 'sk-[a-z-]*' | head -1)
check "the test knows the provider's key" test -n "$old"
is "all requests pass before the reload" "$(sort "$D/codes" | uniq -c | tr -s ' ')" " 20 200"
sed -i "s/$old/sk-the-new-one/g; s/%\[env([A-Z_]*OPENAI[A-Z_]*)\]/sk-the-new-one/g" "$D/haproxy/haproxy.cfg"
like "the configuration has another key" "$(cat "$D/haproxy/haproxy.cfg")" 'sk-the-new-one'
reused=$(metric relay_reused_total)
kill -USR2 "$master"
# repeats until ten connections in a row use the new key
row=0
for _ in $(seq 600); do
	sleep 0.05
	forget
	curl -s -o /dev/null "$EDGE/v1/models" -H "$auth"
	if keys | grep -q sk-the-new-one; then row=$((row + 1)); else row=0; fi
	[ $row = 10 ] && break
done
is "the new HAProxy serves" "$row" 10
forget
for _ in $(seq 3); do burst 20; done
is "all requests pass after the reload" "$(sort "$D/codes" | uniq -c | tr -s ' ')" " 20 200"
is "no request uses the old key" "$(seen 1000 | grep -c "$old")" 0
like "all requests use the new key" "$(keys)" ' 60 .*sk-the-new-one'

# A provider cannot claim to be a HAProxy that is stopping.
forget
control '{"status":503,"headers":{"x-tollgate-leaving":"1"}}'
burst 3
is "a provider's claim does not repeat a request" "$(seen 1000 | grep -o '"method":"POST"' | wc -l)" 3
exit $failed
