/* Values are found below the names of their columns in every frame of a table: in the whole
 * text, in the windows of a long one, and in a stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/detect_fix.h"
#include "support/frame_docs.h"
#include "support/stream_run.h"

static struct stream_run run_of_stream;
static struct frame_doc doc;

struct frame_score {
	size_t values, missed, bytes, extra;
};

/* Adds the values of `doc` that no finding covers, and the bytes of findings outside values. */
static void
count_missed(struct frame_score *s, const struct finding *v, size_t n)
{
	size_t covered = 0, found = 0, until = 0;

	s->values += doc.n;
	s->bytes += doc.text.n;
	for (size_t i = 0; i < doc.n; i++) {
		bool seen = false;
		for (size_t k = 0; k < n && !seen; k++)
			seen = v[k].start <= doc.v[i].start && v[k].end >= doc.v[i].end;
		s->missed += !seen;
		covered += seen ? doc.v[i].end - doc.v[i].start : 0;
		if (!seen && getenv("FRAMES_SHOW"))
			print_message("missed: at %zu %.*s\n", doc.v[i].start,
				SPAN_ARG(span_cut(
					buf_view(&doc.text), doc.v[i].start, doc.v[i].end)));
	}
	for (size_t k = 0; k < n; k++) {
		size_t from = v[k].start > until ? v[k].start : until;
		found += v[k].end > from ? v[k].end - from : 0;
		until = v[k].end > until ? v[k].end : until;
	}
	s->extra += found > covered ? found - covered : 0;
}

static void
read_whole(struct frame_score *s)
{
	struct detect_fix *f = detect_fix();
	struct findings v;

	assert_int_equal(
		detect_scan(f->rules, f->scratch, buf_view(&doc.text), NULL, &f->arena, &v), 0);
	count_missed(s, v.v, v.n);
	arena_reset(&f->arena);
}

static void
read_stream(struct frame_score *s, size_t each)
{
	struct detect_fix *f = detect_fix();

	assert_int_equal(stream_run(&run_of_stream, f->rules, f->scratch, NULL,
				 buf_view(&doc.text), NULL, 0, each),
		0);
	assert_false(run_of_stream.wrong);
	count_missed(s, run_of_stream.found, run_of_stream.n);
}

/* Reads the text in windows as the gate does, each with half of the one before. */
static void
read_windows(struct frame_score *s, size_t window)
{
	struct detect_fix *f = detect_fix();
	struct span text = buf_view(&doc.text);
	size_t n = 0, step = window / 2;
	struct column_table *table = detect_table_new(&f->arena);

	assert_non_null(table);
	for (size_t base = 0, keep = 0; base < text.n; base += step) {
		bool last = text.n - base <= window;
		size_t until = last ? text.n : base + step + step / 2;
		struct detect_options opt = { .table = text.n > window ? table : NULL };
		struct findings got;
		assert_int_equal(
			detect_scan(f->rules, f->scratch, span_cut(text, base, base + window),
				&opt, &f->arena, &got),
			0);
		for (size_t i = 0; i < got.n; i++) {
			struct finding x = got.v[i];
			x.start += base;
			x.end += base;
			if (x.start >= keep && x.start < until && n < STREAM_FOUND_MAX)
				run_of_stream.found[n++] = x;
		}
		if (last)
			break;
		detect_table_pass(table, span_cut(text, base, base + step),
			text.n - base - step > window);
		keep = until;
	}
	count_missed(s, run_of_stream.found, n);
	arena_reset(&f->arena);
}

static bool
is_kind_asked(size_t k)
{
	const char *only = getenv("FRAMES_ONLY");

	return !only || strstr(frame_kinds[k].name, only) ||
	       (!strcmp(only, "dev") && k % 3 != 2) || (!strcmp(only, "aside") && k % 3 == 2);
}

static void
values_are_found_in_every_frame(void **state)
{
	static const char *const ways[] = { "whole", "windows", "stream of 5",
		"stream of 300" };
	static const size_t rows[] = { 3, 40 };
	struct frame_score all[COUNT_OF(ways)] = { { 0 } };
	unsigned wrong = 0;

	(void)state;
	buf_init(&doc.text, 0);
	for (size_t k = 0; k < frame_kinds_n; k++) {
		struct frame_score of[COUNT_OF(ways)] = { { 0 } };
		if (!is_kind_asked(k))
			continue;
		for (unsigned i = 0; i < COUNT_OF(rows) * FRAME_PLACES; i++) {
			frame_doc_make(&doc, &frame_kinds[k], i % FRAME_PLACES,
				rows[i / FRAME_PLACES], k * 100 + i + 1);
			if (getenv("FRAMES_PRINT"))
				fwrite(doc.text.p + doc.text.start, 1, doc.text.n, stdout);
			read_whole(&of[0]);
			read_windows(&of[1], 3000);
			read_stream(&of[2], 5);
			read_stream(&of[3], 300);
		}
		for (size_t w = 0; w < COUNT_OF(ways); w++) {
			bool bad = of[w].missed * 50 > of[w].values;
			wrong += bad;
			all[w].values += of[w].values;
			all[w].missed += of[w].missed;
			all[w].bytes += of[w].bytes;
			all[w].extra += of[w].extra;
			if (bad)
				print_message("%s, %s: %zu of %zu values missed, %zu bytes too "
					      "many\n",
					frame_kinds[k].name, ways[w], of[w].missed,
					of[w].values, of[w].extra);
		}
	}
	for (size_t w = 0; w < COUNT_OF(ways); w++)
		print_message(
			"%s: %zu of %zu values missed (%.1f %%), %.2f bytes a KB too many\n",
			ways[w], all[w].missed, all[w].values,
			100.0 * (double)all[w].missed / (double)all[w].values,
			1000.0 * (double)all[w].extra / (double)all[w].bytes);
	buf_free(&doc.text);
	assert_int_equal(wrong, 0);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_found_in_every_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
