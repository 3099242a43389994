/* A chain's checkpoints during verification: each is compared with the records before it, an
 * old note with the chain, and commits that a checkpoint covers are not verified a second time.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>

#include "record/proof/tree_check.h"
#include "support/chain_build.h"

static struct chain_build b;
static struct tree_check t;

static int
setup(void **state)
{
	(void)state;
	chain_build_init(&b, "gw-1");
	memset(&t, 0, sizeof(t));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	tree_check_free(&t);
	chain_build_free(&b);
	return 0;
}

/* Writes boot and n commits of `each` records, with a checkpoint before every `step`-th
 * commit. */
static void
build(size_t n, size_t each, size_t step)
{
	chain_build_boot(&b);
	for (size_t i = 0; i < n; i++) {
		if (i % step == step - 1)
			chain_build_checkpoint(&b);
		chain_build_add(&b, each);
	}
}

static struct verify_result
verify_with(struct verify_options o, struct span text, const struct checkpoint *note)
{
	struct verify_result r;

	tree_check_free(&t);
	memset(&t, 0, sizeof(t));
	o.keys = &b.key.pub;
	o.nkeys = 1;
	o.record = tree_check_record;
	o.each = tree_check_each;
	o.arg = &t;
	t.against.note = note;
	t.verifier = verifier_new(&o);
	assert_non_null(t.verifier);
	while (text.n)
		verifier_line(t.verifier, span_next(&text, '\n'));
	verifier_end(t.verifier, &r);
	verifier_free(&t.verifier);
	assert_false(t.failed);
	return r;
}

static struct verify_result
verify_by(const struct pubkey *key)
{
	struct pubkey was = b.key.pub;

	b.key.pub = *key;
	struct verify_result r =
		verify_with((struct verify_options){ .live = false }, buf_view(&b.out), NULL);
	b.key.pub = was;
	return r;
}

static struct verify_result
verify(const struct checkpoint *note)
{
	return verify_with((struct verify_options){ .live = false }, buf_view(&b.out), note);
}

/* Returns the text from record `seq` on. */
static struct span
from_record(uint64_t seq)
{
	char at[32];

	snprintf(at, sizeof(at), "\"seq\":%" PRIu64 ",\"prev\"", seq);
	struct span s = buf_view(&b.out);
	const char *p = memmem(s.p, s.n, at, strlen(at));
	assert_non_null(p);
	while (p > s.p && p[-1] != '\n')
		p--;
	return span_cut(s, (size_t)(p - s.p), s.n);
}

static void
checkpoint_is_compared_with_its_records(void **state)
{
	struct merkle_hash root;
	(void)state;

	build(20, 3, 4);
	struct verify_result r = verify(NULL);
	assert_true(r.ok);
	assert_int_equal(t.checkpoints, 5);
	assert_int_equal(t.covered, 1 + 3 * 19 + 4);
	assert_string_equal(t.origin, "tollgate/gw-1");
	assert_true(t.known);
	assert_int_equal(t.range.n, r.last);
	merkle_root(&t.range, &root);
	struct merkle_hash want;
	merkle_root(&b.tree, &want);
	assert_memory_equal(&root, &want, sizeof(root));
	assert_int_equal(r.vouched, 0); /* in a short chain, all signatures are verified */
}

