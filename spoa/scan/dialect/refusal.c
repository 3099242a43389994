/* Classifies error documents of providers; error.c writes such documents. An error has a
 * status, words (codes and types) and a sentence. The status gives a first reason; words and
 * sentences raise it to a more specific one. A status never names the key: OpenAI's restricted
 * keys get 401 for an endpoint that they may not use, Azure's principals too, and OpenRouter's
 * 402 may be about one request's price. REFUSAL_KEY and REFUSAL_CREDIT therefore need a code
 * or a sentence that the provider documents for its keys and accounts.
 *
 * Sources: the error pages named in error.c; the source texts of vLLM, llama.cpp, Ollama, TGI;
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html;
 * https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/api-errors;
 * https://docs.cohere.com/reference/errors; google.api.ErrorReason;
 * https://openrouter.ai/docs/errors; https://console.groq.com/docs/errors;
 * https://api-docs.deepseek.com/quick_start/error_codes;
 * https://developers.openai.com/api/docs/guides/spend-limits;
 * https://help.aliyun.com/en/model-studio/error-code (and rate-limit). */
#include "scan/dialect/refusal.h"

#include "base/ascii.h"
#include "base/attr.h"
#include "base/codec/json.h"
#include "base/price/price.h"

enum {
	DOCUMENT_MAX = 64 << 10,
	TEXT_MAX_BYTES = 320,
	/* a limit of tokens a minute that has the code of a credit; it becomes REFUSAL_RATE */
	LIMIT_OF_A_MINUTE = REFUSALS,
};

const char *const refusal_names[REFUSALS] = { "none", "caller", "server", "overloaded", "rate",
	"access", "model", "context", "request", "signature", "key", "credit", "scope" };

/* clang-format off */
static const struct {
	int status;
	enum refusal kind;
} statuses[] = {
	{ 401, REFUSAL_ACCESS },
	{ 402, REFUSAL_ACCESS },
	{ 403, REFUSAL_ACCESS },
	{ 408, REFUSAL_SERVER },
	{ 409, REFUSAL_SERVER },
	{ 425, REFUSAL_SERVER },
	{ 429, REFUSAL_RATE },
	{ 503, REFUSAL_OVERLOADED },
	{ 529, REFUSAL_OVERLOADED },
};

/* The members that have words and sentences. Arrays count as their elements. */
enum { WORD, SENTENCE };
static const struct json_place places[] = {
	{ "__type", WORD }, /* Bedrock */ { "type", WORD }, /* vLLM, Mistral */ { "code", WORD },
	{ "status", WORD }, { "error_type", WORD }, /* TGI */
	{ "error.type", WORD }, /* OpenAI, Anthropic */ { "error.code", WORD },
	{ "error.status", WORD }, /* Google */ { "error.details.reason", WORD },
	{ "error.details.error_code", WORD }, /* Anthropic */
	{ "response.error.code", WORD }, /* a response that failed in its stream */
	{ "message", SENTENCE }, /* Bedrock, Cohere, Mistral */ { "Message", SENTENCE },
	{ "error", SENTENCE }, /* Ollama, TGI */ { "detail", SENTENCE }, { "error.message", SENTENCE },
	{ "response.error.message", SENTENCE }, { "delta.error", SENTENCE }, /* Cohere's stream */
};

