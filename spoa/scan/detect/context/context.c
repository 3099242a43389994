/* Context scoring: a candidate near a word that names it ("ssn", "Karte") is
 * worth more, near one that names something else ("order") less. Words match
 * whole, in prose, snake_case and camelCase alike: "lic" is not in "public", but
 * "phone" is in homePhone and phone_number. Both sides are read, CONTEXT_BYTES
 * each, and the JSON key or field name that comes before the text. In a table the
 * header above a value comes first (columns.c). */
#include "scan/detect/context/context.h"

#include "base/among.h"
#include "base/bits.h"
#include "scan/detect/prefilter/starts.h"

/* Whether the byte before `at` belongs to a letter of an alphabet that is
 * written without case breaks: U+00C0 to U+1FFF by its UTF-8 lead byte. Han, kana
 * and punctuation are boundaries. */
static bool
letter_before(struct span t, size_t at)
{
	for (size_t i = at; i > 0 && at - i < 4; i--) {
		unsigned char c = (unsigned char)t.p[i - 1];
		if (c < 0x80)
			return i == at && is_alpha((char)c);
		if (c >= 0xC0)
			return c >= 0xC3 && c <= 0xE1;
	}
	return false;
}

static bool
letter_at(struct span t, size_t at)
{
	unsigned char c = at < t.n ? (unsigned char)t.p[at] : 0;

	return is_alpha((char)c) || (c >= 0xC3 && c <= 0xE1);
}

bool
context_word_begins(struct span t, size_t at)
{
	unsigned char c = (unsigned char)t.p[at];

	/* Hebrew and Arabic write particles before a word, further east nothing parts
	 * words. */
	if (at == 0 || c > 0xD5 || !letter_before(t, at))
		return true;
	return is_lower(t.p[at - 1]) && is_upper(t.p[at]); /* homePhone */
}

/* A word of n bytes that ends at `at`. Longer ones beyond ASCII may be inflected. */
static bool
ends_word(struct span t, size_t at, size_t n)
{
	enum { STEM = 10 };

	if (at >= t.n || !letter_at(t, at))
		return true;
	if (is_high(t.p[at - 1])) {
		/* Latin, Greek, Cyrillic and Armenian (U+00C0 to U+058F) have case. Others put
		 * no break between words, or write what follows on to them. */
		unsigned char lead = at > 1 ? (unsigned char)t.p[at - 2] : 0;
		return n >= STEM || lead < 0xC3 || lead > 0xD6;
	}
	return is_lower(t.p[at - 1]) && is_upper(t.p[at]); /* phoneNumber */
}

/* Bytes of t at `at` that spell the word, a space in it standing for any run of blanks, '_'
 * and '-'; 0: they do not. */
static size_t
word_at(struct span t, size_t at, struct span word)
{
	size_t i = at;

	for (size_t k = 0; k < word.n; k++) {
		if (word.p[k] == ' ') {
			size_t from = i;
			while (i < t.n && i - from < 4 &&
				(is_space(t.p[i]) || t.p[i] == '_' || t.p[i] == '-'))
				i++;
			/* camelCase: creditCard */
			if (i == from && !(i < t.n && is_upper(t.p[i])))
				return 0;
			continue;
		}
		if (i >= t.n || to_lower(t.p[i]) != word.p[k])
			return 0;
		i++;
	}
	return i - at;
}

/* Whether they do, and a word ends after them. */
static bool
word_matches(struct span t, size_t at, struct span word)
{
	size_t n = word_at(t, at, word);

	if (!n)
		return false;
	if (ends_word(t, at + n, n))
		return true;
	return at + n < t.n && to_lower(t.p[at + n]) == 's' && ends_word(t, at + n + 1, n + 1);
}

/* The word of the list that begins at i, or NULL. */
static inline const struct span *
context_word_of(const struct words *w, struct span t, size_t i)
{
	unsigned char c = (unsigned char)t.p[i],
		      next = i + 1 < t.n ? (unsigned char)t.p[i + 1] : 0;

	if (!set_has(w->first, t.p[i]) || !(w->second[c & 31] >> (next & 31) & 1) ||
		!context_word_begins(t, i))
		return NULL;
	uint64_t head = word_head_at(t, i);
	for (size_t k = w->from[c & 31]; k; k = w->links[k - 1].next)
		if (word_head_is(&w->links[k - 1].head, head) &&
			word_matches(t, i, w->v[k - 1]))
			return &w->v[k - 1];
	return NULL;
}

