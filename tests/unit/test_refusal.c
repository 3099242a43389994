/* dialect/refusal: why a provider refused a request, by status and error document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/buf.h"
#include "scan/dialect/refusal.h"
#include "support/guard.h"

struct row {
	const char *name;
	int status;
	const char *type, *document;
	enum refusal want;
};

/* clang-format off */
static const struct row rows[] = {
	{ "a status alone does not name the key", 401, "", "", REFUSAL_ACCESS },
	{ "nor the account", 402, "", "<html>", REFUSAL_ACCESS },
	{ "not allowed", 403, "", "", REFUSAL_ACCESS },
	{ "too often", 429, "", "", REFUSAL_RATE },
	{ "overloaded", 503, "", "", REFUSAL_OVERLOADED },
	{ "overloaded, as Anthropic has it", 529, "", "", REFUSAL_OVERLOADED },
	{ "it failed", 500, "", "", REFUSAL_SERVER },
	{ "a request that came too slowly may have been billed", 408, "", "", REFUSAL_SERVER },
	{ "the caller's own", 422, "", "", REFUSAL_CALLER },
	{ "an answer is no refusal", 200, "", "{\"message\":\"hello\",\"type\":\"message\"}", REFUSAL_NONE },

	{ "OpenAI's context by its code", 400, "", "{\"error\":{\"message\":\"x\",\"type\":\"invalid_request_error\",\"param\":\"messages\",\"code\":\"context_length_exceeded\"}}", REFUSAL_CONTEXT },
	{ "OpenAI's context by its sentence, from servers without codes", 400, "", "{\"object\":\"error\",\"message\":\"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.\",\"type\":\"BadRequestError\",\"code\":400}", REFUSAL_CONTEXT },
	{ "responses", 400, "", "{\"error\":{\"message\":\"Your input exceeds the context window of this model. Please adjust your input and try again.\",\"type\":\"invalid_request_error\"}}", REFUSAL_CONTEXT },
	{ "a response that fails in its stream", 0, "response.failed", "{\"type\":\"response.failed\",\"response\":{\"id\":\"resp_1\",\"status\":\"failed\",\"error\":{\"code\":\"context_length_exceeded\",\"message\":\"x\"}}}", REFUSAL_CONTEXT },
	{ "Anthropic's context", 400, "", "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 210118 tokens > 200000 maximum\"}}", REFUSAL_CONTEXT },
	{ "Anthropic's context with the answer's cap", 400, "", "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"input length and `max_tokens` exceed context limit: 187254 + 20000 > 204798, decrease input length or `max_tokens` and try again\"}}", REFUSAL_CONTEXT },
	{ "Gemini's context", 400, "", "{\"error\":{\"code\":400,\"message\":\"The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).\",\"status\":\"INVALID_ARGUMENT\"}}", REFUSAL_CONTEXT },
	{ "in an array, as some of Google's are", 400, "", "[{\"error\":{\"code\":400,\"message\":\"The input token count is 1300000 but model only supports up to 1048576\",\"status\":\"INVALID_ARGUMENT\"}}]", REFUSAL_CONTEXT },
	{ "Bedrock's context", 400, "ValidationException:http://internal.amazon.com/", "{\"message\":\"Input is too long for requested model.\"}", REFUSAL_CONTEXT },
	{ "Bedrock's, said by its model", 400, "ValidationException", "{\"message\":\"The model returned the following errors: prompt is too long: 3 tokens > 2 maximum\"}", REFUSAL_CONTEXT },
	{ "Cohere's context", 400, "", "{\"message\":\"too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs.\"}", REFUSAL_CONTEXT },
	{ "Mistral's context", 400, "", "{\"object\":\"error\",\"message\":\"Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length\",\"type\":\"invalid_request_error\",\"code\":\"3051\"}", REFUSAL_CONTEXT },
	{ "llama.cpp's context", 400, "", "{\"error\":{\"code\":400,\"message\":\"the request exceeds the available context size, try increasing it\",\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":9,\"n_ctx\":8}}", REFUSAL_CONTEXT },
	{ "Ollama's context", 400, "", "{\"error\":\"prompt too long; exceeded max context length by 5 tokens\"}", REFUSAL_CONTEXT },
	{ "TGI's context", 422, "", "{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 200 `max_new_tokens`\",\"error_type\":\"validation\"}", REFUSAL_CONTEXT },

	{ "OpenAI's model", 404, "", "{\"error\":{\"message\":\"The model `gpt-9` does not exist or you do not have access to it.\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"model_not_found\"}}", REFUSAL_MODEL },
	{ "Azure's deployment", 404, "", "{\"error\":{\"code\":\"DeploymentNotFound\",\"message\":\"The API deployment for this resource does not exist.\"}}", REFUSAL_MODEL },
	{ "Anthropic's model", 404, "", "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"model: claude-9\"}}", REFUSAL_MODEL },
	{ "another thing that Anthropic does not find", 404, "", "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"File not found: file_1\"}}", REFUSAL_CALLER },
	{ "Gemini's model", 404, "", "{\"error\":{\"code\":404,\"message\":\"models/gemini-9 is not found for API version v1beta, or is not supported for generateContent.\",\"status\":\"NOT_FOUND\"}}", REFUSAL_MODEL },
	{ "Bedrock's model, which its key may not use", 403, "AccessDeniedException", "{\"message\":\"You don't have access to the model with the specified model ID.\"}", REFUSAL_MODEL },
	{ "Ollama's model", 404, "", "{\"error\":\"model \\\"x\\\" not found, try pulling it first\"}", REFUSAL_MODEL },
	{ "Mistral's model", 400, "", "{\"object\":\"error\",\"message\":\"Invalid model: x\",\"type\":\"invalid_model\",\"code\":\"1500\"}", REFUSAL_MODEL },

	{ "OpenAI's key", 401, "", "{\"error\":{\"message\":\"Incorrect API key provided: sk-x.\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"invalid_api_key\"}}", REFUSAL_KEY },
	{ "Gemini's key, with a 400", 400, "", "{\"error\":{\"code\":400,\"message\":\"API key not valid. Please pass a valid API key.\",\"status\":\"INVALID_ARGUMENT\",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"API_KEY_INVALID\"}]}}", REFUSAL_KEY },
	{ "Amazon's token, with a 403", 403, "ExpiredTokenException", "{\"message\":\"The security token included in the request is expired\"}", REFUSAL_KEY },
	{ "Amazon's clock", 403, "", "{\"__type\":\"com.amazon.coral.service#InvalidSignatureException\",\"message\":\"Signature expired: 20261122T115000Z is now earlier than 20261122T120000Z\"}", REFUSAL_SIGNATURE },
	{ "a 403 that names no key", 403, "", "{\"error\":{\"code\":403,\"message\":\"Permission denied on resource\",\"status\":\"PERMISSION_DENIED\"}}", REFUSAL_ACCESS },

	{ "a scope that OpenAI's restricted key lacks", 401, "", "{\"error\":{\"message\":\"You have insufficient permissions for this operation. Missing scopes: model.request.\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"missing_scope\"}}", REFUSAL_SCOPE },
	{ "the same without a code", 401, "", "{\"error\":{\"message\":\"You have insufficient permissions for this operation. Missing scopes: api.responses.write.\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}", REFUSAL_SCOPE },
	{ "a scope outranks the type beside it", 401, "", "{\"error\":{\"type\":\"authentication_error\",\"code\":\"missing_scope\"}}", REFUSAL_SCOPE },
	{ "an organization that the caller named", 401, "", "{\"error\":{\"message\":\"OpenAI-Organization header should match organization for API key\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"mismatched_organization\"}}", REFUSAL_ACCESS },
	{ "Azure's principal without the operation", 401, "", "{\"error\":{\"code\":\"PermissionDenied\",\"message\":\"The principal `x` lacks the required data action `y` to perform `POST /z` operation.\"}}", REFUSAL_SCOPE },
	{ "Azure's key", 401, "", "{\"error\":{\"code\":\"401\",\"message\":\"Access denied due to invalid subscription key or wrong API endpoint.\"}}", REFUSAL_KEY },
	{ "Google's key at an endpoint that needs OAuth", 401, "", "{\"error\":{\"code\":401,\"message\":\"API keys are not supported by this API.\",\"status\":\"UNAUTHENTICATED\",\"details\":[{\"reason\":\"CREDENTIALS_MISSING\"}]}}", REFUSAL_SCOPE },
	{ "Google's suspended consumer", 403, "", "{\"error\":{\"code\":403,\"message\":\"x\",\"status\":\"PERMISSION_DENIED\",\"details\":[{\"reason\":\"CONSUMER_SUSPENDED\"}]}}", REFUSAL_KEY },
	{ "Anthropic's key", 401, "", "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"invalid x-api-key\"}}", REFUSAL_KEY },
	{ "Cohere's key", 401, "", "{\"message\":\"invalid api token\"}", REFUSAL_KEY },
	{ "Mistral's 401 names nothing", 401, "", "{\"message\":\"Unauthorized\",\"request_id\":\"x\"}", REFUSAL_ACCESS },
	{ "Amazon's path that is none", 403, "MissingAuthenticationTokenException", "{\"message\":\"Missing Authentication Token\"}", REFUSAL_ACCESS },
	{ "OpenRouter's credit", 402, "", "{\"error\":{\"code\":402,\"message\":\"Insufficient credits. Add more using https://openrouter.ai/credits\"}}", REFUSAL_CREDIT },
	{ "a request that costs more than OpenRouter's account has", 402, "", "{\"error\":{\"code\":402,\"message\":\"This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford 3395.\"}}", REFUSAL_REQUEST },
	{ "a prompt that OpenRouter's moderation flagged", 403, "", "{\"error\":{\"code\":403,\"message\":\"openai/gpt-4 requires moderation on OpenAI. Your input was flagged for \\\"x\\\".\",\"metadata\":{}}}", REFUSAL_REQUEST },
	{ "a request larger than OpenAI's rate limit", 429, "", "{\"error\":{\"message\":\"Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 40000.\",\"type\":\"tokens\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}", REFUSAL_REQUEST },
	{ "a model that Groq's project blocks", 403, "", "{\"error\":{\"message\":\"x\",\"type\":\"permissions_error\",\"code\":\"model_permission_blocked_project\"}}", REFUSAL_MODEL },
	{ "DeepSeek's account", 402, "", "{\"error\":{\"message\":\"Insufficient Balance\",\"type\":\"unknown_error\",\"param\":null,\"code\":\"invalid_request_error\"}}", REFUSAL_CREDIT },

	{ "OpenAI's credit, with a 429", 429, "", "{\"error\":{\"message\":\"You exceeded your current quota\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"insufficient_quota\"}}", REFUSAL_CREDIT },
	{ "OpenAI's rate", 429, "", "{\"error\":{\"message\":\"Rate limit reached for gpt-4o\",\"type\":\"tokens\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}", REFUSAL_RATE },
	{ "Gemini's rate has the sentence of OpenAI's credit", 429, "", "{\"error\":{\"code\":429,\"message\":\"You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.\",\"status\":\"RESOURCE_EXHAUSTED\"}}", REFUSAL_RATE },
	{ "Anthropic's credit, with a 400", 400, "", "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.\"}}", REFUSAL_CREDIT },
	{ "OpenAI's limit of spending", 429, "", "{\"error\":{\"message\":\"x\",\"type\":\"x\",\"code\":\"project_spend_limit_exceeded\"}}", REFUSAL_CREDIT },
	{ "Groq's limit of spending, with a 400", 400, "", "{\"error\":{\"message\":\"x\",\"type\":\"invalid_request_error\",\"code\":\"blocked_api_access\"}}", REFUSAL_CREDIT },
	{ "Alibaba's account, with a 400", 400, "", "{\"error\":{\"code\":\"Arrearage\",\"param\":null,\"message\":\"Access denied, please make sure your account is in good standing.\",\"type\":\"Arrearage\"},\"id\":\"x\"}", REFUSAL_CREDIT },
	{ "Alibaba's key", 401, "", "{\"code\":\"InvalidApiKey\",\"message\":\"Invalid API-key provided.\",\"request_id\":\"x\"}", REFUSAL_KEY },
	{ "Alibaba's tokens a minute have the code of a credit", 429, "", "{\"error\":{\"message\":\"You exceeded your current quota, please check your plan and billing details. For details, see: https://help.aliyun.com/zh/model-studio/error-code#token-limit\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":\"insufficient_quota\"}}", REFUSAL_RATE },
	{ "and another sentence", 429, "", "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"Allocated quota exceeded, please increase your quota limit.\",\"type\":\"insufficient_quota\"}}", REFUSAL_RATE },
	{ "Moonshot's account", 429, "", "{\"error\":{\"message\":\"Your account org-x is suspended due to insufficient balance, please recharge your account or check your plan and billing details\",\"type\":\"exceeded_current_quota_error\"}}", REFUSAL_CREDIT },
	{ "Moonshot's rate", 429, "", "{\"error\":{\"type\":\"rate_limit_reached_error\",\"message\":\"Your account x request reached project TPM rate limit, current: 1410, limit: 100\"}}", REFUSAL_RATE },
	{ "Moonshot's key", 401, "", "{\"error\":{\"message\":\"Invalid Authentication\",\"type\":\"invalid_authentication_error\"}}", REFUSAL_KEY },
	{ "xAI's credit", 429, "", "{\"code\":\"Some resource has been exhausted\",\"error\":\"Your team 16f2151a has either used all available credits or reached its monthly spending limit. To continue making API requests, please purchase more credits or raise your spending limit.\"}", REFUSAL_CREDIT },
	{ "a sentence about a quota in a caller's own words", 400, "", "{\"error\":{\"message\":\"Invalid value: 'allocated quota exceeded'\",\"type\":\"invalid_request_error\"}}", REFUSAL_CALLER },
	{ "Anthropic's limit of spending", 429, "", "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"x\",\"details\":{\"error_code\":\"enforced_spend_limit_reached\"}}}", REFUSAL_CREDIT },

	{ "Anthropic's overload inside a stream", 0, "error", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}", REFUSAL_OVERLOADED },
	{ "OpenAI's inside a stream", 0, "", "{\"error\":{\"message\":\"The server had an error while processing your request.\",\"type\":\"server_error\",\"param\":null,\"code\":null}}", REFUSAL_SERVER },
	{ "responses' inside a stream", 200, "error", "{\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"x\",\"param\":null,\"sequence_number\":1}", REFUSAL_RATE },
	{ "Gemini's inside a stream", 0, "", "{\"error\":{\"code\":503,\"message\":\"The model is overloaded. Please try again later.\",\"status\":\"UNAVAILABLE\"}}", REFUSAL_OVERLOADED },
	{ "Bedrock's inside a stream", 0, "throttlingException", "{\"message\":\"Too many requests, please wait before trying again.\"}", REFUSAL_RATE },
	{ "Bedrock's of its model inside a stream", 0, "modelStreamErrorException", "{\"message\":\"x\"}", REFUSAL_SERVER },
	{ "Mistral's inside a stream", 0, "", "{\"object\":\"error\",\"message\":\"Service tier capacity exceeded for this model.\",\"type\":\"service_tier_capacity_exceeded\",\"param\":null,\"code\":\"3505\"}", REFUSAL_RATE },
	{ "Ollama's inside a stream", 0, "", "{\"error\":\"server busy, please try again.  maximum pending requests exceeded\"}", REFUSAL_OVERLOADED },
	{ "TGI's inside a stream", 0, "", "{\"error\":\"Model is overloaded\",\"error_type\":\"overloaded\"}", REFUSAL_OVERLOADED },

	{ "what the caller sent and the answer quotes is no word", 422, "", "{\"detail\":[{\"loc\":[\"body\",\"x\"],\"msg\":\"field required\",\"type\":\"missing\",\"input\":{\"error\":{\"code\":\"insufficient_quota\"},\"type\":\"insufficient_quota\"}}]}", REFUSAL_CALLER },
	{ "nor in a sentence that begins otherwise", 400, "", "{\"error\":{\"message\":\"Invalid value: 'your credit balance is too low'\",\"type\":\"invalid_request_error\"}}", REFUSAL_CALLER },
	{ "a document that is cut says nothing", 400, "", "{\"error\":{\"type\":\"insufficient_quota\"", REFUSAL_CALLER },
	{ "nor one with a key twice", 400, "", "{\"type\":\"x\",\"type\":\"insufficient_quota\"}", REFUSAL_CALLER },
	{ "nor lists in lists", 400, "", "[[{\"type\":\"insufficient_quota\"}]]", REFUSAL_CALLER },
	{ "nor a string, a number, nothing", 400, "", "\"insufficient_quota\"", REFUSAL_CALLER },
	{ "a name that goes on is another member", 400, "", "{\"errors\":{\"type\":\"insufficient_quota\"},\"error\":{\"types\":\"insufficient_quota\",\"code\":{\"x\":\"insufficient_quota\"}}}", REFUSAL_CALLER },
};
/* clang-format on */

