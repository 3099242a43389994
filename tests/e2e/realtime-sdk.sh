# The official clients of realtime sessions: openai of npm and PyPI, @google/genai, and `ws` in the way of a browser.
# Each session mentions two persons.
# Clients: npm
. "$(dirname "$0")/lib.sh"
command -v npm >/dev/null || { skip "openai's realtime client, @google/genai's live client" "npm is not installed"; exit 0; }
npm_packages sdk "openai's realtime client, @google/genai's live client" || exit 0
stack_up --policy "$here/realtime-restore.yaml"
export EDGE TOKEN CERT=$D/tls.crt KEY=$D/tls.key NODE_TLS_REJECT_UNAUTHORIZED=0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=127.0.0.1 -keyout "$KEY" -out "$CERT" 2>/dev/null
TOKEN=$(token)
node "$build/sdk/realtime.mjs" >"$D/sdk.log" 2>&1
grep -E '^(ok|not ok|#)' "$D/sdk.log"
grep -q '^not ok' "$D/sdk.log" && failed=1
grep -q '^ok' "$D/sdk.log" || not_ok "the clients run" "$(tail -3 "$D/sdk.log")"
seen=$(curl -s "$PROVIDER/_seen?last=200")
unlike "the provider gets no value" "$seen" '@corp.example'

what="openai's realtime client of PyPI"
python3 -m venv "$build/pysdk" >"$D/pip.log" 2>&1 && "$build/pysdk/bin/pip" install -q "openai==3.57.0" "websockets==17.4" >>"$D/pip.log" 2>&1 ||
	{ skip "$what" "it cannot be installed"; exit $failed; }
"$build/pysdk/bin/python" "$here/sdk/realtime.py" >"$D/py.log" 2>&1
grep -E '^(ok|not ok|#)' "$D/py.log"
grep -q '^not ok' "$D/py.log" && failed=1
grep -q '^ok' "$D/py.log" || not_ok "$what runs" "$(tail -3 "$D/py.log")"
exit $failed
