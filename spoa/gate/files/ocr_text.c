/* Corrects what OCR reads wrongly in account numbers, keys, addresses and URLs.
 *
 * Each corrector is given the place of a line where its value can begin. It writes the value as
 * it may have been, and returns the number of bytes that the value has in the text, or 0. A
 * value that needs no correction is not written, because the detectors find it in the text. */
#include "gate/files/ocr_text.h"

#include "base/ascii.h"
#include "base/scoped.h"
#include "scan/detect/validate/check.h"

enum {
	VALUE_MOST = 512, /* bytes of a value */
	BEFORE_MOST = 40, /* bytes before a value that are written with it */
};

/* The characters of a value with their places in the text, without the spaces. */
struct glyphs {
	char c[40];
	size_t at[40]; /* offset behind the character */
	size_t n;
};

static bool
is_word_end(struct span s, size_t at)
{
	return at >= s.n || !is_alnum(s.p[at]);
}

/* ---- confusions ---- */

/* Returns the digit that looks like c, or 0. */
static char
shape_digit(char c)
{
	static const char pairs[] = "O0o0Q0D0@0I1l1|1i1!1T1Z2z2S5s5G6B8g9q9";

	for (const char *p = pairs; *p; p += 2)
		if (*p == c)
			return p[1];
	return is_digit(c) ? c : 0;
}

/* Returns the capital letter that looks like c, or 0. */
static char
shape_letter(char c)
{
	static const char pairs[] = "0O@O1I|I!I2Z5S6G8B";

	for (const char *p = pairs; *p; p += 2)
		if (*p == c)
			return p[1];
	return is_alpha(c) ? to_upper(c) : 0;
}

/* Returns true if OCR may read one character of this shape as both. */
static bool
are_twins(char a, char b)
{
	static const char pairs[] = "IJ1I1J5S3S8B0O2Z6G1T";

	a = to_upper(a);
	b = to_upper(b);
	for (const char *p = pairs; *p; p += 2)
		if ((p[0] == a && p[1] == b) || (p[0] == b && p[1] == a))
			return true;
	return false;
}

static void
drop_glyph(struct glyphs *g, size_t i)
{
	memmove(g->c + i, g->c + i + 1, g->n - i - 1);
	memmove(g->at + i, g->at + i + 1, (g->n - i - 1) * sizeof(*g->at));
	g->n--;
}

/* ---- account numbers: ISO 13616 ---- */

/* The national part of an IBAN by the SWIFT registry: n digits, a capital letters, c either.
 * Countries whose part has few fixed classes are left out. */
static const char *const iban_forms[] = { "AD8n12c", "AT16n", "BA16n", "BE12n", "BG4a6n8c",
	"CH5n12c", "CY8n16c", "CZ20n", "DE18n", "DK14n", "EE16n", "ES20n", "FI14n", "FO14n",
	"FR10n11c2n", "GB4a14n", "GE2a16n", "GI4a15c", "GL14n", "GR7n16c", "HR17n", "HU24n",
	"IE4a14n", "IL19n", "IS22n", "IT1a10n12c", "LI5n12c", "LT16n", "LU3n13c", "LV4a13c",
	"MC10n11c2n", "ME18n", "MK3n10c2n", "MR23n", "NL4a10n", "NO11n", "PL24n", "PT21n",
	"RO4a16c", "RS18n", "SE20n", "SI15n", "SK20n", "SM1a10n12c", "TN20n", "TR6n16c",
	"VA18n", "XK16n" };

/* Writes the class of each character of the country's IBAN to `to`. Returns its length, or 0.
 */
static size_t
iban_classes(const char *country, char to[40])
{
	for (size_t i = 0; i < COUNT_OF(iban_forms); i++) {
		const char *p = iban_forms[i];
		if (p[0] != country[0] || p[1] != country[1])
			continue;
		size_t n = 4;
		memcpy(to, "aann", 4);
		for (p += 2; *p; p++) {
			size_t count = 0;
			for (; is_digit(*p); p++)
				count = count * 10 + (size_t)(*p - '0');
			memset(to + n, *p, count);
			n += count;
		}
		return n;
	}
	return 0;
}

/* Reads at most `most` characters from `at` on, in groups between single spaces. */
static void
read_glyphs(struct span s, size_t at, size_t most, struct glyphs *g)
{
	g->n = 0;
	for (; at < s.n && g->n < most; at++) {
		if (s.p[at] == ' ' && g->n && at + 1 < s.n && s.p[at + 1] != ' ')
			continue;
		if (!is_alnum(s.p[at]) && !strchr("@|!", s.p[at]))
			return;
		g->c[g->n] = s.p[at];
		g->at[g->n++] = at + 1;
	}
}

