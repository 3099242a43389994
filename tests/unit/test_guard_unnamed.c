/* Members that no row of a format names, across the events of a stream: a value is found in
 * every cut, and content that is not text is unchanged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "support/answer_fix.h"

static const struct answer_case openai = { "", REDACT, "openai", "/v1/chat/completions",
	"text/event-stream", "", "" };
static const struct answer_case unknown = { "", REDACT, "rest", "/x", "text/event-stream", "",
	"" };
static const struct answer_case denied = { "", DENY, "openai", "/v1/chat/completions",
	"text/event-stream", "", "" };

/* Joins the values of member `key` in all events of a stream. */
static void
joined(struct span out, const char *key, struct buf *text)
{
	char begin[64];
	int n = snprintf(begin, sizeof(begin), "\"%s\":\"", key);
	const char *at;

	while (out.n && (at = memmem(out.p, out.n, begin, (size_t)n))) {
		out = span_of(at + n, out.n - (size_t)(at + n - out.p));
		size_t end = span_chr(out, '"');
		buf_span(text, span_cut(out, 0, end));
		out = span_cut(out, end, out.n);
	}
}

static void
thoughts(struct buf *in, bool known, struct span text)
{
	if (known)
		buf_printf(in,
			"data: {\"id\":\"c\",\"provider\":\"Some One\",\"choices\":[{\"index\":"
			"0,\"delta\":{\"thoughts\":\"%.*s\"}}]}\n\n",
			SPAN_ARG(text));
	else
		buf_printf(in, "data: {\"output\":[{\"thoughts\":\"%.*s\"}],\"n\":1}\n\n",
			SPAN_ARG(text));
}

/* ---- every cut ---- */

static const struct {
	const char *text, *want;
} said[] = {
	{ "write to jane.doe@example.org now", "write to <EMAIL_ADDRESS> now" },
	{ "jane.doe@example.org it is", "<EMAIL_ADDRESS> it is" },
	{ "a card: 4111 1111 1111 1111 or 5555 5555 5555 4444",
		"a card: <CREDIT_CARD> or <CREDIT_CARD>" },
	{ "jane1985doe7@example.org it is", "<EMAIL_ADDRESS> it is" },
	{ "DE89370400440532013000 it is", "<IBAN_CODE> it is" },
	{ "the password is what she wrote, not bob@example.net.",
		"the password is what she wrote, not <EMAIL_ADDRESS>." },
};

static void
try_cut(const struct answer_case *c, const char *text, const char *want, size_t cut,
	size_t step)
{
	struct span s = span_str(text);
	struct buf in, now;
	struct guard_rig r;

	guard_rig_open(&r, c);
	buf_init(&in, 0);
	buf_init(&now, 0);
	for (size_t at = 0, to; at < s.n; at = to) {
		to = step ? at + step : at < cut ? cut : s.n;
		thoughts(&in, c == &openai, span_cut(s, at, to));
	}
	buf_str(&in, "data: [DONE]\n\n");
	guard_rig_feed(&r, buf_view(&in));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	joined(buf_view(&r.out), "thoughts", &now);
	if (!span_is(buf_view(&now), want))
		fail_msg("cut at %zu, each %zu:\n got  %.*s\n want %s\n%.*s", cut, step,
			SPAN_ARG(buf_view(&now)), want, SPAN_ARG(buf_view(&r.out)));
	buf_free(&in);
	buf_free(&now);
	guard_rig_close(&r);
}

static void
value_across_events_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(said); i++)
		for (int k = 0; k < 2; k++) {
			const struct answer_case *c = k ? &unknown : &openai;
			for (size_t cut = 1; cut <= strlen(said[i].text); cut++)
				try_cut(c, said[i].text, said[i].want, cut, 0);
			for (size_t step = 1; step < 12; step++)
				try_cut(c, said[i].text, said[i].want, 0, step);
		}
}

