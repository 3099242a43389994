/* The family `rest`: any other JSON, form or plain text. The strings have no roles, no member
 * is required, and errors have OpenAI's form, which most clients know. */
#include "scan/dialect/family.h"

/* clang-format off */
/* Places where clients return content that a provider sealed, for APIs without a table of their
 * own: Gemini, Anthropic's blocks on other paths and in batches, Bedrock. */
#define GEMINI(at) \
	{ at "contents[*].parts[*].thoughtSignature",      NULL, 0, NULL }, \
	{ at "contents[*].parts[*].thought_signature",     NULL, 0, NULL }
#define ANTHROPIC(at) \
	{ at "messages[*].content[*].signature",           "thinking", 1, ALONE_BLOCK }, \
	{ at "messages[*].content[*].data",                "redacted_thinking", 1, ALONE_BLOCK }, \
	{ at "messages[*].content[*].content[*].encrypted_content", "web_search_result", 0, NULL }

static const struct seal_row rest_seals[] = {
	SEALS_OPENAI,
	GEMINI(""),
	GEMINI("generateContentRequest."),
	GEMINI("requests[*].request."),
	ANTHROPIC(""),
	ANTHROPIC("requests[*].params."),
	{ "messages[*].content[*].reasoningContent.reasoningText.signature", NULL, 3, ALONE_TEXT },
	{ "messages[*].content[*].reasoningContent.redactedContent", NULL, 2, ALONE_TEXT },
	{ 0 },
};

/* clang-format on */

const struct table table_rest = { .no_models = true, .seals = rest_seals, .tree = TREE };
/* For a family's paths without a table. Unlike in table_rest, members that name a model
 * count. */
const struct table table_any = { .seals = rest_seals, .tree = TREE };

const struct dialect dialect_rest = {
	.name = "rest",
	.error = error_openai,
};