/* Gives each character the class that its place has. Returns false if one has no character of
 * that class with its shape. */
static bool
force_classes(char *v, const char *classes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char as = classes[i] == 'n' ? shape_digit(v[i]) : shape_letter(v[i]);
		if (classes[i] == 'c')
			as = v[i] == '@'		  ? '0'
			     : v[i] == '|' || v[i] == '!' ? '1'
							  : to_upper(v[i]);
		if (!as)
			return false;
		v[i] = as;
	}
	return true;
}

/* Returns the next character that OCR may have read as c in this class, after `last`, which is
 * 0 at first; or 0. A 0 with a stroke is read as 6, 8 or 9. */
static char
other_glyph(char c, char class, char last)
{
	static const struct {
		char seen, class;
		const char *others;
	} table[] = { { '6', 'n', "0" }, { '8', 'n', "0" }, { '9', 'n', "0" },
		{ '0', 'n', "68" }, { '0', 'c', "O6" }, { 'O', 'c', "0" }, { '1', 'c', "I" },
		{ 'I', 'c', "1J" }, { '5', 'c', "S" }, { 'S', 'c', "5" }, { '8', 'c', "B0" },
		{ 'B', 'c', "8" }, { '2', 'c', "Z" }, { 'Z', 'c', "2" }, { '6', 'c', "G0" },
		{ 'G', 'c', "6" }, { 'I', 'a', "J" } };

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		if (table[i].seen != c || table[i].class != class)
			continue;
		const char *p = last ? strchr(table[i].others, last) + 1 : table[i].others;
		return *p;
	}
	return 0;
}

/* Changes at most `changes` characters from `from` on, so that the checksum is valid. A change
 * is a guess that succeeds by chance once in 97 times, so few are tried: *tries are left. */
static bool
change_to_valid(
	char *v, const char *classes, size_t n, size_t from, unsigned changes, unsigned *tries)
{
	if (iban_valid(v, n))
		return true;
	for (size_t i = from; changes && i < n; i++) {
		char kept = v[i];
		for (char as = 0; *tries && (as = other_glyph(kept, classes[i], as));) {
			(*tries)--;
			v[i] = as;
			if (change_to_valid(v, classes, n, i + 1, changes - 1, tries))
				return true;
		}
		v[i] = kept;
	}
	return false;
}

static bool
iban_of(struct glyphs g, const char *classes, size_t want, char *v)
{
	enum { TRIES = 12 };

	for (unsigned changes = 0; changes <= 2; changes++) {
		unsigned tries = TRIES;
		memcpy(v, g.c, want);
		if (!force_classes(v, classes, want))
			return false;
		if (change_to_valid(v, classes, want, 0, changes, &tries))
			return true;
	}
	return false;
}

static size_t
correct_iban(struct span s, size_t at, struct buf *out)
{
	char classes[40], v[40], country[2];
	struct glyphs g;

	if (at + 15 > s.n || !is_upper(s.p[at]) || !is_upper(s.p[at + 1]))
		return 0;
	memcpy(country, s.p + at, 2);
	size_t want = iban_classes(country, classes);
	if (!want)
		return 0;
	read_glyphs(s, at, want + 1, &g);
	if (g.n < want)
		return 0;
	/* one character more: OCR may have read one shape as two characters */
	bool longer = g.n > want && g.at[want] == g.at[want - 1] + 1;
	if (longer && !is_word_end(s, g.at[want]))
		return 0;
	size_t end = longer ? g.at[want] : g.at[want - 1];
	bool found = !longer && iban_of(g, classes, want, v);
	for (size_t i = 2; longer && !found && i + 1 < g.n; i++) {
		struct glyphs fewer = g;
		for (size_t k = i; k <= i + 1 && !found && are_twins(g.c[i], g.c[i + 1]); k++) {
			fewer = g;
			drop_glyph(&fewer, k);
			memcpy(v, fewer.c, want);
			found = force_classes(v, classes, want) && iban_valid(v, want);
		}
	}
	if (!found)
		return 0;
	/* the detectors read an IBAN in groups */
	if (longer || memcmp(v, g.c, want) != 0 || (s.p[at + 2] == ' ' && s.p[at + 3] != ' '))
		buf_put(out, v, want);
	return end - at;
}

