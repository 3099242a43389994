"""A provider of every form that checks each request against its published schema (schemas.py) and plays the model: it calls look_up
with the first mail address of the conversation, then send_mail with the last one, and then names all of them.

    provider.py PORT PORT_OF_MISTRAL PORT_OF_503

An invalid request is answered with 400 and the errors found. GET /_wrong returns all errors so far and clears the list."""
import base64
import functools
import json
import re
import struct
import sys
import threading
import urllib.parse
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import schemas

PLACEHOLDER = re.compile(r"<EMAIL_ADDRESS_[A-Z0-9_]+>")
REMINDER = re.compile(r"(?s)<system-reminder>.*?</system-reminder>")  # Claude Code's own text, with other addresses
VALUE = re.compile(r"\b(?:jane|bob)@example\.com")
SIGNED = "c2lnbmVkIGJ5IHRoZSBwcm92aWRlcg=="
threads = {}  # messages with their tools, by the id of the last response
wrong, counts = [], {"requests": 0, "ill": 0}
lock = threading.Lock()


def made(schema, known):
    """Returns a value that fits a schema. Each string is the first known address, or the first value of its enum."""
    kind = schema.get("type") or next((s["type"] for s in schema.get("anyOf", []) if "type" in s), "object" if "properties" in schema else "string")
    kind = (kind[0] if isinstance(kind, list) else kind).lower()
    if kind == "object":
        return {k: made(s, known) for k, s in schema.get("properties", {}).items()}
    if kind == "array":
        return [made(schema.get("items", {}), known)]
    return {"string": schema.get("enum", [known[0]])[0], "integer": 7, "number": 7, "boolean": True}.get(kind)


def turn(text, rounds, tools, forced, schema):
    """Returns the text of the model, and the name and the arguments of the tool that it calls, or None for both."""
    text = REMINDER.sub("", text)
    rounds = max(rounds, ("The colleague is " in text) + ("Sent to " in text))  # some clients write results as texts
    known = list(dict.fromkeys(PLACEHOLDER.findall(text))) or ["<EMAIL_ADDRESS_0>"]
    own = {"look_up": {"person": known[0]}, "send_mail": {"to": known[-1], "subject": "The ferry leaves at nine"}}
    script = [t for n in own for t in tools if t == n or t.endswith(("_" + n, "-" + n))]
    own["final_answer"] = {"answer": "Sent to " + " and ".join(known) + "."}
    if "[[ ## next_tool_name ## ]]" in text or "[[ ## answer ## ]]" in text:  # DSPy's tools are texts
        name = "finish" if rounds > 1 else list(own)[rounds]
        fields = ({"next_thought": "Let me see.", "next_tool_name": name, "next_tool_args": json.dumps(own.get(name, {}))} if "next_tool_name" in text else
                  {"reasoning": "So.", "answer": "Sent to " + " and ".join(known) + "."})
        return "".join(f"[[ ## {n} ## ]]\n{v}\n\n" for n, v in fields.items()) + "[[ ## completed ## ]]", None, None
    if not script and "exec" in tools and forced is None:  # Codex offers one tool, which runs programs that call the others
        call = next((f"tools.mcp__mail__{n}({json.dumps(own[n])})" for n in ("look_up", "send_mail")[rounds:]), None)
        return ("Let me see.", "exec", {"input": f"text(JSON.stringify(await {call}))"}) if call else ("Sent to " + " and ".join(known) + ".", None, None)
    if not script and "ToolSearch" in tools and forced is None:  # Claude Code offers the tools of servers when the model asks
        return "Let me see.", "ToolSearch", {"query": "select:mcp__mail__look_up,mcp__mail__send_mail", "max_results": 5}
    if forced is None and rounds < len(script):
        name = script[rounds]
        return "Let me see.", name, own[next(n for n in own if name.endswith(n))]
    if forced is not None:
        name = forced or next((t for t in tools if t not in script), script[-1] if script else None)
        if forced == "" and rounds < len(script):
            name = script[rounds]
        return "", name, own.get(name) or made(tools[name], known)
    if schema:
        return json.dumps(made(schema, known)), None, None
    return "Sent to " + " and ".join(known) + ".", None, None


