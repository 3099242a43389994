"""litellm. The variant is its prefix of a provider."""
import litellm
from common import TOOLS, call, main

MODELS = {"openai": ("openai/gpt-5", "/v1"), "responses": ("openai/responses/gpt-4o", "/v1"), "anthropic": ("anthropic/claude-sonnet-4-5", ""), "gemini": ("gemini/gemini-2.5-flash", "/v1beta"),
          "mistral": ("mistral/mistral-large-latest", "/v1")}


def run(base, key, variant, prompt, stream):
    model, path = MODELS[variant]
    tools = [{"type": "function", "function": {"name": n, "description": d, "parameters": p}} for n, d, p in TOOLS]
    messages = [{"role": "system", "content": "You are an assistant."}, {"role": "user", "content": prompt}]
    while True:
        answer = litellm.completion(model=model, api_base=base + path, api_key=key, messages=messages, tools=tools, stream=stream)
        if stream:
            answer = litellm.stream_chunk_builder(list(answer), messages=messages)
        message = answer.choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message.model_dump())
        messages += [{"role": "tool", "tool_call_id": c.id, "name": c.function.name, "content": call(c.function.name, c.function.arguments)} for c in message.tool_calls]


main(run)
