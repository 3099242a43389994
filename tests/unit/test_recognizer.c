/* Requests to external recognizers, and the validation of their responses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "support/guard.h"

#include "base/caps.h"
#include "base/err.h"
#include "scan/recognizer/recognizer.h"

enum { PERSON = 3, PLACE = 7, TOXIC = 9, FLAGGED = 11 };

static const struct recognizer_label ner_labels[] = { { "PERSON", PERSON }, { "LOC", PLACE } };
static const struct recognizer ner = { .name = "ner",
	.source = 2,
	.shape = SHAPE_PRESIDIO,
	.batch = true,
	.language = "en",
	.score_threshold = 0.5,
	.labels = ner_labels,
	.nlabels = 2,
	.flagged = -1 };
static const struct recognizer_label toxic_labels[] = { { "toxic", TOXIC } };
static const struct recognizer toxic = { .name = "tox",
	.source = 1,
	.shape = SHAPE_JSON,
	.score_threshold = 0.5,
	.labels = toxic_labels,
	.nlabels = 1,
	.before = { "{\"text\":", 8 },
	.after = { "}", 1 },
	.results = "",
	.items = "/out",
	.label = "/label",
	.score = "/score" };
static const struct recognizer_label mod_labels[] = { { "violence", TOXIC },
	{ "self-harm/intent", PLACE } };
static const struct recognizer mod = { .name = "mod",
	.source = 15,
	.shape = SHAPE_MODERATION,
	.batch = true,
	.score_threshold = -1,
	.labels = mod_labels,
	.nlabels = 2,
	.flagged = FLAGGED };

static void
requests_have_the_form_of_the_api(void **state)
{
	const struct span texts[] = { SPAN_LIT("a \"b\"\n"), SPAN_LIT("\xc3\xa9") };
	struct recognizer alone = ner, model = mod, list = toxic;
	struct buf b;

	(void)state;
	alone.batch = false;
	model.model = "omni-moderation-latest";
	list.batch = true;
	const struct {
		const struct recognizer *r;
		size_t n;
		const char *want;
	} rows[] = {
		{ &ner, 2,
			"{\"text\":[\"a "
			"\\\"b\\\"\\n\",\"\xc3\xa9\"],\"language\":\"en\",\"entities\":["
			"\"PERSON\",\"LOC\"],\"score_threshold\":0.5}" },
		{ &alone, 1,
			"{\"text\":\"a "
			"\\\"b\\\"\\n\",\"language\":\"en\",\"entities\":[\"PERSON\","
			"\"LOC\"],\"score_threshold\":0.5}" },
		{ &toxic, 1, "{\"text\":\"a \\\"b\\\"\\n\"}" },
		{ &list, 2, "{\"text\":[\"a \\\"b\\\"\\n\",\"\xc3\xa9\"]}" },
		{ &mod, 1, "{\"input\":[\"a \\\"b\\\"\\n\"]}" },
		{ &model, 1,
			"{\"input\":[\"a "
			"\\\"b\\\"\\n\"],\"model\":\"omni-moderation-latest\"}" },
	};
	buf_init(&b, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&b);
		recognizer_ask(rows[i].r, texts, rows[i].n, &b);
		buf_putc(&b, '\0');
		assert_string_equal(b.p, rows[i].want);
	}
	buf_free(&b);
}

/* Returns the findings of one text as "ENTITY[start,end)score …", or "error: …". The response
 * and the text end at inaccessible pages. */
static const char *
read_one(const struct recognizer *r, const char *text, const char *answer)
{
	static char out[1024];
	size_t n = strlen(text), m = strlen(answer), at = 0;
	char *t = guard_dup(text, n), *a = guard_dup(answer, m);
	struct span texts[1] = { span_of(t, n) };
	struct findings f;
	struct arena arena;
	const char *why;

	arena_init(&arena, 0, false);
	out[0] = '\0';
	int err = recognizer_read(r, span_of(a, m), texts, 1, &arena, &f, NULL, &why);
	if (err)
		snprintf(out, sizeof(out), "error: %s: %s", err_str(err), why);
	for (size_t i = 0; i < f.n; i++) {
		assert_int_equal(f.v[i].flags >> FINDING_SOURCE_SHIFT, r->source);
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%u[%zu,%zu)%.2f",
			i ? " " : "", f.v[i].entity, f.v[i].start, f.v[i].end,
			(double)f.v[i].score);
	}
	if (err)
		assert_int_equal(f.n, 0);
	arena_reset(&arena);
	guard_free(t, n);
	guard_free(a, m);
	return out;
}