/* Words by reason; compared without case. */
#define WORDS_MOST 16
static const char *const words[REFUSALS][WORDS_MOST + 1] = {
	[REFUSAL_CONTEXT] = { "context_length_exceeded", "exceed_context_size_error", /* llama.cpp */
		"model_context_window_exceeded",
		"model_max_prompt_tokens_exceeded", /* GitHub Copilot */ },
	[REFUSAL_MODEL] = { "model_not_found", "DeploymentNotFound", /* Azure */
		"invalid_model", /* Mistral */ "ResourceNotFoundException", /* Bedrock */
		"model_permission_blocked_org", "model_permission_blocked_project", /* Groq */ },
	/* Not among them are words that a valid key gets too: UNAUTHENTICATED (Google's API keys
	 * at endpoints that need OAuth) and MissingAuthenticationTokenException (Amazon's unknown
	 * paths). */
	[REFUSAL_KEY] = { "invalid_api_key", "account_deactivated", /* OpenAI, Groq, Together */
		"authentication_error", /* Anthropic, llama.cpp, DeepSeek */
		"API_KEY_INVALID", "ACCESS_TOKEN_EXPIRED", "ACCOUNT_STATE_INVALID", /* Google */
		"CONSUMER_SUSPENDED", "CONSUMER_INVALID",
		"UnrecognizedClientException", "ExpiredTokenException", /* Amazon */
		"InvalidClientTokenId", "InvalidApiKey", /* Alibaba */
		"invalid_authentication_error", /* Moonshot */ },
	[REFUSAL_SCOPE] = { "missing_scope", "insufficient_permissions", /* OpenAI */
		"PermissionDenied", /* Azure */
		"ACCESS_TOKEN_SCOPE_INSUFFICIENT", "ACCESS_TOKEN_TYPE_UNSUPPORTED", /* Google */
		"API_KEY_SERVICE_BLOCKED", "CREDENTIALS_MISSING", "IAM_PERMISSION_DENIED", },
	[REFUSAL_SIGNATURE] = { "InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired",
		"RequestTimeTooSkewed", "IncompleteSignature", },
	[REFUSAL_CREDIT] = { "insufficient_quota", "billing_hard_limit_reached", "billing_not_active",
		"billing_error", "enforced_spend_limit_reached", "BILLING_DISABLED",
		"organization_spend_limit_exceeded", "project_spend_limit_exceeded", /* OpenAI */
		"blocked_api_access", /* Groq */ "Arrearage", /* Alibaba */
		"exceeded_current_quota_error", /* Moonshot */ },
	[REFUSAL_ACCESS] = { "permission_error", "PERMISSION_DENIED", "AccessDeniedException", },
	[REFUSAL_RATE] = { "rate_limit_error", "rate_limit_exceeded", "RESOURCE_EXHAUSTED",
		"ThrottlingException", "TooManyRequestsException", "ServiceQuotaExceededException",
		"service_tier_capacity_exceeded", /* Mistral */
		"rate_limit_reached_error", /* Moonshot */ },
	[REFUSAL_OVERLOADED] = { "overloaded_error", "overloaded", /* TGI */ "server_is_overloaded",
		"slow_down", "UNAVAILABLE", "unavailable_error", /* llama.cpp */ "service_unavailable",
		"service_unavailable_error", "ServiceUnavailableException", "ModelNotReadyException", },
	[REFUSAL_SERVER] = { "api_error", "server_error", "internal_server_error", "timeout_error",
		"INTERNAL", "DEADLINE_EXCEEDED", "InternalServerException", "ModelErrorException",
		"ModelStreamErrorException", "ModelTimeoutException", "generation", /* TGI */
		"incomplete_generation", },
	[REFUSAL_CALLER] = { "invalid_request_error", "INVALID_ARGUMENT", "FAILED_PRECONDITION",
		"NOT_FOUND", "not_found_error", "request_too_large", "ValidationException",
		"validation", /* TGI */ "content_filter", "invalid_prompt", },
};

/* Sentences in lower case, for errors without a known word; * matches any text. Sentences that
 * take a target out of service are anchored at the beginning, because an error can quote the
 * caller's request. */
