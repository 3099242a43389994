# The official MCP conformance suite through the gateway: each check that passes without the gateway also passes with
# it, with both revisions of MCP. The suite needs Node 22, which npm installs with it.
# Clients: as users install them.
. "$(dirname "$0")/lib.sh"
what="@modelcontextprotocol/conformance"
command -v npm >/dev/null || { skip "$what" "npm is not installed"; exit 0; }
npm_packages mcp-suite "$what" || exit 0
node22=$(ls "$build"/mcp-suite/node_modules/node-linux-*/bin/node 2>/dev/null | head -1)
[ -n "$node22" ] || { skip "$what" "no Node 22 is available for this machine"; exit 0; }
"$node22" "$build/mcp-suite/everything.mjs" >"$D/port" 2>"$D/everything.log" &
served=$!
wait_for grep -qs port= "$D/port"
eval "$(cat "$D/port")"
{
	cat "$root/haproxy/haproxy.cfg"
	printf '\nbackend everything from provider\n    server s 127.0.0.1:%s\n' "$port"
} >"$D/edge.cfg"
echo 'backends: [everything]' >"$D/mine.yaml"
cat >"$D/suite.yaml" <<P
tollgate: 1
name: suite
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  everything: {backend: everything, dialect: mcp}
routes:
  - {name: suite, match: {path: /mcp}, targets: everything, response: [inspect]}
rules:
  - {name: out-ssn, phase: response, when: '"US_SSN" in response.entities', deny: {reason: no social security numbers}}
  - {name: no-delete, phase: tool, when: 'tool.name.startsWith("delete")', deny: {hide: true}}
  - {name: small, phase: tool, when: 'has(tool.arguments.amount) && tool.arguments.amount > 100', deny: true}
default: permit
P
stack_up --edge "$D/edge.cfg" --policy "$D/suite.yaml" --config "$D/mine.yaml"
note_pid $served everything
EDGE=$EDGE TOKEN=$(token) "$node22" "$build/mcp-suite/front.mjs" >"$D/front" &
note_pid $! front
wait_for grep -qs front= "$D/front"
eval "$(cat "$D/front")"

suite() { # PORT REVISION: prints the results, a line each, "✓ name: N passed, M failed"
	"$node22" "$build/mcp-suite/node_modules/@modelcontextprotocol/conformance/dist/index.js" server \
		--url "http://localhost:$1/mcp" --requirements "$2" >"$D/suite-$1-$2.log" 2>&1
	grep -E '^[✓✗] .*: [0-9]+ passed' "$D/suite-$1-$2.log"
}
# worse FILE FILE: prints the scenarios of which fewer checks pass, or more fail, in the second file; nothing if none
# ran
worse() {
	awk -F '[: ,]+' 'NR == FNR { n++; p[$2] = $3; f[$2] = $5; next }
		!($2 in p) { next }
		{ seen[$2] = 1 } $3 < p[$2] || $5 > f[$2] { print $2 ": " p[$2] "/" f[$2] " direct, " $3 "/" $5 " through" }
		END { if (!n) print "no scenario ran"; for (s in p) if (!seen[s]) print s ": not run" }' "$1" "$2"
}
for revision in 2025-11-25 2026-07-28; do
	suite "$port" $revision >"$D/direct"
	suite "$front" $revision >"$D/through"
	direct=$(grep -c . "$D/direct")
	passed=$(awk -F '[: ,]+' '{ n += $3 } END { print n }' "$D/direct")
	like "$revision: the suite runs ($direct scenarios, $passed checks pass)" "$direct $passed" '^[3-9][0-9] (7[0-9]|[89][0-9]|1[0-9][0-9])$'
	is "$revision: each check that passes without the gateway passes with it" "$(worse "$D/direct" "$D/through")" ""
done
