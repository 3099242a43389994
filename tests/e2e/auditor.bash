# An auditor in the stack's configuration, and what he reads.

# Makes $D/NAME.key; prints the line of tollgate.yaml that seals to it.
auditor() { # NAME
	(umask 077 && openssl genpkey -algorithm X25519 -out "$D/$1.key") 2>/dev/null
	printf 'seal: {auditors: [{name: %s, public_key: %s}]}\n' "$1" "$(openssl pkey -in "$D/$1.key" -pubout | sed '1d;$d')"
}
# opens NAME PART [ID]: a text of that request, else of the last one.
opens() {
	settled
	"$build/tollgate" audit open "${3:-$(completion .id | tr -d '"')}" --key "$D/$1.key" --part "$2" --shares "$JOURNAL.shares" -c "$D/tollgate.yaml" 2>"$D/opens.err"
}
