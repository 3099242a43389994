/* A reader of the part of PCRE2's language whose cost can be bounded from its text. What
 * needs a memory of what matched (back references, recursion, conditions) is refused.
 * Sets are of bytes and may be too large, never too small: every conclusion from two
 * sets being disjoint holds. */
#include "detect/custom/custom_regex.h"

#include <stdio.h>

#include "base/ascii.h"
#include "codec/utf8.h"
#include "detect/custom/custom_regex_tree.h"

void
regex_refuse(struct regex_reader *r, size_t at, const char *why)
{
	if (r->failed)
		return;
	r->failed = true;
	*r->at = at;
	snprintf(r->why, 200, "%s", why);
}

static struct re *
new_re(struct regex_reader *r, enum kind kind)
{
	struct re *n = arena_new(r->a, struct re);

	if (!n) {
		regex_refuse(r, 0, "out of memory");
		return NULL;
	}
	n->kind = kind;
	return n;
}

static bool
ahead(const struct regex_reader *r, const char *text)
{
	return span_starts(span_cut(r->s, r->i, r->s.n), span_str(text));
}

/* ---- sets ---- */

static void
add_high(uint64_t set[4])
{
	set[2] = set[3] = UINT64_MAX;
}

static void
invert_ascii(uint64_t set[4])
{
	set[0] = ~set[0];
	set[1] = ~set[1];
	add_high(set);
}

/* \d \w \s \h \p{…} and their opposites, as sets; false: none of these. */
static bool
class_escape(struct regex_reader *r, char c, uint64_t set[4])
{
	uint64_t v[4] = { 0 };

	switch (c | 0x20) {
	case 'd': add_range(v, '0', '9'); break;
	case 'w':
		add_range(v, '0', '9');
		add_range(v, 'a', 'z');
		add_range(v, 'A', 'Z');
		set_add(v, '_');
		break;
	case 's':
		add_range(v, '\t', '\r');
		set_add(v, ' ');
		break;
	case 'h':
		set_add(v, '\t');
		set_add(v, ' ');
		break;
	case 'p': /* any property: no more is known than that it is a character */
		r->rough = true;
		add_range(v, 0, 127);
		if (r->i < r->s.n && r->s.p[r->i] == '{')
			while (r->i < r->s.n && r->s.p[r->i] != '}')
				r->i++;
		if (r->i < r->s.n)
			r->i++;
		break;
	default: return false;
	}
	if (is_upper(c) && c != 'P')
		invert_ascii(v);
	if (r->utf)
		add_high(v);
	for (unsigned k = 0; k < 4; k++)
		set[k] |= v[k];
	return true;
}

/* \xHH or \x{H…}. Without a digit it would become another when a repetition behind it is
 * bounded. */
