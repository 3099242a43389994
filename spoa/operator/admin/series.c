/* GET /series, /trends, /policy/rules, /limits/near, /limits/fullest: what operator/server/sampling.h knows. */
#include <microhttpd.h>

#include "base/attr.h"
#include "operator/admin/calls.h"
#include "operator/server/server.h"
#include "policy/config/read.h"

enum { HOUR_S = 3600, NEAR_COUNT = 50, FULLEST_COUNT = 20 };

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
			      us < RATES_STEP_S * SECOND_US))
		return calls_error(out, MHD_HTTP_BAD_REQUEST,
			"window: a duration of 10s to 1h is expected");
	if (!s->sampling.rates)
		return calls_error(out, MHD_HTTP_CONFLICT, "no samples are taken");
	rates_series(
		s->sampling.rates, by ? (enum rates_by)kind : RATES_BY, us / SECOND_US, out);
	return MHD_HTTP_OK;
}

unsigned
admin_trends(
	struct server *s, const struct admin_peer *peer UNUSED, json_t *in, struct buf *out)
{
	const char *by = json_string_value(json_object_get(in, "by")),
		   *range = json_string_value(json_object_get(in, "range"));
	struct trends_asked asked = { .by = by ? trends_by_of(by) : RATES_ALL,
		.name = json_string_value(json_object_get(in, "name")) };
	unsigned of = TRENDS_1H;

	while (range && of < TRENDS_RANGES && strcmp(range, trends_range_names[of]) != 0)
		of++;
	if (asked.by == TRENDS_BY || of == TRENDS_RANGES)
		return calls_error(out, MHD_HTTP_BAD_REQUEST,
			"by: total, route, target, provider, model, team, rule, person, key or "
			"tool; range: 1h, 24h, 7d or 90d");
	if (asked.name && asked.by == RATES_ALL)
		return calls_error(out, MHD_HTTP_BAD_REQUEST, "name: by is missing");
	if (!s->sampling.trends)
		return calls_error(out, MHD_HTTP_CONFLICT, "no samples are taken");
	asked.range = (enum trends_range)of;
	sampling_trends(s, &asked, out);
	return MHD_HTTP_OK;
}

unsigned
admin_policy_rules(struct server *s, struct buf *out)
{
	if (!s->sampling.rates)
		return calls_error(out, MHD_HTTP_CONFLICT, "no samples are taken");
	sampling_rules(s, out);
	return MHD_HTTP_OK;
}

unsigned
admin_limits_near(
	struct server *s, const struct admin_peer *peer UNUSED, json_t *in, struct buf *out)
{
	const json_t *count = json_object_get(in, "count");

	sampling_near(s, (size_t)json_integer_value(json_object_get(in, "from")),
		count ? (size_t)json_integer_value(count) : NEAR_COUNT, out);
	return MHD_HTTP_OK;
}

unsigned
admin_limits_fullest(
	struct server *s, const struct admin_peer *peer UNUSED, json_t *in, struct buf *out)
{
	const json_t *count = json_object_get(in, "count");

	sampling_fullest(s, count ? (size_t)json_integer_value(count) : FULLEST_COUNT, out);
	return MHD_HTTP_OK;
}