/* Checkpoints that a dishonest daemon with the key could write. */
static void
wrong_checkpoint_is_named(void **state)
{
	static const struct {
		const char *name, *why;
		int kind;
	} rows[] = {
		{ "another root under a note of its own", "its root does not match the records",
			0 },
		{ "it covers fewer records", "its size is not the number of records before it",
			1 },
		{ "its note is of another root", "its note differs from the record", 2 },
		{ "its note is signed by another", "no signature by a key that may sign it",
			3 },
		{ "its note is none", "its note cannot be read", 4 },
		{ "its root is none", "its root cannot be read", 5 },
		{ "its size is none", "its size cannot be read", 6 },
		{ "its range is too short", "its range cannot be read", 7 },
		{ "its range is another's", "its range does not match the records", 8 },
		{ "its origin is not the note's", "its note differs from the record", 9 },
		{ "its note is of another size", "its note differs from the record", 10 },
	};
	(void)state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int kind = rows[i].kind;
		chain_build_free(&b);
		chain_build_init(&b, "gw-1");
		build(3, 2, 9);
		struct chain_build said = b; /* the chain of which the checkpoint is made */
		struct merkle_hash root;
		struct buf note, fields;
		if (kind == 0)
			said.tree.hash[0].b[0] ^= 1;
		if (kind == 1) {
			said.chain.seq = said.tree.n = 4;
			said.tree.hash[0].b[0] ^= 1;
		}
		buf_init(&note, 0);
		buf_init(&fields, 0);
		if (kind == 3)
			signkey_from_seed(
				(const unsigned char *)"another seed, not in any key set",
				&said.key);
		said.chain.seq += kind == 10;
		chain_build_note(&said, &note);
		said.chain.seq -= kind == 10;
		merkle_root(&said.tree, &root);
		if (kind == 2)
			root.b[5] ^= 1;
		buf_printf(&fields,
			"\"type\":\"checkpoint\",\"origin\":\"tollgate/%s\",\"root\":\"",
			kind == 9 ? "gw-2" : "gw-1");
		buf_hex(&fields, root.b, kind == 5 ? 31 : 32);
		buf_str(&fields, "\",\"note\":");
		buf_json_str(&fields, kind == 4 ? SPAN_LIT("x") : buf_view(&note));
		buf_putc(&fields, ',');
		if (kind == 6)
			buf_str(&fields, "\"size\":-7");
		else if (kind == 7)
			buf_printf(&fields, "\"size\":%" PRIu64 ",\"range\":[]", b.chain.seq);
		else if (kind == 0)
			buf_printf(&fields, "\"size\":%" PRIu64, b.chain.seq);
		else {
			if (kind == 8)
				said.tree.hash[1].b[9] ^= 1;
			chain_build_range(&said, &fields);
		}
		buf_putc(&fields, '\0');
		chain_build_record(&b, buf_view(&fields).p);
		chain_build_add(&b, 1);
		buf_free(&note);
		buf_free(&fields);
		struct verify_result r = verify(NULL);
		if (r.ok || r.bad_seq != 8 || !strstr(r.why, rows[i].why))
			fail_msg("%s: ok %d, seq %" PRIu64 ", %s", rows[i].name, r.ok,
				r.bad_seq, r.why);
		assert_int_equal(r.records, 7);
	}
}

/* Without the tree, the chain would be valid: only the checkpoint shows that it is another
 * one. */
static void
bad_signature_before_a_bad_checkpoint_is_reported_first(void **state)
{
	(void)state;

	build(2, 2, 9);
	b.tree.hash[0].b[0] ^= 1;
	chain_build_checkpoint(&b);
	chain_build_add(&b, 1);
	struct verify_result r = verify(NULL);
	assert_false(r.ok);
	assert_int_equal(r.bad_seq, 6);
	/* Now the signature of records 4 and 5 is changed too. */
	struct span s = from_record(5);
	char *sig = memmem(s.p, s.n, "\"sig\":\"", 7);
	assert_non_null(sig);
	sig[10] = sig[10] == 'A' ? 'B' : 'A';
	r = verify(NULL);
	assert_false(r.ok);
	assert_int_equal(r.bad_seq, 4);
	assert_non_null(strstr(r.why, "bad signature"));
}

static void
trimmed_chain_has_a_tree_from_its_first_range_on(void **state)
{
	(void)state;

	build(12, 3, 4);
	struct verify_result r =
		verify_with((struct verify_options){ .trimmed = true }, from_record(5), NULL);
	assert_true(r.ok);
	assert_int_equal(r.first, 5);
	assert_int_equal(t.checkpoints, 3);
	assert_true(t.known);
	assert_int_equal(t.range.n, r.last);
	/* A record after the first checkpoint that differs from the one in the tree. */
	struct buf changed;
	buf_init(&changed, 0);
	buf_span(&changed, from_record(5));
	char *p = memmem(changed.p, changed.n, "\"range\":[\"", 10);
	assert_non_null(p);
	p[10] = p[10] == '0' ? '1' : '0';
	r = verify_with((struct verify_options){ .trimmed = true }, buf_view(&changed), NULL);
	assert_false(r.ok);
	buf_free(&changed);
}

