/* The table for objects that providers keep and process in the background: assistants and their
 * threads, vector and file stores, jobs that train, grade or generate videos. One lenient table
 * serves all families. Every string is read; its role follows from member names that these APIs
 * share. The models that a body names are its models. The gateway adds nothing to such a body.
 *
 *   https://platform.openai.com/docs/api-reference/assistants, /vector-stores, /fine-tuning,
 *   /evals, /videos; https://docs.anthropic.com/en/api/skills;
 *   https://docs.mistral.ai/api (beta) */
#include "scan/dialect/family.h"

/* clang-format off */
#define MODELS(at) \
	{ at,       T_STRING|T_NULL|T_OBJECT, ROLE_OTHER, F_RESERVED, READ_MODEL }, \
	ROW_MODEL(at ".id")

#define MESSAGES(at) \
	ROW_DEEP(at, ROLE_USER), \
	{ at "[*]",                           T_ANY, ROLE_USER, F_DEEP, READ_MESSAGE }, \
	ROW_ROLE(at "[*].role"), \
	ROW_DEEP(at "[*].content", ROLE_BY_MESSAGE), \
	{ at "[*].content[*]",                T_ANY, ROLE_BY_MESSAGE, F_DEEP, READ_PART }, \
	ROW_WORD(at "[*].content[*].type", ROLE_OTHER), \
	{ at "[*].content[*].image_url",      T_ANY, ROLE_BY_MESSAGE, F_OPAQUE, 0 }, \
	ROW_OPAQUE(at "[*].content[*].image_url.url", ROLE_BY_MESSAGE), \
	ROW_OPAQUE(at "[*].content[*].source.data", ROLE_BY_MESSAGE)

#define MESSAGE_REFS(at) \
	{ at "[*].content[*].image_url", "url" }, \
	{ at "[*].content[*].image_url.url", "url" }, \
	{ at "[*].content[*].image_file.file_id", "file" }, \
	{ at "[*].attachments[*].file_id", "file" }

#define TOOLS(at) \
	ROW_DEEP(at, ROLE_TOOL_DEFINITION), \
	ROW_DEEP(at "[*].function", ROLE_TOOL_DEFINITION), \
	ROW_DEEP(at "[*].parameters", ROLE_TOOL_DEFINITION), \
	ROW_DEEP(at "[*].input_schema", ROLE_TOOL_DEFINITION)

static const struct row rows[] = {
	MODELS("model"),
	MODELS("session.model"),
	MODELS("grader.model"),
	MODELS("data_source.model"),
	MODELS("testing_criteria[*].model"),
	ROW_STREAM("stream"),
	ROW_DEEP("instructions", ROLE_SYSTEM),
	ROW_DEEP("additional_instructions", ROLE_SYSTEM),
	ROW_DEEP("system", ROLE_SYSTEM),
	ROW_DEEP("session.instructions", ROLE_SYSTEM),
	TOOLS("tools"),
	TOOLS("session.tools"),
	ROW_DATA("metadata", ROLE_OTHER),
	ROW_DATA("attributes", ROLE_OTHER),
	ROW_DATA("filters", ROLE_OTHER),
	ROW_DATA("data_source_config", ROLE_OTHER), /* a schema */
	ROW_DATA("data_source.source.content", ROLE_OTHER),
	ROW_DATA("item", ROLE_OTHER),
	ROW_DATA("tool_outputs", ROLE_TOOL_RESULT),
	ROW_DEEP("prompt", ROLE_USER),
	ROW_DEEP("query", ROLE_USER),
	ROW_DEEP("content", ROLE_USER), /* a body that is one message */
	{ "input_reference.image_url", T_STRING, ROLE_USER, F_OPAQUE, READ_IMAGE },
	MESSAGES("messages"),
	MESSAGES("additional_messages"),
	MESSAGES("thread.messages"),
	MESSAGES("events"),
	{ 0 },
};
static const struct part_row parts[] = {
	{ PART_TYPES("text", "input_text", "output_text"), NULL, false },
	{ PART_TYPES("image_url", "image_file", "image"), "image", false },
	{ PART_TYPES("document"), "file", true },
	{ 0 },
};
static const struct ref_row refs[] = {
	MESSAGE_REFS("messages"),
	MESSAGE_REFS("additional_messages"),
	MESSAGE_REFS("thread.messages"),
	{ "content[*].image_url.url", "url" },
	{ "content[*].image_file.file_id", "file" },
	{ "attachments[*].file_id", "file" },
	{ "input_reference.image_url", "url" },
	{ "input_reference.file_id", "file" },
	{ "assistant_id", "prompt" },
	{ "file_id", "file" },
	{ "file_ids", "file" },
	{ "training_file", "file" },
	{ "validation_file", "file" },
	{ "data_source.source.id", "file" },
	{ "vector_store_ids", "vector_store" },
	{ "tool_resources.file_search.vector_store_ids", "vector_store" },
	{ "tool_resources.code_interpreter.file_ids", "file" },
	{ 0 },
};

#define TOOL_NAMES(at) \
	WORD(at "[*].type"), \
	WORD(at "[*].name"), \
	SCHEMA(at "[*].parameters"), \
	SCHEMA(at "[*].input_schema"), \
	WORD(at "[*].function.name"), \
	SCHEMA(at "[*].function.parameters"), \
	WORD(at "[*].mcp_server_name"), \
	WORD(at "[*].configs[*].name"), \
	WORD(at "[*].server_label"), \
	WORD(at "[*].allowed_tools")
#define MESSAGE_NAMES(at) \
	WORD(at "[*].type"), \
	WORD(at "[*].id"), \
	WORD(at "[*].tool_use_id"), \
	WORD(at "[*].custom_tool_use_id"), \
	WORD(at "[*].content[*].image_file"), \
	WORD(at "[*].attachments[*].file_id"), \
	WORD(at "[*].attachments[*].tools[*].type")
static const struct name_row names[] = {
	TOOL_NAMES("tools"), TOOL_NAMES("session.tools"),
	MESSAGE_NAMES("messages"), MESSAGE_NAMES("additional_messages"), MESSAGE_NAMES("thread.messages"), MESSAGE_NAMES("events"),
	WORD("tool_choice"),
	WORD("tool_outputs[*].tool_call_id"),
	WORD("tool_resources"),
	WORD("response_format.type"),
	WORD("response_format.json_schema.name"),
	SCHEMA("response_format.json_schema.schema"),
	WORD("assistant_id"),
	WORD("file_id"),
	WORD("file_ids"),
	WORD("vector_store_ids"),
	WORD("training_file"),
	WORD("validation_file"),
	WORD("mcp_servers[*].type"),
	WORD("mcp_servers[*].name"),
	WORD("skills[*].type"),
	WORD("skills[*].skill_id"),
	WORD("skills[*].version"),
	WORD("agent"),
	WORD("agent_id"),
	WORD("environment_id"),
	WORD("callable_agents[*].type"),
	WORD("callable_agents[*].id"),
	{ 0 },
};

const struct table table_kept = { .lenient = true, .rows = rows, .names = names, .parts = parts, .refs = refs, .speaker = ROLE_USER, .tree = TREE };
/* clang-format on */
