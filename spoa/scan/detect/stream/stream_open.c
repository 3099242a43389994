/* Recognizes runs, wrapped blobs and armored blocks by their bytes alone. Everything that a
 * stage of the scan joins is one of these, or is shorter than the text that a window reads
 * ahead. */
#include "scan/detect/stream/stream_open.h"

#include "base/among.h"
#include "base/bits.h"

/* The bytes: letters, digits and + / = _ . % ~ - \ & # ; : @ */
bool
stream_is_run(char c)
{
	static const uint64_t set[4] = { UINT64_C(0x2fffe86800000000),
		UINT64_C(0x47fffffe97ffffff) };

	return set_has(set, c);
}

size_t
stream_run_start(struct span t, size_t at)
{
	return span_back(t, at, 0, stream_is_run);
}

static size_t
run_end(struct span t, size_t at)
{
	return span_past(t, at, stream_is_run);
}

/* Returns where the line break before `at` begins, or `at` if there is none. */
static size_t
break_start(struct span t, size_t at)
{
	size_t i = span_back(t, at, at > BREAK_MAX ? at - BREAK_MAX : 0, is_space);

	return i < at && memchr(t.p + i, '\n', at - i) ? i : at;
}

static size_t
break_end(struct span t, size_t at)
{
	size_t i = span_past(span_cut(t, 0, at + BREAK_MAX), at, is_space);

	return i > at && memchr(t.p + at, '\n', i - at) ? i : at;
}

struct token_run
stream_run_around(struct span t, size_t at)
{
	struct token_run r = { .start = stream_run_start(t, at), .end = run_end(t, at) };
	size_t last = r.end - r.start, brk;

	while ((brk = break_start(t, r.start)) < r.start) {
		size_t from = stream_run_start(t, brk), n = brk - from;
		if (n < LINE_MIN || n < last || (r.width && n != r.width))
			break;
		r.start = from;
		r.width = n;
	}
	if (r.width == 0 && last >= LINE_MIN && r.end < t.n)
		r.width = last;
	while (last == r.width && last && (brk = break_end(t, r.end)) > r.end) {
		size_t end = run_end(t, brk);
		if (end - brk > r.width)
			break;
		last = end - brk;
		r.end = end;
	}
	return r;
}

/* Returns true if the text after an armor's first line is still inside the armor: lines without
 * spaces, or "Name: value". */
static bool
inside_armour(struct span t)
{
	while (t.n) {
		struct span line = span_trim(span_next(&t, '\n'), " \t\r>|*");
		size_t colon = span_chr(line, ':'), blank = span_chr(line, ' ');
		if (blank < line.n && colon > blank)
			return false;
	}
	return true;
}

/* A kind of armor. */
struct armour {
	struct span begins, ends, close; /* the beginning and the end of the first line; the
					  * beginning of the last line */
	size_t least; /* bytes after the first line that count as inside whatever they are,
		       * because the armor may be written in one line */
};

/* Returns true if the last line, whose beginning is before `rest`, has ended. */
static bool
is_closed(struct span rest, const struct armour *k)
{
	enum { LINE = 64 };
	size_t i = 0;

	if (k->ends.p[0] == '-')
		return rest.n > LINE || memmem(rest.p, rest.n, k->ends.p, k->ends.n);
	i = span_past(rest, i, is_space);
	return span_past(rest, i, stream_is_run) < rest.n;
}

/* Returns the first of the last few beginnings, after the last complete armor, whose inside
 * continues to the end of the text; t.n if there is none. Only a few beginnings are kept, so
 * that a text that consists of beginnings costs little. */
static size_t
open_of_kind(struct span t, size_t from, const struct armour *k)
{
	enum { FEW = 4 };
	const char *at = t.p + from, *end = t.p + t.n, *begins[FEW] = { NULL };
	size_t n = 0;

	for (const char *x = at; (x = memmem(x, (size_t)(end - x), k->close.p, k->close.n));) {
		x += k->close.n;
		if (!is_closed(span_of(x, (size_t)(end - x)), k))
			break;
		at = x;
	}
	for (; (at = memmem(at, (size_t)(end - at), k->begins.p, k->begins.n)); n++) {
		begins[n % FEW] = at;
		at += k->begins.n;
	}
	for (size_t i = n > FEW ? n - FEW : 0; i < n; i++) {
		const char *in = begins[i % FEW] + k->begins.n;
		const char *line = memmem(in, (size_t)(end - in), k->ends.p, k->ends.n);
		in = line ? line + k->ends.n : end;
		if ((size_t)(end - in) < k->least ||
			inside_armour(span_of(in, (size_t)(end - in))))
			return (size_t)(begins[i % FEW] - t.p);
	}
	return t.n;
}

/* Returns true if the text contains what every armor begins with: "----" or "PuTTY-". */
static bool
has_dashes(struct span t, size_t from)
{
	const char *p = t.p + from, *end = t.p + t.n;

	while (p < end && (p = memchr(p, '-', (size_t)(end - p)))) {
		if ((end - p >= 4 && !memcmp(p, "----", 4)) || (p > t.p && p[-1] == 'Y'))
			return true;
		p++;
	}
	return false;
}

size_t
stream_open_armour(struct span t, size_t from)
{
	static const struct armour kinds[] = {
		{ SPAN_LIT("-----BEGIN "), SPAN_LIT("-----"), SPAN_LIT("-----END "), 96 },
		{ SPAN_LIT("---- BEGIN "), SPAN_LIT("----"), SPAN_LIT("---- END "), 96 },
		{ SPAN_LIT("PuTTY-User-Key-File-"), SPAN_LIT(":"), SPAN_LIT("Private-MAC:"),
			512 },
	};
	size_t first = t.n;

	if (!has_dashes(t, from))
		return t.n;
	for (size_t k = 0; k < COUNT_OF(kinds); k++) {
		size_t at = open_of_kind(t, from, &kinds[k]);
		if (at < first)
			first = at;
	}
	return first;
}

size_t
stream_boundary(struct span t, size_t at, size_t least)
{
	for (size_t i = at; i > least && at - i < WORD_BACK; i--)
		if (is_space(t.p[i - 1]))
			return i;
	for (int i = 0;
		i < 3 && at > least && at < t.n && ((unsigned char)t.p[at] & 0xC0) == 0x80; i++)
		at--;
	return at;
}
