# Compares two builds of the same sources.  . tests/support/same.bash
# shellcheck shell=bash disable=SC2034
# The caller sets D, a folder for both builds.
same_one=$D/a same_two=$D/a-much-longer-name/of-a-folder same_pass=0 same_fail=0
# same_build COMMAND…: runs it with a folder and a number of jobs as its last arguments, in two folders, at two times,
# in two time zones and languages, with two umasks, with parallel jobs and without. Ends the script if one run fails.
same_build() {
	(umask 022; TZ=UTC LC_ALL=C "$@" "$same_one" "$(nproc)") || exit 1
	sleep 2
	(umask 077; TZ=Asia/Kathmandu LC_ALL=C.UTF-8 "$@" "$same_two" 1) || exit 1
}
# same_bytes FILE: prints whether the file is the same below both folders; with diffoscope installed, also the
# difference
same_bytes() {
	if cmp "$same_one/$1" "$same_two/$1"; then
		echo "ok - $1: $(sha256sum "$same_one/$1" | cut -d' ' -f1)"
		same_pass=$((same_pass + 1))
	else
		echo "not ok - $1 differs"
		same_fail=$((same_fail + 1))
		command -v diffoscope >/dev/null && diffoscope --max-report-size 4000 "$same_one/$1" "$same_two/$1"
	fi
}
