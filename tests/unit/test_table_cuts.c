/* A text has the same findings in every way of reading: as a whole, in overlapping windows, as
 * a stream in any cut, and as a response that is streamed or not. The texts are tables with
 * values that are found because of a header in another part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/answer_run.h"
#include "support/stream_run.h"
#include "support/table_docs.h"

static struct stream_run run_of_stream;

/* Fills `out` with the findings in the text as a whole. */
static void
scan_whole(struct span text, struct arena *a, struct findings *out)
{
	struct detect_fix *f = detect_fix();

	arena_init(a, 0, false);
	assert_int_equal(detect_scan(f->rules, f->scratch, text, NULL, a, out), 0);
}

/* Returns how many findings of the whole text the parts lack, plus how many they have in
 * addition. If `more` is set, the parts may have additional findings, and other entities for
 * the same bytes. The first difference is printed with `name`. `scores`: scores are compared
 * too. */
static size_t
count_other(struct span text, const struct findings *whole, const struct finding *v, size_t n,
	bool scores, bool more, const char *name)
{
	size_t other = 0;

	for (size_t i = 0, k = 0; i < whole->n || k < n;) {
		const struct finding *x = i < whole->n ? &whole->v[i] : NULL,
				     *y = k < n ? &v[k] : NULL;
		bool same = x && y && x->start == y->start && x->end == y->end &&
			    (more || (x->entity == y->entity && x->flags == y->flags)) &&
			    (!scores || (x->score <= y->score && x->score >= y->score));
		const struct finding *f = x && (!y || x->start <= y->start) ? x : y;
		if (!same && (f == x || !more) && other++ == 0) {
			size_t line = 1;
			for (size_t at = 0; at < f->start; at++)
				line += text.p[at] == '\n';
			print_message("%s: first in %s only: %s, line %zu, \"%.*s\"\n", name,
				f == x ? "the whole" : "the parts",
				detect_entity_name(detect_fix()->rules, f->entity), line,
				SPAN_ARG(span_cut(text, f->start, f->end)));
		}
		size_t at = same     ? SIZE_MAX
			    : x && y ? (x->start < y->start ? x->start : y->start)
			    : x	     ? x->start
				     : y->start;
		i += x && (same || x->start == at);
		k += y && (same || y->start == at);
	}
	return other;
}

/* ---- a stream ---- */

static size_t
differ_as_stream(struct span text, const struct findings *whole, bool more, const char *doc)
{
	static const size_t every[] = { 1, 3, 7, 64, 1000, 16384, SIZE_MAX };
	struct detect_fix *f = detect_fix();
	char name[192];
	size_t bad = 0;

	for (size_t i = 0; i < COUNT_OF(every); i++) {
		snprintf(name, sizeof(name), "%s, cut every %zu bytes", doc, every[i]);
		assert_int_equal(stream_run(&run_of_stream, f->rules, f->scratch, NULL, text,
					 NULL, 0, every[i] > text.n ? 0 : every[i]),
			0);
		assert_false(run_of_stream.wrong);
		bad += count_other(text, whole, run_of_stream.found, run_of_stream.n, !more,
			       more, name) > 0;
	}
	return bad;
}

/* ---- windows ---- */

/* Reads the text in windows as the gate does, whose windows have 256 KB and overlap by 32 KB. A
 * finding counts in the window in whose half of the overlap it begins. */
static size_t
differ_in_windows(struct span text, const struct findings *whole, size_t window, size_t overlap,
	bool more, const char *doc)
{
	struct detect_fix *f = detect_fix();
	struct finding *found = calloc(STREAM_FOUND_MAX, sizeof(*found));
	struct arena a;
	char name[192];
	size_t n = 0;

	assert_non_null(found);
	arena_init(&a, 0, false);
	struct column_table *table = detect_table_new(&a);
	assert_non_null(table);
	for (size_t base = 0, keep = 0, end = 0; base < text.n;) {
		struct span part = span_cut(text, base, base + window);
		bool last = text.n - base <= window;
		size_t next = last ? text.n : base + window - overlap;
		size_t until = last ? text.n : next + overlap / 2;
		struct detect_options opt = { .table = text.n > window ? table : NULL };
		struct findings got;
		assert_int_equal(detect_scan(f->rules, f->scratch, part, &opt, &a, &got), 0);
		for (size_t i = 0; i < got.n; i++) {
			struct finding x = got.v[i];
			x.start += base;
			x.end += base;
			if (x.start < keep || x.start >= until || x.end <= end)
				continue;
			assert_true(n < STREAM_FOUND_MAX);
			found[n++] = x;
			end = x.end;
		}
		if (!last)
			detect_table_pass(
				table, span_cut(text, base, next), text.n - next > window);
		base = next;
		keep = until;
	}
	snprintf(name, sizeof(name), "%s, in windows of %zu bytes", doc, window);
	size_t bad = count_other(text, whole, found, n, false, more, name) > 0;
	arena_reset(&a);
	free(found);
	return bad;
}

/* ---- every kind in every shape ---- */

