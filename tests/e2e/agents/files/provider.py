"""A provider of models for coding agents that edit files: Anthropic's messages, OpenAI's responses and chats, as streams.

It keeps nothing between requests. The next call follows from the number of results in the conversation and from their
text alone, so it is the same with placeholders and with values. GET /seen returns the sizes of all conversations and of
the beginning that each shares with the one before; DELETE /seen forgets them.
"""
import json, re, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROUNDS = 4
seen = {"last": b"", "bodies": []}


def lines_of(text):
    """The lines of a file as a tool returned it, without numbers, notes and a shell's frame."""
    text = text.split("<system-reminder>")[0]
    text = text.split("Output:\n", 1)[-1].split("\n<exited with exit code")[0]
    return [re.sub(r"^ *\d+(?:→|\t|\. )", "", l) for l in text.rstrip("\n").split("\n")]


def shown(results, file):
    """The lines of the last result that showed the file."""
    for name, text in reversed(results):
        if name == file:
            return lines_of(text)
    return []


def find(lines, what):
    return next((l for l in lines if what in l), "")


# Each step is the file that its result shows (or ""), and what to do. `c` makes the calls of a client.
def steps(c, results):
    env, users, hosts, log = (shown(results, f) for f in (".env", "users.csv", "hosts.yaml", "app.log"))
    url, mail = find(env, "DATABASE_URL"), find(env, "MAIL_FROM")
    key = find(env, "API_TOKEN")
    todo = [
        lambda: (".env", c.read(".env")),
        lambda: ("", c.edit(".env", url, url + "?sslmode=require")),
        lambda: ("users.csv", c.read("users.csv")),
        lambda: ("", c.write("users.csv", [users[0]] + sorted(users[1:], reverse=True) + [users[1]])),
        lambda: ("hosts.yaml", c.read("hosts.yaml")),
        # an edit that fails: its error repeats the text, with placeholders
        lambda: ("", c.edit("hosts.yaml", "absent: " + find(hosts, "contact"), "x")),
        lambda: ("", c.edit("hosts.yaml", find(hosts, "contact"), find(hosts, "contact") + "\n    backup: " + mail.split("=", 1)[-1])),
        lambda: ("app.log", c.read("app.log")),
        lambda: ("", c.document("app.log", log + [find(log, "login"), "copied from " + url.split("=", 1)[-1]])),
        lambda: (".env", c.read(".env")),
        lambda: ("", c.edit(".env", key, key + "\n" + key.replace("API_TOKEN", "OLD_TOKEN"))),
        lambda: ("", c.write("summary.md", ["# Hosts", *hosts, "", "```", *[l for l in env if l], "```", *users])),
    ]
    return todo


class Claude:
    def read(self, f): return "Read", {"file_path": self.dir + "/" + f}
    def edit(self, f, a, b): return "Edit", {"file_path": self.dir + "/" + f, "old_string": a, "new_string": b}
    def write(self, f, lines): return "Write", {"file_path": self.dir + "/" + f, "content": "\n".join(lines) + "\n"}
    def document(self, f, lines): return "Bash", {"command": "cat > %s <<'EOF'\n%s\nEOF" % (f, "\n".join(lines)), "description": "write"}


class Codex:
    def shell(self, cmd): return "exec_command", {"cmd": cmd}
    def read(self, f): return self.shell("cat " + f)
    def document(self, f, lines): return self.shell("cat > %s <<'EOF'\n%s\nEOF" % (f, "\n".join(lines)))
    write = document

    def edit(self, f, a, b):
        patch = "*** Begin Patch\n*** Update File: %s\n@@\n%s\n%s\n*** End Patch" % (
            f, "\n".join("-" + l for l in a.split("\n")), "\n".join("+" + l for l in b.split("\n")))
        return self.shell("apply_patch <<'EOF'\n%s\nEOF" % patch)


