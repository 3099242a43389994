# The proof of a record as a page (`audit show ID --proof=html`) in real browsers, with a time stamp and a witness.
# All proofs hold, each changed part is refused, the page loads nothing and runs nothing of the record, and it can be
# printed. PICTURES=FOLDER takes pictures of the page.
# Once: no version of HAProxy differs here.
# Late: it uses two browsers.
. "$(dirname "$0")/lib.sh"
export CHROMIUM=/usr/lib/chromium/chromium-headless-shell
what="the proof page in browsers"
for tool in node npm pdfinfo; do command -v $tool >/dev/null || { skip "$what" "$tool is not installed"; exit 0; }; done
[ -x $CHROMIUM ] || { skip "$what" "chromium-headless-shell is not installed"; exit 0; }
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || { skip "$what" "playwright-core needs Node 20"; exit 0; }
npm_packages console "$what" || exit 0
FIREFOX=$(command -v firefox-esr) || skip "the proof page in Firefox" "firefox-esr is not installed"
export FIREFOX

sed 's|^rules:|&\n  - {name: no-bob, when: "identity.person == \\"bob\\"", deny: {status: 451, reason: "legal hold"}}|' "$root/tests/support/stack-policy.yaml" >"$D/policy.yaml"
stack_up --no-redis --policy "$D/policy.yaml"
node=$(sed -n 's/^node: *//p' "$D/tollgate.yaml")
ask() { # CLAIMS MODEL: sets status and id
	req POST /v1/chat/completions -H "authorization: Bearer $(token --claims "$1")" -H 'content-type: application/json' \
		-d "$(jq -cn --arg m "$2" '{model: $m, max_tokens: 5, messages: [{role: "user", content: "hello"}]}')"
	id=$(header x-tollgate-id)
}
served() { ask '{"sub":"alice"}' m && [ "$status" = 200 ]; }
page() { "$B/tollgate" audit show "$1" "--proof=$2" -c "$D/tollgate.yaml" >"$D/pages/$3.html" 2>"$D/said"; }
data() { sed -n 's/.*id="proof">\(.*\)<\/script>$/\1/p' "$D/pages/$1.html"; }
mkdir -p "$D/pages"

# ---- without external anchors ----
served
first=$id
check "after a second, a page is available" wait_for page "$first" html unanchored
like "the page has a checkpoint and no anchors" "$(cat "$D/pages/unanchored.html")" '"anchors":\[\]'
like "a record that does not exist has no page" "$("$B/tollgate" audit show nobody --proof=html -c "$D/tollgate.yaml" 2>&1)" 'no such record'

# ---- with a time stamp and a witness ----
. "$here/tsa.bash"
note_pid $places places
. "$here/witness.bash"
"$build/tollgate" serve -c "$D/w.yaml" </dev/null >"$D/w.log" 2>&1 &
note_pid $! witness
wait_for test -S "$D/witness.sock"
"$build/tollgate" keygen --hash-key "$D/hash.key" --from "$D/audit.key" >/dev/null # so that the key can be rotated
again_with "audit: {hash_key: \"$D/hash.key\"}
anchors:
  - {tsa: \"$http/tsr\", ca: \"$D/out/tsa.crt\", every: 1s}
  - {witness: \"unix:$D/witness.sock:/\", key: \"$D/witness.key.pub\", every: 1s}"
wait_for served
for i in $(seq 9); do ask '{"sub":"alice"}' "m$i"; done
ask '{"sub":"bob"}' m
is "the request is denied" "$status" 451
denied=$id
ask "$(jq -cn '{sub: "</script><script>window.hostile=1</script>"}')" "$(printf '</script><img src=x onerror=window.hostile=1>\u202e<!--<script>')"
hostile=$id
settled
both() { page "$1" "$2" "$3" && grep -q '\\"kind\\":\\"tsa\\"' "$D/pages/$3.html" && grep -q '\\"kind\\":\\"witness\\"' "$D/pages/$3.html"; }
check "both anchors confirm the log" wait_for both "$denied" html decision
check "the page of a hostile record is available" wait_for both "$hostile" html hostile
check "the page of a response is available" wait_for page "$first" completion,html completion
unlike "no character of a record begins markup" "$(data hostile)" '<'
unlike "the page loads nothing" "$(grep -v 'id="proof"' "$D/pages/decision.html")" '(src|href)=|url\(|@import'

# ---- time stamps with other algorithms, over the same checkpoint ----
data decision | jq -j .proof | sed '1,/^$/d' >"$D/out/note"
stamp() { # NAME DIGEST KEY…
	(
		cd "$D/out" || exit
		openssl req -x509 -newkey "${@:3}" -nodes -keyout tsa.key -out tsa.crt -days 2 -config tsa.cnf -extensions tsa_ext
		sed "s/^signer_digest=.*/signer_digest=$2/; s/^digests=.*/digests=sha256, sha384, sha512/" tsa.cnf >other.cnf
		openssl ts -query -data note "-$2" -cert -out q.tsq
		openssl ts -reply -config other.cnf -section tsa1 -queryfile q.tsq -out "$D/pages/$1.tsr"
	) >"$D/stamp.log" 2>&1
}
check "a time stamp with RSA is made" stamp rsa sha512 rsa:2048
check "a time stamp with P-384 is made" stamp p384 sha384 ec -pkeyopt ec_paramgen_curve:P-384

# ---- two keys: the old one is valid for 30 more days ----
"$build/tollgate" keygen --rotate "$D/audit.key" >/dev/null
check "the daemon loads the new key" "$build/tollgate" reload -c "$D/tollgate.yaml"
wait_for served
rotated=$id
check "the page of a record under two keys is available" wait_for page "$rotated" html rotated
is "the page has both keys" "$(data rotated | jq '.keys | length')" 2

export PAGES=$D/pages CHECK="$root/spoa/operator/console/proof/check.js" AUDIT_KEY
cp "$CHECK" "$D/check.mjs" && CHECK=$D/check.mjs # as a module, independent of the folder's package.json
timeout 400 node "$build/console/proof.mjs" >"$D/page.log" 2>&1 || grep -q '^not ok' "$D/page.log" || echo "not ok - proof.mjs ends without an error" >>"$D/page.log"
cat "$D/page.log"
if grep -q '^not ok' "$D/page.log"; then failed=1; fi
exit $failed
