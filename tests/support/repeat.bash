# A test that failed while others ran is repeated alone when all have ended: files of tests/e2e/run and
# tests/faults/run, and the programs of tests/support/rings. If it passes then, it is unstable, which is reported and
# counted. A failure that a busy machine cannot cause is final: a crash, a sanitizer's report, a lost record. Such
# checks print "# final" after "not ok" (final in tests/e2e/lib.sh and tests/faults/lib.mjs).
#
# Each unstable test leaves a line in $UNSTABLE_LOG (build/unstable.log), with date, stage and load. If a file occurs
# there again and again, the machine is not the reason. `make test` prints the last lines.
# shellcheck shell=bash

REPEATED_MOST=4 # files; if more fail, the machine is not the reason

UNSTABLE_LOG=${UNSTABLE_LOG:-$build/unstable.log}
UNSTABLE_KEPT=1000 # lines

# Waits up to three minutes until no more processes run than the machine has cores, so that the repeated test runs
# alone.
be_alone() {
	local load until=$((SECONDS + ${ALONE_IN_S:-180}))
	while read -r load _ </proc/loadavg && [ "${load%.*}" -ge "$(nproc)" ] && [ $SECONDS -lt $until ]; do sleep 2; done
}
# crashed CODE: succeeds if a signal ended the process
crashed() { [ "$1" -gt 128 ]; }
# repeatable OUTPUT: succeeds if no failure in it is final, and its logs and journals show none. A test that does not
# print its log folder (because it hung and was ended) is not repeated.
repeatable() {
	local D j key
	grep -q '^not ok - ' "$1" && grep -q '^# logs: ' "$1" || return 1
	! grep -q '^# final' "$1" || return 1
	while read -r D; do
		[ -d "$D" ] || continue
		! grep -qaE 'Sanitizer|runtime error:|invariant|ended by itself' "$D"/*.log 2>/dev/null || return 1
		for j in "$D"/journal*; do
			case ${j##*/} in *.*) continue ;; esac # files beside a journal: its tree, its index
			[ -d "$j" ] && [ -n "$(ls "$j")" ] || continue
			key=$D/audit${j#"$D/journal"}.key.pub
			"$build/tollgate" audit verify --journal "$j" --public-key "$key" >/dev/null 2>&1 || return 1
		done
	done < <(sed -n 's/^# logs: //p' "$1")
}
# A line is "not ok - NAME", of cmocka "not ok 3 - NAME".
said() { grep -cE "^$2 ([0-9]+ )?- " "$1"; } # OUTPUT ok|not ok
# is_unstable FIRST AGAIN STAGE [NAME]: if the second run passed and left out no check, prints and keeps the line that
# reports it
is_unstable() {
	local line
	skips() { grep -cE '^skip - |^(not )?ok .*# SKIP' "$1"; } # cmocka's too
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
