"""Mistral's SDK. Variant: chat."""
from common import TOOLS, call, main
from mistralai.client import Mistral


def run(base, key, variant, prompt, stream):
    client = Mistral(api_key=key, server_url=base)
    tools = [{"type": "function", "function": {"name": n, "description": d, "parameters": p}} for n, d, p in TOOLS]
    messages = [{"role": "system", "content": "You are an assistant."}, {"role": "user", "content": prompt}]
    while True:
        asked = {"model": "mistral-large-latest", "messages": messages, "tools": tools}
        text, calls = "", []
        if stream:
            for event in client.chat.stream(**asked):
                delta = event.data.choices[0].delta if event.data.choices else None
                text += delta.content if delta and isinstance(delta.content, str) else ""
                calls += delta.tool_calls or [] if delta else []
        else:
            message = client.chat.complete(**asked).choices[0].message
            text, calls = message.content, message.tool_calls or []
        if not calls:
            return text
        messages.append({"role": "assistant", "content": text, "tool_calls": calls})
        messages += [{"role": "tool", "name": c.function.name, "tool_call_id": c.id, "content": call(c.function.name, c.function.arguments)} for c in calls]


main(run)
