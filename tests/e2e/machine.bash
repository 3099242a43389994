# A separate machine for the commands of pages: /etc, /var/lib and others are overlays in a mount namespace, with
# their own network. systemd does not run there. A script in place of systemctl starts the programs of the units (make
# deb-test uses the real one), another is in place of journalctl. Tests source this file and set $D, $root and $B.
# shellcheck shell=bash

machine_write() { # writes the scripts in place of systemctl and others into $D
	cat >"$D/systemctl" <<'EOF'
#!/bin/bash
unit=$(ls /usr/local/lib/systemd/system/tollgate.service /usr/lib/systemd/system/tollgate.service 2>/dev/null | head -1)
stop() { # ends the process of this name, and waits for its end
	pkill -TERM -x "$1" || return 0
	for _ in $(seq 300); do pgrep -x "$1" >/dev/null || return 0; sleep 0.1; done
	pkill -KILL -x "$1"
}
start_tollgate() { # SOCKET: starts the daemon and waits for this socket
	run=$(sed -n 's/^ExecStart=//p' "$unit")
	for d in $(sed -n 's/^StateDirectory=/\/var\/lib\//p; s/^RuntimeDirectory=/\/run\//p' "$unit"); do
		install -d -o tollgate -g tollgate -m 750 "$d"
	done
	umask "$(sed -n 's/^UMask=//p' "$unit")"
	# shellcheck disable=SC2086
	setpriv --reuid tollgate --regid tollgate --init-groups $run 2>>"$D/tollgate.log" >/dev/null &
	for _ in $(seq 600); do [ -S "$1" ] && exit 0; sleep 0.1; done
	exit 1
}
start_haproxy() {
	CONFIG=/etc/haproxy/haproxy.cfg EXTRAOPTS="-S /run/haproxy-master.sock"
	set -a
	. /etc/default/haproxy
	# wait as long as the stack of the other tests does
	sed -i 's/^\( *timeout \(hello\|processing\|connect\)\) \(500ms\|1s\)$/\1 20s/' /etc/haproxy/tollgate/*.cfg
	rm -f /run/tollgate/inner.sock
	# shellcheck disable=SC2086
	haproxy -Ws -f $CONFIG -p /run/haproxy.pid $EXTRAOPTS >>"$D/haproxy.log" 2>&1 &
	up='-S /run/tollgate/inner.sock'
	grep -q inner.sock "$CONFIG" || up='-s /run/haproxy.pid' # HAProxy's file without the stanza
	# shellcheck disable=SC2086
	for _ in $(seq 600); do [ $up ] && exit 0; sleep 0.1; done
	exit 1
}
case "$*" in
daemon-reload) [ -e "$unit" ] ;;
'enable --now tollgate') pgrep -x tollgate >/dev/null || start_tollgate /run/tollgate/admin.sock ;;
'enable --now tollgate-b') unit=/etc/systemd/system/tollgate-b.service; start_tollgate /run/tollgate/admin-b.sock ;;
'disable --now tollgate') stop tollgate ;;
'restart haproxy') stop haproxy; start_haproxy ;;
'restart tollgate') stop tollgate; rm -f /run/tollgate/admin.sock; start_tollgate /run/tollgate/admin.sock ;;
'restart tollgate haproxy') "$0" restart tollgate && "$0" restart haproxy ;;
'reload tollgate') pkill -HUP -x tollgate ;;
'reload haproxy') kill -USR2 "$(cat /run/haproxy.pid)" ;;
'status tollgate haproxy --no-pager') pgrep -x tollgate && pgrep -x haproxy ;;
*) echo "systemctl $*: not in these steps" >&2; exit 1 ;;
esac
EOF
	cat >"$D/journalctl" <<'EOF'
#!/bin/bash
[[ $* = *'-u haproxy'* ]] && exec cat "$D/haproxy.log"
exec cat "$D/tollgate.log"
EOF
	mkdir -p "$D/over"
}
machine_enter() { # FOLDER…: overlays besides /etc, /usr/local and /var/lib
	mount -t tmpfs tmpfs "$D/over"
	for d in "$@" etc usr/local var/lib; do
		mkdir -p "$D/over/$d.up" "$D/over/$d.work"
		mount -t overlay overlay -o "lowerdir=/$d,upperdir=$D/over/$d.up,workdir=$D/over/$d.work" "/$d" || exit 1
	done
	mount -t tmpfs -o mode=755 tmpfs /run
	ip link set lo up 2>/dev/null
	install -m 755 "$D/systemctl" /usr/local/sbin/systemctl
	install -m 755 "$D/journalctl" /usr/local/sbin/journalctl
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
	use_backend openai if { req.hdr(host) -i ai.example.com }
	default_backend site

backend site
	http-request return status 200 content-type text/plain string site

backend openai
	http-request set-header authorization "Bearer sk-the-company"
	server o 127.0.0.1:8001
CFG
	"$B/mockllm" --listen 127.0.0.1:8001 >"$D/mock.log" 2>&1 &
}
machine_leave() {
	jobs -p | xargs -r kill 2>/dev/null
	pkill -P $$ 2>/dev/null
	pkill -x tollgate
	kill "$(cat /run/haproxy.pid)" 2>/dev/null
}
