# `check` opens what a start opens. For each part that `serve` refuses, `check` exits with 1 and the same message, and
# after the correction both succeed. A journal that the running daemon has locked is not an error.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"

chmod 755 "$D"
mkdir "$D/run"
cat >"$D/p.yaml" <<-'Y'
	tollgate: 1
	name: t
	providers: {own: {backend: own, external: false}}
	routes: [{name: chat, match: {path: /v1/chat/completions}, targets: own}]
	default: permit
Y
# config [AGENT [ADMIN]]: writes the configuration, with these addresses of the agent and the admin server
config() {
	cat >"$D/tollgate.yaml" <<-Y
		policy: $D/p.yaml
		node: a
		workers: 1
		backends: [own]
		agent: {listen: "${1:-unix@$D/run/agent.sock}"}
		relay: {listen: "unix@$D/run/relay.sock", egress: "unix@$D/run/egress.sock"}
		admin: {listen: "unix@$D/run/admin.sock", tcp: "${2:-127.0.0.1:$(free_port)}", token_file: $D/token}
		audit: {journal: $D/journal, key: $D/keys/audit.key}
	Y
}
free_port() { "$build/stackhelp" ports 1; }
# A complete configuration, with the journal of an earlier start.
fresh() {
	rm -rf "$D/journal"* "$D/keys" "$D/run" "$D/token"
	cp -a "$D/good/." "$D/"
	config
}
user=() running=
trap '[ -z "$running" ] || kill "$running"; finish' EXIT
serve() { exec "${user[@]}" "$build/tollgate" serve -c "$D/tollgate.yaml"; }
tried() { "$build/tollgate" check -c "$D/tollgate.yaml" ${user[0]:+--user nobody} >"$D/check" 2>&1; }
up() { grep -q "event=started" "$D/serve"; }
# starts: succeeds if serve starts, and ends it
starts() {
	serve >"$D/serve" 2>&1 &
	local pid=$!
	wait_for eval "up || gone $pid"
	up || return 1
	running=$pid
	[ -n "${stay:-}" ] || stops
}
stops() {
	kill -TERM "$running"
	wait "$running"
	running=
}

# ---- a correct configuration ----
mkdir "$D/keys" "$D/good"
config
"$build/tollgate" keygen "$D/keys/audit.key" >/dev/null
head -c 24 /dev/urandom | base64 >"$D/token"
chmod 600 "$D/token"
check "check passes without a journal" tried
check "check does not create the journal" test ! -e "$D/journal"
stay=1
check "the daemon starts" starts
check "check passes while the running daemon has locked the journal and its sockets" tried
stops
stay=
cp -a "$D/journal"* "$D/keys" "$D/token" "$D/run" "$D/good/"
before=$(cd "$D" && find journal* keys run token -type f -exec sha256sum {} + | sort)
check "check passes with a journal" tried
mv "$D/journal.policies" "$D/aside"
tried
like "with a journal of a version before 0.3, check names the changes" "$? $(tr '\n' ' ' <"$D/check")" '^0 .*note: .*policy_watch: true. keeps the behavior of earlier versions'
echo 'policy_watch: false' >>"$D/tollgate.yaml"
tried
unlike "with policy_watch set, check does not name them" "$(cat "$D/check")" policy_watch
config
mv "$D/aside" "$D/journal.policies"
tried
unlike "after this version has written to the journal, check does not name them" "$(cat "$D/check")" policy_watch
is "check changes no file" "$(cd "$D" && find journal* keys run token -type f -exec sha256sum {} + | sort)" "$before"

# ---- errors ----
# refused NAME OPTION BREAK: runs BREAK; then serve refuses to start, and check reports this option with the same
# message
refused() {
	fresh
	eval "$3"
	timeout 20 "${user[@]}" "$build/tollgate" serve -c "$D/tollgate.yaml" >"$D/serve" 2>&1 </dev/null
	local code=$? words got
	words=$(sed -n 's/^tollgate: serve: //p' "$D/serve" | tail -1)
	tried
	got=$?
	if [ $code = 2 ] && [ $got = 1 ] && [ -n "$words" ] && grep -qF -- "$2: $words" "$D/check"; then
		ok "$1: check has the message of serve"
	else
		not_ok "$1: check has the message of serve" "serve: exit $code: $words" "check: exit $got: $(head -c 300 "$D/check")"
	fi
	fresh
	[ -z "${owned:-}" ] || eval "$owned"
	check "$1: after the correction check passes" tried
	check "$1: serve starts" starts
}
key=$D/keys/audit.key
refused "a signing key that is cut" audit.key 'truncate -s 60 $key'
refused "a signing key that is empty" audit.key ': >$key'
refused "a signing key of another kind" audit.key 'openssl genpkey -algorithm RSA -out $key 2>/dev/null'
refused "a signing key that did not sign the journal" audit.journal 'rm $key*; "$build/tollgate" keygen $key >/dev/null'
refused "a journal that is a file" audit.journal 'rm -r "$D/journal"; : >"$D/journal"'
refused "a journal that is a dangling link" audit.journal 'rm -r "$D/journal"; ln -s "$D/gone" "$D/journal"'
refused "a journal whose last record is not signed" audit.journal 'sed -i "$ s/\"sig\":\"..../\"sig\":\"AAAA/" "$D"/journal/*.jsonl'
refused "an admin token file that is missing" admin.token_file 'rm "$D/token"'
refused "an admin token file that is empty" admin.token_file ': >"$D/token"'
refused "an agent address that is not of this machine" agent.listen 'config 203.0.113.9:9101'
refused "an admin address that is not of this machine" admin.tcp 'config "" 203.0.113.9:9101'
refused "a socket folder that does not exist" agent.listen 'config "unix@$D/none/agent.sock"'

# ---- files of another user ----
if [ "$(id -u)" != 0 ] || ! command -v setpriv >/dev/null; then
	skip "files of root, for the unit's user" "needs root and setpriv"
	exit $failed
fi
user=(setpriv --reuid nobody --regid "$(id -g nobody)" --init-groups)
owned='chown -R nobody "$D"/journal* "$D/keys" "$D/run" "$D/token"; chmod 644 "$D/tollgate.yaml" "$D/p.yaml"'
refused "a signing key of root" audit.key "$owned; chown root \$key"
refused "a folder of root for the signing key" audit.key "$owned; chown root \$D/keys; chmod 700 \$D/keys"
refused "a journal of root" audit.journal "$owned; chown root \$D/journal"
refused "a segment of root" audit.journal "$owned; chown root \$D/journal/*"
refused "a socket folder of root" agent.listen "$owned; chown root \$D/run"
exit $failed
