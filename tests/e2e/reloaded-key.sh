# HAProxy is reloaded with another provider key: once the new one serves, no request goes out
# with the old key, though the relay keeps connections to the old HAProxy.
. "$(dirname "$0")/lib.sh"

stack_up
auth="authorization: Bearer $(token)"
json='content-type: application/json'
master=$(awk '$3 == "haproxy" { p = $1 } END { print p }' "$D/.pids")
# held in the relay's pool: several at a time
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
check "the key is the provider's" test -n "$old"
is "all were answered" "$(sort "$D/codes" | uniq -c | tr -s ' ')" " 20 200"
sed -i "s/$old/sk-the-new-one/g; s/%\[env([A-Z_]*OPENAI[A-Z_]*)\]/sk-the-new-one/g" "$D/haproxy/haproxy.cfg"
like "the configuration has another key" "$(cat "$D/haproxy/haproxy.cfg")" 'sk-the-new-one'
reused=$(metric relay_reused_total)
kill -USR2 "$master"
# until new connections are the new one's, ten in a row
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
is "all are answered after it" "$(sort "$D/codes" | uniq -c | tr -s ' ')" " 20 200"
is "none with the old key" "$(seen 1000 | grep -c "$old")" 0
like "all with the new one" "$(keys)" ' 60 .*sk-the-new-one'

# a provider cannot say that it is a HAProxy which leaves
forget
control '{"status":503,"headers":{"x-tollgate-leaving":"1"}}'
burst 3
is "a provider's own word moves no request" "$(seen 1000 | grep -o '"method":"POST"' | wc -l)" 3
exit $failed
