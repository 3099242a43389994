/* The stream scanner: the result does not depend on the cuts, and has the findings of a scan of
 * the whole text. Only text that may be part of a finding is held, up to a limit. Longer text
 * is never given out as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/utf8.h"
#include "base/err.h"
#include "scan/detect/custom/custom.h"
#include "scan/detect/engine.h"
#include "support/stream_fix.h"

/* ---- texts ---- */

static uint32_t
roll(uint64_t *state, uint32_t below)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33) % below;
}

static void
put_prose(struct buf *b, uint64_t *random, size_t n)
{
	static const char *const words[] = { "the", "order", "which", "arrived", "on", "Monday",
		"was", "sent", "again", "to", "our", "office", "in", "two", "parts", "and",
		"nobody", "knew", "why.", "Please", "reply", "caf\xc3\xa9",
		"\xe4\xbd\xa0\xe5\xa5\xbd", "x = y + 1;", "version", "\n", "/", "customer",
		"number", "id:" };

	for (size_t to = b->n + n; b->n < to;) {
		buf_str(b, words[roll(random, sizeof(words) / sizeof(words[0]))]);
		buf_putc(b, ' ');
	}
}

/* The examples of some entities, each between other words. */
static void
put_examples(struct buf *b, uint64_t *random, size_t entity)
{
	const struct entity_rule *e = &rules->entities[entity % rules->nentities];

	for (size_t i = 0; i < e->nexamples && b->n < 12000; i++) {
		if (e->examples[i].text.n > 1500)
			continue;
		put_prose(b, random, roll(random, 400));
		buf_span(b, e->examples[i].text);
		buf_putc(b, roll(random, 2) ? ' ' : '\n');
	}
}

/* ---- comparing ---- */

static void
print_finding(const char *who, struct span text, const struct finding *f)
{
	if (f)
		print_message("%s: %s %zu-%zu %.2f: %.*s\n", who,
			detect_entity_name(rules, f->entity), f->start, f->end,
			(double)f->score, SPAN_ARG(span_cut(text, f->start, f->end)));
}

/* Returns true if the stream found, with `opt`, what a scan of the whole text finds. */
static bool
is_as_whole(struct span text, const struct detect_options *opt, bool print)
{
	struct findings f;
	struct arena a;
	bool same = true;

	arena_init(&a, 0, false);
	assert_int_equal(detect_scan(rules, scratch, text, opt, &a, &f), 0);
	for (size_t i = 0; (i < f.n || i < one.n) && same; i++) {
		const struct finding *x = i < f.n ? &f.v[i] : NULL,
				     *y = i < one.n ? &one.found[i] : NULL;
		same = x && y && x->entity == y->entity && x->start == y->start &&
		       x->end == y->end && x->flags == y->flags && x->score <= y->score &&
		       x->score >= y->score;
		if (same || !print)
			continue;
		print_finding("whole", text, x);
		print_finding("stream", text, y);
	}
	arena_reset(&a);
	return same;
}

static void
same_as_whole_with(struct span text, const struct detect_options *opt, const char *name)
{
	if (!is_as_whole(text, opt, true))
		fail_msg("%s: findings differ", name);
}

static void
same_as_whole(struct span text, const char *name)
{
	same_as_whole_with(text, NULL, name);
}

static void
run_with(struct span text, const struct detect_options *opt, const char *name)
{
	assert_int_equal(stream_run(&one, rules, scratch, opt, text, NULL, 0, 0), 0);
	if (one.wrong || !span_eq(buf_view(&one.text), text))
		fail_msg("%s: the pieces are not the text", name);
}

static void
run_once(struct span text, const char *name)
{
	run_with(text, NULL, name);
}

/* Nothing that is found is given out as text: the pieces are the text in order. */
static void
stream_has_the_findings_of_the_whole_text(void **state)
{
	size_t findings = 0;

	(void)state;
	for (size_t e = 0; e < rules->nentities; e++) {
		uint64_t random = e + 1;
		struct buf b;
		buf_init(&b, 0);
		put_examples(&b, &random, e);
		put_prose(&b, &random, 300);
		run_once(buf_view(&b), rules->entities[e].name);
		same_as_whole(buf_view(&b), rules->entities[e].name);
		findings += one.n;
		buf_free(&b);
	}
	assert_true(findings > 500);
}

