# docs/examples: runs the commands of each folder's README on machines with HAProxy, Redis and tollgate. The machines
# are mount and network namespaces; the three of sentinel/ share a network. Compares the result of `tollgate init`
# in `before/` with `after/`, and sends requests directly and through the relay. For sentinel/, the machine with the Redis
# master is lost, and the limit still holds.
# EXAMPLES_WRITE=1 writes the result of init to after/.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"

if [ "$(id -u)" != 0 ] || ! unshare -mn true 2>/dev/null; then
	skip "the setups of docs/examples" "needs root and namespaces"
	exit 0
fi
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=example.com -keyout "$D/key.pem" -out "$D/crt.pem" 2>/dev/null
cat "$D/crt.pem" "$D/key.pem" >"$D/all.pem"
# the company's sites: each port returns its number
for port in 8081 8082 8083; do
	printf 'frontend s%s\n    bind 127.0.0.1:%s\n    http-request return status 200 content-type text/plain string %s\n' $port $port $port
done | cat <(printf 'defaults\n    mode http\n    timeout client 1m\n') - >"$D/sites.cfg"

# ---- a machine ----
# D is its folder. These functions replace programs that need more than a namespace.
cat >"$D/machine" <<'EOF'
all=$D D=$D/$name
mkdir -p "$D"
hostname "$name"
. "$root/tests/support/cheap.bash"
. "$here/machine.bash"
machine_write
machine_enter
rm /etc/haproxy/haproxy.cfg
systemd-sysusers tollgate.conf 2>/dev/null
systemd-tmpfiles --create tollgate.conf
mkdir -p /etc/haproxy/certs
cp "$all/all.pem" /etc/haproxy/certs/
echo 127.0.0.1 api.openai.com api.anthropic.com >>/etc/hosts
export PATH=/usr/local/sbin:/usr/bin:$PATH # systemctl of machine.bash, and the installed tollgate
say() { printf '%s\1%s\1%s\n' "$1" "${2//$'\n'/ }" "$3" >>"$D/said"; } # what, got, want
curl() { command curl -k -m 60 "$@"; }
redis_start() { # NAME [OPTION]
	chown redis "/etc/redis/$1.conf"
	setpriv --reuid redis --regid redis --init-groups redis-server "/etc/redis/$1.conf" $2 >>"$D/$1.log" 2>&1 &
	echo $! >"$D/$1.pid"
}
systemctl() {
	case $* in
	'restart redis-server redis-sentinel') redis_start redis && redis_start sentinel --sentinel ;;
	'restart redis-sentinel') redis_start sentinel --sentinel ;;
	'stop redis-server') kill "$(cat "$D/redis.pid")" ;;
	*)
		# the provider is simulated
		[ "$*" != 'restart haproxy' ] || sed -i -E 's/(server +[^ ]+) +api\.[a-z.]*:443 .*/\1 127.0.0.1:8001/' $(grep -rl 'server .*api\.' /etc/haproxy --include=*.cfg)
		command systemctl "$@" ;;
	esac
}
scp() { cp "$all/shared/keys.yaml" "$all/shared/state.key" /etc/tollgate/; }
# commands HEADING: prints the commands of README's section
commands() { awk -v h="## $1" '/^## /{ on = $0 == h } on && /^    [^#]/{ print substr($0, 5) }' README.md; }
# follow FILE: runs the commands one after the other; reports one that fails with its message
follow() {
	local command
	while IFS= read -r command; do
		eval "$command" >>"$D/$1.out" 2>"$D/$1.err" </dev/null
		say "${command%%_*}" "$? $([ $? = 0 ] || tail -3 "$D/$1.err")" "0 "
		case $command in *init*--write*) laid ;; esac
	done <"$D/$1"
}
key_of() { grep -h -o '^tg_[0-9a-z_]*' "$1" | head -1; }
in_force() { sed -e '/^ *#/d' -e '/^$/d' -e 's/ *# .*//' "$1"; } # prints the lines of a tollgate.yaml that have an effect
# the changes that init made to before/
laid() {
	local f to=$D/laid want=$D/want
	mkdir -p "$to" "$want"
	(cd /etc && cp -r --parents default/haproxy haproxy tollgate/default.yaml "$to/")
	rm -rf "$to/haproxy/"{tollgate,certs,errors} "$to"/*/*.before-tollgate "$to"/haproxy/*/*.before-tollgate
	[ -e edge-1 ] || in_force /etc/tollgate/tollgate.yaml >"$to/tollgate/tollgate.yaml"
	if [ -n "${EXAMPLES_WRITE:-}" ]; then
		(cd "$to" && find . -type f) | while read -r f; do
			cmp -s "$to/$f" "before/$f" || { mkdir -p "after/${f%/*}"; cp "$to/$f" "after/$f"; }
		done
	fi
	for f in before after; do cp -r "$f/." "$want/"; done
	rm -rf "$want/redis"
	say "the result of init in before/ equals after/" "$(diff -r "$want" "$to" | head -20)" ""
}
EOF

