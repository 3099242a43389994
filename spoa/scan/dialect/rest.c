/* Any other JSON, form or text: no roles, nothing that must be so, errors in the shape
 * that most clients know. */
#include "scan/dialect/family.h"

/* clang-format off */
/* Where clients of APIs that have no table of their own yet send back what the provider
 * sealed: Gemini, Anthropic's blocks on other paths and in batches, Bedrock. */
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
/* Of a family's paths that have no table: what names a model there is one. */
const struct table table_any = { .seals = rest_seals, .tree = TREE };

const struct dialect dialect_rest = {
	.name = "rest",
	.error = error_openai,
};
