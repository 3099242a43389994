"""Cohere's SDK. Variant: chat, of its second version."""
import cohere
from common import TOOLS, call, main


def run(base, key, variant, prompt, stream):
    client = cohere.ClientV2(api_key=key, base_url=base)
    tools = [{"type": "function", "function": {"name": n, "description": d, "parameters": p}} for n, d, p in TOOLS]
    messages = [{"role": "system", "content": "You are an assistant."}, {"role": "user", "content": prompt}]
    while True:
        asked = {"model": "command-a-03-2025", "messages": messages, "tools": tools}
        if stream:
            text, plan, calls = streamed(client.chat_stream(**asked))
        else:
            said = client.chat(**asked).message
            text, plan = "".join(c.text for c in said.content or []), said.tool_plan
            calls = [(c.id, c.function.name, c.function.arguments) for c in said.tool_calls or []]
        if not calls:
            return text
        messages.append({"role": "assistant", "tool_plan": plan, "tool_calls": [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in calls]})
        messages += [{"role": "tool", "tool_call_id": i, "content": call(n, a)} for i, n, a in calls]


def streamed(events):
    text, plan, calls = "", "", []
    for event in events:
        said = event.delta.message if event.type not in ("message-end", "content-end", "tool-call-end") else None
        if event.type == "content-delta":
            text += said.content.text
        elif event.type == "tool-plan-delta":
            plan += said.tool_plan
        elif event.type == "tool-call-start":
            calls.append([said.tool_calls.id, said.tool_calls.function.name, said.tool_calls.function.arguments or ""])
        elif event.type == "tool-call-delta":
            calls[-1][2] += said.tool_calls.function.arguments
    return text, plan, calls


main(run)
