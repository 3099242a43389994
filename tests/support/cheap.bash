# Bash functions in place of programs that would cost more than the check itself: sourced by the stack and by the
# tests. A run of the end-to-end files would start a hundred thousand programs, three milliseconds each.
# shellcheck shell=bash disable=SC2034
exec {napping}<> <(:)
trap : PIPE # if a server closes while `fetch` writes to it, the write fails, but the test continues
# nap SECONDS: as sleep
nap() { read -rt "$1" -u "$napping" || :; }
# matches TEXT REGEX: as grep -E. Bash handles one short line, because in its regexes ^, $ and . do not know lines.
matches() {
	if [ ${#1} -lt 4000 ] && [[ $1 != *$'\n'* ]]; then
		[[ $1 =~ $2 ]]
		case $? in 0) return 0 ;; 1) return 1 ;; esac
	fi
	grep -qE -- "$2" <<<"$1"
}
# stat_of PID: sets $state, one letter, and $since, the start time; returns 1 if there is no such process
stat_of() {
	local line=''
	state='' since=''
	read -r line 2>/dev/null <"/proc/$1/stat"
	[ "$line" ] || return
	# shellcheck disable=SC2086
	set -- ${line##*) }
	state=$1 since=${20}
}
# fetch METHOD URL [BODY|@FILE]: prints the body of a local server's response; returns 1 if there is no server, or the
# status is not 2xx. Uses HTTP/1.0, in which a response ends with the connection, because curl first loads forty
# libraries.
fetch() {
	local LC_ALL=C at=${2#http://} body=${3:-} line='' io
	local host=${at%%/*}
	[[ $body != @* ]] || body=$(<"${body#@}")
	{ exec {io}<>"/dev/tcp/${host%:*}/${host#*:}"; } 2>/dev/null || return
	printf '%s /%s HTTP/1.0\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s' "$1" "${at#*/}" "$host" ${#body} "$body" >&"$io" 2>/dev/null
	IFS= read -rt 60 line <&"$io"
	sed '1,/^\r$/d' <&"$io"
	exec {io}>&-
	[[ $line = 'HTTP/1.'?' 2'* ]]
}
