. "$(dirname "$0")/lib.sh"
papers=$D/papers
mkdir "$papers"
node "$here/media/papers.mjs" "$papers"
cp /tmp/hx/*.pdf "$papers"; cp /tmp/hx/*.png /tmp/hx/*.svg /tmp/hx/*.html /tmp/hx/*.bin "$papers" 2>/dev/null
echo "extract: {listen: unix@$D/extract.sock, deadline: 9s}" >"$D/with.yaml"
stack_up --policy "$here/media.yaml" --config "$D/with.yaml"
extract_start
auth="authorization: Bearer $(token)"
json='content-type: application/json'
decision() { settled; cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"decision"' | tail -1 | jq -c "$1"; }
says() { jq -c "$1" <<<"$body"; }
saw() { seen | jq -c "last | .body | fromjson | $1"; }
ask() { printf %s "$3" >"$D/body.json"; req POST "$2" -H "$auth" -H "$json" -H 'anthropic-version: 2023-06-01' -H "host: $1" --data-binary "@$D/body.json"; }
file() { decision ".prompt.files | map(del(.us, .bytes))"; }
b64() { base64 -w0 "$papers/$1"; }
say() { echo "## $*"; }
show() { echo "## $1: $status $(says .error.code) $(file) | $(says .error.message | cut -c1-140)"; }
. /tmp/hx/cases.sh
exit 0
