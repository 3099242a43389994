/* Recognizes a response by its first bytes, if its type states something else or nothing.
 * Clients read the type that they requested, so the guard must read the same. */
#include "answer/guard/guard_private.h"
#include "base/ascii.h"
#include "base/codec/eventstream.h"
#include "base/err.h"

bool
guard_begins_json(struct span body)
{
	struct span s = span_trim(body, GUARD_BLANKS);

	return s.n && (s.p[0] == '{' || s.p[0] == '[');
}

bool
guard_begins_events(struct span s)
{
	static const char *const fields[] = { "data:", "event:", "id:", "retry:", ":" };

	for (size_t i = 0; i < COUNT_OF(fields); i++)
		if (span_starts(s, span_str(fields[i])))
			return true;
	return false;
}

bool
guard_looks_like_events(const struct guard *g, struct span body)
{
	struct span s = span_trim(body, GUARD_BLANKS);

	return span_starts(s, SPAN_LIT("data:")) || span_starts(s, SPAN_LIT("event:")) ||
	       ((g->opaque_type || guard_begins_events(s)) &&
		       (memmem(s.p, s.n, "\ndata:", 6) || memmem(s.p, s.n, "\rdata:", 6)));
}

/* Writes the first characters of UTF-16 or UTF-32 text to `out` as ASCII. Returns their number;
 * 0: the bytes are not such text. */
static size_t
narrow(struct span s, char *out, size_t room)
{
	static const struct {
		size_t width, at;
	} forms[] = { { 4, 0 }, { 4, 3 }, { 2, 0 }, { 2, 1 } };

	for (size_t f = 0; f < COUNT_OF(forms); f++) {
		size_t n = 0;
		for (size_t i = 0; i + forms[f].width <= s.n && n < room; i++, n++) {
			struct span unit = span_cut(s, i, i + forms[f].width);
			char c = unit.p[forms[f].at];
			size_t zeros = 0;
			for (size_t k = 0; k < unit.n; k++)
				zeros += !unit.p[k];
			if (zeros != unit.n - 1 || !(is_space(c) || (c >= ' ' && c <= '~')))
				break;
			out[n] = c;
			i += forms[f].width - 1;
		}
		if (n >= 2)
			return n;
	}
	return 0;
}

static bool
is_wide(const struct guard *g, struct span s)
{
	static const struct span marks[] = { SPAN_LIT("\xff\xfe\0\0"), SPAN_LIT("\0\0\xfe\xff"),
		SPAN_LIT("\xff\xfe"), SPAN_LIT("\xfe\xff") };
	char begins[8];
	bool marked = false;

	for (size_t i = 0; i < COUNT_OF(marks) && !marked; i++)
		if ((marked = span_starts(s, marks[i])))
			s = span_cut(s, marks[i].n, s.n);
	size_t n = narrow(s, begins, sizeof(begins));
	if (!g->opaque_type)
		return n || marked;
	struct span text = span_of(begins, n);
	return n && (guard_begins_json(text) || guard_begins_events(text));
}

const char *
guard_hides(const struct guard *g, struct span s)
{
	size_t n;

	if (s.n >= EVENTSTREAM_PRELUDE &&
		!eventstream_prelude(span_cut(s, 0, EVENTSTREAM_PRELUDE), &n))
		return "the response has AWS event-stream frames, but its Content-Type names "
		       "another format";
	if (!g->packed_type && (span_starts(s, SPAN_LIT("\x1f\x8b\x08")) ||
				       span_starts(s, SPAN_LIT("\x28\xb5\x2f\xfd"))))
		return "the response is compressed, but no header states this";
	return is_wide(g, s) ? "the response is in UTF-16 or UTF-32" : NULL;
}

bool
guard_is_no_text(struct guard *g, struct span bytes)
{
	INVARIANT(g->begun <= COUNT_OF(g->begins));
	for (size_t i = 0; i < bytes.n && g->begun < COUNT_OF(g->begins); i++) {
		unsigned char c = (unsigned char)bytes.p[i], first = g->begins[0];
		g->begins[g->begun++] = c;
		if (c == 0 || c >= 0xfe || (g->begun == 1 && c == 0x1f) ||
			(g->begun == 2 && first < 0x80 && (c & 0xc0) == 0x80))
			return true;
	}
	return false;
}
