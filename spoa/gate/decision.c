/* The decision on a request: gate/decision.h. */
#include "gate/decision.h"

#include "base/codec/credentials.h"
#include "gate/request.h"

const char *const decision_names[] = { "none", "permit", "redact", "deny", "defer",
	"observed" };
const char *const via_names[] = { "", "direct", "relay", "observe" };

void
request_decide(
	struct request *r, enum decision_kind kind, enum decision_via via, const char *rule)
{
	r->out.decision = (struct decision){ .kind = kind, .via = via, .rule = rule };
}

/* Returns true if a client that was pointed at the gateway still sends its provider's key. */
static bool
shows_provider_key(const struct request *r)
{
	static const char *const headers[] = { "authorization", "x-api-key", "api-key",
		"x-goog-api-key" };

	for (size_t i = 0; i < COUNT_OF(headers); i++) {
		const struct http_field *f = http_field_nth(&r->in.head, headers[i], 0);
		if (f && credential_of_provider(f->value))
			return true;
	}
	return false;
}

/* Returns the message for such a client. A rule keeps its own reason first. If the caller is
 * verified and sends a provider's key as well, the rule's reason stands alone, because the key
 * is not the cause. */
static struct span
provider_key_reason(struct request *r, bool by_rule, struct span message)
{
	static const char says[] =
		"this is a provider's API key; use a tg_ key of this gateway";

	if (by_rule && r->found.identified && r->found.identity.verified)
		return message;
	if (!by_rule || !message.n)
		return span_str(says);
	struct span both = arena_printf(&r->arena, "%.*s; %s", SPAN_ARG(message), says);
	return both.n ? both : message;
}

enum step_result
request_deny(
	struct request *r, enum deny_status status, const char *code, const char *rule,
	struct span message)
{
	if (status == 401 && shows_provider_key(r))
		message = provider_key_reason(r, rule && *rule, message);
	r->out.decision = (struct decision){ .kind = D_DENY,
		.status = (int)status,
		.code = code,
		.message = message,
		.rule = rule,
		.retry_after_s = status == 503 };
	return STEP_DECIDED;
}

void
request_denial_says(struct request *r, struct span message)
{
	r->out.decision.message = message;
}

void
request_denial_scope(struct request *r, const char *scope)
{
	r->out.decision.scope = scope;
}

void
request_denial_retry(struct request *r, uint64_t after_s, bool final)
{
	r->out.decision.retry_after_s = after_s;
	r->out.decision.final = final;
}

void
request_decided(struct request *r, const struct decision *kept)
{
	r->out.decision = *kept;
}

void
request_decide_observed(struct request *r)
{
	r->out.would = r->out.decision;
	request_decide(r, D_OBSERVED, VIA_OBSERVE, "");
}