/* The same for a single entity, with far less text held. */
static void
stream_has_the_findings_of_one_entity(void **state)
{
	size_t findings = 0;

	(void)state;
	for (size_t e = 0; e < rules->nentities; e++) {
		uint64_t random = e + 1, set[DETECT_ENTITIES_MAX / 64] = { 0 };
		struct buf b;
		buf_init(&b, 0);
		put_examples(&b, &random, e);
		put_prose(&b, &random, 300);
		set[e / 64] |= UINT64_C(1) << (e % 64);
		struct detect_used *used = detect_used_new(rules, set, NULL);
		struct detect_options opt = { .used = used };
		assert_non_null(used);
		run_with(buf_view(&b), &opt, rules->entities[e].name);
		same_as_whole_with(buf_view(&b), &opt, rules->entities[e].name);
		findings += one.n;
		detect_used_free(&used);
		buf_free(&b);
	}
	assert_true(findings > 500);
}

/* Wherever the last bytes begin, which are processed word by word. */
static void
long_delta_has_the_findings_of_the_whole_text(void **state)
{
	size_t findings = 0;

	(void)state;
	for (size_t e = 0; e < rules->nentities; e++) {
		uint64_t random = e + 1;
		struct buf b, examples;
		buf_init(&b, 0);
		buf_init(&examples, 0);
		put_examples(&examples, &random, e);
		struct span some = span_cut(buf_view(&examples), 0, 12000);
		put_prose(&b, &random, 2 * STREAM_MUCH - some.n / 2);
		buf_span(&b, some);
		put_prose(&b, &random, CAP_STREAM_HELD - some.n / 2 % CAP_STREAM_HELD);
		run_once(buf_view(&b), rules->entities[e].name);
		same_as_whole(buf_view(&b), rules->entities[e].name);
		findings += one.n;
		buf_free(&examples);
		buf_free(&b);
	}
	assert_true(findings > 500);
}

/* Not word by word: a megabyte would occupy a thread for a second. */
static void
long_delta_is_given_out_in_few_pieces(void **state)
{
	uint64_t random = 5;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	put_prose(&b, &random, 1000000);
	run_once(buf_view(&b), "a megabyte");
	assert_int_equal(one.n, 0);
	if (one.pieces > CAP_STREAM_HELD)
		fail_msg("%zu pieces", one.pieces);
	buf_free(&b);
}

/* Asserts that the output of `two`, and its timing, equal those for single bytes. */
static void
same_as_by_bytes(
	struct span text, const size_t *by_bytes, const size_t *given, const char *name)
{
	if (two.wrong || !stream_run_same(&one, &two))
		fail_msg("%s: other pieces", name);
	for (size_t i = 1; i <= text.n; i++)
		if (given[i] != SIZE_MAX && given[i] != by_bytes[i])
			fail_msg("%s: after %zu bytes %zu are out, not %zu", name, i, given[i],
				by_bytes[i]);
}

/* By single bytes, cut once at every byte, at random, and uncut. The number of bytes after
 * which text is given out does not depend on the cuts either, except for long pieces. */
static void
pieces_do_not_depend_on_cuts(void **state)
{
	enum { EVERY = 48, EVERY_BYTES = STREAM_LONG - 24, CUTS = 40 };
/* the same code for each entity: sanitizer builds test a third of them, the plain build all */
#ifdef TG_SANITIZE
	enum { STEP = 3 };
#else
	enum { STEP = 1 };
#endif
	uint64_t random = 2;
	size_t cuts = 0;

	(void)state;
	for (size_t e = 0; e < rules->nentities; e += STEP) {
		struct buf b;
		size_t at[CUTS];
		buf_init(&b, 0);
		put_examples(&b, &random, e);
		struct span text =
			span_cut(buf_view(&b), 0, e % EVERY ? b.n : (size_t)EVERY_BYTES);
		size_t *by_bytes = calloc(text.n + 1, sizeof(size_t)),
		       *given = calloc(text.n + 1, sizeof(size_t));
		assert_non_null(by_bytes);
		assert_non_null(given);
		one.given = by_bytes;
		two.given = given;
		stream_run(&one, rules, scratch, NULL, text, NULL, 0, 1);
		assert_false(one.wrong);
		size_t ways = e % EVERY ? 3 : text.n;
		for (size_t way = 0; way < ways; way++, cuts++) {
			size_t n = way == 0 ? 0 : e % EVERY ? CUTS : 1;
			for (size_t i = 0, to = 0; i < n; i++) {
				to += roll(&random, STREAM_LONG);
				at[i] = e % EVERY == 0 ? way : to < text.n ? to : text.n;
			}
			memset(given, 0xFF, (text.n + 1) * sizeof(size_t));
			assert_int_equal(
				stream_run(&two, rules, scratch, NULL, text, at, n, 0), 0);
			if (e % EVERY && way == 0)
				memset(given, 0xFF, (text.n + 1) * sizeof(size_t));
			/* After finish, everything was given out. */
			same_as_by_bytes(text, by_bytes, given, rules->entities[e].name);
		}
		one.given = two.given = NULL;
		free(by_bytes);
		free(given);
		buf_free(&b);
	}
	assert_true(cuts > 1500);
}