# ---- a single machine: the README's commands, and the checks that its last lines describe ----
cat >"$D/single" <<'EOF'
. "$D/machine"
cd "$root/docs/examples/$name" || exit 1
commands Commands >"$D/steps"
follow steps
haproxy -D -f "$all/sites.cfg"
say "HAProxy accepts the files" "$(CONFIG=/etc/haproxy/haproxy.cfg; set -a; . /etc/default/haproxy; haproxy -c -q -f "$CONFIG" $EXTRAOPTS 2>&1 | head -3)" ""
commands Check | sed "s/^KEY=.*/KEY=$(key_of "$D/steps.out")/" >"$D/checks"
follow checks
say "a direct and a relayed request are decided" "$(tr -d '\r' <"$D/checks.out" | sed -n 's/^x-tollgate-decision: //p' | tr '\n' ' ')" "permit redact "
fetch GET 'http://127.0.0.1:8001/_seen?last=9' >"$D/seen"
say "the provider gets a placeholder and the key of haproxy.cfg" "$(grep -c EMAIL_ADDRESS_1 "$D/seen") $(grep -c 'sk-[a-z-]*your-key' "$D/seen") $(grep -c 'jane@' "$D/seen")" "1 2 0"
say "the records verify" "$(tollgate audit verify 2>&1 | cut -c1-8)" "ok node="
site() { curl -s -o "$D/site" -w '%{http_code} ' --resolve "$1" "$2" && cat "$D/site"; } # HOST:PORT:ADDRESS URL
say "the site is served as before" "$(site www.example.com:443:127.0.0.1 https://www.example.com/)" "200 8082"
case $name in
redirect)
	say "port 80 redirects" "$(sed -n 's/^location: *//p' "$D/checks.out" | tr -d '\r')" https://ai.example.com/v1/models
	say "ACME challenges are answered" "$(site www.example.com:80:127.0.0.1 http://www.example.com/.well-known/acme-challenge/x)" "200 8081" ;;
conf.d) say "the tool server is served as before" "$(site tools.example.com:8443:127.0.0.1 https://tools.example.com:8443/)" "200 8083" ;;
esac
machine_leave
EOF

# ---- three machines: each waits for its address and for commands ----
cat >"$D/edge" <<'EOF'
. "$D/machine"
cd "$root/docs/examples/sentinel" || exit 1
until ip addr show eth0 2>/dev/null | grep -q 10.0.0; do nap 0.02; done
commands Commands >"$D/all"
if [ "$name" = third ]; then
	sed '/^cp before.redis/!d' "$D/all" >"$D/steps"
	mkdir -p /etc/redis
	follow steps
else
	sed -e '/^cp before.redis/,$d' -e "s#edge-1/#$name/#" "$D/all" >"$D/steps"
	[ "$name" = edge-2 ] || sed -i '/only on edge-2/d' "$D/steps"
	follow steps
	# Without the example's tollgate.yaml, init writes the same lines, except redis.
	mkdir -p "$D/fresh/etc"
	cp -r before/default before/haproxy "$D/fresh/etc/"
	tollgate init --root "$D/fresh" --host ai.example.com --write >"$D/fresh.out" 2>&1
	say "tollgate.yaml is the result of init, with redis" "$(diff <(in_force "$D/fresh/etc/tollgate/tollgate.yaml") <(in_force "/etc/tollgate/tollgate.yaml" | sed '/^redis:/,/^[^ r]/{/^redis:/d;/^ /d}'))" ""
	[ "$name" = edge-2 ] || { mkdir -p "$all/shared.new"; cp /etc/tollgate/keys.yaml /etc/tollgate/state.key "$all/shared.new/"; key_of "$D/steps.out" >"$all/shared.new/key"; mv "$all/shared.new" "$all/shared"; }
fi
touch "$D/ready"
while read -r command <"$D/ask"; do
	[ "$command" != end ] || break
	eval "$command" >"$D/got" 2>&1
	echo >"$D/done"
done
exit 0
EOF
cat >"$D/sentinel" <<'EOF'
. "$root/tests/support/cheap.bash"
say() { printf '%s\1%s\1%s\n' "$1" "${2//$'\n'/ }" "${3//$'\n'/ }" >>"$D/sentinel.said"; }
await() { local end=$((EPOCHSECONDS + 60)); until "$@" >/dev/null 2>&1; do [ $EPOCHSECONDS -lt $end ] || return 1; nap 0.1; done; }
ip link set lo up
ip link add br0 type bridge
ip link set br0 up
ip addr add 10.0.0.1/24 dev br0
own=$(readlink /proc/self/ns/net)
n=10
for name in edge-1 edge-2 third; do
	n=$((n + 1))
	mkdir -p "$D/$name"
	mkfifo "$D/$name/ask" "$D/$name/done"
	name=$name unshare -mnu --fork --pid --mount-proc bash "$D/edge" >"$D/$name/log" 2>&1 &
	pid=$!
	until [ "$(readlink /proc/$pid/ns/net)" != "$own" ]; do nap 0.02; done
	ip link add v$n type veth peer name eth0 netns $pid
	ip link set v$n master br0 up
	nsenter -t $pid -n sh -c "ip addr add 10.0.0.$n/24 dev eth0; ip link set eth0 up"
	# edge-2 starts when edge-1 is ready
	[ $name != edge-1 ] || await test -e "$D/shared" || say "edge-1 is up" no yes
