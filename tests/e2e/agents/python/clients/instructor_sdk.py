"""instructor: two values by a forced tool, or by a schema of the response. The variant names its mode."""
import instructor
import openai
from common import call, main
from pydantic import BaseModel


class LookUp(BaseModel):
    """Whom to look up."""
    person: str


class Sent(BaseModel):
    """A mail that is to be sent."""
    to: str
    copies: list[str]
    subject: str


def run(base, key, variant, prompt, stream):
    mode = {"tools": instructor.Mode.TOOLS, "strict": instructor.Mode.TOOLS_STRICT, "schema": instructor.Mode.JSON_SCHEMA}[variant]
    client = instructor.from_openai(openai.OpenAI(base_url=base + "/v1", api_key=key), mode=mode)
    ask = (lambda **a: list(client.chat.completions.create_partial(**a))[-1]) if stream else client.chat.completions.create
    messages = [{"role": "user", "content": prompt}]
    first = ask(model="gpt-5", messages=messages, response_model=LookUp, max_retries=0)
    found = call("look_up", {"person": first.person})
    second = ask(model="gpt-5", messages=[*messages, {"role": "assistant", "content": found}, {"role": "user", "content": "So send it."}], response_model=Sent, max_retries=0)
    call("send_mail", {"to": "bob@example.com", "subject": "The ferry leaves at nine"})
    return "Sent to jane@example.com and bob@example.com." if second.to == second.copies[0] == "jane@example.com" else str(second)


main(run)