/* ---- tables ---- */

enum { TABLE_COLUMNS = 7 };

/* Writes a value of the column, a different one in each row. */
static void
put_cell(struct buf *b, uint64_t *random, unsigned column)
{
	static const char letters[] = "CFGHJKLMNPRTVWXYZ",
			  marks[] = "abcdefghkmnpqrstuvw23456789#";
	static const char *const names[] = { "Ann", "Dimitri", "Greta", "Farid", "Wei" };
	static const char *const notes[] = { "ok", "called back", "pending review", "" };

	switch (column) {
	case 0: buf_printf(b, "%s", names[roll(random, COUNT_OF(names))]); break;
	case 1:
		buf_printf(b, "%c%08u", letters[roll(random, sizeof(letters) - 1)],
			10000000 + roll(random, 89999999));
		break;
	case 2:
		buf_printf(b, "%03u-%02u-%04u", 100 + roll(random, 500), 10 + roll(random, 89),
			1000 + roll(random, 8999));
		break;
	case 3: buf_printf(b, "%u", 10000000 + roll(random, 89999999)); break;
	case 4:
		for (unsigned i = 0; i < 12; i++)
			buf_putc(b, marks[roll(random, sizeof(marks) - 1)]);
		break;
	case 5: buf_printf(b, "a%u@example.org", roll(random, 100000)); break;
	default: buf_str(b, notes[roll(random, COUNT_OF(notes))]); break;
	}
}

static const struct table_kind {
	const char *name, *begin, *cut, *end, *ruler;
} table_kinds[] = {
	{ "comma", "", ",", "\n", "" },
	{ "comma, quoted", "\"", "\",\"", "\"\n", "" },
	{ "comma, CRLF", "", ",", "\r\n", "" },
	{ "semicolon", "", ";", "\n", "" },
	{ "tab", "", "\t", "\n", "" },
	{ "Markdown", "| ", " | ", " |\n", "|---|---|---|---|---|---|---|\n" },
	{ "two spaces", "", "   ", "\n", "" },
};

/* Writes a table of `rows` rows between other texts. */
static void
put_table(struct buf *b, uint64_t *random, const struct table_kind *k, size_t rows)
{
	static const char *const names[TABLE_COLUMNS] = { "name", "passport number", "ssn",
		"medical record number", "password", "e-mail", "note" };

	for (size_t row = 0; row <= rows; row++) {
		buf_str(b, k->begin);
		for (unsigned c = 0; c < TABLE_COLUMNS; c++) {
			buf_str(b, c ? k->cut : "");
			if (row == 0)
				buf_str(b, names[c]);
			else if (c < TABLE_COLUMNS - 1 || k->cut[0] != ' ')
				put_cell(b, random, c);
			else
				buf_str(b, "ok");
		}
		buf_str(b, k->end);
		buf_str(b, row == 0 ? k->ruler : "");
	}
}

static void
table_header_applies_in_all_rows_in_any_cut(void **state)
{
	static const char *const openings[] = { "", "Here are the rows, as asked:\n",
		"Dear all,\n\nsee the table below.\n\n", "```\n" };
	static const size_t every[] = { 1, 7, 64, 700, 3000 };
	uint64_t random = 11;
	size_t found = 0;

	(void)state;
	for (size_t t = 0; t < COUNT_OF(table_kinds) * COUNT_OF(openings); t++) {
		const struct table_kind *k = &table_kinds[t / COUNT_OF(openings)];
		struct buf b;
		size_t at[4096], n;
		buf_init(&b, 0);
		buf_str(&b, openings[t % COUNT_OF(openings)]);
		put_table(&b, &random, k, 3 + roll(&random, 12));
		/* a second table directly below, whose columns are in another order */
		if (k->begin[0] == '\0' && k->cut[0] != ' ') {
			buf_printf(&b,
				"note%spassword%spassport number%sssn%sname%se-mail%sid%s",
				k->cut, k->cut, k->cut, k->cut, k->cut, k->cut, k->end);
			buf_printf(&b,
				"ok%shunter4x9%sX39213444%s536-22-8712%sAnn%sa@example.org%s7%"
				"s",
				k->cut, k->cut, k->cut, k->cut, k->cut, k->cut, k->end);
		}
		buf_str(&b, "\nThat is all for today.\n\n");
		put_table(&b, &random, &table_kinds[roll(&random, COUNT_OF(table_kinds))], 4);
		for (size_t c = 0; c <= COUNT_OF(every); c++) {
			size_t step = c < COUNT_OF(every) ? every[c] : SIZE_MAX;
			for (n = 0; n < COUNT_OF(at) && (n + 1) < b.n / step; n++)
				at[n] = (n + 1) * step;
			assert_int_equal(stream_run(&one, rules, scratch, NULL, buf_view(&b),
						 at, n, step == 1),
				0);
			if (!is_as_whole(buf_view(&b), NULL, true))
				fail_msg("%s, after \"%s\", cut every %zu bytes", k->name,
					openings[t % COUNT_OF(openings)], step);
		}
		found += one.n;
		buf_free(&b);
	}
	assert_in_range(found, 1500, SIZE_MAX);
}

