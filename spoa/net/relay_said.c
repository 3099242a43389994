/* Parses HAProxy's report on a response: the fields of its log line.
 *
 * The proof that nothing was sent is Tc = -1: HAProxy writes a request to a server only after
 * the connection, TLS included, is established. A report that cannot be parsed counts as perhaps
 * billed: a charge that is too high is noticed and corrected, a missing one is not.
 *
 * Example: "503 0 -1 -1 0 be srv " is SAID_NEVER_SENT; "200 0 4 90 0 be srv " is SAID_INSTEAD. */
#include "net/relay_said.h"

#include "base/ascii.h"

/* number = [ "-" | "+" ] 1*9digit */
static bool
said_number(struct span s, int *v)
{
	uint64_t n;
	bool negative = s.n && *s.p == '-';

	if (s.n && (negative || *s.p == '+'))
		s = span_cut(s, 1, s.n);
	if (s.n > 9 || span_u64(s, &n) != 0)
		return false;
	*v = negative ? -(int)n : (int)n;
	return true;
}

/* Checks the name of a backend or server, which is <NOSRV> if there is none. */
static bool
is_proxy_name(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n != 0;
}

/* why = ST SP Tw SP Tc SP Tr SP rc SP name SP name [ SP [ number ] ] */
static enum relay_said
why_it_said(struct span why)
{
	enum { ST, TW, TC, TR, RC, NUMBERS };
	int v[NUMBERS], error;

	for (size_t i = 0; i < NUMBERS; i++)
		if (!said_number(span_next(&why, ' '), &v[i]))
			return SAID_PERHAPS_BILLED;
	if (!is_proxy_name(span_next(&why, ' ')) || !is_proxy_name(span_next(&why, ' ')) ||
		(why.n && !said_number(why, &error)))
		return SAID_PERHAPS_BILLED;
	if (v[ST] < 100 || v[ST] > 599 || v[TW] < -1 || v[RC] < 0)
		return SAID_PERHAPS_BILLED;
	if (v[TC] >= 0 && v[TR] >= 0)
		return SAID_INSTEAD;
	if (v[TC] != -1 || v[TR] != -1)
		return SAID_PERHAPS_BILLED;
	return v[ST] < 500 ? SAID_BY_RULE : SAID_NEVER_SENT;
}

enum relay_said
relay_said(struct span said, struct span why)
{
	if (why.p)
		return said.p ? SAID_PERHAPS_BILLED : why_it_said(why);
	if (!said.p)
		return SAID_NOTHING;
	return span_is(said, "provider") ? SAID_BY_PROVIDER : SAID_PERHAPS_BILLED;
}

enum relay_said
relay_said_in(const struct http_head *head)
{
	static const char *const names[] = { SAID_FIELD, WHY_FIELD };
	struct span value[COUNT_OF(names)] = { { NULL, 0 }, { NULL, 0 } };

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		const struct http_field *f = http_field_nth(head, names[i], 0);
		if (f && http_field_nth(head, names[i], 1))
			return SAID_PERHAPS_BILLED;
		if (f)
			value[i] = f->value.p ? f->value : span_of("", 0);
	}
	return relay_said(value[0], value[1]);
}
