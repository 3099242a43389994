# Twelve faults, and how `tollgate status`, /readyz, /now, the console in a browser, the log and /metrics report each:
# the table of docs/incidents.md, a check for each cell.
# Once: no version of HAProxy differs here.
# Late: it uses a browser, and causes twelve faults.
. "$(dirname "$0")/lib.sh"
export CHROMIUM=/usr/lib/chromium/chromium-headless-shell
browser=
if [ "$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)" -ge 20 ] && [ -x $CHROMIUM ] && npm_packages console "the console's cells"; then
	browser=1
else
	skip "the console's cells" "no Node 20, or no chromium-headless-shell"
fi
if [ "$(id -u)" != 0 ] || ! mkdir -p "$D/journal" || ! mount -t tmpfs -o size=8m,mode=700 tmpfs "$D/journal" 2>/dev/null; then
	skip "twelve faults" "needs root, for a disk of its own"
	exit 0
fi
# ---- the stack, with a certificate that has expired ----
mkdir "$D/ca"
: >"$D/ca/index"
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout "$D/admin.key" -out "$D/admin.csr" 2>/dev/null
printf '[ca]\ndefault_ca = c\n[c]\ndatabase = %s/ca/index\nnew_certs_dir = %s/ca\nrand_serial = yes\ndefault_md = sha256\npolicy = p\n[p]\ncommonName = supplied\n' "$D" "$D" >"$D/ca.cnf"
openssl ca -batch -config "$D/ca.cnf" -selfsign -keyfile "$D/admin.key" -in "$D/admin.csr" -out "$D/admin.crt" -notext \
	-startdate 20250101000000Z -enddate 20260101000000Z 2>/dev/null
chmod 600 "$D/admin.key"
tls=$(free_ports 1)
ALL=$("$build/tollgate" admin-token new olga --roles operator,auditor --tokens "$D/admin.tokens")
cp "$root/tests/support/stack-policy.yaml" "$D/mine.yaml"
printf 'policy_watch: true\nadmin: {console: true, tokens: "%s/admin.tokens", tls: {listen: "127.0.0.1:%s", certificate: "%s/admin.crt", key: "%s/admin.key"}}\n' "$D" "$tls" "$D" "$D" >"$D/over.yaml"
stack_up --policy "$D/mine.yaml" --config "$D/over.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
ask() { req POST /v1/chat/completions -H "$auth" -H "$json" -d '{"model":"m","messages":[{"role":"user","content":"hello"}]}'; }
if [ "$browser" ]; then
	mkfifo "$D/to" "$D/from"
	CONSOLE=https://localhost:$tls ALL=$ALL timeout 300 node "$build/console/said.mjs" <"$D/to" >"$D/from" 2>&1 &
	exec 8>"$D/to" 9<"$D/from"
fi

# ---- the places that report a fault ----
in_status() { "$build/tollgate" status -c "$D/tollgate.yaml"; }
in_readyz() { fetch GET "$ADMIN/readyz"; }
in_now() { curl -sk -H "authorization: Bearer $ALL" "https://localhost:$tls/now" | jq -c .degraded; }
in_metrics() { fetch GET "$ADMIN/metrics" | grep ^tollgate_degraded; }
in_log() { cat "$D/tollgate.log"; }
# cells FAULT PART WHY [FIRST]: checks that each place reports the part and the reason. The log has the first reason
# (FIRST).
cells() {
	local fault=$1 part=$2 why=$3
	check "$fault: status reports it" wait_for says "degraded: $part: .*$why" in_status
	check "$fault: readyz reports it" wait_for says "degraded: $part: .*$why" in_readyz
	check "$fault: /now reports it" wait_for says "\"what\":\"$part\",.*$why" in_now
	check "$fault: the log reports it" wait_for says "event=degraded.begin part=$part .*${4:-$why}" in_log
	check "$fault: a metric reports it" wait_for says "^tollgate_degraded\\{part=\"$part\"\\} 1" in_metrics
	if [ "$browser" ]; then
		echo "$fault: the console|$part[^]*$why" >&8
		while IFS= read -r -t 60 line <&9; do
			case $line in 'ok - '*) ok "${line#ok - }"; break ;; 'not ok - '*) IFS= read -r -t 5 why <&9; not_ok "${line#not ok - }" "$why"; break ;; esac
		done
	fi
}
# over FAULT PART: checks that no place reports it any more
well() { ! says "part=\"$1\"\\} 1" in_metrics; }
over() { check "$1: its end is reported" wait_for well "$2"; }

cells "a certificate that has expired" certificate 'ended 2026-01-01T00:00:00Z'

redis config set maxmemory-policy noeviction >/dev/null
redis config set maxmemory 1 >/dev/null
ask
cells "Redis is full" redis 'refuses writes'
redis config set maxmemory 0 >/dev/null
ask
over "Redis is full" redis
redis_away
cells "Redis is unreachable" redis 'does not answer'
redis_back
over "Redis is unreachable" redis

for status in 401 429 500; do
	control "{\"status\":$status}"
	ask
	ask
	cells "a provider returns $status" providers "returns $status"
	control '{}'
	ask
	over "a provider returns $status" providers
done

cp "$D/mine.yaml" "$D/held.yaml"
printf 'tollgate: 1\nruls: []\n' >"$D/mine.new" && mv "$D/mine.new" "$D/mine.yaml"
cells "a reload is refused" reload 'ruls'
cp "$D/held.yaml" "$D/mine.new" && mv "$D/mine.new" "$D/mine.yaml"
over "a reload is refused" reload

touch "$JOURNAL/notes.txt"
cells "a foreign file in the journal's folder" folder 'not a segment'
rm "$JOURNAL/notes.txt"
over "a foreign file in the journal's folder" folder

head -c 16000000 /dev/zero >"$JOURNAL/../journal/.filler" 2>/dev/null
for _ in $(seq 400); do
	ask
	[ "$status" = 200 ] || break
done
cells "the disk is full" journal 'No space left on device' 'cannot be written'
rm "$JOURNAL/.filler"
over "the disk is full" journal

# ---- faults that the daemon itself cannot report ----
sed '/filter spoe/d' "$root/haproxy/haproxy.cfg" >"$D/broken.cfg"
"$build/tollgate" check --haproxy-only --haproxy "$D/broken.cfg" "$root/haproxy/tollgate.cfg" --haproxy-version 2.6.12 >"$D/out" 2>&1
is "an invalid stanza is an error of check" $? 1
like "the error names the line" "$(cat "$D/out")" 'filter spoe'
killed mockllm
ask
settled
cells "a provider's port is closed" providers 'HAProxy cannot reach the provider'
killed tollgate
down() { "$build/tollgate" status -c "$D/tollgate.yaml" >"$D/out" 2>&1; [ $? = 2 ]; }
check "a daemon that was killed: status ends with 2" wait_for down
like "a daemon that was killed: status names the socket" "$(cat "$D/out")" 'admin.sock'
ask
is "a daemon that was killed: callers get 503" "$status" 503
umount -l "$D/journal"
exit $failed
