/* Similar prompts, and how much two texts have in common.
 *
 * A measure of meaning would not do: "4 percent" and "9 percent" are .92 alike in a text of
 * 70 words, and so are two texts of which one has a "do not". The texts must therefore be
 * equal after removing only what no response should depend on. If a polite phrase might be
 * content ("how do I say: two beers, please"), the prompt is not compared at all.
 *
 * The last section makes the keys for similar prompts and for semantic matches. It finds the
 * only prompt of a request: the text of the role user, if no turn except the system's comes
 * before. Other texts of the request may state what to do with the prompt, so they are searched
 * for words about texts. Then a phrase such as "please" may be content, for example in a text to
 * translate, and must not be ignored. */
#include "gate/cache/near.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/codec/json.h"
#include "base/codec/letters.h"
#include "base/utf8.h"
#include "base/scoped.h"
#include "gate/cache/meaning.h"

enum { SHINGLE = 3, LEAST_LETTERS = 3, RIGHT_QUOTE = 0x2019 };

/* ---- the text ---- */

static bool
is_near_blank(char c)
{
	return c == ' ';
}

/* Returns true for an apostrophe inside a word ("don't"), false for a quote. */
static bool
is_apostrophe(struct span s, size_t at, size_t n)
{
	return at > 0 && is_letter(s.p[at - 1]) && at + n < s.n && is_letter(s.p[at + n]);
}

/* Returns true for letters, digits and the signs of sentences, not for quotes, code, lists
 * and line ends. */
static bool
is_plain(struct span s, size_t at, size_t n, uint32_t cp)
{
	if (cp == '\'' || cp == RIGHT_QUOTE)
		return is_apostrophe(s, at, n);
	if (cp < 0x80)
		return is_alnum((char)cp) || is_one_of((char)cp, " ,.?!-/()%&+$<>_@");
	return courtesy_past_word(span_cut(s, at, at + n), 0) == n;
}

const char *
near_look(struct span s, bool *plain)
{
	size_t n;

	*plain = true;
	for (size_t at = 0; at < s.n; at += n) {
		if (!(n = utf8_sequence(s.p + at, s.n - at)))
			return "the prompt is not UTF-8";
		uint32_t cp = utf8_value(s.p + at, n);
		enum fold_kind kind = n > 1 ? letters_fold(cp).kind : FOLD_NONE;
		if ((n == 1 && !is_visible(s.p[at]) && !is_space(s.p[at])) ||
			(cp >= 0x80 && cp < 0xA0) || kind == FOLD_DROP || kind == FOLD_BIDI ||
			kind == FOLD_TAG || kind == FOLD_MARK)
			return "the prompt has invisible characters";
		*plain &= is_plain(s, at, n, cp);
	}
	return NULL;
}

/* ---- polite phrases ---- */

/* Returns the offset after the phrase, in any case, or 0 if the text at `at` is another. The
 * caller checks the character that follows. */
static size_t
past_phrase(struct span s, size_t at, struct span phrase)
{
	for (size_t i = 0; i < phrase.n;) {
		if (at == s.n)
			return 0;
		size_t of = utf8_step(phrase, i), n = utf8_step(s, at);
		uint32_t p = utf8_value(phrase.p + i, of), c = utf8_value(s.p + at, n);
		c = c == RIGHT_QUOTE ? '\''
		    : c < 0x80	     ? (uint32_t)to_lower((char)c)
				     : letters_lower(c);
		if (p != c)
			return 0;
		i += of;
		at = p == ' ' ? span_past(s, at, is_near_blank) : at + n;
	}
	return at;
}

/* Returns the offset after the longest phrase of the list that stands at `at`, or 0. */
static size_t
past_longest(struct span s, size_t at, const struct courtesy_list *phrases)
{
	size_t longest = 0;

	for (size_t i = 0; i < phrases->n; i++) {
		size_t end = past_phrase(s, at, phrases->v[i]);
		longest = end > longest ? end : longest;
	}
	return longest;
}

/* Returns the offset of the request, after the polite phrases. Sets `*anew` if the request
 * begins a sentence. */
static size_t
past_courtesies(struct span s, const struct courtesy_language *l, bool *anew)
{
	size_t at = 0, end;

	*anew = true;
	for (;;) {
		size_t greeting = past_longest(s, at, &l->greets);
		end = past_longest(s, at, &l->first);
		end = greeting > end ? greeting : end;
		bool sign = end && end < s.n && is_one_of(s.p[end], ",.!");
		bool stop = sign && s.p[end] != ',';
		if (!end || end + sign >= s.n || s.p[end + sign] != ' ' ||
			(end == greeting && !sign))
			return at;
		*anew = stop;
		at = span_past(s, end + sign, is_near_blank);
	}
}

