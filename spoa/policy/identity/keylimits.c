/* The limits of an API key, written as WHAT=AMOUNT/WINDOW. */
#include "policy/identity/keylimits.h"

#include <pthread.h>

#include "base/err.h"
#include "base/price/price.h"
#include "base/scoped.h"
#include "policy/config/read.h"
#include "policy/section.h"

enum { USD_SCALE = 9 }; /* nano-dollars */

/* the name takes the place of a policy's limit name in Redis keys */
static const char *const names[KEY_LIMITS_MAX] = { "key-limit-1", "key-limit-2", "key-limit-3",
	"key-limit-4", "key-limit-5", "key-limit-6", "key-limit-7", "key-limit-8" };

static char expected[320];

static void
write_expected(void)
{
	SCOPED_BUF(b, sizeof(expected));

	limit_keys_put(&b, HAS_WINDOW, 0, true);
	buf_str(&b, " =N/WINDOW, or ");
	limit_keys_put(&b, 0, HAS_WINDOW, true);
	buf_str(&b, " =N is expected");
	INVARIANT(!b.failed && b.n < sizeof(expected));
	memcpy(expected, buf_view(&b).p, b.n);
}

/* Returns the message for a limit whose first word counts nothing: the keys with and without a window. */
static const char *
expected_keys(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, write_expected);
	return expected;
}

const char *
key_limit_read(struct span text, struct limit *out)
{
	struct span what = span_next(&text, '='), amount = span_next(&text, '/');
	uint64_t us = 0;
	const struct limit_counted *c = limit_counted;

	*out = (struct limit){ .name = "" };
	while (c->key && (c->per || !span_is(what, c->key)))
		c++;
	if (!c->key)
		return expected_keys();
	out->of = c->of;
	out->reads_body = limit_has(out->of, NEEDS_BODY);
	if (limit_has(out->of, COUNTS_MONEY)) {
		if (price_parse(amount, USD_SCALE, &out->amount) < 0 || !out->amount)
			return "US dollars such as 500 or 0.25 are expected after '='";
	} else if (span_u64(amount, &out->amount) < 0 || !out->amount ||
		   out->amount > 1ull << 40)
		return "a whole number of at least 1 is expected after '='";
	if (!limit_has(out->of, HAS_WINDOW))
		return text.p ? "a limit on concurrent requests, or on tokens of one request, "
				"has no "
				"window"
			      : NULL;
	size_t calendar = span_find(text, calendar_words, CALENDAR_MONTH + 1);
	if (calendar <= CALENDAR_MONTH) {
		out->by_calendar = true; /* in UTC */
		out->calendar = (enum limit_calendar)calendar;
		return NULL;
	}
	if (duration_parse(text, &us) < 0 || us < SECOND_US || us % SECOND_US ||
		us > 31ull * 86400 * SECOND_US)
		return "a window from 1s to 31d, such as 1m, or hour, day, week or month, is "
		       "expected after '/'";
	out->window_s = us / SECOND_US;
	return NULL;
}

const struct limit *
key_limits(const struct apikey *k, struct arena *a, size_t *n)
{
	struct limit *v = k->nlimits ? arena_array(a, k->nlimits, sizeof(*v)) : NULL;

	*n = 0;
	for (size_t i = 0; v && i < k->nlimits && i < KEY_LIMITS_MAX; i++)
		if (!key_limit_read(span_str(k->limits[i]), &v[*n]))
			v[(*n)++].name = names[i];
	INVARIANT(*n <= KEY_LIMITS_MAX);
	return *n ? v : NULL;
}
