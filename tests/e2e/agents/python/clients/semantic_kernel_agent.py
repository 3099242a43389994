"""Semantic Kernel's chat completion agent. Variant: openai."""
from common import look_up, main, send_mail
from openai import AsyncOpenAI
from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
from semantic_kernel.functions import kernel_function


class Mail:
    look_up = staticmethod(kernel_function(look_up))
    send_mail = staticmethod(kernel_function(send_mail))


async def run(base, key, variant, prompt, stream):
    service = OpenAIChatCompletion(ai_model_id="gpt-5", async_client=AsyncOpenAI(base_url=base + "/v1", api_key=key))
    agent = ChatCompletionAgent(service=service, name="clerk", instructions="You are an assistant.", plugins=[Mail()])
    if not stream:
        return str((await agent.get_response(prompt)).content)
    parts = []
    async for item in agent.invoke_stream(prompt):
        parts.append(str(item.content))
    return "".join(parts).rsplit("Let me see.", 1)[-1]  # the stream contains the texts of all turns


main(run)
