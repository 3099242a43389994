/* Evaluates the condition of .if and .elif (configuration.txt 2.4). Conditions on HAProxy's
 * version and on variables are evaluated; all others are UNKNOWN, because they depend on the
 * HAProxy binary.
 *
 *   or   = and { "||" and }
 *   and  = term { "&&" term }
 *   term = "!" term | "(" or ")" | number | NAME "(" arguments ")"
 *
 * Three-valued logic applies: UNKNOWN || TRUE is TRUE, UNKNOWN && FALSE is FALSE. */

#include "base/ascii.h"
#include "operator/edge/haproxy_file.h"

enum { FALSE = 0, TRUE = 1, UNKNOWN = -1, DEPTH_MAX = 32, ARGUMENTS = 2 };

/* The text that is not yet read, and the nesting depth of ! and ( so far. */
struct condition {
	struct haproxy *h;
	struct span in;
	unsigned depth;
};

static int read_chain(struct condition *c, bool either);

static void
skip_blanks(struct condition *c)
{
	while (c->in.n && (*c->in.p == ' ' || *c->in.p == '\t'))
		c->in = span_cut(c->in, 1, c->in.n);
}

static bool
take_condition_token(struct condition *c, const char *token)
{
	skip_blanks(c);
	if (!span_starts(c->in, span_str(token)))
		return false;
	c->in = span_cut(c->in, strlen(token), c->in.n);
	return true;
}

static int
version_atleast(const struct condition *c, struct span text)
{
	struct haproxy want = { 0 };

	if (!c->h->version[0] || !haproxy_set_version(&want, text))
		return UNKNOWN;
	return haproxy_version_atleast(c->h, want.version[0], want.version[1], want.version[2]);
}

static int
negate(int v)
{
	return v == UNKNOWN ? UNKNOWN : !v;
}

static int
call_predicate(const struct condition *c, struct span name, const struct span *arg)
{
	if (span_is(name, "version_atleast"))
		return version_atleast(c, arg[0]);
	if (span_is(name, "version_before"))
		return negate(version_atleast(c, arg[0]));
	if (span_is(name, "defined"))
		return haproxy_variable(c->h, arg[0]).p != NULL;
	if (span_is(name, "streq"))
		return span_eq(arg[0], arg[1]);
	if (span_is(name, "strneq"))
		return !span_eq(arg[0], arg[1]);
	if (span_is(name, "strstr"))
		return memmem(arg[0].p, arg[0].n, arg[1].p, arg[1].n) != NULL;
	return UNKNOWN; /* feature(), enabled(), openssl_version_atleast() and others */
}

/* Reads one term of an .if condition: !TERM, (CONDITION), a number, or PREDICATE(ARGUMENTS).
 * Returns TRUE, FALSE or UNKNOWN. */
static int
read_term(struct condition *c)
{
	struct span arg[ARGUMENTS] = { { "", 0 }, { "", 0 } };

	if (take_condition_token(c, "!")) {
		if (++c->depth > DEPTH_MAX)
			return UNKNOWN;
		return negate(read_term(c));
	}
	if (take_condition_token(c, "(")) {
		if (++c->depth > DEPTH_MAX)
			return UNKNOWN;
		int v = read_chain(c, true);
		return take_condition_token(c, ")") ? v : UNKNOWN;
	}
	skip_blanks(c);
	size_t n = 0;
	while (n < c->in.n && (is_word(c->in.p[n])))
		n++;
	struct span name = span_cut(c->in, 0, n);
	c->in = span_cut(c->in, n, c->in.n);
	if (n && is_digit(*name.p))
		return span_trim(name, "0").n ? TRUE : FALSE;
	if (n == 0 || !take_condition_token(c, "("))
		return UNKNOWN;
	struct span inner = span_cut(c->in, 0, span_chr(c->in, ')'));
	c->in = span_cut(c->in, inner.n, c->in.n);
	if (!take_condition_token(c, ")"))
		return UNKNOWN;
	for (size_t i = 0; i < ARGUMENTS && inner.p; i++)
		arg[i] = span_trim(span_next(&inner, ','), " \t");
	return call_predicate(c, name, arg);
}

/* Reads a chain of `||` (either: true) or of `&&` (either: false). TRUE decides the former,
 * FALSE decides the latter, whatever the other operands are. */
static int
read_chain(struct condition *c, bool either)
{
	const int decides = either ? TRUE : FALSE;
	int v = either ? read_chain(c, false) : read_term(c);

	while (take_condition_token(c, either ? "||" : "&&")) {
		int other = either ? read_chain(c, false) : read_term(c);
		v = v == decides || other == decides   ? decides
		    : v == UNKNOWN || other == UNKNOWN ? UNKNOWN
						       : negate(decides);
	}
	return v;
}

int
haproxy_condition(struct haproxy *h, struct span text)
{
	struct condition c = { .h = h, .in = text };

	skip_blanks(&c);
	if (c.in.n == 0)
		return FALSE;
	int v = read_chain(&c, true);
	skip_blanks(&c);
	return c.in.n ? UNKNOWN : v;
}
