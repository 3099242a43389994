/* Reads the value after a key: determines its end, and whether it is a secret or something
 * written in place of a secret. A password may contain any sign. Therefore code and not a
 * pattern determines the end: a part of a password that is left over would be a leak. The memo
 * keeps counts and places that the values of one text share, so that a scan reads each byte
 * once. */
#include "scan/detect/validate/check_value.h"

#include <math.h>
#include <string.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/effort.h"
#include "base/utf8.h"
#include "scan/detect/validate/check.h"
#include "scan/detect/validate/value_memo.h"

/* ---- the memo of a scan ---- */

enum {
	COUNTED_MAX = 2048, /* bytes of a value; a longer one is counted without the memo */
	TYPE_BYTES = 8,	    /* the longest name of a type with digits, with its "?" */
};

static uint64_t terms[COUNTED_MAX + 1]; /* n: n * log2(n), in units of 2^-32 */
static float logs[COUNTED_MAX + 1];	/* n: log2(n) */

__attribute__((constructor)) static void
fill_terms(void)
{
	for (unsigned n = 1; n <= COUNTED_MAX; n++) {
		terms[n] = (uint64_t)llround(n * log2(n) * 0x1p32);
		logs[n] = log2f((float)n);
	}
}

static size_t *
mix_member(struct mix *m, char c)
{
	if (is_lower(c))
		return &m->lower;
	if (is_upper(c))
		return &m->upper;
	if (is_digit(c))
		return &m->digit;
	return is_high(c) ? &m->foreign : &m->other;
}

struct mix
mix_of(struct span s)
{
	struct mix m = { 0 };

	effort_add(s.n);
	for (size_t i = 0; i < s.n; i++) {
		m.lower += is_lower(s.p[i]);
		m.upper += is_upper(s.p[i]);
		m.digit += is_digit(s.p[i]);
		m.foreign += is_high(s.p[i]);
	}
	m.other = s.n - m.foreign - m.lower - m.upper - m.digit;
	return m;
}

static void
count_byte(struct value_counts *k, char c)
{
	uint16_t *n = &k->of[(unsigned char)c];

	k->sum += terms[*n + 1] - terms[*n];
	++*n;
	++*mix_member(&k->mix, c);
}

static void
discount_byte(struct value_counts *k, char c)
{
	uint16_t *n = &k->of[(unsigned char)c];

	k->sum -= terms[*n] - terms[*n - 1];
	--*n;
	--*mix_member(&k->mix, c);
}

static void
counts_move(struct value_counts *k, struct span s)
{
	const char *end = s.p + s.n;

	if (k->from == s.p && k->to == end)
		return;
	if (!k->from || s.p >= k->to || end <= k->from || s.p < k->from) {
		*k = (struct value_counts){ .from = s.p, .to = s.p };
		effort_add(32);
	}
	effort_add(2 * (size_t)(s.p - k->from) +
		   2 * (size_t)(end > k->to ? end - k->to : k->to - end));
	while (k->to > end)
		discount_byte(k, *--k->to);
	while (k->from < s.p)
		discount_byte(k, *k->from++);
	while (k->to < end)
		count_byte(k, *k->to++);
}

struct mix
value_counts(struct value_memo *m, struct span s)
{
	if (s.n == 0 || s.n > COUNTED_MAX)
		return mix_of(s);
	counts_move(&m->counts, s);
	return m->counts.mix;
}

float
value_entropy(struct value_memo *m, struct span s)
{
	if (s.n == 0 || s.n > COUNTED_MAX)
		return shannon_entropy(s);
	counts_move(&m->counts, s);
	return logs[s.n] - (float)((double)m->counts.sum * 0x1p-32 / (double)s.n);
}

bool
value_has_any(struct value_memo *m, struct span s, const char *set)
{
	bool counted = s.n && s.n <= COUNTED_MAX;

	if (counted)
		counts_move(&m->counts, s);
	for (; *set; set++)
		if (counted ? m->counts.of[(unsigned char)*set] > 0 : span_chr(s, *set) < s.n)
			return true;
	return false;
}

bool
value_holds(struct value_place *memo, struct span text, struct span s, value_begins_fn *begins)
{
	const char *end = s.p + s.n, *text_end = text.p + text.n;
	size_t n = 0;

	if (!memo->from || s.p < memo->from || s.p > memo->to)
		*memo = (struct value_place){ .from = s.p, .to = s.p };
	const char *p = memo->to;
	for (; !memo->start && p < end; p++) {
		n = begins(span_of(p, (size_t)(text_end - p)));
		if (!n)
			continue;
		memo->start = p;
		memo->end = p + n;
		break;
	}
	effort_add((size_t)(p - memo->to));
	memo->to = p;
	if (!memo->start || memo->start >= end)
		return false;
	if (memo->end <= end)
		return true;
	/* The first place reaches beyond s; a shorter one may begin after it. */
	for (p = memo->start; p < end; p++) {
		n = begins(span_of(p, (size_t)(end - p)));
		effort_add(1);
		if (n)
			return true;
	}
	return false;
}

