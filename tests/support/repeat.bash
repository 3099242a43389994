# A test that failed beside others runs once more, when all have ended: tests/e2e/run, tests/faults/run
# and the programs of tests/support/rings. Where it then passes it is unstable: said and counted, never hidden. What no
# busy machine does is a failure at once: a crash, a sanitizer's report, a record that is lost. Checks of
# that kind say so where they are made, and print "# final" after "not ok" (final in tests/e2e/lib.sh and
# tests/faults/lib.mjs).
#
# Each one that was unstable leaves a line in $UNSTABLE_LOG (build/unstable.log), with date, ring and load:
# a file that is there again and again is not the machine's. `make test` prints the last ones.
# shellcheck shell=bash

REPEATED_MOST=4 # files; where more fail, it is not the machine

UNSTABLE_LOG=${UNSTABLE_LOG:-$build/unstable.log}
UNSTABLE_KEPT=1000 # lines

# Up to three minutes, until no more runs than the machine has cores: what failed beside others is to run alone.
be_alone() {
	local load until=$((SECONDS + ${ALONE_IN_S:-180}))
	while read -r load _ </proc/loadavg && [ "${load%.*}" -ge "$(nproc)" ] && [ $SECONDS -lt $until ]; do sleep 2; done
}
# crashed CODE: by a signal
crashed() { [ "$1" -gt 128 ]; }
# repeatable OUTPUT: no failure in it is final, and none shows in its logs and its journals. Who does not
# say where those are (it hung, and was ended) is not asked again.
repeatable() {
	local D j key
	grep -q '^not ok - ' "$1" && grep -q '^# logs: ' "$1" || return 1
	! grep -q '^# final' "$1" || return 1
	while read -r D; do
		[ -d "$D" ] || continue
		! grep -qaE 'Sanitizer|runtime error:|invariant|ended by itself' "$D"/*.log 2>/dev/null || return 1
		for j in "$D"/journal*; do
			case ${j##*/} in *.*) continue ;; esac # beside a journal: its tree, its index
			[ -d "$j" ] && [ -n "$(ls "$j")" ] || continue
			key=$D/audit${j#"$D/journal"}.key.pub
			"$build/tollgate" audit verify --journal "$j" --public-key "$key" >/dev/null 2>&1 || return 1
		done
	done < <(sed -n 's/^# logs: //p' "$1")
}
# A line is "not ok - NAME", of cmocka "not ok 3 - NAME".
said() { grep -cE "^$2 ([0-9]+ )?- " "$1"; } # OUTPUT ok|not ok
# is_unstable FIRST AGAIN RING [WHOSE]: where the second run passed, and left out nothing, the line that says so,
# which is kept
is_unstable() {
	local line
	skips() { grep -cE '^skip - |^(not )?ok .*# SKIP' "$1"; } # cmocka's, too
	[ "$(said "$2" 'not ok')" = 0 ] && [ "$(said "$2" ok)" -gt "$(said "$1" ok)" ] &&
		[ "$(skips "$2")" -le "$(skips "$1")" ] || return 1
	line=${4-}$(sed -nE '/^not ok ([0-9]+ )?- /{s///p; q}' "$1")
	echo "unstable - $line"
	{
		flock 9
		tail -n $UNSTABLE_KEPT "$UNSTABLE_LOG" >"$UNSTABLE_LOG.new" 2>/dev/null
		echo "$(date -u +%FT%RZ) $3, load $(cut -d' ' -f1 /proc/loadavg): $line" >>"$UNSTABLE_LOG.new"
		mv "$UNSTABLE_LOG.new" "$UNSTABLE_LOG"
	} 9>>"$UNSTABLE_LOG.lock"
}
