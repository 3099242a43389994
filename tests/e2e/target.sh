# Targets by hand: one is taken out, let in again, and shown by list, status, metrics and records.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

cp "$here/fallback.yaml" "$D/mine.yaml"
stack_up --policy "$D/mine.yaml" --providers 2
tg() { "$B/tollgate" "$@" -c "$D/tollgate.yaml" >"$D/out" 2>"$D/err"; }
ask() { req POST /v1/chat/completions -H "authorization: Bearer $(token)" -H 'content-type: application/json' -d '{"model":"m","messages":[{"role":"user","content":"hello"}]}'; }
# Which of them were asked since the last time.
asked() {
	local url n=''
	for url in "$PROVIDER" "$PROVIDER_2"; do
		n+=$(curl -s "$url/_seen?last=200" | grep -o '"ended"' | wc -l)' '
		fetch DELETE "$url/_seen" >/dev/null
	done
	echo "${n% }"
}
changes() { cat "$D"/journal/*.jsonl | tr -d '\0' | grep '"type":"change"'; }

tg target list
is "each target of the policy is listed before it is asked" "$? $(grep -cE '^(one/m1|two/m2|one|two) +closed +0 +0%' "$D/out")" "0 4"
ask
is "the first one is asked" "$status $(asked)" "200 1 0"
tg target eject one/m1 --by ops --reason 'ticket 12'
is "one is taken out" "$? $(cat "$D/err")" "0 tollgate: target one/m1 is ejected until you admit it, or without redis until the daemon restarts."
like "with a record" "$(changes)" '"what":"target","change":"eject","id":"one/m1","by":"root","claimed":"ops","reason":"ticket 12","peer":\{"uid":[0-9]+,'
ask
is "the next one is asked at once" "$status $(asked)" "200 0 1"
tg target list
like "the list says it" "$(cat "$D/out")" $'^one/m1 +ejected '
tg status
like "status says it" "$(cat "$D/out")" $'^target one/m1: ejected, 0 in progress|^target one/m1: ejected since [^,]*, 0 in progress'
unlike "and nothing of those that are well" "$(cat "$D/out")" '^target two'
like "top says it" "$("$B/tollgate" top -c "$D/tollgate.yaml" --json)" '"target": ?"one/m1", ?"state": ?"ejected"'
like "the metric says it" "$(fetch GET "$ADMIN/metrics")" '^tollgate_target_up\{target="one/m1"\} 0$'
tg target admit one/m1
is "it is let in again" "$? $(cat "$D/err")" "0 tollgate: target one/m1 is readmitted."
ask
is "and asked" "$status $(asked)" "200 1 0"
like "the metric says that too" "$(fetch GET "$ADMIN/metrics")" '^tollgate_target_up\{target="one/m1"\} 1$'

tg target eject two
is "a provider: all of its models" "$? $("$B/tollgate" target list -c "$D/tollgate.yaml" | grep -cE '^two(/m2)? +ejected')" "0 2"
tg target admit two

tg target eject on/m1
is "a name that is none is refused" "$?" 1
like "with the nearest one" "$(cat "$D/err")" 'on/m1: the policy in force has no such target, did you mean one/m1'
is "and leaves no record" "$(changes | grep -c 'on/m1')" 0
tg target eject
is "no name: usage" "$?" 2

# ---- a request that went to both ----
fetch POST "$PROVIDER/_control" '{"status":503}' >/dev/null
ask
is "what the first one refuses the second one answers" "$status $(asked)" "200 1 1"
settled
like "audit list shows its attempts" "$("$B/tollgate" audit list -c "$D/tollgate.yaml" --outcome complete | tail -1)" ' two m2 one/m1:throttled,two/m2:done - '
like "usage has each target" "$("$B/tollgate" usage -c "$D/tollgate.yaml" --by target)" '^two/m2 '
exit $failed
