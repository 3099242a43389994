/* Any bytes as a collector's response: it has a result, its log text is printable, and no wait
 * is longer than five minutes. The first two bytes select status and error, one line is
 * Retry-After. */
#include <stdint.h>

#include "base/err.h"
#include "operator/telemetry/otlp_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = { 200, 202, 204, 301, 307, 400, 404, 429, 500, 502, 503, 504 };
	static const int errs[] = { 0, 0, 0, 0, ERR_TIMEOUT, ERR_IO, ERR_LIMIT, ERR_SYNTAX };
	struct otlp_answer a;

	if (size < 2)
		return 0;
	struct span body = span_of(data + 2, size - 2), after = span_next(&body, '\n');
	int status = statuses[data[0] % COUNT_OF(statuses)], err = errs[data[1] % COUNT_OF(errs)];
	otlp_answer(&a, err, "why", status, body, after);
	INVARIANT(a.after_us <= 300000000 && (a.end == OTLP_AGAIN || !a.after_us));
	INVARIANT(a.end == OTLP_TAKEN || a.said[0]);
	INVARIANT(!a.rejected || (a.end == OTLP_TAKEN && a.said[0]));
	for (size_t i = 0; a.said[i]; i++)
		INVARIANT(i < OTLP_SAID - 1 && a.said[i] >= ' ' && a.said[i] < 0x7f);
	return 0;
}
