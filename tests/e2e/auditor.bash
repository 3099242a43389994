# An auditor in the stack's configuration, and the commands that read texts with the auditor's key.

# Makes $D/NAME.key, protected by the passphrase if there is one.
auditor_key() { # NAME [PASSPHRASE]
	(umask 077 && openssl genpkey -algorithm X25519 ${2:+-aes256 -pass "pass:$2"} -out "$D/$1.key") 2>/dev/null
}
# Prints an entry of seal.auditors. PASSPHRASE opens its key.
auditor_entry() { # NAME
	printf '{name: %s, public_key: %s}' "$1" "$(openssl pkey -in "$D/$1.key" -passin "pass:${PASSPHRASE:-}" -pubout | sed '1d;$d')"
}
# Makes $D/NAME.key; prints the line of tollgate.yaml that seals to it.
auditor() { # NAME
	auditor_key "$1"
	printf 'seal: {auditors: [%s]}\n' "$(auditor_entry "$1")"
}
# opens NAME PART [ID]: prints the text of that request, or of the last one
opens() {
	settled
	"$build/tollgate" audit open "${3:-$(completion .id | tr -d '"')}" --key "$D/$1.key" --part "$2" --shares "$JOURNAL.shares" -c "$D/tollgate.yaml" 2>"$D/opens.err"
}