/* ---- obfuscated values ---- */

/* Returns true if the stream lost only what stream.h permits: the ordinary word at the
 * beginning of an obfuscated value, or a value that is very wide. */
static bool
is_lost_by_name(struct span text, const struct finding *x)
{
	enum { WIDE = 160 };
	size_t from = x->end;

	for (size_t i = 0; i < one.n; i++)
		if (one.found[i].entity == x->entity && one.found[i].end == x->end)
			from = one.found[i].start;
	if (!(x->flags & FINDING_EVASION))
		return false;
	if (x->end - x->start > WIDE)
		return true;
	size_t word = x->start;
	while (word < from && is_alpha(text.p[word]))
		word++;
	while (word < from && !is_alnum(text.p[word]))
		word++;
	return from < x->end && word == from;
}

/* Obfuscated values are held too. */
static void
obfuscated_value_is_held(void **state)
{
	static const char *const named[] = { "an address in chunks, a line of JSON each" };
	FILE *file = fopen("tests/data/evasion.jsonl", "r");
	size_t n = 0, found = 0, lost = 0;

	(void)state;
	assert_non_null(file);
	for (json_t *row; (row = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL)); n++) {
		const char *name, *entity, *before = "", *hidden = "", *after = "";
		uint64_t random = n;
		struct findings f;
		struct arena a;
		struct buf b;
		json_unpack(row, "{s:s, s?s, s?s, s?s, s?s, s?s}", "name", &name, "entity",
			&entity, "text", &before, "before", &before, "hidden", &hidden, "after",
			&after);
		buf_init(&b, 0);
		arena_init(&a, 0, false);
		put_prose(&b, &random, 200);
		buf_printf(&b, "%s%s%s\n", before, hidden, after);
		put_prose(&b, &random, 300);
		struct span text = buf_view(&b);
		run_once(text, name);
		assert_int_equal(detect_scan(rules, scratch, text, NULL, &a, &f), 0);
		for (size_t i = 0; i < f.n; i++, found++) {
			bool same = false;
			for (size_t k = 0; k < one.n; k++)
				same |= one.found[k].start == f.v[i].start &&
					one.found[k].end == f.v[i].end &&
					one.found[k].entity == f.v[i].entity;
			lost += !same;
			if (same || is_lost_by_name(text, &f.v[i]) ||
				SPAN_IN(span_str(name), named))
				continue;
			print_finding("whole", text, &f.v[i]);
			fail_msg("%s: %.*s", name, SPAN_ARG(buf_view(&one.out)));
		}
		json_decref(row);
		arena_reset(&a);
		buf_free(&b);
	}
	fclose(file);
	assert_true(n > 500 && found > 350);
	assert_true(lost < 20);
}

/* Adjacent values and joined pieces, in any cut and with more text around them. */
static void
adjacent_values_are_found_as_in_the_whole_text(void **state)
{
	FILE *file = fopen("tests/data/side_by_side.jsonl", "r");
	size_t n = 0;

	(void)state;
	assert_non_null(file);
	for (json_t *row; (row = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL)); n++) {
		const char *name, *marked;
		uint64_t random = n;
		struct buf b;
		json_unpack(row, "{s:s, s:s}", "name", &name, "text", &marked);
		buf_init(&b, 0);
		for (const char *c = marked; *c; c++) /* without its guillemets */
			if (*c == '\xC2' && (c[1] == '\xAB' || c[1] == '\xBB'))
				c++;
			else
				buf_putc(&b, *c);
		for (size_t at = 0; at < b.n; at += 1 + at / 16) {
			struct span text = buf_view(&b);
			stream_run(&one, rules, scratch, NULL, text, &at, 1, 0);
			same_as_whole(text, name);
		}
		put_prose(&b, &random, 400);
		run_once(buf_view(&b), name);
		same_as_whole(buf_view(&b), name);
		buf_free(&b);
		json_decref(row);
	}
	fclose(file);
	assert_true(n > 50);
}