/* ---- the text around a value ---- */

static bool
is_blank_or_end(struct span t, size_t i)
{
	return i >= t.n || is_space(t.p[i]);
}

/* Returns true if a key and its separator begin at i, as in "&user=", "; Encrypt=", ", port:". */
static bool
next_key_at(struct span t, size_t i)
{
	size_t from;

	while (i < t.n && (t.p[i] == ' ' || is_quote(t.p[i])))
		i++;
	for (from = i; i < t.n && i - from < 40 &&
		       (is_word(t.p[i]) || (i > from && is_one_of(t.p[i], " .-")));)
		i++;
	if (i < t.n && is_quote(t.p[i]))
		i++;
	return i > from && i < t.n && is_alpha(t.p[from]) && (t.p[i] == '=' || t.p[i] == ':');
}

/* Returns true if a tag of HTML, or an end tag of XML, begins at i. */
static bool
tag_at(struct span t, size_t i)
{
	static const char *const tags[] = { "br", "p", "b", "i", "u", "a", "td", "tr", "th",
		"dd", "dt", "dl", "li", "ul", "ol", "em", "hr", "div", "span", "code", "pre",
		"strong", "table", "small", "font" };

	if (i + 2 >= t.n || t.p[i] != '<')
		return false;
	if (t.p[i + 1] == '!' || (t.p[i + 1] == '/' && is_alpha(t.p[i + 2])))
		return true;
	size_t from = i + 1, to = span_past(span_cut(t, 0, from + 8), from, is_alpha);
	return to < t.n && is_one_of(t.p[to], "> /") &&
	       SPAN_AMONG(span_cut(t, from, to), tags, span_ieq);
}

/* Returns the offset of the first space character in [from, to), or `to`. */
static size_t
blank_in(struct span t, size_t from, size_t to)
{
	while (from < to && !is_space(t.p[from]))
		from++;
	return from;
}

static bool
entity_at(struct span t, size_t i)
{
	static const char *const names[] = { "&quot;", "&#34;", "&#39;", "&apos;", "&lt;",
		"&gt;", "&nbsp;" };

	return SPAN_AMONG(span_cut(t, i, t.n), names, span_starts);
}

/* ---- the end ---- */

/* Returns the offset of the closing quote for the opening quote at c->start - 1, or 0. */
static size_t
closing_quote(const struct candidate *c)
{
	struct span t = span_cut(c->text, 0, c->end);
	char quote = c->start ? t.p[c->start - 1] : 0;
	bool escaped = c->start > 1 && t.p[c->start - 2] == '\\';

	if (c->start >= 6 && span_ends(span_cut(t, 0, c->start), SPAN_LIT("&quot;"))) {
		const char *p = memmem(t.p + c->start, t.n - c->start, "&quot;", 6);
		return p ? (size_t)(p - t.p) : 0;
	}
	if (!is_quote(quote))
		return 0;
	for (size_t i = c->start; i < t.n && t.p[i] != '\n'; i++) {
		if (t.p[i] == '\\' && i + 1 < t.n) {
			if (escaped && t.p[i + 1] == quote)
				return i;
			i++;
		} else if (!escaped && t.p[i] == quote) {
			return i;
		}
	}
	return 0;
}

/* Returns true if the byte at i ends a value without quotes. `lone`: the key is not in a list
 * of keys, in which a semicolon separates the value from the next key. */
static bool
ends_bare(struct span t, size_t i, bool lone)
{
	switch (t.p[i]) {
	case ' ':
	case '\t':
	case '\r':
	case '\n':
	case '`': return true;
	case '"':
	case '\'': return is_blank_or_end(t, i + 1) || is_one_of(t.p[i + 1], ",;:)}].>|&\\+/");
	case ',':
	case ';':
		return is_blank_or_end(t, i + 1) || is_quote(t.p[i + 1]) ||
		       (!(lone && t.p[i] == ';') && next_key_at(t, i + 1));
	case '|': return is_blank_or_end(t, i + 1) || t.p[i + 1] == '|';
	case '&': return next_key_at(t, i + 1) || entity_at(t, i);
	case '<': return tag_at(t, i);
	case '\\':
		if (i + 1 < t.n && is_quote(t.p[i + 1]))
			return true;
		return i + 1 < t.n && is_one_of(t.p[i + 1], "nrt") &&
		       (is_blank_or_end(t, i + 2) || is_one_of(t.p[i + 2], "\\\"'`;,") ||
			       next_key_at(t, i + 2));
	default: return false;
	}
}

/* Returns true if the character at i ends a value in ASCII: a letter of another script than Latin
 * or a sign of one, a dash. Signs of keyboards may be in passwords: £, §, €. */