/* ---- keys with a fixed prefix ---- */

/* AWS IAM user guide, "Unique identifiers": the prefix and 16 characters of base32. */
static size_t
correct_aws_id(struct span s, size_t at, struct buf *out)
{
	enum { LENGTH = 20 };
	struct glyphs g;
	unsigned spaces = 0, digits = 0, changes = 0;

	if (s.p[at] != 'A' || at + LENGTH > s.n || (s.p[at + 1] != 'K' && s.p[at + 1] != 'S'))
		return 0;
	read_glyphs(s, at, LENGTH + 3, &g);
	if (g.n < LENGTH || !strchr("I1lT|", g.c[2]) || !strchr("A4", g.c[3]))
		return 0;
	/* the value ends with the first word that makes it long enough */
	while (g.n > LENGTH && g.at[g.n - 1] != g.at[g.n - 2] + 1)
		g.n--;
	for (size_t i = LENGTH; i < g.n; i++)
		if (g.at[i] != g.at[i - 1] + 1) {
			g.n = i;
			break;
		}
	size_t end = g.at[g.n - 1];
	if (!is_word_end(s, end))
		return 0;
	for (size_t i = 1; i < g.n; i++)
		spaces += g.at[i] != g.at[i - 1] + 1;
	g.c[2] = 'I';
	g.c[3] = 'A';
	for (size_t i = 4; i < g.n; i++) {
		char c = g.c[i];
		digits += c >= '2' && c <= '7';
		g.c[i] = c >= '2' && c <= '7' ? c : shape_letter(c);
		changes += g.c[i] != c;
		if (!g.c[i])
			return 0;
	}
	/* from the end: OCR reads one shape as two characters */
	for (size_t i = g.n; i-- > 5 && g.n > LENGTH;)
		if (are_twins(g.c[i - 1], g.c[i])) {
			drop_glyph(&g, is_digit(g.c[i])	      ? i - 1
				       : is_digit(g.c[i - 1]) ? i
				       : g.c[i] == 'I'	      ? i
							      : i - 1);
			i--;
			changes++;
		}
	bool named = g.c[1] == 'K'; /* no word begins so */
	if (g.n != LENGTH || changes + spaces > 5 || spaces > 1 ||
		(!named && (spaces || !digits)))
		return 0;
	if (changes || spaces || memcmp(g.c, s.p + at, 4) != 0)
		buf_put(out, g.c, LENGTH);
	return end - at;
}

/* Keys of one length whose only mistake is a space inside. */
static size_t
correct_key(struct span s, size_t at, struct buf *out)
{
	static const struct {
		struct span prefix;
		size_t rest;
	} keys[] = { { { "ghp_", 4 }, 36 }, { { "gho_", 4 }, 36 }, { { "ghu_", 4 }, 36 },
		{ { "ghs_", 4 }, 36 }, { { "ghr_", 4 }, 36 }, { { "npm_", 4 }, 36 },
		{ { "AIza", 4 }, 35 }, { { "glpat-", 6 }, 20 }, { { "sk_live_", 8 }, 24 },
		{ { "hf_", 3 }, 34 }, { { "dop_v1_", 7 }, 64 } };
	char v[80];
	size_t n = 0, spaces = 0, i;

	for (i = 0; i < COUNT_OF(keys); i++)
		if (span_starts(span_cut(s, at, s.n), keys[i].prefix))
			break;
	if (i == COUNT_OF(keys))
		return 0;
	size_t want = keys[i].prefix.n + keys[i].rest, end = at;
	for (; end < s.n && n < want; end++) {
		char c = s.p[end];
		if (c == ' ' && ++spaces <= 2)
			continue;
		if (!is_alnum(c) && c != '_' && c != '-')
			return 0;
		v[n++] = c;
	}
	if (n < want || !is_word_end(s, end))
		return 0;
	if (spaces)
		buf_put(out, v, n);
	return end - at;
}

/* ---- URLs and addresses ---- */

/* Skips spaces, at most one before each of the characters in `word`. Returns the offset behind
 * the word, or 0. */
static size_t
skip_spaced(struct span s, size_t at, const char *word)
{
	for (; *word; word++, at++) {
		at += at < s.n && s.p[at] == ' ';
		if (at >= s.n || s.p[at] != *word)
			return 0;
	}
	return at;
}

