# A test that failed beside others runs once more, alone, when all have ended: tests/e2e/run and
# tests/faults/run. Where it then passes it is unstable: said and counted, never hidden. What no
# busy machine does is a failure at once: a crash, a sanitizer's report, a record that is lost.
# shellcheck shell=bash

REPEATED_MOST=4 # files; where more fail, it is not the machine

# What no file is repeated after.
never='sanitizer|verif|durable|no completion|completion that|ever(y|y one)? recorded|is lost|are lost|unread|reach(ed|es) (a|the) provider|(saw|sees) none of|nothing of|none missing|no more than|no window holds more|never more|in memory|ended with 1(29|3[0-9]|[4-9][0-9])'
# repeatable OUTPUT: nothing of that is in a file's lines, its logs and its journals. Who does not
# say where those are (it hung, and was ended) is not asked again.
repeatable() {
	local D j key
	grep -q '^not ok - ' "$1" && grep -q '^# logs: ' "$1" || return 1
	! grep '^not ok - ' "$1" | grep -qiE -- "$never" || return 1
	while read -r D; do
		[ -d "$D" ] || continue
		! grep -qaE 'Sanitizer|runtime error:|invariant|ended by itself' "$D"/*.log 2>/dev/null || return 1
		for j in "$D"/journal*; do
			[ -d "$j" ] && [ -n "$(ls "$j")" ] || continue
			key=$D/audit${j#"$D/journal"}.key.pub
			"$build/tollgate" audit verify --journal "$j" --public-key "$key" >/dev/null 2>&1 || return 1
		done
	done < <(sed -n 's/^# logs: //p' "$1")
}
said() { grep -c "^$2 - " "$1"; } # OUTPUT ok|skip
# is_unstable FIRST AGAIN: the line that says so, where the second run passed, and left out nothing
is_unstable() {
	! grep -q '^not ok - ' "$2" && [ "$(said "$2" ok)" -gt "$(said "$1" ok)" ] &&
		[ "$(said "$2" skip)" -le "$(said "$1" skip)" ] || return 1
	sed -n '/^not ok - /{s//unstable - /p; q}' "$1"
}
