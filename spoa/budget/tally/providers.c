/* Counts the responses of providers in a table by name, and writes the sum over all workers for
 * /metrics, /status and the degraded parts. */
#include "budget/tally/providers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/metrics.h"
#include "budget/tally/names.h"

#define MINUTE_US 60000000

enum { KINDS = 2 };
static const char *const kinds[KINDS] = { "whole", "streamed" };

static const struct {
	const char *code, *means;
} failures[PROVIDER_FAILED] = { [PROVIDER_OTHER] = { "other", NULL },
#define X(id, code, means) [id] = { code, means },
	PROVIDER_FAILURES(X)
#undef X
};

int
provider_failure(const char *code)
{
	for (int i = 1; i < PROVIDER_FAILED; i++)
		if (str_same(code, failures[i].code))
			return i;
	return 0;
}

const char *
provider_means(int status)
{
	/* clang-format off */
	static const struct { int status; const char *means; } rows[] = {
		{ 401, "the provider rejects the key that HAProxy sends" },
		{ 402, "the account at the provider has no credit left" },
		{ 403, "the key at the provider does not permit the request" },
		{ 429, "the provider limits the rate or quota of the key" },
		{ 504, "the provider was too slow, or slower than HAProxy's timeout server" },
		{ 529, "the provider is overloaded" },
	};
	/* clang-format on */

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].status == status)
			return rows[i].means;
	if (status < PROVIDER_FAILED)
		return failures[status].means;
	return status >= 500 ? "the provider has a server error" : NULL;
}

const char *
provider_status_text(int status, char out[16])
{
	if (status < PROVIDER_FAILED)
		return failures[status].code;
	snprintf(out, 16, "%d", status);
	return out;
}

/* ---- the worker ---- */

struct provider_entry *
provider_entry(struct provider_tally *t, struct span name)
{
	return names_entry(&(struct names){ &t->n, t->entry, sizeof(t->entry[0]),
				   PROVIDER_NAMES, PROVIDER_NAME_BYTES },
		name.n ? name : SPAN_LIT("-")); /* the route has no targets */
}

void
provider_sent(struct provider_entry *e)
{
	atomic_fetch_add_explicit(&e->under_way, 1, memory_order_relaxed);
}

void
provider_over(struct provider_entry *e)
{
	int64_t was = atomic_fetch_sub_explicit(&e->under_way, 1, memory_order_relaxed);

	INVARIANT(was > 0); /* a request that was sent is over once */
}

void
provider_heard(struct provider_entry *e, bool streamed, uint64_t us)
{
	uint64_t minute = clock_mono_us() / MINUTE_US + 1;
	struct provider_minute *m = &e->minute[minute & 1];

	histogram_add(&e->first_byte[streamed], us / 1000);
	if (tally_value(&m->minute) != minute) {
		atomic_store_explicit(&m->n, 0, memory_order_relaxed);
		atomic_store_explicit(&m->sum_us, 0, memory_order_relaxed);
		atomic_store_explicit(&m->most_us, 0, memory_order_relaxed);
		atomic_store_explicit(&m->minute, minute, memory_order_relaxed);
	}
	tally_grow(&m->n, 1);
	tally_grow(&m->sum_us, us);
	if (us > tally_value(&m->most_us))
		atomic_store_explicit(&m->most_us, us, memory_order_relaxed);
}

void
provider_took(struct provider_entry *e, bool streamed, uint64_t first_us, uint64_t total_us)
{
	if (streamed)
		histogram_add(&e->first_token, first_us / 1000);
	histogram_add(&e->total[streamed], total_us / 1000);
}

void
provider_answered(struct provider_entry *e, int status, int64_t now_ms)
{
	size_t i = 1;

	for (; i < PROVIDER_STATUSES; i++) {
		int has = atomic_load_explicit(&e->answer[i].status, memory_order_relaxed);
		if (has == status)
			break;
		if (!has) {
			atomic_store_explicit(
				&e->answer[i].status, status, memory_order_relaxed);
			break;
		}
	}
	tally_grow(&e->answer[i < PROVIDER_STATUSES ? i : 0].n, 1);
	if (provider_means(status))
		atomic_store_explicit(&e->last_error, (uint64_t)now_ms << 16 | (uint64_t)status,
			memory_order_relaxed);
	else if (status < 400)
		atomic_store_explicit(&e->last_good, (uint64_t)now_ms, memory_order_relaxed);
}

/* ---- all workers ---- */

enum {
	FAILING_MS = 15 * 60 * 1000
}; /* an older error does not count: no request was sent since */

/* The sum of a provider over all workers. */
struct sum {
	char name[PROVIDER_NAME_BYTES];
	int64_t under_way;
	uint64_t last_error, last_good, errors;
	struct {
		int status;
		uint64_t n;
	} answer[2 * PROVIDER_STATUSES];
	size_t nanswers;
	uint64_t heard, sum_us, most_us; /* sums over the last two minutes */
	const struct histogram *first_byte[KINDS][256];
	const struct exemplars *first_byte_of[KINDS][256];
	const struct histogram *first_token[256], *total[KINDS][256];
	bool exemplars; /* the reader asked for exemplars */
	size_t n;	/* workers that have the provider */
};

