/* A near prompt is the same prompt. Of thousands of prompts made by a rule, each with another
 * digit, "not", word, name, order, quote or placeholder is a different prompt. Each with an
 * additional polite phrase, spaces or a full stop is the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/ascii.h"
#include "gate/cache/near.h"
#include "support/courtesy_fix.h"

/* Empty: no prompt is near. */
static struct span
same_of(const char *text)
{
	struct buf b;

	buf_init(&b, 0);
	const char *why = near_text(courtesy, span_str(text), &b);
	assert_int_equal(why != NULL, b.n == 0);
	struct span s = arena_printf(&courtesy_arena, "%.*s", SPAN_ARG(buf_view(&b)));
	buf_free(&b);
	return s;
}

/* ---- by hand ---- */

static void
polite_phrases_before_and_after_are_ignored(void **state)
{
	static const struct {
		const char *text, *same;
	} rows[] = {
		{ "Explain how a lock works.", "explain how a lock works" },
		{ "explain how a lock works", "explain how a lock works" },
		{ "  Please explain  how a lock works.\n", "explain how a lock works" },
		{ "Please, explain how a lock works", "explain how a lock works" },
		{ "HELLO! Explain how a lock works. Thanks!", "explain how a lock works" },
		{ "Hi there, could you please explain how a lock works?",
			"explain how a lock works?" },
		{ "Explain how a lock works? Thank you very much.",
			"explain how a lock works?" },
		{ "Explain how a lock works, please.", "explain how a lock works" },
		{ "Please explain <PERSON_1> and 3.5 % of it.",
			"explain <PERSON_1> and 3.5 % of it." },
		{ "Bitte erkläre, wie ein Schloss funktioniert.",
			"erkläre, wie ein Schloss funktioniert" },
		{ "Erkläre ein Schloss, vielen Dank.", "erkläre ein Schloss" },
		{ "S\xE2\x80\x99il vous plaît, expliquez comment marche une clé",
			"expliquez comment marche une clé" },
		{ "Por favor, explica la llave. Gracias.", "explica la llave" },
		/* with lines, quotes or code: only a phrase before it, and no other space or
		 * full stop */
		{ "Please explain  this: \"a  b\".", "explain  this: \"a  b\"." },
		{ "Please list\n\n  a\n  b", NULL },
		{ "Please summarise what follows:\n\n  a\n  b",
			"summarise what follows:\n\n  a\n  b" },
		{ "Explain what the dog's  lead is for.",
			"explain what the dog's lead is for" },
		{ "Explain 'the  dog' to me.", "explain 'the  dog' to me." },
		{ "Explain the U.S. economy.", "explain the U.S. economy." },
		{ "Explain the U.S.", "explain the U.S." },
		{ "Explain 3.", "explain 3." },
		{ "Explain example.com.", "explain example.com." },
		{ "Explain it...", "explain it..." },
		{ "Explain what n!", "explain what n!" },
		{ "Explain  <a  b> it.", "explain  <a  b> it." },
		{ "Explain locks. Explain keys.", "explain locks. Explain keys." },
		{ "Explain locks?  And keys.", "explain locks?  And keys." },
		{ "Explain locks!  And keys.", "explain locks!  And keys." },
		{ "Hello. Hi there, please explain it", "explain it" },
		{ "Explain the band, thanks", "explain the band" },
		/* a name may be written this way */
		{ "Please Explain the party of 1997", "Explain the party of 1997" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span s = same_of(rows[i].text);
		if (!span_eq(s, span_str(rows[i].same)))
			fail_msg("%s: %.*s", rows[i].text, SPAN_ARG(s));
	}
}

/* Prompts in which a polite phrase may have another meaning. */
static void
ambiguous_polite_phrase_prevents_a_near_key(void **state)
{
	static const char *const rows[] = { "", " ", "Please", "Thanks", "Thank you.", "Hello",
		"Hello world in Python", "Please Please Me", "Hello list members",
		"Hi explain it", "Explain the band, Thanks", "Hello! World", "Hello!Explain it",
		"Please,explain it", "please come at ten", "Please don't explain it",
		"Please never explain it", "Please not explain it", "translate: hello",
		"Please translate hello to French", "Explain how to say two beers, please",
		"Explain what bitte is", "Explain why people use please too much",
		"write thank you note", "Write a thank you note",
		"Write a letter to Bob, thanks", "Explain the German for two beers, please",
		"List a, b, thanks and sort them in French",
		"Please explain why you are late. Make it more polite.",
		"Please explain why you are late. Translate that.",
		"Bitte erkläre das. Übersetze es.",
		"Bitte erkläre \xE2\x80\x9EÜbersetze\xE2\x80\x9C.",
		"Please explain l'expression suivante", "Explainable things", "Please explain",
		"Explain:", "bitte explain it", "Explain it, s'il vous plaît",
		"Explain i\xE2\x80\x8Bt again", "Explain i\xE2\x80\xAEt again",
		"Explain, thanks", "Please erkläre, vielen Dank", "Explain \xC3",
		"Explain \x01 it", "Explain \x7F it", "Explain e\xCC\x81t\xC3\xA9 it" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (same_of(rows[i]).n)
			fail_msg("%s: %.*s", rows[i], SPAN_ARG(same_of(rows[i])));
	/* a prompt of several sentences, or with lists, keeps its end */
	static const char *const kept[] = { "Compare kiwi, plum, thanks",
		"Explain what aims to please", "Explain it! Thanks." };
	for (size_t i = 0; i < COUNT_OF(kept); i++)
		assert_int_equal(same_of(kept[i]).n, 0);
	char *most = malloc(NEAR_TEXT_MOST + 2);
	memset(most, 'a', NEAR_TEXT_MOST + 1);
	memcpy(most, "explain ", 8);
	most[NEAR_TEXT_MOST] = '\0';
	assert_int_equal(same_of(most).n, NEAR_TEXT_MOST);
	most[NEAR_TEXT_MOST] = 'a';
	most[NEAR_TEXT_MOST + 1] = '\0';
	assert_int_equal(same_of(most).n, 0);
	free(most);
}

static void
similarity_of_texts_is_a_share(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned both, all;
	} rows[] = {
		{ "a b c", "a b c", 1, 1 },
		{ "a b c", "A,  b\nC.", 1, 1 },
		{ "a b c d", "a b c", 1, 2 },
		{ "please a b c d", "a b c d", 2, 3 },
		{ "a b c a b c", "a b c", 1, 3 },
		{ "a b c d e", "e d c b a", 0, 1 },
		{ "a b", "a b", 0, 1 },
		{ "", "", 0, 1 },
		{ "ab c d", "a bc d", 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span a = span_str(rows[i].a), b = span_str(rows[i].b);
		double want = (double)rows[i].both / rows[i].all;
		if (near_similarity(a, b) != want || near_similarity(b, a) != want)
			fail_msg("%s: %f", rows[i].a, near_similarity(a, b));
	}
}

/* ---- thousands of prompts ---- */

static unsigned drawn = 11;
static unsigned
draw(unsigned below)
{
	drawn = drawn * 1664525u + 1013904223u;
	return (drawn >> 8) % below;
}

static const char *const names[] = { "Anna", "Bert", "Chloé", "Dmitri", "Müller", "Osaka",
	"Kelvin" };
static const char *const things[] = { "km", "kg", "euros", "percent", "ms", "hours", "kWh",
	"GB" };

/* In the prompts: N is a name, T a unit, # a number, @ a placeholder. */
static const struct {
	const char *text, *first, *last;
	bool plain;
} prompts[] = {
	{ "Explain why N sold # T of steel to N in June and not in May and how @ could pay # T "
	  "for it within # days",
		"please ", ", please", true },
	{ "Compare the # T that N measured with the # T of N from the year # and do it for @ "
	  "again",
		"hello, ", ", thanks", true },
	{ "Calculate what # T at a rate of # T are worth after # years where N and N share it "
	  "and "
	  "@ gets nothing at all?",
		"kindly ", " Thank you.", true },
	{ "Explain what the function `f(#)` of N does with the list [#, #] and why it never "
	  "returns # T in the test of N for @",
		"please ", NULL, false },
	{ "Summarise the plan of N in # points for @\n\n- N buys # T of wood\n- N sells # T of "
	  "it "
	  "\"before the # of June\"\n- and nobody pays",
		"could you please ", NULL, false },
	{ "Erkläre warum N im Jahr # genau # T an N lieferte und wieso @ dafür nicht mehr als "
	  "# T "
	  "zahlen wollte",
		"bitte ", ", danke", true },
	{ "Beschreibe wie N mit # T von N nach # Tagen fertig wird obwohl @ davon noch gar "
	  "nichts weiß",
		"hallo, ", ", vielen Dank", true },
	{ "Explique pourquoi N a vendu # T de bois à N en # et combien @ doit payer pour # T "
	  "de "
	  "plus à la fin",
		"s'il vous plaît, ", ", merci", true },
	{ "Explica por qué N vendió # T de madera a N en # y cuánto debe pagar @ por # T más "
	  "al "
	  "final",
		"por favor, ", ", gracias", true },
	{ "Spiega perché N ha venduto # T di legno a N nel # e quanto deve pagare @ per # T in "
	  "più alla fine",
		"per favore, ", ", grazie", true },
	{ "Beschrijf waarom N in # precies # T aan N leverde en waarom @ daarvoor # T betaalt "
	  "op "
	  "het einde",
		"alsjeblieft, ", ", bedankt", true },
	{ "Descreva por que N vendeu # T de madeira a N em # e quanto @ deve pagar por # T no "
	  "fim",
		"olá, ", ", obrigado", true },
};

static void
put_prompt(size_t which, struct buf *b)
{
	buf_clear(b);
	for (const char *c = prompts[which].text; *c; c++)
		if (*c == 'N' && !is_alpha(c[1]))
			buf_str(b, names[draw(COUNT_OF(names))]);
		else if (*c == 'T' && !is_alpha(c[1]))
			buf_str(b, things[draw(COUNT_OF(things))]);
		else if (*c == '#')
			buf_printf(b, "%u", draw(draw(2) ? 10 : 100000));
		else if (*c == '@')
			buf_printf(b, "<%s_%u>", draw(2) ? "PERSON" : "EMAIL_ADDRESS",
				1 + draw(9));
		else
			buf_putc(b, *c);
}

/* Stores where words begin and returns their number. */
static size_t
words_at(struct span s, size_t at[64])
{
	size_t n = 0;

	for (size_t i = 0; i < s.n && n < 64; i++)
		if (!is_space(s.p[i]) && (!i || is_space(s.p[i - 1])))
			at[n++] = i;
	return n;
}

static struct span
word_from(struct span s, size_t at)
{
	size_t end = at;

	while (end < s.n && !is_space(s.p[end]))
		end++;
	return span_cut(s, at, end);
}

/* Writes s with `with` in the place of `was`. */
static void
put_instead(struct span s, struct span was, struct span with, struct buf *b)
{
	size_t at = (size_t)(was.p - s.p);

	buf_clear(b);
	buf_span(b, span_cut(s, 0, at));
	buf_span(b, with);
	buf_span(b, span_cut(s, at + was.n, s.n));
}

enum change { DIGIT, NEGATION, SWAP, WORD, GONE, TWICE, CASE, SIGN, QUOTE, BLANK, CHANGES };
static const char *const change_names[CHANGES] = { "a digit", "a negation", "two words' order",
	"another word", "a word less", "a word twice", "the case of a letter", "a sign",
	"quotes around a word", "a space in a word" };

/* Returns false if the prompt contains nothing to which the change applies. */
static bool
put_changed(enum change how, struct span s, struct buf *b)
{
	static const char *const negations[] = { "not", "no", "never", "nicht", "kein", "keine",
		"ne", "pas", "jamais", "non", "nunca", "niet", "geen", "não", "nem", "don't",
		"without", "ohne", "sans", "sin", "except", "NOT" };
	static const char signs[] = ",;?-%\"'`/*";
	size_t at[64], n = words_at(s, at), i = draw((unsigned)n), k = draw((unsigned)n);
	struct span one = word_from(s, at[i]), other = word_from(s, at[k]);
	char with[200];

	switch (how) {
	case DIGIT:
		for (i = draw((unsigned)s.n), k = 0; k < s.n && !is_digit(s.p[i]); k++)
			i = (i + 1) % s.n;
		if (k == s.n)
			return false;
		with[0] = (char)('0' + (s.p[i] - '0' + 1 + (int)draw(9)) % 10);
		put_instead(s, span_cut(s, i, i + 1), span_of(with, 1), b);
		return true;
	case NEGATION:
		put_instead(s, span_cut(s, at[i], at[i]),
			span_of(with, (size_t)snprintf(with, sizeof(with), "%s ",
					      negations[draw(COUNT_OF(negations))])),
			b);
		return true;
	case SWAP:
		if (at[i] >= at[k] || span_eq(one, other))
			return false;
		buf_clear(b);
		buf_span(b, span_cut(s, 0, at[i]));
		buf_span(b, other);
		buf_span(b, span_cut(s, at[i] + one.n, at[k]));
		buf_span(b, one);
		buf_span(b, span_cut(s, at[k] + other.n, s.n));
		return true;
	case WORD:
		other = span_str(names[draw(COUNT_OF(names))]);
		if (span_eq(one, other))
			return false;
		put_instead(s, one, other, b);
		return true;
	case GONE: put_instead(s, one, SPAN_LIT(""), b); return true;
	case TWICE:
		put_instead(s, span_of(one.p, 0),
			span_of(with,
				(size_t)snprintf(with, sizeof(with), "%.*s ", SPAN_ARG(one))),
			b);
		return true;
	case CASE:
		for (k = 1 + draw((unsigned)s.n - 1); k < s.n && !is_alpha(s.p[k]);)
			k++;
		if (k == s.n)
			return false;
		with[0] = (char)(s.p[k] ^ 0x20);
		put_instead(s, span_cut(s, k, k + 1), span_of(with, 1), b);
		return true;
	case SIGN:
		with[0] = signs[draw(sizeof(signs) - 1)];
		put_instead(s, span_of(one.p + one.n, 0), span_of(with, 1), b);
		return true;
	case QUOTE:
		put_instead(s, one,
			span_of(with, (size_t)snprintf(
					      with, sizeof(with), "\"%.*s\"", SPAN_ARG(one))),
			b);
		return true;
	default:
		if (one.n < 2 || is_high(one.p[1]))
			return false;
		put_instead(s, span_of(one.p + 1, 0), SPAN_LIT(" "), b);
		return true;
	}
}

static void
changed_prompt_is_another_prompt(void **state)
{
	size_t pairs[CHANGES] = { 0 }, near = 0;
	struct buf one, other, a, b;

	(void)state;
	buf_init(&one, 0);
	buf_init(&other, 0);
	buf_init(&a, 0);
	buf_init(&b, 0);
	for (unsigned i = 0; i < 120000; i++) {
		enum change how = i % CHANGES;
		put_prompt(draw(COUNT_OF(prompts)), &one);
		if (!put_changed(how, buf_view(&one), &other))
			continue;
		buf_clear(&a);
		buf_clear(&b);
		const char *why = near_text(courtesy, buf_view(&one), &a);
		if (why)
			continue;
		pairs[how]++;
		if (near_text(courtesy, buf_view(&other), &b))
			continue;
		near++;
		if (span_eq(buf_view(&a), buf_view(&b)))
			fail_msg("%s: %.*s | %.*s", change_names[how], SPAN_ARG(buf_view(&one)),
				SPAN_ARG(buf_view(&other)));
	}
	for (size_t i = 0; i < CHANGES; i++)
		if (pairs[i] < 2000)
			fail_msg("%s: %zu pairs", change_names[i], pairs[i]);
	assert_true(near > 20000); /* they differ, and not only because there is no key */
	buf_free(&one);
	buf_free(&other);
	buf_free(&a);
	buf_free(&b);
}

/* Adds irrelevant parts, in one of many ways. */
static void
put_dressed(size_t which, unsigned how, struct span s, struct buf *b)
{
	bool first = how & 1, last = how & 2 && prompts[which].last,
	     stop = how & 4 && prompts[which].plain && !span_ends(s, SPAN_LIT("?")),
	     blanks = how & 8 && prompts[which].plain && !memchr(s.p, '<', s.n);
	size_t from = 0;

	buf_clear(b);
	if (how & 16)
		buf_str(b, " \n");
	if (first) {
		buf_str(b, prompts[which].first);
		if (how & 32)
			b->p[b->n - strlen(prompts[which].first)] =
				to_upper(b->p[b->n - strlen(prompts[which].first)]);
		buf_putc(b, to_lower(s.p[from++]));
	}
	for (size_t at = from; at < s.n; at++) {
		buf_putc(b, s.p[at]);
		if (blanks && s.p[at] == ' ')
			buf_str(b, "  ");
	}
	if (last)
		buf_str(b, prompts[which].last);
	if (stop)
		buf_putc(b, '.');
	if (how & 16)
		buf_str(b, " \r\n");
}

static void
irrelevant_parts_make_no_other_prompt(void **state)
{
	double least = 1, most = 0;
	size_t pairs = 0, each[COUNT_OF(prompts)] = { 0 };
	struct buf one, other, a, b;

	(void)state;
	buf_init(&one, 0);
	buf_init(&other, 0);
	buf_init(&a, 0);
	buf_init(&b, 0);
	for (unsigned i = 0; i < 20000; i++) {
		size_t which = draw(COUNT_OF(prompts));
		put_prompt(which, &one);
		put_dressed(which, 1 + draw(63), buf_view(&one), &other);
		buf_clear(&a);
		buf_clear(&b);
		if (near_text(courtesy, buf_view(&one), &a))
			continue;
		const char *why = near_text(courtesy, buf_view(&other), &b);
		if (why || !span_eq(buf_view(&a), buf_view(&b)))
			fail_msg("%s: %.*s | %.*s", why ? why : "others",
				SPAN_ARG(buf_view(&one)), SPAN_ARG(buf_view(&other)));
		double like = near_similarity(buf_view(&one), buf_view(&other));
		least = like < least ? like : least;
		most = like > most ? like : most;
		pairs++;
		each[which]++;
	}
	print_message("%zu pairs, similarity %.3f to %.3f\n", pairs, least, most);
	assert_true(pairs > 10000 && least > 0.7 && most == 1);
	for (size_t i = 0; i < COUNT_OF(prompts); i++)
		if (i != 1 && i != 7 &&
			each[i] < 500) /* these two refer to texts, or ask nothing */
			fail_msg("%s: %zu pairs", prompts[i].text, each[i]);
	buf_free(&one);
	buf_free(&other);
	buf_free(&a);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(polite_phrases_before_and_after_are_ignored),
		cmocka_unit_test(ambiguous_polite_phrase_prevents_a_near_key),
		cmocka_unit_test(similarity_of_texts_is_a_share),
		cmocka_unit_test(changed_prompt_is_another_prompt),
		cmocka_unit_test(irrelevant_parts_make_no_other_prompt),
	};

	return cmocka_run_group_tests(tests, courtesy_setup, courtesy_teardown);
}
