# Without Redis, `tollgate upgrade` is exit 1 with the reason, because counts would begin at 0, and the daemon
# continues.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/upgrade.bash"
upgrade_stack "$here/policy.yaml" --no-redis
first=$(pid_of tollgate)
upgrade && code=0 || code=$?
is "an upgrade without Redis is exit 1" "$code" 1
like "the message has the reason" "$said" 'tollgate: upgrade: redis.url is not set.*configure Redis, or restart'
check "the daemon still runs" kill -0 "$first"
check "the daemon still decides" served
"$build/tollgate" serve -c "$D/tollgate.yaml" --take --instance b >"$D/take.log" 2>&1 9>&- && code=0 || code=$?
is "an instance that wants to take over is exit 3" "$code" 3
like "its log has the reason" "$(cat "$D/take.log")" 'redis.url is not set'
