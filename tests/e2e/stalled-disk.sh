# The journal's disk stands still for a second, again and again, while requests of each kind arrive, and it writes in
# pieces. Each id has one decision, and a request that was refused has a record of that.
# Once: the result depends only on the daemon.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
${CC:-cc} -shared -fPIC -o "$D/slow.so" "$root/tests/support/slow_disk.c" || { not_ok "slow_disk.c builds"; exit 1; }
printf '\0' >"$D/slow"
export SLOW_DISK=$D/slow
printf 'agent: {deadline: 400ms}\n' >"$D/config.yaml"
stack_up --config "$D/config.yaml" --preload "$D/slow.so"
unset SLOW_DISK
auth="authorization: Bearer $(token)"
hold() { printf "$1" | dd of="$D/slow" conv=notrunc status=none; }
mail='mail bob@example.com'
ask() { # WORDS [curl's options]: writes status and id into D/answered
	curl -s -m 20 -o /dev/null -w '%{http_code} %header{x-tollgate-id}\n' -H "$auth" -H 'content-type: application/json' "${@:2}" \
		-d '{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"'"$1"'"}]}' "$EDGE/v1/chat/completions" >>"$D/answered"
}
touch "$D/loading"
for kind in 1 2 3 4 5 6; do
	while [ -e "$D/loading" ]; do
		case $kind in
		1 | 2) ask "$mail" ;;
		3) ask 'hello' ;;
		4) ask "$mail" -H 'transfer-encoding: chunked' ;;
		5) ask 'hello' -H 'transfer-encoding: chunked' ;;
		6) ask "$mail" -m 0.9 ;; # disconnects
		esac
	done &
	loading[kind]=$!
done 2>/dev/null
for _ in 1 2 3 4 5; do
	sleep 0.6
	hold '\1'
	sleep 1.2
	hold '\0'
done
sleep 0.6
rm "$D/loading"
wait "${loading[@]}"
records() { cat "$JOURNAL"/* | tr -d '\0' | jq -c 'select(.id)'; }
# Each permit has a completion: of relayed requests, and of requests that were refused.
records_ended() {
	records | jq -se '[group_by(.id)[] | select(any(.type == "decision" and .via == "relay" and .decision != "deny") and all(.type != "completion"))] | length == 0' >/dev/null
}
check "each relayed request has its completion" wait_for records_ended
records >"$D/records"
is "no id has two decisions" "$(jq -r 'select(.type == "decision") | .id' "$D/records" | sort | uniq -d | head -3)" ''
is "no id has two completions" "$(jq -r 'select(.type == "completion") | .id' "$D/records" | sort | uniq -d | head -3)" ''
grep -c '^503 ' "$D/answered" >"$D/refused"
check "some requests were refused" test "$(cat "$D/refused")" -ge 5
# The record has the refusal: as a denial, or as an abandoned permit.
told() {
	awk '$1 == 503 && $2 != "" { print $2 }' "$D/answered" | sort >"$D/ids"
	jq -r 'select((.type == "decision" and .decision == "deny") or (.type == "completion" and .outcome == "abandoned")) | .id' "$D/records" | sort -u >"$D/told"
	comm -23 "$D/ids" "$D/told" | head -3
}
is "each refused request is recorded as refused" "$(told)" ''
check "the journal and the stream verify" verifies "$JOURNAL" "$AUDIT_KEY"
