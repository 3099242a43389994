/* How tokens of each model are counted, and how estimates are corrected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/tokens/estimate.h"
#include "policy/config/models.h"

static void
model_has_the_family_of_its_first_pattern(void **state)
{
	static const struct {
		const char *model, *family;
	} rows[] = {
		{ "gpt-4o", "gpt-4o" },
		{ "gpt-4o-mini-2024-07-18", "gpt-4o-mini" },
		{ "gpt-4.1-nano", "gpt-4o" },
		{ "o3-mini", "gpt-5" },
		{ "gpt-4-turbo", "gpt-4" },
		{ "gpt-35-turbo", "gpt-4" },
		{ "text-embedding-3-large", "embeddings" },
		{ "claude-3-5-sonnet-20241022", "claude" },
		{ "claude-opus-4-7", "claude-new" },
		{ "anthropic.claude-3-haiku-20240307-v1:0", "claude" },
		{ "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-sonnet-4",
			"claude" },
		{ "publishers/google/models/gemini-2.5-pro", "sentencepiece" },
		{ "meta-llama/Llama-3.1-8B-Instruct", "llama3" },
		{ "Qwen/Qwen2.5-7B", "qwen" },
		{ "mistral-large-latest", "sentencepiece" },
		{ "house-model", "sentencepiece" },
		{ "", "sentencepiece" },
	};
	struct arena a;
	struct diag d;

	(void)state;
	arena_init(&a, 0, false);
	diag_init(&d);
	const struct token_models *m = models_load(&a, NULL, &d);
	if (!m)
		fail_msg("%.*s", SPAN_ARG(buf_view(&d.text)));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct token_family *f = token_family_of(m, span_str(rows[i].model));
		if (strcmp(f->name, rows[i].family) != 0)
			fail_msg("%s: %s", rows[i].model, f->name);
	}
	const struct token_family *f = token_family_of(m, SPAN_LIT("gpt-4"));
	assert_string_equal(f->encoding, "cl100k_base");
	assert_true(f->exact && f->message == 3 && f->named == 1 && f->function == 11);
	assert_int_equal(f->factor[SCRIPT_HAN].most, 1000);
	f = token_family_of(m, SPAN_LIT("claude-3-opus"));
	assert_int_equal(f->factor[SCRIPT_PROSE].mean, 1180);
	assert_int_equal(f->factor[SCRIPT_PROSE].most, 1350);
	diag_free(&d);
	arena_reset(&a);
}

static void
errors_in_the_model_table_are_named(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "models: []\n", ":1:1: families is missing" },
		{ "families: {a: {encoding: x}}\n", ":1:1: unknown is missing: name the family "
						    "of models that no pattern matches" },
		{ "families: {a: {encodin: x}}\nunknown: a\n", ":1:16: " },
		{ "families: {a: {message: 3}}\nunknown: a\n", "a: encoding is missing" },
		{ "families: {a: {encoding: x, message: many}}\nunknown: a\n",
			"message: tokens from -100 to 1000000 are expected, found many" },
		{ "families: {a: {encoding: x, latin: 2}}\nunknown: a\n",
			"latin: [average, highest] is expected, found 2" },
		{ "families: {a: {encoding: x, latin: [2, 1]}}\nunknown: a\n",
			"latin: the highest factor is less than the average" },
		{ "families: {a: {encoding: x, latin: [0, 1]}}\nunknown: a\n",
			"latin: a factor from 0.1 to 20 is expected, found 0" },
		{ "families: {a: {encoding: x, exact: true, latin: [1, 1]}}\nunknown: a\n",
			"a: an exact family has no factors: remove one of the two" },
		{ "families: {alpha: {encoding: x}}\nunknown: alpa\n",
			":2:10: unknown: there is no family alpa above, did you mean alpha?" },
		{ "families: {a: {encoding: x, like: b}, b: {encoding: x}}\nunknown: a\n",
			"like: there is no family b above" },
		{ "families: {a: {encoding: x}}\nmodels: [{model: m}]\nunknown: a\n",
			"models: family, window, output, rate, effort, sampling or "
			"custom_tools is missing" },
		{ "families: {a: {encoding: x}}\nmodels: [{model: m, effort: [low, loud]}]\n"
		  "unknown: a\n",
			":2:35: effort: none, minimal, low, medium, high, xhigh or max is "
			"expected, found loud" },
		{ "families: {a: {encoding: x}}\nmodels: [{model: m, effort: {budget: [9, "
		  "1]}}]\n"
		  "unknown: a\n",
			"effort: none, a list of levels, or {budget: [least, most]} in tokens "
			"is "
			"expected, found a mapping" },
		{ "families: {a: {encoding: x}}\nmodels: [{model: m, effort: []}]\nunknown: "
		  "a\n",
			"effort: none, a list of levels" },
		{ "families: {a: {encoding: x}}\nmodels: [{model: m, effort: none}, {model: m, "
		  "effort: [low]}]\nunknown: a\n",
			"model: m and m at " },
		{ "families: {a: {encoding: x}}\nmodels: [{model: m, sampling: 1}]\nunknown: "
		  "a\n",
			"sampling: none is expected, found 1" },
		{ "families: {a: {encoding: x}}\nmodels: [{model: m, custom_tools: "
		  "false}]\nunknown: a\n",
			"custom_tools: true is expected, found false" },
		{ "families: {a: {encoding: x}}\nmodels: [{window: 5}]\nunknown: a\n",
			":2:10: models: model is missing" },
		{ "families: {a: {encoding: x}}\nmodels: [{model: m, window: 0}]\nunknown: a\n",
			":2:29: window: tokens from 1 to 1000000000 are expected, found 0" },
		{ "families: {a: {encoding: x}}\nmodels: [{model: m, output: lots}]\n"
		  "unknown: a\n",
			":2:29: output: tokens from 1 to 1000000000 are expected, found lots" },
		{ "families: {a: {encoding: x}}\nmodels: [{model: 'a*', window: 5}, {model: "
		  "'*b', "
		  "window: 6}]\nunknown: a\n",
			"model: *b and a* at " },
		{ "families: {a: {encoding: x}}\nmodels: [{model: m, window: 5}, {model: m, "
		  "window: "
		  "6}]\nunknown: a\n",
			":2:41: model: m and m at " },
		{ "families: {a: {encoding: x}}\nmodels: [{model: 'x{a', window: 5}]\nunknown: "
		  "a\n",
			"model: a group such as {us.,eu.} is expected, found x{a" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char file[] = "/tmp/tgmodelsXXXXXX";
		struct arena a;
		struct diag d;
		int fd = mkstemp(file);
		assert_true(fd >= 0 && write(fd, rows[i].text, strlen(rows[i].text)) > 0);
		close(fd);
		arena_init(&a, 0, false);
		diag_init(&d);
		const struct token_models *m = models_load(&a, file, &d);
		buf_putc(&d.text, '\0');
		if (m || !strstr(buf_view(&d.text).p, rows[i].says))
			fail_msg("%s: %s", rows[i].text, buf_view(&d.text).p);
		unlink(file);
		diag_free(&d);
		arena_reset(&a);
	}
}

/* Each number comes from the most specific pattern that has it. */
static void
windows_are_found_like_prices(void **state)
{
	static const char text[] =
		"families: {a: {encoding: x, latin: [2, 3]}}\n"
		"models:\n"
		"  - {model: 'gpt*', family: a, window: 1000}\n"
		"  - {model: [gpt-4o, '{us.,eu.}m'], window: 500, output: 50}\n"
		"  - {model: gpt-4o-2024-05-13, output: 10}\n"
		"  - {model: 'o1*', output: 7, rate: 90}\n"
		"unknown: a\n";
	static const struct {
		const char *model;
		uint64_t window, output, rate; /* rate 0: the default */
	} rows[] = {
		{ "gpt-5", 1000, 0, 0 },
		{ "gpt-4o", 500, 50, 0 },
		{ "gpt-4o-2024-08-06", 500, 50, 0 },
		{ "gpt-4o-2024-05-13", 500, 10, 0 },
		{ "gpt-4o-mini", 1000, 0, 0 },
		{ "models/gpt-4o", 500, 50, 0 },
		{ "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.m-v1:0", 500, 50, 0 },
		{ "us.m", 500, 50, 0 },
		{ "m", 0, 0, 0 },
		{ "o1-mini", 0, 7, 90 },
		{ "", 0, 0, 0 },
	};
	char file[] = "/tmp/tgmodelsXXXXXX";
	struct arena a;
	struct diag d;
	int fd = mkstemp(file);

	(void)state;
	assert_true(fd >= 0 && write(fd, text, strlen(text)) > 0);
	close(fd);
	arena_init(&a, 0, false);
	diag_init(&d);
	const struct token_models *m = models_load(&a, file, &d);
	unlink(file);
	if (!m)
		fail_msg("%.*s", SPAN_ARG(buf_view(&d.text)));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct model_size s = model_size_of(m, span_str(rows[i].model));
		uint64_t rate = rows[i].rate ? rows[i].rate : MODEL_RATE_DEFAULT;
		if (s.window != rows[i].window || s.output != rows[i].output || s.rate != rate)
			fail_msg("%s: %llu %llu %llu", rows[i].model,
				(unsigned long long)s.window, (unsigned long long)s.output,
				(unsigned long long)s.rate);
	}
	assert_int_equal(m->least_window, 500);
	assert_int_equal(m->least_output, 7);
	assert_int_equal(m->least_bytes, 250); /* a byte may be two tokens in this family */
	diag_free(&d);
	arena_reset(&a);
}