def spoken(messages):
    """Returns the conversation without system messages, which may contain other addresses."""
    return json.dumps([m for m in messages if m.get("role") not in ("system", "developer")])


def pieces(text):
    return re.findall(r"(?s).{1,7}", text)


def sse(*events, named=False):
    return "".join((f"event: {e['type']}\n" if named else "") + f"data: {json.dumps(e)}\n\n" for e in events).encode()


def matched(calls, results):
    if sorted(calls) != sorted(results):
        raise ValueError(f"the calls {calls} have the results {results}")


# ---- chat, and Mistral's ----

def chat(body, model, stream, serial, mistral=False):
    calls, results = [], []
    for m in body["messages"]:
        if m["role"] == "tool":
            results.append(m["tool_call_id"])
            continue
        matched(calls, results)
        calls, results = [c["id"] for c in m.get("tool_calls") or []], []
        for c in m.get("tool_calls") or []:
            if c["type"] == "function":
                json.loads(c["function"]["arguments"])
    matched(calls, results)
    tools = {t[t["type"]]["name"]: t for t in body.get("tools", [])}
    choice = body.get("tool_choice")
    forced = choice[choice["type"]]["name"] if isinstance(choice, dict) else "" if choice in ("required", "any") else None
    text, name, args = turn(spoken(body["messages"]), sum(m["role"] == "tool" for m in body["messages"]),
                            {n: t[t["type"]].get("parameters", {}) for n, t in tools.items() if choice != "none"}, forced,
                            (body.get("response_format") or {}).get("json_schema", {}).get("schema"))
    base = {"id": f"chatcmpl-{serial}", "created": 1, "model": body["model"]}
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    ident = f"c{serial:08d}" if mistral else f"call_{serial:024d}"
    kind = tools[name]["type"] if name else None
    member, said = ("input", args["input"]) if kind == "custom" else ("arguments", json.dumps(args))
    made_calls = [{"id": ident, "type": kind, kind: {"name": name, member: said}}] if name else []
    why = "tool_calls" if name else "stop"
    if not stream:
        message = {"role": "assistant", "content": text or (None if not mistral else ""), **({"tool_calls": made_calls} if name else {}), **({} if mistral else {"refusal": None, "annotations": []})}
        return {**base, "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": why, "logprobs": None}], "usage": usage}

    def chunk(delta, finish=None, **more):
        return {**base, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}
    events = [chunk({"role": "assistant", "content": ""})] + [chunk({"content": p}) for p in pieces(text)]
    if name and mistral:
        events.append(chunk({"tool_calls": [{**made_calls[0], "index": 0}]}))
    elif name:
        events.append(chunk({"tool_calls": [{"index": 0, "id": ident, "type": kind, kind: {"name": name, member: ""}}]}))
        events += [chunk({"tool_calls": [{"index": 0, kind: {member: p}}]}) for p in pieces(said)]
    events.append(chunk({}, why, **({"usage": usage} if mistral else {})))
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append({**base, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    return sse(*events) + b"data: [DONE]\n\n"


# ---- responses ----

def offered(body, items):
    """Returns the tools of a request by name, including the namespace: the item with which the model calls the tool, and its schema."""
    found, kinds = {}, {"function": "function_call", "custom": "custom_tool_call"}
    for t in (body.get("tools") or []) + [t for i in items if i.get("type") == "additional_tools" for t in i["tools"]]:
        space = {"namespace": t["name"]} if t["type"] == "namespace" else {}
        for own in t["tools"] if space else [t]:
            name = own.get("name") if space.get("namespace", "functions") == "functions" else f"{t['name']}__{own['name']}"
            if own["type"] in kinds:
                found[name] = {"type": kinds[own["type"]], "name": own["name"], **space}, own.get("parameters", {})
    return found


def responses(body, model, stream, serial):
    items = [{"role": "user", "content": body["input"]}] if isinstance(body["input"], str) else body["input"]
    made_calls, results = ([i["call_id"] for i in items if i.get("type") in kinds] for kinds in (("function_call", "custom_tool_call"), ("function_call_output", "custom_tool_call_output")))
    matched(made_calls, results)
    tools = offered(body, items)
    choice = body.get("tool_choice")
    forced = choice.get("name", "") if isinstance(choice, dict) else "" if choice == "required" else None
    text, name, args = turn(spoken(items), len(results), {n: schema for n, (_, schema) in tools.items()}, forced,
                            ((body.get("text") or {}).get("format") or {}).get("schema"))
    output = []
    if text:
        output.append({"type": "message", "id": f"msg_{serial}", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]})
    if name:
        item = tools[name][0]
        said = {"input": args["input"]} if item["type"] == "custom_tool_call" else {"arguments": json.dumps(args)}
        output.append({**item, "id": f"fc_{serial}", "call_id": f"call_{serial:024d}", **said, "status": "completed"})
    whole = {"id": f"resp_{serial}", "object": "response", "created_at": 1, "status": "completed", "model": body["model"], "output": output, "error": None,
             "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
             "usage": {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 8}}
    if not stream:
        return whole
    events = []

    def say(kind, **more):
        events.append({"type": kind, "sequence_number": len(events), **more})
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    say("response.created", response=begun)
    say("response.in_progress", response=begun)
    for n, item in enumerate(output):
        at = {"item_id": item["id"], "output_index": n}
        say("response.output_item.added", output_index=n, item={**item, "status": "in_progress", **{k: v for k, v in {"content": [], "arguments": "", "input": ""}.items() if k in item}})
        if "content" in item:
            part = item["content"][0]
            say("response.content_part.added", **at, content_index=0, part={**part, "text": ""})
            for p in pieces(text):
                say("response.output_text.delta", **at, content_index=0, delta=p, logprobs=[])
            say("response.output_text.done", **at, content_index=0, text=text, logprobs=[])
            say("response.content_part.done", **at, content_index=0, part=part)
        else:
            kind, member = ("custom_tool_call_input", "input") if "input" in item else ("function_call_arguments", "arguments")
            for p in pieces(item[member]):
                say(f"response.{kind}.delta", **at, delta=p)
            say(f"response.{kind}.done", **at, **{member: item[member]}, **({} if "input" in item else {"name": item["name"]}))
        say("response.output_item.done", output_index=n, item=item)
    say("response.completed", response=whole)
    return sse(*events, named=True)


# ---- messages ----

def messages(body, model, stream, serial, streamed=functools.partial(sse, named=True)):
    def of(m, kind):
        return [c for c in m["content"] if c["type"] == kind] if isinstance(m["content"], list) else []
    thread = body.get("thread") or {}
    said, tools = threads.get(thread.get("previous_message_id"), ([], []))
    said, tools = said + body["messages"], body.get("tools") or tools
    for before, after in zip(said, said[1:] + [{"content": []}]):
        if before["role"] == "assistant":
            matched([c["id"] for c in of(before, "tool_use")], [r["tool_use_id"] for r in of(after, "tool_result")])
    choice = body.get("tool_choice") or {}
    forced = choice.get("name", "") if choice.get("type") in ("any", "tool") else None
    rounds = sum("tool_reference" not in json.dumps(r) for m in said for r in of(m, "tool_result"))
    text, name, args = turn(spoken(said), rounds,
                            {t["name"]: t.get("input_schema", {}) for t in tools if choice.get("type") != "none"}, forced,
                            ((body.get("output_config") or {}).get("format") or {}).get("schema"))
    content = [{"type": "text", "text": text}] if text else []
    if name:
        content.append({"type": "tool_use", "id": f"toolu_{serial:024d}", "name": name, "input": args})
    why = "tool_use" if name else "end_turn"
    if thread:
        threads[f"msg_{serial}"] = [*said, {"role": "assistant", "content": content}], tools
    whole = {"id": f"msg_{serial}", "type": "message", "role": "assistant", "model": model, "content": content, "stop_reason": why, "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 5}}
    if not stream:
        return whole
    events = [{"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}}, {"type": "ping"}]
    for n, c in enumerate(content):
        use = c["type"] == "tool_use"
        events.append({"type": "content_block_start", "index": n, "content_block": {**c, **({"input": {}} if use else {"text": ""})}})
        deltas = [{"type": "input_json_delta", "partial_json": p} for p in ["", *pieces(json.dumps(args))]] if use else [{"type": "text_delta", "text": p} for p in pieces(text)]
        events += [{"type": "content_block_delta", "index": n, "delta": d} for d in deltas] + [{"type": "content_block_stop", "index": n}]
    events += [{"type": "message_delta", "delta": {"stop_reason": why, "stop_sequence": None}, "usage": {"output_tokens": 5}}, {"type": "message_stop"}]
    return streamed(*events)


# ---- generate ----

def generate(body, model, stream, serial):
    body = schemas.camel_case(body)

    def of(c, kind):
        return [p[kind] for p in c["parts"] if kind in p]
    said = body["contents"]
    for before, after in zip(said, said[1:] + [{"parts": []}]):
        if before.get("role") == "model":
            matched([c["name"] for c in of(before, "functionCall")], [r["name"] for r in of(after, "functionResponse")])
            if of(before, "functionCall") and not next(p for p in before["parts"] if "functionCall" in p).get("thoughtSignature"):
                raise ValueError("Function call is missing a thought_signature in functionCall parts")
    how = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    allowed = how.get("allowedFunctionNames") or []
    forced = (allowed[0] if len(allowed) == 1 else "") if how.get("mode") == "ANY" else None
    config = body.get("generationConfig") or {}
    text, name, args = turn(json.dumps(said), sum(len(of(c, "functionResponse")) for c in said),
                            {f["name"]: f.get("parametersJsonSchema") or f.get("parameters") or {} for t in body.get("tools", []) for f in t.get("functionDeclarations", []) if how.get("mode") != "NONE"},
                            forced, config.get("responseJsonSchema") or config.get("responseSchema"))
    parts = ([{"text": text}] if text else []) + ([{"functionCall": {"name": name, "args": args}, "thoughtSignature": SIGNED}] if name else [])

    def answer(some, last):
        return {"candidates": [{"content": {"role": "model", "parts": some}, "index": 0, **({"finishReason": "STOP"} if last else {})}], "modelVersion": model, "responseId": f"r{serial}",
                "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 5, "totalTokenCount": 8}}
    if not stream:
        return answer(parts, True)
    split = [q for p in parts for q in ([{"text": t} for t in pieces(p["text"])] if "text" in p else [p])]
    return sse(*[answer([p], n == len(split) - 1) for n, p in enumerate(split)])


# ---- converse ----

def frame(kind, event):
    head = b"".join(bytes([len(k)]) + k + b"\7" + struct.pack(">H", len(v)) + v for k, v in
                    ((b":event-type", kind.encode()), (b":content-type", b"application/json"), (b":message-type", b"event")))
    body = json.dumps(event).encode()
    start = struct.pack(">II", 16 + len(head) + len(body), len(head))
    rest = start + struct.pack(">I", zlib.crc32(start)) + head + body
    return rest + struct.pack(">I", zlib.crc32(rest))


def converse(body, model, stream, serial):
    def of(m, kind):
        return [c[kind] for c in m["content"] if kind in c]
    said = body["messages"]
    if said[0]["role"] != "user" or any(a["role"] == b["role"] for a, b in zip(said, said[1:])):
        raise ValueError("roles must alternate between user and assistant")
    for before, after in zip(said, said[1:] + [{"content": []}]):
        if before["role"] == "assistant":
            matched([c["toolUseId"] for c in of(before, "toolUse")], [r["toolUseId"] for r in of(after, "toolResult")])
    config = body.get("toolConfig") or {}
    if not config and any(of(m, "toolUse") for m in said):
        raise ValueError("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    choice = config.get("toolChoice") or {}
    forced = choice["tool"]["name"] if "tool" in choice else "" if "any" in choice else None
    form = ((body.get("outputConfig") or {}).get("textFormat") or {}).get("structure", {}).get("jsonSchema", {}).get("schema")
    text, name, args = turn(json.dumps(said), sum(len(of(m, "toolResult")) for m in said),
                            {t["toolSpec"]["name"]: t["toolSpec"]["inputSchema"]["json"] for t in config.get("tools", []) if "toolSpec" in t}, forced, json.loads(form) if form else None)
    use = {"toolUseId": f"tooluse_{serial:022d}", "name": name}
    content = ([{"text": text}] if text else []) + ([{"toolUse": {**use, "input": args}}] if name else [])
    why, usage = "tool_use" if name else "end_turn", {"inputTokens": 3, "outputTokens": 5, "totalTokens": 8}
    if not stream:
        return {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": why, "usage": usage, "metrics": {"latencyMs": 1}}
    events = [("messageStart", {"role": "assistant"})]
    for n, c in enumerate(content):
        if "toolUse" in c:
            events.append(("contentBlockStart", {"contentBlockIndex": n, "start": {"toolUse": use}}))
        deltas = [{"toolUse": {"input": p}} for p in pieces(json.dumps(args))] if "toolUse" in c else [{"text": p} for p in pieces(text)]
        events += [("contentBlockDelta", {"contentBlockIndex": n, "delta": d}) for d in deltas] + [("contentBlockStop", {"contentBlockIndex": n})]
    events += [("messageStop", {"stopReason": why}), ("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})]
    return b"".join(frame(*e) for e in events)


def invoke(body, model, stream, serial):
    """Returns a response of the Messages API as the event stream of Bedrock."""
    return messages(body, model, stream, serial, lambda *events: b"".join(frame("chunk", {"bytes": base64.b64encode(json.dumps(e).encode()).decode()}) for e in events))


# ---- cohere ----

def cohere(body, model, stream, serial):
    calls, results = [], []
    for m in body["messages"]:
        if m["role"] == "tool":
            results.append(m["tool_call_id"])
            continue
        matched(calls, results)
        calls, results = [c["id"] for c in m.get("tool_calls") or []], []
    matched(calls, results)
    text, name, args = turn(json.dumps(body["messages"]), sum(m["role"] == "tool" for m in body["messages"]),
                            {t["function"]["name"]: t["function"]["parameters"] for t in body.get("tools", [])}, None, None)
    made_calls = [{"id": f"{name}_{serial}", "type": "function", "function": {"name": name, "arguments": json.dumps(args)}}] if name else []
    why, usage = "TOOL_CALL" if name else "COMPLETE", {"billed_units": {"input_tokens": 3, "output_tokens": 5}, "tokens": {"input_tokens": 3, "output_tokens": 5}}
    if not stream:
        said = {"tool_plan": text, "tool_calls": made_calls} if name else {"content": [{"type": "text", "text": text}]}
        return {"id": f"c-{serial}", "finish_reason": why, "message": {"role": "assistant", **said}, "usage": usage}
    events = []

    def say(kind, said=None, **more):
        events.append({"type": kind, **more, **({"delta": {"message": said}} if said else {})})
    say("message-start", {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}, id=f"c-{serial}")
    if name:
        for p in pieces(text):
            say("tool-plan-delta", {"tool_plan": p})
        say("tool-call-start", {"tool_calls": {**made_calls[0], "function": {"name": name, "arguments": ""}}}, index=0)
        for p in pieces(json.dumps(args)):
            say("tool-call-delta", {"tool_calls": {"function": {"arguments": p}}}, index=0)
        say("tool-call-end", index=0)
    else:
        say("content-start", {"content": {"type": "text", "text": ""}}, index=0)
        for p in pieces(text):
            say("content-delta", {"content": {"text": p}}, index=0)
        say("content-end", index=0)
    events.append({"type": "message-end", "delta": {"finish_reason": why, "usage": usage}})
    return sse(*events, named=True)


PATHS = [  # path, API, reader, whether the path requests a stream (None: the body does)
    (r"/v1/chat/completions", "chat", chat, None),
    (r"/v1/responses", "responses", responses, None),
    (r"/v1/messages(?:\?beta=true)?", "messages", messages, None),
    (r"/v1(?:beta)?/models/([^/:]+):generateContent", "generate", generate, False),
    (r"/v1(?:beta)?/models/([^/:]+):streamGenerateContent\?alt=sse", "generate", generate, True),
    (r"/model/([^/]+)/converse", "converse", converse, False),
    (r"/model/([^/]+)/converse-stream", "converse", converse, True),
    (r"/model/([^/]+)/invoke", "invoke", invoke, False),
    (r"/model/([^/]+)/invoke-with-response-stream", "invoke", invoke, True),
    (r"/v1/projects/p/locations/us-east5/publishers/anthropic/models/([^/:]+):(?:rawPredict|streamRawPredict)", "vertex", messages, None),
    (r"/v2/chat", "cohere", cohere, None),
]


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        text = self.rfile.read(int(self.headers["content-length"])).decode()
        with lock:
            counts["requests"] += 1
            serial = counts["requests"]
        if self.server.server_port == int(sys.argv[3]):
            counts["ill"] += 1
            return self.say(503, {"type": "error", "error": {"type": "overloaded_error", "message": "overloaded", "code": 503, "status": "UNAVAILABLE"}, "message": "overloaded"})
        form = stream = None
        try:
            path, form, reader, stream = next(p for p in PATHS if re.fullmatch(p[0], self.path))
            mistral = form == "chat" and self.server.server_port == int(sys.argv[2])
            form = "mistral" if mistral else form
            body = json.loads(text)
            stream = bool(body.get("stream")) if stream is None else stream
            model = urllib.parse.unquote(re.fullmatch(path, self.path)[1]) if re.compile(path).groups else body["model"]
            found = schemas.problems(form, body, model) + [f"a value was sent: {v}" for v in set(VALUE.findall(text))]
            if form == "messages" and "anthropic-version" not in self.headers:
                found.append("no anthropic-version")
            if found:
                raise ValueError("; ".join(found[:6]))
            answer = reader(body, model, stream, serial, *([True] if mistral else []))
        except (ValueError, KeyError, TypeError, StopIteration, AttributeError) as e:
            why = f"{form} {self.path}: {type(e).__name__ if not isinstance(e, ValueError) else ''} {e}"
            with lock:
                wrong.append({"form": form, "stream": bool(stream), "why": why, "body": text})
            return self.say(400, {"type": "error", "error": {"type": "invalid_request_error", "message": why, "code": 400, "status": "INVALID_ARGUMENT"}, "message": why})
        self.say(200, answer, "application/vnd.amazon.eventstream" if form in ("converse", "invoke") else "text/event-stream")

    def do_GET(self):
        with lock:
            told = {"wrong": wrong[:], **counts}
            wrong.clear()
        self.say(200, told)

    def say(self, status, what, kind=None):
        out = what if isinstance(what, bytes) else json.dumps(what).encode()
        self.send_response(status)
        self.send_header("content-type", kind if isinstance(what, bytes) else "application/json")
        self.send_header("content-length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    servers = [ThreadingHTTPServer(("127.0.0.1", int(p)), Provider) for p in sys.argv[1:4]]
    for s in servers[1:]:
        threading.Thread(target=s.serve_forever, daemon=True).start()
    servers[0].serve_forever()
