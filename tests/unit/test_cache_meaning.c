/* Comparison of meanings: the parts of two prompts that must be equal nevertheless, prompts
 * that are compared with none, and vectors in responses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "gate/cache/meaning.h"
#include "support/courtesy_fix.h"

/* Returns NULL with the fixed parts in `out`, or the reason why there are none. */
static const char *
firm_of(const char *text, char out[512])
{
	struct buf b;

	buf_init(&b, 0);
	const char *why = meaning_firm(courtesy, span_str(text), &b);
	snprintf(out, 512, "%.*s", why ? 0 : (int)b.n, b.n ? b.p : "");
	buf_free(&b);
	return why;
}

static void
fixed_parts_of_a_prompt_are_found(void **state)
{
	static const struct {
		const char *text, *firm;
	} rows[] = {
		{ "How do I reset my account", "how do i: reset my account " },
		{ "Can you tell me how to reset my account?", "how do i: reset my account " },
		{ "how do you reset an account", "how do you: reset an account " },
		{ "What is the capital of France", "what is the: capital of France " },
		{ "Please tell me the capital of France.", "what is the: capital of France " },
		{ "Tell me what the capital of France is.", "what is the: capital of France " },
		{ "Hello! Could you tell me who he is?", "who is: he " },
		{ "How does Anna Berg do it", "how do: does Anna Berg do it " },
		{ "How many dollars are 10 euros", "how many: dollars are 10 euros " },
		{ "Is it 3.5 % of 7", "is: it 3.5 % of 7 " },
		{ "Is it 3,5 or 35", "is: it 3,5 or 35 " },
		{ "Is it 3, 5 or 35", "is: it 3, 5 or 35 " },
		{ "Why can't it be done", "why can: t it be done " },
		{ "Explain why the sky is blue, thanks!", "why is: the sky blue " },
		{ "Do they know if he is there or is here", "do: they know if he is there or is here " },
		{ "What is the NASA", "what is the: NASA " },
		{ "Wie kann ich nicht zum Bahnhof", "wie kann ich: nicht zum Bahnhof " },
		{ "¿Dónde está la llave?", "dónde está: la llave " },
		{ "Peux-tu m'expliquer pourquoi le ciel est bleu ?", "pourquoi: le ciel est bleu " },
		{ "What does <PERSON_1> do", "what does * do: <PERSON_1> " },
		{ "Who was it. Will was", "who was: it. Will was " },
		{ "What is it, and what is that", "what is: it, and what is that " },
	};
	char got[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *why = firm_of(rows[i].text, got);
		if (why || strcmp(got, rows[i].firm) != 0)
			fail_msg("%s: %s: %s", rows[i].text, why ? why : "is", got);
	}
}

