# Requests that are sent and canceled at once do not use up the memory for others.
# Once: aborts.sh tests canceled requests with each HAProxy.
# Alone: it uses all cores.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "canceled requests" "node is not installed"; exit 0; }
printf 'limits: {body: 4m, held: 48m}\nrelay: {read_timeout: 5s}\n' >"$D/limits.yaml"
"$build/stackhelp" merge "$here/config.yaml" "$D/limits.yaml" >"$D/asked.yaml"
stack_up --policy "$here/policy.yaml" --config "$D/asked.yaml"
TOKENS=$(for i in 1 2 3 4; do printf '%s ' "$(token --claims "{\"sub\":\"rude$i\"}")"; done | sed 's/ $//')
STRANGER=$(token --claims '{"sub":"stranger"}')
export TOKENS STRANGER EDGE ADMIN
node "$here/giveups.mjs" >"$D/giveups.log" 2>&1 || echo "not ok - giveups.mjs ends" >>"$D/giveups.log"
cat "$D/giveups.log"
grep -q '^not ok' "$D/giveups.log" && failed=1
check "at the end no bytes are held" wait_for says '^0$' metric held_bytes

# an upload that stops
IFS=: read -r host port <<<"${EDGE#http://}"
exec 7<>"/dev/tcp/$host/$port"
printf 'POST /api/relay/x HTTP/1.1\r\nhost: e2e\r\nauthorization: Bearer %s\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n61a86\r\n{"a":"%0400000d' "$STRANGER" 0 >&7
answer=$( # HAProxy still reads for a while; stops at the response's length
	exec <&7
	n=0
	while IFS= read -r -t 60 line && line=${line%$'\r'} && [ -n "$line" ]; do
		echo "$line"
		case ${line,,} in content-length:*) n=${line##* } ;; esac
	done
	head -c "$n"
)
exec 7>&-
like "an upload that stops gets a 408" "$answer" '^HTTP/1.1 408'
like "the 408 has the code request_timeout" "$answer" '"request_timeout"'
like "the record has the status 408" "$(grep -a '"type":"decision"' "$(ls "$JOURNAL"/* | tail -1)" | tail -n 1)" '"status":408'
unlike "the 408 may be retried" "${answer,,}" 'x-should-retry'
