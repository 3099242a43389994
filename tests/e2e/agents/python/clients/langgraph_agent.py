"""LangChain's agent, which is a graph of LangGraph. The variant names the model's class."""
from common import look_up, main, send_mail
from langchain.agents import create_agent
from langchain.chat_models import init_chat_model

SYSTEM = "You are an assistant."


def model(variant, base, key):
    if variant == "openai":
        from langchain_openai import ChatOpenAI
        return ChatOpenAI(model="gpt-5", api_key=key, base_url=base + "/v1")
    if variant == "openai-responses":
        from langchain_openai import ChatOpenAI
        return ChatOpenAI(model="gpt-5", api_key=key, base_url=base + "/v1", use_responses_api=True, reasoning={"effort": "low"})
    if variant == "anthropic":
        return init_chat_model("anthropic:claude-sonnet-4-5", api_key=key, base_url=base, max_tokens=500)
    if variant == "google":
        return init_chat_model("google_genai:gemini-2.5-flash", api_key=key, base_url=base)
    from langchain_mistralai import ChatMistralAI
    return ChatMistralAI(model="mistral-large-latest", api_key=key, base_url=base + "/v1")


def text_of(message):
    return message.content if isinstance(message.content, str) else "".join(c.get("text", "") for c in message.content)


def run(base, key, variant, prompt, stream):
    agent = create_agent(model(variant, base, key), [look_up, send_mail], system_prompt=SYSTEM)
    asked = {"messages": [{"role": "user", "content": prompt}]}
    if not stream:
        return text_of(agent.invoke(asked)["messages"][-1])
    parts, last = [], None
    for chunk, about in agent.stream(asked, stream_mode="messages"):
        if about["langgraph_node"] == "model":
            if chunk.id != last:
                parts, last = [], chunk.id
            parts.append(text_of(chunk))
    return "".join(parts)


main(run)
