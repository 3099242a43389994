/* Moves over the strings and values of a record's line: see line.h. A table of 256 entries
 * decides for each byte whether it can be skipped, because verification and search spend most
 * of their time here. */
#include "record/journal/line.h"

const char *
line_quote_escaped(const char *from, const char *quote, const char *end)
{
	for (; quote; quote = line_quote(quote + 1, end)) {
		const char *plain = quote;
		while (plain > from && plain[-1] == '\\')
			plain--;
		if ((quote - plain) % 2 == 0)
			break;
	}
	return quote;
}

/* Moves past the object or array at which `p` is. */
static void
skip_nested(struct line_rd *r)
{
	static const bool tells[256] = {
		['"'] = true, ['{'] = true, ['['] = true, ['}'] = true, [']'] = true
	};
	struct span raw;
	size_t depth = 0;

	while (r->p < r->end) {
		char c = *r->p;
		if (!tells[(unsigned char)c]) {
			r->p++;
		} else if (c == '"') {
			line_string(r, &raw);
		} else {
			r->p++;
			if (c == '{' || c == '[')
				depth++;
			else if (--depth == 0)
				return;
		}
	}
}

void
line_skip(struct line_rd *r)
{
	/* the bytes that end a number or a word, or begin another value */
	static const bool tells[256] = { ['"'] = true,
		['{'] = true,
		['['] = true,
		['}'] = true,
		[']'] = true,
		[','] = true,
		[' '] = true,
		['\t'] = true,
		['\r'] = true };
	struct span raw;

	while (r->p < r->end && !tells[(unsigned char)*r->p])
		r->p++;
	if (r->p == r->end)
		return;
	if (*r->p == '"')
		line_string(r, &raw);
	else if (*r->p == '{' || *r->p == '[')
		skip_nested(r);
}

static void
line_blanks(struct line_rd *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\r'))
		r->p++;
}

/* Skips spaces. If the character `c` follows, moves past it and returns true. */
static bool
line_takes(struct line_rd *r, char c)
{
	line_blanks(r);
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

/* Moves to the next member or item of an object or array. Returns false if it ended or is not
 * one. */
static bool
line_goes_on(struct line_rd *r, char open, char close)
{
	line_blanks(r);
	if (r->p == r->end)
		return false;
	if (*r->p != ',' && *r->p != open) {
		r->p += *r->p == close;
		return false;
	}
	r->p++;
	return !line_takes(r, close) && r->p < r->end;
}

bool
line_member_spaced(struct line_rd *r, struct span *name)
{
	if (!line_goes_on(r, '{', '}') || *r->p != '"' || !line_string(r, name) ||
		!line_takes(r, ':'))
		return false;
	line_blanks(r);
	return true;
}

bool
line_item(struct line_rd *r)
{
	return line_goes_on(r, '[', ']');
}

void
line_members(struct span object, const struct span *names, size_t n, struct span *out)
{
	struct line_rd r = line_rd_over(object);
	/* one bit for each first letter of the names; most other members are dropped by this
	 * test */
	uint64_t begins = 0;
	struct span name;

	for (size_t i = 0; i < n; i++) {
		out[i] = (struct span){ NULL, 0 };
		if (names[i].n)
			begins |= UINT64_C(1) << (names[i].p[0] & 63);
	}
	while (line_member(&r, &name)) {
		const char *from = r.p;
		line_skip(&r);
		if (!name.n || !(begins >> (name.p[0] & 63) & 1))
			continue;
		for (size_t i = 0; i < n; i++)
			if (span_eq(name, names[i]))
				out[i] = span_of(from, (size_t)(r.p - from));
	}
}