static const struct {
	const char *text;
	unsigned kind; /* enum refusal, or LIMIT_OF_A_MINUTE */
} sentences[] = {
	{ "prompt is too long*",                                     REFUSAL_CONTEXT }, /* Anthropic */
	{ "input length and `max_tokens` exceed context limit*",     REFUSAL_CONTEXT },
	{ "*maximum context length is *",                            REFUSAL_CONTEXT }, /* OpenAI, vLLM, OpenRouter */
	{ "*exceeds the context window*",                            REFUSAL_CONTEXT }, /* responses */
	{ "*longer than the maximum model length*",                  REFUSAL_CONTEXT }, /* vLLM */
	{ "*reduce the length of the messages*",                     REFUSAL_CONTEXT }, /* Groq */
	{ "*exceeds the available context size*",                    REFUSAL_CONTEXT }, /* llama.cpp */
	{ "*input token count*exceeds the maximum*",                 REFUSAL_CONTEXT }, /* Gemini */
	{ "*input token count is*but model only supports*",          REFUSAL_CONTEXT }, /* Vertex */
	{ "*input is too long for requested model*",                 REFUSAL_CONTEXT }, /* Bedrock */
	{ "the model returned the following errors: *prompt is too long*", REFUSAL_CONTEXT },
	{ "*too many input tokens*",                                 REFUSAL_CONTEXT },
	{ "too many tokens*",                                        REFUSAL_CONTEXT }, /* Cohere */
	{ "prompt contains *too large for model with*",              REFUSAL_CONTEXT }, /* Mistral */
	{ "prompt too long*",                                        REFUSAL_CONTEXT }, /* Ollama */
	{ "*input length exceeds the *context length*",              REFUSAL_CONTEXT },
	{ "input validation error: `inputs` tokens + *",             REFUSAL_CONTEXT }, /* TGI */
	{ "input validation error: `inputs` must have less than *",  REFUSAL_CONTEXT },
	{ "*maximum prompt length is *",                             REFUSAL_CONTEXT }, /* xAI */
	{ "*greater than the context length*",                       REFUSAL_CONTEXT }, /* LM Studio */
	{ "*context window exceeds limit*",                          REFUSAL_CONTEXT }, /* MiniMax */
	{ "*exceeded model token limit*",                            REFUSAL_CONTEXT }, /* Kimi */

	{ "model: *",                                                REFUSAL_MODEL }, /* Anthropic, with 404 */
	{ "models/* is not found*",                                  REFUSAL_MODEL }, /* Gemini */
	{ "publisher model *not found*",                             REFUSAL_MODEL }, /* Vertex */
	{ "model * not found*",                                      REFUSAL_MODEL }, /* Ollama, Cohere */
	{ "the model * does not exist*",                             REFUSAL_MODEL }, /* OpenAI, vLLM */
	{ "invalid model*",                                          REFUSAL_MODEL }, /* Mistral */
	{ "the provided model identifier is invalid*",               REFUSAL_MODEL }, /* Bedrock */
	{ "invocation of model id * isn*t supported*",               REFUSAL_MODEL },
	{ "you don't have access to the model*",                     REFUSAL_MODEL },

	{ "this request requires more credits, or fewer max_tokens*", REFUSAL_REQUEST }, /* OpenRouter, with 402 */
	{ "*requires moderation*input was flagged*",                 REFUSAL_REQUEST }, /* OpenRouter, with 403 */
	{ "content violates usage guidelines*",                      REFUSAL_REQUEST }, /* xAI, with 403 */
	{ "request too large for *",                                 REFUSAL_REQUEST }, /* OpenAI, Groq, with 429 or 413 */
	{ "extra usage is required for long context*",               REFUSAL_REQUEST }, /* Anthropic, with 429 */

	{ "you have insufficient permissions for this operation*",   REFUSAL_SCOPE }, /* OpenAI, with 401 or 403 */
	{ "the principal * lacks the required data action*",         REFUSAL_SCOPE }, /* Azure, with 401 */
	{ "principal does not have access to api/operation*",        REFUSAL_SCOPE },

	{ "incorrect api key provided*",                             REFUSAL_KEY },
	{ "invalid api key*",                                        REFUSAL_KEY },
	{ "invalid api token*",                                      REFUSAL_KEY }, /* Cohere */
	{ "access denied due to invalid subscription key*",          REFUSAL_KEY }, /* Azure */
	{ "your api key was reported as leaked*",                    REFUSAL_KEY }, /* Gemini, with 403 */
	{ "no auth credentials found*",                              REFUSAL_KEY }, /* OpenRouter */
	{ "api key not valid*",                                      REFUSAL_KEY }, /* Gemini, with 400 */
	{ "api key expired*",                                        REFUSAL_KEY },
	{ "the security token included in the request is *",         REFUSAL_KEY }, /* AWS */
	{ "signature expired*",                                      REFUSAL_SIGNATURE },

	{ "your credit balance is too low*",                         REFUSAL_CREDIT }, /* Anthropic, with 400 */
	{ "you have reached your specified api usage limits*",       REFUSAL_CREDIT },
	{ "you exceeded your current quota, please check your plan and billing details. for more information on this error, read the docs: https://platform.openai.com*", REFUSAL_CREDIT },
	{ "insufficient balance*",                                   REFUSAL_CREDIT }, /* DeepSeek */
	{ "insufficient credits*",                                   REFUSAL_CREDIT }, /* OpenRouter */
	{ "*your account or api key has insufficient credits*",      REFUSAL_CREDIT },
	{ "this api method requires billing to be enabled*",         REFUSAL_CREDIT }, /* Google */
	{ "your team * has either used all available credits or reached its monthly spending limit*", REFUSAL_CREDIT }, /* xAI */

	/* Alibaba, with the code insufficient_quota; other callers and models are served */
	{ "allocated quota exceeded*",                               LIMIT_OF_A_MINUTE },
	{ "you exceeded your current quota*/error-code#token-limit*", LIMIT_OF_A_MINUTE },

	{ "the model is overloaded*",                                REFUSAL_OVERLOADED }, /* Gemini */
	{ "model is overloaded*",                                    REFUSAL_OVERLOADED }, /* TGI */
	{ "server busy, please try again*",                          REFUSAL_OVERLOADED }, /* Ollama */
};
/* clang-format on */