done
for name in edge-1 edge-2 third; do await test -e "$D/$name/ready" || say "$name is up" no yes; done
on() { echo "$2" >"$D/$1/ask"; read -r _ <"$D/$1/done"; cat "$D/$1/got"; }
KEY=$(cat "$D/shared/key")
up() { on "$1" 'tollgate status' | grep -q '^redis: up'; }
# code ADDRESS PATH [OPTIONS]: prints the status
code() { curl -sk -m 20 -o "$D/body" -D "$D/head" -w '%{http_code}' --resolve "ai.example.com:443:10.0.0.$1" "https://ai.example.com$2" -H "authorization: Bearer $KEY" "${@:3}"; }
decision() { tr -d '\r' <"$D/head" | sed -n 's/^x-tollgate-decision: //p'; }
for name in edge-1 edge-2; do await up $name; say "$name: Redis is up" $? 0; done
# A Sentinel promotes a replica only if it has seen it connected to the master.
knows() { on "$1" 'redis-cli -p 26379 sentinel ckquorum tollgate; redis-cli -p 26379 sentinel replicas tollgate' | tr '\n' ' ' | grep -q '^OK 3.*flags slave .*master-link-status ok'; }
for name in edge-1 edge-2 third; do await knows $name; say "the Sentinel of $name knows the others and the replica" $? 0; done
say "both machines have one policy" "$(on edge-1 'tollgate status' | grep '^policy:')" "$(on edge-2 'tollgate status' | grep '^policy:')"
say "a direct request is permitted" "$(code 11 /v1/models) $(decision)" "200 permit"
chat='{"model":"echo","messages":[{"role":"user","content":"write to jane@example.com"}]}'
say "a relayed request is redacted on the other machine" "$(code 12 /v1/chat/completions -H 'content-type: application/json' -d "$chat") $(decision)" "200 redact"
set_limit=$(sed -n 's/.*`\(tollgate limit set [^`]*\)`.*/\1/p' "$root/docs/examples/sentinel/README.md")
on edge-1 "$set_limit" >"$D/limit.out"
both() { on edge-2 'tollgate limit list' | grep -q ' 6 *'; }
await both
# two of the limit's six requests are used
say "three more requests pass" "$(code 11 /v1/models) $(code 12 /v1/models) $(code 11 /v1/models)" "200 200 200"
on edge-1 'kill -KILL $(cat $D/redis.pid)' >/dev/null
lost() { [ "$(code 11 /v1/models)" = 503 ]; }
await lost
say "without a master, a request with a limit gets 503" $? 0
passes() { [ "$(code 12 /v1/models)" = 200 ]; }
await passes
say "the sixth request passes after the failover" $? 0
for name in edge-1 edge-2; do await up $name; say "$name: Redis is up after the failover" $? 0; done
say "the limit holds on both machines" "$(code 12 /v1/models) $(code 11 /v1/models)" "429 429"
for name in edge-1 edge-2; do say "$name: the records verify" "$(on $name 'tollgate audit verify 2>/dev/null' | cut -c1-8)" "ok node="; done
for name in edge-1 edge-2 third; do echo end >"$D/$name/ask"; done
wait
EOF

export D root B here EXAMPLES_WRITE="${EXAMPLES_WRITE:-}"
# /usr has the program as `make install` installs it; each machine has its own /etc and /var/lib
cat >"$D/inside" <<'EOF'
mkdir -p "$D/over"
mount -t tmpfs tmpfs "$D/over"
mkdir -p "$D/over/usr.up" "$D/over/usr.work"
mount -t overlay overlay -o "lowerdir=/usr,upperdir=$D/over/usr.up,workdir=$D/over/usr.work" /usr || exit 1
make -s -C "$root" install PREFIX=/usr B="$B" >"$D/install.log" 2>&1 || exit 1
for name in redirect conf.d; do name=$name unshare -mnu --fork --pid --mount-proc bash "$D/single" >"$D/$name.log" 2>&1; done &
bash "$D/sentinel" >"$D/sentinel.log" 2>&1
wait
EOF
unshare -mn --fork --pid --mount-proc bash "$D/inside" >"$D/inside.log" 2>&1
is "make install and the namespaces succeed" "$?" 0
for said in redirect conf.d edge-1 edge-2 third sentinel; do
	file=$D/$said/said
	[ $said != sentinel ] || file=$D/sentinel.said
	if [ ! -s "$file" ]; then not_ok "$said" "nothing was run" "$(tail -3 "$D"/{inside,$said}.log 2>/dev/null)"; continue; fi
	while IFS=$'\1' read -r what got want; do is "$said: ${what:0:110}" "$got" "$want"; done <"$file"
done
exit $failed
