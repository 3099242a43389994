# openai's realtime client of PyPI, through HAProxy: two persons in one session.
import asyncio, os
from openai import AsyncOpenAI


def ok(name, got, want):
    print(('ok - ' if got == want else 'not ok - ') + name)
    if got != want:
        print(f'#   got:  {got!r}\n#   want: {want!r}')


async def say(rt, text):
    await rt.conversation.item.create(item={'type': 'message', 'role': 'user', 'content': [{'type': 'input_text', 'text': text}]})
    await rt.response.create()
    said = args = ''
    async for e in rt:
        if e.type == 'response.output_text.delta':
            said += e.delta
        if e.type == 'response.function_call_arguments.delta':
            args += e.delta
        if e.type == 'error':
            return str(e)
        if e.type == 'response.done':
            return args or said


async def main():
    edge = os.environ['EDGE']
    client = AsyncOpenAI(api_key=os.environ['TOKEN'], base_url=edge + '/v1', websocket_base_url=edge.replace('http', 'ws') + '/v1')
    async with client.realtime.connect(model='gpt-realtime') as rt:
        for who in ('ann@corp.example', 'bob@corp.example', 'ann@corp.example'):
            ok(f'openai of PyPI: {who} is restored', await say(rt, f'write to {who} at noon'), f'write to {who} at noon')
        ok('openai of PyPI: both are known later', await say(rt, 'say <EMAIL_ADDRESS_1> and <EMAIL_ADDRESS_2>'), 'say ann@corp.example and bob@corp.example')
        ok('openai of PyPI: arguments of a call have the second person', await say(rt, 'call:send_mail {"to":"<EMAIL_ADDRESS_2>"}'), '{"to":"bob@corp.example"}')
    try:
        await client.realtime.client_secrets.create(session={'type': 'realtime', 'model': 'gpt-realtime'})
        ok('openai of PyPI: a secret is refused', 'made', 'refused')
    except Exception as e:
        ok('openai of PyPI: a secret is refused', getattr(e, 'code', e), 'webrtc_not_permitted')


asyncio.run(asyncio.wait_for(main(), 60))
