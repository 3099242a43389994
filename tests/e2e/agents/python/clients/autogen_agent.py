"""AutoGen's assistant agent. The variant names the model's client."""
from autogen_agentchat.agents import AssistantAgent
from common import look_up, main, send_mail


def model(variant, base, key):
    if variant == "openai":
        from autogen_ext.models.openai import OpenAIChatCompletionClient
        return OpenAIChatCompletionClient(model="gpt-5", base_url=base + "/v1", api_key=key)
    from autogen_ext.models.anthropic import AnthropicChatCompletionClient
    return AnthropicChatCompletionClient(model="claude-sonnet-4-5", base_url=base, api_key=key,
                                         model_info={"vision": True, "function_calling": True, "json_output": True, "family": "claude-4-sonnet", "structured_output": True})


async def run(base, key, variant, prompt, stream):
    agent = AssistantAgent("clerk", model_client=model(variant, base, key), tools=[look_up, send_mail], max_tool_iterations=4, model_client_stream=stream)
    return (await agent.run(task=prompt)).messages[-1].content


main(run)