static void
table_has_equal_findings_in_every_way_of_reading(void **state)
{
	size_t differ = 0, found = 0;

	(void)state;
	for (size_t k = 0; k < COUNT_OF(doc_kinds); k++)
		for (size_t s = 0; s < COUNT_OF(doc_shapes); s++) {
			uint64_t random = k * 100 + s + 1;
			struct findings whole;
			struct arena a;
			struct buf b;
			char doc[128];
			buf_init(&b, 0);
			doc_put(&b, &random, &doc_kinds[k], &doc_shapes[s],
				doc_shapes[s].note > 100 ? 12 : 40);
			snprintf(doc, sizeof(doc), "%s, %s", doc_kinds[k].name,
				doc_shapes[s].name);
			scan_whole(buf_view(&b), &a, &whole);
			found += whole.n;
			differ +=
				differ_as_stream(buf_view(&b), &whole, doc_shapes[s].more, doc);
			differ += differ_in_windows(
				buf_view(&b), &whole, 6000, 3000, doc_shapes[s].more, doc);
			differ += differ_in_windows(
				buf_view(&b), &whole, 4500, 3100, doc_shapes[s].more, doc);
			arena_reset(&a);
			buf_free(&b);
		}
	assert_in_range(found, 15000, SIZE_MAX);
	if (differ)
		fail_msg("%zu readings differ", differ);
}

/* ---- responses ---- */

#define BOTH "rules: [{name: a, phase: response, redact: {classes: [pii, phi, secret]}}]\n"

static void
put_whole(struct span text, struct buf *out)
{
	buf_str(out, "{\"choices\":[{\"index\":0,\"message\":{\"content\":");
	buf_json_str(out, text);
	buf_str(out, "},\"finish_reason\":\"stop\"}]}");
}

static void
put_stream(struct span text, size_t each, struct buf *out)
{
	for (size_t at = 0; at < text.n; at += each) {
		buf_str(out, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":");
		buf_json_str(out, span_cut(text, at, at + each));
		buf_str(out, "}}]}\n\n");
	}
	buf_str(out, STOP);
}

/* Appends the text that a client reads of the response `in`. */
static void
read_response(const char *type, struct buf *in, struct buf *text)
{
	struct answer_case c = { "", BOTH, "openai", "/v1/chat/completions", type, "", "" };
	struct joined j = { .n = 0 };
	struct guard_rig r;

	guard_rig_open(&r, &c);
	guard_rig_feed(&r, buf_view(in));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	read_out(&c, buf_view(&r.out), !strcmp(type, "text/event-stream"), &j);
	for (size_t i = 0; i < j.n; i++) {
		if (!strncmp(j.v[i].name, "text", 4))
			buf_span(text, buf_view(&j.v[i].text));
		buf_free(&j.v[i].text);
	}
	guard_rig_close(&r);
}

/* Returns how many values that a scan of the whole text finds remain in the client's text. */
static size_t
count_left(struct span text, const struct findings *whole, struct span out)
{
	size_t left = 0;

	for (size_t i = 0; i < whole->n; i++) {
		struct span v = span_cut(text, whole->v[i].start, whole->v[i].end);
		left += v.n >= 6 && memmem(out.p, out.n, v.p, v.n) != NULL;
	}
	return left;
}

static void
response_is_redacted_equally_whole_and_streamed(void **state)
{
	static const size_t every[] = { 1, 7, 64, 1000 };
	size_t differ = 0;

	(void)state;
	for (size_t k = 0; k < COUNT_OF(doc_kinds); k++)
		for (size_t s = 0; s < COUNT_OF(doc_shapes); s++) {
			uint64_t random = k * 100 + s + 1;
			struct findings whole;
			struct arena a;
			struct buf b, in, want, got;
			buf_init(&b, 0);
			buf_init(&in, 0);
			buf_init(&want, 0);
			doc_put(&b, &random, &doc_kinds[k], &doc_shapes[s],
				doc_shapes[s].note > 100 ? 5 : 20);
			struct span text = buf_view(&b);
			scan_whole(text, &a, &whole);
			put_whole(text, &in);
			read_response("application/json", &in, &want);
			size_t left = count_left(text, &whole, buf_view(&want));
			if (left)
				print_message("%s, %s: %zu values left in the whole response\n",
					doc_kinds[k].name, doc_shapes[s].name, left);
			differ += left > 0;
			for (size_t i = 0; i < COUNT_OF(every); i++) {
				buf_clear(&in);
				buf_init(&got, 0);
				put_stream(text, every[i], &in);
				read_response("text/event-stream", &in, &got);
				left = count_left(text, &whole, buf_view(&got));
				if (left || (!doc_shapes[s].more && !span_eq(buf_view(&want),
									    buf_view(&got)))) {
					differ++;
					print_message(
						"%s, %s, %zu bytes an event: differs from "
						"the whole; %zu values left\n",
						doc_kinds[k].name, doc_shapes[s].name, every[i],
						left);
				}
				buf_free(&got);
			}
			arena_reset(&a);
			buf_free(&want);
			buf_free(&in);
			buf_free(&b);
		}
	if (differ)
		fail_msg("%zu responses differ", differ);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_has_equal_findings_in_every_way_of_reading),
		cmocka_unit_test(response_is_redacted_equally_whole_and_streamed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
