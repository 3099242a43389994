"""Google's SDK. Variants: generate calls the tools by hand, automatic lets the SDK call them."""
from common import TOOLS, call, look_up, main, send_mail
from google import genai
from google.genai import types


def by_hand(client, prompt, stream):
    tools = [types.Tool(function_declarations=[types.FunctionDeclaration(name=n, description=d, parameters_json_schema=p) for n, d, p in TOOLS])]
    config = types.GenerateContentConfig(system_instruction="You are an assistant.", tools=tools, automatic_function_calling={"disable": True})
    contents = [types.Content(role="user", parts=[types.Part(text=prompt)])]
    while True:
        asked = {"model": "gemini-2.5-flash", "contents": contents, "config": config}
        answers = client.models.generate_content_stream(**asked) if stream else [client.models.generate_content(**asked)]
        parts = [p for a in answers if a.candidates for p in a.candidates[0].content.parts or []]
        calls = [p.function_call for p in parts if p.function_call]
        if not calls:
            return "".join(p.text or "" for p in parts)
        contents.append(types.Content(role="model", parts=parts))
        contents.append(types.Content(role="user", parts=[types.Part.from_function_response(name=c.name, response={"result": call(c.name, c.args)}) for c in calls]))


def automatic(client, prompt, stream):
    asked = {"model": "gemini-2.5-flash", "contents": prompt, "config": types.GenerateContentConfig(tools=[look_up, send_mail])}
    if not stream:
        return client.models.generate_content(**asked).text
    texts = []
    for a in client.models.generate_content_stream(**asked):
        for p in (a.candidates[0].content.parts or []) if a.candidates and a.candidates[0].content else []:
            texts = texts + [p.text] if p.text else [] if p.function_call or p.function_response else texts
    return "".join(texts)


def run(base, key, variant, prompt, stream):
    client = genai.Client(api_key=key, http_options={"base_url": base})
    return {"generate": by_hand, "automatic": automatic}[variant](client, prompt, stream)


main(run)
