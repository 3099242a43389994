# Checks version, dependencies and units of the package without installing it; make deb-test installs it.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"

version=$(sed -n 's/^VERSION := //p' "$root/Makefile")
is "the package has the program's version" "$(sed -n '1s/^tollgate (\([^)]*\)).*/\1/p' "$root/debian/changelog")" "$version"
missing=
for d in $(make -s -C "$root" print-deps-build); do
	case $d in gcc | make) continue ;; esac
	grep -qE "^ $d(,|\$)" "$root/debian/control" || missing="$missing $d"
done
is "the package's build dependencies include those of the Makefile" "$missing" ""
unit=$root/docs/tollgate.service
like "the unit waits for its configuration" "$(cat "$unit")" '^ConditionPathExists=/etc/tollgate/tollgate.yaml$'
unlike "the unit lets PCRE2 run the code that it compiles" "$(grep -v '^#' "$unit")" 'MemoryDenyWriteExecute'
# systemd replaces ${MAINPID}; /bin/kill is in a package that a minimal Debian lacks, so the line runs without one
reload=$(sed -n 's/^ExecReload=//p' "$unit")
env --default-signal=HUP sleep 5 & # make test may run under nohup
main=$!
env -i PATH=/nonexistent /bin/sh -c "$(sed "s/\${MAINPID}\|\$MAINPID/$main/" <<<"$reload")" 2>"$D/err"
reloaded=$?
wait $main 2>/dev/null
is "the unit's reload sends SIGHUP, and uses no program of another package" "$reloaded $? $(grep -oE '/[a-z/]*bin/[a-z]+' <<<"$reload")" "0 129 /bin/sh"
extract=$root/docs/tollgate-extract.service
unlike "tollgate-extract's unit permits namespaces" "$(grep -v '^#' "$extract")" 'RestrictNamespaces'
like "tollgate-extract's unit has no network" "$(cat "$extract")" '^PrivateNetwork=yes$'
is "tollgate-extract's socket belongs to the daemon's group, in the daemon's folder" "$(sed -n 's/^\(ListenStream\|SocketGroup\|SocketMode\)=//p' "$root/docs/tollgate-extract.socket" | paste -sd' ')" "/run/tollgate/extract.sock tollgate 0660"
for f in tollgate.service tollgate@.service tollgate-extract.service tollgate-extract.socket; do
	like "$f is packaged" "$(cat "$root/debian/rules")" "docs/$f"
	sed "s#@PREFIX@/bin#$build#" "$root/docs/$f" >"$D/$f"
done
if command -v systemd-analyze >/dev/null; then
	is "systemd accepts each unit" "$(systemd-analyze verify --man=no "$D"/tollgate.service "$D/tollgate@.service" "$D"/tollgate-extract.* 2>&1)" ""
else
	skip "systemd accepts each unit" "systemd-analyze is not installed"
fi
kept=$(sed -n 's/^Environment=//p' "$root/docs/haproxy.service.conf")
is "HAProxy's unit and its container have the same memory settings" "$(sed -n 's/^ENV \(MALLOC.*\)/\1/p' "$root/docker/haproxy.Dockerfile")" "${kept:?}"
for f in tollgate.cfg spoe.cfg 503.http origins.lst; do
	like "/etc/haproxy/tollgate/$f is packaged" "$(cat "$root/debian/rules")" "haproxy/$f"
done
is "README installs the package that make deb builds" "$(grep -o 'apt install ./build/deb/[^ `]*' "$root/README.md")" "apt install ./build/deb/tollgate_*.deb"

