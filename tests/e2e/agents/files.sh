#!/bin/bash
# Claude Code, Codex, Qwen Code, Copilot CLI and pi edit files with values: an .env, a CSV, a YAML of hosts and a log, with failed edits whose errors
# have placeholders. The files are those of a session without the gateway, byte for byte, and the provider receives no
# value and the same share of each request again. `make agents-test` runs it after agents.sh.
. "$(dirname "$0")/../lib.sh"
bin=$build/agents/node_modules/.bin chat=$build/agents-clients/node_modules/.bin # clients.sh installs the agents of chats
[ -x "$bin/codex" ] || { skip "Claude Code, Codex" "agents.sh has not installed them"; exit 0; }
mkdir -p "$D/seed" "$D/home/.codex"
: >"$D/bodies"
python3 "$here/agents/files/provider.py" "$D/bodies" "$D/dir" >"$D/ports" 2>"$D/provider.log" &
served=$!
wait_for grep -qs files= "$D/ports"
eval "$(cat "$D/ports")"
{
	cat "$root/haproxy/haproxy.cfg"
	printf '\nbackend files from provider\n    server s 127.0.0.1:%s\n' "$files"
} >"$D/edge.cfg"
echo 'backends: [files]' >"$D/mine.yaml"
sed -e 's/^identity:.*/&\n  - jwt: {header: authorization, demo_issuer: true}/' -e 's/{backend: [a-z]*, /{backend: files, /' \
	"$root/policies/coding-agents.yaml" >"$D/agents.yaml"
stack_up --edge "$D/edge.cfg" --policy "$D/agents.yaml" --config "$D/mine.yaml"
note_pid $served provider
export HOME=$D/home
T=$(token)
cat >"$D/seed/.env" <<'E'
APP_ENV=production
DATABASE_URL=postgres://app:Tr7wq9Zk2mLxV@db.acme-internal.com:5432/app
REDIS_URL=redis://:fj3kDk29fmGq1Lw0@cache.acme-internal.com:6379/0
MAIL_FROM=ops@quixotic-mills.example.org
JWT_SECRET=hunter2hunter2
SESSION_SECRET=K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=
API_TOKEN=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
E
{
	echo 'id,name,email,card,site'
	for i in $(seq 1 90); do echo "$i,User $i,user$i@quixotic-mills.example.org,4111111111111111,https://intra.acme-internal.com/u/$i"; done
} >"$D/seed/users.csv"
cat >"$D/seed/hosts.yaml" <<'E'
hosts:
  - name: db1.acme-internal.com
    address: 198.51.100.7
    contact: anna.berg@quixotic-mills.example.org
  - name: cache1.acme-internal.com
    url: https://monitor:gUess7me9now@cache1.acme-internal.com/health
    owner: Bo <bo.lind@quixotic-mills.example.org>
E
for i in $(seq 1 40); do printf '2026-11-29T10:%02d:00Z api[%d]: login user%d@quixotic-mills.example.org from 203.0.113.%d via https://login.acme-internal.com/cb?code=%d\n' "$i" "$i" "$i" "$i" "$i"; done >"$D/seed/app.log"

session() { # CLIENT BASE OUT PROMPT: runs the client in a fresh copy of the files
	rm -rf "$D/work" && cp -r "$D/seed" "$D/work"
	echo "$D/work" >"$D/dir"
	curl -s -X DELETE "http://127.0.0.1:$files/seen" >/dev/null
	: >"$D/bodies"
	cd "$D/work" || exit 1
	case $1 in
	claude)
		ANTHROPIC_BASE_URL=$2 ANTHROPIC_AUTH_TOKEN=$T CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 timeout 240 "$bin/claude" -p "$4" --output-format json \
			--allowedTools 'Read,Edit,Write,Bash' --max-turns 400 --model claude-opus-4-8 </dev/null >"$D/$3.out" 2>&1
		;;
	codex)
		cat >"$HOME/.codex/config.toml" <<C