static bool
ends_alphabet(struct span t, size_t i)
{
	unsigned char c = (unsigned char)t.p[i];
	unsigned char next = i + 1 < t.n ? (unsigned char)t.p[i + 1] : 0;

	if (c == 0xC2) /* a no-break space, « · » */
		return next == 0xA0 || next == 0xAB || next == 0xB7 || next == 0xBB;
	return c >= 0xCA && !utf8_latin_at(t, i) && !(c == 0xE2 && next == 0x82); /* currencies */
}

/* Returns the end of the value without quotes that begins at c->start, at most `stop`. */
static size_t
bare_end(const struct candidate *c, size_t stop, bool lone)
{
	struct value_memo *m = &c->memo->values;
	size_t at = c->start;
	bool ascii = at < c->text.n && !is_high(c->text.p[at]);

	if (m->bare.lone != lone || at < m->bare.from || at > m->bare.to) {
		m->bare.from = m->bare.to = at;
		m->bare.lone = lone;
	}
	for (at = m->bare.to; at < stop && !ends_bare(c->text, at, lone) &&
			     !(ascii && is_high(c->text.p[at]) && ends_alphabet(c->text, at));)
		at++;
	effort_add(2 * (at - m->bare.to));
	m->bare.to = at;
	return at < stop ? at : stop;
}

/* Returns the end without punctuation of the sentence or code around, and without brackets that
 * were opened before the value. */
static size_t
without_tail(struct span t, size_t start, size_t end)
{
	while (end > start + 1) {
		char last = t.p[end - 1];
		char open = last == ')' ? '(' : last == ']' ? '[' : last == '}' ? '{' : 0;
		if (open && span_chr(span_cut(t, start, end), open) == end - start)
			end--;
		else if (is_one_of(last, ".:,;"))
			end--;
		else
			break;
	}
	return end;
}

/* Returns true if the key is the first on its line. */
static bool
begins_line(const struct candidate *c)
{
	size_t i = c->match;

	while (i > 0 && c->match - i < 64 &&
		(is_word(c->text.p[i - 1]) || is_one_of(c->text.p[i - 1], ".- \t*>")))
		i--;
	return i == 0 || c->text.p[i - 1] == '\n';
}

/* Returns true if the key is the name of a variable, as in ${NAME:-default}. */
static bool
in_braces(const struct candidate *c)
{
	size_t i = span_back(c->text, c->match, c->match > 64 ? c->match - 64 : 0, is_word);

	return i > 1 && c->text.p[i - 1] == '{' && c->text.p[i - 2] == '$';
}

/* Returns where the value begins. It includes signs that the pattern matched as a part of the
 * separator, as in PASSWORD==x, :*x. */
static size_t
value_begins(const struct candidate *c)
{
	size_t i = c->start;

	if (c->whole) { /* key=value */
		const char *p = memchr(c->text.p + c->match, '=', c->start - c->match);
		for (i = p ? (size_t)(p - c->text.p) + 1 : c->start; i < c->start; i++)
			if (is_alnum(c->text.p[i]))
				return c->start;
		return p ? (size_t)(p - c->text.p) + 1 : c->start;
	}
	if (in_braces(c)) /* ${NAME:-default} */
		return i + (c->text.p[i] == '-' || c->text.p[i] == '=');
	i = span_back_set(c->text, i, c->match + 1, "*=_[");
	return i < c->start && c->text.p[i] == '=' ? i + 1 : i;
}

/* ---- the separator between key and value ---- */

static void
read_separator(const struct candidate *c, struct value *v)
{
	struct span t = c->text;
	size_t i = span_back_set(t, c->start, c->match, " \t\r\n\"'`\\*_");

	if (i > c->match && i < c->start && is_quote(t.p[i]) && is_one_of(t.p[i - 1], "bru@"))
		i--; /* r"…" */
	/* the header of a block scalar with its lines below (YAML 1.2, 8.1.1) */
	size_t head = span_back_set(t, i, c->match + 1, " |>+-");
	if (memchr(t.p + i, '\n', c->start - i) && t.p[head - 1] == ':')
		i = head;
	i = span_back(t, i, c->match, is_space);
	v->sep = i > c->match ? t.p[i - 1] : 0;
	i = span_back_set(t, i, c->match, "=:");
	if (v->sep != '=' && v->sep != ':' && i > c->match)
		i--;
	v->spaced = i > c->match && is_one_of(t.p[i - 1], " \t");
}

struct value
value_read(struct candidate *c)
{
	struct value v = { 0 };
	size_t close = c->whole ? 0 : closing_quote(c), end = c->start;

	effort_add(48); /* the key, read backwards */
	read_separator(c, &v);
	if (c->whole && blank_in(c->text, c->start, c->text.n) == c->text.n) {
		/* a separate field: the whole text is the value */
		c->start = value_begins(c);
		c->end = c->text.n;
		v.quoted = true;
	} else if (close) {
		c->end = close;
		v.quoted = true;
		/* Only the first word is judged, because sentences are in quotes too. */
		v.s = span_cut(c->text, c->start, blank_in(c->text, c->start, close));
		effort_add(2 * (close - c->start));
		return v;
	} else {
		struct span t = c->text;
		size_t stop = c->end;
		bool lone = begins_line(c), braces = in_braces(c);
		c->start = value_begins(c);
		end = bare_end(c, stop, lone);
		if (braces)
			end = c->start + span_chr(span_cut(t, c->start, end), '}');
		c->end = without_tail(t, c->start, end);
	}
	v.s = span_cut(c->text, c->start, c->end);
	return v;
}