class Chat:
    """An agent of chats; `is_a` is the name of one of its tools."""
    def __init__(self, offered, at):
        self.copilot, self.pi, self.dir = "view" in offered, "read" in offered and "write" in offered, at

    def path(self, f): return self.dir + "/" + f

    def shell(self, cmd):
        if self.copilot:
            return "bash", {"command": cmd, "description": "write"}
        return ("bash", {"command": cmd}) if self.pi else ("run_shell_command", {"command": cmd, "is_background": False})

    def read(self, f):
        if self.copilot:
            return "view", {"path": self.path(f)}
        return ("read", {"path": self.path(f)}) if self.pi else ("read_file", {"file_path": self.path(f)})

    def edit(self, f, a, b):
        if self.copilot:
            return "edit", {"path": self.path(f), "old_str": a, "new_str": b}
        if self.pi:
            return "edit", {"path": self.path(f), "edits": [{"oldText": a, "newText": b}]}
        return "edit", {"file_path": self.path(f), "old_string": a, "new_string": b}

    def document(self, f, lines): return self.shell("cat > %s <<'EOF'\n%s\nEOF" % (f, "\n".join(lines)))

    def write(self, f, lines):
        text = "\n".join(lines) + "\n"
        if self.copilot:  # which creates files only
            return ("create", {"path": self.path(f), "file_text": text}) if f == "summary.md" else self.document(f, lines)
        return ("write", {"path": self.path(f), "content": text}) if self.pi else ("write_file", {"file_path": self.path(f), "content": text})


def text_of(content):
    if isinstance(content, str):
        return content
    return "".join(p.get("text", "") for p in content or [] if isinstance(p, dict))


def next_call(c, texts, turns):
    """Names each result by the step that asked for it, and returns the next call, or None."""
    results = []
    for i in range(len(texts) + 1):
        todo = steps(c, results)
        n = i % len(todo)
        if i >= turns * len(todo):
            return None
        file, call = todo[n]()
        if i == len(texts):
            return call
        results.append((file, texts[i]))


def unmarked(v):
    """The value without the marks of a client for the prompt cache, which move on with each turn."""
    if isinstance(v, dict):
        return {k: unmarked(x) for k, x in v.items() if k != "cache_control"}
    return [unmarked(x) for x in v] if isinstance(v, list) else v


def sse(events):
    return "".join("event: %s\ndata: %s\n\n" % (e["type"], json.dumps(e, ensure_ascii=False)) for e in events)


