# Files as people have them: recall by the tool that made the file, refusals by reason, milliseconds and memory a file.
# Clients: it needs no client, but minutes of a core.
# Long: some eighty files, two thirds of them read by OCR.
#
# `make files-test` runs it. SEED: the seed of the values (1). FILES: a folder with files of your own, of which the
# refusals and the findings are counted. ROWS=1 prints each missed value and each refusal. A tool that is not
# installed is skipped.
. "$(dirname "$0")/lib.sh"
files_are_read "files of people" || exit 0
sed 's/PHONE_NUMBER\]/PHONE_NUMBER, AWS_ACCESS_KEY, DATABASE_CREDENTIALS]/' "$here/media-corpus.yaml" >"$D/made.yaml"
echo "extract: {listen: unix@$D/extract.sock, deadline: 60s}" >"$D/with.yaml"
stack_up --policy "$D/made.yaml" --config "$D/with.yaml"
extract_start
mkdir "$D/made"
EDGE=$EDGE JOURNAL=$JOURNAL DIR=$D TOKEN=$build/stackhelp EXTRACT=$(pid_of extract) timeout 3000 \
	node "$here/media/made.mjs" "${SEED:-1}" "$D/made" ${FILES:+"$FILES"} >"$D/made.log" 2>"$D/made.err" ||
	echo "not ok - made.mjs ends: $(grep -m 1 Error "$D/made.err")" >>"$D/made.log"
cat "$D/made.log"
if grep -q '^not ok' "$D/made.log"; then failed=1; fi
exit $failed
