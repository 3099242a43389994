/* The cells of a dim: which it has, how long they live, and how their sum decides. */
#include "budget/quota/quota_cell.h"

#include "base/err.h"

enum { SLACK_S = 60, HOLD_SHORT_MAX_S = 1800, DAY_MS = 86400000 };

static int64_t
hold_s(const struct quota_dim *d)
{
	return d->hold_s < CELL_HOLD_MAX_S ? (int64_t)d->hold_s : CELL_HOLD_MAX_S;
}

static int64_t
width_s(enum cell_kind kind)
{
	return kind == CELL_SHORT ? CELL_SHORT_S : CELL_LONG_S;
}

bool
cell_expires(const struct quota_dim *d)
{
	return d->span.kind == QUOTA_IN_FLIGHT ||
	       (d->span.kind == QUOTA_CALENDAR && d->orphan == QUOTA_ORPHAN_DROP &&
		       d->unit != QUOTA_REQUESTS);
}

bool
cell_spends(const struct quota_dim *d, const struct quota_place *at)
{
	return d->span.kind == QUOTA_CALENDAR && !cell_expires(d) &&
	       d->unit != QUOTA_REQUESTS && at->hold == QUOTA_HOLD_NONE;
}

struct quota_place
cell_place(const struct quota_dim *d, int64_t now_ms, uint64_t epoch)
{
	struct quota_place at = { .epoch = epoch };
	int64_t now_s = now_ms / 1000;

	if (d->span.kind == QUOTA_ROLLING) {
		at.bucket = window_bucket(d, now_ms);
		return at;
	}
	if (d->span.kind == QUOTA_CALENDAR)
		calendar_window(&d->span, now_s, &at.bucket, &at.end_s);
	if (d->span.kind == QUOTA_IN_FLIGHT || (d->hold_s && d->unit != QUOTA_REQUESTS))
		at.hold = !cell_expires(d)		  ? QUOTA_HOLD_WINDOW
			  : hold_s(d) <= HOLD_SHORT_MAX_S ? QUOTA_HOLD_SHORT
							  : QUOTA_HOLD_LONG;
	if (at.hold == QUOTA_HOLD_SHORT)
		at.until = (now_s + hold_s(d)) / CELL_SHORT_S;
	if (at.hold == QUOTA_HOLD_LONG)
		at.until = (now_s + hold_s(d)) / CELL_LONG_S;
	return at;
}

bool
cell_in_time(const struct quota_dim *d, int64_t now_ms)
{
	int64_t now_s = now_ms / 1000;

	switch (d->span.kind) {
	case QUOTA_ROLLING: return window_bucket(d, now_ms) == d->at.bucket;
	case QUOTA_CALENDAR:
		if (now_s < d->at.bucket || now_s >= d->at.end_s)
			return false;
		break;
	default: break;
	}
	/* A bucket of CELL_LONG is a whole number of buckets of CELL_SHORT, so this check
	 * suffices for both. */
	return !cell_expires(d) || now_s / CELL_SHORT_S == d->asked_s / CELL_SHORT_S;
}

struct change
cell_settle(struct quota_dim *d)
{
	struct change c = { .dim = *d, .at = d->at };

	INVARIANT(d->charged); /* a charge is given back only once */
	c.own = (int64_t)d->actual - (int64_t)d->n;
	if (cell_spends(d, &d->at))
		c.spent = c.own;
	if (d->at.hold != QUOTA_HOLD_NONE) {
		bool calendar = d->span.kind == QUOTA_CALENDAR;
		c.spent = calendar ? (int64_t)d->actual : 0;
		c.own = cell_expires(d) ? -(int64_t)d->n : c.own;
		/* a second settlement corrects the first */
		d->at.hold = QUOTA_HOLD_NONE;
		d->charged = calendar;
	}
	d->n = d->actual;
	d->id = 0; /* a second settlement is another correction */
	return c;
}

struct cell
cell_spent(const struct quota_dim *d, const struct quota_place *at)
{
	(void)d;
	return (struct cell){ CELL_USED, at->bucket };
}

struct cell
cell_own(const struct quota_dim *d, const struct quota_place *at)
{
	if (d->span.kind == QUOTA_ROLLING)
		return (struct cell){ CELL_SUB, at->bucket };
	if (at->hold == QUOTA_HOLD_SHORT)
		return (struct cell){ CELL_SHORT, at->until };
	if (at->hold == QUOTA_HOLD_LONG)
		return (struct cell){ CELL_LONG, at->until };
	return (struct cell){ cell_expires(d) ? CELL_USED : CELL_TOTAL, at->bucket };
}

int64_t
cell_ends_ms(const struct quota_dim *d, const struct quota_place *at, struct cell c)
{
	switch (c.kind) {
	case CELL_SUB: return window_ends_ms(d, c.id);
	case CELL_TOTAL:
	case CELL_USED: return (at->end_s + hold_s(d)) * 1000;
	default: return (c.id + 1) * width_s(c.kind) * 1000;
	}
}

