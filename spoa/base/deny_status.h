/* The HTTP statuses of denials: one row for each. The rows feed the policy's `deny.status` and its schema, the counters, the
 * error codes and types in each family of APIs, and the reason phrases. haproxy/tollgate.cfg has a rule for each, because HAProxy
 * has no dynamic status; test_docs_lists.c compares these rules and the pages with the rows. */
#ifndef BASE_DENY_STATUS_H
#define BASE_DENY_STATUS_H

/* Columns:
 *   status
 *   by       RULE: a rule of the policy may state it. DEFAULT: a rule that states none has it. GATE: only the gateway itself denies
 *            with it. RELAY: only the relay, so that HAProxy needs no rule
 *   code     error.code, if the denial has no code of its own
 *   reason   the reason phrase (RFC 9110; 451: RFC 7725)
 *   types    of OpenAI (https://platform.openai.com/docs/guides/error-codes), Anthropic (https://docs.anthropic.com/en/api/errors),
 *            Google (google.rpc.Code), Bedrock (exceptions) and TGI. SDKs decide by the status, Bedrock's by the type; people and
 *            logs use the type
 * `X` is passed on to each row, so that METRIC_TABLE can use the rows. */
/* clang-format off */
#define DENY_STATUS(F, X) \
	F(X, 400, RULE,    "invalid_request",      "Bad Request",                   "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT",    "ValidationException",         "validation") \
	F(X, 401, RULE,    "invalid_credentials",  "Unauthorized",                  "authentication_error",  "authentication_error",  "UNAUTHENTICATED",     "AccessDeniedException",       "validation") \
	F(X, 403, DEFAULT, "permission_denied",    "Forbidden",                     "permission_error",      "permission_error",      "PERMISSION_DENIED",   "AccessDeniedException",       "validation") \
	F(X, 404, RULE,    "not_found",            "Not Found",                     "not_found_error",       "not_found_error",       "NOT_FOUND",           "ResourceNotFoundException",   "validation") \
	F(X, 408, RELAY,   "request_timeout",      "Request Timeout",               "invalid_request_error", "invalid_request_error", "DEADLINE_EXCEEDED",   "ModelTimeoutException",       "validation") \
	F(X, 413, RULE,    "request_too_large",    "Content Too Large",             "invalid_request_error", "request_too_large",     "INVALID_ARGUMENT",    "ValidationException",         "validation") \
	F(X, 415, RULE,    "unsupported_encoding", "Unsupported Media Type",        "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT",    "ValidationException",         "validation") \
	F(X, 426, GATE,    "upgrade_required",     "Upgrade Required",              "invalid_request_error", "invalid_request_error", "FAILED_PRECONDITION", "ValidationException",         "validation") \
	F(X, 429, RULE,    "rate_limit_exceeded",  "Too Many Requests",             "rate_limit_error",      "rate_limit_error",      "RESOURCE_EXHAUSTED",  "ThrottlingException",         "overloaded") \
	F(X, 451, RULE,    "legal_restriction",    "Unavailable For Legal Reasons", "permission_error",      "permission_error",      "PERMISSION_DENIED",   "AccessDeniedException",       "validation") \
	F(X, 501, GATE,    "not_implemented",      "Not Implemented",               "invalid_request_error", "invalid_request_error", "UNIMPLEMENTED",       "ValidationException",         "validation") \
	F(X, 503, RULE,    "service_unavailable",  "Service Unavailable",           "server_error",          "overloaded_error",      "UNAVAILABLE",         "ServiceUnavailableException", "overloaded")
/* clang-format on */

enum deny_by { DENY_BY_RULE, DENY_BY_DEFAULT, DENY_BY_GATE, DENY_BY_RELAY };

/* clang warns of a call with a constant that has no row (-Wassign-enum). */
enum deny_status {
#define F(X, status, ...) DENY_##status = status,
	DENY_STATUS(F, )
#undef F
};

#endif