/* Pairs of prompts that differ in parts that vectors do not distinguish well. */
static void
words_that_change_the_meaning_are_fixed_parts(void **state)
{
	static const char *const pairs[][2] = {
		{ "How do I do it", "How do I not do it" },
		{ "How do I do it", "How do I never do it" },
		{ "How do I buy it", "How do I sell it" },
		{ "What was before the war", "What was after the war" },
		{ "Which is the largest", "Which is the smallest" },
		{ "Is it more than a mile", "Is it less than a mile" },
		{ "How do I enable the port", "How do I disable the port" },
		{ "Is it legal", "Is it illegal" },
		{ "Can I open it", "Can I close it" },
		{ "What does it cost with tax", "What does it cost without tax" },
		{ "What is the way from Rome to Paris", "What is the way from Paris to Rome" },
		{ "Wie kann ich es kaufen", "Wie kann ich es verkaufen" },
		{ "Ist es erlaubt", "Ist es verboten" },
		{ "Est-ce que je peux", "Est-ce que je ne peux pas" },
		{ "What is 4 percent", "What is 9 percent" },
		{ "What is 4 miles", "What is 4 metres" },
		{ "Why can I", "Why can't I" },
		{ "Is it valid", "Is it invalid" },
		{ "How long is two years", "How long is three years" },
		{ "Convert euros to dollars for me", "Convert dollars to euros for me" },
		{ "How do I go from mysql to postgres", "How do I go from postgres to mysql" },
		{ "Can the landlord sue the tenant", "Can the tenant sue the landlord" },
		{ "Tell me about germany", "Tell me about france" },
		{ "What is open on monday", "What is open on tuesday" },
		{ "What may the employer do", "What may the employee do" },
		{ "What are the pros of it", "What are the cons of it" },
		{ "How do I hire him", "How do I fire him" },
		{ "How do I show it", "How do I hide it" },
		{ "What is hypertension", "What is hypotension" },
		{ "When was she born", "Where was she born" },
		{ "Can he do it", "Can she do it" },
		{ "Is it my account", "Is it your account" },
		{ "Wie kann ich mich anmelden", "Wie kann ich mich abmelden" },
		{ "Wie lange sind zwei Jahre", "Wie lange sind drei Jahre" },
		{ "Was darf der Mieter", "Was darf der Vermieter" },
		{ "Comment augmenter la chaleur", "Comment diminuer la chaleur" },
		{ "Comment vendre la maison", "Comment acheter la maison" },
		{ "Cómo puedo comprar la casa", "Cómo puedo vender la casa" },
		{ "Come posso aprire la porta", "Come posso chiudere la porta" },
		{ "Hoe kan ik het kopen", "Hoe kan ik het verkopen" },
		{ "Should it be on", "Should it be off" },
		{ "Who is the president", "Who was the president" },
		{ "What does the market do", "What did the market do" },
		{ "What is the weather", "What will the weather be" },
		{ "Which books are by Freud", "Which books are about Freud" },
		{ "Explain the law of motion", "Explain the second law of motion" },
		{ "List reasons for it", "List one reason for it" },
		{ "Can I take it", "Should I take it" },
		{ "How do I make a lock", "How do I find a lock" },
		{ "Do I have a visa", "Do I need a visa" },
		{ "Wer ist der Kanzler", "Wer wird der Kanzler" },
	};
	char one[512], two[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		const char *a = firm_of(pairs[i][0], one), *b = firm_of(pairs[i][1], two);
		if (!a && !b && !strcmp(one, two))
			fail_msg("%s | %s: %s", pairs[i][0], pairs[i][1], one);
	}
}

/* Reads tests/data/semantic_pairs.txt and prints, by half, language and kind, how many pairs are
 * equal in their firm parts. */
static void
other_questions_differ_and_paraphrases_match(void **state)
{
	enum { FIELDS = 5, LANGUAGES = 8, LINE = 1024 };
	static const char languages[LANGUAGES][3] = { "en", "de", "fr", "es", "it", "nl", "pl",
		"pt" };
	struct {
		int pairs, equal;
	} count[2][LANGUAGES][2] = { 0 };
	char line[LINE], one[512], two[512];
	int failed = 0, same[2] = { 0 }, all[2] = { 0 };
	FILE *f = fopen("tests/data/semantic_pairs.txt", "r");

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		char *v[FIELDS], *left = line;
		size_t lang = 0;
		if (*line == '#')
			continue;
		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < FIELDS; i++)
			assert_non_null(v[i] = strsep(&left, "\t"));
		while (lang < LANGUAGES && strcmp(v[1], languages[lang]) != 0)
			lang++;
		assert_true(lang < LANGUAGES);
		int half = !strcmp(v[0], "second"), is_same = !strcmp(v[2], "same");
		const char *a = firm_of(v[3], one), *b = firm_of(v[4], two);
		bool equal = !a && !b && !strcmp(one, two);
		count[half][lang][is_same].pairs++;
		count[half][lang][is_same].equal += equal;
		if (is_same) {
			all[half]++;
			same[half] += equal;
		} else if (equal) {
			print_message("passes: %s | %s: %s\n", v[3], v[4], one);
			failed++;
		}
		if (is_same && !equal && getenv("PAIRS"))
			print_message("%s | %s: %s | %s\n", v[3], v[4], a ? a : one, b ? b : two);
	}
	fclose(f);
	print_message("half    language  other, that pass  paraphrases, that match\n");
	for (int half = 0; half < 2; half++)
		for (size_t i = 0; i < LANGUAGES; i++)
			print_message("%-7s %s        %4d %4d          %4d %4d\n",
				half ? "second" : "first", languages[i],
				count[half][i][0].pairs, count[half][i][0].equal,
				count[half][i][1].pairs, count[half][i][1].equal);
	print_message("paraphrases: first %d of %d, second %d of %d\n", same[0], all[0], same[1],
		all[1]);
	assert_int_equal(failed, 0);
	for (int half = 0; half < 2; half++)
		assert_true(same[half] * 40 >= all[half] * 12);
}