bool
value_is_prose(const struct candidate *c)
{
	enum { LONG = 15 }; /* check_generic() tests whether so many letters are random */
	struct span t = c->text;
	size_t at = c->start, words = 0;

	if (c->whole || at == 0 || !is_one_of(t.p[at - 1], " \t\n"))
		return false;
	at = span_past(t, at, is_alpha);
	if (at == c->start || at - c->start >= LONG)
		return false;
	at = span_past_set(t, at, ".,:;");
	/* The next words must follow: in "secret: string = …" they show that the word is a type. */
	while (at < t.n && is_blank_or_end(t, at)) {
		at = span_past(t, at, is_space);
		size_t end = blank_in(t, at, t.n);
		if (end == at || end == t.n)
			return false;
		if (++words == 2)
			return true;
		at = end;
	}
	return false;
}

/* Returns true if tags separate key and value. The value is then between tags: an end tag is
 * before it, or the tag before it is closed after it. */
static bool
tag_parts(const struct candidate *c)
{
	struct span t = c->text;
	size_t close = c->match + span_behind(span_cut(t, c->match, c->start), '>');
	size_t least = close > 80 ? close - 80 : 0;
	size_t i = least + span_behind(span_cut(t, least, close), '<');

	if (i == 0 || t.p[i - 1] != '<' || i >= close)
		return false;
	if (t.p[i] == '/')
		return true;
	for (size_t k = c->end; k < t.n && k - c->end < 16; k++) {
		if (t.p[k] == '<')
			return k + 1 < t.n && t.p[k + 1] == '/';
		if (!is_space(t.p[k]))
			return false;
	}
	return false;
}

/* Returns true if the line of the candidate is a row of a table that is drawn with '|'. */
static bool
is_table_row(const struct candidate *c)
{
	size_t least = c->match > 256 ? c->match - 256 : 0;
	size_t i = least + span_behind(span_cut(c->text, least, c->match), '\n');

	i = span_past_set(span_cut(c->text, 0, c->match), i, " \t>");
	return c->text.p[i] == '|';
}

/* Returns true if the key is a literal and the first of a list: set("password", "…"). */
static bool
is_first_literal(const struct candidate *c)
{
	struct span t = c->text;
	const char *comma = memrchr(t.p + c->match, ',', c->start - c->match);
	size_t i = comma ? (size_t)(comma - t.p) : c->match;

	i = span_back_set(t, i, c->match, " \t");
	if (i == c->match || !is_quote(t.p[i - 1]))
		return false;
	for (i = c->match; i > 0 && c->match - i < 64 && !is_quote(t.p[i - 1]);)
		i--;
	i = span_back(t, i > 0 ? i - 1 : 0, 0, is_space);
	return i > 0 && is_one_of(t.p[i - 1], "([{");
}

bool
value_is_assigned(const struct candidate *c, const struct value *v)
{
	struct span t = c->text;

	if (c->whole)
		return true;
	switch (v->sep) {
	case ',': return v->quoted && is_first_literal(c);
	case '|': return is_table_row(c);
	case '>': {
		const char *p = memrchr(t.p + c->match, '>', c->start - c->match);
		size_t i = p ? (size_t)(p - t.p) : 0;
		return p && ((i > 0 && t.p[i - 1] == '=') || tag_parts(c));
	}
	case ':': { /* Pass::name */
		const char *p = memrchr(t.p + c->match, ':', c->start - c->match);
		return p && p > t.p && p[-1] != ':';
	}
	default: return true;
	}
}

/* ---- names of programs ---- */

/* The words of a name in camelCase or snake_case, and their characters. If `name` is false, the
 * counts end at the first byte that cannot be in a name. */
struct words_seen {
	size_t words, letters, digits;
	size_t capitals, inside; /* inside: runs of digits with a letter at both ends */
	bool name;		 /* the text consists of the characters of names */
};

static struct words_seen
words_of(struct span s)
{
	struct words_seen w = { .name = s.n > 0 && !is_digit(s.p[0]) };

	for (size_t i = 0; w.name && i < s.n; i++) {
		w.name = is_word(s.p[i]);
		w.digits += is_digit(s.p[i]);
		if (!is_alpha(s.p[i]))
			continue;
		w.letters++;
		w.capitals += is_upper(s.p[i]);
		for (size_t k = i; k > 0 && is_digit(s.p[k - 1]); k--)
			w.inside += k > 1 && is_alpha(s.p[k - 2]);
		bool before = i > 0 && is_alpha(s.p[i - 1]);
		/* fooBar, XMLFile */
		w.words += !before ||
			   (is_upper(s.p[i]) && (is_lower(s.p[i - 1]) ||
							(i + 1 < s.n && is_lower(s.p[i + 1]))));
	}
	return w;
}

