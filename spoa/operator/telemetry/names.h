/* The names of spans, attributes and metrics in one table: OpenTelemetry's names where the
 * conventions have one, otherwise ours with the prefix "tollgate.". docs/telemetry.md lists
 * each name, which test_spans checks. */
#ifndef OPERATOR_TELEMETRY_NAMES_H
#define OPERATOR_TELEMETRY_NAMES_H

/* The names follow the GenAI conventions (open-telemetry/semantic-conventions-genai), which
 * have no release yet and build on version 1.42.0 of the core conventions. */
#define NAMES_SCHEMA "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"

/* clang-format off */
#define NAMES(X) \
  /* resource */ \
  X(SERVICE_NAME,       "service.name") \
  X(SERVICE_VERSION,    "service.version") \
  X(SERVICE_INSTANCE,   "service.instance.id") \
  /* spans and points */ \
  X(GEN_AI_PROVIDER,    "gen_ai.provider.name") \
  X(GEN_AI_OPERATION,   "gen_ai.operation.name") \
  X(GEN_AI_MODEL,       "gen_ai.request.model") \
  X(GEN_AI_ANSWERED_BY, "gen_ai.response.model") \
  X(GEN_AI_FINISH,      "gen_ai.response.finish_reasons") \
  X(GEN_AI_FIRST_CHUNK, "gen_ai.response.time_to_first_chunk") \
  X(GEN_AI_INPUT,       "gen_ai.usage.input_tokens") \
  X(GEN_AI_OUTPUT,      "gen_ai.usage.output_tokens") \
  X(GEN_AI_TOKEN_TYPE,  "gen_ai.token.type") \
  X(GEN_AI_TOOL,        "gen_ai.tool.name") \
  X(MCP_METHOD,         "mcp.method.name") \
  X(HTTP_STATUS,        "http.response.status_code") \
  X(ERROR_TYPE,         "error.type") \
  X(ID,                 "tollgate.decision.id") \
  X(DECISION,           "tollgate.decision") \
  X(VIA,                "tollgate.via") \
  X(RULE,               "tollgate.rule") \
  X(ROUTE,              "tollgate.route") \
  X(POLICY,             "tollgate.policy") \
  X(RECORD_SEQ,         "tollgate.record.seq") \
  X(TARGET,             "tollgate.target") \
  X(ATTEMPT,            "tollgate.attempt") \
  X(CAUSE,              "tollgate.attempt.cause") \
  X(TOKENS,             "tollgate.attempt.tokens") \
  X(COST,               "tollgate.cost_nanousd") \
  X(OUTCOME,            "tollgate.outcome") \
  X(CALL_SERVER,        "tollgate.call.server") \
  X(CALL_BY,            "tollgate.call.by") \
  X(CALL_OPERATION,     "tollgate.call.operation") \
  X(STAGE_US,           "tollgate.stage.duration_us") \
  /* metrics */ \
  X(GEN_AI_DURATION,    "gen_ai.client.operation.duration") \
  X(GEN_AI_TTFC,        "gen_ai.client.operation.time_to_first_chunk") \
  X(GEN_AI_TPOC,        "gen_ai.client.operation.time_per_output_chunk") \
  X(GEN_AI_USAGE,       "gen_ai.client.token.usage")
/* clang-format on */

enum telemetry_name {
#define X(id, name) NAME_##id,
	NAMES(X)
#undef X
		NAMES_COUNT
};
extern const char *const telemetry_names[NAMES_COUNT];

#endif
