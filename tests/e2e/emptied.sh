# Redis loses all data, twice, while two daemons share it. The daemons count again what they admitted.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

clear_of day 120
stack_up --policy "$here/emptied.yaml" --second
. "$here/emptied.bash"
empty() {
	settled
	redis-cli -s "${REDIS#unix:}" FLUSHALL >/dev/null
}
is "eight requests pass" "$(some ann 8)" "8 200"
a=$(metric requests_total 'via="relay"') b=$(metric requests_total 'via="relay"' "$ADMIN_B")
check "both daemons admit some of them ($a and $b)" test "$a" -gt 0 -a "$b" -gt 0
empty
is "after the first loss, four of the hour's twelve requests are left" "$(some ann 8)" "4 429"
is "after the first loss, six of the month's eighteen requests are left" "$(some bob 10)" "6 429"
empty
is "after the second loss, nothing is left" "$(some ann 2) $(some bob 2) $(some eve 2)" "0 429 0 429 0 429"
n=$(($(metric quota_recounted_total) + $(metric quota_recounted_total '' "$ADMIN_B")))
check "a metric has the number of requests that were counted again ($n)" test "$n" -gt 0
