/* Requests as real SDKs sent them, one of each form (tests/data/sdk_requests.jsonl, which
 * RECORD=FILE make e2e E2E=sdk-translate.sh writes). Translated to another form and back, they
 * have the same meaning. Their meaning is compared by their translation into each other form.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "answer/translate/request.h"
#include "base/err.h"

static struct arena arena;

static enum form
form_of_path(const char *path)
{
	static const struct {
		const char *has;
		enum form form;
	} paths[] = { { "/chat/completions", FORM_CHAT }, { "/responses", FORM_RESPONSES },
		{ "/messages", FORM_MESSAGES }, { "enerateContent", FORM_GENERATE },
		{ "/converse", FORM_CONVERSE } };

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		if (strstr(path, paths[i].has))
			return paths[i].form;
	fail_msg("%s", path);
	return FORM_NONE;
}

/* Without the parts that docs/translation.md permits to lose: the output limit of a form that
 * needs one, which is the limit of `into`, and of a response schema its name, strictness, and
 * closing for strictness. */
static struct span
in_essence(struct span json)
{
	static const struct {
		const char *is, *as;
	} more[] = { { "\"max_completion_tokens\":4096,", "" },
		{ "\"max_output_tokens\":4096,", "" }, { "\"maxOutputTokens\":4096,", "" },
		{ "\"maxOutputTokens\":4096", "" }, { "\"maxTokens\":4096,", "" },
		{ "\"maxTokens\":4096", "" }, { "\"name\":\"note\"", "\"name\":\"answer\"" },
		{ ",\"strict\":true", "" }, { ",\"additionalProperties\":false", "" },
		{ ",\\\"additionalProperties\\\":false", "" } };

	for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++) {
		size_t n = strlen(more[i].is);
		const char *at = memmem(json.p, json.n, more[i].is, n);
		size_t before = at ? (size_t)(at - json.p) : 0;
		if (at)
			json = arena_printf(&arena, "%.*s%s%.*s", (int)before, json.p,
				more[i].as, (int)(json.n - before - n), at + n);
	}
	return json;
}

/* Returns the translation in the arena, or an empty span if it is refused. */
static struct span
into(enum form from, enum form to, struct span body, bool stream,
	struct translated_request *made)
{
	struct translate_ask ask = { .from = from,
		.to = to,
		.body = body,
		.stream = stream,
		.model = SPAN_LIT("m"),
		.cap_tokens = 4096 };
	struct buf out;

	buf_init(&out, 0);
	int err = translate_request(&ask, &arena, &out, made);
	struct span all = err ? SPAN_LIT("") : arena_dup(&arena, buf_view(&out));
	buf_free(&out);
	assert_true(!err || (err == ERR_UNSUPPORTED && made->refused.n));
	return all;
}

/* Members of these requests that not all forms have. */
static bool
may_be_refused(struct span path)
{
	static const char *const paths[] = { "n", "generationConfig.candidateCount",
		"previous_response_id", "top_k", "guardrailConfig",
		"additionalModelRequestFields.top_k" };

	return SPAN_IN(path, paths);
}

static void
means_the_same(const char *line, enum form from, struct span body, bool stream)
{
	struct translated_request made, other;

	for (enum form by = FORM_CHAT; by < FORMS_OF_TALK; by++) {
		if (by == from)
			continue;
		struct span there = into(from, by, body, stream, &made);
		if (!there.n && !may_be_refused(made.refused))
			fail_msg("%s\nto %s: %.*s %s", line, form_name(by),
				SPAN_ARG(made.refused), made.why);
		if (!there.n)
			continue;
		struct span back = into(by, from, there, made.stream, &made);
		if (!back.n)
			fail_msg("%s\nas %s\n%.*s\n%.*s %s", line, form_name(by),
				SPAN_ARG(there), SPAN_ARG(made.refused), made.why);
		for (enum form in = FORM_CHAT; in < FORMS_OF_TALK; in++) {
			if (in == from)
				continue;
			struct span want = into(from, in, body, stream, &made);
			struct span got = into(from, in, back, stream, &other);
			if (want.n && (!span_eq(in_essence(want), in_essence(got)) ||
					      made.stream != other.stream))
				fail_msg("%s\nby %s\n%.*s\nis in %s\n%.*s\nnot\n%.*s", line,
					form_name(by), SPAN_ARG(there), form_name(in),
					SPAN_ARG(got), SPAN_ARG(want));
		}
	}
}

/* {"sdk":…,"path":"…","body":{…}} */
static void
recorded_requests_keep_their_meaning(void **state)
{
	FILE *f = fopen("tests/data/sdk_requests.jsonl", "r");
	char *line = NULL;
	size_t room = 0, lines = 0;

	(void)state;
	assert_non_null(f);
	for (ssize_t n; (n = getline(&line, &room, f)) > 0; lines++) {
		char *path = strstr(line, "\"path\":\""), *body = strstr(line, ",\"body\":{");
		assert_true(path && body && n > 2);
		*body = '\0';
		struct span json = span_of(body + 8, (size_t)(line + n - 2 - (body + 8)));
		arena_init(&arena, 0, false);
		means_the_same(path, form_of_path(path), json, strstr(path, "tream") != NULL);
		arena_reset(&arena);
	}
	assert_true(lines > 100);
	free(line);
	fclose(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_requests_keep_their_meaning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
