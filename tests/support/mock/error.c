/* Providers' errors: each status in the words of each dialect, and additional errors of some
 * providers (`fault` of /_control). An error is a whole response, or the last event of a
 * stream. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "mock.h"

/* The error in one dialect: `type` and `code` if its documents have them; %s is the model. */
struct words {
	int status;
	const char *type, *code, *message;
};

/* clang-format off */
static const struct {
	int status;
	const char *openai, *anthropic, *gemini, *bedrock, *exception;
} types[] = {
	{ 400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT", "ValidationException", "validationException" },
	{ 401, "authentication_error", "authentication_error", "UNAUTHENTICATED", "UnrecognizedClientException", "validationException" },
	{ 402, "insufficient_quota", "billing_error", "FAILED_PRECONDITION", "AccessDeniedException", "validationException" },
	{ 403, "permission_error", "permission_error", "PERMISSION_DENIED", "AccessDeniedException", "validationException" },
	{ 404, "invalid_request_error", "not_found_error", "NOT_FOUND", "ResourceNotFoundException", "validationException" },
	{ 408, "server_error", "timeout_error", "DEADLINE_EXCEEDED", "ModelTimeoutException", "modelTimeoutException" },
	{ 409, "server_error", "api_error", "ABORTED", "ConflictException", "internalServerException" },
	{ 413, "invalid_request_error", "request_too_large", "INVALID_ARGUMENT", "ValidationException", "validationException" },
	{ 429, "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED", "ThrottlingException", "throttlingException" },
	{ 503, "server_error", "api_error", "UNAVAILABLE", "ServiceUnavailableException", "serviceUnavailableException" },
	{ 529, "server_error", "overloaded_error", "UNAVAILABLE", "ServiceUnavailableException", "serviceUnavailableException" },
	{ 0,   "server_error", "api_error", "INTERNAL", "InternalServerException", "internalServerException" },
};

#define OPENAIS(...) [MOCK_OPENAI] = __VA_ARGS__, [MOCK_RESPONSES] = __VA_ARGS__

/* A dialect without a row uses its words for the status in `status`. */
static const struct fault {
	const char *name;
	int status;
	struct words by[MOCK_TGI + 1];
} faults[] = {
	{ "key", 401, {
		OPENAIS({ 401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys." }),
		[MOCK_ANTHROPIC] = { 401, "authentication_error", NULL, "invalid x-api-key" },
		[MOCK_GEMINI] = { 400, "INVALID_ARGUMENT", NULL, "API key not valid. Please pass a valid API key." },
		[MOCK_BEDROCK] = { 403, "UnrecognizedClientException", NULL, "The security token included in the request is invalid." },
		[MOCK_COHERE] = { 401, NULL, NULL, "invalid api token" },
		[MOCK_MISTRAL] = { 401, "invalid_request_error", NULL, "Unauthorized" } } },
	{ "forbidden", 403, {
		OPENAIS({ 403, "invalid_request_error", "unsupported_country_region_territory", "Country, region, or territory not supported" }),
		[MOCK_ANTHROPIC] = { 403, "permission_error", NULL, "Your API key does not have permission to use the specified resource" },
		[MOCK_BEDROCK] = { 403, "AccessDeniedException", NULL, "You don't have access to the model with the specified model ID." } } },
	{ "credit", 402, {
		OPENAIS({ 429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota, please check your plan and billing details." }),
		[MOCK_ANTHROPIC] = { 400, "invalid_request_error", NULL, "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits." },
		[MOCK_COHERE] = { 402, NULL, NULL, "please add or update your payment method" } } },
	{ "model", 404, {
		OPENAIS({ 404, "invalid_request_error", "model_not_found", "The model `%s` does not exist or you do not have access to it." }),
		[MOCK_ANTHROPIC] = { 404, "not_found_error", NULL, "model: %s" },
		[MOCK_GEMINI] = { 404, "NOT_FOUND", NULL, "models/%s is not found for API version v1beta, or is not supported for generateContent." },
		[MOCK_BEDROCK] = { 404, "ResourceNotFoundException", NULL, "Could not resolve the foundation model from the provided model identifier." },
		[MOCK_COHERE] = { 404, NULL, NULL, "model '%s' not found, make sure the correct model ID was used and that you have access to the model." },
		[MOCK_MISTRAL] = { 400, "invalid_model", "1500", "Invalid model: %s" },
		[MOCK_OLLAMA] = { 404, NULL, NULL, "model '%s' not found" } } },
	{ "context", 400, {
		OPENAIS({ 400, "invalid_request_error", "context_length_exceeded", "This model's maximum context length is 128000 tokens. However, your messages resulted in 128001 tokens. Please reduce the length of the messages." }),
		[MOCK_ANTHROPIC] = { 400, "invalid_request_error", NULL, "prompt is too long: 200001 tokens > 200000 maximum" },
		[MOCK_GEMINI] = { 400, "INVALID_ARGUMENT", NULL, "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)." },
		[MOCK_BEDROCK] = { 400, "ValidationException", NULL, "Input is too long for requested model." },
		[MOCK_COHERE] = { 400, NULL, NULL, "too many tokens: the total number of tokens in the prompt cannot exceed 128000" },
		[MOCK_MISTRAL] = { 400, "invalid_request_prompt", "3051", "Prompt contains 32769 tokens and 0 draft tokens, too large for model with 32768 maximum context length" },
		[MOCK_TGI] = { 422, "validation", NULL, "Input validation error: `inputs` must have less than 4096 tokens. Given: 4097" } } },
	{ "rate", 429, {
		OPENAIS({ 429, "requests", "rate_limit_exceeded", "Rate limit reached for %s. Please try again later." }),
		[MOCK_ANTHROPIC] = { 429, "rate_limit_error", NULL, "This request would exceed your organization's rate limit." },
		[MOCK_GEMINI] = { 429, "RESOURCE_EXHAUSTED", NULL, "Resource has been exhausted (e.g. check quota)." },
		[MOCK_BEDROCK] = { 429, "ThrottlingException", NULL, "Too many requests, please wait before trying again." } } },
	{ "overloaded", 503, {
		OPENAIS({ 503, "server_error", "server_is_overloaded", "The server is currently overloaded with other requests. Please retry after a brief wait." }),
		[MOCK_ANTHROPIC] = { 529, "overloaded_error", NULL, "Overloaded" },
		[MOCK_GEMINI] = { 503, "UNAVAILABLE", NULL, "The model is overloaded. Please try again later." },
		[MOCK_BEDROCK] = { 503, "ServiceUnavailableException", NULL, "Too many connections, please wait before trying again." },
		[MOCK_MISTRAL] = { 429, "service_tier_capacity_exceeded", "3505", "Service tier capacity exceeded for this model." },
		[MOCK_OLLAMA] = { 503, NULL, NULL, "server busy, please try again.  maximum pending requests exceeded" },
		[MOCK_TGI] = { 429, "overloaded", NULL, "Model is overloaded" } } },
};
/* clang-format on */

const struct fault *
mock_fault(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(faults); i++)
		if (!strcmp(faults[i].name, name))
			return &faults[i];
	return NULL;
}

/* A status in the general words of the dialect. */
static struct words
of_status(int status, enum mock_errors errors, char text[64], char code[32])
{
	size_t i = 0;
	struct words w = { .status = status, .message = text };

	while (types[i].status && types[i].status != status)
		i++;
	snprintf(text, 64, "simulated provider: status %d", status);
	snprintf(code, 32, "simulated_%d", status);
	switch (errors) {
	case MOCK_ANTHROPIC: w.type = types[i].anthropic; break;
	case MOCK_GEMINI: w.type = types[i].gemini; break;
	case MOCK_BEDROCK: w.type = types[i].bedrock; break;
	case MOCK_TGI: w.type = status == 429 ? "overloaded" : "generation"; break;
	case MOCK_MISTRAL: w.type = types[i].openai; break;
	default:
		w.type = types[i].openai;
		w.code = code;
		break;
	}
	return w;
}

static struct words
words_of(const struct fault *f, int status, enum mock_errors errors, char text[64],
	char code[32])
{
	if (!f || !f->by[errors].status)
		return of_status(f ? f->status : status, errors, text, code);
	return f->by[errors];
}

static json_t *
document(const struct words *w, enum mock_errors errors, struct span model)
{
	json_t *text, *doc;
	char message[256];
	const char *at = strstr(w->message, "%s");

	snprintf(message, sizeof message, "%.*s%.*s%s",
		at ? (int)(at - w->message) : (int)strlen(w->message), w->message,
		at ? (int)(model.n < 64 ? model.n : 64) : 0, at ? model.p : "",
		at ? at + 2 : "");
	text = json_string(message);
	switch (errors) {
	case MOCK_ANTHROPIC:
		return json_pack("{s:s,s:{s:s,s:o}}", "type", "error", "error", "type", w->type,
			"message", text);
	case MOCK_GEMINI:
		doc = json_pack("{s:{s:i,s:o,s:s}}", "error", "code", w->status, "message",
			text, "status", w->type);
		if (strstr(message, "API key not valid"))
			json_object_set_new(json_object_get(doc, "error"), "details",
				json_pack("[{s:s,s:s,s:s}]", "@type",
					"type.googleapis.com/google.rpc.ErrorInfo", "reason",
					"API_KEY_INVALID", "domain", "googleapis.com"));
		return doc;
	case MOCK_BEDROCK: return json_pack("{s:o}", "message", text);
	case MOCK_COHERE: return json_pack("{s:o,s:s}", "message", text, "id", "mock");
	case MOCK_MISTRAL:
		return json_pack("{s:s,s:o,s:s,s:n,s:s?}", "object", "error", "message", text,
			"type", w->type, "param", "code", w->code);
	case MOCK_OLLAMA: return json_pack("{s:o}", "error", text);
	case MOCK_TGI: return json_pack("{s:o,s:s}", "error", text, "error_type", w->type);
	default:
		return json_pack("{s:{s:o,s:s,s:n,s:s?}}", "error", "message", text, "type",
			w->type, "param", "code", w->code);
	}
}

void
mock_error(struct mock_answer *out, int status, enum mock_errors errors, struct span model)
{
	static char head[128];
	char text[64], code[32];
	struct words w = words_of(mock_control.fault, status, errors, text, code);

	out->status = status ? status : w.status;
	out->stream = false;
	buf_clear(&out->body);
	if (errors == MOCK_BEDROCK) {
		snprintf(head, sizeof head, "x-amzn-errortype: %s\r\n", w.type);
		out->head = head;
	}
	mock_put(&out->body, document(&w, errors, model));
	buf_putc(&out->body, '\n');
}

/* An exception in a stream begins with a lower-case letter, and some have no name there. */
static const char *
exception_of(const struct words *w, char name[64])
{
	for (size_t i = 0; types[i].status; i++)
		if (!strcmp(types[i].bedrock, w->type))
			return types[i].exception;
	snprintf(name, 64, "%s", w->type);
	name[0] = (char)tolower((unsigned char)name[0]);
	return name;
}

void
mock_error_in_stream(
	struct mock_answer *out, size_t events, enum mock_errors errors, struct span model)
{
	char text[64], code[32], name[64];
	struct words w = words_of(mock_control.fault, 503, errors, text, code);

	if (events >= out->nends)
		return;
	out->nends = events;
	out->body.n = events ? out->ends[events - 1] : 0;
	json_t *doc = document(&w, errors, model);
	if (errors == MOCK_ANTHROPIC) {
		mock_event(out, "error", doc);
	} else if (errors == MOCK_RESPONSES) {
		json_t *flat = json_pack("{s:s,s:s?,s:O,s:n,s:i}", "type", "error", "code",
			w.code, "message",
			json_object_get(json_object_get(doc, "error"), "message"), "param",
			"sequence_number", (int)events);
		json_object_set_new(flat, "error", json_incref(json_object_get(doc, "error")));
		json_decref(doc);
		mock_event(out, "error", flat);
	} else if (errors == MOCK_BEDROCK) {
		mock_exception(out, exception_of(&w, name), doc);
	} else if (errors == MOCK_COHERE) {
		mock_event(out, "message-end",
			json_pack("{s:s,s:{s:O,s:s}}", "type", "message-end", "delta", "error",
				json_object_get(doc, "message"), "finish_reason", "ERROR"));
		json_decref(doc);
	} else {
		mock_event(out, NULL, doc);
	}
	mock_events_end(out);
}
