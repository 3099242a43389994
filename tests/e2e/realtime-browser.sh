# A page in a real browser opens a session with `new WebSocket`; the key is one of the subprotocols.
. "$(dirname "$0")/lib.sh"
export CHROMIUM=/usr/lib/chromium/chromium-headless-shell
what="a browser's WebSocket"
for tool in node npm; do command -v $tool >/dev/null || { skip "$what" "$tool is not installed"; exit 0; }; done
[ -x $CHROMIUM ] || { skip "$what" "chromium-headless-shell is not installed"; exit 0; }
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || { skip "$what" "playwright-core needs Node 20"; exit 0; }
npm_packages console "$what" || exit 0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 -keyout "$D/edge.key" -out "$D/edge.crt" 2>/dev/null
cat "$D/edge.crt" "$D/edge.key" >"$D/edge.pem"
port=$(free_ports 1)
sed "s#^    bind :8080\$#&\n    bind 127.0.0.1:$port ssl crt $D/edge.pem alpn h2,http/1.1#" "$root/haproxy/haproxy.cfg" >"$D/edge.cfg"
stack_up --edge "$D/edge.cfg" --policy "$here/realtime.yaml"
KEY=$(token)
export EDGE KEY SECURE=https://127.0.0.1:$port
timeout 200 node "$build/console/socket.mjs" >"$D/page.log" 2>&1 || echo "not ok - socket.mjs ends" >>"$D/page.log"
cat "$D/page.log"
if grep -q '^not ok' "$D/page.log"; then failed=1; fi
