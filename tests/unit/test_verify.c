/* Verification names the change to a chain and its record: changed, missing, swapped,
 * duplicated, unsigned, foreign. An unfinished end is accepted. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "support/chain_build.h"

#define LINES_MAX 64

/* The chain under test: boot 1 has 1 | 2 3 4 | 5 | 6 7, boot 2 has 8 | 9 10. The array has its
 * lines with their newlines; a test edits the array. */
static struct chain_build b;
static struct span original[LINES_MAX], lines[LINES_MAX];
static size_t noriginal, nlines;
static struct pubkey other;

/* Returns the line of record seq, or (commit) of its commit. */
static size_t
at(uint64_t seq, bool commit)
{
	for (size_t i = 0; i < nlines; i++) {
		struct chain_line l;
		struct span s = span_cut(lines[i], 0, lines[i].n - 1);
		if (chain_parse(s, &l) == 0 && l.commit == commit &&
			(commit ? l.first <= seq && seq <= l.seq : l.seq == seq))
			return i;
	}
	fail_msg("no such line");
	return 0;
}

static uint64_t
first_of_commit(uint64_t seq)
{
	struct chain_line l;
	size_t i = at(seq, true);

	return chain_parse(span_cut(lines[i], 0, lines[i].n - 1), &l) ? 0 : l.first;
}

static void
drop(size_t i)
{
	memmove(&lines[i], &lines[i + 1], (--nlines - i) * sizeof(lines[0]));
}

static void
insert(size_t i, struct span s)
{
	memmove(&lines[i + 1], &lines[i], (nlines++ - i) * sizeof(lines[0]));
	lines[i] = s;
}

static void
swap(size_t i, size_t j)
{
	struct span s = lines[i];

	lines[i] = lines[j];
	lines[j] = s;
}

/* Replaces the first `from` in line i. The copy is valid until eight calls later. */
static void
edit(size_t i, const char *from, const char *to)
{
	static char store[8][1024];
	static unsigned next;
	char *out = store[next++ % 8], text[1024];

	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(lines[i]));
	char *found = strstr(text, from);
	if (!found)
		fail_msg("%s is not in %s", from, text);
	int n = snprintf(
		out, 1024, "%.*s%s%s", (int)(found - text), text, to, found + strlen(from));
	lines[i] = span_of(out, (size_t)n);
}

static struct verify_options
options(void)
{
	return (struct verify_options){ .keys = &b.key.pub, .nkeys = 1 };
}

static struct verify_result
verify(const struct verify_options *o)
{
	struct buf text;

	buf_init(&text, 0);
	for (size_t i = 0; i < nlines; i++)
		buf_span(&text, lines[i]);
	struct verify_result r = chain_verify_text(o, buf_view(&text));
	buf_free(&text);
	return r;
}

static void
reset(void)
{
	memcpy(lines, original, sizeof(lines));
	nlines = noriginal;
}

/* ---- changes to a chain ---- */
/* clang-format off */

