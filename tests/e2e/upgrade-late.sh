# The new instance sends DECIDES too late, after the older one resumed. The new one ends, and has accepted no command.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/upgrade.bash"
upgrade_stack
older=$(deciding)
check "an upgrade gives the other instance its key" upgrade
check "the first instance ends" wait_for gone "$older"
older=$(deciding)
kill -TERM "$older"
check "the older instance is replaced by a program that resumes after GO" wait_for gone "$older"
touch "$D/older.log"
python3 "$here/upgrade-older.py" "$SOCKETS/agent.sock" "$SOCKETS/admin.sock" >>"$D/older.log" 2>&1 &
program=$!
wait_for grep -q '^listens' "$D/older.log"
"$build/tollgate" serve -c "$D/tollgate.yaml" --instance a --take >"$D/new.log" 2>&1 </dev/null 9>&- && code=0 || code=$?
wait $program
like "the new instance ends with exit code 3, and prints the reason" "$code $(tail -n1 "$D/new.log")" '^3 .*DECIDES came too late'
is "it did not accept a command on the shared admin socket" "$(tail -n1 "$D/older.log")" "not accepted"