static enum refusal
read_row(const struct row *r, struct span document)
{
	struct arena a;

	arena_init(&a, 1 << 20, false);
	enum refusal got = dialect_refusal(r->status, span_str(r->type), document, &a);
	arena_reset(&a);
	return got;
}

static void
reason_of_a_refusal_is_read_from_the_document(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t n = strlen(rows[i].document);
		char *p = guard_dup(rows[i].document, n);
		enum refusal got = read_row(&rows[i], span_of(p, n));
		guard_free(p, n);
		if (got != rows[i].want)
			fail_msg("%s: %s, not %s", rows[i].name, refusal_names[got],
				refusal_names[rows[i].want]);
	}
}

/* An incomplete document gives no more information than the status. */
static void
cut_document_gives_only_the_reason_of_the_status(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row bare = { .status = rows[i].status, .type = rows[i].type };
		enum refusal least = read_row(&bare, SPAN_LIT(""));
		for (size_t n = 0; n < strlen(rows[i].document); n++)
			if (read_row(&rows[i], span_of(rows[i].document, n)) != least)
				fail_msg("%s, cut after %zu bytes", rows[i].name, n);
	}
}

static void
document_of_megabytes_is_not_read(void **state)
{
	struct row r = { .status = 400, .type = "" };
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	buf_str(&b, "{\"type\":\"insufficient_quota\",\"x\":\"");
	for (int i = 0; i < 70000; i++)
		buf_putc(&b, 'x');
	buf_str(&b, "\"}");
	assert_int_equal(read_row(&r, buf_view(&b)), REFUSAL_CALLER);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reason_of_a_refusal_is_read_from_the_document),
		cmocka_unit_test(cut_document_gives_only_the_reason_of_the_status),
		cmocka_unit_test(document_of_megabytes_is_not_read),
	};

	return cmocka_run_group_tests_name("refusal", tests, NULL, NULL);
}
