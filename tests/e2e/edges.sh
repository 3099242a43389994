# tollgate init on configurations as companies have them (tests/e2e/edges). Each is changed by init, runs on the real
# HAProxy, and is tested by `check --probe` and by direct and relayed requests to each host. The responses of the
# company's own sites must be the same as before. The files of the package stay as dpkg installed them, and `init --undo`
# restores each file of the company to the byte.
# Once: no version of HAProxy differs here.
#
# The lines at the top of an edge's file describe its test:
#   # init: ARGUMENTS          arguments of tollgate init
#   # gate: URL [CURL OPTIONS] a host that passes the gate; gets direct and relayed requests
#   # model: URL N            a gated URL of a model, whose requests have N keys of the company
#   # probes: N N              the number of direct and relayed probes, if it is not the number of gates
#   # moved: URL               a gated host that another frontend redirects
#   # site: URL [OPTIONS]      a site of the company: status, text and Location must not change
#   # refused: URL [OPTIONS]   refused by the company's rules: no decision, no record
#   # file: NAME WORDS...      a file below /etc/haproxy, two words a line; _ is a space within a word
#   # default: LINE            a line of /etc/default/haproxy
#   # agent: PORT              an SPOE agent listens there (edges/agent.mjs)
#   # run: COMMAND             runs before HAProxy first starts
# Each runs in its own mount and network namespace, two at the same time.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"

if [ "$(id -u)" != 0 ] || ! unshare -mn true 2>/dev/null; then
	skip "configurations as companies have them" "needs root and namespaces"
	exit 0
fi
edges=${EDGES:-$(cd "$here/edges" && ls -d *.cfg */haproxy.cfg)}
mkdir -p "$D/certs"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=all -keyout "$D/key.pem" -out "$D/all.crt" \
	-addext 'subjectAltName=DNS:ai.example.com,DNS:llm.example.com,DNS:www.example.com,DNS:shop.example.com,DNS:intern.example.com' 2>/dev/null
cat "$D/all.crt" "$D/key.pem" >"$D/certs/all.pem"
for name in ai shop intern; do
	openssl req -x509 -key "$D/key.pem" -days 30 -subj "/CN=$name" -addext "subjectAltName=DNS:$name.example.com" 2>/dev/null |
		cat - "$D/key.pem" >"$D/certs/$name.example.com.pem"
done
# the company's applications: each port returns its number and the path
{
	printf 'global\n    stats socket /run/sites.sock\ndefaults\n    mode http\n    option http-buffer-request\n    timeout client 1m\n    timeout server 1m\n    timeout connect 1s\n'
	for port in 8081 8082 8083 8084; do
		printf 'frontend s%s\n    bind 127.0.0.1:%s\n    http-request return status 200 content-type text/plain lf-string "site %s %%[path] %%[req.body]"\n' $port $port $port
	done
} >"$D/sites.cfg"

cat >"$D/inside" <<'EOF'
set -u
cd "$root" || exit 1
. tests/support/cheap.bash
file=$1 edge=${1%/haproxy.cfg} W=$D/${1%%[./]*}
src=$here/edges/$file
mkdir -p "$W/over"
mount -t tmpfs tmpfs "$W/over"
for d in etc var/lib; do
	mkdir -p "$W/over/$d.up" "$W/over/$d.work"
	mount -t overlay overlay -o "lowerdir=/$d,upperdir=$W/over/$d.up,workdir=$W/over/$d.work" "/$d" || exit 1
done
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
for a in 203.0.113.10 203.0.113.11 198.51.100.7; do ip addr add $a/32 dev lo; done
rm -rf /etc/tollgate /etc/haproxy/tollgate /var/lib/tollgate /etc/systemd/system/tollgate*
systemd-sysusers "$root/docs/tollgate.sysusers" 2>/dev/null
systemd-tmpfiles --create "$root/docs/tollgate.tmpfiles" 2>/dev/null
install -d -o haproxy -g haproxy /run/haproxy
install -d -o tollgate -g tollgate -m 750 /var/lib/tollgate
echo 127.0.0.1 api.openai.com api.anthropic.com api.mistral.ai >>/etc/hosts
export PATH=$B:$PATH
words() { sed -n "s/^# $1: //p" "$src"; }
say() { printf '%s\t%s\t%s\t%s\n' "$edge" "$1" "$2" "$3" >>"$W/said"; } # what, got, want

# ---- the company's machine ----
if [ "$file" = "$edge" ]; then cp "$src" /etc/haproxy/haproxy.cfg; else cp -r "$here/edges/$edge/." /etc/haproxy/; fi
cp -r "$D/certs" /etc/haproxy/
words default >/etc/default/haproxy
words file | while read -r name rest; do
	mkdir -p "$(dirname "/etc/haproxy/$name")"
	if [ "$name" = crt-list.txt ]; then
		printf '%s\n' $rest | tr _ ' '
	else
		printf '%s %s\n' $rest
	fi >"/etc/haproxy/$name"
