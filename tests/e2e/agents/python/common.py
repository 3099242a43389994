"""The parts that all clients share: the two tools, the command line, and the output.

    NAME.py KEY VARIANT PROMPT TARGET=URL…

A client runs the prompt twice at each target, without and with streaming, but only once, without streaming, at the targets `denied` and `ill`
(a provider that answers 503). Each run prints one line of JSON: the tool calls and the final text, or the exception. A client provides
`run(base, key, variant, prompt, stream)`, which returns the final text. If `run.streams` is set, only its values of `stream` are used."""
import asyncio
import inspect
import json
import logging
import os
import sys
import time
import traceback

os.environ |= {"AWS_EC2_METADATA_DISABLED": "true", "OTEL_SDK_DISABLED": "true", "DO_NOT_TRACK": "1"}
logging.disable(logging.CRITICAL)
called = []
lines, sys.stdout = sys.stdout, sys.stderr  # some clients print


def look_up(person: str) -> str:
    """Finds the colleague of a person.

    Args:
        person: the person's mail address
    """
    called.append(["look_up", person])
    return "The colleague is bob@example.com."


def send_mail(to: str, subject: str) -> str:
    """Sends a mail.

    Args:
        to: the recipient's mail address
        subject: the subject
    """
    called.append(["send_mail", to, subject])
    return f"Sent to {to}."


def schema(*names):
    return {"type": "object", "properties": {n: {"type": "string"} for n in names}, "required": list(names), "additionalProperties": False}


TOOLS = [("look_up", "Finds the colleague of a person.", schema("person")), ("send_mail", "Sends a mail.", schema("to", "subject"))]


def call(name, arguments):
    """Runs the tool that the model called. `arguments` is an object or its JSON text."""
    return {"look_up": look_up, "send_mail": send_mail}[name](**(json.loads(arguments) if isinstance(arguments, str) else dict(arguments)))


def main(run):
    key, variant, prompt, *targets = sys.argv[1:]
    for target in targets:
        name, base = target.split("=", 1)
        for stream in (False,) if name in ("denied", "ill") else getattr(run, "streams", (False, True)):
            called.clear()
            began, line = time.monotonic(), {"target": name, "stream": stream}
            try:
                text = run(base, key, variant, prompt, stream)
                line["text"] = asyncio.run(text) if inspect.iscoroutine(text) else text
            except BaseException as e:  # each is a line
                traceback.print_exc()
                line |= {"error": type(e).__name__, "says": str(e)[:600]}
            print(json.dumps(line | {"calls": called, "seconds": round(time.monotonic() - began, 1)}), file=lines, flush=True)
