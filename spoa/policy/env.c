/* The fields that conditions may read, from the table in policy/env.h. */
#include "policy/env.h"

static const struct cel_var vars[] = {
#define X(id, path, type, elem) [id] = { path, type, elem },
	POLICY_ENV(X)
#undef X
};

const struct cel_env policy_env = { vars, V_COUNT };

bool
policy_slot_reads_body(size_t slot)
{
	return (slot >= V_PROMPT_CLASSES && slot <= V_MODEL_NAME) ||
	       slot == V_REQUEST_CONVERSATION || slot == V_REQUEST_TAGS ||
	       (slot >= V_TARGET_MODEL && slot <= V_TARGET_LATENCY) ||
	       policy_slot_reads_tool(slot) || policy_slot_parameter(slot).n > 0;
}

bool
policy_slot_reads_answer(size_t slot)
{
	return slot >= V_RESPONSE_CLASSES && slot <= V_RESPONSE_STREAMED;
}

bool
policy_slot_reads_tool(size_t slot)
{
	return slot >= V_TOOL_NAME && slot <= V_MCP_METHOD;
}

struct span
policy_slot_parameter(size_t slot)
{
	static const struct span paths[] = {
#define X(id, path, type, elem) [id] = SPAN_LIT(path),
		POLICY_ENV(X)
#undef X
	};
	const size_t at = sizeof("request.") - 1;

	return slot >= V_REQ_TEMPERATURE && slot < V_COUNT
		       ? span_of(paths[slot].p + at, paths[slot].n - at)
		       : (struct span){ NULL, 0 };
}