static void
hex_escape(struct regex_reader *r, uint32_t *cp)
{
	bool braces = r->i < r->s.n && r->s.p[r->i] == '{';
	size_t from = r->i += braces;

	*cp = 0;
	while (r->i < r->s.n && is_hex(r->s.p[r->i]) && (braces || r->i - from < 2) &&
		*cp <= 0x10FFFF) {
		char c = r->s.p[r->i++];
		*cp = *cp << 4 | (uint32_t)(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	if (r->i == from)
		regex_refuse(r, from, "a hexadecimal digit is expected behind \\x");
	r->i += braces;
}

/* The character at r->i as it is written. */
static uint32_t
plain_character(struct regex_reader *r)
{
	unsigned char c = (unsigned char)r->s.p[r->i];
	size_t n = r->utf && c >= 0x80 ? utf8_sequence(r->s.p + r->i, r->s.n - r->i) : 1;
	uint32_t cp = n > 1 ? c & (0x7Fu >> n) : c;

	for (size_t k = 1; k < n; k++)
		cp = cp << 6 | ((unsigned char)r->s.p[r->i + k] & 0x3F);
	r->i += n ? n : 1;
	return cp;
}

/* One character behind a backslash, or as it is written; false: it is none. */
static bool
one_character(struct regex_reader *r, uint32_t *cp)
{
	static const char letters[] = "ntrfae", codes[] = "\n\t\r\f\a\033";

	*cp = plain_character(r);
	if (*cp != '\\')
		return true;
	if (r->i == r->s.n)
		return false;
	*cp = plain_character(r);
	if (*cp >= 0x80)
		return true;
	const char *known = *cp ? strchr(letters, (int)*cp) : NULL;
	char c = (char)*cp;
	if (known)
		*cp = (unsigned char)codes[known - letters];
	if (c == 'x')
		hex_escape(r, cp);
	return known || c == 'x' || !is_alnum(c);
}

static void
add_character(const struct regex_reader *r, struct re *n, uint32_t cp)
{
	if (cp >= 0x80) {
		if (r->utf)
			add_high(n->set);
		else
			set_add(n->set, (unsigned char)cp);
		return;
	}
	set_add(n->set, (unsigned char)cp);
	if (r->caseless && is_alpha((char)cp)) {
		set_add(n->set, (unsigned char)(cp ^ 0x20));
		if (r->utf) /* K is also the Kelvin sign */
			add_high(n->set);
	}
}

static void
set_bytes(const struct regex_reader *r, struct re *n)
{
	n->bytes_min = 1;
	n->bytes_max = r->utf && (n->set[2] | n->set[3]) ? 4 : 1;
}

static struct re *
character(struct regex_reader *r, uint32_t cp)
{
	struct re *n = new_re(r, RE_SET);

	if (!n)
		return NULL;
	add_character(r, n, cp);
	set_bytes(r, n);
	n->letter = r->caseless && cp < 0x80 && is_alpha((char)cp);
	if (r->caseless && r->utf)
		return n;
	if (cp >= 0x80 && r->utf)
		n->nexact = (uint8_t)utf8_encode(cp, n->exact);
	else
		n->exact[n->nexact++] = (char)cp;
	if (n->letter)
		n->exact[0] = (char)(n->exact[0] | 0x20);
	n->bytes_min = n->bytes_max = n->nexact;
	return n;
}

/* "[:" letters ":]"; anything else of that beginning is none to PCRE2 either. */
static bool
is_posix(const struct regex_reader *r)
{
	struct span s = span_cut(r->s, r->i, r->s.n);
	size_t n = 2;

	if (!span_starts(s, SPAN_LIT("[:")))
		return false;
	n += n < s.n && s.p[n] == '^';
	while (n < s.n && is_alpha(s.p[n]))
		n++;
	return span_starts(span_cut(s, n, s.n), SPAN_LIT(":]"));
}

static void
posix_class(struct regex_reader *r, struct re *n)
{
	static const struct {
		const char *name, *ranges;
	} known[] = { { "alpha", "AZaz" }, { "digit", "09" }, { "alnum", "09AZaz" },
		{ "upper", "AZ" }, { "lower", "az" }, { "xdigit", "09AFaf" },
		{ "space", "\t\r  " }, { "blank", "\t\t  " }, { "word", "09AZaz__" },
		{ "punct", "!/:@[`{~" } };
	size_t from = r->i + 2;

	while (r->i < r->s.n && !ahead(r, ":]"))
		r->i++;
	struct span name = span_cut(r->s, from, r->i);
	r->i += 2;
	for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
		for (const char *p = known[k].ranges; span_is(name, known[k].name) && *p;
			p += 2) {
			add_range(n->set, (unsigned char)p[0], (unsigned char)p[1]);
			if (r->caseless) {
				add_range(n->set, 'A', 'Z');
				add_range(n->set, 'a', 'z');
				r->rough = true;
			}
			if (r->utf)
				add_high(n->set);
			if (p[2] == 0)
				return;
		}
	add_range(n->set, 0, 255); /* another: anything */
	r->rough = true;
}

/* class = "[" ["^"] { item | item "-" item } "]" */
static struct re *
bracket(struct regex_reader *r)
{
	struct re *n = new_re(r, RE_SET);
	size_t open = r->i++;
	bool negated = r->i < r->s.n && r->s.p[r->i] == '^';

	r->i += negated;
	r->rough = false;
	for (size_t first = r->i;
		n && r->i < r->s.n && (r->s.p[r->i] != ']' || r->i == first);) {
		uint32_t from, to;
		if (is_posix(r)) {
			posix_class(r, n);
			continue;
		}
		if (r->s.p[r->i] == '\\' && r->i + 1 < r->s.n) {
			size_t back = r->i;
			r->i += 2;
			if (class_escape(r, r->s.p[back + 1], n->set))
				continue;
			r->i = back;
		}
		if (!one_character(r, &from)) {
			regex_refuse(r, open, "this escape is not supported inside [ ]");
			return n;
		}
		to = from;
		if (r->i + 1 < r->s.n && r->s.p[r->i] == '-' && r->s.p[r->i + 1] != ']') {
			r->i++;
			if (!one_character(r, &to)) { /* [a-\d]: a, - and digits */
				add_range(n->set, 0, 255);
				r->rough = true;
				continue;
			}
		}
		for (uint32_t c = from; c <= to && c < 0x80; c++)
			add_character(r, n, c);
		if (to >= 0x80 && r->utf)
			add_high(n->set);
		else if (to >= 0x80)
			add_range(n->set, from < 0x80 ? 0x80 : from & 255, to & 255);
	}
	r->i++;
	if (n && negated && r->rough) {
		add_range(n->set, 0, 255);
	} else if (n && negated) {
		uint64_t high[2] = { n->set[2], n->set[3] };
		invert_ascii(n->set);
		if (!r->utf) {
			n->set[2] = ~high[0];
			n->set[3] = ~high[1];
		}
	}
	if (n)
		set_bytes(r, n);
	return n;
}

/* ---- structure ---- */

static struct re *alternatives(struct regex_reader *r);

static struct re *
escape(struct regex_reader *r)
{
	size_t at = r->i;
	char c = at + 1 < r->s.n ? r->s.p[at + 1] : 0;
	struct re *n;
	uint32_t cp;

	if (strchr("bBAzZ", c) && c) {
		r->i += 2;
		n = new_re(r, RE_EDGE);
		if (n)
			n->boundary = c == 'b';
		return n;
	}
	n = new_re(r, RE_SET);
	r->i += 2;
	if (n && class_escape(r, c, n->set)) {
		set_bytes(r, n);
		return n;
	}
	r->i = at;
	if (one_character(r, &cp))
		return character(r, cp);
	regex_refuse(r, at,
		is_digit(c)
			? "references to what matched before are not supported"
			: "this escape is not supported; \\b \\B \\A \\z \\Z \\d \\w \\s \\h "
			  "\\p{…} \\n \\t \\r \\f \\a \\e \\xHH are");
	return n;
}

/* (?ims-ims) and (?ims-ims: */
static bool
flags(struct regex_reader *r, size_t at)
{
	bool off = false;

	for (; r->i < r->s.n && strchr("ims-", r->s.p[r->i]); r->i++) {
		off |= r->s.p[r->i] == '-';
		if (r->s.p[r->i] == 'i')
			r->caseless = !off;
	}
	if (r->i < r->s.n && (r->s.p[r->i] == ')' || r->s.p[r->i] == ':'))
		return true;
	regex_refuse(r, at,
		"this group is not supported; ( ) (?: ) (?> ) (?<name> ) (?= ) (?! ) (?<= ) "
		"(?<! ) "
		"(?i) (?m) (?s) are");
	return false;
}

static struct re *
group(struct regex_reader *r)
{
	static const struct {
		const char *open;
		bool look, negative;
	} known[] = { { "(?<=", true, false }, { "(?<!", true, true }, { "(?=", true, false },
		{ "(?!", true, true }, { "(?>", false, false }, { "(?:", false, false } };
	size_t at = r->i, k = 0;
	bool caseless = r->caseless;
	struct re *n = NULL;

	if (ahead(r, "(*"))
		regex_refuse(r, at, "verbs are not supported");
	if (++r->depth > REGEX_DEPTH)
		regex_refuse(r, at, "brackets are nested too deep");
	while (k < sizeof(known) / sizeof(known[0]) && !ahead(r, known[k].open))
		k++;
	bool plain = k == sizeof(known) / sizeof(known[0]);
	if (!plain) {
		r->i += strlen(known[k].open);
	} else if (ahead(r, "(?<") || ahead(r, "(?P<")) {
		r->i += span_chr(span_cut(r->s, r->i, r->s.n), '>') + 1;
	} else if (ahead(r, "(?")) {
		r->i += 2;
		if (r->failed || !flags(r, at))
			return NULL;
		if (r->s.p[r->i++] == ')') { /* to the end of the group around it */
			r->depth--;
			return new_re(r, RE_CAT);
		}
	} else {
		r->i++;
	}
	if (r->failed)
		return NULL;
	struct re *inner = alternatives(r);
	r->i++; /* ")" */
	r->caseless = caseless;
	r->depth--;
	if (plain || !known[k].look)
		return inner;
	n = new_re(r, RE_LOOK);
	if (n) {
		n->child = inner;
		n->negative = known[k].negative;
	}
	return n;
}

static bool
number(const struct regex_reader *r, size_t *i, unsigned *out)
{
	size_t from = *i;

	for (*out = 0; *i < r->s.n && is_digit(r->s.p[*i]) && *out < 100000; ++*i)
		*out = *out * 10 + (unsigned)(r->s.p[*i] - '0');
	return *i > from;
}

/* quantifier = ("*" | "+" | "?" | "{" n ["," [m]] "}") ["?" | "+"] */
static bool
quantifier(struct regex_reader *r, unsigned *min, unsigned *max, bool *open, size_t *end)
{
	size_t i = r->i;
	char c = i < r->s.n ? r->s.p[i++] : 0;

	*open = c == '*' || c == '+';
	*min = c == '+';
	*max = 1;
	*end = i;
	if (*open || c == '?')
		return true;
	if (c != '{' || !number(r, &i, min))
		return false;
	*max = *min;
	if (i < r->s.n && r->s.p[i] == ',') {
		i++;
		*open = !number(r, &i, max);
	}
	if (i >= r->s.n || r->s.p[i] != '}')
		return false;
	*end = i + 1;
	return true;
}

static struct re *
piece(struct regex_reader *r)
{
	size_t from = r->i, end;
	char c = r->s.p[r->i];
	struct re *n = NULL;
	unsigned min, max;
	bool open;

	if (c == '(') {
		n = group(r);
	} else if (c == '[') {
		n = bracket(r);
	} else if (c == '\\') {
		n = escape(r);
	} else if (c == '^' || c == '$') {
		r->i++;
		n = new_re(r, RE_EDGE);
	} else if (c == '.') {
		r->i++;
		n = new_re(r, RE_SET);
		if (n) {
			add_range(n->set, 0, 255);
			set_bytes(r, n);
		}
	} else {
		uint32_t cp;
		one_character(r, &cp);
		n = character(r, cp);
	}
	if (r->failed || !n || !quantifier(r, &min, &max, &open, &end))
		return n;
	if (open) {
		max = n->kind == RE_SET ? REGEX_OPEN : REGEX_OPEN_GROUP;
		max = max < min ? min : max;
		buf_span(&r->out, span_cut(r->s, r->copied, r->i));
		buf_printf(&r->out, "{%u,%u}", min, max);
		r->copied = end;
	}
	r->i = end;
	struct re *q = new_re(r, RE_REPEAT);
	if (!q)
		return NULL;
	if (r->i < r->s.n && (r->s.p[r->i] == '?' || r->s.p[r->i] == '+'))
		q->possessive = r->s.p[r->i++] == '+';
	q->child = n;
	q->min = min;
	q->max = max;
	if (quantifier(r, &min, &max, &open, &end))
		regex_refuse(r, from, "a repetition of a repetition: use ( )");
	return q;
}

static struct re *
sequence(struct regex_reader *r)
{
	struct re *n = new_re(r, RE_CAT), **end = n ? &n->child : NULL;

	while (n && !r->failed && r->i < r->s.n && r->s.p[r->i] != '|' && r->s.p[r->i] != ')') {
		*end = piece(r);
		if (*end)
			end = &(*end)->next;
	}
	return n;
}

static struct re *
alternatives(struct regex_reader *r)
{
	bool caseless = r->caseless;
	struct re *n = new_re(r, RE_ALT), **end = n ? &n->child : NULL;

	while (n && !r->failed) {
		*end = sequence(r);
		if (!*end)
			return NULL;
		end = &(*end)->next;
		if (r->i >= r->s.n || r->s.p[r->i] != '|')
			break;
		r->i++;
	}
	r->caseless = caseless;
	return n && n->child && !n->child->next ? n->child : n;
}

const struct re *
regex_read(struct regex_reader *r)
{
	const struct re *root = alternatives(r);

	if (!r->failed && r->i < r->s.n)
		regex_refuse(r, r->i, "an unmatched )");
	buf_span(&r->out, span_cut(r->s, r->copied, r->s.n));
	buf_putc(&r->out, 0);
	return root;
}
