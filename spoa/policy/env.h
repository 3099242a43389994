/* The fields that conditions may read: their names, their types and their slots. */
#ifndef POLICY_ENV_H
#define POLICY_ENV_H

#include "base/caps.h"
#include "policy/cel/cel.h"

/* The fields that conditions may read. The index of a row is the slot. */
/* clang-format off */
#define POLICY_ENV(X) \
	X(V_IDENTITY_METHOD,     "identity.method",     CEL_STRING, CEL_DYN) \
	X(V_IDENTITY_PERSON,     "identity.person",     CEL_STRING, CEL_DYN) \
	X(V_IDENTITY_AGENT,      "identity.agent",      CEL_STRING, CEL_DYN) \
	X(V_IDENTITY_DEPARTMENT, "identity.department", CEL_STRING, CEL_DYN) \
	X(V_IDENTITY_TEAM,       "identity.team",       CEL_STRING, CEL_DYN) \
	X(V_IDENTITY_TIER,       "identity.tier",       CEL_STRING, CEL_DYN) \
	X(V_IDENTITY_ROLES,      "identity.roles",      CEL_LIST,   CEL_STRING) \
	X(V_IDENTITY_CLEARANCE,  "identity.clearance",  CEL_INT,    CEL_DYN) \
	X(V_IDENTITY_ATTRIBUTES, "identity.attributes", CEL_MAP,    CEL_DYN) \
	X(V_PROMPT_CLASSES,      "prompt.classes",      CEL_LIST,   CEL_STRING) \
	X(V_PROMPT_ENTITIES,     "prompt.entities",     CEL_LIST,   CEL_STRING) \
	X(V_PROMPT_MEDIA,        "prompt.media",        CEL_LIST,   CEL_STRING) \
	X(V_PROMPT_SPEECH,       "prompt.speech",       CEL_LIST,   CEL_STRING) \
	X(V_PROMPT_SPEECH_SECONDS, "prompt.speech_seconds", CEL_INT, CEL_DYN) \
	X(V_PROMPT_MACROS,       "prompt.macros",       CEL_BOOL,   CEL_DYN) \
	X(V_PROMPT_REFERENCES,   "prompt.references",   CEL_LIST,   CEL_STRING) \
	X(V_PROMPT_TOOL_RESULTS, "prompt.tool_results", CEL_LIST,   CEL_STRING) \
	X(V_PROMPT_TOKENS,       "prompt.tokens",       CEL_INT,    CEL_DYN) \
	X(V_PROMPT_BYTES,        "prompt.bytes",        CEL_INT,    CEL_DYN) \
	X(V_PROMPT_INJECTION,    "prompt.injection",    CEL_DOUBLE, CEL_DYN) \
	X(V_PROMPT_EVASION,      "prompt.evasion",      CEL_BOOL,   CEL_DYN) \
	X(V_PROMPT_INVISIBLE,    "prompt.invisible",    CEL_INT,    CEL_DYN) \
	X(V_MODEL_NAME,          "model.name",          CEL_STRING, CEL_DYN) \
	X(V_ROUTE_NAME,          "route.name",          CEL_STRING, CEL_DYN) \
	X(V_REQUEST_METHOD,      "request.method",      CEL_STRING, CEL_DYN) \
	X(V_REQUEST_HOST,        "request.host",        CEL_STRING, CEL_DYN) \
	X(V_REQUEST_PATH,        "request.path",        CEL_STRING, CEL_DYN) \
	X(V_REQUEST_CONVERSATION, "request.conversation", CEL_STRING, CEL_DYN) \
	X(V_REQUEST_TAGS,        "request.tags",        CEL_LIST,   CEL_STRING) \
	X(V_TARGET_NAME,         "target.name",         CEL_STRING, CEL_DYN) \
	X(V_TARGET_REGION,       "target.region",       CEL_STRING, CEL_DYN) \
	X(V_TARGET_EXTERNAL,     "target.external",     CEL_BOOL,   CEL_DYN) \
	X(V_TARGET_MODEL,        "target.model",        CEL_STRING, CEL_DYN) \
	X(V_TARGET_PRICE,        "target.price",        CEL_DOUBLE, CEL_DYN) \
	X(V_TARGET_LATENCY,      "target.latency",      CEL_DOUBLE, CEL_DYN) \
	X(V_TARGET_ERRORS,       "target.errors",       CEL_DOUBLE, CEL_DYN) \
	X(V_NOW,                 "now",                 CEL_TIMESTAMP, CEL_DYN) \
	POLICY_RESPONSE(X) \
	POLICY_TOOL(X) \
	POLICY_PARAMETERS(X)
/* Fields of the response: for rules with phase: response. A tool call is {"name": string,
 * "arguments": dyn}. */
#define POLICY_RESPONSE(X) \
	X(V_RESPONSE_CLASSES,    "response.classes",    CEL_LIST,   CEL_STRING) \
	X(V_RESPONSE_ENTITIES,   "response.entities",   CEL_LIST,   CEL_STRING) \
	X(V_RESPONSE_MEDIA,      "response.media",      CEL_LIST,   CEL_STRING) \
	X(V_RESPONSE_SPEECH,     "response.speech",     CEL_LIST,   CEL_STRING) \
	X(V_RESPONSE_INJECTION,  "response.injection",  CEL_DOUBLE, CEL_DYN) \
	X(V_RESPONSE_BYTES,      "response.bytes",      CEL_INT,    CEL_DYN) \
	X(V_RESPONSE_TOKENS,     "response.tokens",     CEL_INT,    CEL_DYN) \
	X(V_RESPONSE_FINISH,     "response.finish_reason", CEL_STRING, CEL_DYN) \
	X(V_RESPONSE_MODEL,      "response.model",      CEL_STRING, CEL_DYN) \
	X(V_RESPONSE_STATUS,     "response.status",     CEL_INT,    CEL_DYN) \
	X(V_RESPONSE_EVASION,    "response.evasion",    CEL_BOOL,   CEL_DYN) \
	X(V_RESPONSE_TOOL_CALLS, "response.tool_calls", CEL_LIST,   CEL_MAP) \
	X(V_RESPONSE_STREAMED,   "response.streamed",   CEL_BOOL,   CEL_DYN)
