# Erasure by unusual names: other scripts, symbols, spaces and line ends, the same name in another Unicode form, very
# long names. Each text opens until its own erasure, and no other text is erased with it.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
auditor ann >"$D/mine.yaml"
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: names
identity:
  - jwt: {header: authorization, demo_issuer: true}
  - none: {}
providers:
  openai: {backend: local, dialect: openai}
routes:
  - {name: chat, match: {path: /v1/chat/completions}, targets: openai, record: {prompt: full}}
default: permit
Y
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml"
audit() { "$build/tollgate" audit "$@" -c "$D/tollgate.yaml" 2>"$D/err"; }
post() { # NAME
	req POST /v1/chat/completions -H "authorization: Bearer $(token --claims "$(jq -cn --arg n "$1" '{sub: $n}')")" -H 'content-type: application/json' \
		-d '{"model":"echo","messages":[{"role":"user","content":"of a name"}]}'
	id=$(header x-tollgate-id)
}
open_by() { audit open "$1" --key "$D/ann.key" --part prompt --reason 'a drill' >"$D/text"; }
opens() { wait_for open_by "$1"; }
long() { head -c "$1" /dev/zero | tr '\0' "${2:-x}"; }
names=(
	alice Alice 'alice ' ' alice' alice/bob ../alice 'alice%2Fbob' $'zo\xc3\xab' $'zoe\xcc\x88' 王小明 $'\xf0\x9f\xa6\x8a' $'a\tb' $'a\nb'
	'"quoted"' "o'neil" 'a\b' 'share 1' p_0123456789abcdef0123456789abcdef anonymous '*' '-x' '--why' "$(long 1024)" "$(long 1024)y" "$(long 1023)y" "$(long 1025)"
)
ids=()
for name in "${names[@]}"; do
	post "$name"
	is "a request is served: $(printf %q "${name:0:30}"), ${#name}" "$status" 200
	ids+=("$id")
done
opens_all() { # FROM: opens every second text from there on
	local i bad=''
	for ((i = $1; i < ${#names[@]}; i += 2)); do opens "${ids[i]}" || bad="$bad $(printf %q "${names[i]:0:30}"), ${#names[i]}: $(tail -1 "$D/err")"; done
	[ -z "$bad" ] || { echo "#  $bad"; false; }
}
erased_all() {
	local i bad=''
	for ((i = $1; i < ${#names[@]}; i += 2)); do
		audit erase --person="${names[i]}" --why 'asked' >"$D/out" || bad="$bad not erased: $(printf %q "${names[i]:0:30}"), ${#names[i]}: $(tail -1 "$D/err")"
		open_by "${ids[i]}"
		matches "$? $(cat "$D/err")" '^1 .*: erased: ' || bad="$bad opens: $(printf %q "${names[i]:0:30}"), ${#names[i]}: $(tail -1 "$D/err")"
	done
	[ -z "$bad" ] || { echo "#  $bad"; false; }
}
check "the texts of the first half open" opens_all 0
check "the texts of the second half open" opens_all 1
check "after their erasure, those of the first half do not open" erased_all 0
check "the second half still opens" opens_all 1
check "after their erasure, those do not open either" erased_all 1
audit erase --person '' --why x
like "an empty name is refused" "$? $(cat "$D/err")" '^2 .*person: send a string of 1 to'
audit erase --person $'\xff\xfe' --why x
like "a name that is not UTF-8 is refused" "$? $(cat "$D/err")" '^2 .*not UTF-8'
check "all texts verify" audit verify --texts
final check "the chain verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
