/* The cost of searching a text: the counted work grows at most linearly with the text's length,
 * whatever the content. A search that exceeds its budget is given up, and so is one whose
 * result nobody waits for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/attr.h"
#include "base/caps.h"
#include "base/effort.h"
#include "base/err.h"
#include "bench/detect_texts.h"
#include "support/detect_fix.h"
#include "support/shapes.h"
#include "support/stream_run.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SHAPES_TRIED = 60, SHAPES_STREAMED = 20 };
#else
enum { SHAPES_TRIED = SHAPES, SHAPES_STREAMED = 200 };
#endif
enum { LARGE = 256 << 10, STREAM_LARGE = 64 << 10, DELTA = 4 };

static char room[LARGE];

/* Returns the work units of a search without a budget. */
static uint64_t
units_of(struct detect_fix *f, struct span text)
{
	struct findings v;

	assert_true(effort_open(UINT64_MAX));
	int err = detect_scan(f->rules, f->scratch, text, NULL, &f->arena, &v);
	uint64_t done = effort_close();
	assert_true(err == 0 || err == ERR_LIMIT);
	arena_reset(&f->arena);
	return done;
}

static int
drop_piece(void *arg UNUSED, const struct stream_piece *p UNUSED)
{
	return 0;
}

/* Returns the same for a text that arrives word by word. */
static uint64_t
units_of_stream(struct detect_fix *f, struct span text)
{
	struct detect_stream *s = detect_stream_new(f->rules, NULL);

	assert_non_null(s);
	assert_true(effort_open(UINT64_MAX));
	for (size_t i = 0; i < text.n; i += DELTA) {
		int err = detect_stream_feed(
			s, f->scratch, span_cut(text, i, i + DELTA), drop_piece, NULL);
		assert_int_equal(err, 0);
	}
	assert_int_equal(detect_stream_finish(s, f->scratch, drop_piece, NULL), 0);
	detect_stream_free(&s);
	return effort_close();
}

/* For `times` as many bytes, the work may be 1.3 times the linear amount, if it is large at
 * all. */
static bool
grows_with_length(uint64_t less, uint64_t more, uint64_t times)
{
	return more <= times * less + times * less * 3 / 10 + 100000;
}

/* A step or a ramp is no growth. If more parts of a text are suspicious than VIEW_PARTS, the
 * whole text is also searched for obfuscated values. Each byte then costs two or three times as
 * much, and no more. */
static bool
levels_off(uint64_t small, uint64_t middle, uint64_t large)
{
	double first = (double)middle / (4 * (double)small) - 1,
	       then = (double)large / (4 * (double)middle) - 1;

	return then < first / 2;
}

/* Too fast growth mostly shows between 16 and 64 KB. 256 KB are tested for a quarter of the
 * shapes, a different one each day, and for all with EFFORT_ALL=1 (make check-long). */
static bool
asks_large(uint32_t i)
{
	return getenv("EFFORT_ALL") || i % 4 == (uint32_t)(time(NULL) / 86400 % 4);
}

static void
work_of_a_text_grows_linearly(void **state)
{
	struct detect_fix *f = *state;
	struct shape s;
	unsigned wrong = 0;

	for (uint32_t i = 0; i < SHAPES_TRIED; i++) {
		shape_make(f->rules, i, &s);
		shape_fill(&s, room, LARGE);
		uint64_t small = units_of(f, span_of(room, LARGE / 16)),
			 middle = units_of(f, span_of(room, LARGE / 4));
		bool slow = grows_with_length(small, middle, 4);
		uint64_t large =
			!slow || asks_large(i) ? units_of(f, span_of(room, LARGE)) : 0;
		if (grows_with_length(middle, large, 4) &&
			((slow && grows_with_length(small, large, 16)) ||
				levels_off(small, middle, large)))
			continue;
		wrong++;
		fprintf(stderr, "shape %u, units %lu, %lu, %lu: ", i, (unsigned long)small,
			(unsigned long)middle, (unsigned long)large);
		shape_print(stderr, &s);
		fputc('\n', stderr);
	}
	assert_int_equal(wrong, 0);
}

static void
work_of_a_stream_grows_linearly(void **state)
{
	struct detect_fix *f = *state;
	struct shape s;
	unsigned wrong = 0;

	for (uint32_t i = 0; i < SHAPES_STREAMED; i++) {
		shape_make(f->rules, i, &s);
		shape_fill(&s, room, STREAM_LARGE);
		uint64_t less = units_of_stream(f, span_of(room, STREAM_LARGE / 4)),
			 more = units_of_stream(f, span_of(room, STREAM_LARGE));
		if (grows_with_length(less, more, 4))
			continue;
		wrong++;
		fprintf(stderr, "shape %u, units %lu, %lu: ", i, (unsigned long)less,
			(unsigned long)more);
		shape_print(stderr, &s);
		fputc('\n', stderr);
	}
	assert_int_equal(wrong, 0);
}