static void nothing(void) {}
static void change_id(void) { edit(at(3, false), "id-3", "id-x"); }
static void change_first_of_commit(void) { edit(at(2, false), "permit", "denied"); }
static void change_last_of_commit(void) { edit(at(4, false), "permit", "denied"); }
static void change_single(void) { edit(at(5, false), "permit", "denied"); }
static void change_time(void) { edit(at(6, false), "2027-", "2028-"); }
static void change_prev(void) { edit(at(3, false), "\"prev\":\"", "\"prev\":\"0"); }
static void
change_prev_digit(size_t i)
{
	char from[16], to[16];
	const char *p = strstr(lines[i].p, "\"prev\":\"") + 8;
	snprintf(from, sizeof(from), "%.8s", p);
	snprintf(to, sizeof(to), "%c%.7s", *p == '0' ? '1' : '0', p + 1);
	edit(i, from, to);
}
static void change_prev_mid(void) { change_prev_digit(at(3, false)); }
static void change_prev_first(void) { change_prev_digit(at(2, false)); }
static void change_prev_last(void) { change_prev_digit(at(4, false)); }
static void change_seq_up(void) { edit(at(3, false), "\"seq\":3", "\"seq\":9"); }
static void change_seq_down(void) { edit(at(3, false), "\"seq\":3", "\"seq\":1"); }
static void change_boot(void) { edit(at(5, false), "\"boot\":1", "\"boot\":2"); }
static void change_node(void) { edit(at(5, false), "gw-1", "gw-2"); }
static void change_node_of_first(void) { edit(at(1, false), "gw-1", "gw-2"); }
static void change_boot_record(void) { edit(at(8, false), "test", "tset"); }
static void change_last(void) { edit(at(10, false), "permit", "denied"); }
static void change_two(void) { edit(at(7, false), "permit", "denied"); edit(at(3, false), "permit", "denied"); }
static void change_first(void) { edit(at(1, false), "test", "tset"); }
static void drop_mid(void) { drop(at(3, false)); }
static void drop_first_of_commit(void) { drop(at(2, false)); }
static void drop_last_of_commit(void) { drop(at(4, false)); }
static void drop_single(void) { drop(at(5, false)); }
static void drop_single_and_commit(void) { drop(at(5, true)); drop(at(5, false)); }
static void drop_four_lines(void) { size_t i = at(2, false); drop(i); drop(i); drop(i); drop(i); }
static void drop_last(void) { drop(at(10, false)); }
static void drop_first(void) { drop(at(1, false)); }
static void drop_first_and_commit(void) { drop(at(1, true)); drop(at(1, false)); }
static void drop_commit(void) { drop(at(3, true)); }
static void drop_single_commit(void) { drop(at(5, true)); }
static void drop_last_commit(void) { drop(at(10, true)); }
static void drop_boot_record(void) { drop(at(8, false)); }
static void swap_neighbours(void) { swap(at(2, false), at(3, false)); }
static void swap_far(void) { swap(at(3, false), at(9, false)); }
static void swap_ends(void) { swap(at(2, false), at(4, false)); }
static void swap_across_commits(void) { swap(at(5, false), at(6, false)); }
static void swap_commits(void) { swap(at(4, true), at(5, true)); }
static void swap_first(void) { swap(at(1, false), at(2, false)); }
static void double_mid(void) { insert(at(3, false), lines[at(3, false)]); }
static void double_last_of_commit(void) { insert(at(4, false), lines[at(4, false)]); }
static void double_later(void) { insert(at(9, false), lines[at(3, false)]); }
static void double_commit(void) { insert(at(5, true), lines[at(5, true)]); }
static void double_first(void) { insert(at(1, false), lines[at(1, false)]); }
static void
double_block(void)
{
	size_t i = at(5, false);
	struct span rec = lines[i], com = lines[i + 1];
	insert(i + 2, com);
	insert(i + 2, rec);
}
static void junk_line(void) { insert(at(4, false), SPAN_LIT("what is this\n")); }
static void junk_empty_line(void) { insert(at(4, false), SPAN_LIT("\n")); }
static void junk_first(void) { insert(0, SPAN_LIT("\x7f""ELF\n")); }
static void junk_in_record(void) { edit(at(4, false), "{\"v\":1", "{\"v\":7"); }
static void junk_at_end(void) { insert(nlines, SPAN_LIT("{}\n")); }
static void torn_end(void) { lines[nlines - 1].n -= 20; }
static void
bad_signature(void)
{
	size_t i = at(6, true);
	char from[16], to[16];
	const char *p = strstr(lines[i].p, "\"sig\":\"") + 7;
	snprintf(from, sizeof(from), "%.8s", p);
	snprintf(to, sizeof(to), "%c%.7s", *p == 'A' ? 'B' : 'A', p + 1);
	edit(i, from, to);
}
static void bad_signature_then_changed(void) { bad_signature(); edit(at(9, false), "permit", "denied"); }
static void other_key_id(void) { edit(at(5, true), b.key.pub.id, "0123456789abcdef"); }
static void commit_time_changed(void) { edit(at(5, true), "2027-", "2028-"); }
static void commit_seq_changed(void) { edit(at(3, true), "\"seq\":4", "\"seq\":5"); }