/* Returns true if the word from `at` on has an @ that is not its last character. */
static bool
has_at_inside(struct span s, size_t at)
{
	for (; at + 1 < s.n && s.p[at] != ' '; at++)
		if (s.p[at] == '@')
			return true;
	return false;
}

/* url = scheme "://" user ":" password "@" host, with spaces beside its punctuation, and at
 * most one inside of the password. */
static size_t
correct_url(struct span s, size_t at, struct buf *out)
{
	static const char *const plain[] = { "http", "https", "ws", "wss" };
	char v[VALUE_MOST];
	size_t n = 0, i = at;
	bool colon = false, seen_at = false, changed = false, inside = false;

	while (i < s.n && i - at < 24 && (is_alnum(s.p[i]) || s.p[i] == '+')) {
		v[n++] = to_lower(s.p[i]);
		i++;
	}
	size_t rest = n > 2 ? skip_spaced(s, i, "://") : 0;
	if (!rest)
		return 0;
	bool web = SPAN_IN(span_of(v, n), plain);
	changed = rest - i != 3;
	memcpy(v + n, "://", 3);
	n += 3;
	for (i = rest; i < s.n && n < sizeof(v); i++) {
		char c = s.p[i], before = v[n - 1], next = i + 1 < s.n ? s.p[i + 1] : ' ';
		if (c != ' ' && ((unsigned char)c < ' ' || strchr("\"'<>`", c)))
			break;
		if (c != ' ') {
			colon |= c == ':' && !seen_at;
			seen_at |= c == '@' && colon;
			if (seen_at && strchr("/?#", c))
				break;
			v[n++] = c;
			continue;
		}
		bool beside = strchr(seen_at ? ".:@" : ":@/", before) ||
			      strchr(seen_at ? ".:@" : ":@", next);
		if (next == ' ' || (!beside && (inside || web || !colon || seen_at ||
						       !has_at_inside(s, i + 1))))
			break;
		inside |= !beside;
		changed = true;
	}
	if (!seen_at || v[n - 1] == '@')
		return 0;
	if (changed)
		buf_put(out, v, n);
	return i - at;
}

/* address = name "@" host, with a space after the @ or beside the last dot. */
static size_t
correct_address(struct span s, size_t at, struct buf *out)
{
	char v[VALUE_MOST];
	size_t n = 0, i = at, dots = 0;
	bool changed = false;

	while (i < s.n && n < 64 && (is_alnum(s.p[i]) || strchr("._%+-", s.p[i])))
		v[n++] = s.p[i++];
	if (!n || i >= s.n || s.p[i] != '@')
		return 0;
	v[n++] = s.p[i++];
	for (; i < s.n && n < 200; i++) {
		char c = s.p[i], before = v[n - 1], next = i + 1 < s.n ? s.p[i + 1] : ' ';
		if (is_alnum(c) || c == '-' || c == '.') {
			dots += c == '.';
			v[n++] = c;
		} else if (c == ' ' &&
			   (before == '@' || (before == '.' && dots == 1) ||
				   (next == '.' && !dots)) &&
			   (is_lower(next) || (next == '.' && !dots))) {
			changed = true;
		} else {
			break;
		}
	}
	while (n && (v[n - 1] == '.' || v[n - 1] == '-'))
		n--;
	if (!changed || !dots || v[n - 1] == '@')
		return 0;
	buf_put(out, v, n);
	return i - at;
}

/* ---- lines ---- */

void
ocr_text_correct(struct span text, struct buf *out)
{
	static size_t (*const correctors[])(struct span, size_t, struct buf *) = { correct_url,
		correct_iban, correct_aws_id, correct_key, correct_address };

	while (text.n) {
		struct span line = span_next(&text, '\n');
		size_t written = 0; /* end of the last corrected value */
		for (size_t at = 0; at < line.n; at++) {
			if (!is_alnum(line.p[at]) || (at && is_alnum(line.p[at - 1])))
				continue;
			size_t took = 0;
			for (size_t i = 0; i < COUNT_OF(correctors) && !took; i++) {
				SCOPED_BUF(value, VALUE_MOST);
				took = correctors[i](line, at, &value);
				if (!value.n)
					continue;
				size_t from =
					at - written > BEFORE_MOST ? at - BEFORE_MOST : written;
				buf_span(out, span_cut(line, from, at));
				written = at + took;
				buf_span(out, buf_view(&value));
				buf_putc(out, '\n');
			}
			at += took ? took - 1 : 0;
		}
	}
}
