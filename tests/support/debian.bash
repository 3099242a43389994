# A separate Debian in a folder, for tests as root.  . tests/support/debian.bash
# shellcheck shell=bash

# debian_base SUITE TAR LOG [OPTION…]: creates TAR with mmdebstrap if it does not exist; returns 1 if that fails, with
# the reason in LOG. The variant is `minbase` unless an option sets another.
debian_base() {
	[ ! -e "$2" ] || return 0
	mkdir -p "$(dirname "$2")"
	# mounts are not visible outside, and end with this process
	unshare -m mmdebstrap --variant=minbase --mode=root "${@:4}" "$1" "$2.new.tar" >"$3" 2>&1 && mv "$2.new.tar" "$2" ||
		{ rm -f "$2.new.tar"; return 1; }
}
# tree_of ROOT: prints the output of packaging/source for the tree, for a copy without git
tree_of() { local what said; for what in commit epoch version; do said=$("$1/packaging/commit" $what) && echo "$what $said" || return; done; }
# debian_tree ROOT FOLDER: copies the project's files, as git lists them or as a source archive contains them, with
# packaging/source. Times are those of the commit, and modes do not depend on a umask.
debian_tree() {
	local said
	mkdir -p "$2"
	said=$(tree_of "$1") || return
	(cd "$1" && if [ -e packaging/source ]; then find . -path ./build -prune -o ! -type d -print0; else git ls-files -z --cached --others --exclude-standard; fi |
		while IFS= read -r -d '' f; do [ ! -e "$f" ] || printf '%s\0' "$f"; done | tar --null -T - --mode=u+rwX,go=rX,a-s -cf -) |
		tar -C "$2" --no-same-owner -pxf - && echo "$said" >"$2/packaging/source" && chmod 644 "$2/packaging/source" || return
	find "$2" -type d -exec chmod 755 {} + -o -exec touch -h -d "@$(sed -n 's/^epoch //p' <<<"$said")" {} +
}
# debian_inside FOLDER COMMAND [NAME=VALUE…]: runs it by bash -e in /src, in its own process namespace and environment
debian_inside() {
	# its root is that of its mounts: a chroot may have no namespaces of users (user_namespaces(7)), a machine may
	unshare -mpf bash -c 'mount --bind "$1" "$1" && mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && cd "$1" || exit 1
		pivot_root . . && umount -l . || exit 1
		exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "${@:3}" bash -ec "cd /src; $2"' - "$@"
}
