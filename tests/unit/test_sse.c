/* Event streams whole, byte by byte, cut at every offset, against a guard page: always the same
 * events and the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/codec/sse.h"
#include "support/guard.h"

/* Writes the events that carry data, as "type|data|id;". */
static void
collect(struct sse *s, struct span in, struct buf *events, struct buf *raw)
{
	struct sse_event ev;
	int r;

	while ((r = sse_next(s, &in, &ev)) > 0) {
		buf_span(raw, ev.raw);
		if (r == SSE_OVER)
			buf_printf(events, "over%s;", ev.over_ends ? "." : "");
		else if (ev.has_data)
			buf_printf(events, "%.*s|%.*s|%.*s;", SPAN_ARG(ev.type),
				SPAN_ARG(ev.data), SPAN_ARG(ev.id));
	}
	assert_int_equal(r, SSE_MORE);
	assert_int_equal(in.n, 0);
}

static void
finish(struct sse *s, struct buf *events, struct buf *raw)
{
	struct sse_event ev;

	if (sse_end(s, &ev) == SSE_EVENT) {
		buf_span(raw, ev.raw);
		if (ev.has_data)
			buf_printf(events, "unended %.*s|%.*s;", SPAN_ARG(ev.type),
				SPAN_ARG(ev.data));
	}
	sse_free(s);
}

static const struct {
	const char *name;
	struct span in;
	const char *want;
} cases[] = {
	{ "an event ends at a blank line", SPAN_LIT("data: a\n\ndata: b\n\n"), "|a|;|b|;" },
	{ "lines end with CR LF", SPAN_LIT("event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n"),
		"x|a|;|b|;" },
	{ "lines end with CR", SPAN_LIT("event: x\rdata: a\r\rdata: b\r\r"), "x|a|;|b|;" },
	{ "line ends may be mixed", SPAN_LIT("event: x\rdata: a\r\n\ndata: b\n\rdata: c\n\n"),
		"x|a|;|b|;|c|;" },
	{ "data lines are joined by a newline", SPAN_LIT("data: a\ndata:b\ndata\ndata: c\n\n"),
		"|a\nb\n\nc|;" },
	{ "one space after the colon is dropped, not two", SPAN_LIT("data:  a\n\n"), "| a|;" },
	{ "a comment is no event", SPAN_LIT(": ping\n\ndata: a\n\n"), "|a|;" },
	{ "a comment inside an event is ignored", SPAN_LIT("data: a\n: x\ndata: b\n\n"),
		"|a\nb|;" },
	{ "an empty data line still makes an event", SPAN_LIT("data\n\n"), "||;" },
	{ "an event without data is none", SPAN_LIT("event: x\nid: 1\n\n"), "" },
	{ "an id may not hold NUL", SPAN_LIT("id: a\0b\ndata: x\n\nid: 7\ndata: y\n\n"),
		"|x|;|y|7;" },
	{ "unknown fields are ignored", SPAN_LIT("dat: x\ndatas: y\nretry: 5\ndata: a\n\n"),
		"|a|;" },
	{ "a leading BOM is ignored",
		SPAN_LIT("\xEF\xBB\xBF"
			 "data: a\n\n"),
		"|a|;" },
	{ "a BOM on a line of its own leaves a blank line",
		SPAN_LIT("\xEF\xBB\xBF\n"
			 "data: a\n\n"),
		"|a|;" },
	{ "a later BOM belongs to the field's name",
		SPAN_LIT("data: a\n\n\xEF\xBB\xBF"
			 "data: b\n\n"),
		"|a|;" },
	{ "part of a BOM is no BOM",
		SPAN_LIT("\xEF\xBB"
			 "data: a\n\ndata: b\n\n"),
		"|b|;" },
	{ "an unended block is handed out at the end",
		SPAN_LIT("data: a\n\nevent: e\ndata: [DONE]"), "|a|;unended e|[DONE];" },
	{ "a colon in the value stays", SPAN_LIT("data: {\"a\": 1}\n\n"), "|{\"a\": 1}|;" },
	{ "blank lines alone are nothing", SPAN_LIT("\n\r\n\r\r\n\n"), "" },
};

static void
expect(size_t i, size_t step, size_t cut)
{
	struct span in = cases[i].in;
	char *copy = guard_dup(in.p, in.n);
	struct buf events, raw;
	struct sse s;

	buf_init(&events, 0);
	buf_init(&raw, 0);
	sse_init(&s, 0);
	if (cut != SIZE_MAX) {
		collect(&s, span_of(copy, cut), &events, &raw);
		collect(&s, span_of(copy + cut, in.n - cut), &events, &raw);
	} else {
		for (size_t at = 0; at < in.n; at += step)
			collect(&s, span_cut(span_of(copy, in.n), at, at + step), &events,
				&raw);
	}
	finish(&s, &events, &raw);
	if (!span_is(buf_view(&events), cases[i].want))
		fail_msg("%s (step %zu, cut %zd): got %.*s", cases[i].name, step, (ssize_t)cut,
			SPAN_ARG(buf_view(&events)));
	if (!span_eq(buf_view(&raw), in))
		fail_msg("%s (step %zu, cut %zd): the bytes changed", cases[i].name, step,
			(ssize_t)cut);
	buf_free(&events);
	buf_free(&raw);
	guard_free(copy, in.n);
}

