/* The formats in tests/data/key_formats.txt: a specimen of each is a secret wherever it stands.
 * Prints each format that has no rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/scoped.h"
#include "support/detect_fix.h"

#define DIGITS	 "0123456789"
#define SMALL	 "abcdefghijklmnopqrstuvwxyz"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum { SPECIMENS = 3 };
static uint64_t state_of_draw;

static unsigned
draw_below(size_t below)
{
	state_of_draw = state_of_draw * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((state_of_draw >> 33) % below);
}

/* Appends n drawn characters of a set. */
static void
put_drawn(struct buf *out, const char *set, unsigned n)
{
	while (n--)
		buf_putc(out, set[draw_below(strlen(set))]);
}

static void
put_uuid(struct buf *out)
{
	static const unsigned parts[] = { 8, 4, 4, 4, 12 };

	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		buf_str(out, i ? "-" : "");
		put_drawn(out, DIGITS "abcdef", parts[i]);
	}
}

/* Appends a specimen of a format, see the file's head. */
static void
put_specimen(struct buf *out, const char *format)
{
	static const struct {
		char letter;
		const char *set;
	} sets[] = { { 'h', DIGITS "abcdef" }, { 'd', "123456789" }, { 'a', SMALL CAPITALS },
		{ 'l', DIGITS SMALL }, { 'Q', DIGITS CAPITALS }, { 'A', DIGITS SMALL CAPITALS },
		{ 'w', DIGITS SMALL CAPITALS "-_" } };
	static const char header[] = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI";

	for (const char *p = format; *p; p++) {
		if (*p != '{') {
			buf_putc(out, *p);
			continue;
		}
		char letter = p[1];
		unsigned n = (unsigned)strtoul(p + 2, NULL, 10);
		const char *set = NULL;
		for (size_t i = 0; i < COUNT_OF(sets); i++)
			if (sets[i].letter == letter)
				set = sets[i].set;
		if (letter == 'u') {
			put_uuid(out);
		} else if (letter == 'j') {
			buf_str(out, header);
			put_drawn(out, DIGITS SMALL CAPITALS, 40);
			buf_putc(out, '.');
			put_drawn(out, DIGITS SMALL CAPITALS "-_", 43);
		} else if (set) {
			put_drawn(out, set, n);
			/* its last character is no mark, which could end a sentence */
			if (letter == 'w')
				out->p[out->n - 1] = 'x';
		} else {
			fail_msg("unknown letter in %s", format);
		}
		p = strchr(p, '}');
	}
}

/* Returns true if the finding of a secret covers this part of the text. */
static bool
is_secret(struct detect_fix *f, struct span text, size_t from, size_t to)
{
	struct findings found;

	if (detect_fix_scan(f, text, NULL, &found))
		return false;
	for (size_t i = 0; i < found.n; i++)
		if (!strcmp(detect_entity_class(f->rules, found.v[i].entity), "secret") &&
			found.v[i].start <= from && found.v[i].end >= to)
			return true;
	return false;
}

static void
each_published_format_has_a_rule(void **state)
{
	static const char *const around[][2] = { { "please use ", " for it" }, { "FOO=", "\n" },
		{ "{\"a\": \"", "\"}" }, { "<b>", "</b>" } };
	struct detect_fix *f = detect_fix();
	FILE *list = fopen("tests/data/key_formats.txt", "r");
	char line[512];
	size_t formats = 0, missed = 0;

	(void)state;
	if (!list)
		fail_msg("tests/data/key_formats.txt: run from the tree's top");
	state_of_draw = 84;
	while (fgets(line, sizeof(line), list)) {
		char *format = strchr(line, '|');
		if (*line == '#' || !format++)
			continue;
		format[strcspn(format, "\n")] = '\0';
		/* The part before a ^ is public. */
		char *secret = strchr(format, '^');
		if (secret)
			*secret++ = '\0';
		/* a JWT after a name is found without the name */
		const char *jwt = strstr(format, "{j}");
		size_t name = jwt && strncmp(format, "ghs_", 4) ? (size_t)(jwt - format) : 0;
		bool found = true;
		for (size_t k = 0; k < SPECIMENS * COUNT_OF(around); k++) {
			SCOPED_BUF(text, 4096);
			const char *const *a = around[k % COUNT_OF(around)];
			buf_str(&text, a[0]);
			size_t from = text.n + name;
			put_specimen(&text, format);
			if (secret) {
				from = text.n;
				put_specimen(&text, secret);
			}
			size_t to = text.n;
			buf_str(&text, a[1]);
			found = found && is_secret(f, buf_view(&text), from, to);
		}
		formats++;
		if (!found) {
			print_message("no rule finds %s\n", line);
			missed++;
		}
	}
	fclose(list);
	assert_true(formats > 150);
	assert_int_equal(missed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_published_format_has_a_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
