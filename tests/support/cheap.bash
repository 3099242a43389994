# What bash does by itself where a program would cost more than the check: sourced by the stack and by
# what runs on it. A run of the end-to-end files starts a hundred thousand programs; each is three milliseconds.
# shellcheck shell=bash disable=SC2034
exec {napping}<> <(:)
trap : PIPE # of a server that ends while `fetch` writes to it: a failed write, not the end of the file's run
# nap SECONDS: as sleep
nap() { read -rt "$1" -u "$napping" || :; }
# matches TEXT REGEX: as grep -E. One short line by bash, whose ^, $ and . know no lines.
matches() {
	if [ ${#1} -lt 4000 ] && [[ $1 != *$'\n'* ]]; then
		[[ $1 =~ $2 ]]
		case $? in 0) return 0 ;; 1) return 1 ;; esac
	fi
	grep -qE -- "$2" <<<"$1"
}
# stat_of PID: sets $state, of one letter, and $since, its start; false: there is no such process
stat_of() {
	local line=''
	state='' since=''
	read -r line 2>/dev/null <"/proc/$1/stat"
	[ "$line" ] || return
	# shellcheck disable=SC2086
	set -- ${line##*) }
	state=$1 since=${20}
}
# fetch METHOD URL [BODY|@FILE]: what a server of this machine answers, its body; false: nobody is there, or it says anything but 2xx.
# Of HTTP/1.0, whose answers end with the connection. curl loads forty libraries first.
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
