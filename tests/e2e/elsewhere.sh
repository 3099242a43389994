# The console's views of records name the daemons of the group whose records are in other journals.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
export CHROMIUM=/usr/lib/chromium/chromium-headless-shell
what="views that name other daemons"
if ! command -v node >/dev/null || [ ! -x $CHROMIUM ] || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
	skip "$what" "no chromium-headless-shell or no Node 20"
	exit 0
fi
npm_packages console "$what" || exit 0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
	-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$D/admin.key" -out "$D/admin.crt" 2>/dev/null
chmod 600 "$D/admin.key"
tls=$(free_ports 1)
token=$("$build/tollgate" admin-token new olga --roles operator,auditor --tokens "$D/admin.tokens")
echo "admin: {console: true, tokens: \"$D/admin.tokens\", tls: {listen: \"127.0.0.1:$tls\", certificate: \"$D/admin.crt\", key: \"$D/admin.key\"}}" >"$D/config.yaml"
stack_up --config "$D/config.yaml"
req POST /v1/chat/completions -H "authorization: Bearer $(token)" -H 'content-type: application/json' -d '{"model":"m","messages":[{"role":"user","content":"hello"}]}'
# the field of a second daemon, as group.h describes it
while sleep 1; do
	redis-cli -s "${REDIS#unix:}" hset 'tollgate:{group}:policies' second \
		"{\"policy\":\"p\",\"policy_version\":\"v\",\"file\":\"\",\"daemon\":\"second\",\"at\":$(date +%s)}" >/dev/null
done &
second=$!
CONSOLE=https://localhost:$tls TOKEN=$token FACES=${FACES:-} timeout 240 node "$build/console/elsewhere.mjs" >"$D/console.log" 2>&1
kill "$second"
cat "$D/console.log"
if ! grep -q '^ok' "$D/console.log" || grep -q '^not ok' "$D/console.log"; then failed=1; fi
exit $failed
