"""pydantic-ai's agent. The variant names the model's class."""
from common import look_up, main, send_mail
from pydantic_ai import Agent


def model(variant, base, key):
    if variant in ("openai", "openai-responses"):
        from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
        from pydantic_ai.providers.openai import OpenAIProvider
        return (OpenAIChatModel if variant == "openai" else OpenAIResponsesModel)("gpt-4o", provider=OpenAIProvider(api_key=key, base_url=base + "/v1"))
    if variant == "anthropic":
        from anthropic import AsyncAnthropic
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider
        return AnthropicModel("claude-sonnet-4-5", provider=AnthropicProvider(anthropic_client=AsyncAnthropic(auth_token=key, base_url=base)))
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider
    return GoogleModel("gemini-2.5-flash", provider=GoogleProvider(api_key=key, base_url=base))


async def run(base, key, variant, prompt, stream):
    agent = Agent(model(variant, base, key), instructions="You are an assistant.", tools=[look_up, send_mail])
    if not stream:
        return (await agent.run(prompt)).output
    async with agent.run_stream(prompt) as result:
        return await result.get_output()


main(run)
