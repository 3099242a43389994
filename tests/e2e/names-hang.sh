# A resolver that does not answer: the daemon starts, logs what is away, and ends within seconds of SIGTERM. glibc waits for ten
# seconds and more for each name.
# Once: no version of HAProxy differs here.
# Long: it waits for names.
. "$(dirname "$0")/lib.sh"

if [ "$(id -u)" != 0 ] || ! unshare -mn true 2>/dev/null; then
	skip "a resolver that does not answer" "needs root and namespaces"
	exit 0
fi
cat >"$D/p.yaml" <<-'Y'
	tollgate: 1
	name: t
	providers: {own: {backend: own, external: false}}
	routes: [{name: chat, match: {path: /v1/chat/completions}, targets: own}]
	limits: [{name: many, per: identity.person, requests: 10, window: 1h}]
	default: permit
Y
"$build/tollgate" keygen "$D/audit.key" >/dev/null
printf 'key\nsecret\n' >"$D/s3"
chmod 600 "$D/s3"
# Runs in a mount and a network namespace of its own. Its resolver's address exists, and packets to it are lost.
cat >"$D/inner" <<'X'
ip link set lo up
ip link add veth0 type veth peer name veth1
ip link set veth1 up
ip addr add 192.0.2.1/24 dev veth0
ip link set veth0 up
ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev veth0
echo 'nameserver 192.0.2.9' >"$1/resolv"
echo 'hosts: files dns' >"$1/nss"
mount --bind "$1/resolv" /etc/resolv.conf
mount --bind "$1/nss" /etc/nsswitch.conf
: >"$1/log" # the log of the case before this one, which has started, too
"$2/tollgate" serve -c "$1/tollgate.yaml" >"$1/log" 2>&1 &
daemon=$!
for _ in $(seq 600); do grep -q event=started "$1/log" && break; sleep 0.1; done
grep -q event=started "$1/log" || echo "not started"
for _ in $(seq 100); do grep -qE "$3" "$1/log" && break; sleep 0.1; done
sleep 1 # threads wait for names now
began=$(date +%s)
kill -TERM $daemon
wait $daemon
echo "$? $((($(date +%s) - began) < 9))"
X
daemon() { # options of tollgate.yaml, an event that is waited for
	rm -rf "$D/run" "$D/journal"*
	mkdir -p "$D/run"
	cat >"$D/tollgate.yaml" <<-Y
		policy: $D/p.yaml
		node: a
		workers: 2
		backends: [own]
		agent: {listen: "unix@$D/run/agent.sock"}
		relay: {listen: "unix@$D/run/relay.sock", egress: "unix@$D/run/egress.sock"}
		admin: {listen: "unix@$D/run/admin.sock"}
		audit: {journal: $D/journal, key: $D/audit.key}
		$1
	Y
	unshare -mn bash "$D/inner" "$D" "$build" "event=$2 " 2>&1
}
is "Redis by its name: the daemon ends soon" "$(daemon 'redis: {url: "redis://redis.example:6379"}' redis.unresolved)" "0 1"
like "the log has the reason" "$(cat "$D/log")" 'event=redis.unresolved .*redis.example: the resolver did not answer in time'
is "three nodes of a cluster: the daemon ends soon" "$(daemon 'redis: {url: "redis+cluster://a.example,b.example,c.example"}' redis.unresolved)" "0 1"
is "three Sentinels: the daemon ends soon" "$(daemon 'redis: {url: "redis+sentinel://a.example,b.example,c.example/main"}' redis.unresolved)" "0 1"
is "two receivers of syslog: the daemon ends soon" "$(daemon 'anchors: [{syslog: "tcp://a.example:514"}, {syslog: "tcp://b.example:514"}]' anchor.away)" "0 1"
like "the log has the receiver" "$(cat "$D/log")" 'event=anchor.away .*a.example: the resolver did not answer in time'
is "a witness, an archive and telemetry: the daemon ends soon" "$(daemon "anchors: [{url: \"https://notes.example/a\"}]
telemetry: {otlp: {url: \"http://otel.example:4318\"}}
retention: {every: 1s, archive: \"s3://bucket/a\", endpoint: \"https://s3.example\", credentials_file: \"$D/s3\"}
notify: {url: \"https://hooks.example/a\"}" anchor.away)" "0 1"

exit $failed