/* Returns true if digits stand among letters at random: base32 in capitals, or in mixed case
 * more digits than Base64ToUtf8String has. */
static bool
is_thrown(struct span s, struct words_seen w)
{
	enum { LONG = 16 };

	if (s.n < LONG || !w.inside)
		return false;
	if (w.capitals == w.letters && span_chr(s, '_') == s.n)
		return true;
	return w.capitals && (w.inside > 2 || (w.inside == 2 && w.letters < 4 * w.words));
}

static bool
is_identifier(struct span s, size_t most_digits)
{
	struct words_seen w = words_of(s);

	return w.name && w.digits <= most_digits && w.words && w.letters >= 3 * w.words &&
	       !is_thrown(s, w);
}

/* Returns true for a name of programs: words in camelCase or snake_case, at most three digits. */
static bool
value_is_identifier(struct span s)
{
	return is_identifier(s, 3);
}

bool
value_is_words(struct span s)
{
	return is_identifier(s, s.n / 4);
}

/* ---- references ---- */

/* Returns true if the text contains "pass", "token", "key" or a similar word. */
static bool
value_names_secret(struct span s)
{
	static const char *const words[] = { "pass", "pwd", "secret", "token", "cred" };
	static const char *const other[] = { "monkey", "donkey", "turkey", "hockey", "mickey" };

	return SPAN_AMONG(s, words, span_iholds) ||
	       (span_iholds(s, SPAN_LIT("key")) && !SPAN_AMONG(s, other, span_iholds));
}

/* Returns true if s is more than the brackets `open` and `close`, with which it begins and ends. */
static bool
encloses(struct span s, const char *open, const char *close)
{
	return span_starts(s, span_str(open)) && span_ends(s, span_str(close)) &&
	       s.n > strlen(open) + strlen(close);
}

static bool
is_plain_name(struct span s)
{
	return s.n > 0 && span_is_alnum(s, "_-. :/");
}

bool
value_is_template(struct span s)
{
	static const char *const schemes[] = { "arn:", "ref+", "vault:", "op://",
		"ssm:", "env:", "file:", "secret://", "secretref:", "secrets.", "projects/",
		"@Microsoft.KeyVault", "AzureKeyVault", "!Ref", "!vault",
		"{{resolve:", "urn:", "ENC[", "ENC(" };
	static const char *const fonts[] = { "\\fB", "\\fI", "\\fP", "\\fR" }; /* groff_man(7) */
	static const char *const opens[] = { "[[", "{{", "${", "$(", "#{", "{%", "<%" };

	if (s.n == 0 || SPAN_AMONG(s, fonts, span_holds))
		return true;
	/* vault:secret/db#password, but not vault:9Doors! */
	if (SPAN_AMONG(s, schemes, span_istarts))
		return span_chr(s, '!') == s.n || s.p[0] == '!';
	if (span_holds(s, SPAN_LIT("://")))
		return is_alpha(s.p[0]);
	/* the text up to its first space: ${{ secrets.NAME }} */
	if (s.n == 2 && s.p[0] == '%' && is_lower(s.p[1])) /* %s */
		return true;
	if (SPAN_AMONG(s, opens, span_starts))
		return true;
	/* a tag or a type in escaped markup: &lt;string&gt; */
	if (span_starts(s, SPAN_LIT("&lt;")) || span_istarts(s, SPAN_LIT("&#x3c;")))
		return true;
	if (span_holds(s, SPAN_LIT("${")) || span_holds(s, SPAN_LIT("{{")))
		return span_chr(s, '}') < s.n || s.p[0] == '$';
	size_t open = span_chr(s, '<'), close = span_chr(s, '>');
	if (open < close && close < s.n && value_names_secret(span_cut(s, open, close)) &&
		is_plain_name(span_cut(s, open + 1, close)))
		return true;
	open = span_chr(s, '{');
	if (open < s.n && span_chr(s, '/') < open && span_chr(s, '}') < s.n) /* /a/{id} */
		return true;
	if (encloses(s, "<", ">") || encloses(s, "[", "]") || encloses(s, "{", "}"))
		return is_plain_name(span_cut(s, 1, s.n - 1));
	if (s.p[0] == '<') /* <your token here>, up to the first space */
		return is_plain_name(span_cut(s, 1, s.n));
	if (encloses(s, "%", "%"))
		return is_plain_name(span_cut(s, 1, s.n - 1));
	if (encloses(s, "%(", ")s") || encloses(s, "__", "__"))
		return true;
	if (s.p[0] == '$' || s.p[0] == '@' || s.p[0] == '&') {
		struct span name = span_cut(s, 1, s.n);
		size_t digits = 0;
		for (size_t i = 0; i < name.n; i++) {
			if (!is_word(name.p[i]) && !is_one_of(name.p[i], ".:>-[]"))
				return false;
			digits += is_digit(name.p[i]);
		}
		/* $NAME, $this->pw, but not $aB9xK2 */
		return name.n > 0 && (digits == 0 || value_is_identifier(name));
	}
	return false;
}

