# Interim heads (103) and trailers of a provider's response. The relay drops both, also with `via: relay`. On the
# direct path, HAProxy drops trailers since version 3.2.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "interim heads and trailers" "node is not installed"; exit 0; }
node "$here/interim.mjs" serve >"$D/ports" 2>&1 &
provider=$!
wait_for test -s "$D/ports"
read -r one two <"$D/ports"
awk -v one="$one" -v two="$two" '
	/^ *server openai / { print "    server one 127.0.0.1:" one; next }
	/^ *server anthropic / { print "    server two 127.0.0.1:" two " proto h2"; next }
	{ print }' "$root/haproxy/haproxy.cfg" >"$D/edge.cfg"
cat >"$D/policy.yaml" <<'EOF'
tollgate: 1
name: interim
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  one: {backend: openai}
  two: {backend: anthropic}
  one-relayed: {backend: openai, via: relay}
  two-relayed: {backend: anthropic, via: relay}
routes:
  - {name: relay-one, match: {path: /relay/http1}, dialect: rest, targets: one, response: [record]}
  - {name: relay-two, match: {path: /relay/http2}, dialect: rest, targets: two, response: [record]}
  - {name: via-one, match: {path: /via/http1}, dialect: rest, targets: one-relayed}
  - {name: via-two, match: {path: /via/http2}, dialect: rest, targets: two-relayed}
  - {name: direct-one, match: {path: /direct/http1}, dialect: rest, targets: one}
  - {name: direct-two, match: {path: /direct/http2}, dialect: rest, targets: two}
default: permit
EOF
stack_up --policy "$D/policy.yaml" --edge "$D/edge.cfg"
echo "$provider $(sed 's/.*) //' "/proc/$provider/stat" | cut -d' ' -f20) interim" >>"$D/.pids"
DROPS=$([ "$(printf '%s\n' 3.2 "$("$HAPROXY" -v | sed -n 's/^HAProxy version \([0-9]*\.[0-9]*\).*/\1/p')" | sort -V | head -1)" = 3.2 ] && echo yes)
EDGE=$EDGE TOKEN=$(token) DROPS=$DROPS node "$here/interim.mjs" ask >"$D/interim.log" 2>&1 || echo "not ok - interim.mjs ends" >>"$D/interim.log"
cat "$D/interim.log"
grep -q '^not ok' "$D/interim.log" && failed=1
[ -n "$DROPS" ] || skip "trailers on direct" "HAProxy drops them from 3.2 on"
like "check names the direct routes to external providers" "$("$build/tollgate" check -c "$D/tollgate.yaml" | sed -n 's/.*route \([a-z-]*\): goes direct.*/\1/p' | tr '\n' ' ')" '^direct-one direct-two $'
