# How the relay classifies HAProxy's own failures. Each way to fail before or without a response of the provider has
# its cause. A provider cannot fake such a failure, and a target that received no request is not charged.
. "$(dirname "$0")/lib.sh"
. "$here/targets.bash"

# the backend of the first target | its lines besides the shipped ones. @down: a port without a listener, @mute: a
# listener that sends nothing, @tls: an unknown certificate, @up: the first provider
rows='down|server s @down check inter 50ms fall 1|never_sent
unresolved|server s nowhere.invalid:80 resolvers none init-addr none|never_sent
refused|server s @down|never_sent
queue|server s @up maxconn 1|never_sent
mute|server s @mute ssl verify none|never_sent
certificate|server s @tls ssl verify required ca-file /etc/ssl/certs/ca-certificates.crt|never_sent
rule|http-request return status 503|never_sent
late|server s @up|perhaps_billed
cut|server s @up|perhaps_billed
garbage|server s @up|perhaps_billed'
ids=$(cut -d '|' -f1 <<<"$rows")
for id in $ids unknown; do backend_of[a]=x-$id; route "$id"; done
backend_of[a]=local
route forged
route eof
echo "backends: [openai, anthropic, local, local_2, local_3, x-unknown$(printf ', x-%s' $ids)]" >"$D/config.yaml"
targets_up --config "$D/config.yaml"

read -r down _ < <("$build/stackhelp" ports 2)
cat >"$D/servers.mjs" <<'J'
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import tls from "node:tls";
const D = process.argv[2];
execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", `${D}/s.key`, "-out", `${D}/s.crt`, "-days", "2", "-subj", "/CN=nobody"], { stdio: "ignore" });
const mute = net.createServer((c) => c.on("error", () => {})).listen(0, "127.0.0.1", () => {
	const t = tls.createServer({ key: fs.readFileSync(`${D}/s.key`), cert: fs.readFileSync(`${D}/s.crt`) }, (c) => c.destroy()).listen(0, "127.0.0.1", () => {
		fs.writeFileSync(`${D}/.servers`, `mute=127.0.0.1:${mute.address().port} tls=127.0.0.1:${t.address().port}`);
		fs.renameSync(`${D}/.servers`, `${D}/servers`);
	});
	t.on("tlsClientError", () => {});
});
J
setsid node "$D/servers.mjs" "$D" </dev/null >"$D/servers.log" 2>&1 &
note_pid $! servers
check "the failing servers are ready" wait_for test -s "$D/servers"
. "$D/servers"
{
	echo 'resolvers none'
	echo '    nameserver n 127.0.0.1:9'
	while IFS='|' read -r id lines _; do
		sed -n '/^backend local from provider/,/^$/{/server/!p}' "$D/haproxy/haproxy.cfg" | sed "s/^backend local /backend x-$id /; /^$/d"
		echo '    timeout connect 200ms'
		[ $id != queue ] || echo '    timeout queue 200ms'
		[ $id != late ] || echo '    timeout server 300ms'
		sed "s/^/    /; s/@down/127.0.0.1:$down/; s/@mute/$mute/; s/@tls/$tls/; s/@up/${PROVIDER#http://}/" <<<"$lines"
	done <<<"$rows"
} >>"$D/haproxy/haproxy.cfg"
haproxy_reload
sleep 0.3 # HAProxy's check has found the server that is down

while IFS='|' read -r id _ cause; do
	row "$id"
	case $id in
	late) fault 1 '{"delay_ms":3600000}' ;;
	cut) fault 1 '{"cut_after_bytes":0}' ;;
	garbage) fault 1 '{"wire":"garbage\r\n\r\n"}' ;;
	queue)
		fault 1 '{"delay_ms":3600000,"times":1}'
		TIMEOUT=30 ask >/dev/null &
		under_way 1 ;;
	esac
	before=$(asked | cut -d ' ' -f1)
	ask
	is "$id: the next target answers" "$status $from $(said)" "200 b b 2"
	like "$id: the cause is $cause" "$(attempts)" "^(a $cause [-0-9]+, ){1,2}b done 200$"
	[ $cause = perhaps_billed ] || is "$id: the provider got no request" "$(asked | cut -d ' ' -f1)" "$before"
	release
done <<<"$rows"
wait $(jobs -p | grep -v "$(pid_of servers)") 2>/dev/null
row unknown
ask
is "a backend that does not exist in HAProxy: the next target answers" "$status $from $(attempts | cut -c1-12)" "200 b a never_sent"

# A provider cannot fake HAProxy's own failures.
row forged
fault 1 '{"status":503,"headers":{"x-tollgate-why":"503 0 -1 -1 0 local local ","x-tollgate-said":"nobody","x-tollgate-unanswered":"1","X-Tollgate_Why":"503 0 -1 -1 0 a b "}}'
ask
is "a provider's claim that it received no request is ignored" "$status $(attempts)" "200 a throttled 503, b done 200"
unlike "the claim does not reach the caller" "$head" 'x-tollgate-(why|said|unanswered)'
# The second request on a reused connection, without a response: it may have been billed.
row eof
ask
fault 1 '{"cut_after_bytes":0}'
ask
is "no response on a reused connection: the next target answers" "$status $from" "200 b"
like "the record has perhaps_billed" "$(attempts)" '^(a perhaps_billed [^,]*, ){1,2}b done 200$'
kill "$(pid_of servers)"
exit $failed
