/* Finds the firm words of a prompt, and reads vectors of an embeddings API. The daemon compares no
 * vectors: Redis does (gate/engine/together.c). */
#include "gate/cache/meaning.h"

#include <jansson.h>
#include <math.h>

#include "base/ascii.h"
#include "base/codec/letters.h"
#include "base/utf8.h"
#include "base/err.h"
#include "gate/cache/near.h"

/* Returns true if the character's script has capitals (Latin, Greek, Cyrillic), which mark
 * names. */
static bool
has_capitals(uint32_t cp)
{
	return cp < 0x530 || (cp >= 0x1E00 && cp < 0x2000);
}

static bool
is_capital(uint32_t cp)
{
	return cp < 0x80 ? (cp >= 'A' && cp <= 'Z') : letters_lower(cp) != cp;
}

struct firm_word {
	bool digits, capital; /* a capital anywhere in the word */
	bool strange;	      /* a character of a script without capitals */
};

static struct firm_word
look_at_word(struct span w)
{
	struct firm_word is = { 0 };

	for (size_t at = 0; at < w.n;) {
		size_t n = utf8_step(w, at);
		uint32_t cp = utf8_value(w.p + at, n);
		is.digits |= cp < 0x80 && is_digit((char)cp);
		is.capital |= is_capital(cp);
		is.strange |= !has_capitals(cp);
		at += n;
	}
	return is;
}

/* Returns true for a point or comma between digits. */
static bool
in_a_number(struct span s, size_t at)
{
	return at > 0 && is_digit(s.p[at - 1]) && at + 1 < s.n && is_digit(s.p[at + 1]);
}

static void
put_firm(struct buf *out, struct span s)
{
	buf_span(out, s);
	buf_putc(out, ' ');
}

static bool
begins_known(const struct courtesy *c, struct span lower)
{
	bool known = courtesy_listed(&c->firsts, lower);

	for (size_t i = 0; i < c->nlanguages; i++)
		known |= courtesy_listed(&c->languages[i].asks, lower);
	return known;
}

const char *
meaning_firm(const struct courtesy *c, struct span text, struct buf *out)
{
	struct span s = span_trim(text, " \t\r\n");
	bool plain, begins = true, unit = false, any = false;
	char room[COURTESY_BYTES + 8];

	if (s.n > MEANING_TEXT_MOST)
		return "the prompt is too long to be compared";
	const char *why = near_look(s, &plain);
	if (why)
		return why;
	if (!plain)
		return "the prompt has quotes, code, several lines or unusual signs";
	if (near_speaks(c, s))
		return "the prompt is about a text, so polite phrases may be content";
	for (size_t at = 0, end; at < s.n; at = end) {
		end = courtesy_past_word(s, at);
		if (end == at) {
			char sign = s.p[at];
			end = at + utf8_step(s, at);
			bool stop = is_one_of(sign, ".?!");
			begins = stop && !in_a_number(s, at) ? true : begins;
			if (in_a_number(s, at) || !is_one_of(sign, " .,!?'\xe2"))
				put_firm(out, span_cut(s, at, end));
			continue;
		}
		struct span word = span_cut(s, at, end), lower = courtesy_lower(word, room);
		struct firm_word is = look_at_word(word);
		bool known = begins_known(c, lower);
		if (is.strange)
			return "the prompt's script has no capitals";
		if (!any && !known)
			return "the prompt does not begin with a listed word";
		/* "I" is never a name. "May" and "Will" may be names, except at the beginning
		 * of the prompt. */
		bool name = is.capital && !(begins && known && !any) && !span_is(word, "I");
		if (is.digits || unit || name)
			put_firm(out, word);
		else if (!known || courtesy_word_find(&c->turns, lower))
			put_firm(out, lower);
		unit = is.digits;
		any = true;
		begins = false;
	}
	return any ? NULL : "no text";
}

int
meaning_vector(struct span answer, struct buf *floats, uint64_t *tokens)
{
	json_auto_t *o = json_loadb(answer.p, answer.n, JSON_REJECT_DUPLICATES, NULL);
	json_t *data = json_object_get(o, "data"),
	       *v = json_object_get(json_array_get(data, 0), "embedding"),
	       *used = json_object_get(json_object_get(o, "usage"), "prompt_tokens");
	size_t n = json_array_size(v), i;
	double length = 0;
	json_t *one;

	if (json_array_size(data) != 1 || n == 0 || n > MEANING_DIMS_MOST)
		return ERR_SYNTAX;
	json_array_foreach(v, i, one)
	{
		float f = (float)json_number_value(one);
		if (!json_is_number(one) || !isfinite(f))
			return ERR_SYNTAX;
		length += (double)f * (double)f;
		buf_put(floats, &f, sizeof(f));
	}
	*tokens = json_is_integer(used) && json_integer_value(used) > 0
			  ? (uint64_t)json_integer_value(used)
			  : 0;
	return length > 0 && isfinite(length) && !buf_failed(floats) ? 0 : ERR_SYNTAX;
}