static void
events_do_not_depend_on_cuts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		expect(i, cases[i].in.n, SIZE_MAX);
		expect(i, 1, SIZE_MAX);
		for (size_t cut = 0; cut <= cases[i].in.n; cut++)
			expect(i, 0, cut);
	}
}

static void
event_is_not_delayed_by_a_byte(void **state)
{
	struct sse s;
	struct sse_event ev;
	struct span in = SPAN_LIT("data: a\r\n\r");

	(void)state;
	sse_init(&s, 0);
	assert_int_equal(sse_next(&s, &in, &ev), SSE_EVENT);
	assert_true(span_is(ev.data, "a"));
	in = SPAN_LIT("\ndata: b\n\n");
	assert_int_equal(sse_next(&s, &in, &ev), SSE_EVENT);
	assert_true(span_is(ev.raw, "\n"));
	assert_false(ev.has_data);
	assert_int_equal(sse_next(&s, &in, &ev), SSE_EVENT);
	assert_true(span_is(ev.data, "b"));
	sse_free(&s);
}

static void
block_over_the_limit_passes_and_the_next_is_read(void **state)
{
	static const char in[] = "data: 0123456789\ndata: more\n\ndata: ok\n\n";

	(void)state;
	for (size_t step = 1; step < sizeof(in); step++) {
		struct buf events, raw;
		struct sse s;
		buf_init(&events, 0);
		buf_init(&raw, 0);
		sse_init(&s, 12);
		for (size_t at = 0; at < sizeof(in) - 1; at += step)
			collect(&s, span_cut(span_str(in), at, at + step), &events, &raw);
		finish(&s, &events, &raw);
		struct span got = buf_view(&events);
		assert_true(span_starts(got, SPAN_LIT("over")));
		assert_true(span_ends(got, SPAN_LIT("over.;|ok|;")));
		assert_true(span_is(buf_view(&raw), in));
		buf_free(&events);
		buf_free(&raw);
	}
}

static void
rewriting_changes_only_the_data_lines(void **state)
{
	static const struct {
		struct span in;
		const char *want;
	} rows[] = {
		{ SPAN_LIT("event: x\r\n: c\r\ndata: a\r\ndata: b\r\nid: 1\r\n\r\n"),
			"event: x\r\n: c\r\ndata: NEW\r\nid: 1\r\n\r\n" },
		{ SPAN_LIT("\xEF\xBB\xBF"
			   "data:a\n\n"),
			"\xEF\xBB\xBF"
			"data: NEW\n\n" },
		{ SPAN_LIT("x:\n\xEF\xBB\xBF"
			   "data:a\ndata: b\n\n"),
			"x:\n\xEF\xBB\xBF"
			"data:a\ndata: NEW\n\n" },
		{ SPAN_LIT("data: a\rdata: b\n\n"), "data: NEW\r\n\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct sse s;
		struct sse_event ev;
		struct buf out;
		struct span in = rows[i].in;
		buf_init(&out, 0);
		sse_init(&s, 0);
		assert_int_equal(sse_next(&s, &in, &ev), SSE_EVENT);
		sse_rewrite(&ev, SPAN_LIT("NEW"), &out);
		assert_true(span_is(buf_view(&out), rows[i].want));
		buf_free(&out);
		sse_free(&s);
	}
}

static void
line_ends_with_the_first_of_cr_and_lf(void **state)
{
	char text[700];

	(void)state;
	for (size_t at = 0; at <= sizeof(text); at += at < 5 || (at > 250 && at < 260) ? 1 : 61)
		for (size_t other = 0; other < 300; other += 37) {
			memset(text, 'a', sizeof(text));
			if (at < sizeof(text))
				text[at] = other % 2 ? '\n' : '\r';
			if (at + other < sizeof(text))
				text[at + other] = other % 2 ? '\r' : '\n';
			size_t want = at < sizeof(text) ? at : sizeof(text);
			assert_int_equal(sse_line(span_of(text, sizeof(text))), want);
		}
	assert_int_equal(sse_line(SPAN_LIT("")), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_do_not_depend_on_cuts),
		cmocka_unit_test(event_is_not_delayed_by_a_byte),
		cmocka_unit_test(block_over_the_limit_passes_and_the_next_is_read),
		cmocka_unit_test(rewriting_changes_only_the_data_lines),
		cmocka_unit_test(line_ends_with_the_first_of_cr_and_lf),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
