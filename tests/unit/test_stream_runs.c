/* Streams with runs that are longer than can be held: files in base64, long URLs, rulers. They
 * are given out as text, one window at a time, and values that they hide are found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/caps.h"
#include "scan/detect/engine.h"
#include "support/stream_fix.h"

enum { RUN = 24000, LINE = 76 };

/* ---- runs ---- */

static unsigned char
noise(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned char)(*state >> 56);
}

static void
put_base64(struct buf *b, struct span bytes, size_t line)
{
	size_t room = sodium_base64_ENCODED_LEN(bytes.n, sodium_base64_VARIANT_ORIGINAL);
	char *text = malloc(room);

	assert_non_null(text);
	sodium_bin2base64(text, room, (const unsigned char *)bytes.p, bytes.n,
		sodium_base64_VARIANT_ORIGINAL);
	struct span all = span_str(text);
	while (all.n) {
		size_t n = line ? line : all.n;
		buf_span(b, span_cut(all, 0, n));
		all = span_cut(all, n, all.n);
		if (all.n)
			buf_putc(b, '\n');
	}
	free(text);
}

static void
bytes_in(struct buf *b, size_t line)
{
	unsigned char v[RUN * 3 / 4];
	uint64_t random = 7;

	for (size_t i = 0; i < sizeof(v); i++)
		v[i] = noise(&random);
	put_base64(b, span_of(v, sizeof(v)), line);
}

static void
put_bytes(struct buf *b)
{
	bytes_in(b, 0);
}

static void
put_lines(struct buf *b)
{
	bytes_in(b, LINE);
}

/* Writes a text with an address, in base64 that does not begin at a group. */
static void
text_in(struct buf *b, size_t line)
{
	struct buf t;

	buf_init(&t, 0);
	while (t.n < RUN / 2)
		buf_str(&t, "the quick brown fox and so on. ");
	buf_str(&t, "write to ada@example.org please. ");
	while (t.n < RUN * 3 / 4)
		buf_str(&t, "the quick brown fox and so on. ");
	put_base64(b, buf_view(&t), line);
	buf_free(&t);
}

static void
put_text(struct buf *b)
{
	text_in(b, 0);
}

static void
put_text_lines(struct buf *b)
{
	text_in(b, LINE);
}

static void
put_hex(struct buf *b)
{
	uint64_t random = 3;

	for (size_t i = 0; i < RUN / 2; i++)
		buf_printf(b, "%02x", noise(&random));
}

static void
put_letters(struct buf *b)
{
	uint64_t random = 5;

	for (size_t i = 0; i < RUN; i++)
		buf_putc(b, (char)('a' + noise(&random) % 26));
}

static void
put_ruler(struct buf *b)
{
	for (size_t i = 0; i < RUN; i++)
		buf_putc(b, '-');
}

/* A URL whose last part is a token. */
static void
put_url(struct buf *b)
{
	buf_str(b, "https://shop.example/find?");
	for (unsigned i = 0; b->n < RUN; i++)
		buf_printf(b, "item%u=red&", i);
	buf_str(b, "key=ghp_16C7e42F292c6912E7710c838347Ae178B4a");
}

/* The middle part of a token without an end, whose kind cannot be determined. */
static void
put_token(struct buf *b)
{
	buf_str(b, "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJ");
	put_letters(b);
}

static void
put_armour(struct buf *b)
{
	buf_str(b, "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: \"x y\"\n");
	bytes_in(b, LINE);
	buf_str(b, "\n---- END SSH2 ENCRYPTED PRIVATE KEY ----");
}

static const struct {
	const char *name;
	void (*put)(struct buf *b);
	size_t found;
	bool unread; /* uninspected if it arrives in pieces; */
	bool whole;  /* in one piece it is text, as in a scan of the whole text */
} runs[] = {
	{ "a file in base64", put_bytes, 0, false, false },
	{ "one in lines", put_lines, 0, false, false },
	{ "a text in base64", put_text, 1, false, false },
	{ "one in lines", put_text_lines, 1, false, false },
	{ "hexadecimal digits", put_hex, 0, false, false },
	{ "letters", put_letters, 0, false, false },
	{ "a ruler", put_ruler, 0, false, false },
	{ "a URL", put_url, 1, false, false },
	{ "what may become a token", put_token, 0, true, false },
	{ "an armour that nobody knows", put_armour, 0, true, true },
};

/* ---- results ---- */

static void
as_the_whole(struct span text, const char *name)
{
	struct findings f;
	struct arena a;

	arena_init(&a, 0, true);
	assert_int_equal(detect_scan(rules, scratch, text, NULL, &a, &f), 0);
	if (f.n != one.n)
		fail_msg("%s: %zu findings, of the whole %zu", name, one.n, f.n);
	for (size_t i = 0; i < f.n; i++)
		if (f.v[i].entity != one.found[i].entity ||
			f.v[i].start != one.found[i].start || f.v[i].end != one.found[i].end)
			fail_msg("%s: finding %zu at %zu, of the whole at %zu", name, i,
				one.found[i].start, f.v[i].start);
	arena_reset(&a);
}

static void
long_runs_are_given_out_as_text(void **state)
{
	static const size_t steps[] = { 1, 7, 76, 4095, 5000, RUN };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(runs); i++) {
		struct buf b;
		buf_init(&b, 0);
		buf_str(&b, "here it is, as you asked: ");
		runs[i].put(&b);
		buf_str(&b, " and that is all of it, as far as we know.");
		assert_int_equal(
			stream_run(&one, rules, scratch, NULL, buf_view(&b), NULL, 0, 0), 0);
		bool unread = runs[i].unread && !runs[i].whole;
		if (one.wrong || one.n != runs[i].found || (one.unread > 0) != unread)
			fail_msg("%s, at once: %zu found, %zu unread", runs[i].name, one.n,
				one.unread);
		if (!unread)
			as_the_whole(buf_view(&b), runs[i].name);
		stream_run(&one, rules, scratch, NULL, buf_view(&b), NULL, 0, 4096);
		if (one.wrong || one.n != runs[i].found || (one.unread > 0) != runs[i].unread)
			fail_msg("%s: %zu found, %zu unread", runs[i].name, one.n, one.unread);
		for (size_t k = 0; k < COUNT_OF(steps); k++) {
			stream_run(&two, rules, scratch, NULL, buf_view(&b), NULL, 0, steps[k]);
			if (two.wrong || !stream_run_same(&one, &two) ||
				two.held > CAP_STREAM_HELD)
				fail_msg("%s: by %zu: held %zu", runs[i].name, steps[k],
					two.held);
		}
		if (!runs[i].unread)
			as_the_whole(buf_view(&b), runs[i].name);
		buf_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_runs_are_given_out_as_text),
	};
	return cmocka_run_group_tests(tests, stream_setup, stream_teardown);
}
