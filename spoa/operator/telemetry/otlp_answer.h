/* What a collector's answer means (OTLP/HTTP 1.5): taken, again later, or never. What it says is
 * somebody else's: bounded and held for nothing but this. */
#ifndef OPERATOR_TELEMETRY_OTLP_ANSWER_H
#define OPERATOR_TELEMETRY_OTLP_ANSWER_H

#include "base/span.h"

enum otlp_end {
	OTLP_TAKEN,
	OTLP_AGAIN,  /* 429, 502, 503, 504; nobody there; no answer in time */
	OTLP_NEVER,  /* another status; redirects are not followed */
	OTLP_UNREAD, /* 2xx, and no answer of OTLP: nobody knows what became of it; not sent again */
};

enum { OTLP_SAID = 160 };

struct otlp_answer {
	enum otlp_end end;
	uint64_t rejected;    /* of OTLP_TAKEN: spans or points that it did not take */
	uint64_t after_us;    /* of OTLP_AGAIN: as Retry-After says; 0: it does not */
	char said[OTLP_SAID]; /* why, for logs: printable; "" where all is well */
};

/* err, why: of the HTTP client. `retry_after`: the field, or empty. */
void otlp_answer(struct otlp_answer *out, int err, const char *why, int status, struct span body,
	struct span retry_after);

#endif
