/* The meaning of a collector's response (OTLP/HTTP 1.5). The text of a response is untrusted:
 * it is cut, and used only in logs. Implemented in otlp.c. */
#ifndef OPERATOR_TELEMETRY_OTLP_ANSWER_H
#define OPERATOR_TELEMETRY_OTLP_ANSWER_H

#include "base/span.h"

/* The sender's next step. */
enum otlp_end {
	/* accepted */
	OTLP_TAKEN,
	/* send again later: 429, 502, 503, 504, no connection, or no response in time */
	OTLP_AGAIN,
	OTLP_NEVER,  /* do not send again: any other status; redirects are not followed */
	OTLP_UNREAD, /* 2xx without a valid body, so the result is unknown: do not send again */
};

enum { OTLP_SAID = 160 };

struct otlp_answer {
	enum otlp_end end;
	uint64_t rejected;    /* OTLP_TAKEN: number of spans or points that the collector
			       * rejected */
	uint64_t after_us;    /* OTLP_AGAIN: the delay of Retry-After; 0: none */
	char said[OTLP_SAID]; /* the reason for logs, in printable ASCII; "": success */
};

/* Evaluates a response. `err` and `why` are those of the HTTP client; `retry_after` is the
 * field, or empty. */
void otlp_answer(struct otlp_answer *out, int err, const char *why, int status,
	struct span body, struct span retry_after);

#endif
