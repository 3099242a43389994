/* Steps over strings and values of a line. */
#include "record/journal/line.h"

bool
line_string(struct line_rd *r, struct span *raw)
{
	const char *from = r->p + 1, *quote = r->p, *plain;

	do {
		quote++;
		quote = quote < r->end ? memchr(quote, '"', (size_t)(r->end - quote)) : NULL;
		if (!quote) {
			*raw = span_of(from, (size_t)(r->end - from));
			r->p = r->end;
			return false;
		}
		for (plain = quote; plain > from && plain[-1] == '\\';)
			plain--;
	} while ((quote - plain) % 2);
	*raw = span_of(from, (size_t)(quote - from));
	r->p = quote + 1;
	return true;
}

void
line_skip(struct line_rd *r)
{
	/* what ends, begins or parts values; all else is passed over */
	static const bool tells[256] = { ['"'] = true, ['{'] = true, ['['] = true, ['}'] = true,
		[']'] = true, [','] = true, [' '] = true, ['\t'] = true, ['\r'] = true };
	struct span raw;
	size_t depth = 0;

	for (;;) {
		while (r->p < r->end && !tells[(unsigned char)*r->p])
			r->p++;
		if (r->p == r->end)
			return;
		char c = *r->p;
		if (c == '"') {
			line_string(r, &raw);
			if (!depth)
				return;
			continue;
		}
		if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			if (depth <= 1) {
				r->p += depth;
				return;
			}
			depth--;
		} else if (!depth) {
			return;
		}
		r->p++;
	}
}

static void
line_blanks(struct line_rd *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\r'))
		r->p++;
}

/* p is at that character, but for blanks, and moves past it. */
static bool
line_takes(struct line_rd *r, char c)
{
	line_blanks(r);
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

/* At the next thing in an object or a list; false: it ended, or is none. */
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
line_member(struct line_rd *r, struct span *name)
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
	uint64_t begins = 0; /* bits of the names' first letters: most others end there */
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
