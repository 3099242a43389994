/* A charge as one text of a record, from which a daemon that starts can settle what an
 * earlier one left. */

#include "budget/quota/quota.h"

/* "KEY,UNIT,KIND,CALENDAR,ORPHAN,HOLD,UNTIL,BEGIN,END,EPOCH,LIFE,N[,ID]". For a rolling window,
 * UNTIL is the slice, BEGIN the sub-bucket, and END the width of the window in seconds. ID is
 * quota_dim.id; without Redis, and in records of earlier versions, there is none. */
enum { NUMBERS = 12, WINDOW_MAX_S = 31 * 86400 };
/* later times are not valid, and might overflow in ms */
#define TIME_MAX_S (INT64_C(1) << 40)

size_t
quota_write(const struct quota_dim *d, char out[QUOTA_TEXT_MAX])
{
	bool rolling = d->span.kind == QUOTA_ROLLING;
	const uint64_t v[NUMBERS] = { d->unit, d->span.kind, d->span.calendar, d->orphan,
		d->at.hold, (uint64_t)(rolling ? d->at.slice : d->at.until),
		(uint64_t)d->at.bucket,
		rolling ? d->span.window_s : (uint64_t)d->at.end_s, d->at.epoch, d->hold_s,
		d->n, d->id };
	size_t n = strlen(d->key);

	_Static_assert(
		QUOTA_KEY_MAX + 5 * 2 + (NUMBERS - 5) * (1 + SPAN_DECIMAL) <= QUOTA_TEXT_MAX,
		"five of one digit");
	memcpy(out, d->key, n);
	for (size_t i = 0; i < NUMBERS - (d->id == 0); i++) {
		out[n++] = ',';
		if (v[i] > INT64_MAX) /* an epoch */
			n += span_decimal(out + n, (int64_t)(v[i] / 10));
		if (v[i] > INT64_MAX)
			out[n++] = (char)('0' + v[i] % 10);
		else
			n += span_decimal(out + n, (int64_t)v[i]);
	}
	return n;
}

bool
quota_read(struct span s, struct quota_dim *d)
{
	/* the largest valid numbers */
	static const uint64_t most[NUMBERS] = { QUOTA_CONCURRENT, QUOTA_IN_FLIGHT, QUOTA_MONTH,
		QUOTA_ORPHAN_DROP, QUOTA_HOLD_LONG, TIME_MAX_S, TIME_MAX_S, TIME_MAX_S,
		UINT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX };
	struct span key = span_next(&s, ',');
	uint64_t v[NUMBERS] = { 0 };

	if (key.n == 0 || key.n >= QUOTA_KEY_MAX)
		return false;
	bool has_id = false;
	for (size_t i = 0; i < NUMBERS && (s.n || i + 1 < NUMBERS); has_id = ++i == NUMBERS)
		if (span_u64(span_next(&s, ','), &v[i]) || v[i] > most[i])
			return false;
	if (s.n || (has_id && !v[NUMBERS - 1]))
		return false;
	*d = (struct quota_dim){ .unit = (enum quota_unit)v[0],
		.span.kind = (enum quota_window_kind)v[1],
		.span.calendar = (enum quota_calendar)v[2],
		.orphan = (enum quota_orphan)v[3],
		.at.hold = (enum quota_hold)v[4],
		.at.until = (int64_t)v[5],
		.at.bucket = (int64_t)v[6],
		.at.end_s = (int64_t)v[7],
		.at.epoch = v[8],
		.hold_s = v[9],
		.n = v[10],
		.id = v[11],
		.charged = true,
		.name = "" };
	memcpy(d->key, key.p, key.n);
	d->hash = span_hash(key);
	if (d->span.kind != QUOTA_ROLLING)
		return true;
	d->span.window_s = v[7];
	d->at.end_s = 0;
	d->at.slice = d->at.until;
	d->at.until = 0;
	return v[5] <= QUOTA_SLICES && v[7] > 0 && v[7] <= WINDOW_MAX_S &&
	       v[6] <= TIME_MAX_S * 1000 / v[7];
}
