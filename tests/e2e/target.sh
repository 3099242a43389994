# Targets ejected and readmitted by an operator, as list, status, metrics and records show them.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

cp "$here/fallback.yaml" "$D/mine.yaml"
stack_up --policy "$D/mine.yaml" --providers 2
tg() { "$B/tollgate" "$@" -c "$D/tollgate.yaml" >"$D/out" 2>"$D/err"; }
ask() { req POST /v1/chat/completions -H "authorization: Bearer $(token)" -H 'content-type: application/json' -d '{"model":"m","messages":[{"role":"user","content":"hello"}]}'; }
# Prints how many requests each target had since the last call.
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
is "each target of the policy is listed before its first request" "$? $(grep -cE '^(one/m1|two/m2|one|two) +closed +0 +0%' "$D/out")" "0 4"
ask
is "the first target gets the request" "$status $(asked)" "200 1 0"
tg target eject one/m1 --by ops --reason 'ticket 12'
is "a target is ejected" "$? $(cat "$D/err")" "0 tollgate: target one/m1 is ejected until you admit it, or without redis until the daemon restarts."
like "the ejection is recorded" "$(changes)" '"what":"target","change":"eject","id":"one/m1","by":"root","claimed":"ops","reason":"ticket 12","peer":\{"uid":[0-9]+,'
ask
is "the next target gets the request at once" "$status $(asked)" "200 0 1"
tg target list
like "the list shows the ejection" "$(cat "$D/out")" $'^one/m1 +ejected '
tg status
like "status shows the ejection" "$(cat "$D/out")" $'^target one/m1: ejected, 0 in progress|^target one/m1: ejected since [^,]*, 0 in progress'
unlike "status does not mention healthy targets" "$(cat "$D/out")" '^target two'
like "top shows the ejection" "$("$B/tollgate" top -c "$D/tollgate.yaml" --json)" '"target": ?"one/m1", ?"state": ?"ejected"'
like "a metric shows the ejection" "$(fetch GET "$ADMIN/metrics")" '^tollgate_target_up\{target="one/m1"\} 0$'
tg target admit one/m1
is "the target is readmitted" "$? $(cat "$D/err")" "0 tollgate: target one/m1 is readmitted."
ask
is "it gets the next request" "$status $(asked)" "200 1 0"
like "the metric shows it" "$(fetch GET "$ADMIN/metrics")" '^tollgate_target_up\{target="one/m1"\} 1$'

tg target eject two
is "a provider's name ejects all of its models" "$? $("$B/tollgate" target list -c "$D/tollgate.yaml" | grep -cE '^two(/m2)? +ejected')" "0 2"
tg target admit two

tg target eject on/m1
is "an unknown target is refused" "$?" 1
like "the error has the nearest name" "$(cat "$D/err")" 'on/m1: the policy in force has no such target, did you mean one/m1'
is "nothing is recorded" "$(changes | grep -c 'on/m1')" 0
tg target eject
is "without a name, the usage is printed" "$?" 2

# ---- a request with two attempts ----
fetch POST "$PROVIDER/_control" '{"status":503}' >/dev/null
ask
is "if the first target fails, the second answers" "$status $(asked)" "200 1 1"
settled
like "audit list shows both attempts" "$("$B/tollgate" audit list -c "$D/tollgate.yaml" --outcome complete | tail -1)" ' two m2 one/m1:throttled,two/m2:done - '
like "usage has both targets" "$("$B/tollgate" usage -c "$D/tollgate.yaml" --by target)" '^two/m2 '
exit $failed