static const struct { const char *name; void (*tamper)(void); uint64_t bad; const char *why; } rows[] = {
	{ "an untouched chain",                       nothing,                    0,  NULL },
	{ "a record changed inside its commit",       change_id,                  3,  "changed" },
	{ "the first record of a commit changed",     change_first_of_commit,     2,  "changed" },
	{ "the last record of a commit changed",      change_last_of_commit,      4,  "changed" },
	{ "the only record of a commit changed",      change_single,              5,  "changed" },
	{ "a record's time changed",                  change_time,                6,  "changed" },
	{ "a link made too long",                     change_prev,                3,  "junk" },
	{ "a link changed inside a commit",           change_prev_mid,            3,  "changed" },
	{ "a link changed at a commit's begin",       change_prev_first,          2,  "changed" },
	{ "a link changed at a commit's end",         change_prev_last,           4,  "changed" },
	{ "a sequence number raised",                 change_seq_up,              3,  "changed" },
	{ "a sequence number lowered",                change_seq_down,            3,  "changed" },
	{ "a boot changed",                           change_boot,                5,  "changed" },
	{ "a node changed",                           change_node,                5,  "changed" },
	{ "the first record's node changed",          change_node_of_first,       1,  "changed" },
	{ "a boot record changed",                    change_boot_record,         8,  "changed" },
	{ "the last record changed",                  change_last,                10, "changed" },
	{ "two records changed: the first is named",  change_two,                 3,  "changed" },
	{ "the first record changed",                 change_first,               1,  "changed" },
	{ "a record missing inside its commit",       drop_mid,                   3,  "missing" },
	{ "the first record of a commit missing",     drop_first_of_commit,       2,  "missing" },
	{ "the last record of a commit missing",      drop_last_of_commit,        4,  "missing" },
	{ "the only record of a commit missing",      drop_single,                5,  "missing" },
	{ "a record missing with its commit",         drop_single_and_commit,     5,  "missing" },
	{ "a commit missing with all its records",    drop_four_lines,            2,  "missing" },
	{ "the last record missing",                  drop_last,                  10, "missing" },
	{ "the first record missing",                 drop_first,                 1,  "missing" },
	{ "the first record and its commit missing",  drop_first_and_commit,      1,  "missing" },
	{ "a commit missing",                         drop_commit,                2,  "unsigned" },
	{ "a commit of one record missing",           drop_single_commit,         5,  "unsigned" },
	{ "the last commit missing",                  drop_last_commit,           9,  "unsigned" },
	{ "a boot record missing",                    drop_boot_record,           8,  "missing" },
	{ "two neighbours swapped",                   swap_neighbours,            2,  "swapped" },
	{ "two far records swapped",                  swap_far,                   3,  "swapped" },
	{ "a commit's ends swapped",                  swap_ends,                  2,  "swapped" },
	{ "records of two commits swapped",           swap_across_commits,        5,  "swapped" },
	{ "two commits swapped",                      swap_commits,               2,  "" },
	{ "the first two records swapped",            swap_first,                 1,  "swapped" },
	{ "a record doubled inside its commit",       double_mid,                 3,  "doubled" },
	{ "the last record of a commit doubled",      double_last_of_commit,      4,  "doubled" },
	{ "a record doubled later",                   double_later,               3,  "doubled" },
	{ "a commit doubled",                         double_commit,              5,  "doubled" },
	{ "the first record doubled",                 double_first,               1,  "doubled" },
	{ "a record doubled with its commit",         double_block,               5,  "doubled" },
	{ "a line of junk",                           junk_line,                  4,  "junk" },
	{ "an empty line",                            junk_empty_line,            4,  "junk" },
	{ "junk before everything",                   junk_first,                 1,  "junk" },
	{ "a record made unreadable",                 junk_in_record,             4,  "junk" },
	{ "junk behind everything",                   junk_at_end,                11, "junk" },
	{ "the last line cut",                        torn_end,                   11, "junk" },
	{ "a signature changed",                      bad_signature,              6,  "bad signature" },
	{ "a signature changed before a record",      bad_signature_then_changed, 6,  "bad signature" },
	{ "another key's id",                         other_key_id,               5,  "wrong key" },
	{ "a commit's time changed",                  commit_time_changed,        5,  "bad signature" },
	{ "a commit's end changed",                   commit_seq_changed,         2,  "bad signature" },
};
/* clang-format on */

static void
tampering_is_named_with_its_record(void **state)
{
	struct verify_options o = options();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reset();
		rows[i].tamper();
		struct verify_result r = verify(&o);
		if (r.ok != (rows[i].bad == 0) || r.bad_seq != rows[i].bad ||
			(!r.ok && strncmp(r.why, rows[i].why, strlen(rows[i].why)) != 0))
			fail_msg("%s: record %" PRIu64 ": %s", rows[i].name, r.bad_seq, r.why);
	}
}

static void
valid_chain_is_described(void **state)
{
	struct verify_options o = options();

	(void)state;
	reset();
	struct verify_result r = verify(&o);
	assert_true(r.ok);
	assert_string_equal(r.node, "gw-1");
	assert_int_equal(r.records, 10);
	assert_int_equal(r.commits, 6);
	assert_int_equal(r.boots, 2);
	assert_int_equal(r.first, 1);
	assert_int_equal(r.last, 10);
	assert_int_equal(r.boot, 2);
	assert_memory_equal(r.head, b.chain.head, CHAIN_HASH_BYTES);
	assert_string_equal(r.time, "2027-01-15T08:00:00.009000000Z");
	assert_string_equal(r.type, "decision");
	assert_int_equal(r.unsigned_records, 0);
}

/* Every changed bit must be detected, with the record that contains it; for a commit line, one
 * of the records that it covers or the next one. */
