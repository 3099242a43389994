"""Haystack's agent. Variant: openai."""
from common import TOOLS, call, main
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import Tool
from haystack.utils import Secret


def run(base, key, variant, prompt, stream):
    tools = [Tool(name=n, description=d, parameters=p, function=lambda _n=n, **args: call(_n, args)) for n, d, p in TOOLS]
    model = OpenAIChatGenerator(model="gpt-5", api_base_url=base + "/v1", api_key=Secret.from_token(key), streaming_callback=(lambda chunk: None) if stream else None)
    return Agent(chat_generator=model, tools=tools, system_prompt="You are an assistant.").run(messages=[ChatMessage.from_user(prompt)])["messages"][-1].text


main(run)
