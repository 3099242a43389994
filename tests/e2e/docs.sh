# Runs every command of README and docs/ on a machine with HAProxy, Redis and tollgate, installed as the pages
# describe. The machine consists of overlays in a mount namespace and its own network. Each page has its own shell and
# folder. tests/data/doc-commands.txt lists the commands that are changed first (such as a real id in place of ID),
# and those that another test runs. The provider is simulated.
# DOCS="docs/NAME.md …" runs only these pages.
# Once: no version of HAProxy differs here.
# Late: it runs two hundred commands.
. "$(dirname "$0")/lib.sh"

if [ "$(id -u)" != 0 ] || ! unshare -mn true 2>/dev/null; then
	skip "the commands of the pages" "needs root and namespaces"
	exit 0
fi
rows=$root/tests/data/doc-commands.txt
# ---- commands that another test runs exist there ----
while read -r row; do
	[[ $row = *' | by '* ]] || continue
	file=${row%% | *} pattern=${row#* | } pattern=${pattern% | *}
	read -r _ by word <<<"${row##* | }"
	if ! grep -qF -- "$word" "$root/$by" 2>/dev/null; then not_ok "$by has the commands of $file that match $pattern" "$word is missing"; fi
done < <(grep -v '^#' "$rows")

export D root B here rows
. "$here/machine.bash"
machine_write
cat >"$D/inside" <<'EOF'
set -u
cd "$root" || exit 1
. "$here/machine.bash"
machine_enter usr
make -s install PREFIX=/usr B="$B" >"$D/install.log" 2>&1 || { tail -3 "$D/install.log"; exit 1; }
cp -r "$root/docker" "$root/haproxy" "$D/" 
redis-server --bind 127.0.0.1 --port 6379 --unixsocket /run/redis.sock --save '' --daemonize no >"$D/redis.log" 2>&1 &
printf '127.0.0.1 ai.example.com\n' >>/etc/hosts
systemd-sysusers tollgate.conf; systemd-tmpfiles --create tollgate.conf
tollgate init --host ai.example.com --write >"$D/init.out" 2>&1 || cat "$D/init.out"
cp /usr/share/tollgate/policies/prices.yaml /etc/tollgate/
printf 'prices: prices.yaml\n' >>/etc/tollgate/default.yaml
chgrp tollgate /etc/tollgate/prices.yaml
tollgate keygen --hash-key /etc/tollgate/hash.key --from /etc/tollgate/audit.key >/dev/null; chown tollgate /etc/tollgate/hash.key
sed -i 's#^audit:#&\n  hash_key: /etc/tollgate/hash.key#' /etc/tollgate/tollgate.yaml
printf 'redis:\n  url: redis://127.0.0.1\n  daemons: 1\n' >>/etc/tollgate/tollgate.yaml
systemctl enable --now tollgate && systemctl restart haproxy || exit 1
KEY=$(grep -oh '^tg_[0-9a-z_]*' "$D/init.out" | head -1)
key_id=${KEY#tg_} key_id=${key_id%%_*}
trace=4bf92f3577b34da6a3ce929d0e0e4736
export KEY trace key_id
# Sends a request that passes, and one that is redacted; prints the id of the second. After a restart, HAProxy may
# need some tenths of a second to find the daemon.
ask() {
	for _ in $(seq 50); do ask_once; [ -z "$ID" ] || return 0; sleep 0.2; done
	cat "$D/asked" "$D/tollgate.log"
	exit 1
}
ask_once() {
	for text in hello 'write to jane@example.com'; do
		curl -si http://127.0.0.1/v1/chat/completions -H 'host: ai.example.com' -H "authorization: Bearer $KEY" -H "traceparent: 00-$trace-00f067aa0ba902b7-01" \
			-H 'content-type: application/json' -d "{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"$text\"}]}"
	done >"$D/asked"
	ID=$(sed -n 's/^x-tollgate-id: *\([0-9A-Za-z-]*\).*/\1/p' "$D/asked" | tail -1)
}
mkdir -p /var/lib/siem
install -o tollgate -m 600 /dev/null /etc/tollgate/redis.password
cp -a /etc/tollgate/default.yaml /etc/tollgate/policy.yaml
# Restores what a page changed, for the next page.
cp -a /etc/tollgate "$D/tollgate.saved"; cp -a /etc/haproxy "$D/haproxy.saved"; cp /etc/default/haproxy "$D/default.saved"
restored() {
	diff -rq /etc/tollgate "$D/tollgate.saved" >/dev/null && diff -rq /etc/haproxy "$D/haproxy.saved" >/dev/null && diff -q /etc/default/haproxy "$D/default.saved" >/dev/null && return
	cp -a /etc/tollgate/audit.key* "$D/tollgate.saved/" # the journal continues with its key
	rm -rf /etc/tollgate /etc/haproxy
	cp -a "$D/tollgate.saved" /etc/tollgate; cp -a "$D/haproxy.saved" /etc/haproxy; cp "$D/default.saved" /etc/default/haproxy
	systemctl restart tollgate haproxy
	for _ in $(seq 300); do tollgate status >/dev/null && return; sleep 0.1; done
}
ask
mapfile -t rows_of < <(grep -v '^#' "$rows")
: >"$D/targets"
n=0
page='' work='' live_id=
while IFS=$'\t' read -r file command; do
	command=${command//$'\x01'/$'\n'}
	action=
	for row in "${rows_of[@]}"; do
		glob=${row%% | *} pattern=${row#* | } pattern=${pattern% | *}
		# shellcheck disable=SC2053
		if [[ $file = $glob ]] && [[ $command =~ $pattern ]]; then action=${row##* | }; break; fi
	done
	case $action in by\ *) continue ;; esac
	if [ "$page" != "$file" ]; then
		[ -z "$page" ] || { restored && ask; }
		page=$file work=$D/work/${file//\//_}
		mkdir -p "$work"
		cp -r "$root/policies" "$work/"
		cp /etc/tollgate/default.yaml "$work/old.yaml"; cp /etc/tollgate/default.yaml "$work/new.yaml"
		cp "$root/policies/prices.yaml" "$work/"
		echo '{"path":"/v1/chat/completions","identity":{"person":"alice"},"headers":{"content-type":"application/json"},"body":"{\"model\":\"m\",\"messages\":[]}"}' | tee "$work/request.json" >"$work/requests.jsonl"
		ln -s /var/lib/tollgate/journal "$work/DIR"; cp /etc/tollgate/audit.key.pub "$work/"
		: >"$work/state"
	fi
	want=0
	case $action in
	exit\ *) want=${action#exit } ;;
	make)
		# pages about targets run together below
		[[ $command =~ ^make\ [a-z-]+$ ]] && { printf '%s\t%s\n' "$file" "$command" >>"$D/targets"; continue; }
		# without a build, there are no lists of headers
		command="make -n -C $root B=none ${command#make }" ;;
	follows) command="timeout 3 $command" want=124 ;;
	with\ *) command=$(sed -E "${action#with }" <<<"$command") ;;
	esac
	command=$(sed -E "s/\bTRACE-ID\b/$trace/g; s/(show|explain) ID\b/\1 $ID/; s/(revoke|rotate)( --keys [^ ]*)? ID\b/\1\2 $key_id/; s/(change|revoke) --live ID\b/\1 --live $live_id/" <<<"$command")
	n=$((n + 1))
	# variables and functions of earlier commands of the page still exist
	{ printf 'cd %q\n' "$work"; cat "$work/state"; printf '%s\n' "$command"; } >"$D/run"
	[[ $command =~ ^([A-Za-z_]+(\(\)|=)|cd ) ]] && printf '%s\n' "$command" >>"$work/state"
	timeout 60 bash "$D/run" >"$D/out" 2>"$D/err" </dev/null
	code=$?
	[[ $command = *'key new --live'* ]] && live_id=$(sed -n 's/^tg_\([0-9a-z]*\)_.*/\1/p' "$D/out" | head -1)
	printf '%s\t%s\t%s\t%s\t%s\n' "$code" "$want" "$file" "${command//$'\n'/ }" "$(tail -qn 9 "$D/out" "$D/err" | tr '\n\t' '  ' | cut -c1-600)" >>"$D/said"
done <"$D/commands"
# shellcheck disable=SC2046
[ ! -s "$D/targets" ] || timeout 300 make -n -C "$root" B=none $(cut -f2 "$D/targets" | sed 's/^make //' | sort -u) >"$D/out" 2>&1 </dev/null
all=$?
while IFS=$'\t' read -r file command; do
	code=$all
	[ $all = 0 ] || { timeout 60 make -n -C "$root" B=none ${command#make } >"$D/out" 2>&1 </dev/null; code=$?; }
	printf '%s\t0\t%s\t%s\t%s\n' $code "$file" "$command" "$(tail -n 3 "$D/out" | tr '\n\t' '  ')" >>"$D/said"
done <"$D/targets"
: >"$D/ended"
machine_leave
EOF
tests=$(cd "$root" && tests/support/doc-commands ${DOCS:-} >"$D/commands" 2>"$D/extract.err"; echo $?)
is "the pages' commands are whole" "$tests $(cat "$D/extract.err")" "0 "
: >"$D/said"
unshare -mn --fork --pid --mount-proc bash "$D/inside" >"$D/inside.out" 2>&1
while IFS=$'\t' read -r code want file command why; do
	[ "$code" = "$want" ] && ok "$file: ${command:0:150}" || not_ok "$file: $command" "exit $code, not $want" "$why"
done <"$D/said"
[ -n "${DOCS:-}" ] || [ "$(grep -c . "$D/said")" -gt 100 ] || not_ok "the commands were run" "$(grep -c . "$D/said") of $(grep -c . "$D/commands")" "$(tail -5 "$D/inside.out")"
[ -e "$D/ended" ] || not_ok "the last page is reached" "$(tail -5 "$D/inside.out")"
exit $failed
