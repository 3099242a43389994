/* Limits with the largest used share, in sets of each worker. */
#include "budget/tally/fullest.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "base/json_put.h"
#include "budget/tally/names.h"

enum { DAY_MS = 86400000, SECOND_MS = 1000, MINUTE_MS = 60000, MILLION = 1000000 };
static const char *const text_names[FULL_TEXTS] = { "limit", "person", "team", "route" };

_Static_assert(sizeof(struct full_kept) <= FULL_WORDS * sizeof(uint64_t), "a slot holds it");

static uint64_t
fullest_share(const struct full_seen *s)
{
	return s->used >= s->of ? MILLION
				: (uint64_t)((unsigned __int128)s->used * MILLION / s->of);
}

static void
write_full_entry(struct fullest *f, const struct full_kept *k)
{
	struct full_slot *slot = &f->slot[k - f->kept];

	slot_write(&slot->turn, slot->word, ++f->writes, k, sizeof(*k));
}

/* Begins to measure the rate: at the window's begin if that is known, otherwise now. */
static void
begin_measure(struct full_kept *k, const struct full_seen *seen)
{
	k->first = seen->begin_ms ? (struct full_base){ 0, seen->begin_ms }
				  : (struct full_base){ seen->used, seen->at_ms };
	k->day = k->first;
}

/* At the first request of a day: measures from the midnight before, so that the rate is that of
 * one to two days with requests. */
static void
begin_day(struct full_kept *k, const struct full_seen *seen)
{
	k->first = k->day;
	k->day = (struct full_base){ k->seen.used, seen->at_ms - seen->at_ms % DAY_MS };
}

static void
see_again(struct fullest *f, struct full_kept *k, const struct full_seen *seen)
{
	bool same_second = seen->at_ms / SECOND_MS == k->seen.at_ms / SECOND_MS;

	if (same_second && fullest_share(seen) - fullest_share(&k->seen) < MILLION / 100)
		return;
	if (seen->at_ms / DAY_MS != k->seen.at_ms / DAY_MS)
		begin_day(k, seen);
	k->seen = *seen;
	write_full_entry(f, k);
}

struct full_kept *
fullest_see(struct fullest *f, const struct full_seen *seen)
{
	struct full_kept *set = &f->kept[seen->caller % FULL_SETS * FULL_WAYS], *least = set;

	if (!seen->of)
		return NULL;
	for (struct full_kept *k = set; k < set + FULL_WAYS; k++)
		if (k->seen.caller == seen->caller) {
			see_again(f, k, seen);
			return NULL;
		}
	for (struct full_kept *k = set; k < set + FULL_WAYS && least->seen.caller; k++)
		if (k->seen.reset_ms <= seen->at_ms ||
			fullest_share(&k->seen) < fullest_share(&least->seen))
			least = k;
	if (least->seen.caller && least->seen.reset_ms > seen->at_ms &&
		fullest_share(&least->seen) >= fullest_share(seen))
		return NULL;
	*least = (struct full_kept){ .seen = *seen };
	begin_measure(least, seen);
	return least;
}

void
fullest_name(struct fullest *f, struct full_kept *k, const struct span text[FULL_TEXTS])
{
	for (size_t i = 0; i < FULL_TEXTS; i++) {
		size_t most =
			text[i].n > FULL_TEXT ? utf8_before(text[i].p, FULL_TEXT) : text[i].n;
		if (most)
			memcpy(k->text[i], text[i].p, most);
		k->n[i] = (uint8_t)most;
	}
	write_full_entry(f, k);
}

/* ---- JSON ---- */

/* Entries of one caller's limit together, the newest first. */
static int
full_by_caller(const void *a, const void *b)
{
	const struct full_seen *x = &((const struct full_kept *)a)->seen,
			       *y = &((const struct full_kept *)b)->seen;

	return x->caller != y->caller ? (x->caller > y->caller) - (x->caller < y->caller)
				      : (x->at_ms < y->at_ms) - (x->at_ms > y->at_ms);
}

