# Clients: as users install them.
# Each SDK sends PDFs and images as its own documentation shows. A file without a finding arrives unchanged. A file
# with an account number becomes the SDK's error, or is replaced. A file that cannot be inspected is refused.
# Long: it starts five SDKs, and reads images.
. "$(dirname "$0")/lib.sh"
what="openai, @anthropic-ai/sdk, @google/genai, @aws-sdk/client-bedrock-runtime"
files_are_read "$what" || exit 0
command -v npm >/dev/null || { skip "$what" "npm is not installed"; exit 0; }
npm_packages sdk "$what" || exit 0
mkdir "$D/papers"
node "$here/media/papers.mjs" "$D/papers"
echo "extract: {listen: unix@$D/extract.sock}" >"$D/with.yaml"
stack_up --policy "$here/sdk-files.yaml" --config "$D/with.yaml"
extract_start
keys=''
for team in deny strip ocr; do keys="$keys $(token --claims "{\"sub\":\"$team\",\"team\":\"$team\"}")"; done
EDGE=$EDGE PROVIDER=$PROVIDER KEYS=${keys# } PAPERS=$D/papers timeout 300 node "$build/sdk/files.mjs" >"$D/sdk.log" 2>"$D/sdk.err" ||
	echo "not ok - files.mjs ends: $(tail -n 1 "$D/sdk.err")" >>"$D/sdk.log"
cat "$D/sdk.log"
if grep -q '^not ok' "$D/sdk.log"; then failed=1; fi
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
exit $failed
