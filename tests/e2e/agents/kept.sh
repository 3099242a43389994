#!/bin/bash
# The published Python SDKs of OpenAI, Anthropic and MCP, in conversations that the provider stores. `make
# agents-test` runs it; its packages are pinned in kept/requirements.txt.
. "$(dirname "$0")/../lib.sh"
what="openai, anthropic, mcp for Python"
command -v python3 >/dev/null || { skip "$what" "python3 is not installed"; exit 0; }
venv=$build/agents-python
if ! cmp -s "$here/agents/kept/requirements.txt" "$venv/installed"; then
	python3 -m venv "$venv" && "$venv/bin/pip" install -q -r "$here/agents/kept/requirements.txt" >"$D/pip.log" 2>&1 &&
		cp "$here/agents/kept/requirements.txt" "$venv/installed" || { skip "$what" "$(tail -1 "$D/pip.log")"; exit 0; }
fi
read -r kept tables < <("$venv/bin/python" -c 'import socket
s = [socket.socket() for _ in "ab"]
for x in s: x.bind(("127.0.0.1", 0))
print(*[x.getsockname()[1] for x in s])')
"$venv/bin/python" "$here/agents/kept/provider.py" "$kept" "$tables" >"$D/provider.log" 2>&1 &
served=$!
{
	cat "$root/haproxy/haproxy.cfg"
	printf '\nbackend kept from provider\n    server s 127.0.0.1:%s\nbackend tables from provider\n    server s 127.0.0.1:%s\n' "$kept" "$tables"
} >"$D/edge.cfg"
echo 'backends: [kept, tables]' >"$D/mine.yaml"
cat >"$D/kept.yaml" <<'Y'
tollgate: 1
name: kept
identity:
  - jwt: {header: authorization, demo_issuer: true}
providers:
  openai: {backend: kept, dialect: openai}
  anthropic: {backend: kept, dialect: anthropic}
  tables: {backend: tables, dialect: mcp}
routes:
  - {name: tables, match: {path: /mcp}, targets: tables, response: restore}
  - {name: messages, match: {path: /v1/messages}, targets: anthropic, response: restore}
  - {name: responses, match: {path_prefix: /v1/responses}, targets: openai, response: restore}
rules:
  - {name: mail, redact: {entities: [EMAIL_ADDRESS]}}
default: permit
Y
stack_up --edge "$D/edge.cfg" --policy "$D/kept.yaml" --config "$D/mine.yaml"
note_pid $served provider
EDGE=$EDGE TOKEN=$(token) PROVIDER=http://127.0.0.1:$kept timeout 120 "$venv/bin/python" "$here/agents/kept/sdks.py" >"$D/sdks.log" 2>"$D/sdks.err" ||
	echo "not ok - sdks.py ends: $(tail -n 1 "$D/sdks.err")" >>"$D/sdks.log"
cat "$D/sdks.log"
if grep -q '^not ok' "$D/sdks.log"; then failed=1; fi
exit $failed