static int
full_by_share(const void *a, const void *b)
{
	const struct full_kept *x = a, *y = b;
	uint64_t s = fullest_share(&x->seen), t = fullest_share(&y->seen);

	return s != t ? (s < t) - (s > t) : full_by_caller(a, b);
}

/* Returns true if a day of use or more was seen. */
static bool
is_measured(const struct full_kept *k, int64_t now_ms)
{
	return now_ms - k->first.ms >= DAY_MS;
}

/* When the limit is used up at the measured rate; 0: not before the window ends, or the rate is
 * not known yet. */
static int64_t
used_up_ms(const struct full_kept *k, int64_t now_ms)
{
	const struct full_seen *s = &k->seen;
	double used = (double)s->used - (double)k->first.used;

	if (s->used >= s->of)
		return s->at_ms;
	if (used <= 0 || !is_measured(k, now_ms))
		return 0;
	double left_ms = (double)(s->of - s->used) / used * (double)(now_ms - k->first.ms);
	double most_ms = s->calendar ? (double)(s->reset_ms - now_ms) : 366.0 * DAY_MS;
	return left_ms < most_ms ? now_ms + (int64_t)left_ms : 0;
}

static void
put_fullest_row(struct buf *out, const struct full_kept *k, int64_t now_ms)
{
	const struct full_seen *s = &k->seen;
	int64_t up_ms = used_up_ms(k, now_ms);

	json_put_open(out, NULL, '{');
	for (size_t i = 0; i < FULL_TEXTS; i++) {
		struct span text = span_of(k->text[i], k->n[i]);
		if (text.n)
			json_put_text(
				out, text_names[i], utf8_valid(text) ? text : SPAN_LIT("?"));
	}
	json_put_str(out, "counts", s->counts);
	json_put_uint(out, "used", s->used);
	json_put_uint(out, "of", s->of);
	json_put_uint(out, "used_percent", fullest_share(s) / (MILLION / 100));
	if (s->calendar)
		json_put_str(out, "window", s->calendar);
	else
		json_put_uint(out, "window_s", s->window_s);
	json_put_time(out, "at", s->at_ms * MILLION);
	json_put_time(out, "resets_at", s->reset_ms * MILLION);
	if (is_measured(k, now_ms))
		json_put_time(out, "rate_since", k->first.ms * MILLION);
	if (up_ms)
		json_put_time(out, "used_up_at", up_ms * MILLION);
	else
		json_put_null(out, "used_up_at");
	json_put_close(out, '}');
}

void
fullest_json(
	struct buf *out, const struct fullest *const *f, size_t n, size_t count, int64_t now_ms)
{
	struct full_kept *all = calloc(n * COUNT_OF(f[0]->slot) + 1, sizeof(*all));
	size_t nall = 0, kept = 0;

	for (size_t i = 0; all && i < n; i++)
		for (size_t k = 0; k < COUNT_OF(f[i]->slot); k++) {
			const struct full_slot *slot = &f[i]->slot[k];
			uint64_t turn = tally_value(&slot->turn);
			nall += turn && turn % 2 == 0 &&
				slot_read(&slot->turn, slot->word, turn / 2 - 1, &all[nall],
					sizeof(*all)) &&
				all[nall].seen.reset_ms > now_ms;
		}
	if (nall)
		qsort(all, nall, sizeof(*all), full_by_caller);
	for (size_t i = 0; i < nall; i++)
		if (!kept || all[kept - 1].seen.caller != all[i].seen.caller)
			all[kept++] = all[i];
	if (kept)
		qsort(all, kept, sizeof(*all), full_by_share);
	json_put_open(out, NULL, '{');
	json_put_open(out, "limits", '[');
	for (size_t i = 0; i < kept && i < count; i++)
		put_fullest_row(out, &all[i], now_ms);
	buf_str(out, "]}\n");
	free(all);
}
