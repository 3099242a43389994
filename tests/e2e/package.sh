# What make deb-test does for real is held together here: version, dependencies, unit.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

version=$(sed -n 's/^VERSION := //p' "$root/Makefile")
is "the package has the program's version" "$(sed -n '1s/^tollgate (\([^)]*\)).*/\1/p' "$root/debian/changelog")" "$version"
missing=
for d in $(make -s -C "$root" print-deps-build); do
	case $d in gcc | make) continue ;; esac
	grep -qE "^ $d(,|\$)" "$root/debian/control" || missing="$missing $d"
done
is "it wants what the build wants" "$missing" ""
unit=$root/docs/tollgate.service
like "the unit waits for its configuration" "$(cat "$unit")" '^ConditionPathExists=/etc/tollgate/tollgate.yaml$'
unlike "the unit lets PCRE2 run what it compiles" "$(grep -v '^#' "$unit")" 'MemoryDenyWriteExecute'
# systemd replaces ${MAINPID}; /bin/kill is in a package that a minimal Debian lacks, so the line runs without one
reload=$(sed -n 's/^ExecReload=//p' "$unit")
sleep 5 &
main=$!
env -i PATH=/nonexistent /bin/sh -c "$(sed "s/\${MAINPID}\|\$MAINPID/$main/" <<<"$reload")" 2>"$D/err"
reloaded=$?
wait $main 2>/dev/null
is "the unit's reload sends SIGHUP, and names no program of another package" "$reloaded $? $(grep -oE '/[a-z/]*bin/[a-z]+' <<<"$reload")" "0 129 /bin/sh"
extract=$root/docs/tollgate-extract.service
unlike "tollgate-extract's unit lets it have namespaces" "$(grep -v '^#' "$extract")" 'RestrictNamespaces'
like "and no network" "$(cat "$extract")" '^PrivateNetwork=yes$'
is "its socket is the daemon's group's, where the daemon's are" "$(sed -n 's/^\(ListenStream\|SocketGroup\|SocketMode\)=//p' "$root/docs/tollgate-extract.socket" | paste -sd' ')" "/run/tollgate/extract.sock tollgate 0660"
for f in tollgate-extract.service tollgate-extract.socket; do
	like "$f is packaged" "$(cat "$root/debian/rules")" "docs/$f"
	sed "s#@PREFIX@/bin#$build#" "$root/docs/$f" >"$D/$f"
done
if command -v systemd-analyze >/dev/null; then
	is "systemd takes both" "$(systemd-analyze verify --man=no "$D"/tollgate-extract.* 2>&1)" ""
else
	skip "systemd takes both" "systemd-analyze is not installed"
fi
kept=$(sed -n 's/^Environment=//p' "$root/docs/haproxy.service.conf")
is "HAProxy's unit and its container keep the same memory" "$(sed -n 's/^ENV \(MALLOC.*\)/\1/p' "$root/docker/haproxy.Dockerfile")" "${kept:?}"
for f in tollgate.cfg spoe.cfg 503.http origins.lst; do
	like "/etc/haproxy/tollgate/$f is packaged" "$(cat "$root/debian/rules")" "haproxy/$f"
done
is "README names the package as it is called" "$(grep -o 'tollgate_[0-9.]*_amd64.deb' "$root/README.md" | head -1)" "tollgate_${version}_amd64.deb"
exit $failed
