"""smolagents' tool-calling agent. Variant: openai."""
from common import look_up, main, send_mail
from smolagents import OpenAIServerModel, ToolCallingAgent, tool


def run(base, key, variant, prompt, stream):
    model = OpenAIServerModel("gpt-5", api_base=base + "/v1", api_key=key)
    return str(ToolCallingAgent(tools=[tool(look_up), tool(send_mail)], model=model, stream_outputs=stream, max_steps=4, verbosity_level=0).run(prompt))


main(run)
