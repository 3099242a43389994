"""OpenAI's Agents SDK. Variants: chat, responses."""
import agents
from common import look_up, main, send_mail
from openai import AsyncOpenAI

agents.set_tracing_disabled(True)


async def run(base, key, variant, prompt, stream):
    client = AsyncOpenAI(base_url=base + "/v1", api_key=key)
    model = (agents.OpenAIChatCompletionsModel if variant == "chat" else agents.OpenAIResponsesModel)("gpt-5", client)
    agent = agents.Agent(name="clerk", instructions="You are an assistant.", model=model, tools=[agents.function_tool(look_up), agents.function_tool(send_mail)])
    if not stream:
        return (await agents.Runner.run(agent, prompt)).final_output
    result = agents.Runner.run_streamed(agent, prompt)
    async for _ in result.stream_events():
        pass
    return result.final_output


main(run)