#define P(type, from, to, score)                                                               \
	"{\"entity_type\":\"" type "\",\"start\":" #from ",\"end\":" #to ",\"score\":" #score  \
	"}"

static void
response_is_used_whole_or_not_at_all(void **state)
{
	static const struct {
		const char *name;
		const struct recognizer *r;
		const char *text, *answer, *want;
	} rows[] = {
		{ "nothing found", &ner, "hello", "[[]]", "" },
		{ "a span in ASCII", &ner, "I am Ann", "[[" P("PERSON", 5, 8, 0.85) "]]",
			"3[5,8)0.85" },
		{ "more members than needed", &ner, "Ann",
			"[[{\"analysis_explanation\":null,\"entity_type\":\"PERSON\",\"start\":"
			"0,"
			"\"end\":3,\"score\":1,\"recognition_metadata\":{\"x\":[1]}}]]",
			"3[0,3)1.00" },
		{ "an emoji is one code point, four bytes", &ner, "\xf0\x9f\x98\x80 Ann",
			"[[" P("PERSON", 2, 5, 0.9) "]]", "3[5,8)0.90" },
		{ "Chinese, three bytes each", &ner,
			"\xe6\x88\x91\xe6\x98\xaf\xe6\x9d\x8e\xe6\x98\x8e",
			"[[" P("PERSON", 2, 4, 0.9) "]]", "3[6,12)0.90" },
		{ "a combining accent is a code point of its own", &ner, "Rene\xcc\x81 ok",
			"[[" P("PERSON", 0, 5, 0.9) "]]", "3[0,6)0.90" },
		{ "an emoji of several code points (ZWJ)", &ner,
			"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb"
			"Bo",
			"[[" P("PERSON", 3, 5, 0.9) "]]", "3[11,13)0.90" },
		{ "to the last code point", &ner, "\xc3\xa9\xc3\xa9",
			"[[" P("PERSON", 0, 2, 0.9) "]]", "3[0,4)0.90" },
		{ "a name of theirs", &ner, "in Rome", "[[" P("LOC", 3, 7, 0.6) "]]",
			"7[3,7)0.60" },
		{ "below the threshold", &ner, "Ann", "[[" P("PERSON", 0, 3, 0.49) "]]", "" },
		{ "what was not asked for", &ner, "Ann", "[[" P("URL", 0, 3, 0.9) "]]", "" },
		{ "unsorted, and one of one entity inside another", &ner, "Ann Lee Fox",
			"[[" P("PERSON", 4, 11, 0.7) "," P("PERSON", 0, 7, 0.8) "]]",
			"3[0,11)0.80" },
		{ "two entities on the same bytes", &ner, "Paris",
			"[[" P("LOC", 0, 5, 0.7) "," P("PERSON", 0, 5, 0.8) "]]",
			"3[0,5)0.80 7[0,5)0.70" },
		{ "not JSON", &ner, "Ann", "<html>", "error: malformed: not JSON" },
		{ "empty", &ner, "Ann", "", "error: malformed: not JSON" },
		{ "cut", &ner, "Ann", "[[{\"entity_type\":\"PERSON\"",
			"error: malformed: not JSON" },
		{ "trailing data", &ner, "Ann", "[[]] x", "error: malformed: not JSON" },
		{ "a member twice", &ner, "Ann",
			"[[{\"entity_type\":\"PERSON\",\"start\":0,\"start\":1,\"end\":3,"
			"\"score\":1}]]",
			"error: malformed: not JSON" },
		{ "an object", &ner, "Ann", "{\"error\":\"no\"}",
			"error: malformed: the response does not have one result for each text" },
		{ "a flat list where lists were asked for", &ner, "Ann",
			"[" P("PERSON", 0, 3, 0.9) "]",
			"error: malformed: the response is not a list of findings" },
		{ "a result too many", &ner, "Ann", "[[],[]]",
			"error: malformed: the response does not have one result for each text" },
		{ "a result too few", &ner, "Ann", "[]",
			"error: malformed: the response does not have one result for each text" },
		{ "behind the text", &ner, "Ann", "[[" P("PERSON", 0, 4, 0.9) "]]",
			"error: out of range: a finding ends after the end of its text" },
		{ "behind the text in code points, not in bytes", &ner, "\xc3\xa9\xc3\xa9",
			"[[" P("PERSON", 0, 3, 0.9) "]]",
			"error: out of range: a finding ends after the end of its text" },
		{ "far behind it", &ner, "Ann",
			"[[" P("PERSON", 0, 9223372036854775807, 0.9) "]]",
			"error: out of range: a finding ends after the end of its text" },
		{ "behind it for something not asked for", &ner, "Ann",
			"[[" P("URL", 0, 99, 0.9) "]]",
			"error: out of range: a finding ends after the end of its text" },
		{ "an empty span", &ner, "Ann", "[[" P("PERSON", 1, 1, 0.9) "]]",
			"error: out of range: a finding ends before it begins" },
		{ "a span backwards", &ner, "Ann", "[[" P("PERSON", 2, 1, 0.9) "]]",
			"error: out of range: a finding ends before it begins" },
		{ "a negative start", &ner, "Ann", "[[" P("PERSON", -1, 2, 0.9) "]]",
			"error: out of range: a finding ends before it begins" },
		{ "a fractional start", &ner, "Ann", "[[" P("PERSON", 0.5, 2, 0.9) "]]",
			"error: malformed: a finding lacks entity_type, start, end or score" },
		{ "a score over 1", &ner, "Ann", "[[" P("PERSON", 0, 2, 1.1) "]]",
			"error: malformed: a finding lacks entity_type, start, end or score" },
		{ "no score", &ner, "Ann",
			"[[{\"entity_type\":\"PERSON\",\"start\":0,\"end\":1}]]",
			"error: malformed: a finding lacks entity_type, start, end or score" },
		{ "a wrong finding behind a right one: neither counts", &ner, "Ann",
			"[[" P("PERSON", 0, 3, 0.9) "," P("PERSON", 9, 10, 0.9) "]]",
			"error: out of range: a finding ends after the end of its text" },

		{ "a label", &toxic, "you!", "{\"out\":{\"label\":\"toxic\",\"score\":0.9}}",
			"9[0,4)0.90" },
		{ "labels", &toxic, "you!",
			"{\"out\":[{\"label\":\"nice\",\"score\":0.1},{\"label\":\"toxic\","
			"\"score\":0.7}]}",
			"9[0,4)0.70" },
		{ "a label below the threshold", &toxic, "you!",
			"{\"out\":[{\"label\":\"toxic\",\"score\":0.2}]}", "" },
		{ "no labels", &toxic, "you!", "{\"out\":[]}", "" },
		{ "labels elsewhere", &toxic, "you!", "{\"in\":[]}",
			"error: malformed: the response has no list of labels" },
		{ "a label without score", &toxic, "you!", "{\"out\":{\"label\":\"toxic\"}}",
			"error: malformed: a label has no score from 0 to the highest one" },
		{ "a label that is a number", &toxic, "you!", "{\"out\":{\"label\":1}}",
			"error: malformed: a label has no name" },

		{ "nothing flagged", &mod, "x",
			"{\"results\":[{\"flagged\":false,\"categories\":{\"violence\":false}}]"
			"}",
			"" },
		{ "a category", &mod, "xyz",
			"{\"id\":\"m\",\"results\":[{\"flagged\":true,\"categories\":{"
			"\"violence\":true,"
			"\"self-harm/"
			"intent\":false},\"category_scores\":{\"violence\":0.75}}]}",
			"9[0,3)0.75 11[0,3)1.00" },
		{ "a category of tomorrow", &mod, "xyz",
			"{\"results\":[{\"flagged\":true,\"categories\":{\"new\":true}}]}",
			"11[0,3)1.00" },
		{ "no results", &mod, "x", "{\"error\":{\"message\":\"rate\"}}",
			"error: malformed: the response does not have one result for each text" },
		{ "a result without a verdict", &mod, "x",
			"{\"results\":[{\"categories\":{}}]}",
			"error: malformed: a result lacks flagged, categories or category_scores" },
		{ "a verdict in words", &mod, "x",
			"{\"results\":[{\"flagged\":true,\"categories\":{\"violence\":\"yes\"}}"
			"]}",
			"error: malformed: a category has no verdict or score" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = read_one(rows[i].r, rows[i].text, rows[i].answer);
		if (strcmp(got, rows[i].want))
			fail_msg("%s: %s, want %s", rows[i].name, got, rows[i].want);
	}
}

static void
moderation_may_use_scores(void **state)
{
	struct recognizer by_score = mod;

	(void)state;
	by_score.score_threshold = 0.3;
	by_score.flagged = -1;
	assert_string_equal(
		read_one(&by_score, "ab",
			"{\"results\":[{\"flagged\":false,\"categories\":{\"violence\":"
			"false},\"category_scores\":{\"violence\":0.4,\"self-harm/intent\":"
			"0.2}}]}"),
		"9[0,2)0.40");
	assert_string_equal(read_one(&by_score, "ab",
				    "{\"results\":[{\"flagged\":true,\"categories\":{}}]}"),
		"error: malformed: a result lacks flagged, categories or category_scores");
}

static void
each_text_gets_its_own_findings(void **state)
{
	const struct span texts[] = { SPAN_LIT("Ann"), SPAN_LIT(""), SPAN_LIT("\xc3\xa9 Bo") };
	struct findings f[3];
	struct arena a;
	const char *why;

	(void)state;
	arena_init(&a, 0, false);
	assert_int_equal(
		recognizer_read(&ner,
			SPAN_LIT("[[" P("PERSON", 0, 3, 1) "],[],[" P("PERSON", 2, 4, 1) "]]"),
			texts, 3, &a, f, NULL, &why),
		0);
	assert_int_equal(f[0].n, 1);
	assert_int_equal(f[1].n, 0);
	assert_int_equal(f[2].v[0].start, 3);
	assert_int_equal(f[2].v[0].end, 5);
	assert_int_equal(recognizer_read(&ner, SPAN_LIT("[[" P("PERSON", 0, 3, 1) "],[],3]"),
				 texts, 3, &a, f, NULL, &why),
		ERR_SYNTAX);
	assert_int_equal(f[0].n, 0); /* no finding of the response counts */
	arena_reset(&a);
}

static void
too_many_findings_of_a_recognizer_are_an_error(void **state)
{
	struct span text = SPAN_LIT("Ann");
	struct findings f;
	struct arena a;
	struct buf b;
	const char *why;

	(void)state;
	arena_init(&a, 0, false);
	buf_init(&b, 0);
	buf_str(&b, "[[");
	for (int i = 0; i <= CAP_RECOGNIZED; i++)
		buf_str(&b, i ? "," P("PERSON", 0, 3, 1) : P("PERSON", 0, 3, 1));
	buf_str(&b, "]]");
	assert_int_equal(
		recognizer_read(&ner, buf_view(&b), &text, 1, &a, &f, NULL, &why), ERR_LIMIT);
	buf_free(&b);
	arena_reset(&a);
}

static void
pointers_are_followed_by_rfc_6901(void **state)
{
	struct recognizer r = toxic;

	(void)state;
	r.items = ""; /* the whole document */
	assert_string_equal(
		read_one(&r, "x", "[{\"label\":\"toxic\",\"score\":0.9}]"), "9[0,1)0.90");
	r.batch = true;
	r.results = "";
	assert_string_equal(
		read_one(&r, "x", "[[{\"label\":\"toxic\",\"score\":0.9}]]"), "9[0,1)0.90");
	r.results = "/r";
	assert_string_equal(read_one(&r, "x", "{\"r\":[{\"label\":\"toxic\",\"score\":0.9}]}"),
		"9[0,1)0.90");
	r.batch = false;
	r.items = "/a~1b/~0c/1";
	r.label = "";
	r.score = NULL;
	assert_string_equal(read_one(&r, "x", "{\"a/b\":{\"~c\":[0,{\"label\":1}]}}"),
		"error: malformed: a label has no name");
	r.label = "/n";
	assert_string_equal(
		read_one(&r, "x", "{\"a/b\":{\"~c\":[0,{\"n\":\"toxic\"}]}}"), "9[0,1)1.00");
	assert_string_equal(read_one(&r, "x", "{\"a/b\":{\"~c\":[0]}}"),
		"error: malformed: the response has no list of labels");
	assert_true(recognizer_pointer(""));
	assert_true(recognizer_pointer("/a/0/~0~1"));
	assert_false(recognizer_pointer("a"));
	assert_false(recognizer_pointer("/~2"));
	assert_false(recognizer_pointer("/~"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_have_the_form_of_the_api),
		cmocka_unit_test(response_is_used_whole_or_not_at_all),
		cmocka_unit_test(moderation_may_use_scores),
		cmocka_unit_test(each_text_gets_its_own_findings),
		cmocka_unit_test(too_many_findings_of_a_recognizer_are_an_error),
		cmocka_unit_test(pointers_are_followed_by_rfc_6901),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