static void
unsuitable_prompt_is_not_compared(void **state)
{
	static const char *const rows[] = { "", "  ", "Reset my password", "Hur gör jag det", "What", "Please, thanks",
		"How do I write \"stop\"", "How do I\nreset it", "How do I run `ls`",
		"怎么重置密码", "What is 密码", "Translate what it is",
		"What does the word mean", "How do I say it", "\xff" };
	char got[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (!firm_of(rows[i], got))
			fail_msg("%s: %s", rows[i], got);
}

static void
error_in_questions_is_reported_with_its_place(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "[a]\n", ":1:1: questions: a mapping" },
		{ "en: {leads: [b]}\n", ":1:1: en: questions is missing" },
		{ "en: {question: [[b]]}\n", ":1:6: question: unknown key" },
		{ "en: {questions: [['* b']]}\n", "* b: words of at most 96 bytes" },
		{ "en: {questions: [[b * * c]]}\n", "b * * c: words of at most 96 bytes" },
		{ "en: {questions: [[b * c * d * e]]}\n", "b * c * d * e: at most two *" },
		{ "en: {questions: [[b, c]]}\nde: {questions: [[d, B]]}\n",
			":2:22: B: is already in the group of b" },
		{ "en: {questions: [[b * c]], leads: ['']}\n", "leads" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct diag d;
		diag_init(&d);
		assert_null(questions_load(&courtesy_arena, span_str(rows[i].text), &d));
		if (!memmem(d.text.p, d.text.n, rows[i].says, strlen(rows[i].says)))
			fail_msg("%s: %.*s", rows[i].text, SPAN_ARG(buf_view(&d.text)));
		diag_free(&d);
	}
}

static void
vectors_are_read_or_refused(void **state)
{
	static const struct {
		const char *answer;
		size_t dims;
		uint64_t tokens;
	} rows[] = {
		{ "{\"data\":[{\"embedding\":[1,0.5]}],\"usage\":{\"prompt_tokens\":7}}", 2,
			7 },
		{ "{\"data\":[{\"embedding\":[1]}]}", 1, 0 },
		{ "{\"data\":[{\"embedding\":[0,0]}]}", 0, 0 },
		{ "{\"data\":[{\"embedding\":[]}]}", 0, 0 },
		{ "{\"data\":[{\"embedding\":[1,\"x\"]}]}", 0, 0 },
		{ "{\"data\":[{\"embedding\":[1e300]}]}", 0, 0 },
		{ "{\"data\":[{\"embedding\":[1]},{\"embedding\":[1]}]}", 0, 0 },
		{ "{\"data\":[]}", 0, 0 },
		{ "{\"error\":{}}", 0, 0 },
		{ "[1]", 0, 0 },
		{ "{", 0, 0 },
		{ "", 0, 0 },
		{ "{\"data\":[{\"embedding\":[1]}],\"usage\":{\"prompt_tokens\":-7}}", 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf b;
		uint64_t tokens = 0;
		buf_init(&b, MEANING_DIMS_MOST * sizeof(float));
		int err = meaning_vector(span_str(rows[i].answer), &b, &tokens);
		if (err ? rows[i].dims != 0
			: b.n != rows[i].dims * sizeof(float) || tokens != rows[i].tokens)
			fail_msg("%s: %d", rows[i].answer, err);
		buf_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed_parts_of_a_prompt_are_found),
		cmocka_unit_test(words_that_change_the_meaning_are_fixed_parts),
		cmocka_unit_test(other_questions_differ_and_paraphrases_match),
		cmocka_unit_test(unsuitable_prompt_is_not_compared),
		cmocka_unit_test(error_in_questions_is_reported_with_its_place),
		cmocka_unit_test(vectors_are_read_or_refused),
	};

	return cmocka_run_group_tests(tests, courtesy_setup, courtesy_teardown);
}