/* Returns true for a word of letters, or words that '-' or '_' joins. */
static bool
is_plain_word(struct span s)
{
	return s.n > 0 && s.n <= 24 && span_is_alnum(s, "-_") && !span_some(s, is_digit);
}

/* Returns the number of identifiers in a chain (a.b.c, a->b, a::b), or 0 if there is none. */
static size_t
chain_length(struct span s)
{
	struct words_seen all = { 0 };
	size_t parts = 0, from = s.n > 2 && s.p[0] == '.'; /* .Values.password */

	for (size_t i = from; i <= s.n; i++) {
		size_t skip = i == s.n || s.p[i] == '.' ? 1 : 0;
		if (i + 1 < s.n && (!memcmp(s.p + i, "->", 2) || !memcmp(s.p + i, "::", 2) ||
					   !memcmp(s.p + i, "?.", 2)))
			skip = 2;
		if (!skip && !is_word(s.p[i]) && !(s.p[i] == '$' && i == from))
			return 0;
		if (!skip)
			continue;
		struct span part = span_cut(s, from, i);
		if (part.n > 1 && part.p[0] == '$')
			part = span_cut(part, 1, part.n);
		struct words_seen w = words_of(part);
		if (!w.name)
			return 0;
		all.words += w.words;
		all.letters += w.letters;
		all.digits += w.digits;
		parts++;
		from = i + skip;
		i = from - 1;
	}
	if (all.digits > 3 || (all.digits && all.letters < 3 * all.words))
		return 0;
	return parts + (s.p[0] == '.' && (all.digits == 0 || value_names_secret(s)));
}

static bool
is_chain(struct span s)
{
	return chain_length(s) > 1;
}

bool
value_is_name(struct span s)
{
	if (s.n > 1 && s.p[0] == '+') /* "Basic " + name */
		s = span_cut(s, 1, s.n);
	if (value_is_identifier(s) || is_chain(s))
		return true;
	size_t parts = 0;
	while (s.p && span_chr(s, '/') < s.n) {
		struct span part = span_next(&s, '/');
		if (part.n && !value_is_identifier(part) && !is_plain_word(part))
			return false;
		parts++;
	}
	return parts > 0 && (s.n == 0 || value_is_identifier(s) || is_plain_word(s));
}

/* Returns the length of the name with which a call or an index begins, or 0 if there is none. */
static size_t
callee(struct span s)
{
	size_t i = s.n > 1 && is_one_of(s.p[0], "!*&$") ? 1 : 0, from = i;

	effort_add(s.n / 2);
	while (i < s.n && (is_word(s.p[i]) || is_one_of(s.p[i], ".:$?>-")))
		i++;
	if (i == from || i >= s.n || !is_one_of(s.p[i], "([{"))
		return 0;
	struct span name = span_trim(span_cut(s, from, i), ".");
	bool word = true;
	for (size_t k = 0; k < name.n; k++)
		word &= is_alpha(name.p[k]) || name.p[k] == '_';
	return (name.n > 2 || (name.n && s.p[s.n - 1] == ')')) &&
			       (word || value_is_identifier(name) || is_chain(name))
		       ? i
		       : 0;
}

/* Returns true for a generic type up to its first space: Map<Key, Value>. */
static bool
is_generic_type(struct span s)
{
	size_t open = span_chr(s, '<');
	struct span name = span_cut(s, 0, open);

	return open < s.n && open >= 3 && (value_is_identifier(name) || is_chain(name)) &&
	       span_is_alnum(span_cut(s, open, s.n), "_<>,:.?&*()[]");
}

/* Returns true for letters of another alphabet in the escapes of properties files. */
static bool
has_escaped_letters(struct span s)
{
	for (size_t i = span_chr(s, '\\'); i + 5 < s.n; i++)
		if (s.p[i] == '\\' && s.p[i + 1] == 'u' && is_hex(s.p[i + 2]) &&
			is_hex(s.p[i + 5]) && memcmp(s.p + i + 2, "00", 2))
			return true;
		else if (s.p[i] == '\\' && s.p[i + 1] == 'u' && s.p[i + 2] == '0' &&
			 s.p[i + 3] == '0' && s.p[i + 4] > '7')
			return true;
	return false;
}

/* Returns true for an expression: names, brackets and operators, and at most three digits. */
static bool
is_expression(struct span s)
{
	size_t digits = 0, closed = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (!is_word(s.p[i]) && !is_one_of(s.p[i], "()[].,:*&?<>-"))
			return false;
		digits += is_digit(s.p[i]);
		closed += s.p[i] == ')' && i + 1 < s.n && !is_blank_or_end(s, i + 1);
	}
	return closed > 0 && digits <= 3;
}

