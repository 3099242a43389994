"""AWS' SDK with a bearer key, which it sends over https only. Variant: converse."""
import json
import os

import boto3
from common import TOOLS, call, main


def run(base, key, variant, prompt, stream):
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = key
    client = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=base)
    tools = [{"toolSpec": {"name": n, "description": d, "inputSchema": {"json": p}}} for n, d, p in TOOLS]
    messages = [{"role": "user", "content": [{"text": prompt}]}]
    while True:
        asked = {"modelId": "us.anthropic.claude-opus-4-7-v1:0", "system": [{"text": "You are an assistant."}], "messages": messages, "toolConfig": {"tools": tools},
                 "inferenceConfig": {"maxTokens": 500}}
        content = streamed(client.converse_stream(**asked)["stream"]) if stream else client.converse(**asked)["output"]["message"]["content"]
        calls = [c["toolUse"] for c in content if "toolUse" in c]
        if not calls:
            return "".join(c["text"] for c in content)
        messages.append({"role": "assistant", "content": content})
        messages.append({"role": "user", "content": [{"toolResult": {"toolUseId": c["toolUseId"], "content": [{"text": call(c["name"], c["input"])}]}} for c in calls]})


def streamed(events):
    """The content of a message, made of the events of its stream."""
    blocks = {}
    for event in events:
        start, delta = event.get("contentBlockStart"), event.get("contentBlockDelta")
        if start:
            blocks[start["contentBlockIndex"]] = {"toolUse": start["start"]["toolUse"], "json": ""}
        elif delta and "text" in delta["delta"]:
            block = blocks.setdefault(delta["contentBlockIndex"], {"text": ""})
            block["text"] += delta["delta"]["text"]
        elif delta:
            blocks[delta["contentBlockIndex"]]["json"] += delta["delta"]["toolUse"]["input"]
    return [{"toolUse": b["toolUse"] | {"input": json.loads(b["json"] or "{}")}} if "json" in b else b for b in blocks.values()]


main(run)