static void
changed_bit_is_found_in_its_record(void **state)
{
	struct verify_options o = options();

	(void)state;
	reset();
	for (size_t i = 0; i < nlines; i++) {
		struct chain_line l;
		char text[1024];
		assert_int_equal(chain_parse(span_cut(lines[i], 0, lines[i].n - 1), &l), 0);
		uint64_t lo = l.commit ? l.first : l.seq, hi = l.commit ? l.seq + 1 : l.seq;
		for (size_t k = 0; k < lines[i].n; k++) {
			memcpy(text, original[i].p, original[i].n);
			bool merged = k + 1 == lines[i].n;
			uint64_t bottom = merged ? first_of_commit(lo) : lo,
				 top = merged ? hi + 1 : hi;
			text[k] = (char)(text[k] ^ (1 << (k % 7)));
			lines[i] = span_of(text, original[i].n);
			struct verify_result r = verify(&o);
			/* A line without its newline is joined with the next one, which may be
			 * its commit. */
			if (r.ok || r.bad_seq < bottom || r.bad_seq > top)
				fail_msg("line %zu byte %zu: record %" PRIu64 " of %" PRIu64
					 ": %s",
					i, k, r.bad_seq, lo, r.why);
			lines[i] = original[i];
		}
	}
}

static void
unfinished_end_is_reported_and_no_error(void **state)
{
	struct verify_options o = options();
	struct buf text;

	(void)state;
	o.live = true;
	reset();
	buf_init(&text, 0);
	for (size_t i = 0; i < nlines; i++)
		buf_span(&text, lines[i]);
	size_t commit[16], ends[LINES_MAX], ncommits = 0, from = 0;
	for (size_t i = 0; i < nlines; i++) {
		from = ends[i] = from + lines[i].n;
		if (lines[i].p[7] == '"' && lines[i].p[8] == 'c')
			commit[ncommits++] = i;
	}
	/* Cut anywhere: valid up to the last complete commit. */
	for (size_t n = 0; n <= text.n; n++) {
		struct verify_result r = chain_verify_text(&o, span_cut(buf_view(&text), 0, n));
		size_t whole = 0;
		while (whole < ncommits && ends[commit[whole]] <= n)
			whole++;
		if (!r.ok || r.commits != whole)
			fail_msg("cut at %zu: %" PRIu64 " commits, want %zu; %s", n, r.commits,
				whole, r.why);
	}
	buf_free(&text);
	drop(at(10, true));
	struct verify_result r = verify(&o);
	assert_true(r.ok);
	assert_int_equal(r.last, 8);
	assert_int_equal(r.unsigned_records, 2);
	/* Records after the last commit are checked as far as possible. */
	edit(at(9, false), "permit", "denied");
	r = verify(&o);
	assert_false(r.ok);
	assert_int_equal(r.bad_seq, 9);
}

static void
trimmed_beginning_is_accepted_with_the_option(void **state)
{
	struct verify_options o = options();

	(void)state;
	for (uint64_t from = 2; from <= 10; from++) {
		reset();
		while (at(from, false) > 0)
			drop(0);
		o.trimmed = true;
		o.from = 0;
		struct verify_result r = verify(&o);
		if (!r.ok || r.first != from || r.last != 10)
			fail_msg("from %" PRIu64 ": record %" PRIu64 ": %s", from, r.bad_seq,
				r.why);
		o.trimmed = false;
		r = verify(&o);
		assert_false(r.ok);
		assert_int_equal(r.bad_seq, 1);
		if (from == 2 || from == 5 || from == 6 || from == 8 || from == 9) {
			o.from = from;
			assert_true(verify(&o).ok);
			o.from = from + 1;
			assert_false(verify(&o).ok);
		}
	}
}

static void
only_the_correct_keys_verify(void **state)
{
	struct verify_options o = options();
	struct pubkey both[2] = { other, b.key.pub };

	(void)state;
	reset();
	o.keys = &other;
	struct verify_result r = verify(&o);
	assert_false(r.ok);
	assert_int_equal(r.bad_seq, 1);
	assert_non_null(strstr(r.why, "wrong key"));
	o.keys = both;
	o.nkeys = 2;
	assert_true(verify(&o).ok);
	/* The correct id on the wrong key. */
	struct pubkey forged = other;
	memcpy(forged.id, b.key.pub.id, sizeof(forged.id));
	o.keys = &forged;
	o.nkeys = 1;
	r = verify(&o);
	assert_false(r.ok);
	assert_int_equal(r.bad_seq, 1);
	assert_non_null(strstr(r.why, "bad signature"));
}

