"""Claude Code and Codex, headless, with the two tools in an MCP server. The variant is AGENT:MODEL.

`--serve FILE` is that server: it writes each call into FILE."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

NODE = pathlib.Path(os.environ.get("B", "build"), "agents", "node_modules", ".bin")


def serve(calls):
    out, sys.stdout = sys.stdout, sys.stderr
    import common
    tools = [{"name": n, "description": d, "inputSchema": p} for n, d, p in common.TOOLS]
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" not in asked:
            continue
        result = {}
        if asked["method"] == "initialize":
            result = {"protocolVersion": asked["params"]["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "mail", "version": "1"}}
        elif asked["method"] == "tools/list":
            result = {"tools": tools}
        elif asked["method"] == "tools/call":
            text = common.call(asked["params"]["name"], asked["params"]["arguments"])
            pathlib.Path(calls).write_text(json.dumps(common.called))
            result = {"content": [{"type": "text", "text": text}]}
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), file=out, flush=True)


def claude(base, key, model, prompt, home, server):
    (home / "mcp.json").write_text(json.dumps({"mcpServers": {"mail": {"type": "stdio", "command": server[0], "args": server[1:], "env": {"PYTHONPATH": os.environ["PYTHONPATH"]}}}}))
    command = [NODE / "claude", "-p", prompt, "--output-format", "json", "--mcp-config", home / "mcp.json", "--strict-mcp-config", "--allowedTools", "mcp__mail__*", "--max-turns", "6", "--model", model]
    done = run_agent(command, home, {"ANTHROPIC_BASE_URL": base, "ANTHROPIC_AUTH_TOKEN": key, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "MCP_CONNECTION_NONBLOCKING": "0"})
    return json.loads(done.stdout)["result"] if done.stdout.startswith("{") else done.stdout + done.stderr


def codex(base, key, model, prompt, home, server):
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(f"""model = "{model}"
model_provider = "gate"
[model_providers.gate]
name = "gate"
base_url = "{base}/v1"
env_key = "GATE_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
[mcp_servers.mail]
command = "{server[0]}"
args = {json.dumps(server[1:])}
env = {{ PYTHONPATH = "{os.environ["PYTHONPATH"]}" }}
default_tools_approval_mode = "approve"
""")
    done = run_agent([NODE / "codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--output-last-message", home / "last", prompt], home, {"GATE_KEY": key})
    last = home / "last"
    return last.read_text().strip() if done.returncode == 0 and last.exists() else done.stderr[-2000:]


def run_agent(command, home, more):
    (home / "work").mkdir()
    done = subprocess.run([str(c) for c in command], cwd=home / "work", env=os.environ | {"HOME": str(home)} | more, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
    if done.returncode:
        print(done.stdout, done.stderr, file=sys.stderr)
    return done


class AgentError(Exception):
    """The agent's turn failed."""


def run(base, key, variant, prompt, stream):
    agent, model = variant.split(":")
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        calls = home / "calls.json"
        text = {"claude": claude, "codex": codex}[agent](base, key, model, prompt, home, [sys.executable, os.path.abspath(__file__), "--serve", str(calls)])
        common.called += json.loads(calls.read_text()) if calls.exists() else []
    if not text.startswith("Sent to "):
        raise AgentError(text)
    return text


if sys.argv[1] == "--serve":
    serve(sys.argv[2])
else:
    import common
    run.streams = (True,)
    common.main(run)
