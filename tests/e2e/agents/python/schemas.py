"""Checks a request against the schema that its provider publishes: the types of OpenAI's, Anthropic's, Mistral's and Cohere's SDKs, the
protocol buffers of the Gemini API, and the service model of Bedrock. limits.json adds limits that these do not state.
In it, `tolerated` is a regular expression for errors that a provider accepts anyway, and `models` lists the values of a member that
some models accept."""
import collections.abc
import functools
import inspect
import json
import pathlib
import re
import types
import typing

import cohere
import pydantic
import typing_extensions
from anthropic._constants import ANTHROPIC_API_VERSION
from anthropic.types import beta, message_create_params
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from cohere.v2.client import V2Client
from google.ai import generativelanguage_v1beta as gemini
from google.protobuf import json_format
from mistralai.client.models import ChatCompletionRequest, ChatCompletionStreamRequest
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params

LIMITS = json.loads(pathlib.Path(__file__).with_name("limits.json").read_text())
REQUIRED = (typing.Required, typing_extensions.Required)
WRAPPED = (*REQUIRED, typing.NotRequired, typing_extensions.NotRequired, typing.Annotated)


@functools.cache
def hints(kind):
    return typing_extensions.get_type_hints(kind, include_extras=True)


@functools.cache
def needed(kind):
    """Returns the required members of a type. Annotations that are strings must be resolved to know them."""
    required = {k for k, h in hints(kind).items() if typing_extensions.get_origin(h) in REQUIRED}
    return required | {k for k in kind.__required_keys__ if typing_extensions.get_origin(hints(kind)[k]) not in WRAPPED}


def misfits(value, kind, at=""):
    """Returns the errors in `value`, at any depth, for a type of an SDK (a TypedDict)."""
    origin, args = typing_extensions.get_origin(kind), typing_extensions.get_args(kind)
    if origin in WRAPPED:
        return misfits(value, args[0], at)
    if origin in (typing.Union, types.UnionType):
        tags = (f"{at}.type: ", f"{at}.role: ", f"{at}: ")
        return min((misfits(value, a, at) for a in args), key=lambda found: (any(f.startswith(tags) for f in found), len(found)))
    if origin in (typing.Literal, typing_extensions.Literal):
        return [] if value in args else [f"{at}: {json.dumps(value)[:60]} is none of {', '.join(map(str, args))[:120]}"]
    if typing_extensions.is_typeddict(kind):
        if not isinstance(value, dict):
            return [f"{at}: no object"]
        known = hints(kind)
        return ([f"{at}.{k}: no such member" for k in value if k not in known] + [f"{at}.{k}: missing" for k in needed(kind) if k not in value] +
                [m for k, v in value.items() if k in known for m in misfits(v, known[k], f"{at}.{k}")])
    if isinstance(origin, type) and issubclass(origin, collections.abc.Mapping):
        return [] if isinstance(value, dict) else [f"{at}: no object"]
    if isinstance(origin, type) and issubclass(origin, collections.abc.Iterable) or "Sequence" in str(origin):
        if not isinstance(value, list):
            return [f"{at}: no list"]
        return [m for i, v in enumerate(value) for m in misfits(v, args[0], f"{at}[{i}]")]
    if kind in (object, typing.Any):
        return []
    if kind is None or kind is type(None):
        return [] if value is None else [f"{at}: not null"]
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = {str: isinstance(value, str), bool: isinstance(value, bool), int: number and value == int(value), float: number}
    if kind in fits:
        return [] if fits[kind] else [f"{at}: is no {kind.__name__}: {json.dumps(value)[:60]}"]
    return [f"{at}: is no {getattr(kind, '__name__', kind)}"]  # a type of responses


def paths(value, at=""):
    """Yields each member with its path. An index of a list is written as `*`."""
    yield at, value
    if isinstance(value, dict):
        for k, v in value.items():
            yield from paths(v, f"{at}.{k}")
    elif isinstance(value, list):
        for v in value:
            yield from paths(v, at + "[*]")


def beyond(form, body):
    """Returns the members that violate a limit of limits.json: a length, a number of items, a range, or a pattern."""
    found = []
    for at, value in paths(body):
        for limit in (limits for path, limits in LIMITS.get(form, {}).items() if path == at):
            size = len(value) if isinstance(value, (str, list, dict)) else value
            if "max" in limit and isinstance(size, (int, float)) and size > limit["max"] or "min" in limit and isinstance(size, (int, float)) and size < limit["min"]:
                found.append(f"{at}: {size} is outside {limit.get('min', 0)} to {limit.get('max', 'any')}")
            if "pattern" in limit and not re.fullmatch(limit["pattern"], value):
                found.append(f"{at}: {value[:80]!r} is not {limit['pattern']}")
    return found


def open_objects(schema, strict, at):
    """Returns the objects of a strict schema that a provider refuses: those that allow additional members, and with `strict` those with optional members."""
    found = []
    for path, v in paths(schema, at):
        if isinstance(v, dict) and v.get("type") == "object":
            if v.get("additionalProperties") is not False:
                found.append(f"{path}: additionalProperties is not false")
            if strict and set(v.get("properties", {})) != set(v.get("required", [])):
                found.append(f"{path}: required does not list every member")
    return found


