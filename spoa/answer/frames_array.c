/* Reads as much of RFC 8259 section 5 as is needed to separate elements: strings, containers
 * and commas. A JSON reader checks the inside of an element. Brackets must match here too, so
 * that both readers find the same elements. */
#include "answer/frames_array.h"

#include "base/ascii.h"
#include "base/err.h"

/* Notes the kind of the bracket that was just opened. Returns false if the nesting is too
 * deep. */
static bool
note_kind(struct frames *f, bool object)
{
	size_t at = f->array.scan.depth - 1;

	if (at >= CAP_JSON_DEPTH)
		return false;
	uint64_t bit = (uint64_t)1 << at % 64;
	if (object)
		f->array.objects[at / 64] |= bit;
	else
		f->array.objects[at / 64] &= ~bit;
	return true;
}

/* Returns true if the bracket that was just closed has the kind of its opening bracket. */
static bool
closes_kind(const struct frames *f, bool object)
{
	size_t at = f->array.scan.depth;

	INVARIANT(at < CAP_JSON_DEPTH);
	return (f->array.objects[at / 64] >> at % 64 & 1) == object;
}

/* Reads a byte of an object, array or string. Returns 0 or ERR_SYNTAX. */
static int
element(struct frames *f, char c)
{
	struct json_scan *s = &f->array.scan;
	bool fine = true;

	switch (json_scan_byte(s, c)) {
	case JSON_BYTE_OPENS: fine = note_kind(f, c == '{'); break;
	case JSON_BYTE_CLOSES: fine = closes_kind(f, c == '}'); break;
	default: break;
	}
	if (!s->string && !s->depth)
		f->array.at = ARRAY_AFTER;
	return fine ? 0 : ERR_SYNTAX;
}

/* Reads a byte between elements that is not a space. Returns 0 or ERR_SYNTAX. */
static int
between(struct frames *f, char c)
{
	bool first = f->array.at == ARRAY_BEGUN, after = f->array.at == ARRAY_AFTER;

	if (c == ']' && (first || after)) {
		f->array.at = ARRAY_CLOSED;
	} else if (c == ',' && after) {
		f->array.at = ARRAY_COMMA;
	} else if (after) {
		return ERR_SYNTAX;
	} else if (is_one_of(c, "{[\"")) {
		f->array.at = ARRAY_ELEMENT;
		return element(f, c);
	} else if (is_alnum(c) || c == '-') {
		f->array.at = ARRAY_SCALAR;
	} else {
		return ERR_SYNTAX;
	}
	return 0;
}

size_t
frames_array_end(struct frames *f, struct span in, bool *ends, int *err)
{
	size_t i = 0;

	*err = 0;
	*ends = f->array.at == ARRAY_CLOSED;
	if (*ends) {
		/* Spaces after the array are a frame at once, without waiting for more. */
		i = span_past(span_cut(in, 0, f->cap_bytes), 0, is_space);
		*err = i == 0 ? ERR_SYNTAX : 0;
		return i;
	}
	while (i < in.n && !*ends && !*err) {
		char c = in.p[i];
		if (f->array.at == ARRAY_SCALAR) {
			if (is_space(c) || c == ',' || c == ']') {
				f->array.at = ARRAY_AFTER; /* c belongs to the next frame */
				*ends = true;
				return i;
			}
			if (!is_alnum(c) && !is_one_of(c, "+-."))
				*err = ERR_SYNTAX;
		} else if (f->array.at == ARRAY_ELEMENT) {
			*err = element(f, c);
			*ends = f->array.at == ARRAY_AFTER;
		} else if (f->array.at == ARRAY_BEFORE && c == '[') {
			f->array.at = ARRAY_BEGUN;
			*ends = true;
		} else if (!is_space(c)) {
			*err = f->array.at == ARRAY_BEFORE ? ERR_SYNTAX : between(f, c);
			*ends = f->array.at == ARRAY_CLOSED;
		}
		i++;
	}
	return i;
}

struct span
frames_array_element(struct span raw)
{
	size_t at = span_past(raw, 0, is_space);

	if (at < raw.n && raw.p[at] == ',')
		at = span_past(raw, at + 1, is_space);
	return span_cut(raw, at, raw.n);
}