/* A stream of plain text: pieces that are numbers or JSON words are text like the others. */
static void
try_plain(const char *text, const char *want, size_t step)
{
	struct span s = span_str(text);
	struct buf in, now;
	struct guard_rig r;

	guard_rig_open(&r, &unknown);
	buf_init(&in, 0);
	buf_init(&now, 0);
	for (size_t at = 0; at < s.n; at += step)
		buf_printf(&in, "data: %.*s\n\n", SPAN_ARG(span_cut(s, at, at + step)));
	guard_rig_feed(&r, buf_view(&in));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	for (struct span out = buf_view(&r.out); out.n;) {
		size_t end = span_chr(out, '\n');
		if (span_starts(out, SPAN_LIT("data: ")))
			buf_span(&now, span_cut(out, 6, end));
		out = span_cut(out, end + 1, out.n);
	}
	if (!span_is(buf_view(&now), want))
		fail_msg("each %zu:\n got  %.*s\n want %s", step, SPAN_ARG(buf_view(&now)),
			want);
	buf_free(&in);
	buf_free(&now);
	guard_rig_close(&r);
}

static void
plain_text_with_numbers_is_inspected(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(said); i++)
		for (size_t step = 1; step < 12; step++)
			try_plain(said[i].text, said[i].want, step);
	for (size_t step = 1; step < 12; step++)
		try_plain("null, true: 4111 1111 1111 1111, false",
			"null, true: <CREDIT_CARD>, false", step);
}

/* Nothing of the value was forwarded before the denial. */
static void
value_across_events_is_denied(void **state)
{
	(void)state;
	static const char text[] = "my ssn is 536-22-1840.";
	for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
		struct buf in, now;
		struct guard_rig r;
		guard_rig_open(&r, &denied);
		buf_init(&in, 0);
		buf_init(&now, 0);
		thoughts(&in, true, span_of(text, cut));
		thoughts(&in, true, span_of(text + cut, sizeof(text) - 1 - cut));
		guard_rig_feed(&r, buf_view(&in));
		guard_rig_end(&r);
		assert_int_equal(r.got, GUARD_DENIED);
		joined(buf_view(&r.out), "thoughts", &now);
		if (now.n && memmem(buf_view(&now).p, now.n, "536", 3))
			fail_msg("cut at %zu: %.*s", cut, SPAN_ARG(buf_view(&now)));
		buf_free(&in);
		buf_free(&now);
		guard_rig_close(&r);
	}
}

/* ---- unchanged content ---- */

static const struct {
	const char *name, *events[5];
	bool at_once; /* each event except the first is forwarded before the next one arrives */
} same[] = {
	{ "ids, times and words in each event",
		{ "{\"x\":{\"id\":\"a1\",\"trace\":\"4f3a9c01\",\"kind\":\"start\","
		  "\"at\":\"2026-11-21T14:10:44.123Z\"}}",
			"{\"x\":{\"id\":\"a2\",\"trace\":\"4f3a9c02\",\"kind\":\"more\","
			"\"at\":\"2026-11-21T14:10:44.456Z\"}}",
			"{\"x\":{\"id\":\"a3\",\"trace\":\"4f3a9c03\",\"kind\":\"end\","
			"\"at\":\"2026-11-21T14:10:45.000Z\"}}" },
		true },
	{ "numbers that count, as strings: together they would be a card",
		{ "{\"n\":\"4111\"}", "{\"n\":\"1111\"}", "{\"n\":\"1112\"}",
			"{\"n\":\"1111\"}" },
		false },
	{ "a provider's name, which stays",
		{ "{\"by\":\"Deep Infra\"}", "{\"by\":\"Deep Infra\"}",
			"{\"by\":\"Deep Infra\"}" },
		false },
	{ "search results, the same in each event",
		{ "{\"r\":[{\"t\":\"A life of letters\",\"u\":\"https://a.example/?q=1\"},"
		  "{\"t\":\"4111 1111\",\"u\":\"https://b.example\"}]}",
			"{\"r\":[{\"t\":\"A life of letters\",\"u\":\"https://a.example/"
			"?q=1\"},{\"t\":\"4111 1111\",\"u\":\"https://b.example\"}]}" },
		false },
	{ "filters' words", { "{\"f\":{\"hate\":\"safe\"}}", "{\"f\":{\"hate\":\"safe\"}}" },
		false },
	{ "records, one after the other",
		{ "{\"zip\":\"10115\",\"city\":\"ground floor\"}",
			"{\"zip\":\"20095\",\"city\":\"the second floor\"}",
			"{\"zip\":\"80331\",\"city\":\"no floor\"}" },
		false },
};