/* Returns true for names and brackets up to a literal's quote: []string{"a", [Thing.new("a"),
 * _("a"). */
static bool
opens_literal(struct span s)
{
	size_t digits = 0;

	effort_add(s.n);
	for (size_t i = 0; i + 1 < s.n; i++) {
		digits += is_digit(s.p[i]);
		if (is_word(s.p[i]))
			continue;
		if (is_one_of(s.p[i], "({[") && is_quote(s.p[i + 1]))
			return digits <= 3;
		if (!is_one_of(s.p[i], "()[]{}.:*&$>-"))
			return false;
	}
	return false;
}

/* Returns true for a hexadecimal number of at most 64 bits, and its suffix: 0x00010000. */
static bool
is_hex_number(struct span s)
{
	size_t end = s.n > 2 ? span_past(s, 2, is_hex) : 0;

	return (span_starts(s, SPAN_LIT("0x")) || span_starts(s, SPAN_LIT("0X"))) && end > 2 &&
	       end <= 2 + 16 && span_past_set(s, end, "uUlL,;)/*") == s.n;
}

bool
value_is_code(const struct candidate *c, const struct value *v)
{
	struct span s = v->s, t = c->text;
	char next = c->end < t.n ? t.p[c->end] : '\n';

	if (s.n == 0)
		return true;
	/* In quotes, and in PASSWORD=Blue.Horse9, two parts may be a password. */
	size_t parts =
		chain_length(s.p[0] == '*' && !v->quoted ? span_cut(s, 1, s.n) : s); /* *a.b */
	bool digit = span_some(s, is_digit);
	if (parts > 2 || has_escaped_letters(s) ||
		(parts == 2 && (!digit || (!v->quoted && (v->spaced || v->sep != '=')))))
		return true;
	if (v->quoted && !c->whole)
		return false;
	if ((!digit && span_holds(s, SPAN_LIT("::"))) || is_hex_number(s))
		return true;
	if (s.p[0] == '(') { /* (Type) value, (a.b(), ((Type)value).call() */
		struct span inner = span_trim(s, "()!");
		return value_is_identifier(inner) || is_chain(inner) || callee(inner) ||
		       is_expression(s);
	}
	if ((!c->whole && opens_literal(s)) || is_generic_type(s))
		return true;
	size_t call = callee(s);
	/* a call whose arguments were cut off: os.open(PATH */
	if (call && !v->quoted && !digit && span_chr(s, ')') == s.n)
		return true;
	if (c->whole)
		return call && is_one_of(s.p[s.n - 1], ")]([{}");
	if (call && (is_one_of(s.p[s.n - 1], ")]([{}") || is_one_of(next, ",(") || v->spaced ||
			    (call + 1 < s.n && is_one_of(s.p[call + 1], "@$\"'")) ||
			    span_chr(span_cut(s, call + 1, s.n), '(') + call + 1 < s.n))
		return true;
	if (s.p[0] == '[' && span_holds(s, SPAN_LIT("::")))
		return true;
	if (s.n > 1 && is_one_of(s.p[0], "!*&"))
		s = span_cut(s, 1, s.n);
	/* String?, Int64?, Function2?, but not the password Fluffy2172? */
	if (s.n > 1 && s.p[s.n - 1] == '?' && v->sep == ':' &&
		(s.n <= TYPE_BYTES || !is_digit(s.p[s.n - 3])))
		s.n--;
	if (!value_is_identifier(s))
		return false;
	if (s.n < v->s.n || is_one_of(next, "([") || value_names_secret(s))
		return true;
	/* x = name2; f(x = name2) */
	if ((next == ';' && v->spaced) || (next == ')' && v->sep != ':'))
		return true;
	bool hump = span_chr(s, '_') < s.n;
	for (size_t i = 1; i < s.n; i++)
		hump |= is_lower(s.p[i - 1]) && is_upper(s.p[i]);
	return hump && (next == ',' || next == ')' || next == ';');
}

/* ---- placeholders, default passwords and public values ---- */

static const char *const placeholder_words[] = {
#include "scan/detect/validate/placeholders.inc"
};
static uint32_t seconds[256]; /* by a word's first byte: the possible second bytes, as bits */
/* The words sorted by their first byte, and the place at which the words of each byte begin. */
static uint16_t by_first[COUNT_OF(placeholder_words)], firsts[256 + 1];

static uint32_t
second_bit(char c)
{
	return UINT32_C(1) << (to_lower(c) & 31);
}

__attribute__((constructor)) static void
fill_seconds(void)
{
	uint16_t n = 0;

	for (size_t first = 0; first < 256; first++) {
		firsts[first] = n;
		for (size_t k = 0; k < COUNT_OF(placeholder_words); k++)
			if ((unsigned char)placeholder_words[k][0] == first) {
				by_first[n++] = (uint16_t)k;
				seconds[first] |= second_bit(placeholder_words[k][1]);
			}
	}
	firsts[256] = n;
}

