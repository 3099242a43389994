# Functions for the end-to-end tests in shell. Each test begins with:  . "$(dirname "$0")/lib.sh"
# A test prints one line for each check: "ok - …", "not ok - …" or "skip - …: why". tests/e2e/run
# counts these lines. $HAPROXY_BIN is the HAProxy binary, $B the build folder.
# shellcheck shell=bash disable=SC2034
set -u
export LC_ALL=C.UTF-8 # the same words everywhere, and UTF-8 where there is no other locale
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${B:-$root/build}
case $build in /*) ;; *) build=$root/$build ;; esac
export B=$build
PATH=$B/quick:$PATH # a small curl for plain requests (tests/support/curl.c)
. "$root/tests/support/cheap.bash"
D=$(mktemp -d /tmp/tge2e.XXXXXX)
failed=0
finish() {
	"$root/tests/support/stack" down --dir "$D"
	local crashed
	crashed=$(grep -hs '^stack: .* ended by itself' "$D"/*.log)
	[ -z "$crashed" ] || final not_ok "no daemon crashes" "$crashed"
	[ -z "${UPGRADE_AT:-}${upgraded:-}" ] || [ -n "${upgraded:-}" ] || not_ok "an upgrade in the middle: check $UPGRADE_AT was not reached"
	if [ $failed = 0 ] && [ -z "${KEEP:-}" ]; then rm -rf "$D"; else echo "# logs: $D"; fi
}
trap finish EXIT

ok() {
	echo "ok - $1"
	[ -z "${UPGRADE_AT:-}" ] || in_the_middle
}
# in_the_middle: counts the checks, upgrades the daemon after check UPGRADE_AT, and kills the older instance after
# check KILL_AT, if it still runs. tests/e2e/run --upgraded draws the two numbers.
in_the_middle() {
	checks=$((${checks:-0} + 1))
	if [ $checks = "$KILL_AT" ] && [ -n "${older:-}" ] && kill -0 "$older" 2>/dev/null; then
		echo "$older tollgate" >>"$D/.killed"
		kill -KILL "$older"
		echo "# kill -9 of the older instance after check $checks"
	fi
	[ $checks = "$UPGRADE_AT" ] || return 0
	older=$(pgrep -f "^$build/tollgate serve -c $D/tollgate.yaml" | tail -1)
	[ -n "$older" ] || { UPGRADE_AT=$((UPGRADE_AT + 1)) KILL_AT=$((KILL_AT + 1)); return 0; } # no daemon runs here
	. "$here/upgrade.bash"
	echo "# upgrade after check $checks"
	upgraded=1
	upgrade || not_ok "an upgrade in the middle" "$said"
}
not_ok() {
	echo "not ok - $1"
	[ -z "${is_final:-}" ] || echo "# final"
	shift
	[ $# -gt 0 ] && printf '#   %s\n' "$@"
	failed=1
}
skip() { echo "skip - $1: $2"; }
# final CHECK…: a check that cannot fail because the machine is busy. If such a check fails, the file is not
# repeated alone (tests/support/repeat.bash).
final() {
	local is_final=1
	"$@"
}
# check NAME COMMAND…: passes if the command succeeds. A failure of `verifies` is final.
check() {
	local name=$1
	[ "$2" != verifies ] || local is_final=1
	shift
	if "$@"; then ok "$name"; else not_ok "$name" "$*"; fi
}
# is NAME GOT WANT: passes if both strings are equal
is() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got:  ${2:0:300}" "want: ${3:0:300}"; fi; }
# like NAME TEXT REGEX: passes if the text matches; unlike: passes if it does not
like() { if matches "$2" "$3"; then ok "$1"; else not_ok "$1" "no match of $3 in:" "${2:0:400}"; fi; }
unlike() { if matches "$2" "$3"; then not_ok "$1" "$3 occurs in:" "${2:0:400}"; else ok "$1"; fi; }

# wait_for COMMAND…: repeats the command until it succeeds, for at most a minute. Tests wait for a
# condition and never sleep for a fixed time, because machines differ in speed.
wait_for() {
	local end=$((EPOCHSECONDS + 60)) tries=0
	until "$@"; do
		[ $EPOCHSECONDS -lt $end ] || return 1
		# later tries are less frequent, because each try starts programs
		if [ $((tries++)) -lt 20 ]; then nap 0.05; else nap 0.2; fi
	done
}
# clear_of day|hour SECONDS: waits until at least so many seconds of the UTC day or hour are left. Use it
# for limits with a calendar window, which start again at its end.
clear_of() {
	local of=86400 left
	[ "$1" = day ] || of=3600
	left=$((of - EPOCHSECONDS % of))
	[ $left -gt "$2" ] || sleep $((left + 1))
}
# `says` REGEX COMMAND…: succeeds if the command's output matches; for wait_for
says() { matches "$("${@:2}" 2>&1)" "$1"; }
# gone PID: succeeds if the process has ended, even if its parent has not yet waited for it
gone() {
	local state since tasks
	stat_of "$1" || return 0
	[ "$state" = Z ] || return
	# the last thread may still release memory, and then its locks
	tasks=("/proc/$1/task"/*)
	[ ${#tasks[@]} -le 1 ]
}
pid_of() { awk -v n="$1" '$3 == n { p = $1 } END { print p }' "$D/.pids"; }
# note_pid PID NAME: registers a process that `finish` ends
note_pid() {
	local state since
	stat_of "$1"
	echo "$1 $since $2" >>"$D/.pids"
}
# killed NAME: kills the newest process of that name with SIGKILL and waits for its end. It does not count as a crash.
killed() {
	local pid
	pid=$(pid_of "$1")
	echo "$pid $1" >>"$D/.killed"
	kill -KILL "$pid"
	wait_for gone "$pid"
}

# alter FILE OFFSET: flips one bit of the byte at this offset
alter() {
	local was
	was=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059 # the byte is the format
	printf "\\x$(printf %02x $((${was:-0} ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# npm_packages FOLDER NAMES: installs the packages of FOLDER's lock file into $build/FOLDER, under a lock. 1: skipped, and reported.
npm_packages() {
	mkdir -p "$build/$1"
	if ! (
		flock 9
		cp "$here/$1"/package.json "$here/$1"/package-lock.json "$here/$1"/*.mjs "$build/$1/"
		cp "$here/$1"/wanted.json "$build/$1/" 2>/dev/null
		cmp -s "$build/$1/package-lock.json" "$build/$1/.installed" && exit 0
		cd "$build/$1" && npm ci --no-audit --no-fund >"$D/npm.log" 2>&1 && cp package-lock.json .installed
	) 9>"$build/$1/.lock"; then
		skip "$2" "needs network: npm ci failed: $(grep -m1 'npm error' "$D/npm.log" || tail -1 "$D/npm.log")"
		return 1
	fi
}

stack_up() {
	if ! "$root/tests/support/stack" up --dir "$D" --patient ${HAPROXY_BIN:+--haproxy "$HAPROXY_BIN"} "$@"; then
		not_ok "the stack comes up"
		exit 1
	fi
	. "$D/env"
}
token() { "$root/tests/support/token" --dir "$D" "$@"; }
# free_ports N: prints the first of N consecutive free ports, below the kernel's ephemeral ports. The ports
# 10000 higher, which a Redis cluster uses for its bus, are free, too.
free_ports() {
	local p=$((12000 + $$ % 620 * 16)) i
	while :; do
		for ((i = 0; i < $1; i++)); do
			{ (exec 3<>"/dev/tcp/127.0.0.1/$((p + i))") || (exec 3<>"/dev/tcp/127.0.0.1/$((p + i + 10000))"); } 2>/dev/null && break
		done
		[ $i = "$1" ] && { echo $p; return; }
		p=$((p + 16))
	done
}
# req METHOD PATH [curl options]: sets $status, $head (lower-case names), $body
req() {
	local method=$1 path=$2
	shift 2
	local into=$D/.$BASHPID # other requests may run at the same time
	: >"$into.head" >"$into.body"
	status=$(curl -s -m "${TIMEOUT:-90}" -o "$into.body" -D "$into.head" -w '%{http_code}' -X "$method" \
		--path-as-is "$@" "$EDGE$path")
	local line name parts
	head=''
	while IFS= read -r line; do
		line=${line//$'\r'/}
		name=${line%%:*}
		[ "$name" = "$line" ] || line=${name,,}${line:${#name}}
		head+=$line$'\n'
	done <"$into.head"
	mapfile -d '' parts <"$into.body"
	printf -v body %s "${parts[@]}"
	: >"$into.head" >"$into.body"
	while [[ $head = *$'\n' ]]; do head=${head%$'\n'}; done
	while [[ $body = *$'\n' ]]; do body=${body%$'\n'}; done
}
header() { # prints the first value of the header
	local line
	while IFS= read -r line; do
		[[ $line != "$1:"* ]] || { line=${line#*:}; echo "${line#"${line%%[! ]*}"}"; break; }
	done <<<"$head"
}
seen() { fetch GET "$PROVIDER/_seen?last=${1:-1}"; }
forget() { fetch DELETE "$PROVIDER/_seen" >/dev/null; }
# at_provider N: the provider has N requests without a response. under_way N: waits for that. release: the provider responds.
at_provider() { [ "$(seen 200 | grep -o '"ended":"pending"' | wc -l)" = "$1" ]; }
under_way() { wait_for at_provider "$1"; }
release() { fetch POST "$PROVIDER/_release" >/dev/null; }
control() { fetch POST "$PROVIDER/_control" "$1" >/dev/null; }
ready() { fetch GET "$ADMIN/readyz"; }
is_ready() { ready >/dev/null; }
# metric NAME [LABEL]: prints the value, summed over the daemon's threads
metric() {
	local name=tollgate_$1
	[ -n "${2:-}" ] && name="$name{$2}"
	fetch GET "${3:-$ADMIN}/metrics" | awk -v n="$name" '$1 == n { print $2; f = 1 } END { if (!f) print 0 }'
}
# journals: prints the records of the daemon, and after an upgrade in the middle those of both its instances
journals() { cat "$JOURNAL"/* ${upgraded:+"$JOURNAL-b"/*} | tr -d '\0'; }
# all_settled: each request that took the relay has its completion in the journal. settled: waits for that.
all_settled() {
	journals | awk '
		match($0, /"type":"(decision|completion)","id":"[^"]*"/) {
			split(substr($0, RSTART, RLENGTH), part, "\"")
			if (part[4] == "completion") ended[part[8]] = 1
			else if (/"via":"relay"/ && !/"decided_at":"[^"]*","decision":"deny"/) begun[part[8]] = 1
		}
		END { for (id in begun) if (!(id in ended)) exit 1 }'
}
settled() { wait_for all_settled; }
# completion JQ: waits for all completions and prints this part of the last one
completion() { settled; journals | grep '"type":"completion"' | tail -1 | jq -c "$1"; }
# verifies JOURNAL KEY: succeeds if the journal verifies
verifies() { "$build/tollgate" audit verify --journal "$1" --public-key "$2" >"$D/verify.log" 2>&1 || { sed 's/^/#   /' "$D/verify.log"; false; }; }
# Reloads HAProxy and waits for the reload. The signal is repeated after five seconds, because up to 3.0 the
# master starts again after each "Loading success" and loses a signal that arrives at that moment.
haproxy_loads() { grep -c 'Loading success' "$D/haproxy.log"; }
haproxy_reload() {
	local before told=0 again=0
	before=$(haproxy_loads)
	loaded_again() {
		if [ $EPOCHSECONDS -ge $again ] && [ $told -lt 4 ]; then
			kill -USR2 "$(pid_of haproxy)"
			told=$((told + 1)) again=$((EPOCHSECONDS + 5))
		fi
		[ "$(haproxy_loads)" -gt "$before" ]
	}
	wait_for loaded_again
}
# Restores the shipped timeout for decisions. Call it before a test stops the daemon.
as_shipped() {
	sed -i 's/^\( *timeout processing\) .*/\1 1s/' "$D/haproxy/spoe.cfg"
	haproxy_reload
}
# Starts the stack's daemon again after it has ended.
daemon_start() {
	setsid "$build/tollgate" serve -c "$D/tollgate.yaml" </dev/null >>"$D/tollgate.log" 2>&1 &
	note_pid $! tollgate
}
# files_are_read WHAT: succeeds if the extraction tools are installed and the sandbox works. 1: skipped, and reported.
files_are_read() {
	local tool
	for tool in pdftotext pdftoppm tesseract; do
		command -v $tool >/dev/null || { skip "$1" "$tool is not installed"; return 1; }
	done
	"$build/tollgate-extract" --check >"$D/cage.log" 2>&1 && return
	skip "$1" "tollgate-extract has no cage here: $(tail -1 "$D/cage.log")"
	return 1
}
# Starts tollgate-extract. The daemon's configuration needs  extract: {listen: unix@$D/extract.sock}
extract_start() {
	setsid "$build/tollgate-extract" --listen "unix@$D/extract.sock" </dev/null >>"$D/extract.log" 2>&1 &
	note_pid $! extract
	wait_for test -S "$D/extract.sock"
}
# again_with YAML: stops the daemon, merges YAML into its configuration, and starts the daemon again
again_with() {
	local pid
	pid=$(pid_of tollgate)
	kill -TERM "$pid"
	wait_for gone "$pid"
	echo "$1" >"$D/.over.yaml"
	"$build/stackhelp" merge "$D/tollgate.yaml" "$D/.over.yaml" >"$D/.whole.yaml" && mv "$D/.whole.yaml" "$D/tollgate.yaml"
	daemon_start
	wait_for is_ready
}
# Makes Redis unreachable, with its data kept, and reachable again. Its socket is renamed, so connections fail at once.
redis_away() {
	mv "${REDIS#unix:}" "${REDIS#unix:}.away"
	redis-cli -s "${REDIS#unix:}.away" client kill type normal >/dev/null
}
redis_back() { mv "${REDIS#unix:}.away" "${REDIS#unix:}"; }
redis() { redis-cli -s "${REDIS#unix:}" "$@"; }
# Keys and limits at run time, of the first daemon and of the second one.
key() { "$build/tollgate" key "$@" --live -c "$D/tollgate.yaml" 2>"$D/key.err"; }
key_b() { "$build/tollgate" key "$@" --live -c "$D/tollgate-b.yaml" 2>"$D/key.err"; }
limit() { "$build/tollgate" limit "$@" -c "$D/tollgate.yaml" 2>"$D/key.err"; }
limit_b() { "$build/tollgate" limit "$@" -c "$D/tollgate-b.yaml" 2>"$D/key.err"; }
models() { req GET /v1/models -H "authorization: Bearer $(token --claims "{\"sub\":\"$1\",\"team\":\"few\"}")"; }
# incident_policy CONDITION: writes $D/policy.yaml with API keys and a denial under this condition, which reads data in Redis.
incident_policy() {
	sed -e 's/^name: .*/&\ndata:\n  incidents: {redis: "acme:incidents", ttl: 200ms}/' \
		-e 's/^identity:/&\n  - api_key: {header: x-api-key, keys: keys.yaml}/' \
		-e "s/^rules:/&\\n  - {name: incident, when: '${1//&/\\&}', deny: {status: 403}}/" \
		"$here/policy.yaml" >"$D/policy.yaml"
}
with_key() { req GET /v1/models -H "x-api-key: $1"; }
# key_is KEY CODE: waits until a request with this key gets this status
key_answers() { with_key "$1"; [ "$status" = "$2" ]; }
key_is() { wait_for key_answers "$@"; }
# synced: waits until both daemons of a stack list the same keys and the same amounts of limits. Only the
# lists are compared, because an entry may end a moment earlier on one daemon.
listed() { { "$build/tollgate" key list --live --json -c "$1"; "$build/tollgate" limit list --json -c "$1"; } 2>/dev/null; }
same_listed() { [ "$(listed "$D/tollgate.yaml")" = "$(listed "$D/tollgate-b.yaml")" ]; }
synced() { wait_for same_listed; }
# Makes two keys: $kim, whose limit of 4 is used up, and $lee, which is revoked.
kim_and_lee() {
	local one two three
	kim=$(key new --person kim --team few) lee=$(key new --person lee --team few)
	check "a key that is made at run time is in force" key_is "$kim" 200
	check "another key is in force too" key_is "$lee" 200
	limit set few --for person=kim --to 4 >/dev/null
	is "an override of a limit is set" $? 0
	with_key "$kim"; one=$status
	with_key "$kim"; two=$status
	with_key "$kim"; three=$status
	with_key "$kim"
	is "the override applies" "$one $two $three $status" "200 200 200 429"
	key revoke "$(cut -d_ -f2 <<<"$lee")" >/dev/null
	check "a revoked key is refused" key_is "$lee" 401
}
# Prints an operator's HAProxy file with the parts of haproxy/bolt-on.cfg in their places.
piece() { # the lines of haproxy/bolt-on.cfg under the marker that matches
	awk -v want="$1" '/^#--- /{ on = index($0, want) > 0 } on && !/^#/' "${2:-$root/haproxy/bolt-on.cfg}"
}
person_with_stanza() {
	while IFS= read -r line; do
		case $line in
		'#+ global') piece 'your global' ;;
		'#+ before') ;;
		'#+ frontend')
			piece 'your frontend'
			# requests that bypass the gate are logged with their own path
			echo '    http-request set-var(txn.tollgate.path) path if !tollgate-gated'
			piece 'the same frontend' ;;
		'#+ provider') piece 'each backend' ;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$here/bolt-on/person.cfg"
}
# Prints the parts of an earlier bolt-on.cfg: 14 is that of 0.1.0, 26 that of 0.2.0, 32 the current one.
form() { awk -v n="$1" '$1 <= n && n <= $2 { sub(/^[0-9]+ [0-9]+ /, ""); print /^#/ ? $0 : "    " $0 }' "$root/tests/e2e/bolt-on/forms.lst"; }
# Prints the operator's HAProxy file with an earlier stanza, by default that of 0.2. In that stanza, the second
# pass of the relay uses the same frontend, above the rules for the provider; other rules exclude this pass.
person_with_older_stanza() {
	local from=${1:-$root/spoa/operator/edge/joint.cfg}
	while IFS= read -r line; do
		case $line in
		'#+ global') piece 'your global' | grep -v TOLLGATE_INNER ;;
		'    bind :8080') printf '%s\n' "$line" '    acl relayed so_name tollgate-inner' ;;
		*' track-sc0 '*) printf '%s unless relayed\n' "$line" ;;
		*' auth realm '* | *' redirect location '*) printf '%s !relayed\n' "$line" ;;
		'#+ before') piece 'frontend' "$from" | grep -v '^ *use_backend' ;;
		'#+ frontend') piece 'the same frontend' "$from" ;;
		'#+ provider') piece 'each backend' ;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$here/bolt-on/person.cfg"
}
# Finds Debian's rsyslog, installed or unpacked, and sets rsyslogd, modules and libraries. It starts nothing.
rsyslog_found() {
	local to=$build/rsyslog deb
	rsyslogd=$(command -v rsyslogd) modules='' libraries=''
	if [ -z "$rsyslogd" ] || [ ! -e "/usr/lib/$(uname -m)-linux-gnu/rsyslog/lmnsd_ossl.so" ]; then
		if [ ! -x "$to/root/usr/sbin/rsyslogd" ]; then
			mkdir -p "$to" && (cd "$to" && apt-get download rsyslog rsyslog-openssl libestr0 libfastjson4 liblognorm5) >"$D/apt.log" 2>&1 || return 1
			for deb in "$to"/*.deb; do dpkg -x "$deb" "$to/root" || return 1; done
		fi
		rsyslogd=$to/root/usr/sbin/rsyslogd libraries=$to/root/usr/lib/$(uname -m)-linux-gnu
		modules=$libraries/rsyslog
	fi
}
