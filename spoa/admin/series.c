/* GET /series. */
#include <microhttpd.h>

#include "admin/calls.h"
#include "base/attr.h"
#include "config/read.h"
#include "net/server.h"

enum { HOUR_S = 3600 };

unsigned
admin_series(
	struct server *s, const struct admin_peer *peer UNUSED, json_t *in, struct buf *out)
{
	const char *by = json_string_value(json_object_get(in, "by")),
		   *window = json_string_value(json_object_get(in, "window"));
	uint64_t us = HOUR_S * SECOND_US;
	unsigned kind = 0;

	while (by && kind < RATES_BY && strcmp(by, rates_by_names[kind]) != 0)
		kind++;
	if (window && (duration_parse(span_str(window), &us) < 0 || us > HOUR_S * SECOND_US ||
			      us < RATES_STEP_S * SECOND_US)) {
		buf_str(out, "{\"error\":\"window: a duration of 10s to 1h is expected\"}\n");
		return MHD_HTTP_BAD_REQUEST;
	}
	if (!s->sampling.rates) {
		buf_str(out, "{\"error\":\"no samples are taken\"}\n");
		return MHD_HTTP_CONFLICT;
	}
	rates_series(
		s->sampling.rates, by ? (enum rates_by)kind : RATES_BY, us / SECOND_US, out);
	return MHD_HTTP_OK;
}
