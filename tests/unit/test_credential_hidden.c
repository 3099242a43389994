/* The caller's credential in texts in any spelling. gate/credential.c skips texts that cannot
 * contain one and reads long texts in windows. It is compared with a reference that decodes the
 * whole text at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/codec/digits.h"
#include "base/codec/uri.h"
#include "gate/request.h"
#include "policy/identity/apikeys.h"
#include "support/guard.h"

enum { WINDOW = 16 << 10, TEXT_MOST = 60 << 10, LEAST = 12 };

/* ---- the reference ---- */

static bool
holds(struct span value, const char *t, size_t n)
{
	char spelled[2 * 1024];
	struct span rest = span_of(t, n), key;

	for (size_t way = 0; way < DISGUISES && value.n >= LEAST; way++)
		if (memmem(t, n, spelled, digits_disguise(value, way, spelled)))
			return true;
	return memmem(t, n, value.p, value.n) || apikey_next(&rest, &key);
}

/* A decoded text is not searched for a short credential, because short ones occur everywhere by
 * chance. */
static bool
spells(struct span value, const char *t, size_t n)
{
	return holds(value.n < LEAST ? SPAN_LIT("no such credential") : value, t, n);
}

static char undone[TEXT_MOST + 1];

/* Hexadecimal runs, read from their first or second digit on. */
static bool
in_hex(struct span value, struct span t)
{
	for (size_t first = 0; first < 2; first++)
		for (size_t i = 0; i < t.n;) {
			size_t n = 0, end = i;
			while (end < t.n && is_hex(t.p[end]))
				end++;
			for (size_t k = i + first; k + 2 <= end; k += 2)
				undone[n++] =
					(char)(hex_value(t.p[k]) << 4 | hex_value(t.p[k + 1]));
			if (n >= LEAST && spells(value, undone, n))
				return true;
			i = end > i ? end : i + 1;
		}
	return false;
}

/* Separated bytes: at most four characters and a mark between two. */
static bool
in_pieces(struct span value, struct span t)
{
	size_t n = 0;

	for (size_t i = 0; i < t.n;) {
		size_t at = i, to;
		while (at < t.n && at < i + 4 && !is_alnum(t.p[at]))
			at++;
		struct span rest = span_cut(t, at, t.n);
		at += span_istarts(rest, SPAN_LIT("0x"))    ? 2
		      : span_istarts(rest, SPAN_LIT("x"))   ? 1
		      : span_istarts(rest, SPAN_LIT("u00")) ? 3
							    : 0;
		for (to = at; to < t.n && is_hex(t.p[to]);)
			to++;
		if (to < at + 2) {
			undone[n++] = '\0';
			i = to > i ? to : i + 1;
			continue;
		}
		for (i = at + (to - at) % 2; i < to; i += 2)
			undone[n++] = (char)(hex_value(t.p[i]) << 4 | hex_value(t.p[i + 1]));
	}
	return spells(value, undone, n);
}

/* Returns the byte that is escaped at p, with its length in *n, or -1. */
static int
escaped(const char *p, const char *end, size_t *n)
{
	size_t slashes = 0, left = (size_t)(end - p);

	*n = 3;
	if (*p == '%')
		return uri_escape_at(p, end);
	while (slashes < left && slashes < 16 && p[slashes] == '\\')
		slashes++;
	size_t mark = slashes + (slashes < left && p[slashes] == 'u' ? 3 : 1);
	if (!slashes || left < mark + 2 ||
		!(p[slashes] == 'x' || (p[slashes] == 'u' && !memcmp(p + slashes, "u00", 3))) ||
		!is_hex(p[mark]) || !is_hex(p[mark + 1]))
		return -1;
	*n = mark + 2;
	return hex_value(p[mark]) * 16 + hex_value(p[mark + 1]);
}