/* By the model that is sent, for any provider. */
static void
shipped_table_has_the_known_windows(void **state)
{
	static const struct {
		const char *model;
		uint64_t window;
	} rows[] = {
		{ "gpt-4", 8192 },
		{ "mistral-large-2512", 262144 },
		{ "mistral-large-latest", 0 },
		{ "command-r-08-2024", 131072 },
		{ "us.anthropic.claude-haiku-4-5-20251001-v1:0", 200000 },
		{ "anthropic.claude-3-haiku-20240307-v1:0", 200000 },
		{ "global.anthropic.claude-opus-4-6-v1:0", 1000000 },
		{ "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
			0 }, /* its window depends on a beta */
		{ "amazon.nova-lite-v1:0", 300000 },
		{ "arn:aws:bedrock:us-east-1:1:inference-profile/"
		  "us.meta.llama3-3-70b-instruct-v1:0",
			131072 },
		{ "mistral.mistral-7b-instruct-v0:2", 32768 },
		{ "openai.gpt-oss-20b-1:0", 131072 },
	};
	struct arena a;
	struct diag d;

	(void)state;
	arena_init(&a, 0, false);
	diag_init(&d);
	const struct token_models *m = models_load(&a, NULL, &d);
	assert_non_null(m);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t window = model_size_of(m, span_str(rows[i].model)).window;
		if (window != rows[i].window)
			fail_msg("%s: %llu", rows[i].model, (unsigned long long)window);
	}
	diag_free(&d);
	arena_reset(&a);
}

