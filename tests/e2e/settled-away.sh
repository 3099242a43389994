# Responses end while Redis cannot be reached, and then the daemon ends. After Redis is back, the next start corrects
# the counters to what the responses used. Starts that are killed meanwhile do not subtract twice.
# Once: the result depends only on the daemon.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
. "$here/trio.bash"
. "$here/cluster.bash"
trap 'cluster_down; D=$all/sentinel; trio_down; D=$all; finish' EXIT

quota() { "$build/tollgate" quota get --person ann --json -c "$D/tollgate.yaml" 2>"$D/err"; }
counts() { quota | jq -c '[.[] | [.used, .held]]'; }
ask() { # MAX_TOKENS STREAM
	req POST /v1/chat/completions -H "authorization: Bearer $(token --claims '{"sub":"ann"}')" \
		-H 'content-type: application/json' \
		-d "{\"model\":\"m\",\"stream\":$2,\"max_tokens\":$1,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
}
ends() { # SIGNAL
	local pid
	for pid in $PIDS $again; do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = tollgate ] && kill "-$1" "$pid"
	done
	for pid in $PIDS $again; do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = tollgate ] && wait_for gone "$pid"
	done
}
starts() {
	"$build/tollgate" serve -c "$D/tollgate.yaml" >>"$D/tollgate.log" 2>&1 &
	again=$!
	wait_for curl -sf -o "$D/ready" "$ADMIN/readyz"
}
completions() { cat "$JOURNAL"/* | tr -d '\0' | grep -c '"type":"completion"'; }
recorded() { [ "$(completions)" = "$1" ]; }

# Redis does not answer, or answers again.
away() {
	case $1 in
		one) redis_away ;;
		sentinel) kill -STOP "$(cat "$D/m1/pid")" ;;
		cluster) kill -STOP "${cluster_pids[@]}" ;;
	esac
}
back() {
	case $1 in
		one) redis_back ;;
		sentinel) kill -CONT "$(cat "$D/m1/pid")" ;;
		cluster) kill -CONT "${cluster_pids[@]}" ;;
	esac
}

clear_of day 240
all=$D
want='[[60,0],[60,0],[60,0],[0,0]]'
for row in 'one TERM' 'one KILL' 'sentinel KILL' 'cluster KILL'; do
	store=${row% *} signal=${row#* }
	D=$all/$store
	[ $signal$store = KILLone ] && D=$D-kill
	mkdir "$D"
	case $store in
		one) stack_up --policy "$here/orphans.yaml" ;;
		sentinel) trio_up; stack_up --no-redis --policy "$here/orphans.yaml" --config "$D/trio.yaml" ;;
		cluster) cluster_up; stack_up --no-redis --policy "$here/orphans.yaml" --config "$D/cluster.yaml" ;;
	esac
	again=
	control '{"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30},"delay_ms":3600000}'
	(ask 700 false) &
	(ask 700 true) &
	under_way 2
	away $store
	release
	wait_for recorded 2
	ends $signal
	back $store
	starts
	whole() { [ "$(counts)" = "$want" ]; }
	wait_for whole
	is "$row: the counters are what the responses used" "$(counts)" "$want"
	for _ in 1 2 3; do
		ends KILL
		starts
	done
	sleep 1
	is "$row: three further starts change nothing" "$(counts)" "$want"
	check "$row: the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
	[ -n "$again" ] && kill "$again" && wait "$again" 2>/dev/null
	"$root/tests/support/stack" down --dir "$D" >/dev/null 2>&1
done
D=$all