/* Fields of a call: for rules with phase: tool and limits that count requests. */
#define POLICY_TOOL(X) \
	X(V_TOOL_NAME,           "tool.name",           CEL_STRING, CEL_DYN) \
	X(V_TOOL_SERVER,         "tool.server",         CEL_STRING, CEL_DYN) \
	X(V_TOOL_ARGUMENTS,      "tool.arguments",      CEL_DYN,    CEL_DYN) \
	X(V_TOOL_LEFT,           "tool.left",           CEL_LIST,   CEL_STRING) \
	X(V_TOOL_ORIGINS,        "tool.origins",        CEL_DYN,    CEL_DYN) \
	X(V_TOOL_STATE,          "tool.state",          CEL_STRING, CEL_DYN) \
	X(V_TOOL_DESCRIPTION,    "tool.description",    CEL_STRING, CEL_DYN) \
	X(V_RESOURCE_URI,        "resource.uri",        CEL_STRING, CEL_DYN) \
	X(V_MCP_METHOD,          "mcp.method",          CEL_STRING, CEL_DYN)
/* Scalar parameters of the dialects, top-level members of the body: the union of OpenAI chat
 * and Anthropic messages. The list is closed, so that `check` finds a misspelled name. If a
 * parameter is absent or not a scalar, has() is false, and reading it fails the condition
 * (on_error). Numbers are doubles, as CEL reads JSON: 0 and 0.0 are equal. */
#define POLICY_PARAMETERS(X) \
	X(V_REQ_TEMPERATURE,     "request.temperature", CEL_DYN, CEL_DYN) \
	X(V_REQ_TOP_P,           "request.top_p",       CEL_DYN, CEL_DYN) \
	X(V_REQ_TOP_K,           "request.top_k",       CEL_DYN, CEL_DYN) \
	X(V_REQ_N,               "request.n",           CEL_DYN, CEL_DYN) \
	X(V_REQ_STREAM,          "request.stream",      CEL_DYN, CEL_DYN) \
	X(V_REQ_MAX_TOKENS,      "request.max_tokens",  CEL_DYN, CEL_DYN) \
	X(V_REQ_MAX_COMPLETION,  "request.max_completion_tokens", CEL_DYN, CEL_DYN) \
	X(V_REQ_PRESENCE,        "request.presence_penalty", CEL_DYN, CEL_DYN) \
	X(V_REQ_FREQUENCY,       "request.frequency_penalty", CEL_DYN, CEL_DYN) \
	X(V_REQ_SEED,            "request.seed",        CEL_DYN, CEL_DYN) \
	X(V_REQ_STOP,            "request.stop",        CEL_DYN, CEL_DYN) \
	X(V_REQ_USER,            "request.user",        CEL_DYN, CEL_DYN) \
	X(V_REQ_STORE,           "request.store",       CEL_DYN, CEL_DYN) \
	X(V_REQ_LOGPROBS,        "request.logprobs",    CEL_DYN, CEL_DYN) \
	X(V_REQ_TOP_LOGPROBS,    "request.top_logprobs", CEL_DYN, CEL_DYN) \
	X(V_REQ_SERVICE_TIER,    "request.service_tier", CEL_DYN, CEL_DYN) \
	X(V_REQ_SPEED,           "request.speed", CEL_DYN, CEL_DYN) \
	X(V_REQ_INFERENCE_GEO,   "request.inference_geo", CEL_DYN, CEL_DYN) \
	X(V_REQ_TOOL_CHOICE,     "request.tool_choice", CEL_DYN, CEL_DYN) \
	X(V_REQ_PARALLEL_TOOLS,  "request.parallel_tool_calls", CEL_DYN, CEL_DYN) \
	X(V_REQ_REASONING,       "request.reasoning_effort", CEL_DYN, CEL_DYN) \
	X(V_REQ_VERBOSITY,       "request.verbosity",   CEL_DYN, CEL_DYN) \
	X(V_REQ_SAFETY_ID,       "request.safety_identifier", CEL_DYN, CEL_DYN) \
	X(V_REQ_CACHE_KEY,       "request.prompt_cache_key", CEL_DYN, CEL_DYN)
/* clang-format on */

enum policy_slot {
#define X(id, path, type, elem) id,
	POLICY_ENV(X)
#undef X
		V_COUNT
};
/* number of slots, with those of `data` */
#define V_ALL (V_COUNT + CAP_DATA)
extern const struct cel_env policy_env;
/* Returns true if the slot's value is known only after the body was read. */
bool policy_slot_reads_body(size_t slot);
/* Returns true for fields of the response. */
bool policy_slot_reads_answer(size_t slot);
/* Returns true for fields of a call. */
bool policy_slot_reads_tool(size_t slot);
/* Returns the name of a parameter after "request.", or an empty span for other slots. */
struct span policy_slot_parameter(size_t slot);

#endif