/* Formats in which the place determines the kind of a value, far before it or in the next
 * lines. */
static void
values_named_by_a_format_are_found_in_any_cut(void **state)
{
	static const struct {
		const char *name, *text;
		size_t findings; /* at least */
	} rows[] = {
		{ "HL7",
			"MSH|^~\\&|ADM|H|LAB|H|202403121200||ADT^A01|M1|P|2.5\r\n"
			"PID|1||83726112^^^H^MR||Qvexley^Brunor^T||19620914|F|||4 Elm St^^Dover\r\n"
			"NK1|1|Zorvath^Elmin|SPO\r\n",
			4 },
		{ "HL7, a segment behind another in one line",
			"PID|1||83726112^^^H^MR||Qvexley^Ada|Zorvath^Elmin|19620914|F to our "
			"office on Monday, and the customer sent it to nobody, nor to the office, "
			"which knew the number PID|1||83726112^^^H^MR||Qvexley^Ada||19620914|F\n"
			"Please send the parts again on Monday, the office knew the number.\n",
			9 },
		{ "X12", "ST*837*0001~\nNM1*IL*1*QVEXLEY*BRUNOR*T***MI*W795005566~\n"
			 "N3*1420 ORCHARD LN~\nN4*DOVER*DE*19901~\nDMG*D8*19620914*F~\n",
			3 },
		{ "FHIR",
			"{\"resourceType\":\"Patient\",\"name\":[{\"use\":\"official\",\"family\":"
			"\"Qvexley\",\"given\":[\"Brunor\",\"Elmin\"]}],\"birthDate\":"
			"\"1962-09-14\"}\n{\"given\":[\"Tovik\"],\"family\":\"Zorvath\"}\n",
			5 },
		{ "vCard",
			"BEGIN:VCARD\r\nVERSION:3.0\r\nN;CHARSET=UTF-8:Qvexley;Brunor;;;\r\n"
			"BDAY:19620914\r\nEND:VCARD\r\n",
			3 },
		{ "COPY",
			"COPY public.p (id, last_name, birth_date) FROM stdin;\n"
			"1\tQvexley\t1962-09-14\n2\tDe Zorvath\t1971-03-02\n\\.\n",
			4 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span text = span_str(rows[i].text);
		stream_run(&one, rules, scratch, NULL, text, NULL, 0, 1);
		same_as_whole(text, rows[i].name);
		if (one.n < rows[i].findings)
			fail_msg("%s: %zu findings", rows[i].name, one.n);
		for (size_t at = 0; at < text.n; at++) {
			stream_run(&two, rules, scratch, NULL, text, &at, 1, 0);
			if (two.wrong || !stream_run_same(&one, &two))
				fail_msg("%s: other pieces, cut at %zu", rows[i].name, at);
		}
	}
}

/* ---- limits ---- */

static void
put_blob(struct buf *b, size_t n, size_t line, const char *nl)
{
	static const char base64[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint64_t random = n + line;

	for (size_t i = 0; i < n; i++) {
		buf_putc(b, base64[roll(&random, 64)]);
		if (line && i % line == line - 1 && i + 1 < n)
			buf_str(b, nl);
	}
}

/* Text that is longer than can be held: its bytes are never given out as text, and the text
 * around it is. */
static void
too_long_value_is_never_given_out_as_text(void **state)
{
	static const struct {
		const char *name, *before, *after;
		size_t n, line;
		const char *nl;
		enum {
			UNREAD,
			FOUND,
			SAME
		} is; /* SAME: the bytes that a scan of the whole text finds */
	} rows[] = {
		{ "a private key", "-----BEGIN RSA PRIVATE KEY-----\n",
			"\n-----END RSA PRIVATE KEY-----", 6000, 64, "\n", SAME },
		{ "one with other line ends", "-----BEGIN RSA PRIVATE KEY-----\r\n",
			"\r\n-----END RSA PRIVATE KEY-----", 6000, 64, "\r\n", SAME },
		{ "one inside JSON", "-----BEGIN RSA PRIVATE KEY-----\\n",
			"\\n-----END RSA PRIVATE KEY-----", 6000, 64, "\\n", SAME },
		{ "one that never ends", "-----BEGIN RSA PRIVATE KEY-----\n", "", 20000, 64,
			"\n", FOUND },
		{ "one quoted in a mail", "-----BEGIN RSA PRIVATE KEY-----\n    ",
			"\n    -----END RSA PRIVATE KEY-----", 6000, 64, "\n    ", SAME },
		{ "one in quotes, line by line", "-----BEGIN RSA PRIVATE KEY-----\",\n    \"",
			"\",\n    \"-----END RSA PRIVATE KEY-----", 6000, 64, "\",\n    \"",
			SAME },
		{ "one in a list", "-----BEGIN RSA PRIVATE KEY-----\", \"",
			"\", \"-----END RSA PRIVATE KEY-----", 6000, 64, "\", \"", SAME },
		{ "one quoted with marks", "-----BEGIN RSA PRIVATE KEY-----\n> ",
			"\n> -----END RSA PRIVATE KEY-----", 6000, 64, "\n> ", SAME },
		{ "one cut off in a list", "-----BEGIN RSA PRIVATE KEY-----\", \"", "\"]", 6000,
			64, "\", \"", FOUND },
		{ "SSH2 armour",
			"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: \"x y\"\n",
			"\n---- END SSH2 ENCRYPTED PRIVATE KEY ----", 5000, 70, "\n", UNREAD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static const char head[] = "Here it is, as you asked, all of it: ",
				  tail[] = "\n(Is that all? Write to ada@example.org please.\n";
		struct buf b;
		uint64_t random = i;
		buf_init(&b, 0);
		put_prose(&b, &random, 700);
		buf_str(&b, head);
		buf_str(&b, rows[i].before);
		size_t from = b.n;
		put_blob(&b, rows[i].n, rows[i].line, rows[i].nl);
		size_t to = b.n;
		buf_str(&b, rows[i].after);
		buf_str(&b, tail);
		put_prose(&b, &random, 700);
		run_once(buf_view(&b), rows[i].name);
		for (size_t each = 1; each < 6000; each = each * 7 + 1) {
			stream_run(&two, rules, scratch, NULL, buf_view(&b), NULL, 0, each);
			if (two.wrong || !stream_run_same(&one, &two) ||
				two.held > CAP_STREAM_HELD)
				fail_msg("%s: by %zu: held %zu", rows[i].name, each, two.held);
		}
		struct span out = buf_view(&one.out);
		for (size_t at = from; at + 24 <= to; at++)
			if (memmem(out.p, out.n, buf_view(&b).p + at, 24))
				fail_msg("%s: byte %zu of it is text", rows[i].name, at - from);
		if (!memmem(out.p, out.n, "all of it: ", 11) ||
			!memmem(out.p, out.n, "(Is that all? Write to ? please.", 32))
			fail_msg("%s: what is around it: %.*s", rows[i].name, SPAN_ARG(out));
		if (rows[i].is == SAME)
			same_as_whole(buf_view(&b), rows[i].name);
		if ((rows[i].is == UNREAD) != (one.unread > 0))
			fail_msg("%s: %zu unread", rows[i].name, one.unread);
		buf_free(&b);
	}
}

/* Long lines without spaces are no blob if their lengths differ. */
static void
list_of_paths_is_text(void **state)
{
	uint64_t random = 5;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	for (int i = 0; i < 400; i++) {
		buf_str(&b, "/usr/share/doc/packages/library/examples/");
		for (uint32_t n = 3 + roll(&random, 30); n; n--)
			buf_putc(&b, (char)('a' + roll(&random, 26)));
		buf_str(&b, ".html\n");
	}
	stream_run(&one, rules, scratch, NULL, buf_view(&b), NULL, 0, 50);
	assert_int_equal(one.unread, 0);
	assert_int_equal(one.n, 0);
	assert_true(one.held < 1000);
	buf_free(&b);
}

static void
characters_are_never_cut(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	for (int i = 0; i < 3000; i++)
		buf_str(&b, i % 40 ? "\xe4\xbd\xa0" : "\xf0\x9f\x98\x80");
	struct detect_stream *s = detect_stream_new(rules, NULL);
	for (size_t i = 0; i < b.n; i++) {
		one.n = one.unread = 0;
		buf_clear(&one.text);
		buf_clear(&one.out);
		assert_int_equal(
			detect_stream_feed(s, scratch, span_cut(buf_view(&b), i, i + 1),
				stream_run_take, &one),
			0);
		if (!utf8_valid(buf_view(&one.text)))
			fail_msg("a character is cut before byte %zu", i);
	}
	detect_stream_free(&s);
	buf_free(&b);
}

static void
key_applies_to_all_of_its_text(void **state)
{
	struct detect_options opt = { .before = SPAN_LIT("card_number") };
	uint64_t random = 9;
	struct findings f;
	struct arena a;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	put_prose(&b, &random, 900);
	buf_str(&b, " 4716379142021968 ");
	put_prose(&b, &random, 900);
	arena_init(&a, 0, false);
	assert_int_equal(detect_scan(rules, scratch, buf_view(&b), &opt, &a, &f), 0);
	stream_run(&one, rules, scratch, &opt, buf_view(&b), NULL, 0, 5);
	assert_int_equal(f.n, 1);
	assert_int_equal(one.n, 1);
	assert_true(f.v[0].score >= one.found[0].score && f.v[0].score <= one.found[0].score);
	/* The value directly after its key, and no other. */
	opt.before = SPAN_LIT("password");
	buf_clear(&b);
	buf_str(&b, "hunter2Xy9!kk");
	stream_run(&one, rules, scratch, &opt, buf_view(&b), NULL, 0, 5);
	detect_scan(rules, scratch, buf_view(&b), &opt, &a, &f);
	assert_int_equal(one.n, f.n);
	arena_reset(&a);
	buf_free(&b);
}

static void
hidden_text_is_a_signal(void **state)
{
	static const char shy[] = "mail a\xe2\x80\x8b"
				  "da@exa\xe2\x80\x8bmple.org today";
	uint64_t random = 40;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	for (int hidden = 0; hidden < 2; hidden++) {
		put_prose(&b, &random, 600);
		buf_str(&b, hidden ? shy : "mail ada@example.org today");
		put_prose(&b, &random, 600);
		struct detect_stream *s = detect_stream_new(rules, NULL);
		one.n = 0;
		buf_clear(&one.text);
		buf_clear(&one.out);
		assert_int_equal(
			detect_stream_feed(s, scratch, buf_view(&b), stream_run_take, &one), 0);
		assert_int_equal(detect_stream_finish(s, scratch, stream_run_take, &one), 0);
		assert_int_equal(detect_stream_evasion(s), hidden);
		assert_int_equal(one.n, 1 + hidden);
		assert_null(memmem(buf_view(&one.out).p, one.out.n, "mple.org", 8));
		detect_stream_free(&s);
	}
	buf_free(&b);
}

/* A person who was confirmed once is recognized by the name alone, windows later. */
static void
confirmed_person_is_recognized_later(void **state)
{
	static const char first[] = "The patient, Mr. Thaddeus Wigglesworth, came on Monday. ",
			  again[] = " Wigglesworth was seen again by the nurse. ";
	uint64_t random = 31;
	struct buf b;
	size_t at;

	(void)state;
	buf_init(&b, 0);
	put_prose(&b, &random, 400);
	buf_str(&b, first);
	put_prose(&b, &random, 3000);
	at = b.n + 1;
	buf_str(&b, again);
	put_prose(&b, &random, 400);
	run_once(buf_view(&b), "names");
	assert_true(one.n >= 2);
	assert_int_equal(one.found[one.n - 1].start, at);
	/* Without the confirmation, the name is not found. */
	run_once(span_cut(buf_view(&b), at - 400, b.n), "names");
	assert_int_equal(one.n, 0);
	buf_free(&b);
}

/* Text that names a value may be far before it: windows begin there. */
static void
text_that_names_a_value_is_kept(void **state)
{
	static const char *const rows[] = {
		"curl -k -X POST https://infinispan.example:11222/rest/v2/caches/default/hello "
		"\\\n  -H 'Content-type: text/plain' \\\n  -d 'a body of some length, said to "
		"be "
		"the world' \\\n  -u developer:yqDVtkqPECriaLRi\n",
		"mysql --host=db.example.internal --port=3306 --protocol=tcp "
		"--default-character-set=utf8 --connect-timeout=30 --skip-column-names -uapp "
		"-pXk29fQpLw7 shop\n",
		"docker login --config=/var/lib/builder/configuration/of/docker/registries "
		"--log-level=warning-and-above --tlscacert=/etc/ssl/certs/internal.pem -u app "
		"-p "
		"Xk29fQpLw7 registry.example\n",
	};
	uint64_t random = 21;
	size_t findings = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t before = 0; before < 700; before += 40) {
			struct buf b;
			buf_init(&b, 0);
			put_prose(&b, &random, before);
			buf_str(&b, rows[i]);
			put_prose(&b, &random, 500);
			run_once(buf_view(&b), rows[i]);
			same_as_whole(buf_view(&b), rows[i]);
			findings += one.n;
			buf_free(&b);
		}
	assert_true(findings >= 3 * 18);
}

/* The held length depends on the patterns of the policy. */
static void
custom_classes_are_found_across_windows(void **state)
{
	static const char yaml[] =
		"words: ['project nightingale and its eleven subsidiaries in the northern "
		"hemisphere of which nobody who is not one of its directors may ever know']\n"
		"patterns: ['CASE-[0-9]{4}[a-z ]{1,400}CLOSED']\n";
	struct detect_rules *own_rules, *were = rules;
	struct detect_scratch *was = scratch;
	struct detect_own own = { .class = "own", .entity = "OWN", .threshold = 0.5f };
	struct detect_extra extra = { &own, 1 };
	uint64_t random = 12;
	struct buf errors, b;
	struct arena a;
	struct diag d;

	(void)state;
	buf_init(&errors, 0);
	buf_init(&b, 0);
	arena_init(&a, 0, false);
	diag_init(&d);
	own.at = yaml_load(&a, "t", span_str(yaml), &d);
	own.words = yaml_get(own.at, "words");
	own.patterns = yaml_get(own.at, "patterns");
	own_rules = detect_load_with(NULL, &extra, &errors);
	if (!own_rules)
		fail_msg("%.*s", SPAN_ARG(buf_view(&errors)));
	rules = own_rules;
	scratch = detect_scratch_new(rules);
	for (int i = 0; i < 40; i++) {
		put_prose(&b, &random, 100 + roll(&random, 300));
		if (i % 2) {
			buf_span(&b, own.words->child->s);
		} else {
			buf_str(&b, "CASE-1234");
			for (uint32_t n = 1 + roll(&random, 60); n; n--)
				buf_str(&b, " words");
			buf_str(&b, "CLOSED");
		}
		buf_putc(&b, ' ');
	}
	run_once(buf_view(&b), "own");
	same_as_whole(buf_view(&b), "own");
	assert_true(one.n >= 40);
	stream_run(&two, rules, scratch, NULL, buf_view(&b), NULL, 0, 7);
	assert_true(stream_run_same(&one, &two) && !two.wrong);
	detect_scratch_free(&scratch);
	detect_free(&own_rules);
	rules = were;
	scratch = was;
	diag_free(&d);
	arena_reset(&a);
	buf_free(&b);
	buf_free(&errors);
}

static int
refuse(void *arg, const struct stream_piece *p)
{
	(void)p;
	++*(int *)arg;
	return ERR_IO;
}

static void
error_of_a_stream_is_permanent(void **state)
{
	struct detect_stream *s = detect_stream_new(rules, NULL);
	uint64_t random = 4;
	struct buf b;
	int calls = 0;

	(void)state;
	buf_init(&b, 0);
	put_prose(&b, &random, 2000);
	assert_int_equal(detect_stream_feed(s, scratch, buf_view(&b), refuse, &calls), ERR_IO);
	assert_int_equal(detect_stream_feed(s, scratch, buf_view(&b), refuse, &calls), ERR_IO);
	assert_int_equal(detect_stream_finish(s, scratch, refuse, &calls), ERR_IO);
	assert_int_equal(calls, 1);
	detect_stream_free(&s);
	detect_stream_free(&s);
	/* Without input there is no output. */
	s = detect_stream_new(rules, NULL);
	assert_int_equal(detect_stream_finish(s, scratch, refuse, &calls), 0);
	assert_int_equal(calls, 1);
	detect_stream_free(&s);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_has_the_findings_of_the_whole_text),
		cmocka_unit_test(stream_has_the_findings_of_one_entity),
		cmocka_unit_test(long_delta_has_the_findings_of_the_whole_text),
		cmocka_unit_test(long_delta_is_given_out_in_few_pieces),
		cmocka_unit_test(pieces_do_not_depend_on_cuts),
		cmocka_unit_test(table_header_applies_in_all_rows_in_any_cut),
		cmocka_unit_test(obfuscated_value_is_held),
		cmocka_unit_test(adjacent_values_are_found_as_in_the_whole_text),
		cmocka_unit_test(values_named_by_a_format_are_found_in_any_cut),
		cmocka_unit_test(too_long_value_is_never_given_out_as_text),
		cmocka_unit_test(list_of_paths_is_text),
		cmocka_unit_test(characters_are_never_cut),
		cmocka_unit_test(key_applies_to_all_of_its_text),
		cmocka_unit_test(hidden_text_is_a_signal),
		cmocka_unit_test(confirmed_person_is_recognized_later),
		cmocka_unit_test(text_that_names_a_value_is_kept),
		cmocka_unit_test(custom_classes_are_found_across_windows),
		cmocka_unit_test(error_of_a_stream_is_permanent),
	};
	return cmocka_run_group_tests(tests, stream_setup, stream_teardown);
}
