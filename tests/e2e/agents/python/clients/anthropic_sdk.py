"""Anthropic's SDK. Variants: messages, bedrock and vertex are its clients for these clouds, runner is its tool runner."""
import anthropic
from common import TOOLS, call, look_up, main, send_mail


def loop(client, prompt, stream):
    tools = [{"name": n, "description": d, "input_schema": p} for n, d, p in TOOLS]
    messages = [{"role": "user", "content": prompt}]
    while True:
        asked = {"model": "claude-sonnet-4-5", "max_tokens": 500, "system": "You are an assistant.", "messages": messages, "tools": tools}
        if stream:
            with client.messages.stream(**asked) as s:
                message = s.get_final_message()
        else:
            message = client.messages.create(**asked)
        calls = [c for c in message.content if c.type == "tool_use"]
        if not calls:
            return "".join(c.text for c in message.content)
        messages.append({"role": "assistant", "content": message.content})
        messages.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": c.id, "content": call(c.name, c.input)} for c in calls]})


def runner(client, prompt, stream):
    for message in client.beta.messages.tool_runner(model="claude-sonnet-4-5", max_tokens=500, stream=stream, messages=[{"role": "user", "content": prompt}],
                                                    tools=[anthropic.beta_tool(look_up), anthropic.beta_tool(send_mail)]):
        if stream:
            message = message.get_final_message()
    return message.content[0].text


def run(base, key, variant, prompt, stream):
    if variant == "bedrock":
        client = anthropic.AnthropicBedrock(base_url=base, api_key=key, aws_region="us-east-1")
    elif variant == "vertex":
        client = anthropic.AnthropicVertex(base_url=base + "/v1", access_token=key, region="us-east5", project_id="p")
    else:
        client = anthropic.Anthropic(base_url=base, auth_token=key, api_key=None)
    return (runner if variant == "runner" else loop)(client, prompt, stream)


main(run)
