/* Decides which attempt is next. targets_next() lists the order of the checks. */
#include "gate/targets/next.h"

#include "base/codec/http.h"

/* Decides what the caller gets if the last attempt was the final one. The provider's response
 * is passed on, unless the request was never sent or our own credential was refused. */
static void
set_last_response(const struct next_plan *p, struct next *n)
{
	const struct next_attempt *last = &p->tried[p->ntried - 1];
	uint64_t soonest = UINT64_MAX;
	bool by_key = last->cause == CAUSE_REFUSED_US &&
		      (last->our_key || last->status == 401 || last->status == 402 ||
			      last->status == 403);

	if (last->cause != CAUSE_NEVER_SENT && !by_key)
		return;
	n->says = NEXT_UNAVAILABLE;
	for (size_t i = 0; i < p->ncandidates; i++)
		if (p->candidate[i].back_us < soonest && p->candidate[i].back_us > p->now_us)
			soonest = p->candidate[i].back_us;
	n->retry_after_us = soonest == UINT64_MAX ? 0 : soonest - p->now_us;
}

static struct next
end_attempts(const char *why)
{
	return (struct next){ .what = NEXT_END, .why = why };
}

/* Returns the time until which another attempt may begin. */
static uint64_t
latest_start(const struct next_plan *p)
{
	uint64_t overall =
		p->retry->overall_us ? p->began_us + p->retry->overall_us : UINT64_MAX;

	return p->deadline_us && p->deadline_us < overall ? p->deadline_us : overall;
}

/* Returns the wait before that target may be tried again, or UINT64_MAX if this request must
 * not try it again. */
static uint64_t
wait_for_target(const struct next_plan *p, size_t target)
{
	const struct next_candidate *c = &p->candidate[target];
	uint64_t back = c->back_us > p->now_us ? c->back_us - p->now_us : 0, wait;
	const struct next_attempt *last = NULL;
	unsigned times = 0;

	for (size_t i = 0; i < p->ntried; i++)
		if (p->tried[i].target == target) {
			last = &p->tried[i];
			times++;
		}
	if (!last || !c->budget || last->cause == CAUSE_REFUSED_US)
		return UINT64_MAX;
	if (last->asked_us > NEXT_ASKED_US || back > NEXT_ASKED_US)
		return UINT64_MAX;
	if (last->asked_us || back)
		return last->asked_us > back ? last->asked_us : back;
	wait = NEXT_WAIT_US;
	while (--times && wait < NEXT_WAIT_MOST_US)
		wait *= 2;
	wait = wait < NEXT_WAIT_MOST_US ? wait : NEXT_WAIT_MOST_US;
	return p->random % (wait + 1);
}

/* Returns true if an earlier attempt was already repeated at once. */
static bool
repeated_at_once(const struct next_plan *p)
{
	for (size_t i = 0; i + 1 < p->ntried; i++)
		if (p->tried[i].pooled_broke)
			return true;
	return false;
}

static struct next
choose_next(const struct next_plan *p)
{
	const struct next_attempt *last = &p->tried[p->ntried - 1];
	struct next n = { .what = NEXT_TARGET, .target = p->ncandidates };
	bool left = false;

	if (last->cause == CAUSE_DONE || last->cause == CAUSE_FINAL ||
		last->cause == CAUSE_ABORTED)
		return end_attempts("final");
	if (!(p->retry->on >> last->cause & 1))
		return end_attempts("retry_on");
	if (p->ntried >= p->retry->attempts)
		return end_attempts("attempts");
	if (p->now_us >= latest_start(p))
		return end_attempts("deadline");
	if (last->pooled_broke && !repeated_at_once(p) && p->candidate[last->target].budget &&
		p->candidate[last->target].back_us <= p->now_us)
		return (struct next){ .what = NEXT_SAME, .target = last->target };
	for (size_t i = 0; i < p->ncandidates; i++) {
		const struct next_candidate *c = &p->candidate[i];
		left |= c->left;
		if (c->left && c->budget &&
			(n.target == p->ncandidates || c->place < p->candidate[n.target].place))
			n.target = i;
	}
	if (n.target < p->ncandidates)
		return n;
	if (left)
		return end_attempts("budget");
	n = (struct next){ .what = NEXT_SAME, .wait_us = UINT64_MAX };
	for (size_t i = 0; i < p->ncandidates; i++) {
		uint64_t wait = wait_for_target(p, i);
		if (wait < n.wait_us) {
			n.wait_us = wait;
			n.target = i;
		}
	}
	if (n.wait_us == UINT64_MAX)
		return end_attempts("none_left");
	if (n.wait_us >= latest_start(p) - p->now_us)
		return end_attempts("deadline");
	return n;
}

struct next
targets_next(const struct next_plan *p)
{
	struct next n = choose_next(p);

	set_last_response(p, &n);
	return n;
}

/* ---- the wait that a response asks for ---- */

#define ASKED_MOST_US UINT64_C(86400000000000) /* 1,000 days; longer waits count as this */

/* Parses "1" or "1.5" in units of `unit` µs. Returns 0 if the text is not such a number. */
static uint64_t
read_decimal(struct span s, uint64_t unit)
{
	struct span whole = span_next(&s, '.');
	uint64_t n, part = 0, digit = unit;

	if (span_u64(whole, &n) < 0)
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return 0;
		digit /= 10;
		part += digit * (uint64_t)(s.p[i] - '0');
	}
	if (n > ASKED_MOST_US / unit)
		return ASKED_MOST_US;
	return n * unit + part;
}

uint64_t
next_asked_us(const struct http_head *h, int64_t now_s)
{
	static const struct {
		const char *name;
		uint64_t unit;
	} names[] = { { "retry-after-ms", 1000 }, { "x-ms-retry-after-ms", 1000 },
		{ "retry-after", 1000000 } };

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		struct span v;
		if (http_field_one(h, names[i].name, &v) != 1)
			continue;
		v = span_trim(v, " \t");
		uint64_t us = read_decimal(v, names[i].unit);
		int64_t at;
		/* an HTTP date in the current format of RFC 9110 5.6.7 */
		if (!us && names[i].unit == 1000000 && http_date(v, &at) == 0 && at > now_s)
			us = at - now_s >= 86400 * 1000 ? ASKED_MOST_US
							: (uint64_t)(at - now_s) * 1000000;
		if (us)
			return us;
	}
	return 0;
}