def enforced(form, body):
    if form == "chat":
        found = [(t["function"].get("parameters", {}), True, ".tools") for t in body.get("tools", []) if t.get("function", {}).get("strict")]
        asked = (body.get("response_format") or {}).get("json_schema", {})
        return found + [(asked.get("schema", {}), True, ".response_format")] if asked.get("strict") else found
    if form == "responses":
        found = [(t.get("parameters", {}), True, ".tools") for t in body.get("tools", []) if t.get("strict")]
        asked = (body.get("text") or {}).get("format", {})
        return found + [(asked.get("schema", {}), True, ".text.format")] if asked.get("strict") else found
    if form == "messages":
        found = [(t.get("input_schema", {}), False, ".tools") for t in body.get("tools", []) if t.get("strict")]
        asked = (body.get("output_config") or {}).get("format") or {}
        return found + [(asked.get("schema", {}), False, ".output_config.format")] if asked else found
    return []


def of_params(*kinds):
    return lambda body: min((misfits(body, k) for k in kinds), key=len)


def of_mistral(body):
    kind = ChatCompletionStreamRequest if body.get("stream") else ChatCompletionRequest
    extra = [f".{k}: no such member" for k in body if k not in {f.alias or n for n, f in kind.model_fields.items()}]
    try:
        kind.model_validate(body)
        return extra
    except ValueError as e:
        return extra + [str(e)[:400]]


def gemini_request(body):
    """Returns a request to Gemini as a message of its protocol buffers. Member names may be in camel case or with underscores."""
    body = json.loads(json.dumps(body))
    for at, v in list(paths(body)):  # the words of a schema are accepted in lower case too
        if ".parameters" in at and isinstance(v, dict) and isinstance(v.get("type"), str):
            v["type"] = v["type"].upper()
    (body.get("generationConfig", {}).get("thinkingConfig") or {}).pop("thinkingLevel", None)  # newer than the package
    return json_format.ParseDict(body, gemini.GenerateContentRequest.pb(gemini.GenerateContentRequest()))


def of_gemini(body):
    try:
        gemini_request(body)
        return []
    except json_format.ParseError as e:
        return [str(e)[:400]]


def camel_case(body):
    return json_format.MessageToDict(gemini_request(body))


@functools.cache
def bedrock_shape():
    model = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")
    return model.operation_model("Converse").input_shape


def of_bedrock(body):
    return ParamValidator().validate({"modelId": "m", **body}, bedrock_shape()).generate_report().splitlines()


def of_claude(*versions):
    """Returns the check of a request to Claude at a cloud, where the path contains the model and the body contains the version of the API."""
    def found(body):
        rest = {k: v for k, v in body.items() if k != "anthropic_version"}
        wrong = [] if body.get("anthropic_version") in versions else [f".anthropic_version: {body.get('anthropic_version')}"]
        return wrong + [f".{k}: the path has it" for k in ("model",) if k in body] + CHECKS["messages"]({**rest, "model": "m"})
    return found


def extras(model, at):
    """Returns the members, at any depth, that a model of pydantic does not define."""
    found = [f"{at}.{k}: no such member" for k in model.model_extra or {}]
    for name in type(model).model_fields:
        value = getattr(model, name)
        for v in value if isinstance(value, list) else [value]:
            found += extras(v, f"{at}.{name}") if isinstance(v, pydantic.BaseModel) else []
    return found


COHERE_ROLES = {"system": cohere.SystemChatMessageV2, "user": cohere.UserChatMessageV2, "assistant": cohere.AssistantChatMessageV2, "tool": cohere.ToolChatMessageV2}


def of_cohere(body):
    known = set(inspect.signature(V2Client.chat).parameters) | {"stream"}
    found = [f".{k}: no such member" for k in body if k not in known] + [f".{k}: missing" for k in ("model", "messages", "stream") if k not in body]
    try:
        for m in body["messages"]:
            found += extras(COHERE_ROLES[m["role"]].model_validate(m), ".messages")
        for t in body.get("tools", []):
            found += extras(cohere.ToolV2.model_validate(t), ".tools")
    except (ValueError, KeyError) as e:
        found.append(str(e)[:400])
    return found


CHECKS = {
    "chat": of_params(completion_create_params.CompletionCreateParamsNonStreaming, completion_create_params.CompletionCreateParamsStreaming),
    "responses": of_params(response_create_params.ResponseCreateParamsNonStreaming, response_create_params.ResponseCreateParamsStreaming),
    "messages": of_params(message_create_params.MessageCreateParamsNonStreaming, message_create_params.MessageCreateParamsStreaming,
                          beta.message_create_params.MessageCreateParamsNonStreaming, beta.message_create_params.MessageCreateParamsStreaming),
    "mistral": of_mistral,
    "generate": of_gemini,
    "converse": of_bedrock,
    "invoke": of_claude("bedrock-2023-05-31", ANTHROPIC_API_VERSION),
    "vertex": of_claude("vertex-2023-10-16", ANTHROPIC_API_VERSION),
    "cohere": of_cohere,
}


def unfit(form, body, model):
    """Returns the members whose values this model refuses, although other models of the provider accept them."""
    members = dict(paths(body))
    rules = [r for m, r in LIMITS.get(form, {}).get("models", {}).items() if re.fullmatch(m, model)]
    return [f"{at}: {members[at]} is refused by {model}" for r in rules for at, taken in r.items() if at in members and members[at] not in taken]


def problems(form, body, model):
    found = CHECKS[form](body) + unfit(form, body, model) + beyond(form, body) + [m for s in enforced(form, body) for m in open_objects(*s)]
    return [f for f in found if not any(re.search(t, f) for t in LIMITS.get(form, {}).get("tolerated", []))]