/* Shapes whose candidates make each search of a stream's held text expensive. */
static void
searches_of_a_stream_are_paid_by_arriving_bytes(void **state)
{
	static const uint32_t dear[] = { 19, 59, 216, 466, 1108, 1163, 1168, 1181, 1253, 1298,
		1602, 1687, 1694, 1902, 1909 };
	enum { PAID = 1600 }; /* units per byte; up to 3,600 if searches do not wait */
	struct detect_fix *f = *state;
	struct shape s;

	for (size_t i = 0; i < COUNT_OF(dear); i++) {
		shape_make(f->rules, dear[i], &s);
		shape_fill(&s, room, STREAM_LARGE / 4);
		uint64_t done = units_of_stream(f, span_of(room, STREAM_LARGE / 4));
		if (done > (uint64_t)PAID * (STREAM_LARGE / 4))
			fail_msg("shape %u: %lu units a byte", dear[i],
				(unsigned long)done / (STREAM_LARGE / 4));
	}
}

/* ---- ordinary texts ---- */

enum { HONEST_TENTHS = 6 }; /* tenths of its budget that an ordinary text may use */

/* Tags that each digit reads again, equals signs that each escape reads again, and cells that are
 * scanned one by one, once counted as the few bytes they have. */
static void
repeated_readings_and_short_cells_are_counted(void **state)
{
	static const char *const units[] = { "0\\><A&", "24\\==", "cap,cap**a\ncap\\|" };
	enum { BYTES = 16 << 10 };
	struct detect_fix *f = *state;

	for (size_t k = 0; k < COUNT_OF(units); k++) {
		for (size_t i = 0; i < BYTES; i++)
			room[i] = units[k][i % strlen(units[k])];
		assert_true(units_of(f, span_of(room, BYTES)) >
			    (uint64_t)CAP_WORK_RATIO * BYTES);
	}
}

static void
ordinary_texts_use_a_part_of_their_budget(void **state)
{
	static const char *const files[] = { "docs/policy.md", "docs/man/tollgate.8",
		"tests/data/clinical.txt", "tests/data/evasion.jsonl", "haproxy/tollgate.cfg",
		"spoa/scan/detect/scan.c", "policies/detectors/injection/code-benign.jsonl" };
	struct detect_fix *f = *state;

	for (size_t i = 0; i < text_kinds_count; i++) {
		text_kinds[i].fill(&text_kinds[i], room, LARGE);
		uint64_t done = units_of(f, span_of(room, LARGE));
		if (done > detect_work(LARGE) / 10 * HONEST_TENTHS)
			fail_msg("%s: %lu units a byte", text_kinds[i].name,
				(unsigned long)done / LARGE);
	}
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		FILE *in = fopen(files[i], "r");
		assert_non_null(in);
		size_t n = fread(room, 1, LARGE, in);
		fclose(in);
		uint64_t done = units_of(f, span_of(room, n));
		if (done > detect_work(n) / 10 * HONEST_TENTHS)
			fail_msg("%s: %lu units a byte", files[i], (unsigned long)done / n);
	}
}

/* One name per line: each line may continue the previous one, so all are held. */
static void
lists_in_a_stream_stay_within_their_budget(void **state)
{
	static const char *const lines[] = { "%u. Anna Miller\n", "Anna Miller\n",
		"%u Main Street\n", "- Carlos Lopez, %u Oak Street, Springfield, IL 62704\n",
		"| %u | Fatima Haddad | fatima.haddad@example.com | (555) 010-0199 |\n",
		"Novak,%u,%u000000,0.5\n" };
	struct detect_fix *f = *state;

	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		size_t n = 0;
		for (unsigned k = 1; n + 200 < STREAM_LARGE; k++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
			n += (size_t)snprintf(room + n, 200, lines[i], k * 37, k);
#pragma GCC diagnostic pop
		}
		uint64_t done = units_of_stream(f, span_of(room, n));
		if (done > (uint64_t)CAP_WORK_STREAM * n / 3)
			fail_msg("%s: %lu units a byte", lines[i], (unsigned long)done / n);
	}
}

/* ---- values after keys ---- */

/* Each key has a value of up to 511 bytes, most of which also belongs to the next key. The last
 * two texts have groups in which an IBAN could begin at each line. */
static void
value_is_read_once_for_all_keys_before_it(void **state)
{
	static const char *const units[] = { "key_<-4&", "key:0a1b|", "=3p2k1Key", "=&7p2Key",
		"={p23Key", "43+=\nap", "90\\-ap" };
	enum { ONCE = 120 }; /* units per byte; 500 and more if each key reads its value */
	struct detect_fix *f = *state;

	for (size_t i = 0; i < COUNT_OF(units); i++) {
		size_t n = strlen(units[i]);
		for (size_t at = 0; at < LARGE; at++)
			room[at] = units[i][at % n];
		uint64_t done = units_of(f, span_of(room, LARGE));
		if (done > (uint64_t)ONCE * LARGE)
			fail_msg("%s: %lu units a byte", units[i], (unsigned long)done / LARGE);
	}
}