/* Returns where the sentence that begins at `from` ends: before the comma and the polite
 * phrase after it, or at its own full stop. A capital after the comma may be a name and is
 * kept. */
static size_t
before_courtesy(struct span s, size_t from, const struct courtesy_list *last)
{
	size_t end = s.n, sign;

	if (end > from && (s.p[end - 1] == '.' || s.p[end - 1] == '!'))
		end--;
	for (sign = end; sign > from && !is_one_of(s.p[sign - 1], ",.?");)
		sign--;
	size_t at = span_past(s, sign, is_near_blank);
	if (sign == from || at == sign || past_longest(span_cut(s, 0, end), at, last) != end)
		return s.n;
	if (s.p[sign - 1] != ',')
		return sign;
	bool more = memchr(s.p + from, ',', sign - 1 - from);
	return more || is_upper(s.p[at]) ? s.n : sign - 1;
}

/* ---- the common part ---- */

/* Returns true for one sentence. If the text has angle brackets, a run of spaces may belong
 * to a placeholder, and the result is false. */
static bool
is_one_sentence(struct span s)
{
	bool angled = memchr(s.p, '<', s.n) || memchr(s.p, '>', s.n);

	for (size_t i = 0; i < s.n; i++) {
		bool end = i + 1 == s.n, blank = !end && s.p[i + 1] == ' ';
		if (s.p[i] == '!' || (s.p[i] == '?' && !end) || (s.p[i] == '.' && blank) ||
			(angled && s.p[i] == ' ' && blank))
			return false;
	}
	return true;
}

/* Returns the length without the full stop. A point that may belong to an abbreviation is
 * kept ("No. 3.", "U.S.", "…"). */
static size_t
before_stop(struct span s)
{
	size_t at = s.n ? s.n - 1 : 0;

	if (!s.n || s.p[at] != '.')
		return s.n;
	while (at > 0 && is_letter(s.p[at - 1]))
		at--;
	return at > 0 && s.p[at - 1] == ' ' && s.n - 1 - at >= LEAST_LETTERS ? s.n - 1 : s.n;
}

/* Appends the text with one space for each run of spaces. */
static void
put_sentence(struct span s, struct buf *out)
{
	for (size_t at = 0, end; at < s.n; at = end) {
		bool blank = s.p[at] == ' ';
		end = blank ? span_past(s, at, is_near_blank)
			    : at + span_chr(span_cut(s, at, s.n), ' ');
		buf_span(out, blank ? SPAN_LIT(" ") : span_cut(s, at, end));
	}
}

static bool
speaks_of_texts(const struct courtesy *c, struct span s, bool courtesies)
{
	char lower[COURTESY_BYTES + 8];

	for (size_t at = 0, end; at < s.n; at = end) {
		end = courtesy_past_word(s, at);
		if (end == at) {
			end += utf8_step(s, at);
			continue;
		}
		const struct courtesy_word *w = courtesy_word_find(
			&c->words, courtesy_lower(span_cut(s, at, end), lower));
		if (w && (courtesies || !w->courtesy))
			return true;
	}
	return false;
}

bool
near_speaks(const struct courtesy *c, struct span text)
{
	return speaks_of_texts(c, text, false);
}

const char *
near_text(const struct courtesy *c, struct span text, struct buf *out)
{
	struct span s = span_trim(text, " \t\r\n");
	const struct courtesy_language *l = c->languages, *none = l + c->nlanguages;
	char lower[COURTESY_BYTES + 8];
	size_t at = 0, rest = 0, end = s.n;
	bool plain, anew = false;

	if (!s.n)
		return "no text";
	if (s.n > NEAR_TEXT_MOST)
		return "the prompt is too long to be compared";
	const char *why = near_look(s, &plain);
	if (why)
		return why;
	for (; l < none; l++) {
		at = past_courtesies(s, l, &anew);
		rest = courtesy_past_word(s, at);
		if (rest < s.n && is_one_of(s.p[rest], " ,") &&
			courtesy_listed(&l->asks, courtesy_lower(span_cut(s, at, rest), lower)))
			break;
	}
	if (l == none)
		return "the prompt does not begin with a listed verb";
	if (plain) {
		end = before_courtesy(s, at, &l->last);
		end = span_trim(span_cut(s, 0, end), " ").n;
		plain = is_one_sentence(span_cut(s, rest, end));
		end = plain ? end : s.n;
		if (end <= rest)
			return "the prompt does not begin with a listed verb";
	}
	if (speaks_of_texts(c, span_cut(s, rest, end), true))
		return "the prompt is about a text, so polite phrases may be content";
	if (anew) {
		buf_putc(out, to_lower(s.p[at]));
		at++;
	}
	if (plain) {
		end = before_stop(span_cut(s, 0, end));
		put_sentence(span_cut(s, at, end), out);
	} else {
		buf_span(out, span_cut(s, at, end));
	}
	return NULL;
}

