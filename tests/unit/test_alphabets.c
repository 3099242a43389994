/* A value ends where its own alphabet ends. Each example of an entity in ASCII is placed between
 * words or signs of 24 scripts, with and without spaces, and must be found there exactly as it
 * is found alone. SEED=N selects other neighbors; make check-long uses the day's date. SHOW=1
 * prints each value that is missed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/buf.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "scan/detect/info.h"
#include "support/detect_fix.h"
#include "support/fidelity_docs.h"
#include "support/scripts.h"

enum { SEED = 7, EACH = 2 };

static uint64_t random_state;

static size_t
below(size_t n)
{
	return (size_t)(docs_random(&random_state) % n);
}

static bool
is_ascii(struct span t)
{
	for (size_t i = 0; i < t.n; i++)
		if (is_high(t.p[i]))
			return false;
	return true;
}

enum side { WORD, COMMA, STOP, DASH, SIDES };

static const char *
neighbor(const struct script *s, enum side side, bool before)
{
	switch (side) {
	case COMMA: return s->comma;
	case STOP: return s->stop;
	case DASH: return below(2) ? "—" : "–";
	default: return before ? s->before : s->after;
	}
}

/* Returns true if exactly the value is found; *covered: if all of it is found. */
static bool
is_found(struct detect_fix *f, struct span t, size_t start, size_t n, bool *covered,
	bool *evasion)
{
	struct findings found;
	bool exact = false;

	assert_int_equal(detect_fix_scan(f, t, NULL, &found), 0);
	size_t at = start;
	for (size_t i = 0; i < found.n; i++) {
		exact |= found.v[i].start == start && found.v[i].end == start + n;
		if (found.v[i].start <= at && found.v[i].end > at)
			at = found.v[i].end;
	}
	*covered = at >= start + n;
	*evasion = found.evasion;
	return exact;
}

struct counts {
	size_t values, missed, wide, evaded;
};

/* Finds the value of an example between two neighbors. */
static void
try_between(struct detect_fix *f, size_t entity, struct span text, size_t start, size_t n,
	struct counts *c)
{
	static const char *const spaces[] = { "", " " };
	const struct script *s = &scripts[below(SCRIPTS)];
	enum side left = (enum side)below(SIDES), right = (enum side)below(SIDES);
	bool covered, evasion;

	SCOPED_BUF(b, 0);
	buf_str(&b, neighbor(s, left, true));
	buf_str(&b, spaces[below(2)]);
	size_t at = b.n + start;
	buf_span(&b, text);
	buf_str(&b, spaces[below(2)]);
	buf_str(&b, neighbor(s, right, false));
	bool exact = is_found(f, buf_view(&b), at, n, &covered, &evasion);
	c->values++;
	c->missed += !covered;
	c->wide += covered && !exact;
	c->evaded += evasion;
	if (getenv("SHOW") && (!exact || evasion))
		print_message("%s%s%s %s: [%.*s]\n", covered ? "" : "MISSED",
			covered && !exact ? "WIDE" : "", evasion ? "EVASION" : "",
			detect_entity_name(f->rules, entity), SPAN_ARG(buf_view(&b)));
}

static void
values_end_at_their_alphabet(void **state)
{
	struct detect_fix *f = *state;
	struct counts c = { 0 };
	struct detect_example e;

	for (size_t entity = 0; entity < detect_entity_count(f->rules); entity++)
		for (size_t n = 0; detect_example(f->rules, entity, n, &e); n++) {
			const char *find =
				e.find.p ? memmem(e.text.p, e.text.n, e.find.p, e.find.n)
					 : NULL;
			if (!find || !is_ascii(e.text))
				continue;
			size_t start = (size_t)(find - e.text.p), end = start + e.find.n;
			/* the value alone, with the text before it, and in all of its text */
			size_t from[] = { start, 0, 0 }, to[] = { end, end, e.text.n };
			for (size_t k = 0; k < 3; k++) {
				struct span t = span_cut(e.text, from[k], to[k]);
				bool covered, evasion;
				if (is_found(f, t, start - from[k], e.find.n, &covered,
					    &evasion) &&
					!evasion)
					for (size_t i = 0; i < EACH; i++)
						try_between(f, entity, t, start - from[k],
							e.find.n, &c);
			}
			arena_reset(&f->arena);
		}
	print_message("%zu values: %zu missed, %zu too wide, %zu as evasion\n", c.values,
		c.missed, c.wide, c.evaded);
	assert_true(c.values > 4000);
	assert_true(c.missed * 50 <= c.values);
	assert_true(c.wide * 50 <= c.values);
	assert_true(c.evaded * 500 <= c.values);
}

/* ---- single cases ---- */

/* Each finding of `text` is replaced by #. */
static const struct {
	const char *name, *text, *want;
} rows[] = {
	{ "a password loses nothing of the rest of its line", "密码：Tr0ub4dor3x，端口：5432。",
		"密码：#，端口：5432。" },
	{ "a password ends before letters of another script", "пароль: Tr0ub4dor3xили порт 5432",
		"пароль: #или порт 5432" },
	{ "a sign of the keyboard is a part of a password", "password: Tr0ub4dor€3x ok",
		"password: # ok" },
	{ "two addresses joined by a sign are two", "jane@example.com、lee@example.net、ok",
		"#、#、ok" },
	{ "two addresses joined by a word are two", "jane@example.com和lee@example.net",
		"#和#" },
	{ "an address takes no letter of a word before or after it",
		"почтаjo@example.orgили звоните", "почта#или звоните" },
	{ "an address ends before an Armenian full stop", "գրեք՝sam@example.museum։",
		"գրեք՝#։" },
	{ "a dash of a sentence is no part of a token",
		"ghp_16C7e42F292c6912E7710c838347Ae178B4a—then", "#—then" },
	{ "letters in disguise inside a word are part of a value",
		"write to jаne@example.com now", "write to # now" },
	{ "a dash between figures is part of a value", "SSN 219–09–1234 ok", "SSN # ok" },
	{ "a label directly behind another script is a label", "මගේSSN 219-09-1234",
		"මගේSSN #" },
};

static void
values_are_replaced_alone(void **state)
{
	struct detect_fix *f = *state;
	struct findings found;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		SCOPED_BUF(b, 0);
		struct span t = span_str(rows[i].text);
		size_t at = 0;
		assert_int_equal(detect_fix_scan(f, t, NULL, &found), 0);
		for (size_t k = 0; k < found.n; k++) {
			buf_span(&b, span_cut(t, at, found.v[k].start));
			buf_putc(&b, '#');
			at = found.v[k].end;
		}
		buf_span(&b, span_cut(t, at, t.n));
		if (!span_is(buf_view(&b), rows[i].want))
			fail_msg("%s: %.*s", rows[i].name, SPAN_ARG(buf_view(&b)));
		arena_reset(&f->arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_replaced_alone),
		cmocka_unit_test(values_end_at_their_alphabet),
	};
	const char *seed = getenv("SEED");

	random_state = seed ? strtoull(seed, NULL, 10) : SEED;
	return cmocka_run_group_tests(tests, detect_setup, NULL);
}