bool
cell_alive(
	const struct quota_dim *d, const struct quota_place *at, struct cell c, int64_t now_ms)
{
	return now_ms < cell_ends_ms(d, at, c);
}

bool
cell_takes(const struct quota_dim *d, const struct quota_place *at, struct cell c,
	int64_t delta, int64_t now_ms)
{
	int64_t longer_ms = delta < 0 && c.kind != CELL_SUB ? DAY_MS : 0;

	return now_ms < cell_ends_ms(d, at, c) + longer_ms;
}

int64_t
cell_ttl_s(
	const struct quota_dim *d, const struct quota_place *at, struct cell c, int64_t now_ms)
{
	int64_t end_s =
		c.kind <= CELL_USED ? at->end_s + hold_s(d) : (c.id + 1) * width_s(c.kind);

	if (c.kind == CELL_SUB)
		return window_ttl_s(d);
	end_s += SLACK_S - now_ms / 1000;
	return end_s > SLACK_S ? end_s : SLACK_S;
}

size_t
cell_key(char out[CELL_KEY_TEXT], const struct quota_dim *d, uint64_t epoch, struct cell c)
{
	static const char letters[] = {
		[CELL_USED] = 'u', [CELL_TOTAL] = 't', [CELL_SHORT] = 's', [CELL_LONG] = 'l'
	};
	static const char calendars[] = {
		[QUOTA_HOUR] = 'h', [QUOTA_DAY] = 'd', [QUOTA_WEEK] = 'w', [QUOTA_MONTH] = 'm'
	};
	size_t n = strlen(d->key);

	INVARIANT(n < QUOTA_KEY_MAX && c.kind <= CELL_SLICES && d->span.calendar <= QUOTA_MONTH);
	memcpy(out, d->key, n);
	if (c.kind == CELL_SLICES)
		memcpy(out, "tollgate:p:", sizeof("tollgate:p:") - 1);
	out[n++] = ':';
	n += span_decimal(out + n, (int64_t)epoch);
	out[n++] = ':';
	if (c.kind != CELL_SUB && c.kind != CELL_SLICES)
		out[n++] = letters[c.kind];
	if (c.kind == CELL_USED || c.kind == CELL_TOTAL)
		out[n++] = calendars[d->span.calendar];
	n += span_decimal(out + n, c.id);
	INVARIANT(n <= CELL_KEY_TEXT);
	return n;
}

void
cell_sums(const struct quota_dim *d, bool looks, const int64_t *read, size_t n, int64_t *own,
	int64_t *used)
{
	size_t i = 0;

	INVARIANT(n <= CELL_READ_MAX);
	if (d->span.kind == QUOTA_CALENDAR && n)
		*used = read[i++];
	if (!cell_expires(d)) {
		if (looks)
			*own = i < n ? read[i] : *used;
		if (d->unit == QUOTA_REQUESTS)
			*used = *own;
		return;
	}
	*own = count_positive(*own);
	for (; i < n; i++)
		*own = count_sum(*own, count_positive(read[i]));
}

static bool
judge_cell(struct quota_dim *d, int64_t used, int64_t held, int64_t now_ms, int64_t *retry_ms)
{
	int64_t limit = (int64_t)d->limit, n = (int64_t)d->n,
		ends_ms = d->span.kind == QUOTA_CALENDAR ? d->at.end_s * 1000 - now_ms : 1000;
	bool fits = count_sum(used, held) <= limit;

	INVARIANT(used >= 0 && held >= 0);
	if (!fits) { /* the results exclude the request's own amount */
		int64_t more = n > held ? n - held : 0;
		held = count_positive(held - n);
		used = count_positive(used - more);
	}
	d->used = (uint64_t)used;
	d->held = (uint64_t)held;
	d->remaining = (uint64_t)count_positive(limit - count_sum(used, held));
	d->reset_ms = (uint64_t)ends_ms;
	d->soft_reached = d->soft && (uint64_t)count_sum(used, held) >= d->soft;
	/* Reserved amounts may be given back at any moment, so retry after a second. */
	*retry_ms = fits ? 0 : count_sum(used, n) > limit ? ends_ms : 1000;
	return fits;
}

bool
cell_judge(struct quota_dim *d, const struct window_counts *c, int64_t now_ms, int64_t *retry_ms)
{
	if (d->span.kind == QUOTA_ROLLING)
		return window_judge(d, c, now_ms, retry_ms);
	int64_t used = count_positive(c->near[0]), own = count_positive(c->own);
	if (cell_expires(d))
		return judge_cell(d, used, own, now_ms, retry_ms);
	used = used < own ? used : own;
	return judge_cell(d, used, own - used, now_ms, retry_ms);
}