/* Returns the length of the word of the list with which the text begins, or 0. */
static size_t
placeholder_begins(struct span rest)
{
	unsigned char first = (unsigned char)to_lower(rest.p[0]);

	if (rest.n < 2 || !(seconds[first] & second_bit(rest.p[1])))
		return 0;
	effort_add(4 * (size_t)(firsts[first + 1] - firsts[first]));
	for (size_t k = firsts[first]; k < firsts[first + 1]; k++) {
		const char *word = placeholder_words[by_first[k]];
		size_t m = 1;
		while (word[m] && m < rest.n && to_lower(rest.p[m]) == word[m])
			m++;
		if (!word[m])
			return m;
	}
	return 0;
}

/* Returns true for a name in place of a value: DB_PASSWORD, your-key-here. */
static bool
is_stand_in(struct span s)
{
	size_t capitals = 0;

	while (capitals < s.n && (is_upper(s.p[capitals]) || s.p[capitals] == '_'))
		capitals++;
	effort_add(32 + capitals);
	return (s.n && capitals == s.n && value_names_secret(s)) ||
	       (s.n > 6 && span_ieq(span_cut(s, 0, 4), SPAN_LIT("your")));
}

bool
value_is_placeholder(struct span s)
{
	struct value_place none = { 0 };

	return is_stand_in(s) || value_holds(&none, s, s, placeholder_begins);
}

bool
candidate_is_placeholder(const struct candidate *c, struct span s)
{
	return is_stand_in(s) ||
	       value_holds(&c->memo->values.placeholder, c->text, s, placeholder_begins);
}

/* Returns the letter for which a sign or digit stands: p@ssw0rd. */
static char
letter_of(char c)
{
	switch (c) {
	case '@':
	case '4': return 'a';
	case '0': return 'o';
	case '3': return 'e';
	case '1': return 'i';
	case '$':
	case '5': return 's';
	default: return to_lower(c);
	}
}

/* Returns true for the usual endings that satisfy a password rule: 1, 12, 123, 01, ! */
static bool
is_counted(struct span s)
{
	size_t from = span_past_set(s, 0, "_-@#.="), i = from;

	while (i < s.n && is_digit(s.p[i])) {
		if (i > from && s.p[i] != s.p[i - 1] + 1)
			return false;
		i++;
	}
	if (i > from && s.p[from] > '1')
		return i == from + 1 && i == s.n;
	return span_past_set(s, i, "!$#.*:=") == s.n;
}

bool
value_is_stock(struct span s)
{
	static const char *const names[] = { "password", "passwd", "pass", "passphrase",
		"passwort", "pwd", "secret", "token", "apikey", "api_key", "xxx", "yyy", "xyz",
		"abc", "your_password", "mypassword", "mypass", "mypwd", "secretpassword",
		"userpassword", "testpassword", "testpass", "newpassword", "oldpassword",
		"newpass", "oldpass", "newuserpassword", "newpostgrespassword", "rootpassword",
		"adminpassword", "adminpass", "wrongpassword", "wrongpass", "badpassword",
		"somepassword", "thepassword", "strongpassword", "securepassword", "foo", "bar",
		"foobar", "baz", "test", "testing", "user", "username", "changeme", "changeit",
		"letmein", "example", "demo", "hunter2", "x-oauth-basic", "x-token-auth",
		"qwerty", "opensesame", "open sesame", "string" };

	static const char *const ends[] = { "password", "passwd", "pass", "pwd", "secret" };

	for (size_t k = 0; k < COUNT_OF(names); k++) {
		size_t n = strlen(names[k]), i = 0;
		while (i < n && i < s.n && letter_of(s.p[i]) == names[k][i])
			i++;
		if (i == n && is_counted(span_cut(s, n, s.n)))
			return true;
	}
	/* newRootPassword123 */
	for (size_t i = 1; i < s.n && is_alpha(s.p[i - 1]); i++)
		for (size_t k = 0; k < COUNT_OF(ends); k++) {
			size_t to = i + strlen(ends[k]);
			if (to <= s.n && span_ieq(span_cut(s, i, to), span_str(ends[k])) &&
				is_counted(span_cut(s, to, s.n)))
				return true;
		}
	return token_is_placeholder(s);
}

bool
value_is_public_pem(struct span s)
{
	/* "-----BEGIN CERT", "-----BEGIN PUBLIC " */
	return span_starts(s, SPAN_LIT("LS0tLS1CRUdJTiBDRVJU")) ||
	       span_starts(s, SPAN_LIT("LS0tLS1CRUdJTiBQVUJMSUMg"));
}

bool
value_is_uuid(struct span s)
{
	if (s.n != 36)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? s.p[i] != '-' : !is_hex(s.p[i]))
			return false;
	}
	return true;
}
