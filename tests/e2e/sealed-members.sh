# Two daemons that share a Redis keep sealed texts: with the configuration of either one, an auditor opens the texts of
# both, collects a person's records from both, follows both in an export, and erases on both. One of them is killed
# meanwhile.
# Once: no version of HAProxy differs here.
# Late: commands are repeated with each of two configurations, and wait for checkpoints.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
cat >"$D/mine.yaml" <<Y
$(auditor ann)
Y
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: members
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  openai: {backend: openai, dialect: openai}
routes:
  - {name: chat, match: {api: openai}, targets: openai, response: [inspect], record: {prompt: full, response: full}}
default: permit
Y
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml" --second
alice=$(token --claims '{"sub":"alice"}') bob=$(token --claims '{"sub":"bob"}')
tg() { local of=$1; shift; "$build/tollgate" "$@" -c "$D/tollgate$of.yaml" 2>"$D/err"; }
ask() { # TOKEN TEXT
	req POST /v1/chat/completions -H "authorization: Bearer $1" -H 'content-type: application/json' \
		-d "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}"
}
decided() { cat "$D/$1"/*.jsonl | tr -d '\0' | grep -c '"type":"decision"'; }
ids() { cat "$D/$1"/*.jsonl | tr -d '\0' | grep '"type":"decision"' | jq -r "select(.identity.person == \"$2\") | .id"; }
# whichever daemon HAProxy prefers, both have decided requests of alice
n=0
both_decided() {
	n=$((n + 1))
	ask "$alice" "letter $n of alice"
	[ "$(ids journal alice | wc -l)" -ge 2 ] && [ "$(ids journal-b alice | wc -l)" -ge 2 ]
}
check "both daemons decide requests" wait_for both_decided
ask "$bob" "a letter of bob"
all=$(($(decided journal) + $(decided journal-b)))
echo "# $(decided journal) and $(decided journal-b) decisions"
is "each request has a record" "$all" $((n + 1))

# ---- texts of both are opened with either configuration ----
opened() { # OF ID
	tg "$1" audit open "$2" --key "$D/ann.key" --part prompt --reason drill >"$D/text"
}
opens_at_last() { opened "$@" || ! grep -q 'no checkpoint covers' "$D/err"; }
open_all() { # WHICH: each text of both journals, with each configuration in $confs
	local of id
	for of in "${confs[@]}"; do
		for id in $(ids journal alice) $(ids journal-b alice); do
			wait_for opens_at_last "$of" "$id" 2>/dev/null
			matches "$(cat "$D/text")" 'letter [0-9]+ of alice' || { not_ok "$1: tollgate$of.yaml opens $id" "$(cat "$D/err")"; return; }
		done
	done
	ok "$1"
}
confs=('' -b)
open_all "each configuration opens the texts of both daemons"
for of in "${confs[@]}"; do
	is "verify --texts$of verifies the texts of both" "$(tg "$of" audit verify --texts >"$D/verified"; echo "$? $(grep -c '^ok node=' "$D/verified")")" "0 2"
done

# ---- a person's records from both ----
subject() { # OF
	rm -rf "$D/subject$1"
	tg "$1" audit subject --person alice --key "$D/ann.key" --reason drill --out "$D/subject$1" >"$D/out"
}
for of in "${confs[@]}"; do
	subject "$of"
	is "audit subject$of collects the requests of both daemons" "$? $(cat "$D/subject$of"/*.jsonl | grep '"type":"decision"' | jq -r .id | sort | tr '\n' ' ')" "0 $({ ids journal alice; ids journal-b alice; } | sort | tr '\n' ' ')"
	is "audit subject$of has each prompt, and none of others" "$(grep -rhao 'letter [0-9]* of alice' "$D/subject$of" | sort -u | wc -l) $(grep -rla 'letter of bob' "$D/subject$of" | wc -l)" "$n 0"
done

# ---- an export follows both, also over a kill of the follower and of a daemon ----
follow() { exec "$build/tollgate" audit export --follow --position "$D/position" --out "$D/followed.jsonl" --format jsonl -c "$D/tollgate-b.yaml" </dev/null >>"$D/follow.log" 2>&1; }
exported() { jq -r 'select(.type == "decision") | .id' "$D/followed.jsonl" 2>/dev/null | sort; }
written() { { ids journal alice; ids journal-b alice; ids journal bob; ids journal-b bob; } | sort; }
has_all() { [ "$(exported)" = "$(written)" ]; }
follow &
follower=$!
for _ in 1 2 3 4 5 6; do ask "$alice" "letter $((n += 1)) of alice"; done
check "export --follow has each decision of both once" wait_for has_all
kill -KILL $follower
wait $follower 2>/dev/null
for _ in 1 2 3 4 5 6; do ask "$alice" "letter $((n += 1)) of alice"; done
killed tollgate
one_decides() { ask "$alice" "letter $((n += 1)) of alice"; [ "$status" = 200 ]; }
check "the other daemon decides" wait_for one_decides
follow &
follower=$!
check "after a restart it has what it missed, of the killed daemon too" wait_for has_all
ask "$alice" "letter $((n += 1)) of alice"
check "and continues with the daemon that runs" wait_for has_all
kill -INT $follower
wait $follower

# ---- the shares of a killed daemon are in its file, and only it gives them ----
his=$(ids journal alice | head -1)
opened -b "$his"
like "a text of the killed daemon needs its daemon: the message names the socket" "$? $(cat "$D/err")" '^[12] .*admin.sock: no process listens on this socket'
from_file() { tg -b audit open "$his" --key "$D/ann.key" --part prompt --shares "$JOURNAL.shares" >"$D/text"; }
check "or the file of its shares" from_file
subject -b
like "audit subject writes nothing incomplete: the message names the socket" "$? $(cat "$D/err") $(ls "$D/subject-b" 2>&1)" '^2 .*admin.sock.*No such file'

# ---- an erasure concerns both, also the daemon that was killed ----
before=$(ids journal alice | head -1) after=$(ids journal-b alice | head -1)
tg -b audit erase --person alice --why "asked" >"$D/out"
like "the erasure waits for the daemon that is away" "$(tg -b audit erase --status)" 'a .*(LEFT|left|not)|LEFT'
"$build/tollgate" serve -c "$D/tollgate.yaml" >>"$D/tollgate.log" 2>&1 &
note_pid $! tollgate
erased() { tg -b audit erase --status --json | jq -e '.erasures[0].nodes | length == 2 and all(.done)' >"$D/status" 2>&1; }
check "when it is back, both have erased" wait_for erased
for of in '' -b; do
	opened "$of" "$before"; one=$?
	opened "$of" "$after"
	is "then tollgate$of.yaml opens no text of the person" "$((one != 0)) $(($? != 0)) $(grep -c 'letter' "$D/text")" "1 1 0"
done
is "the texts of others still open" "$(id=$(ids journal bob; ids journal-b bob); opened '' "$id" && cat "$D/text" | grep -c 'a letter of bob')" 1
for j in "$D/journal" "$D/journal-b"; do
	key=$D/audit.key.pub
	[ "$j" = "$D/journal-b" ] && key=$D/audit-b.key.pub
	check "the chain in ${j##*/} verifies" verifies "$j" "$key"
done
exit $failed
