/* Texts of denials by a limit: why the request is denied, and when or how it can succeed. Also
 * names of windows in records. */
#include "gate/limits/limits.h"

#include <inttypes.h>

#include "base/price/price.h"

/* Returns an amount with its unit: "100 requests", "1.50 dollars". */
static struct span
amount_text(struct request *r, enum limit_of of, uint64_t n)
{
	char usd[PRICE_TEXT_MAX];

	if (!limit_has(of, COUNTS_MONEY))
		return arena_printf(&r->arena, "%" PRIu64 " %s", n, limit_kinds[of].words);
	price_text(n, usd);
	return arena_printf(&r->arena, "%s %s", usd, limit_kinds[of].words);
}

/* Returns the window: "a day", "in 60 s"; empty for concurrent requests. */
static struct span
window_text(struct request *r, const struct quota_dim *d)
{
	static const char *const names[] = { "an hour", "a day", "a week", "a month" };

	if (d->span.kind == QUOTA_CALENDAR)
		return span_str(names[d->span.calendar]);
	if (d->span.kind == QUOTA_IN_FLIGHT)
		return (struct span){ NULL, 0 };
	return arena_printf(&r->arena, "in %" PRIu64 " s", d->span.window_s);
}

bool
limits_exhausted(const struct quota_dim *d)
{
	return d->span.kind == QUOTA_CALENDAR || d->unit == QUOTA_NANOUSD;
}

/* Returns a duration for people: "3 d 4 h", "15 min". Retry-After has the seconds. */
static struct span
wait_text(struct request *r, uint64_t s)
{
	static const struct {
		uint64_t from, each;
		const char *one, *rest;
	} units[] = { { 2 * 86400, 86400, "d", "h" }, { 2 * 3600, 3600, "h", "min" } };

	for (size_t i = 0; i < COUNT_OF(units); i++)
		if (s >= units[i].from)
			return arena_printf(&r->arena, "%" PRIu64 " %s %" PRIu64 " %s",
				s / units[i].each, units[i].one,
				s % units[i].each / (i ? 60 : 3600), units[i].rest);
	if (s >= 120)
		return arena_printf(&r->arena, "%" PRIu64 " min", (s + 59) / 60);
	return arena_printf(&r->arena, "%" PRIu64 " s", s);
}

struct span
limits_why_over(struct request *r, const struct quota_dim *d, uint64_t retry_s)
{
	struct span many = amount_text(r, d->counts, d->limit), when = window_text(r, d),
		    wait = wait_text(r, retry_s), reduced = SPAN_LIT("");

	if (d->reduced_s)
		reduced = arena_printf(&r->arena,
			" (reduced, for %.*s at most: another gateway has not reported its "
			"use)",
			SPAN_ARG(wait_text(r, d->reduced_s)));
	return arena_printf(&r->arena, "over the limit %s: %.*s%s%.*s%.*s; try again in %.*s",
		d->name, SPAN_ARG(many), when.n ? " " : "", SPAN_ARG(when), SPAN_ARG(reduced),
		SPAN_ARG(wait));
}

struct span
limits_why_never(struct request *r, const struct quota_dim *d)
{
	enum limit_of of = d->counts;
	struct span needs = amount_text(r, of, d->n), many = amount_text(r, of, d->limit),
		    when = window_text(r, d);

	return arena_printf(&r->arena,
		"this request needs %.*s (estimated input plus its output limit), but the "
		"limit %s "
		"is %.*s%s%.*s: lower max_tokens or shorten the prompt",
		SPAN_ARG(needs), d->name, SPAN_ARG(many), when.n ? " " : "", SPAN_ARG(when));
}

struct span
limits_why_long(struct request *r, const struct limit *l)
{
	uint64_t tokens = (uint64_t)(r->found.input_tokens + r->found.output_tokens);

	return arena_printf(&r->arena,
		"this request needs %" PRIu64
		" tokens (estimated input plus its output limit), but the limit %s is %" PRIu64
		" for each request: lower max_tokens or shorten the prompt",
		tokens, l->name, l->amount);
}

const char *
limits_calendar(const struct quota_dim *d)
{
	static const char *const names[] = { "hour", "day", "week", "month" };

	return names[d->span.calendar];
}