/* ---- similarity ---- */

/* Appends the words in lower case, each with one space after it. Writes the offset of each
 * word and the end of the last to `at`. Returns the number of words. */
static size_t
near_words(struct span s, struct buf *text, size_t *at, size_t most)
{
	size_t n = 0;

	for (size_t from = 0, end; from < s.n && n + 1 < most; from = end + 1) {
		for (end = from; end < s.n && !is_space(s.p[end]);)
			end++;
		struct span word = span_trim(span_cut(s, from, end), ",.!");
		if (!word.n)
			continue;
		at[n++] = text->n;
		buf_span(text, word);
		buf_putc(text, ' ');
	}
	at[n] = text->n;
	if (!buf_failed(text) && text->n)
		ascii_lower(text->p + text->start, text->n);
	return n;
}

/* A hash table of shingles (runs of three words). The two lowest bits of a slot show which of
 * the two texts has the shingle. The key is random, so that no sender can make hashes
 * collide. */
struct shingle_set {
	uint64_t *slots;
	size_t mask, all, both;
	unsigned char key[crypto_shorthash_KEYBYTES];
};
enum { OF_TEXTS = 3, IN_USE = 4 };

static void
add_shingle(struct shingle_set *set, struct span s, unsigned of)
{
	uint64_t hash;

	crypto_shorthash((unsigned char *)&hash, (const unsigned char *)s.p, s.n, set->key);
	hash = (hash & ~(uint64_t)OF_TEXTS) | IN_USE;
	size_t i = hash / (2 * IN_USE) & set->mask;
	while (set->slots[i] && (set->slots[i] & ~(uint64_t)OF_TEXTS) != hash)
		i = (i + 1) & set->mask;
	uint64_t had = set->slots[i] & OF_TEXTS;
	set->slots[i] = hash | had | of;
	set->all += !had;
	set->both += had && (had | of) != had;
}

/* Returns false if the text has no shingle. */
static bool
add_shingles(struct shingle_set *set, struct span s, unsigned of)
{
	size_t most = s.n / 2 + 2, *at = calloc(most, sizeof(*at));
	SCOPED_BUF(text, 2 * NEAR_TEXT_MOST + 2);

	size_t n = at ? near_words(s, &text, at, most) : 0;
	bool any = n >= SHINGLE && !buf_failed(&text);
	for (size_t i = 0; any && i + SHINGLE <= n; i++)
		add_shingle(set, span_cut(buf_view(&text), at[i], at[i + SHINGLE]), of);
	free(at);
	return any;
}

double
near_similarity(struct span a, struct span b)
{
	struct shingle_set set = { .mask = 1 };

	if (a.n > NEAR_TEXT_MOST || b.n > NEAR_TEXT_MOST)
		return 0;
	while (set.mask < a.n + b.n) /* at most half of the slots are in use */
		set.mask *= 2;
	set.slots = calloc(set.mask--, sizeof(*set.slots));
	if (!set.slots)
		return 0;
	randombytes_buf(set.key, sizeof(set.key));
	bool any = add_shingles(&set, a, 1) && add_shingles(&set, b, 2);
	free(set.slots);
	return any ? (double)set.both / (double)set.all : 0;
}

/* ---- keys ---- */

enum { NEAR_ARENA_MOST = 8 << 20 };

/* The members of a format that hold the turns, and the content of a turn. */
struct near_form {
	const char *turns, *content;
};
static const struct near_form near_forms[FORMS] = {
	[FORM_CHAT] = { "messages", "content" },
	[FORM_RESPONSES] = { "input", "content" },
	[FORM_MESSAGES] = { "messages", "content" },
	[FORM_GENERATE] = { "contents", "parts" },
	[FORM_CONVERSE] = { "messages", "content" },
};

