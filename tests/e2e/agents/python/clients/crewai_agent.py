"""crewAI: one agent with one task. The variant is litellm's prefix of a provider."""
import os

os.environ |= {"CREWAI_DISABLE_TELEMETRY": "true", "CREWAI_TRACING_ENABLED": "false", "HOME": os.environ.get("TMPDIR", "/tmp")}
from common import look_up, main, send_mail
from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool


def run(base, key, variant, prompt, stream):
    llm = LLM(model="openai/gpt-5", base_url=base + "/v1", api_key=key, stream=stream)
    clerk = Agent(role="Clerk", goal="Write mails", backstory="A clerk.", llm=llm, tools=[tool("look_up")(look_up), tool("send_mail")(send_mail)], verbose=False)
    return Crew(agents=[clerk], tasks=[Task(description=prompt, expected_output="A sentence.", agent=clerk)], verbose=False).kickoff().raw


main(run)
