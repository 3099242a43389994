"""DSPy's ReAct module, whose calls of tools are texts. Variant: openai, by litellm."""
import dspy
from common import look_up, main, send_mail


async def streamed(agent, prompt):
    async for part in dspy.streamify(agent, stream_listeners=[dspy.streaming.StreamListener(signature_field_name="answer")])(question=prompt):
        last = part
    return last.answer


async def run(base, key, variant, prompt, stream):
    lm = dspy.LM("openai/gpt-5", api_base=base + "/v1", api_key=key, cache=False, temperature=1.0, max_tokens=16000)
    with dspy.context(lm=lm):
        agent = dspy.ReAct("question -> answer", tools=[look_up, send_mail])
        return await streamed(agent, prompt) if stream else (await agent.acall(question=prompt)).answer


main(run)