struct near_reading {
	const struct near_form *form;
	const struct courtesy *c;
	struct arena *a;
	struct json *j;
	struct span body;
	/* `prompt` is the string as written, with its quotes; `text` is its value */
	struct span prompt, text;
	const char *why;
};

/* The content of one turn. */
struct near_said {
	struct span prompt, text; /* the first text */
	size_t texts, others;	  /* number of texts, and of other contents */
	bool speaks;		  /* a text other than the first is about texts */
};

static const char *const no_one_text = "the request has more than one text";

static void
near_off(struct near_reading *r, const char *why)
{
	if (!r->why)
		r->why = why;
}

static bool
string_speaks(struct near_reading *r, const struct json_event *ev)
{
	struct span text = json_text(r->a, r->body, ev);

	return !text.p || near_speaks(r->c, text);
}

/* Reads all strings of the value that begins with *ev. Returns true if one of them is about
 * texts. */
static bool
value_speaks(struct near_reading *r, struct json_event *ev)
{
	unsigned depth = ev->depth;
	bool speaks = false;

	while (ev->tok != JSON_ERROR) {
		if (ev->tok == JSON_STRING)
			speaks |= string_speaks(r, ev);
		if (ev->depth == depth && ev->tok != JSON_OBJECT && ev->tok != JSON_ARRAY)
			break;
		json_next(r->j, ev);
	}
	return speaks;
}

static void
take_said_text(struct near_reading *r, struct near_said *said, const struct json_event *ev)
{
	if (said->texts++) {
		said->speaks |= string_speaks(r, ev);
		return;
	}
	said->prompt = span_cut(r->body, ev->start - 1, ev->end + 1);
	said->text = json_text(r->a, r->body, ev);
}

/* Reads one part: { "type": "text", "text": "…" }. Some formats have no type. */
static void
take_part(struct near_reading *r, struct near_said *said, struct json_event *ev)
{
	struct json_member m;
	int err = 0;

	if (ev->tok != JSON_OBJECT) {
		said->others++;
		said->speaks |= value_speaks(r, ev);
		return;
	}
	while (json_member(r->j, r->a, r->body, &m, ev, &err)) {
		struct span s = ev->tok == JSON_STRING ? span_cut(r->body, ev->start, ev->end)
						       : SPAN_LIT("");
		if (span_is(m.key, "text") && ev->tok == JSON_STRING) {
			take_said_text(r, said, ev);
			continue;
		}
		said->others += !(span_is(m.key, "cache_control") ||
				  (span_is(m.key, "type") &&
					  (span_is(s, "text") || span_is(s, "input_text"))));
		said->speaks |= value_speaks(r, ev);
	}
}

static void
take_content(struct near_reading *r, struct near_said *said, struct json_event *ev)
{
	if (ev->tok == JSON_STRING) {
		take_said_text(r, said, ev);
		return;
	}
	if (ev->tok != JSON_ARRAY) {
		said->others++;
		said->speaks |= value_speaks(r, ev);
		return;
	}
	while (json_next(r->j, ev) != JSON_ARRAY_END && ev->tok != JSON_ERROR)
		take_part(r, said, ev);
}

static void
take_prompt(struct near_reading *r, const struct near_said *said)
{
	if (said->texts != 1 || said->others)
		near_off(r, no_one_text);
	r->prompt = said->prompt;
	r->text = said->text;
}

/* Reads one turn. In Gemini's format the role may be missing. */
static void
take_turn(struct near_reading *r, struct json_event *ev)
{
	struct near_said said = { .texts = 0 };
	struct span role = SPAN_LIT("user");
	struct json_member m;
	bool contents = false;
	int err = 0;

	if (ev->tok != JSON_OBJECT) {
		near_off(r, no_one_text);
		value_speaks(r, ev);
		return;
	}
	while (json_member(r->j, r->a, r->body, &m, ev, &err)) {
		if (span_is(m.key, r->form->content)) {
			take_content(r, &said, ev);
			contents = true;
			continue;
		}
		if (span_is(m.key, "role"))
			role = ev->tok == JSON_STRING ? json_text(r->a, r->body, ev)
						      : SPAN_LIT("");
		else if (!span_is(m.key, "name") && !span_is(m.key, "type") &&
			 !span_is(m.key, "cache_control"))
			said.others++;
		value_speaks(r, ev);
	}
	if (r->prompt.n || !contents)
		near_off(r, "the request has earlier turns");
	else if (span_is(role, "user"))
		take_prompt(r, &said);
	else if (!span_is(role, "system") && !span_is(role, "developer"))
		near_off(r, "the request has earlier turns");
	else if (said.speaks || near_speaks(r->c, said.text))
		near_off(r, "the system prompt is about a text, so polite phrases may be content");
}