# ---- after init, two upgrades ask nothing, whatever HAProxy's chroot is ----
# a package with the conffiles, in a dpkg database of its own; a question at a conffile fails, because there is no input
conffiles() { # VERSION: each version changes each of the files
	rm -rf "$D/deb" && mkdir -p "$D/deb/DEBIAN" "$D/deb/etc/haproxy/tollgate"
	cp "$root"/haproxy/{tollgate.cfg,spoe.cfg,503.http,origins.lst} "$D/deb/etc/haproxy/tollgate/"
	[ "$1" = 1 ] || for f in "$D"/deb/etc/haproxy/tollgate/*; do echo "# version $1" >>"$f"; done
	(cd "$D/deb" && find etc -type f | sed 's#^#/#') >"$D/deb/DEBIAN/conffiles"
	printf 'Package: tollgate\nVersion: %s\nArchitecture: all\nMaintainer: test <test@localhost>\nDescription: conffiles\n' "$1" >"$D/deb/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$D/deb" "$D/tollgate-$1.deb" >/dev/null
}
for version_of in 1 2 3; do conffiles $version_of; done
for chroot in none /var/lib/haproxy /srv/jail; do
	rm -rf "$D/dpkg" && mkdir -p "$D"/dpkg/var/lib/dpkg/{info,updates} "$D/dpkg/etc/haproxy" && touch "$D/dpkg/var/lib/dpkg/status"
	installs() { dpkg --root="$D/dpkg" --force-not-root --force-bad-path --log=/dev/null -i "$D/tollgate-$1.deb" >"$D/dpkg.log" 2>&1 </dev/null; }
	grep -v '^#+' "$here/bolt-on/person.cfg" | sed "s#chroot .*#chroot $chroot#; /chroot none/d" >"$D/dpkg/etc/haproxy/haproxy.cfg"
	installs 1
	is "chroot $chroot: dpkg installs the files" "$?" 0
	"$build/tollgate" init --root "$D/dpkg" --host ai.example.com --close-others --backend openai=openai \
		--backend anthropic=anthropic --backend local=rest --backend own=rest --haproxy-binary true --write >"$D/out" 2>"$D/err"
	is "chroot $chroot: init adds the stanza" "$? $(grep -c differs "$D/out")" "0 0"
	for v in 2 3; do
		installs $v
		is "chroot $chroot: upgrade $v asks nothing, and replaces the files" "$? $(tail -qn 1 "$D"/dpkg/etc/haproxy/tollgate/* | sort -u)" "0 # version $v"
	done
done

# ---- a package of a newer commit has a newer version ----
tree=$D/tree
mkdir -p "$tree/tests/support" "$D/bin"
cp -r "$root/packaging" "$root/docker" "$root/CHANGES.md" "$root/Makefile" "$tree/"
rm -f "$tree/packaging/source"
cp "$root/tests/support/debian.bash" "$tree/tests/support/"
tree_git() { git -C "$tree" -c user.name=test -c user.email=test@localhost -c commit.gpgsign=false "$@"; }
tree_commit() { echo "$1" >"$tree/commit-$1" && tree_git add -A && tree_git commit -qm "$1" && "$tree/packaging/commit" version; }
tree_git init -q
first=$(tree_commit first) second=$(tree_commit second)
tree_git tag "v$version"
tagged=$("$tree/packaging/commit" version)
after=$(tree_commit after)
echo changed >>"$tree/commit-first"
changed=$("$tree/packaging/commit" version)
tree_git checkout -q commit-first
is "a commit before its release has its own version" "${first%g*}" "$version~1."
is "a tagged commit has the version of the release" "$tagged" "$version"
is "a changed tree has +changed in its version" "${changed#"$after"}" "+changed"
while read -r newer older what; do
	check "$what is newer" dpkg --compare-versions "$newer" gt "$older"
done <<EOF
$first~deb12 0.2.0 the first package with such a version
$second~deb12 $first~deb12 the package of the next commit
$version~10.g0~deb12 $version~9.gf~deb12 the tenth commit
$tagged~deb12 $second~deb13 the release, on whichever Debian
$tagged~deb13 $tagged~deb12 the package of the next Debian
$after~deb12 $tagged~deb13 a commit after the release
EOF
printf '%s\n' "commit abc" "epoch 17" "version 9.9" >"$tree/packaging/source"
is "a source archive has its commit" "$(for what in commit epoch version; do "$tree/packaging/commit" $what; done | paste -sd' ')" "abc 17 9.9"
rm "$tree/packaging/source"

# ---- images must be pinned for a release ----
cat >"$D/bin/skopeo" <<'EOF'
#!/bin/sh
[ "$3" != "docker://docker.io/${UNREACHABLE:-}" ] || exit 1
echo "manifest of $3"
EOF
chmod +x "$D/bin/skopeo"
pin() { PATH=$D/bin:$PATH "$tree/packaging/pin" "$@" 2>"$D/err"; }
# the tree before images are pinned, also if they are pinned today
sed -i 's/@sha256:[0-9a-f]*//' "$tree"/docker/{Dockerfile,haproxy.Dockerfile,compose.yaml,kubernetes.yaml} && tree_git commit -qam pins >/dev/null
"$tree/packaging/release" >"$D/out" 2>"$D/lacking"
is "a release that lacks something is refused" "$?" 1
for lack in 'does not have the tag v' 'the image debian:bookworm-slim has no digest' 'the image redis:7.2 has no digest' 'no key is given' 'nothing is made'; do
	like "the error names: $lack" "$(cat "$D/lacking")" "$lack"
done
UNREACHABLE=prom/prometheus:v2.53.0 pin >/dev/null
is "if an image cannot be looked up, nothing is pinned" "$? $(tree_git status --porcelain)" "1 "
like "the error names the image" "$(cat "$D/err")" '^packaging/pin: prom/prometheus:v2.53.0: no digest'
pin >/dev/null
is "all images are pinned" "$? $(pin --check; echo $?)" "0 0"
sum() { echo "manifest of docker://docker.io/$1" | sha256sum | cut -d' ' -f1; }
is "the pin is the digest of the registry's manifest" "$(grep -h '^ARG DEBIAN=' "$tree"/docker/*ockerfile | sort -u)" "ARG DEBIAN=debian:bookworm-slim@sha256:$(sum library/debian:bookworm-slim)"
is "each file has the pin" "$(grep -hoE 'redis:7.2.*' "$tree"/docker/{compose,kubernetes}.yaml | sort -u)" "redis:7.2@sha256:$(sum library/redis:7.2)"
tree_git commit -qam pinned
pin >/dev/null
is "pinning again changes nothing" "$? $(tree_git status --porcelain)" "0 "
unlike "afterwards a release does not lack a digest" "$("$tree/packaging/release" 2>&1)" 'has no digest'
exit $failed