/* An attacker without the key can write a linked chain, but cannot sign it. */
static void
rewritten_history_is_detected(void **state)
{
	struct chain_build forged;
	struct verify_options o = options();
	unsigned char seed[32] = "another";

	(void)state;
	chain_build_init(&forged, "gw-1");
	signkey_from_seed(seed, &forged.key);
	memcpy(forged.key.pub.id, b.key.pub.id, sizeof(forged.key.pub.id));
	chain_build_boot(&forged);
	chain_build_add(&forged, 5);
	struct verify_result r = chain_verify_text(&o, buf_view(&forged.out));
	assert_false(r.ok);
	assert_int_equal(r.bad_seq, 1);
	chain_build_free(&forged);

	/* Signed by the correct key, but of another history: record 2 is ours, 3 and 4 follow
	 * another record 2. */
	struct chain_build ours;
	struct buf mixed;
	buf_init(&mixed, 0);
	chain_build_init(&ours, "gw-1");
	chain_build_boot(&ours);
	chain_build_add(&ours, 1);
	chain_build_init(&forged, "gw-1");
	chain_build_boot(&forged);
	chain_build_record(&forged, "\"type\":\"note\"");
	chain_build_commit(&forged);
	chain_build_add(&forged, 2);
	struct span text = buf_view(&forged.out);
	for (size_t i = 0; i < 4; i++)
		span_next(&text, '\n');
	buf_span(&mixed, buf_view(&ours.out));
	buf_span(&mixed, text);
	r = chain_verify_text(&o, buf_view(&mixed));
	assert_false(r.ok);
	assert_int_equal(r.bad_seq, 3);
	assert_non_null(strstr(r.why, "replaced"));
	chain_build_free(&ours);
	chain_build_free(&forged);
	buf_free(&mixed);
}

static void
size_of_a_commit_is_limited(void **state)
{
	struct chain_build big;
	struct verify_options o = options();

	(void)state;
	chain_build_init(&big, "gw-1");
	chain_build_boot(&big);
	chain_build_add(&big, CHAIN_COMMIT_RECORDS);
	assert_true(chain_verify_text(&o, buf_view(&big.out)).ok);
	chain_build_add(&big, CHAIN_COMMIT_RECORDS + 1);
	struct verify_result r = chain_verify_text(&o, buf_view(&big.out));
	assert_false(r.ok);
	assert_int_equal(r.bad_seq, CHAIN_COMMIT_RECORDS + 2);
	chain_build_free(&big);
}

static void
long_chain_is_verified_in_seconds(void **state)
{
#ifdef TG_SANITIZE
	const size_t commits = 3000;
#else
	const size_t commits = 20000;
#endif
	struct chain_build big;
	struct verify_options o = options();

	(void)state;
	chain_build_init(&big, "gw-1");
	chain_build_boot(&big);
	for (size_t i = 0; i < commits; i++)
		chain_build_add(&big, 5);
	uint64_t from = clock_mono_us();
	struct verify_result r = chain_verify_text(&o, buf_view(&big.out));
	uint64_t took = clock_mono_us() - from;
	assert_true(r.ok);
	assert_int_equal(r.records, commits * 5 + 1);
	print_message("%zu records in %zu commits verified in %.3f s\n", commits * 5, commits,
		(double)took / 1e6);
	chain_build_free(&big);
}

static int
setup(void **state)
{
	struct signkey k;
	unsigned char seed[32] = "another";

	(void)state;
	signkey_from_seed(seed, &k);
	other = k.pub;
	chain_build_init(&b, "gw-1");
	chain_build_boot(&b);
	chain_build_add(&b, 3);
	chain_build_add(&b, 1);
	chain_build_add(&b, 2);
	chain_build_boot(&b);
	chain_build_add(&b, 2);
	struct span text = buf_view(&b.out);
	while (text.n) {
		size_t n = span_chr(text, '\n') + 1;
		original[noriginal++] = span_cut(text, 0, n);
		text = span_cut(text, n, text.n);
	}
	return noriginal == 16 ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	chain_build_free(&b);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tampering_is_named_with_its_record),
		cmocka_unit_test(valid_chain_is_described),
		cmocka_unit_test(changed_bit_is_found_in_its_record),
		cmocka_unit_test(unfinished_end_is_reported_and_no_error),
		cmocka_unit_test(trimmed_beginning_is_accepted_with_the_option),
		cmocka_unit_test(only_the_correct_keys_verify),
		cmocka_unit_test(rewritten_history_is_detected),
		cmocka_unit_test(size_of_a_commit_is_limited),
		cmocka_unit_test(long_chain_is_verified_in_seconds),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
