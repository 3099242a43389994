"""The Python SDKs of OpenAI, Anthropic and MCP in conversations that the other side keeps: a tool is called with the value of the
person that the model meant, and what is not known stays a placeholder. A line of TAP for each."""
import asyncio
import json
import os
import re
import traceback
import urllib.request

import anthropic
import httpx2
import openai
from anthropic import beta_tool
from mcp import Client, types
from mcp.client.streamable_http import streamable_http_client

EDGE, TOKEN, PROVIDER = os.environ["EDGE"], os.environ["TOKEN"], os.environ["PROVIDER"]
JANE, BOB, CARL = "jane@example.com", "bob@example.com", "carl@example.com"


def check(name, got, want):
    print(f"{'ok' if got == want else 'not ok'} - {name}" + ("" if got == want else f": {got!r}, not {want!r}"))


def openai_turns():
    client = openai.OpenAI(base_url=EDGE + "/v1", api_key=TOKEN, max_retries=0)
    one = client.responses.create(model="m", input=f"write to {JANE}")
    two = client.responses.create(model="m", input=f"and to {BOB}", previous_response_id=one.id)
    check("openai: a second turn restores both values", two.output_text, f"known: {JANE}, {BOB}")
    tool = {"type": "function", "name": "send_mail", "parameters": {"type": "object", "properties": {"to": {"type": "string"}}}}
    three = client.responses.create(model="m", input="send it", tools=[tool], previous_response_id=two.id)
    call = three.output[0]
    check("openai: the tool is called with the first value", json.loads(call.arguments), {"to": JANE})
    result = {"type": "function_call_output", "call_id": call.call_id, "output": f"sent, in copy to {CARL}"}
    four = client.responses.create(model="m", input=[result], tools=[tool], previous_response_id=three.id)
    check("openai: the loop ends with all three values", four.output_text, f"known: {JANE}, {BOB}, {CARL}")


def anthropic_runner():
    client = anthropic.Anthropic(base_url=EDGE, auth_token=TOKEN, api_key=None, max_retries=0)
    called = []

    @beta_tool
    def send_mail(to: str) -> str:
        """Sends the mail.

        Args:
            to: whom
        """
        called.append(to)
        return f"sent, in copy to {BOB}"

    runner = client.beta.messages.tool_runner(
        model="m", max_tokens=50, tools=[send_mail], messages=[{"role": "user", "content": f"write to {JANE}"}])
    last = None
    for last in runner:
        pass
    check("anthropic: the runner calls the tool with the value", called, [JANE])
    check("anthropic: the loop ends with both values", last.content[0].text, f"known: {JANE}, {BOB}")


async def mcp_elicitation():
    asked = []

    async def answer(_, params):
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"address": BOB})

    async with httpx2.AsyncClient(headers={"authorization": "Bearer " + TOKEN}) as http:
        transport = streamable_http_client(EDGE + "/mcp", http_client=http)
        async with Client(transport, mode="legacy", elicitation_callback=answer) as client:
            result = await client.call_tool("book", {"address": JANE})
    text = result.content[0].text
    check("mcp: the question has the value", asked, [f"who comes with {JANE}?"])
    check("mcp: the result has the first value, and the second or its placeholder",
          re.sub(r"<EMAIL_ADDRESS_[A-Z2-7]{8}_1>", BOB, text), f"booked for {JANE} and {BOB}")


def mcp_call():
    asyncio.run(mcp_elicitation())


for part in (openai_turns, anthropic_runner, mcp_call):
    try:
        part()
    except Exception as e:  # a line, whatever it is
        traceback.print_exc()
        print(f"not ok - {part.__name__}: {type(e).__name__}: {str(e)[:300]}")
with urllib.request.urlopen(PROVIDER + "/seen") as r:
    said = r.read().decode()
check("no provider received a value", [v for v in (JANE, BOB, CARL) if v in said], [])