bool
context_word_may_match(struct span t, size_t at, struct span word)
{
	enum { LONG_WORD = 12 };

	return word.n < LONG_WORD ? word_matches(t, at, word) : word_at(t, at, word) > 0;
}

/* The end of the window after a value: a word that begins in it is read to its end. */
static size_t
window_end(struct span t, size_t end)
{
	size_t to = t.n - end > CONTEXT_BYTES ? end + CONTEXT_BYTES : t.n;

	while (to < t.n && to < end + CONTEXT_BYTES + 16 && letter_at(t, to))
		to++;
	return to;
}

bool
context_touches(struct span t, size_t start, size_t end)
{
	return (letter_before(t, start) && letter_at(t, start)) ||
	       (letter_before(t, end) && letter_at(t, end));
}

/* Distance from the window's near end to the nearest word of the list, SIZE_MAX
 * where there is none of so many bytes. `ahead`: the window follows the candidate. */
static size_t
nearest(const struct words *w, struct span t, bool ahead, size_t bytes)
{
	size_t blocks = w->n ? (t.n + BLOCK - 1) / BLOCK : 0;
	bool plain = set_begins_alnum(w->first);

	for (size_t n = 0; n < blocks; n++) {
		size_t from = (ahead ? n : blocks - 1 - n) * BLOCK;
		struct word_starts x = word_starts(t, from);
		uint64_t todo =
			(plain ? x.begins & x.alnum : x.begins) & bits_below(t.n - from);
		while (todo) {
			unsigned k = ahead ? (unsigned)__builtin_ctzll(todo)
					   : 63 - (unsigned)__builtin_clzll(todo);
			size_t i = from + k;
			if ((ahead ? i : t.n - 1 - i) >= bytes)
				return SIZE_MAX;
			const struct span *word = context_word_of(w, t, i);
			if (word)
				return ahead ? i : word->n < t.n - i ? t.n - i - word->n : 0;
			todo &= ~(UINT64_C(1) << k);
		}
	}
	return SIZE_MAX;
}

/* Whether the word at i is the label of what comes next: "DOB 03/14/1980", "date of birth: …".
 */
static bool
names_the_next(struct span t, size_t i)
{
	enum { LABEL = 24 };
	size_t word = i, to = i + LABEL < t.n ? i + LABEL : t.n;

	while (word < to && letter_at(t, word))
		word++;
	for (i = word; i < to && strchr(" .#", t.p[i]);)
		i++;
	if (i > word && i < t.n && is_digit(t.p[i]))
		return true;
	for (i = word; i < to && (letter_at(t, i) || t.p[i] == ' ');)
		i++;
	return i < t.n && t.p[i] == ':';
}

/* What names a value comes before it more often than after. */
static size_t
distance(const struct words *w, struct span left, struct span right, struct span key)
{
	/* A key names the value it belongs to, however long its name is. */
	if (nearest(w, key, false, SIZE_MAX) != SIZE_MAX)
		return 0;
	size_t a = nearest(w, left, false, SIZE_MAX);
	size_t b = nearest(w, right, true, a == SIZE_MAX ? a : (a + 1) / 2);
	if (b != SIZE_MAX)
		b = names_the_next(right, b) ? SIZE_MAX : b * 2;
	return b < a ? b : a;
}

/* The part of `left` since the last comma, sentence or line. A word that speaks
 * against a value must be in the same clause: in "SSN 308-63-0237, +44 20…"
 * the first names the first. */
static struct span
same_clause(struct span left)
{
	for (size_t i = left.n; i > 0; i--) {
		char c = left.p[i - 1];
		if (c == ',' || c == ';' || c == '\n' || c == '|' || c == '!' || c == '?' ||
			(c == '.' && i < left.n && left.p[i] == ' '))
			return span_cut(left, i, left.n);
	}
	return left;
}

/* A line without the tags at its end, the one that the value is in included: markup
 * between a label and its value says nothing. */
