"""pydantic-ai's agent. The variant names the model's class."""
from common import look_up, main, send_mail
from pydantic_ai import Agent


def model(variant, base, key):
    if variant in ("openai", "openai-responses"):
        from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
        from pydantic_ai.providers.openai import OpenAIProvider
        return (OpenAIChatModel if variant == "openai" else OpenAIResponsesModel)("gpt-5", provider=OpenAIProvider(api_key=key, base_url=base + "/v1"))
    if variant == "anthropic":
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider
        return AnthropicModel("claude-sonnet-4-5", provider=AnthropicProvider(api_key=key, base_url=base))
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider
    return GoogleModel("gemini-2.5-flash", provider=GoogleProvider(api_key=key, base_url=base))


async def run(base, key, variant, prompt, stream):
    agent = Agent(model(variant, base, key), instructions="You are an assistant.", tools=[look_up, send_mail])

    async def read(_, events):
        async for _ in events:
            pass
    return (await agent.run(prompt, event_stream_handler=read if stream else None)).output


main(run)