done
[ ! -e /etc/haproxy/maps/blocked.lst ] || tr ' ' '\n' </etc/haproxy/maps/blocked.lst >/etc/haproxy/maps/b && [ ! -e /etc/haproxy/maps/b ] || mv /etc/haproxy/maps/b /etc/haproxy/maps/blocked.lst
words run >"$W/run" && bash -e "$W/run"
mkdir -p "$W/original" && cp -r /etc/haproxy /etc/default "$W/original/"
haproxy -D -f "$D/sites.cfg"
"$B/mockllm" --listen 127.0.0.1:8001 >"$W/mock.log" 2>&1 &
redis-server --port 6379 --save '' --daemonize no >"$W/redis.log" 2>&1 &
words agent | while read -r port; do node tests/e2e/edges/agent.mjs "$port" >"$W/agent.log" 2>&1 & done
for port in $(words agent) 6379; do
	until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do nap 0.02; done
done

haproxy_up() {
	EXTRAOPTS=
	set -a
	. /etc/default/haproxy
	set +a
	# wait as long as the stack of the other tests does
	[ ! -d /etc/haproxy/tollgate ] || sed -i 's/^\( *timeout \(hello\|processing\|connect\)\) \(500ms\|1s\)$/\1 20s/' /etc/haproxy/tollgate/*.cfg
	rm -f /run/haproxy.pid /run/tollgate/inner.sock
	# shellcheck disable=SC2086
	haproxy -D -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid $EXTRAOPTS >>"$W/haproxy.log" 2>&1 || { tail -5 "$W/haproxy.log"; return 1; }
}
haproxy_down() {
	local pid
	for pid in $(cat /run/haproxy.pid); do
		kill -TERM "$pid"
		while kill -0 "$pid" 2>/dev/null; do nap 0.01; done
	done
}
# ask URL [OPTIONS]: sets $status, $text, $fields
ask() {
	local url=$1 host
	shift
	host=${url#*://} host=${host%%/*}
	[ "${host#*:}" = "$host" ] && case $url in https*) host=$host:443 ;; *) host=$host:80 ;; esac
	curl -s -k -m 20 -o "$W/text" -D "$W/head" --connect-to "$host:${at:-127.0.0.1}:${host#*:}" "$url" "$@" -w '%{http_code}' >"$W/status" 2>"$W/curl.err"
	status=$(cat "$W/status") text=$(head -c 300 "$W/text" 2>/dev/null | tr -d '\0')
	fields=$(tr -d '\r' <"$W/head" | tr 'A-Z' 'a-z')
}
field() { sed -n "s/^$1: //p" <<<"$fields" | tail -1; }
sites() {
	words site | while read -r url options; do
		# shellcheck disable=SC2086
		ask "$url" $options
		printf '%s %s: %s %s %s\n' "$url" "$options" "$status" "$(field location)" "$(grep -v '^# pid\|tollgate\|,' <<<"$text" | head -2 | tr '\n' ' ')"
	done
}
haproxy_up || { say "the company's HAProxy starts" no yes; exit; }
sites >"$W/before"
haproxy_down

# ---- tollgate, installed as README describes ----
package() { (cd "$root/haproxy" && printf '%s\n' tollgate.cfg spoe.cfg 503.http origins.lst); }
install -d /etc/haproxy/tollgate
package | while read -r f; do cp "$root/haproxy/$f" /etc/haproxy/tollgate/; done
eval "set -- $(words init)"
tollgate init "$@" --write >"$W/init.out" 2>"$W/init.err"
code=$?
say "init adds the stanza" "$code" 0
key=$(grep -h -o '^tg_[0-9a-z_]*' "$W/init.out" | head -1)
[ $code = 0 ] || exit
package | while read -r f; do cmp -s "$root/haproxy/$f" "/etc/haproxy/tollgate/$f" || echo "$f"; done >"$W/changed"
say "init leaves the package's files as they are" "$(cat "$W/changed")" ""
cp -r /etc/haproxy /etc/default "$W/over/"
# systemd runs this before it starts the daemon
sed -n 's/^ExecStartPre=+//p' /etc/systemd/system/tollgate.service.d/*.conf 2>/dev/null | bash -e
# from here on, the provider is simulated
for f in /etc/haproxy/haproxy.cfg /etc/haproxy/conf.d/*.cfg; do
	[ ! -e "$f" ] || sed -i -E 's/(server +[^ ]+) +api\.[a-z.]*:443 .*/\1 127.0.0.1:8001/' "$f"
done
setpriv --reuid tollgate --regid tollgate --init-groups tollgate serve >"$W/tollgate.log" 2>&1 &
daemon=$!
for _ in $(seq 1000); do [ -S /run/tollgate/admin.sock ] && break; nap 0.02; done
haproxy_up || say "HAProxy starts with the stanza" no yes
cp -r /etc/haproxy "$W/laid"
(
	set -a
	. /etc/default/haproxy
	tollgate check --haproxy /etc/haproxy/haproxy.cfg --probe
) >"$W/probe.out" 2>"$W/probe.err"
say "check --probe" "$?" 0
say "check reports no error" "$(grep -c 'probe:' "$W/probe.err")" 0
ngate=$(words gate | wc -l)
say "direct and relayed probes succeed on each host" "$(grep -c '^probe: .*direct: the guard of backend' "$W/probe.out") $(grep -c '^probe: .*relayed: both passes' "$W/probe.out")" \
	"$(words probes | grep . || echo "$ngate $ngate")"
say "each direct probe reaches the backend to which the company's rules lead" \
	"$(grep -c 'direct: the guard.*, as before$' "$W/probe.out") $(grep -o 'direct: the guard.*; before,.*' "$W/probe.out")" \
	"$(grep -c 'direct: the guard' "$W/probe.out") "
sites >"$W/after"
say "the company's sites respond as before" "$(diff "$W/before" "$W/after" | head -4)" ""
auth="authorization: Bearer $key" json='content-type: application/json'
chat='{"model":"echo","max_tokens":20,"messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'
path=/v1/chat/completions
grep -q 'path: .*/v1/messages' /etc/tollgate/default.yaml && path=/v1/messages
words gate | while read -r url options; do
	# shellcheck disable=SC2086
	ask "$url$path" $options -H "$auth" -H "$json" -d "$chat"
	say "$url: a prompt is redacted through the relay" "$status $(field x-tollgate-decision)" "200 redact"
	seen=$(fetch GET 'http://127.0.0.1:8001/_seen?last=1')
	say "$url: the provider gets a placeholder and the company's key" \
		"$(grep -c 'EMAIL_ADDRESS_1.*' <<<"$seen") $(grep -c 'sk-the-company' <<<"$seen") $(grep -c 'jane.doe' <<<"$seen")" "1 1 0"
	if grep -q 'path: .*/v1/models' /etc/tollgate/default.yaml; then
		# shellcheck disable=SC2086
		ask "$url/v1/models" $options -H "$auth"
		say "$url: a list of models uses the direct path" "$status $(field x-tollgate-decision)" "200 permit"
	fi
	# shellcheck disable=SC2086
	ask "$url$path" $options -H "$json" -d "$chat"
	say "$url: the gate refuses a request without a key" "$status $(field x-tollgate-decision)" "401 deny"
done
words model | while read -r url keys; do
	ask "$url" -H "$auth" -H "$json" -d '{"model":"echo","max_tokens":20,"input":"jane.doe@example.com","messages":[{"role":"user","content":"jane.doe@example.com"}]}'
	seen=$(fetch GET 'http://127.0.0.1:8001/_seen?last=1')
	say "$url: the request is redacted and leads where it did" \
		"$status $(field x-tollgate-decision) $(grep -c 'sk-the-company' <<<"$seen") $(grep -c 'jane.doe' <<<"$seen")" "200 redact $keys 0"
done
words moved | while read -r url options; do
	ask "$url$path" -H "$auth" -H "$json" -d "$chat"
	say "$url: the request is redirected" "${status:0:1} $(field location)" "3 https://${url#*://}$path"
done
before=$(tollgate audit list --since 1h | wc -l)
words refused | while read -r url options; do
	# shellcheck disable=SC2086
	ask "$url$path" $options -H "$auth" -H "$json" -d "$chat"
	say "$url: the company's rules refuse the request, without a decision" "$status $(field x-tollgate-decision)" "403 "
done
say "refused requests are not recorded" "$(tollgate audit list --since 1h | wc -l)" "$before"
say "probes are not counted as usage" "$(tollgate usage --by person --since 1h --json | grep -c '"requests":0')" 0
kill $daemon
haproxy_down
cp -r "$W/over/haproxy" "$W/over/default" /etc/
tollgate init --undo --write >"$W/undo.out" 2>"$W/undo.err"
say "init --undo removes what init wrote" "$? $(cat "$W/undo.err")" "0 "
say "each file is as before, to the byte" "$(cd "$W/original" && find . -type f | while read -r f; do cmp "$f" "/etc/$f" 2>&1; done)" ""
pkill -P $$ 2>/dev/null
kill "$(pgrep -f "$D/sites.cfg")" 2>/dev/null
exit 0
EOF
export D root B here
one() {
	local began=$EPOCHREALTIME
	unshare -mn --fork --pid --mount-proc bash "$D/inside" "$1" >"$D/${1%%[./]*}.log" 2>&1
	echo "# ${1%%[./]*}: $(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }')" >>"$D/${1%%[./]*}.log"
}
export -f one
printf '%s\n' $edges | xargs -P 2 -I '{}' bash -c 'one {}'
for e in $edges; do
	name=${e%%[./]*}
	[ -s "$D/$name/said" ] || not_ok "$name: the test ran" "$(tail -5 "$D/$name.log")"
	while IFS=$'\t' read -r edge what got want; do
		if [ "$got" = "$want" ]; then
			ok "$name: $what"
		else
			not_ok "$name: $what" "got:  ${got:0:400}" "want: $want" "$(tail -3 "$D/$name"/{init.err,probe.err,curl.err} 2>/dev/null | tr '\n' '|')"
		fi
	done 2>/dev/null <"$D/$name/said"
done
exit $failed