/* A boot record has the range too: the note of its tree must then match. */
static void
boot_record_has_the_range_before_it(void **state)
{
	struct buf fields;
	(void)state;

	for (int lies = 0; lies < 2; lies++) {
		chain_build_free(&b);
		chain_build_init(&b, "gw-1");
		build(3, 2, 9);
		if (lies)
			b.tree.hash[1].b[3] ^= 1;
		buf_init(&fields, 0);
		buf_str(&fields, "\"type\":\"boot\",\"tree\":{");
		chain_build_range(&b, &fields);
		buf_str(&fields, "}");
		buf_putc(&fields, '\0');
		if (lies)
			b.tree.hash[1].b[3] ^= 1;
		b.chain.boot++;
		chain_build_record(&b, buf_view(&fields).p);
		buf_free(&fields);
		chain_build_commit(&b);
		chain_build_checkpoint(&b);
		chain_build_add(&b, 1);
		struct verify_result r = verify(NULL);
		assert_int_equal(r.ok, !lies);
		if (lies) {
			assert_int_equal(r.bad_seq, 8);
			assert_non_null(strstr(r.why, "tree of a boot record"));
		}
		/* If the chain begins with it, only the next checkpoint can be compared with
		 * it. */
		r = verify_with(
			(struct verify_options){ .trimmed = true }, from_record(8), NULL);
		assert_int_equal(r.ok, !lies);
		if (lies)
			assert_int_equal(r.bad_seq, 9);
	}
}

static void
old_note_is_continued_or_forked(void **state)
{
	struct chain_build other;
	struct checkpoint note;
	struct buf at[4];
	const char *why;
	(void)state;

	chain_build_boot(&b);
	for (size_t i = 0; i < COUNT_OF(at); i++) {
		buf_init(&at[i], 0);
		chain_build_note(&b, &at[i]);
		chain_build_add(&b, 3);
	}
	for (size_t i = 0; i < COUNT_OF(at); i++) {
		assert_int_equal(checkpoint_parse(buf_view(&at[i]), &note, &why), 0);
		assert_true(verify(&note).ok);
		assert_int_equal(t.note_is, NOTE_CONTINUED);
	}
	/* Another history of the same node. */
	chain_build_init(&other, "gw-1");
	chain_build_boot(&other);
	chain_build_record(&other, "\"type\":\"decision\",\"id\":\"other\"");
	chain_build_add(&other, 40);
	chain_build_free(&b);
	b = other;
	assert_int_equal(checkpoint_parse(buf_view(&at[0]), &note, &why), 0);
	assert_true(verify(&note).ok);
	assert_int_equal(t.note_is, NOTE_CONTINUED);
	for (size_t i = 1; i < COUNT_OF(at); i++) {
		assert_int_equal(checkpoint_parse(buf_view(&at[i]), &note, &why), 0);
		assert_true(verify(&note).ok);
		assert_int_equal(t.note_is, NOTE_FORKED);
	}
	/* A history longer than the log. */
	note.size = 1000;
	assert_true(verify(&note).ok);
	assert_int_equal(t.note_is, NOTE_NOT_REACHED);
	for (size_t i = 0; i < COUNT_OF(at); i++)
		buf_free(&at[i]);
}

/* Nothing is reported about records that were not read, not even from a record with the range
 * before it. */
static void
note_of_unread_records_is_reported_as_not_read(void **state)
{
	struct checkpoint note;
	struct buf at[2];
	const char *why;
	(void)state;

	chain_build_boot(&b);
	for (size_t i = 0; i < COUNT_OF(at); i++) {
		chain_build_add(&b, 6);
		buf_init(&at[i], 0);
		chain_build_note(&b, &at[i]); /* over 7 and 13 records */
	}
	chain_build_checkpoint(&b);
	chain_build_add(&b, 20);
	for (uint64_t from = 8; from <= 9; from++) {
		assert_int_equal(checkpoint_parse(buf_view(&at[0]), &note, &why), 0);
		assert_true(verify_with(
			(struct verify_options){ .trimmed = true }, from_record(from), &note)
				    .ok);
		assert_int_equal(t.note_is, from == 8 ? NOTE_NOT_REACHED : NOTE_UNREAD);
		assert_int_equal(t.against.unread, 7);
		assert_int_equal(checkpoint_parse(buf_view(&at[1]), &note, &why), 0);
		assert_true(verify_with(
			(struct verify_options){ .trimmed = true }, from_record(from), &note)
				    .ok);
		assert_int_equal(t.note_is, NOTE_NOT_REACHED);
		assert_int_equal(t.against.unread, from - 1);
	}
	for (size_t i = 0; i < COUNT_OF(at); i++)
		buf_free(&at[i]);
}

/* Commits that a checkpoint covers are not verified, except the first ones: a changed bit in
 * such a signature is not noticed, but one in a record is. */