static void
raise_to(unsigned *kind, unsigned to)
{
	if (to > *kind)
		*kind = to;
}

/* Compares a word with the table. Amazon's words have the form "prefix#Name" or "Name:url". */
static void
hear_word(struct span word, unsigned *kind)
{
	size_t hash = span_chr(word, '#');

	if (hash < word.n)
		word = span_cut(word, hash + 1, word.n);
	word = span_cut(word, 0, span_chr(word, ':'));
	for (enum refusal k = 0; k < REFUSALS; k++)
		for (const char *const *w = words[k]; *w; w++)
			if (span_ieq(word, span_str(*w)))
				raise_to(kind, k);
}

/* Compares a sentence with the table. Anthropic's sentence "model: x" counts only with status
 * 404. */
static void
hear_text(struct span text, int status, unsigned *kind)
{
	char low[TEXT_MAX_BYTES];
	size_t n = text.n < sizeof(low) ? text.n : sizeof(low);

	for (size_t i = 0; i < n; i++)
		low[i] = to_lower(text.p[i]);
	for (size_t i = 0; i < COUNT_OF(sentences); i++)
		if (price_matches(sentences[i].text, span_of(low, n)) &&
			(status == 404 || !span_is(span_str(sentences[i].text), "model: *")))
			raise_to(kind, sentences[i].kind);
}

/* The argument of hear(): the response's status, and the highest reason so far. */
struct hearing {
	int status;
	unsigned kind;
};

static void
hear(void *arg, int what, struct span text, const struct json_event *at UNUSED)
{
	struct hearing *h = arg;

	if (what == SENTENCE)
		hear_text(text, h->status, &h->kind);
	else
		hear_word(text, &h->kind);
}

static enum refusal
of_status(int status)
{
	for (size_t i = 0; i < COUNT_OF(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].kind;
	return status >= 500 ? REFUSAL_SERVER : status >= 400 ? REFUSAL_CALLER : REFUSAL_NONE;
}

enum refusal
dialect_refusal(int status, struct span type, struct span document, struct arena *a)
{
	unsigned kind = of_status(status);
	struct hearing h = { .status = status, .kind = kind };

	hear_word(type, &kind);
	/* A document that is not JSON is ignored. */
	if (document.n <= DOCUMENT_MAX &&
		json_strings(document, places, COUNT_OF(places), true, a, hear, &h))
		raise_to(&kind, h.kind);
	return kind == LIMIT_OF_A_MINUTE ? REFUSAL_RATE : (enum refusal)kind;
}
