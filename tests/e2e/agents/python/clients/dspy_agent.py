"""DSPy's ReAct module, which asks by text and a forced form, not by a provider's tools. The variant is litellm's prefix of a provider."""
import dspy
from common import look_up, main, send_mail


def run(base, key, variant, prompt, stream):
    lm = dspy.LM("openai/gpt-5", api_base=base + "/v1", api_key=key, cache=False)
    with dspy.context(lm=lm, adapter=dspy.ChatAdapter(use_native_function_calling=True)):
        return dspy.ReAct("question -> answer", tools=[look_up, send_mail])(question=prompt).answer


main(run)
