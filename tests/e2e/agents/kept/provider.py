"""A provider that keeps conversations and plays the model by placeholder: it calls send_mail with the first address that it
knows of in the conversation, and then names all of them. And an MCP server that asks who else is to come in the middle of a call."""
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

ADDRESS = re.compile(r"<EMAIL_ADDRESS_[A-Z0-9_]+>|[\w.]+@[\w.]+")
kept = {}
seen = []


def known(turns):
    out = []
    for a in ADDRESS.findall(json.dumps(turns)):
        if a not in out:
            out.append(a)
    return out


def responses(body, number):
    turns = kept.get(body.get("previous_response_id"), []) + [body["input"]]
    addresses = known(turns)
    done = not body.get("tools") or "function_call_output" in json.dumps(body["input"])
    item = (
        {"type": "message", "id": f"msg_{number}", "status": "completed", "role": "assistant",
         "content": [{"type": "output_text", "text": "known: " + ", ".join(addresses), "annotations": []}]}
        if done else
        {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": "send_mail", "status": "completed",
         "arguments": json.dumps({"to": addresses[0]})})
    kept[f"resp_{number}"] = turns + [item]
    return {"id": f"resp_{number}", "object": "response", "created_at": 1, "status": "completed", "model": body["model"],
            "output": [item], "parallel_tool_calls": False, "tool_choice": "auto", "tools": []}


def messages(body, number):
    thread = body.get("thread") or {}
    turns = kept.get(thread.get("previous_message_id"), []) + body["messages"]
    addresses = known(turns)
    done = "tool_result" in json.dumps(body["messages"][-1])
    content = ([{"type": "text", "text": "known: " + ", ".join(addresses)}] if done else
               [{"type": "tool_use", "id": f"toolu_{number}", "name": "send_mail", "input": {"to": addresses[0]}}])
    kept[f"msg_{number}"] = turns + [{"role": "assistant", "content": content}]
    return {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": body["model"], "content": content,
            "stop_reason": "end_turn" if done else "tool_use", "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1}}


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        text = self.rfile.read(int(self.headers["content-length"]))
        body = json.loads(text)
        seen.append(text.decode())
        answer = responses if self.path.endswith("/responses") else messages
        self.say(answer(body, len(seen)))

    def do_GET(self):
        self.say(seen)

    def say(self, what):
        out = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    def log_message(self, *_):
        pass


class Guest(BaseModel):
    address: str


tools = MCPServer("tables")


@tools.tool()
async def book(address: str, ctx: Context) -> str:
    """Books a table."""
    seen.append(address)
    answer = await ctx.elicit(message=f"who comes with {address}?", schema=Guest)
    seen.append(answer.data.address)
    return f"booked for {address} and {answer.data.address}"


if __name__ == "__main__":
    provider = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Provider)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    tools.run(transport="streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