static void
content_that_is_no_text_is_unchanged(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(same); i++) {
		struct buf in;
		struct guard_rig r;
		guard_rig_open(&r, &unknown);
		buf_init(&in, 0);
		for (size_t k = 0; k < COUNT_OF(same[i].events) && same[i].events[k]; k++) {
			struct buf event;
			buf_init(&event, 0);
			buf_printf(&event, "data: %s\n\n", same[i].events[k]);
			guard_rig_feed(&r, buf_view(&event));
			buf_span(&in, buf_view(&event));
			buf_free(&event);
			if (k && same[i].at_once && r.out.n != in.n)
				fail_msg("%s: event %zu waits", same[i].name, k);
		}
		guard_rig_end(&r);
		if (r.got || !span_eq(buf_view(&in), buf_view(&r.out)))
			fail_msg("%s:\n got  %.*s\n want %.*s", same[i].name,
				SPAN_ARG(buf_view(&r.out)), SPAN_ARG(buf_view(&in)));
		assert_int_equal(guard_report(r.g)->nfound, 0);
		buf_free(&in);
		guard_rig_close(&r);
	}
}

/* ---- ends and limits ---- */

/* Words that occur in one event are released by the next one. */
static void
words_are_held_for_one_event(void **state)
{
	(void)state;
	struct guard_rig r;

	guard_rig_open(&r, &openai);
	guard_rig_feed(&r, SPAN_LIT("data: {\"mode\":\"fast\"}\n\n"));
	assert_int_equal(r.out.n, 0);
	guard_rig_feed(&r, SPAN_LIT(": ping\n\n" CHUNK("It is so. ")));
	assert_true(span_is(buf_view(&r.out),
		"data: {\"mode\":\"fast\"}\n\n: ping\n\n" CHUNK("It is so. ")));
	guard_rig_close(&r);
}

/* Also under a key whose values are words. */
static void
value_that_begins_its_member_is_found(void **state)
{
	(void)state;
	static const char *const keys[] = { "kind", "trace_id", "x" };

	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		struct buf in, now;
		struct guard_rig r;
		guard_rig_open(&r, &unknown);
		buf_init(&in, 0);
		buf_init(&now, 0);
		buf_printf(&in, "data: {\"%s\":\"jane1985doe7\"}\n\n", keys[i]);
		buf_printf(&in, "data: {\"%s\":\"@example.org\"}\n\n", keys[i]);
		guard_rig_feed(&r, buf_view(&in));
		guard_rig_end(&r);
		assert_int_equal(r.got, GUARD_PASS);
		joined(buf_view(&r.out), keys[i], &now);
		if (!span_is(buf_view(&now), "<EMAIL_ADDRESS>"))
			fail_msg("%s: %.*s", keys[i], SPAN_ARG(buf_view(&r.out)));
		buf_free(&in);
		buf_free(&now);
		guard_rig_close(&r);
	}
}

/* The first words are held for one event, whatever is beside them. Of a value that continues
 * later, the rest is found. */