/* ---- over the budget ---- */

static void
work_over_the_budget_is_an_error(void **state)
{
	static const char unit[] = "\\u0034token:\xEF\xBC\x94"; /* repeated */
	struct detect_fix *f = *state;
	struct shape s = { .n = sizeof(unit) - 1 };
	struct findings v = { .n = 7 };

	memcpy(s.unit, unit, s.n);
	shape_fill(&s, room, LARGE);
	uint64_t t = cpu_us();
	int err = detect_scan(f->rules, f->scratch, span_of(room, LARGE), NULL, &f->arena, &v);
	t = cpu_us() - t;
	arena_reset(&f->arena);
	assert_int_equal(err, ERR_LIMIT);
	assert_int_equal(v.n, 0);
	assert_true(detect_overworked(f->scratch));
	assert_int_equal(detect_scan(f->rules, f->scratch, SPAN_LIT("mail ada@example.org"),
				 NULL, &f->arena, &v),
		0);
	assert_int_equal(v.n, 1);
	assert_false(detect_overworked(f->scratch));
	arena_reset(&f->arena);
}

/* In these texts, one call searches all bytes for lines of base64 or for names of secrets. */
static void
search_ends_with_its_budget(void **state)
{
	static const char *const units[] = { "cacaccapappckeycap,", "\"cKey,cap\ncapp", "K.kEy",
		"#:ccapKey3ecap35Z|", "key:[p5a\"" };
	enum { TEXT = 16 << 10, OVER = 20 }; /* a twentieth more */
	struct detect_fix *f = *state;

	for (size_t i = 0; i < COUNT_OF(units); i++) {
		struct findings v;
		size_t n = strlen(units[i]);
		for (size_t at = 0; at < TEXT; at++)
			room[at] = units[i][at % n];
		detect_scan(f->rules, f->scratch, span_of(room, TEXT), NULL, &f->arena, &v);
		arena_reset(&f->arena);
		if (effort.done > detect_work(TEXT) / OVER * (OVER + 1))
			fail_msg("%s: %lu units a byte", units[i], (unsigned long)effort.done / TEXT);
	}
}

/* Held and later text is uninspected; the policy declares the outcome. */
static void
stream_over_its_budget_continues_uninspected(void **state)
{
	static struct stream_run all;
	struct detect_fix *f = *state;

	assert_true(effort_open(2500));
	int err = stream_run(&all, f->rules, f->scratch, NULL,
		SPAN_LIT("mail ada@example.org and Anna Miller, Carlos Lopez, Fatima Haddad, "
			 "Peter Novak, 12 Main Street, Springfield, or call 212-555-0143"),
		NULL, 0, 5);
	effort_close();
	assert_int_equal(err, 0);
	assert_false(all.wrong);
	assert_true(all.unread > 0);
	assert_int_equal(all.out.p[all.out.n - 1], '!');
	buf_free(&all.text);
	buf_free(&all.out);
}

/* ---- nobody waits for the result ---- */

static bool
after_some(const void *left)
{
	return --*(unsigned *)(uintptr_t)left == 0;
}

static void
work_without_a_waiting_client_ends(void **state)
{
	struct detect_fix *f = *state;
	struct findings v;
	unsigned left = 2;

	/* Source code takes several times the work after which the search checks again. */
	text_kinds[1].fill(&text_kinds[1], room, LARGE);
	uint64_t whole = units_of(f, span_of(room, LARGE));
	effort_watch(after_some, &left);
	int err = detect_scan(f->rules, f->scratch, span_of(room, LARGE), NULL, &f->arena, &v);
	effort_watch(NULL, NULL);
	assert_int_equal(err, ERR_CLOSED);
	assert_false(detect_overworked(f->scratch));
	assert_true(effort.done < whole);
	arena_reset(&f->arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_of_a_text_grows_linearly),
		cmocka_unit_test(work_of_a_stream_grows_linearly),
		cmocka_unit_test(searches_of_a_stream_are_paid_by_arriving_bytes),
		cmocka_unit_test(repeated_readings_and_short_cells_are_counted),
		cmocka_unit_test(ordinary_texts_use_a_part_of_their_budget),
		cmocka_unit_test(lists_in_a_stream_stay_within_their_budget),
		cmocka_unit_test(value_is_read_once_for_all_keys_before_it),
		cmocka_unit_test(work_over_the_budget_is_an_error),
		cmocka_unit_test(search_ends_with_its_budget),
		cmocka_unit_test(stream_over_its_budget_continues_uninspected),
		cmocka_unit_test(work_without_a_waiting_client_ends),
	};
	return cmocka_run_group_tests(tests, detect_setup, NULL);
}
