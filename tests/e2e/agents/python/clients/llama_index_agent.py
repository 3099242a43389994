"""LlamaIndex' function agent. The variant names the model's class."""
from common import look_up, main, send_mail
from llama_index.core.agent.workflow import FunctionAgent


def model(variant, base, key):
    if variant == "openai":
        from llama_index.llms.openai import OpenAI
        return OpenAI(model="gpt-5", api_base=base + "/v1", api_key=key)
    if variant == "openai-responses":
        from llama_index.llms.openai import OpenAIResponses
        return OpenAIResponses(model="gpt-5", api_base=base + "/v1", api_key=key)
    if variant == "anthropic":
        from llama_index.llms.anthropic import Anthropic
        return Anthropic(model="claude-opus-4-8", base_url=base, api_key=key, temperature=1)  # the default is 0.1, which that model refuses
    from llama_index.llms.google_genai import GoogleGenAI
    return GoogleGenAI(model="gemini-2.5-flash", api_key=key, http_options={"base_url": base})


async def run(base, key, variant, prompt, stream):
    agent = FunctionAgent(tools=[look_up, send_mail], llm=model(variant, base, key), system_prompt="You are an assistant.", streaming=stream)
    return str(await agent.run(user_msg=prompt))


main(run)
