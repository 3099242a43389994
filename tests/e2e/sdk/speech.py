# Sound from openai and google-genai of PyPI.
import os
from google import genai
from google.genai import types, errors
import openai

sounds, edge, token = os.environ["SOUNDS"], os.environ["EDGE"], os.environ["TOKEN"]
client = openai.OpenAI(base_url=edge + "/v1", api_key=token, max_retries=0)
google = genai.Client(api_key=token, http_options=types.HttpOptions(base_url=edge))


def data(name):
    with open(f"{sounds}/{name}.wav", "rb") as f:
        return f.read()


calls = {
    "openai of PyPI, transcriptions": lambda n: client.audio.transcriptions.create(model="whisper-1", file=("a.wav", data(n))),
    "google-genai of PyPI": lambda n: google.models.generate_content(model="gemini-3-pro", contents=["What is said?", types.Part.from_bytes(data=data(n), mime_type="audio/wav")]),
}
for name, call in calls.items():
    for sound, want in (("harmless", None), ("card", "spoken at 0:00")):
        said = None
        try:
            call(sound)
        except (openai.APIStatusError, errors.APIError) as e:
            said = str(e)
        # the simulated provider has no transcriptions
        good = said is None or "simulated provider" in said if want is None else said is not None and want in said
        print(("ok - " if good else "not ok - ") + f"{name}: {sound}" + ("" if good else f"\n#   {said}"))