static void
single_text_is_held_for_one_event(void **state)
{
	(void)state;
	struct guard_rig r;

	guard_rig_open(&r, &openai);
	guard_rig_feed(&r, SPAN_LIT("data: {\"note\":\"to jane.doe@exam\"}\n\n"));
	assert_int_equal(r.out.n, 0);
	guard_rig_feed(&r, SPAN_LIT(CHUNK("it is so. ")));
	assert_true(span_is(buf_view(&r.out),
		"data: {\"note\":\"to jane.doe@exam\"}\n\n" CHUNK("it is so. ")));
	buf_clear(&r.out);
	guard_rig_feed(&r, SPAN_LIT("data: {\"note\":\"ple.org and on. \"}\n\n" STOP));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	assert_true(span_is(
		buf_view(&r.out), "data: {\"note\":\"<EMAIL_ADDRESS> and on. \"}\n\n" STOP));
	guard_rig_close(&r);
}

/* Findings in one text are kept, whatever is beside it. A value across events has all of
 * them. */
static void
findings_alone_and_across_events_are_kept(void **state)
{
	(void)state;
	struct buf now;
	struct guard_rig r;

	guard_rig_open(&r, &unknown);
	buf_init(&now, 0);
	guard_rig_feed(&r, SPAN_LIT("data: {\"t\":\"jane@x.org\"}\n\n"
				    "data: {\"t\":\"bob@y.org\"}\n\n"
				    "data: {\"t\":\"4111 1111 1111 1111\"}\n\n"
				    "data: {\"t\":\"5555 5555 5555 4444\"}\n\n"));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	if (memmem(buf_view(&r.out).p, r.out.n, "@", 1) ||
		memmem(buf_view(&r.out).p, r.out.n, "1111", 4) ||
		memmem(buf_view(&r.out).p, r.out.n, "4444", 4))
		fail_msg("%.*s", SPAN_ARG(buf_view(&r.out)));
	buf_free(&now);
	guard_rig_close(&r);
}

/* More members than are followed: each event is inspected alone, and the report states so. */
static void
too_many_members_are_inspected_alone(void **state)
{
	(void)state;
	struct buf in;
	struct guard_rig r;

	guard_rig_open(&r, &unknown);
	buf_init(&in, 0);
	for (int event = 0; event < 2; event++) {
		buf_str(&in, "data: {\"a\":1");
		for (int i = 0; i < 600; i++)
			buf_printf(&in, ",\"m%d\":\"to jane@x.org %d\"", i, event);
		buf_str(&in, "}\n\n");
	}
	guard_rig_feed(&r, buf_view(&in));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	assert_null(memmem(buf_view(&r.out).p, r.out.n, "jane", 4));
	assert_true(guard_report(r.g)->apart_bytes > 0);
	buf_free(&in);
	guard_rig_close(&r);
}

/* Held events are limited in memory, and a long text is processed in its own memory. */
static void
held_events_are_limited(void **state)
{
	(void)state;
	struct buf in;
	struct guard_rig r;

	guard_rig_open(&r, &openai);
	buf_init(&in, 0);
	buf_str(&in, "data: {\"t\":\"a note \",\"more\":\"");
	for (int i = 0; i < 20000; i++)
		buf_str(&in, "x y ");
	buf_str(&in, "to jane@\"}\n\ndata: {\"more\":\"example.org\"}\n\n");
	guard_rig_feed(&r, buf_view(&in));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	assert_true(r.out.n > 80000);
	buf_free(&in);
	guard_rig_close(&r);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(value_across_events_is_found),
		cmocka_unit_test(plain_text_with_numbers_is_inspected),
		cmocka_unit_test(value_across_events_is_denied),
		cmocka_unit_test(content_that_is_no_text_is_unchanged),
		cmocka_unit_test(words_are_held_for_one_event),
		cmocka_unit_test(value_that_begins_its_member_is_found),
		cmocka_unit_test(single_text_is_held_for_one_event),
		cmocka_unit_test(findings_alone_and_across_events_are_kept),
		cmocka_unit_test(too_many_members_are_inspected_alone),
		cmocka_unit_test(held_events_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
