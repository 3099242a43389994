# README's bolt-on, word for word as it is printed there, by root on a machine whose /etc,
# /usr/local, /var/lib and /run are copies of their own (overlays in a mount namespace) and
# whose network is its own. systemd does not run in it: a script stands in for systemctl and
# starts what the units say (make deb-test has the real one). The provider is the simulated one.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

if [ "$(id -u)" != 0 ] || ! unshare -mn true 2>/dev/null; then
	skip "README's steps" "needs root and namespaces"
	exit 0
fi
export README="$root/README.md" D root B here
cat >"$D/systemctl" <<'EOF'
#!/bin/bash
# daemon-reload, enable --now tollgate, restart haproxy: as the units have it.
unit=/usr/local/lib/systemd/system/tollgate.service
case "$*" in
daemon-reload) [ -e $unit ] ;;
'enable --now tollgate')
	run=$(sed -n 's/^ExecStart=//p' $unit)
	for d in $(sed -n 's/^StateDirectory=/\/var\/lib\//p; s/^RuntimeDirectory=/\/run\//p' $unit); do
		install -d -o tollgate -g tollgate -m 750 "$d"
	done
	umask "$(sed -n 's/^UMask=//p' $unit)"
	# shellcheck disable=SC2086
	setpriv --reuid tollgate --regid tollgate --init-groups $run 2>>"$D/tollgate.log" &
	for _ in $(seq 600); do [ -S /run/tollgate/admin.sock ] && exit 0; sleep 0.1; done
	exit 1
	;;
'restart haproxy')
	CONFIG=/etc/haproxy/haproxy.cfg EXTRAOPTS="-S /run/haproxy-master.sock"
	set -a
	. /etc/default/haproxy
	# as patient as a stack of the other tests
	sed -i 's/^\( *timeout \(hello\|processing\|connect\)\) \(500ms\|1s\)$/\1 20s/' /etc/haproxy/tollgate/*.cfg
	# shellcheck disable=SC2086
	haproxy -Ws -f $CONFIG -p /run/haproxy.pid $EXTRAOPTS >>"$D/haproxy.log" 2>&1 &
	for _ in $(seq 600); do [ -S /run/tollgate/inner.sock ] && exit 0; sleep 0.1; done
	exit 1
	;;
*) echo "systemctl $*: not in README's steps" >&2; exit 1 ;;
esac
EOF
cat >"$D/inside" <<'EOF'
set -u
cd "$root" || exit 1
mount -t tmpfs tmpfs "$D/over"
for d in etc usr/local var/lib; do
	mkdir -p "$D/over/$d/up" "$D/over/$d/work"
	mount -t overlay overlay -o "lowerdir=/$d,upperdir=$D/over/$d/up,workdir=$D/over/$d/work" "/$d" || exit 1
done
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up 2>/dev/null
install -m 755 "$D/systemctl" /usr/local/sbin/systemctl
rm -rf /etc/tollgate /etc/haproxy/tollgate /var/lib/tollgate
printf '# as Debian ships it\n' >/etc/default/haproxy
install -d -o haproxy -g haproxy /run/haproxy
cat >/etc/haproxy/haproxy.cfg <<'CFG'
global
	chroot /var/lib/haproxy
	stats socket /run/haproxy/admin.sock mode 660 level admin
	user haproxy
	group haproxy

defaults
	mode http
	timeout connect 5000
	timeout client  50000
	timeout server  50000
	errorfile 503 /etc/haproxy/errors/503.http

frontend web
	bind 127.0.0.1:80
	use_backend openai if { path_beg /v1/ }
	default_backend site

backend site
	http-request return status 200 content-type text/plain string site

backend openai
	http-request set-header authorization "Bearer sk-the-company"
	server o 127.0.0.1:8001
CFG
"$B/mockllm" --listen 127.0.0.1:8001 >"$D/mock.log" 2>&1 &
steps() { "$root/tests/support/readme-steps" Bolt-on "$@" || echo 'echo README has no such step; exit 1'; }
say() { printf '%s\t%s\n' "$1" "$2" >>"$D/said"; }
# every command of the steps, one by one
n=0
steps '**1.' '**First requests' >"$D/steps"
while IFS= read -r command; do
	n=$((n + 1))
	bash -c "$command" >"$D/step$n.out" 2>"$D/step$n.err" </dev/null
	say "$?" "step $n: $command"
done <"$D/steps"
cat "$D"/step*.out >"$D/steps.out"
key=$(grep -h -o '^tg_[0-9a-z_]*' "$D/steps.out" | head -1)
steps '**First requests' '**First proof' | sed "s/^KEY=.*/KEY=$key/" >"$D/requests"
bash "$D/requests" >"$D/requests.out" 2>"$D/requests.err"
say "$?" "the first requests"
curl -s http://127.0.0.1:8001/_seen?last=1 >"$D/seen"
curl -s http://127.0.0.1/ >"$D/site"
curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/v1/models >"$D/unguarded"
id=$(sed -n 's/^x-tollgate-id: *\([0-9A-Za-z-]*\).*/\1/p' "$D/requests.out" | tail -1)
steps '**First proof' '### What check' | sed "s/ID  */$id /" >"$D/proof"
bash -e "$D/proof" >"$D/proof.out" 2>"$D/proof.err"
say "$?" "the first proof"
tollgate init >"$D/again" 2>&1
say "$?" "init once more"
jobs -p | xargs -r kill 2>/dev/null
pkill -P $$ 2>/dev/null
kill "$(cat /run/haproxy.pid)" 2>/dev/null
EOF
mkdir "$D/over"
unshare -mn --fork --pid --mount-proc bash "$D/inside" >"$D/inside.out" 2>&1
while IFS=$'\t' read -r code what; do
	[ "$code" = 0 ] && ok "$what" || not_ok "$what" "exit $code" "$(cat "$D"/step*.err "$D"/*.err "$D/inside.out" 2>/dev/null | tail -5)"
done <"$D/said"
is "README has as many steps as were tried" "$(grep -c . "$D/steps")" "$(grep -c 'step ' "$D/said")"
like "the list is permitted" "$(cat "$D/requests.out")" '^x-tollgate-decision: permit'
like "the address is redacted" "$(cat "$D/requests.out")" '^x-tollgate-decision: redact'
like "the provider received a placeholder" "$(cat "$D/seen")" 'EMAIL_ADDRESS_1'
unlike "and no address" "$(cat "$D/seen")" 'jane@example.com'
like "with the company's key" "$(cat "$D/seen")" 'sk-the-company'
like "it is ready" "$(cat "$D/requests.out")" '^ready'
is "the site is as it was" "$(cat "$D/site")" site
is "the key's backend is guarded" "$(cat "$D/unguarded")" 503
final like "the records verify" "$(cat "$D/proof.out")" '^ok node='
like "init has nothing left to do" "$(cat "$D/again")" 'Nothing to do'
exit $failed
