# README's bolt-on, exactly as printed there, by root on a separate machine: its own /etc, /usr/local, /var/lib and
# /run (overlays in a mount namespace) and network (machine.bash). The provider is simulated.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

if [ "$(id -u)" != 0 ] || ! unshare -mn true 2>/dev/null; then
	skip "README's steps" "needs root and namespaces"
	exit 0
fi
export README="$root/README.md" D root B here
. "$here/machine.bash"
machine_write
cat >"$D/inside" <<'EOF'
set -u
cd "$root" || exit 1
. "$here/machine.bash"
machine_enter
steps() { "$root/tests/support/readme-steps" Bolt-on "$@" || echo 'echo README has no such step; exit 1'; }
say() { printf '%s\t%s\n' "$1" "$2" >>"$D/said"; }
# each command of the steps
n=0
steps '**1.' '**First requests' >"$D/steps"
while IFS= read -r command; do
	n=$((n + 1))
	bash -c "$command" >"$D/step$n.out" 2>"$D/step$n.err" </dev/null
	say "$?" "step $n: $command"
done <"$D/steps"
cat "$D"/step*.out >"$D/steps.out"
key=$(grep -h -o '^tg_[0-9a-z_]*' "$D/steps.out" | head -1)
steps '**First requests' '**First proof' | sed "s/^KEY=.*/KEY=$key/" >"$D/requests"
bash "$D/requests" >"$D/requests.out" 2>"$D/requests.err"
say "$?" "the first requests"
curl -s http://127.0.0.1:8001/_seen?last=1 >"$D/seen"
curl -s http://127.0.0.1/ >"$D/site"
curl -s http://127.0.0.1/v1/models >"$D/other"
id=$(sed -n 's/^x-tollgate-id: *\([0-9A-Za-z-]*\).*/\1/p' "$D/requests.out" | tail -1)
steps '**First proof' '**And then' | sed "s/ID  */$id /" >"$D/proof"
bash -e "$D/proof" >"$D/proof.out" 2>"$D/proof.err"
say "$?" "the first proof"
tollgate init >"$D/again" 2>&1
say "$?" "init once more"
"$root/tests/support/readme-steps" Leaving >"$D/leaving"
while IFS= read -r command; do
	bash -c "$command" >>"$D/leaving.out" 2>"$D/leaving.err" </dev/null
	say "$?" "leaving: $command"
done <"$D/leaving"
rm -rf /run/tollgate
systemctl restart haproxy
for _ in $(seq 100); do curl -s http://127.0.0.1/ >"$D/site.left" && break; sleep 0.1; done
cmp /etc/haproxy/haproxy.cfg /etc/haproxy/haproxy.cfg.before-tollgate >"$D/left" 2>&1
machine_leave
EOF
unshare -mn --fork --pid --mount-proc bash "$D/inside" >"$D/inside.out" 2>&1
while IFS=$'\t' read -r code what; do
	[ "$code" = 0 ] && ok "$what" || not_ok "$what" "exit $code" "$(cat "$D"/step*.err "$D"/*.err "$D/inside.out" 2>/dev/null | tail -5)"
done <"$D/said"
is "README has as many steps as the test ran" "$(grep -c . "$D/steps")" "$(grep -c 'step ' "$D/said")"
like "the list of models is permitted" "$(cat "$D/requests.out")" '^x-tollgate-decision: permit'
like "the request with an address is redacted" "$(cat "$D/requests.out")" '^x-tollgate-decision: redact'
like "the provider received a placeholder" "$(cat "$D/seen")" 'EMAIL_ADDRESS_1'
unlike "the provider received no address" "$(cat "$D/seen")" 'jane@example.com'
like "the provider received the company's key" "$(cat "$D/seen")" 'sk-the-company'
like "the daemon is ready" "$(cat "$D/requests.out")" '^ready'
is "the site is unchanged" "$(cat "$D/site")" site
is "another host's paths are unchanged" "$(cat "$D/other")" site
final like "the records verify" "$(cat "$D/proof.out")" '^ok node='
like "a second init has nothing to do" "$(cat "$D/again")" 'Nothing to do'
is "README's removal has four commands" "$(grep -c 'leaving: ' "$D/said")" 4
is "after the removal, haproxy.cfg is the original" "$(cat "$D/left")" ''
is "after the removal, HAProxy starts without tollgate's folders" "$(cat "$D/site.left")" site
exit $failed
