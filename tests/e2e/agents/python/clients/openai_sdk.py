"""OpenAI's SDK. Variants: chat, responses."""
import openai
from common import TOOLS, call, main


def chat(client, prompt, stream):
    tools = [{"type": "function", "function": {"name": n, "description": d, "parameters": p, "strict": True}} for n, d, p in TOOLS]
    messages = [{"role": "system", "content": "You are an assistant."}, {"role": "user", "content": prompt}]
    while True:
        asked = {"model": "gpt-5", "messages": messages, "tools": tools}
        if stream:
            with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as s:
                message = s.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(**asked).choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message)
        messages += [{"role": "tool", "tool_call_id": c.id, "content": call(c.function.name, c.function.arguments)} for c in message.tool_calls]


def responses(client, prompt, stream):
    tools = [{"type": "function", "name": n, "description": d, "parameters": p, "strict": True} for n, d, p in TOOLS]
    items = [{"role": "user", "content": prompt}]
    while True:
        asked = {"model": "gpt-5", "instructions": "You are an assistant.", "input": items, "tools": tools, "store": False}
        if stream:
            with client.responses.stream(**asked) as s:
                response = s.get_final_response()
        else:
            response = client.responses.create(**asked)
        calls = [i for i in response.output if i.type == "function_call"]
        if not calls:
            return response.output_text
        items += response.output
        items += [{"type": "function_call_output", "call_id": c.call_id, "output": call(c.name, c.arguments)} for c in calls]


def run(base, key, variant, prompt, stream):
    return {"chat": chat, "responses": responses}[variant](openai.OpenAI(base_url=base + "/v1", api_key=key), prompt, stream)


main(run)