static bool
in_escapes(struct span value, struct span t)
{
	size_t n = t.n;

	memcpy(undone, t.p, t.n);
	for (int times = 0; times < 3; times++) {
		size_t to = 0, bytes;
		for (size_t i = 0; i < n; to++) {
			int c = escaped(undone + i, undone + n, &bytes);
			undone[to] = c < 0 ? undone[i] : (char)c;
			i += c < 0 ? 1 : bytes;
		}
		bool any = to < n;
		n = to;
		if (any && spells(value, undone, n))
			return true;
	}
	return false;
}

/* ---- texts ---- */

static char text[TEXT_MOST];
static size_t length;

static void
put(const char *p, size_t n)
{
	for (size_t i = 0; i < n && length < sizeof(text); i++)
		text[length++] = p[i];
}

static void
puts_(const char *s)
{
	put(s, strlen(s));
}

static unsigned
chance(unsigned n)
{
	return (unsigned)rand() % n;
}

static void
put_noise(size_t n)
{
	static const char *const words[] = { "harbour ", "the ", "tg_", "key ", "12 ", "4711",
		"2026-11-22T08:26:01Z ", "100% ", "%41", "%25", "%2", "\\n", "0x", "deadbeef",
		"9f86d081-8840-4c7d ", "74 67 5f ", "74675f", "a_b_c ", ", ", "\\u0074", "%%" };

	for (size_t end = length + n; length < end && length < sizeof(text);)
		puts_(words[chance(COUNT_OF(words))]);
}

/* Writes an escaped text that a mutation may have damaged. */
static void
put_escaped(const char *p, size_t n, unsigned deep, unsigned share)
{
	char byte[16];

	for (size_t i = 0; i < n; i++) {
		if (chance(100) >= share) {
			put(p + i, 1);
			continue;
		}
		unsigned as = deep > 1 ? 0 : chance(4), c = (unsigned char)p[i];
		if (as == 0)
			snprintf(byte, sizeof(byte), chance(2) ? "%%%02x" : "%%%02X", c);
		else
			snprintf(byte, sizeof(byte), "%s%02x",
				as == 1	  ? "\\u00"
				: as == 2 ? "\\\\u00"
					  : "\\x",
				c);
		if (deep > 1)
			put_escaped(byte, strlen(byte), deep - 1, 60);
		else
			puts_(byte);
	}
}

static void
put_hex(const char *p, size_t n, const char *between, const char *mark)
{
	char byte[8];

	for (size_t i = 0; i < n; i++) {
		snprintf(byte, sizeof(byte), chance(2) ? "%02x" : "%02X", (unsigned char)p[i]);
		puts_(i ? between : "");
		puts_(mark);
		puts_(byte);
	}
}

static void
put_credential(struct span v)
{
	static const char *const between[] = { "", "", " ", ":", ", ", "\\\\", "\", \"", " -- ",
		"-----" };
	static const char *const mark[] = { "", "", "", "0x", "x", "\\x", "u00", "\\u00",
		"0X" };
	char spelled[2 * 1024];
	size_t from = length, n = v.n, way = chance(DISGUISES + 1);

	if (way < DISGUISES && chance(3) == 0)
		n = digits_disguise(v, way, spelled);
	else
		memcpy(spelled, v.p, v.n);
	switch (chance(4)) {
	case 0: put(spelled, n); break;
	case 1: put_escaped(spelled, n, 1 + chance(4), 1 + chance(100)); break;
	default:
		put_hex(spelled, n, between[chance(COUNT_OF(between))],
			mark[chance(COUNT_OF(mark))]);
	}
	for (unsigned i = chance(3) ? 0 : 1 + chance(3); i > 0 && length > from; i--)
		text[from + chance((unsigned)(length - from))] = "0afgxX %_u"[chance(10)];
}

/* ---- comparison ---- */

static int
is_part(void *arg, struct span credential)
{
	const struct span *whole = arg;

	assert_true(credential.p >= whole->p && credential.n > 0 &&
		    credential.p + credential.n <= whole->p + whole->n);
	return 0;
}