static void
add_answer(struct sum *s, int status, uint64_t n)
{
	size_t i = 0;

	while (i < s->nanswers && s->answer[i].status != status)
		i++;
	if (i == COUNT_OF(s->answer) && !n)
		return;
	if (i == COUNT_OF(s->answer))
		i = 0;
	if (i == s->nanswers)
		s->answer[s->nanswers++].status = status;
	s->answer[i].n += n;
	s->errors += provider_means(status) ? n : 0;
}

static uint64_t
later(uint64_t a, const _Atomic uint64_t *b)
{
	uint64_t v = tally_value(b);

	return v > a ? v : a;
}

static void
add_entry(struct sum *s, const struct provider_entry *e, uint64_t minute)
{
	s->under_way += atomic_load_explicit(&e->under_way, memory_order_relaxed);
	s->last_error = later(s->last_error, &e->last_error);
	s->last_good = later(s->last_good, &e->last_good);
	for (size_t i = 0; i < PROVIDER_STATUSES; i++) {
		uint64_t count = tally_value(&e->answer[i].n);
		if (count)
			add_answer(s,
				atomic_load_explicit(
					&e->answer[i].status, memory_order_relaxed),
				count);
	}
	for (int i = 0; i < 2; i++) {
		const struct provider_minute *m = &e->minute[i];
		uint64_t of = tally_value(&m->minute);
		if (!of || of + 1 < minute)
			continue;
		s->heard += atomic_load_explicit(&m->n, memory_order_relaxed);
		s->sum_us += tally_value(&m->sum_us);
		s->most_us = later(s->most_us, &m->most_us);
	}
	for (int k = 0; k < KINDS && s->n < COUNT_OF(s->first_byte[k]); k++) {
		s->first_byte[k][s->n] = &e->first_byte[k];
		s->first_byte_of[k][s->n] = &e->first_byte_of[k];
		s->first_token[s->n] = &e->first_token;
		s->total[k][s->n] = &e->total[k];
	}
	s->n += s->n < COUNT_OF(s->first_byte[0]);
}

/* Adds up the next provider that no earlier worker has. Returns false after the last one. */
static bool
next_sum(const struct provider_tally *const *t, size_t n, size_t *worker, size_t *at,
	struct sum *s)
{
	for (; *worker < n; (*worker)++, *at = 0) {
		size_t entries = atomic_load_explicit(&t[*worker]->n, memory_order_acquire);
		for (; *at < entries; (*at)++) {
			const char *name = t[*worker]->entry[*at].name;
			uint64_t minute = clock_mono_us() / MINUTE_US + 1;
			bool first = true;
			memset(s, 0, sizeof(*s));
			memcpy(s->name, name, sizeof(s->name));
			for (size_t w = 0; w < n; w++) {
				size_t has =
					atomic_load_explicit(&t[w]->n, memory_order_acquire);
				for (size_t i = 0; i < has; i++) {
					if (strcmp(t[w]->entry[i].name, name))
						continue;
					first &= w >= *worker;
					add_entry(s, &t[w]->entry[i], minute);
				}
			}
			if (!first || (*at == 0 && !s->nanswers && !s->under_way))
				continue;
			(*at)++;
			return true;
		}
	}
	return false;
}

static void
each(struct buf *out, const struct provider_tally *const *t, size_t n, bool exemplars,
	void (*write)(struct buf *out, const struct sum *s))
{
	size_t worker = 0, at = 0;
	struct sum s;

	while (next_sum(t, n, &worker, &at, &s)) {
		s.exemplars = exemplars;
		write(out, &s);
	}
}

/* Statuses that alerts ask for are written from the start, at 0: an alert on an increase needs
 * the first value. */
static void
write_answers(struct buf *out, const struct sum *given)
{
	static const int always[] = { 200, 401, 402, 403, 429, 500, 502, 503, 504,
#define X(id, code, means) id,
		PROVIDER_FAILURES(X)
#undef X
	};
	struct sum with = *given;
	const struct sum *s = &with;
	char text[16];

	for (size_t i = 0; i < COUNT_OF(always); i++)
		add_answer(&with, always[i], 0);
	for (size_t i = 0; i < s->nanswers; i++)
		buf_printf(out,
			"tollgate_provider_answers_total{provider=\"%s\",status=\"%s\"} "
			"%" PRIu64 "\n",
			s->name, provider_status_text(s->answer[i].status, text),
			s->answer[i].n);
}

static void
write_under_way(struct buf *out, const struct sum *s)
{
	buf_printf(out, "tollgate_provider_requests_in_flight{provider=\"%s\"} %" PRId64 "\n",
		s->name, s->under_way);
}

