# Erased shares are deleted from the disk: after three erasures, the image of an ext4 file system contains none of
# them, not even in freed blocks.
# Once: HAProxy does not affect the result.
. "$(dirname "$0")/lib.sh"
. "$here/auditor.bash"
disk="$D/disk"
if [ "$(id -u)" != 0 ] || ! command -v mkfs.ext4 >/dev/null || ! mkdir "$disk" || ! truncate -s 16M "$D/image" || ! mkfs.ext4 -q "$D/image" ||
	! mount -o loop "$D/image" "$disk" 2>/dev/null; then
	skip "erased shares on a disk" "no file system can be mounted here"
	exit 0
fi
chmod 700 "$disk"
cat >"$D/mine.yaml" <<Y
$(auditor ann | sed "s#seal: {#seal: {shares: \"$disk/shares\", #")
Y
cat >"$D/policy.yaml" <<'Y'
tollgate: 1
name: erasing
identity: [{jwt: {header: authorization, demo_issuer: true}}]
providers: {openai: {backend: local, dialect: openai}}
routes: [{name: chat, match: {path: [/v1/chat/completions]}, targets: openai, record: {prompt: redacted}}]
default: permit
Y
stack_up --policy "$D/policy.yaml" --config "$D/mine.yaml"
say() { # PERSON
	req POST /v1/chat/completions -H "authorization: Bearer $(token --claims "{\"sub\":\"$1\"}")" -H 'content-type: application/json' \
		-d "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"from $1\"}]}"
}
share_of() { awk -v h="$(printf %s "$1" | base64)" '$1 == "share" && $4 == h { print $3 }' "$disk/shares"; } # PERSON
on_disk() { sync -f "$disk/shares" && grep -ac "$1" "$D/image"; }				# SHARE
declare -A share
for who in alice bob carol dan; do
	say $who
	is "$who is served" "$status" 200
done
settled
for who in alice bob carol dan; do share[$who]=$(share_of $who); done
is "four persons have shares" "$(printf '%s\n' "${share[@]}" | grep -cE '^[0-9a-f]{64}$')" 4
inode=$(stat -c %i "$disk/shares")
for who in alice bob carol; do
	"$build/tollgate" audit erase --person $who --why asked -c "$D/tollgate.yaml" >"$D/erased" 2>&1
	like "$who is erased" "$(cat "$D/erased")" ': done'
	is "the file was not replaced" "$(stat -c %i "$disk/shares")" "$inode"
	is "no block of the disk has the share of $who" "$(on_disk "${share[$who]}")" 0
done
is "the share of dan is on the disk" "$(($(on_disk "${share[dan]}") >= 1))" 1
umount -l "$disk"
exit $failed
