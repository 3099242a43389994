/* A collector's answer. */
#include "operator/telemetry/otlp_answer.h"

#include <jansson.h>
#include <stdio.h>

#include "base/codec/json_text.h"
#include "base/err.h"

#define AFTER_MOST_S 300

static void
say_otlp_text(struct otlp_answer *a, struct span text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n && n < sizeof(a->said) - 1; i++)
		a->said[n++] = text.p[i] >= ' ' && text.p[i] < 0x7f ? text.p[i] : '?';
	a->said[n] = '\0';
}

/* A count in a text or a number: 64-bit integers come as either. */
static uint64_t
otlp_count(const json_t *v)
{
	uint64_t n = 0;

	if (json_is_integer(v))
		return json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
	return json_is_string(v) && span_u64(json_span(v), &n) == 0 ? n : 0;
}

/* ExportTraceServiceResponse, ExportMetricsServiceResponse. */
static void
read_taken(struct otlp_answer *a, struct span body)
{
	static const char *const counts[] = { "rejectedSpans", "rejectedDataPoints",
		"rejected_spans", "rejected_data_points" };

	body = span_trim(body, " \t\r\n");
	if (!body.n)
		return; /* an empty message, as some send it */
	json_auto_t *root = json_loadb(body.p, body.n, 0, NULL);
	if (!json_is_object(root)) {
		a->end = OTLP_UNREAD;
		say_otlp_text(a, SPAN_LIT("status 2xx, and no JSON object as OTLP has it"));
		return;
	}
	const json_t *part = json_object_get(root, "partialSuccess");
	if (!part)
		part = json_object_get(root, "partial_success");
	for (size_t i = 0; i < COUNT_OF(counts) && !a->rejected; i++)
		a->rejected = otlp_count(json_object_get(part, counts[i]));
	const json_t *message = json_object_get(part, "errorMessage");
	if (!message)
		message = json_object_get(part, "error_message");
	say_otlp_text(a, json_span(message));
	if (a->rejected && !a->said[0])
		say_otlp_text(a, SPAN_LIT("some were rejected"));
}

void
otlp_answer(struct otlp_answer *a, int err, const char *why, int status, struct span body,
	struct span retry_after)
{
	bool worth_again = status == 429 || status == 502 || status == 503 || status == 504;
	uint64_t s;

	memset(a, 0, sizeof(*a));
	if (err == ERR_LIMIT || err == ERR_SYNTAX) {
		a->end = OTLP_UNREAD;
		say_otlp_text(a, span_str(err == ERR_LIMIT ? "the response is too long"
							   : "the reply is not HTTP"));
	} else if (err) {
		a->end = OTLP_AGAIN;
		say_otlp_text(a, span_str(why ? why : err_str(err)));
	} else if (status >= 200 && status < 300) {
		read_taken(a, body);
	} else {
		a->end = worth_again ? OTLP_AGAIN : OTLP_NEVER;
		snprintf(a->said, sizeof(a->said), "status %d%s", status,
			status >= 300 && status < 400 ? ", a redirect: not followed" : "");
		if (a->end == OTLP_AGAIN && span_u64(span_trim(retry_after, " \t"), &s) == 0)
			a->after_us = (s < AFTER_MOST_S ? s : AFTER_MOST_S) * 1000000;
	}
}