static void
compare(const struct request *r, struct span value)
{
	char *p = guard_dup(text, length);
	struct span t = span_of(p, length);
	bool as_is = holds(value, t.p, t.n), hex = in_hex(value, t) || in_pieces(value, t),
	     escaped = in_escapes(value, t);
	bool in = request_credential_in(r, t), deep = request_credential_escaped_in(r, t),
	     hidden = request_credentials_hidden(r, t, is_part, &t) == 0;

	assert_true(hidden);
	/* A window may begin within a pair of digits, and so read one more. */
	if (as_is || hex || length <= WINDOW)
		assert_int_equal(in, as_is || hex);
	if (as_is || hex || escaped || length <= WINDOW)
		assert_int_equal(deep, as_is || hex || escaped);
	guard_free(p, length);
}

static void
findings_equal_those_of_the_reference(void **state)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789-_.";
	static const char ours[] =
		"tg_abcd1234_0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk";
	char value[700];

	(void)state;
	srand(11);
	for (int round = 0; round < 300; round++) {
		struct request r = { .worker = 0 };
		arena_init(&r.arena, 1 << 20, true);
		size_t n = chance(4) ? 4 + chance(60) : 4 + chance(sizeof(value) - 4);
		for (size_t i = 0; i < n; i++)
			value[i] = letters[chance(sizeof(letters) - 1)];
		assert_int_equal(request_keep_credential(&r, span_of(value, n)), 0);
		struct span other = span_of(ours, sizeof(ours) - 1), own = span_of(value, n);
		for (int k = 0; k < 4; k++) {
			length = 0;
			put_noise(chance(4) ? chance(400) : chance(TEXT_MOST - 8000));
			if (chance(4))
				put_credential(chance(5) ? own : other);
			put_noise(chance(3) ? chance(300) : chance(TEXT_MOST));
			compare(&r, own);
		}
		arena_reset(&r.arena);
	}
}

/* At the borders of windows, and of blocks of the quick check. */
static void
credential_is_found_at_every_offset(void **state)
{
	struct span v = SPAN_LIT("eyJhbGciOi.x");
	struct request r = { .worker = 0 };

	(void)state;
	arena_init(&r.arena, 1 << 20, true);
	assert_int_equal(request_keep_credential(&r, v), 0);
	for (size_t at = 0; at < 200 + 2 * 150; at++) {
		size_t from =
			at < 200 ? at : WINDOW / 2 * (1 + (at - 200) / 150) - 140 + at % 150;
		for (int way = 0; way < 4; way++) {
			length = 0;
			while (length < from)
				puts_(from - length >= 64
						? "the harbor master kept two books, and "
						  "in the first was written all "
						: "-");
			if (way < 3)
				put_hex(v.p, v.n,
					way == 0   ? ""
					: way == 1 ? " -- "
						   : "\", \"",
					way == 2 ? "u00" : "");
			else
				put_escaped(v.p, v.n, 3, 100);
			puts_(" is it");
			assert_true(request_credential_escaped_in(&r, span_of(text, length)));
			text[from + 8]++;
			compare(&r, v);
		}
	}
	arena_reset(&r.arena);
}

/* Parts of a text with digits, at distances at which they are examined separately or
 * together. */
static void
credential_is_found_after_other_digits(void **state)
{
	struct span v = SPAN_LIT("eyJhbGciOi.x");
	struct request r = { .worker = 0 };

	(void)state;
	arena_init(&r.arena, 1 << 20, true);
	assert_int_equal(request_keep_credential(&r, v), 0);
	for (size_t between = 0; between < 700; between++) {
		length = 0;
		puts_("harbour masters wrote 20 06 11 22 08 26 01 00 ");
		for (size_t i = 0; i < between; i++)
			puts_("-");
		put_hex(v.p, v.n, between % 2 ? "" : " -- ", "");
		puts_("abcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdef is "
		      "it");
		compare(&r, v);
		length -= 40;
		puts_(" is it");
		assert_true(request_credential_escaped_in(&r, span_of(text, length)));
	}
	arena_reset(&r.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(findings_equal_those_of_the_reference),
		cmocka_unit_test(credential_is_found_at_every_offset),
		cmocka_unit_test(credential_is_found_after_other_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