def pieces(s):
    return [s[i:i + 11] for i in range(0, len(s), 11)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def give(self, text, kind="application/json"):
        data = text.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self):
        self.give(json.dumps(seen["bodies"]) if self.path == "/seen" else '{"object":"list","data":[]}')

    def do_DELETE(self):
        seen.update(last=b"", bodies=[])
        self.give("{}")

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["content-length"]))
        body = json.loads(raw)
        turns = ROUNDS
        if not body.get("tools") or "/v1/messages" in self.path and "count_tokens" in self.path:
            return self.small(body)
        # only the conversation: the instructions and tools before it are the same in each request
        said = json.dumps(unmarked(body.get("messages", body.get("input"))), ensure_ascii=False).encode()
        same = next((i for i, (a, b) in enumerate(zip(said, seen["last"])) if a != b), min(len(said), len(seen["last"])))
        seen["bodies"].append([len(said), len(seen["last"]), same])
        seen["last"] = said
        with open(self.server.dump, "ab") as f:
            f.write(raw + b"\n")
        if "/v1/messages" in self.path:
            self.give_messages(body, turns)
        elif "/chat/completions" in self.path:
            self.give_chat(body, turns)
        else:
            self.give_responses(body, turns)

    def small(self, body):
        if "count_tokens" in self.path:
            return self.give('{"input_tokens":9}')
        if "/chat/completions" in self.path:
            return self.chat_events({"content": "a title"}, "stop") if body.get("stream") else self.give(json.dumps(
                {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-5", "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
                 "choices": [{"index": 0, "message": {"role": "assistant", "content": "a title"}, "finish_reason": "stop"}]}))
        self.claude_events([{"type": "text", "text": "a title"}], "end_turn") if body.get("stream") else self.give(json.dumps(
            {"id": "m", "type": "message", "role": "assistant", "model": body.get("model"), "content": [{"type": "text", "text": "a title"}],
             "stop_reason": "end_turn", "usage": {"input_tokens": 9, "output_tokens": 3}}))

    def claude_events(self, blocks, stop):
        ev = [{"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
               "usage": {"input_tokens": 9, "output_tokens": 1}}}]
        for i, b in enumerate(blocks):
            if b["type"] == "text":
                ev.append({"type": "content_block_start", "index": i, "content_block": {"type": "text", "text": ""}})
                ev += [{"type": "content_block_delta", "index": i, "delta": {"type": "text_delta", "text": p}} for p in pieces(b["text"])]
            else:
                ev.append({"type": "content_block_start", "index": i, "content_block": {**b, "input": {}}})
                ev += [{"type": "content_block_delta", "index": i, "delta": {"type": "input_json_delta", "partial_json": p}}
                       for p in pieces(json.dumps(b["input"], ensure_ascii=False))]
            ev.append({"type": "content_block_stop", "index": i})
        ev += [{"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": {"output_tokens": 9}}, {"type": "message_stop"}]
        self.give(sse(ev), "text/event-stream")

    def give_messages(self, body, turns):
        results = [text_of(p.get("content")) for m in body["messages"] if m["role"] == "user" and isinstance(m["content"], list)
                   for p in m["content"] if p.get("type") == "tool_result"]
        c = Claude()
        c.dir = self.server.dir()
        call = next_call(c, results, turns)
        if call is None:
            return self.claude_events([{"type": "text", "text": "all files are edited"}], "end_turn")
        self.claude_events([{"type": "tool_use", "id": "toolu_%d" % len(results), "name": call[0], "input": call[1]}], "tool_use")

    def chat_events(self, delta, stop):
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5"}
        deltas = [{"role": "assistant", "content": ""}]
        for call in delta.get("tool_calls", []):
            f = call["function"]
            deltas.append({"tool_calls": [{**call, "index": 0, "function": {"name": f["name"], "arguments": ""}}]})
            deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": p}}]} for p in pieces(f["arguments"])]
        deltas += [{"content": p} for p in pieces(delta.get("content") or "")]
        ev = [{**head, "choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
        ev.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": stop}]})
        ev.append({**head, "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}})
        self.give("".join("data: %s\n\n" % json.dumps(e, ensure_ascii=False) for e in ev) + "data: [DONE]\n\n", "text/event-stream")

    def give_chat(self, body, turns):
        results = [text_of(m.get("content")) for m in body["messages"] if m["role"] == "tool"]
        offered = [t.get("function", {}).get("name") for t in body["tools"]]
        call = next_call(Chat(offered, self.server.dir()), results, turns)
        if call is None:
            return self.chat_events({"content": "all files are edited"}, "stop")
        self.chat_events({"tool_calls": [{"id": "call_%d" % len(results), "type": "function",
                          "function": {"name": call[0], "arguments": json.dumps(call[1], ensure_ascii=False)}}]}, "tool_calls")

    def give_responses(self, body, turns):
        results = [text_of(i.get("output")) if not isinstance(i.get("output"), str) else i["output"]
                   for i in body["input"] if i.get("type") == "function_call_output"]
        call = next_call(Codex(), results, turns)
        head = {"id": "resp", "object": "response", "status": "in_progress", "output": []}
        if call is None:
            item = {"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "all files are edited", "annotations": []}]}
            ev = [{"type": "response.created", "response": head},
                  {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
                  {"type": "response.content_part.added", "item_id": "msg", "output_index": 0, "content_index": 0, "part": {"type": "output_text", "text": "", "annotations": []}},
                  {"type": "response.output_text.delta", "item_id": "msg", "output_index": 0, "content_index": 0, "delta": "all files are edited"},
                  {"type": "response.output_item.done", "output_index": 0, "item": item}]
        else:
            args = json.dumps(call[1], ensure_ascii=False)
            item = {"type": "function_call", "id": "fc_%d" % len(results), "call_id": "call_%d" % len(results), "name": call[0], "arguments": args, "status": "completed"}
            ev = [{"type": "response.created", "response": head},
                  {"type": "response.output_item.added", "output_index": 0, "item": {**item, "arguments": ""}}]
            ev += [{"type": "response.function_call_arguments.delta", "item_id": item["id"], "output_index": 0, "delta": p} for p in pieces(args)]
            ev += [{"type": "response.function_call_arguments.done", "item_id": item["id"], "output_index": 0, "arguments": args},
                   {"type": "response.output_item.done", "output_index": 0, "item": item}]
        ev.append({"type": "response.completed", "response": {**head, "status": "completed", "output": [item],
                   "usage": {"input_tokens": 9, "output_tokens": 9, "total_tokens": 18}}})
        self.give(sse(ev), "text/event-stream")


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.dump = sys.argv[1]
server.dir = lambda: open(sys.argv[2]).read().strip()
print("files=%d" % server.server_address[1], flush=True)
server.serve_forever()