static struct span
without_tags(struct span line, bool *tag)
{
	enum { TAG = 96 };

	for (;;) {
		while (line.n && strchr(" \t\"'*_`([", line.p[line.n - 1]))
			line.n--;
		size_t from = line.n > TAG ? line.n - TAG : 0;
		const char *open = line.n ? memrchr(line.p + from, '<', line.n - from) : NULL;
		if (!open || open + 1 == line.p + line.n ||
			!(is_alpha(open[1]) || open[1] == '/'))
			return line;
		const char *close = memchr(open, '>', (size_t)(line.p + line.n - open));
		if (close && close + 1 != line.p + line.n)
			return line;
		line.n = (size_t)(open - line.p);
		*tag = true;
	}
}

/* A form's own label on the value's line ("Batch: 12345678") names it: what is on
 * the lines around names other things. "No.:" alone says nothing. */
static bool
has_label(struct span line)
{
	static const char *const vague[] = { "no", "nr", "number", "num", "value", "nummer",
		"numero", "data", "answer", "is", "id" };
	bool tag = false;

	line = without_tags(line, &tag);
	size_t end = line.n;
	while (end && strchr(" \t\"'*_`([", line.p[end - 1]))
		end--;
	if (!end)
		return false;
	/* <td>Batch</td><td>: its own cell */
	if (line.p[end - 1] != ':' && line.p[end - 1] != '=')
		return tag && is_alpha(line.p[end - 1]);
	end--;
	while (end && strchr(" \"'*_`.", line.p[end - 1]))
		end--;
	size_t from = span_back(line, end, 0, is_letter_or_digit);
	struct span word = span_cut(line, from, end);
	while (from && strchr(" \t\"'*_`-.#", line.p[from - 1]))
		from--;
	if (from) /* "Order number:" */
		return true;
	return !SPAN_AMONG(word, vague, span_ieq) && word.n > 1 &&
	       !is_digit(word.p[word.n - 1]);
}

/* What is around a value, by whole words, and of a form or a table's row its own line. */
static void
window_of(struct span text, const struct column *col, size_t start, size_t end,
	struct span *left, struct span *right)
{
	size_t from = start > CONTEXT_BYTES ? start - CONTEXT_BYTES : 0;
	size_t to = window_end(text, end);

	/* A word cut by the window's edge is no word. */
	while (from > 0 && from < start &&
		((text.p[from] & 0xC0) == 0x80 ||
			(letter_before(text, from) && letter_at(text, from))))
		from++;
	*left = span_cut(text, from, start);
	*right = span_cut(text, end, to);
	size_t own = span_behind(*left, '\n');
	if (!col && !has_label(span_cut(*left, own, left->n)))
		return;
	*left = span_cut(*left, own, left->n);
	right->n = span_chr(*right, '\n');
}

int
context_verdict(const struct words *words, const struct words *against, struct span text,
	struct span before, const struct column *col, size_t start, size_t end)
{
	struct span left, right;
	size_t good = SIZE_MAX, bad = SIZE_MAX;

	if (words->n + against->n == 0)
		return 0;
	if (col) {
		good = nearest(words, col->name, false, SIZE_MAX);
		bad = nearest(against, col->name, false, SIZE_MAX);
	}
	if (good == SIZE_MAX && bad == SIZE_MAX) {
		window_of(text, col, start, end, &left, &right);
		if (before.n > CONTEXT_BYTES)
			before = span_cut(before, before.n - CONTEXT_BYTES, before.n);
		if (words->n)
			good = distance(words, left, right, before);
		if (against->n)
			bad = distance(against, same_clause(left), SPAN_LIT(""), before);
	}
	return good != SIZE_MAX && good <= bad ? 1 : bad != SIZE_MAX ? -1 : 0;
}

float
context_apply(const struct context_rule *c, int verdict, float score)
{
	score += verdict > 0 ? c->boost : verdict < 0 ? -c->penalty : 0;
	return score < 0 ? 0 : score > 1 ? 1 : score;
}

float
context_score(const struct context_rule *c, struct span text, struct span before, size_t start,
	size_t end, float score)
{
	return context_apply(c,
		context_verdict(&c->words, &c->against, text, before, NULL, start, end), score);
}
