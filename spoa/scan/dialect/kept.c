/* What providers keep, and run out of sight: assistants and their threads, stores of files and
 * vectors, jobs that train, grade or draw. One lenient table for all families: every string is
 * read, with a role where the names that these APIs share tell one, and the models that a body
 * names are its models. Nothing is ever put into such a body.
 * https://platform.openai.com/docs/api-reference/assistants, /vector-stores, /fine-tuning,
 * /evals, /videos; https://docs.anthropic.com/en/api/skills; https://docs.mistral.ai/api (beta)
 */
#include "scan/dialect/family.h"

/* clang-format off */
#define MODELS(at) \
	{ at,       T_STRING|T_NULL|T_OBJECT, ROLE_OTHER, F_RESERVED, READ_MODEL }, \
	{ at ".id", T_STRING|T_NULL,          ROLE_OTHER, F_RESERVED, READ_MODEL }

#define MESSAGES(at) \
	{ at,                                 T_ANY, ROLE_USER, F_DEEP, 0 }, \
	{ at "[*]",                           T_ANY, ROLE_USER, F_DEEP, READ_MESSAGE }, \
	{ at "[*].role",                      T_STRING, ROLE_OTHER, F_RESERVED, READ_ROLE }, \
	{ at "[*].content",                   T_ANY, ROLE_BY_MESSAGE, F_DEEP, 0 }, \
	{ at "[*].content[*]",                T_ANY, ROLE_BY_MESSAGE, F_DEEP, READ_PART }, \
	{ at "[*].content[*].type",           T_STRING, ROLE_OTHER, F_RESERVED, 0 }, \
	{ at "[*].content[*].image_url",      T_ANY, ROLE_BY_MESSAGE, F_OPAQUE, 0 }, \
	{ at "[*].content[*].image_url.url",  T_STRING, ROLE_BY_MESSAGE, F_OPAQUE, 0 }, \
	{ at "[*].content[*].source.data",    T_STRING, ROLE_BY_MESSAGE, F_OPAQUE, 0 }

#define MESSAGE_REFS(at) \
	{ at "[*].content[*].image_url",          "url" }, \
	{ at "[*].content[*].image_url.url",      "url" }, \
	{ at "[*].content[*].image_file.file_id", "file" }, \
	{ at "[*].attachments[*].file_id",        "file" }

#define TOOLS(at) \
	{ at,                     T_ANY, ROLE_TOOL_DEFINITION, F_DEEP, 0 }, \
	{ at "[*].function",      T_ANY, ROLE_TOOL_DEFINITION, F_DEEP, 0 }, \
	{ at "[*].parameters",    T_ANY, ROLE_TOOL_DEFINITION, F_DEEP, 0 }, \
	{ at "[*].input_schema",  T_ANY, ROLE_TOOL_DEFINITION, F_DEEP, 0 }

static const struct row rows[] = {
	MODELS("model"),
	MODELS("session.model"),
	MODELS("grader.model"),
	MODELS("data_source.model"),
	MODELS("testing_criteria[*].model"),
	{ "stream",                  T_BOOL|T_NULL, ROLE_OTHER, F_RESERVED, READ_STREAM },
	{ "instructions",            T_ANY, ROLE_SYSTEM, F_DEEP, 0 },
	{ "additional_instructions", T_ANY, ROLE_SYSTEM, F_DEEP, 0 },
	{ "system",                  T_ANY, ROLE_SYSTEM, F_DEEP, 0 },
	{ "session.instructions",    T_ANY, ROLE_SYSTEM, F_DEEP, 0 },
	TOOLS("tools"),
	TOOLS("session.tools"),
	{ "metadata",                T_ANY, ROLE_OTHER, F_DATA, 0 },
	{ "attributes",              T_ANY, ROLE_OTHER, F_DATA, 0 },
	{ "filters",                 T_ANY, ROLE_OTHER, F_DATA, 0 },
	{ "data_source_config",      T_ANY, ROLE_OTHER, F_DATA, 0 }, /* a schema */
	{ "data_source.source.content", T_ANY, ROLE_OTHER, F_DATA, 0 },
	{ "item",                    T_ANY, ROLE_OTHER, F_DATA, 0 },
	{ "tool_outputs",            T_ANY, ROLE_TOOL_RESULT, F_DATA, 0 },
	{ "prompt",                  T_ANY, ROLE_USER, F_DEEP, 0 },
	{ "query",                   T_ANY, ROLE_USER, F_DEEP, 0 },
	{ "content",                 T_ANY, ROLE_USER, F_DEEP, 0 }, /* of a message of its own */
	{ "input_reference.image_url", T_STRING, ROLE_USER, F_OPAQUE, READ_IMAGE },
	MESSAGES("messages"),
	MESSAGES("additional_messages"),
	MESSAGES("thread.messages"),
	MESSAGES("events"),
	{ 0 },
};
static const struct part_row parts[] = {
	{ "text",        NULL,    false },
	{ "input_text",  NULL,    false },
	{ "output_text", NULL,    false },
	{ "image_url",   "image", false },
	{ "image_file",  "image", false },
	{ "image",       "image", false },
	{ "document",    "file",  true },
	{ 0 },
};
static const struct ref_row refs[] = {
	MESSAGE_REFS("messages"),
	MESSAGE_REFS("additional_messages"),
	MESSAGE_REFS("thread.messages"),
	{ "content[*].image_url.url",      "url" },
	{ "content[*].image_file.file_id", "file" },
	{ "attachments[*].file_id",        "file" },
	{ "input_reference.image_url",     "url" },
	{ "input_reference.file_id",       "file" },
	{ "assistant_id",                  "prompt" },
	{ "file_id",                       "file" },
	{ "file_ids",                      "file" },
	{ "training_file",                 "file" },
	{ "validation_file",               "file" },
	{ "data_source.source.id",         "file" },
	{ "vector_store_ids",              "vector_store" },
	{ "tool_resources.file_search.vector_store_ids",  "vector_store" },
	{ "tool_resources.code_interpreter.file_ids",     "file" },
	{ 0 },
};
/* clang-format on */

const struct table table_kept = {
	.lenient = true,
	.rows = rows,
	.parts = parts,
	.refs = refs,
	.speaker = ROLE_USER,
	.tree = TREE,
};