static void
take_turns(struct near_reading *r, struct json_event *ev)
{
	struct near_said said = { .texts = 0 };

	if (ev->tok == JSON_ARRAY) {
		while (json_next(r->j, ev) != JSON_ARRAY_END && ev->tok != JSON_ERROR)
			take_turn(r, ev);
		return;
	}
	take_content(r, &said, ev);
	take_prompt(r, &said);
}

/* An empty array or object offers no tool. */
static void
take_tools(struct near_reading *r, struct json_event *ev)
{
	size_t start = ev->start;
	bool null = ev->tok == JSON_NULL,
	     open = ev->tok == JSON_ARRAY || ev->tok == JSON_OBJECT;

	value_speaks(r, ev);
	for (size_t i = start + 1; open && i + 1 < ev->end; i++)
		if (!strchr(" \t\r\n", r->body.p[i]))
			open = false;
	if (!null && !open)
		near_off(r, "the request has tools");
}

static void
find_prompt(struct near_reading *r)
{
	struct json_event ev;
	struct json_member m;
	int err = 0;

	if (!r->j || json_next(r->j, &ev) != JSON_OBJECT) {
		near_off(r, "the body cannot be compared");
		return;
	}
	while (json_member(r->j, r->a, r->body, &m, &ev, &err)) {
		if (span_is(m.key, r->form->turns))
			take_turns(r, &ev);
		else if (span_starts(m.key, SPAN_LIT("tool")) ||
			 span_starts(m.key, SPAN_LIT("function")))
			take_tools(r, &ev);
		else if (value_speaks(r, &ev) && !span_starts(m.key, SPAN_LIT("model")))
			near_off(r, "the system prompt is about a text, so polite phrases may "
				    "be content");
	}
	if (err || json_next(r->j, &ev) != JSON_END)
		r->why = "the body cannot be compared";
	if (!r->prompt.n)
		near_off(r, "the request has no prompt");
}

typedef const char *same_of(const struct courtesy *c, struct span text, struct buf *out);

static const char *
prompt_key(const struct cache_ask *ask, const struct courtesy *c, same_of *same_is,
	const unsigned char secret[CACHE_KEY_BYTES], struct buf *prompt,
	unsigned char out[CACHE_KEY_BYTES])
{
	SCOPED_ARENA(a, NEAR_ARENA_MOST, true);
	SCOPED_BUF(same, NEAR_TEXT_MOST);

	if (!near_forms[ask->form].turns)
		return "requests of this API are not cached";
	if (ask->body.n > NEAR_BODY_MOST)
		return "the request is too long to be compared";
	struct near_reading r = { .form = &near_forms[ask->form],
		.c = c,
		.a = &a,
		.j = json_open(&a, ask->body),
		.body = ask->body };
	find_prompt(&r);
	const char *why = r.why ? r.why : same_is(c, r.text, &same);
	if (why)
		return why;
	if (arena_failed(&a) || buf_failed(&same))
		return "out of memory";
	struct cache_ask near = *ask;
	near.prompt = r.prompt;
	near.same = buf_view(&same);
	if ((why = cache_key(&near, secret, out)))
		return why;
	buf_clear(prompt);
	buf_span(prompt, r.text);
	return buf_failed(prompt) ? "out of memory" : NULL;
}

const char *
cache_near_key(const struct cache_ask *ask, const struct courtesy *c,
	const unsigned char secret[CACHE_KEY_BYTES], struct buf *prompt,
	unsigned char out[CACHE_KEY_BYTES])
{
	return prompt_key(ask, c, near_text, secret, prompt, out);
}

/* The line feed distinguishes this key from that of a similar prompt, which never begins with
 * one. */
static const char *
meaning_same(const struct courtesy *c, struct span text, struct buf *out)
{
	buf_putc(out, '\n');
	return meaning_firm(c, text, out);
}

const char *
cache_meaning_key(const struct cache_ask *ask, const struct courtesy *c,
	const unsigned char secret[CACHE_KEY_BYTES], struct buf *prompt,
	unsigned char out[CACHE_KEY_BYTES])
{
	return prompt_key(ask, c, meaning_same, secret, prompt, out);
}