/* Writes a histogram of one kind of requests. `exemplars` may be NULL. */
static void
write_kind(struct buf *out, const char *name, const struct sum *s, int kind,
	const struct histogram *const *h, const struct exemplars *const *exemplars)
{
	char labels[PROVIDER_NAME_BYTES + 48];

	snprintf(labels, sizeof(labels), "provider=\"%s\",kind=\"%s\"", s->name, kinds[kind]);
	histogram_write(out, name, labels, HISTOGRAM_MS, h, exemplars, s->n);
}

static void
write_first_byte(struct buf *out, const struct sum *s)
{
	for (int k = 0; k < KINDS; k++)
		write_kind(out, "provider_first_byte_seconds", s, k, s->first_byte[k],
			s->exemplars ? s->first_byte_of[k] : NULL);
}

static void
write_first_token(struct buf *out, const struct sum *s)
{
	char labels[PROVIDER_NAME_BYTES + 16];

	snprintf(labels, sizeof(labels), "provider=\"%s\"", s->name);
	histogram_write(out, "provider_first_token_seconds", labels, HISTOGRAM_MS,
		s->first_token, NULL, s->n);
}

static void
write_total(struct buf *out, const struct sum *s)
{
	for (int k = 0; k < KINDS; k++)
		write_kind(out, "provider_total_seconds", s, k, s->total[k], NULL);
}

void
provider_tally_write(
	struct buf *out, const struct provider_tally *const *t, size_t n, bool exemplars)
{
	metrics_head(out, "provider_answers_total", "counter",
		"Counts responses of providers through the relay, by provider and status.");
	each(out, t, n, exemplars, write_answers);
	metrics_head(out, "provider_requests_in_flight", "gauge",
		"Requests sent to a provider whose response has not ended.");
	each(out, t, n, exemplars, write_under_way);
	metrics_head(out, "provider_first_byte_seconds", "histogram",
		"Time in seconds from sending a request to the first byte of the response "
		"body.");
	each(out, t, n, exemplars, write_first_byte);
	metrics_head(out, "provider_first_token_seconds", "histogram",
		"Time in seconds from a request's beginning to the first text of its stream.");
	each(out, t, n, exemplars, write_first_token);
	metrics_head(out, "provider_total_seconds", "histogram",
		"Time in seconds from a request's beginning to the end of its response with "
		"text.");
	each(out, t, n, exemplars, write_total);
}

static void
put_provider_time(struct buf *out, const char *name, uint64_t ms)
{
	char when[CLOCK_RFC3339_LEN];

	clock_rfc3339((int64_t)ms * 1000000, when);
	json_put_printf(out, name, "\"%.23sZ\"", when);
}

/* Returns true if the last result is an error that no caller caused, without a success since.
 */
static bool
fails(const struct sum *s)
{
	return s->last_error >> 16 > s->last_good;
}

static void
put_sum_json(struct buf *out, const struct sum *s)
{
	if (!s->nanswers && !s->under_way)
		return;
	uint64_t answers = 0;
	int last = (int)(s->last_error & 0xffff);
	char text[16];

	for (size_t i = 0; i < s->nanswers; i++)
		answers += s->answer[i].n;
	json_put_form(out, "{'provider':%t,'under_way':%u,'answers':%u,'errors':%u",
		span_str(s->name), (uint64_t)s->under_way, answers, s->errors);
	if (s->last_error) {
		json_put_str(out, "last_error", provider_status_text(last, text));
		json_put_str(out, "means", provider_means(last));
		put_provider_time(out, "last_error_at", s->last_error >> 16);
		json_put_bool(out, "failing", fails(s));
	}
	if (s->last_good)
		put_provider_time(out, "last_success_at", s->last_good);
	if (s->heard)
		json_put_form(out, "'first_byte_ms':{'answers':%u,'mean':%u,'most':%u}",
			s->heard, s->sum_us / s->heard / 1000, s->most_us / 1000);
	json_put_close(out, '}');
}

bool
provider_tally_failing(
	const struct provider_tally *const *t, size_t n, int64_t now_ms, struct buf *why)
{
	size_t worker = 0, at = 0;
	bool any = false;
	char text[16];
	struct sum s;

	while (next_sum(t, n, &worker, &at, &s)) {
		int last = (int)(s.last_error & 0xffff);
		if (!fails(&s) || now_ms - (int64_t)(s.last_error >> 16) > FAILING_MS)
			continue;
		buf_printf(why, "%s%s returns %s: %s", any ? "; " : "", s.name,
			provider_status_text(last, text), provider_means(last));
		any = true;
	}
	return any;
}

void
provider_tally_json(struct buf *out, const struct provider_tally *const *t, size_t n)
{
	buf_putc(out, '[');
	each(out, t, n, false, put_sum_json);
	buf_putc(out, ']');
}