model = "gpt-5"
model_provider = "gate"
[model_providers.gate]
name = "gate"
base_url = "$2/v1"
env_key = "GATE_KEY"
wire_api = "responses"
C
		GATE_KEY=$T timeout 240 "$bin/codex" exec --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox "$4" </dev/null >"$D/$3.out" 2>&1
		;;
	qwen) OPENAI_API_KEY=$T OPENAI_BASE_URL=$2/v1 OPENAI_MODEL=gpt-5 timeout 240 "$chat/qwen" --auth-type openai --yolo -p "$4" </dev/null >"$D/$3.out" 2>&1 ;;
	copilot) COPILOT_PROVIDER_BASE_URL=$2/v1 COPILOT_PROVIDER_TYPE=openai COPILOT_PROVIDER_API_KEY=$T COPILOT_MODEL=gpt-5 COPILOT_OFFLINE=true timeout 240 "$chat/copilot" -s -p "$4" --allow-all-tools --allow-all-paths </dev/null >"$D/$3.out" 2>&1 ;;
	pi)
		mkdir -p "$HOME/.pi/agent"
		printf '{"providers":{"gate":{"baseUrl":"%s/v1","apiKey":"%s","api":"openai-completions","models":[{"id":"gpt-5"}]}}}\n' "$2" "$T" >"$HOME/.pi/agent/models.json"
		timeout 240 "$chat/pi" --provider gate --model gpt-5 -p "$4" </dev/null >"$D/$3.out" 2>&1
		;;
	esac
	cd / || exit 1
	rm -rf "${D:?}/$3" && mv "$D/work" "$D/$3"
	curl -s "http://127.0.0.1:$files/seen" >"$D/$3.seen"
	cp "$D/bodies" "$D/$3.bodies"
}
# The share of the conversation that a provider's prompt cache would have: the sum of what each request shares with the one before.
share() { jq '[.[1:][] | .[2]] as $same | [.[1:][] | .[1]] as $was | ($same | add) / ($was | add) * 10000 | round / 100' "$1"; }

for c in ${AGENTS:-claude codex qwen copilot pi}; do
	at=$bin/$c
	[ -x "$at" ] || at=$chat/$c
	if ! "$at" --version >"$D/$c.version" 2>&1; then
		skip "$c" "it does not run here: $(tail -1 "$D/$c.version")"
		continue
	fi
	session $c "http://127.0.0.1:$files" "$c-direct" 'edit the files'
	session $c "$EDGE" "$c-gate" 'edit the files'
	like "$c: the session ends" "$(cat "$D/$c-gate.out")" 'all files are edited'
	like "$c: and so does the one without the gateway" "$(cat "$D/$c-direct.out")" 'all files are edited'
	is "$c: both have the same number of requests" "$(jq length "$D/$c-gate.seen")" "$(jq length "$D/$c-direct.seen")"
	for f in .env users.csv hosts.yaml app.log summary.md; do
		if cmp -s "$D/$c-direct/$f" "$D/$c-gate/$f"; then
			ok "$c: $f is the same file"
		else
			not_ok "$c: $f is the same file" "$(diff "$D/$c-direct/$f" "$D/$c-gate/$f" | head -6)"
		fi
	done
	like "$c: the files were edited" "$(cat "$D/$c-gate/hosts.yaml")" 'backup: ops@quixotic-mills.example.org'
	# Copilot CLI hides passwords from the model, so it cannot edit their lines, with or without the gateway
	[ $c = copilot ] || unlike "$c: and the line with a password" "$(cat "$D/$c-gate/.env")" 'app$'
	unlike "$c: the provider received no value" "$(cat "$D/$c-gate.bodies")" 'Tr7wq9Zk2mLxV|quixotic-mills|4111111111111111|ghp_zQWB|gUess7me9now|Unols='
	without=$(share "$D/$c-direct.seen") with=$(share "$D/$c-gate.seen")
	echo "# $c: $(jq length "$D/$c-gate.seen") requests, the last of $(jq '.[-1][0]' "$D/$c-gate.seen") bytes; shared with the one before: $without % without the gateway, $with % with it"
	check "$c: the provider's cache has the same share, within one percent" awk -v a="$without" -v b="$with" 'BEGIN { exit !(a - b < 1) }'
	is "$c: no placeholder stays in a call" "$(settled; cat "$JOURNAL"/* | tr -d '\0' | grep '"type":"completion"' | grep -c '"left_in_calls"')" 0
done
