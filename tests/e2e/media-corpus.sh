# Detection in a corpus of generated documents: text in each place of a PDF, scans, images. Measures recall for each
# class of document and each entity, and false alarms in the same documents without values.
# Clients: it needs no client, but minutes of a core.
# Long: two hundred documents, a third of them read by OCR.
#
# SEED: the seed of the documents (2; the lower bounds were set from a run with 1). ROWS=1 prints each missed value
# and each false alarm.
. "$(dirname "$0")/lib.sh"
files_are_read "recall" || exit 0
# Prints the path of Debian's cwebp, installed or unpacked; nothing if there is none.
cwebp_found() {
	local to=$build/webp deb
	cwebp=$(command -v cwebp) && return
	if [ ! -x "$to/root/usr/bin/cwebp" ]; then
		mkdir -p "$to" && (cd "$to" && apt-get download webp libwebpdemux2 libwebp7) >"$D/apt.log" 2>&1 || return 1
		for deb in "$to"/*.deb; do dpkg -x "$deb" "$to/root" || return 1; done
	fi
	export LD_LIBRARY_PATH=$to/root/usr/lib/$(uname -m)-linux-gnu
	"$to/root/usr/bin/cwebp" -version >/dev/null 2>&1 && cwebp=$to/root/usr/bin/cwebp
}
cwebp_found || skip "WebP" "cwebp is not installed (Debian package webp)"
echo "extract: {listen: unix@$D/extract.sock}" >"$D/with.yaml"
stack_up --policy "$here/media-corpus.yaml" --config "$D/with.yaml"
extract_start
EDGE=$EDGE JOURNAL=$JOURNAL DIR=$D TOKEN=$build/stackhelp timeout 900 \
	node "$here/media/recall.mjs" "${SEED:-2}" "$D/papers" "$cwebp" >"$D/recall.log" 2>"$D/recall.err" ||
	echo "not ok - recall.mjs ends: $(grep -m 1 Error "$D/recall.err")" >>"$D/recall.log"
cat "$D/recall.log"
if grep -q '^not ok' "$D/recall.log"; then failed=1; fi
exit $failed