static void
script_of_a_text_is_recognized(void **state)
{
	static const struct {
		const char *text;
		enum text_script script;
	} rows[] = {
		{ "The quick brown fox jumps over the lazy dog, and it's fine.", SCRIPT_PROSE },
		{ "Größere Straßen führen über die Brücke nach Köln.", SCRIPT_PROSE },
		{ "if (x[i] == y->z) { return f(a, b); } /* {}; */", SCRIPT_SOURCE },
		{ "{\"a\":{\"b\":[1,2,3]},\"c\":\"d\"}", SCRIPT_SOURCE },
		{ "我们今天讨论的是如何保护用户的数据。", SCRIPT_HAN },
		{ "개인 정보를 보호합니다", SCRIPT_HAN },
		{ "Сегодня мы говорим о защите данных.", SCRIPT_ELSE },
		{ "हम आज डेटा सुरक्षा पर चर्चा करते हैं", SCRIPT_ELSE },
		{ "", SCRIPT_PROSE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (text_script(span_str(rows[i].text)) != rows[i].script)
			fail_msg("%s: %s", rows[i].text,
				text_script_names[text_script(span_str(rows[i].text))]);
}

/* Without ranks: bytes by the script's measure, times the family's factor. */
static void
sums_of_tokens_are_rounded_up_once(void **state)
{
	const struct token_family f = { .name = "f",
		.encoding = "none",
		.factor = { { 1500, 2000 }, { 1000, 1000 }, { 1000, 1000 }, { 1000, 1000 } } };
	const struct token_meter m = { .family = &f };
	struct token_sum s = { 0 };
	char text[4300];

	(void)state;
	memset(text, 'a', sizeof(text));
	token_sum_text(&m, span_of(text, sizeof(text)), &s);
	assert_int_equal(token_sum_tokens(s.mean), 1500);
	assert_int_equal(token_sum_tokens(s.most), 2867); /* 4300 / 3 x 2, rounded up */
	assert_true(s.estimated);
	token_sum_plain(&s, 5);
	token_sum_plain(&s, -3);
	assert_int_equal(token_sum_tokens(s.mean), 1502);
	token_sum_bytes(&s, 1025, 10);
	assert_int_equal(token_sum_tokens(s.mean), 1522);
	token_sum_plain(&s, -1000000);
	assert_int_equal(token_sum_tokens(s.mean), 0);
	token_sum_plain(&s, INT32_MAX);
	assert_int_equal(token_sum_tokens(s.mean), INT32_MAX);
	assert_int_equal(token_sum_tokens(UINT64_MAX), (int64_t)(UINT64_MAX / 1000 + 1));
}

/* From the length alone: at least the estimate for a text in any script, and less than one
 * token per byte. */
static void
estimate_by_bytes_is_at_least_that_of_any_script(void **state)
{
	static const char *const texts[] = { "The quick brown fox jumps over the lazy dog.",
		"if (x[i] == y->z) { return f(a, b); } /* {}; */",
		"我们今天讨论的是如何保护用户的数据。", "Сегодня мы говорим о защите данных." };
	const struct token_family f = { .name = "f",
		.encoding = "none",
		.factor = { { 1000, 1000 }, { 1000, 1500 }, { 1000, 1000 }, { 1000, 1000 } } };
	const struct token_meter m = { .family = &f };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct token_sum read = { 0 }, bytes = { 0 };
		token_sum_text(&m, span_str(texts[i]), &read);
		token_sum_estimate(&m, strlen(texts[i]), &bytes);
		if (bytes.most < read.most || bytes.mean > bytes.most ||
			bytes.most > bytes.bound)
			fail_msg("%s", texts[i]);
		assert_int_equal(bytes.bound, strlen(texts[i]) * 1500);
		assert_true(bytes.estimated);
		token_sum_plain(&bytes, 4);
		token_sum_plain(&bytes, -100000);
		assert_int_equal(bytes.bound, strlen(texts[i]) * 1500 + 4000);
	}
}

/* A provider that uses 1.3 to 1.7 times the estimate, 1.5 on average. */
static void
estimate_approaches_the_usage(void **state)
{
	static struct token_learned l;
	uint64_t key = learned_key(SPAN_LIT("m"), SCRIPT_PROSE);
	unsigned over = 0, rounds = 4000;
	int64_t mean = 1000, most = 1100;

	(void)state;
	srand(3);
	learned_apply(&l, key, &mean, &most);
	assert_true(mean == 1000 && most == 1100); /* nothing is known yet */
	for (unsigned i = 0; i < rounds; i++) {
		int64_t used = 1300 + rand() % 401;
		mean = 1000;
		most = 1100;
		learned_apply(&l, key, &mean, &most);
		assert_true(most >= mean);
		over += i >= 200 && used > most;
		if (i >= 200)
			assert_true(mean > 1300 && mean < 1700);
		learned_add(&l, key, 1000, 1100, used);
	}
	/* one of twenty, and no more than 8 % */
	assert_true(over > rounds / 50 && over < rounds * 8 / 100);
	mean = most = 1000;
	learned_apply(&l, learned_key(SPAN_LIT("m"), SCRIPT_HAN), &mean, &most);
	assert_int_equal(mean, 1000);
}

/* The reservation also follows the usage down, and one extreme response does not have a lasting
 * effect. */
static void
learning_is_limited_and_forgets(void **state)
{
	static struct token_learned l;
	uint64_t key = learned_key(SPAN_LIT("m"), SCRIPT_PROSE);
	int64_t mean = 1000, most = 2000;

	(void)state;
	learned_add(&l, key, 1000, 2000, 1000000);
	learned_apply(&l, key, &mean, &most);
	assert_true(most <= 4000 && mean <= 4000);
	for (int i = 0; i < 2000; i++)
		learned_add(&l, key, 1000, 2000, 1000);
	mean = 1000;
	most = 2000;
	learned_apply(&l, key, &mean, &most);
	assert_true(mean >= 990 && mean <= 1010 && most < 1200);
	learned_add(&l, key, 0, 0, 5);
	learned_add(&l, key, 5, 5, 0);
	learned_add(&l, key, 15, 20, 300); /* a short prompt */
	/* as many models as callers invent */
	for (unsigned i = 0; i < 100000; i++) {
		char name[32];
		size_t n = (size_t)snprintf(name, sizeof(name), "model-%u", i);
		learned_add(&l, learned_key(span_of(name, n), SCRIPT_PROSE), 100, 100, 200);
	}
	mean = 1000;
	learned_apply(&l, key, &mean, &most);
	assert_true(mean >= 990 && mean <= 1010);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(model_has_the_family_of_its_first_pattern),
		cmocka_unit_test(errors_in_the_model_table_are_named),
		cmocka_unit_test(windows_are_found_like_prices),
		cmocka_unit_test(shipped_table_has_the_known_windows),
		cmocka_unit_test(script_of_a_text_is_recognized),
		cmocka_unit_test(sums_of_tokens_are_rounded_up_once),
		cmocka_unit_test(estimate_by_bytes_is_at_least_that_of_any_script),
		cmocka_unit_test(estimate_approaches_the_usage),
		cmocka_unit_test(learning_is_limited_and_forgets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