static void
long_chain_is_verified_by_its_checkpoints(void **state)
{
	char *sig;
	(void)state;

	build(VERIFY_ALL + 3000, 1, 100);
	struct verify_result r = verify(NULL);
	assert_true(r.ok);
	assert_in_range(r.vouched, 2600, 3000);
	assert_int_equal(r.commits, VERIFY_ALL + 3001);
	uint64_t at[] = { 2, VERIFY_ALL / 2, VERIFY_ALL - 50, VERIFY_ALL + 1500, b.chain.seq };
	for (size_t i = 0; i < COUNT_OF(at); i++) {
		bool looked_at = at[i] != VERIFY_ALL + 1500;
		struct span s = from_record(at[i]);
		sig = memmem(s.p, s.n, "\"sig\":\"", 7);
		assert_non_null(sig);
		char was = sig[10];
		sig[10] = was == 'A' ? 'B' : 'A';
		r = verify(NULL);
		assert_int_equal(r.ok, !looked_at);
		if (looked_at)
			assert_non_null(strstr(r.why, "bad signature"));
		r = verify_with((struct verify_options){ .every_signature = true },
			buf_view(&b.out), NULL);
		assert_false(r.ok);
		assert_non_null(strstr(r.why, "bad signature"));
		sig[10] = was;
		/* One letter of a record, or of the head that its commit names. */
		char *id = memmem(s.p, s.n, "permit", 6);
		assert_non_null(id);
		*id = 'P';
		r = verify(NULL);
		assert_false(r.ok);
		assert_non_null(strstr(r.why, "changed"));
		*id = 'p';
		char *head = memmem(s.p, s.n, "\"head\":\"", 8);
		was = head[8];
		head[8] = was == '0' ? '1' : '0';
		r = verify(NULL);
		assert_false(r.ok);
		head[8] = was;
	}
	assert_true(verify(NULL).ok);
}

/* The old key names its successor: a verifier who trusts the old key trusts the new key's notes
 * from there on, and no others. */
static void
rotated_key_signs_the_notes_from_its_record_on(void **state)
{
	struct key_statement says;
	struct signkey next;
	struct buf fields;
	struct pubkey given;
	(void)state;

	for (int told = 1; told >= 0; told--) {
		chain_build_free(&b);
		chain_build_init(&b, "gw-1");
		given = b.key.pub;
		build(8, 2, 4);
		signkey_from_seed(
			(const unsigned char *)"the key that comes after the first", &next);
		key_statement_make(&says, KEY_ROTATE, "gw-1", &next.pub, &b.key.pub,
			b.chain.seq + 1, CHAIN_BUILD_TIME);
		key_statement_sign(&says, &b.key);
		key_statement_sign(&says, &next);
		buf_init(&fields, 0);
		key_statement_fields(&fields, &says);
		buf_putc(&fields, '\0');
		chain_build_record(
			&b, told ? buf_view(&fields).p : "\"type\":\"decision\",\"id\":\"x\"");
		chain_build_commit(&b);
		buf_free(&fields);
		b.key = next;
		chain_build_checkpoint(&b);
		chain_build_add(&b, 1);
		struct verify_result r = verify_by(&given);
		assert_int_equal(r.ok, told);
		if (told)
			assert_int_equal(t.checkpoints, 3);
	}
}

/* A range that only a record states vouches for nothing before it. */
static void
trimmed_chain_vouches_only_for_hashed_records(void **state)
{
	(void)state;

	build(VERIFY_ALL + 600, 1, VERIFY_ALL + 400);
	for (size_t i = 0; i < 300; i++)
		chain_build_add(&b, 1);
	chain_build_checkpoint(&b);
	chain_build_add(&b, 1);
	struct span text = from_record(2);
	struct verify_result r =
		verify_with((struct verify_options){ .trimmed = true }, text, NULL);
	assert_true(r.ok);
	assert_int_equal(t.checkpoints, 2);
	assert_int_equal(r.vouched, 200 + 300 + 1);
	struct span s = from_record(VERIFY_ALL + 200);
	char *sig = memmem(s.p, s.n, "\"sig\":\"", 7);
	sig[10] = sig[10] == 'A' ? 'B' : 'A';
	r = verify_with((struct verify_options){ .trimmed = true }, text, NULL);
	assert_false(r.ok);
	assert_int_equal(r.bad_seq, VERIFY_ALL + 200);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(checkpoint_is_compared_with_its_records),
		T(wrong_checkpoint_is_named),
		T(bad_signature_before_a_bad_checkpoint_is_reported_first),
		T(trimmed_chain_has_a_tree_from_its_first_range_on),
		T(boot_record_has_the_range_before_it),
		T(old_note_is_continued_or_forked),
		T(note_of_unread_records_is_reported_as_not_read),
		T(long_chain_is_verified_by_its_checkpoints),
		T(rotated_key_signs_the_notes_from_its_record_on),
		T(trimmed_chain_vouches_only_for_hashed_records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
