# `tollgate upgrade` under load: the other instance takes over, and no request is refused.
. "$(dirname "$0")/lib.sh"
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
auth="authorization: Bearer $(token)"
json='content-type: application/json'
chat='{"model":"echo","messages":[{"role":"user","content":"write to jane.doe@example.com"}]}'

# load_begin CLIENTS: requests, one after the other in each client, until load_end; a line each in D/codes
load_begin() {
	: >"$D/codes"
	touch "$D/loading"
	for ((i = 0; i < $1; i++)); do
		while [ -e "$D/loading" ]; do
			curl -s -m 90 -o /dev/null -w '%{http_code} %{time_total}\n' -H "$auth" -H "$json" -d "$chat" "$EDGE/v1/chat/completions" >>"$D/codes"
		done &
		clients[i]=$!
	done
}
load_end() {
	rm -f "$D/loading"
	wait "${clients[@]}"
}
upgrade() { "$build/tollgate" upgrade -c "$D/tollgate.yaml" --exec "$build/tollgate" >>"$D/upgrade.log" 2>>"$D/tollgate.log"; }

load_begin 8
sleep 1
check "an upgrade returns 0" upgrade
like "and names the instance that decides" "$(tail -n1 "$D/upgrade.log")" '^instance b \(node a_b\) decides'
sleep 1
load_end
is "no request is refused" "$(grep -vc '^200 ' "$D/codes")" 0
echo "# $(wc -l <"$D/codes") requests, slowest $(cut -d' ' -f2 "$D/codes" | sort -n | tail -n1) s"
