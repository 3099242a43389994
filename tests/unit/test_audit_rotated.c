/* Proofs, old checkpoints and chains before and after a rotation: which keys tollgate audit
 * verify uses and refuses, and the effect of a root's statements. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include "base/codec/seekable.h"
#include "record/journal/journal.h"
#include "support/proof_rig.h"

static struct signkey first, second, root;
static uint64_t rotated; /* the last record that the first key may sign */

static void
put_statement(struct key_statement *s, const char *file)
{
	struct buf text;

	buf_init(&text, 0);
	buf_file(&text, at(file));
	key_statement_write(&text, s);
	put_file(file, buf_view(&text));
	buf_free(&text);
}

/* Writes a record that introduces the second key, and JOURNAL.keys, which repeats it. */
static void
rotate(void)
{
	struct key_statement s;
	struct buf fields;

	rotated = b.chain.seq + 1;
	key_statement_make(
		&s, KEY_ROTATE, "gw-1", &second.pub, &first.pub, rotated, CHAIN_BUILD_TIME);
	key_statement_sign(&s, &first);
	key_statement_sign(&s, &second);
	s.record = rotated;
	buf_init(&fields, 0);
	key_statement_fields(&fields, &s);
	buf_putc(&fields, '\0');
	chain_build_record(&b, buf_view(&fields).p);
	chain_build_commit(&b);
	put_statement(&s, "journal.keys");
	b.key = second;
	buf_free(&fields);
}

static void
say(enum key_says says, const struct signkey *key, uint64_t from, const char *file)
{
	struct key_statement s;

	key_statement_make(&s, says, "gw-1", &key->pub, NULL, from, CHAIN_BUILD_TIME);
	key_statement_sign(&s, &root);
	put_statement(&s, file);
}

/* Writes a note over the current chain, signed by `key`. */
static void
keep_note(const char *name, const struct signkey *key)
{
	struct chain_build as = b;
	struct buf note;

	as.key = *key;
	buf_init(&note, 0);
	chain_build_note(&as, &note);
	put_file(name, buf_view(&note));
	buf_free(&note);
}

/* Writes the proof of the newest record, under a checkpoint that `key` signed. */
static void
keep_proof(const char *name, const struct signkey *key)
{
	struct chain_build as = b, kept = b;

	as.key = *key;
	as.out = (struct buf){ 0 };
	buf_init(&as.out, 0);
	buf_span(&as.out, buf_view(&b.out));
	b = as;
	chain_build_checkpoint(&b);
	add_request("last");
	put_file("some.jsonl", buf_view(&b.out));
	char id[32];
	snprintf(id, sizeof(id), "--seq %" PRIu64, kept.chain.seq);
	assert_exit(audit("show %s --proof --file %s", id, at("some.jsonl")), EXIT_DONE);
	put_file(name, span_str(out));
	chain_build_free(&b);
	b = kept;
}

static int
proof(const char *name, const char *with)
{
	return audit("verify --file %s %s", at(name), with);
}

static int
note(const char *name, const char *with)
{
	char journal[256];

	snprintf(journal, sizeof(journal), "%s", at("journal"));
	return audit("verify --journal %s --note %s %s", journal, at(name), with);
}

/* Returns the options that name these files; NULL leaves the option out. */
static const char *
by(const char *key, const char *root_key, const char *statements)
{
	static char with[1024];
	const struct {
		const char *option, *file;
	} all[] = { { "--public-key", key }, { "--root", root_key },
		{ "--statement", statements } };
	size_t n = 0;

	with[0] = '\0';
	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (all[i].file)
			n += (size_t)snprintf(with + n, sizeof(with) - n, " %s %s",
				all[i].option, at(all[i].file));
	return with;
}

/* Twenty records with proof and note; the rotation; the same again; then the log continues. */
static void
build_rotated(void)
{
	build(6);
	keep_proof("before", &first);
	keep_note("note-before", &first);
	rotate();
	add_request("between");
	chain_build_checkpoint(&b);
	add_request("after");
	keep_proof("after", &second);
	keep_note("note-after", &second);
	keep_proof("stolen", &first);
	keep_note("note-stolen", &first);
	add_request("more");
	write_journal(buf_view(&b.out));
	put_file("all.jsonl", buf_view(&b.out));
}

static void
proofs_before_and_after_a_rotation_verify(void **state)
{
	static const char *const keys[] = { "key.pub", "second.pub" };
	(void)state;

	build_rotated();
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		assert_exit(proof("before", by(keys[i], NULL, "journal.keys")), EXIT_DONE);
		assert_exit(proof("after", by(keys[i], NULL, "journal.keys")), EXIT_DONE);
		/* JOURNAL.keys is read without an option. */
		assert_exit(note("note-before", by(keys[i], NULL, NULL)), EXIT_DONE);
		assert_out("ok node=gw-1 source=note");
		assert_exit(note("note-after", by(keys[i], NULL, NULL)), EXIT_DONE);
		assert_out("ok node=gw-1 source=note");
		assert_exit(proof("all.jsonl", by(keys[i], NULL, "journal.keys")), EXIT_DONE);
	}
	/* Without it, each proof verifies only with its own key. */
	assert_exit(proof("before", by("key.pub", NULL, NULL)), EXIT_DONE);
	assert_exit(proof("after", by("key.pub", NULL, NULL)), EXIT_NO);
	assert_out("signed by none of the keys");
	assert_exit(proof("before", by("second.pub", NULL, NULL)), EXIT_NO);
	assert_exit(proof("after", by("second.pub", NULL, NULL)), EXIT_DONE);
	/* For a note, the chain's own record of the rotation is enough. */
	assert_int_equal(unlink(at("journal.keys")), 0);
	assert_exit(note("note-after", by("key.pub", NULL, NULL)), EXIT_DONE);
	assert_out("ok node=gw-1 source=note");
}

static void
replaced_key_proves_no_newer_record(void **state)
{
	char want[64];
	(void)state;

	build_rotated();
	snprintf(want, sizeof(want), "which was replaced by record %" PRIu64, rotated);
	assert_exit(proof("stolen", by("key.pub", NULL, "journal.keys")), EXIT_NO);
	assert_out(want);
	assert_exit(note("note-stolen", by("key.pub", NULL, NULL)), EXIT_NO);
	assert_out(want);
	/* A fork that the key signed before is reported as a fork. */
	chain_build_free(&b);
	chain_build_init(&b, "gw-1");
	build(40);
	keep_note("note-long", &first);
	assert_exit(note("note-long", by("key.pub", NULL, NULL)), EXIT_NO);
	assert_out("why=\"cut: ");
}

static void
statements_of_the_root_are_applied(void **state)
{
	(void)state;

	build_rotated();
	say(KEY_CERTIFY, &first, 1, "stated");
	/* Only the root. */
	assert_exit(proof("before", by(NULL, "root.pub", "stated")), EXIT_DONE);
	assert_exit(proof("after", by(NULL, "root.pub", "stated")), EXIT_NO);
	assert_exit(note("note-after", by(NULL, "root.pub", "stated")), EXIT_DONE);
	say(KEY_REVOKE, &second, rotated + 3, "stated");
	assert_exit(proof("before", by("key.pub", "root.pub", "stated")), EXIT_DONE);
	assert_exit(proof("after", by("second.pub", "root.pub", "stated")), EXIT_NO);
	assert_out("revoked from record");
	assert_exit(note("note-after", by("key.pub", "root.pub", "stated")), EXIT_NO);
	assert_out("why=\"wrong key: its commit is signed by");
	assert_out("source=note");
	assert_out("revoked from record");
	/* Two files in the wrong order: one trusts the key that the other introduces. */
	assert_exit(audit("verify --file %s --root %s --statement %s --statement %s",
			    at("after"), at("root.pub"), at("journal.keys"), at("certified")),
		EXIT_CANNOT);
	say(KEY_CERTIFY, &first, 1, "certified");
	assert_exit(audit("verify --file %s --root %s --statement %s --statement %s",
			    at("after"), at("root.pub"), at("journal.keys"), at("certified")),
		EXIT_DONE);
}

static void
statements_by_unknown_keys_are_ignored(void **state)
{
	(void)state;

	build_rotated();
	struct signkey true_root = root;
	root = second;
	say(KEY_REVOKE, &first, 1, "stated");
	root = true_root;
	assert_exit(proof("before", by("key.pub", "root.pub", "stated")), EXIT_DONE);
	assert_err("statement 1 (revoke of key");
	assert_err("is ignored: no known key signed it");
	/* A changed statement that names a key is an error if its file was given, */
	say(KEY_REVOKE, &first, 1, "changed");
	static char text[4096];
	slurp("changed", text, sizeof(text));
	char *sig = strstr(text, "signature ") + 30;
	sig[0] = sig[0] == 'A' ? 'B' : 'A';
	put_file("changed", span_str(text));
	assert_exit(proof("before", by("key.pub", "root.pub", "changed")), EXIT_CANNOT);
	assert_err("its signature does not verify");
	/* and is reported if the file is beside the journal. */
	put_file("journal.keys", span_str(text));
	assert_exit(note("note-before", by("key.pub", "root.pub", NULL)), EXIT_DONE);
	assert_err("its signature does not verify");
	/* Only verify has the option --root. */
	assert_exit(audit("export --file %s --root %s", at("all.jsonl"), at("root.pub")),
		EXIT_CANNOT);
}

static void
add_requests(size_t n, const char *id)
{
	while (n--)
		add_request(id);
}

/* Moves the oldest segments of the journal to where audit restore puts them. */
static void
move_to_restored(size_t n)
{
	static char text[1 << 20];
	struct seekable_writer w;
	struct journal_list list;
	char name[100];
	struct buf packed;

	mkdir(at("journal.restored"), 0700);
	buf_init(&packed, 0);
	assert_int_equal(journal_list(at("journal"), NULL, &list, &packed), 0);
	assert_true(list.n > n);
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "journal/%.60s", list.seg[i].name);
		struct span segment = slurp(name, text, sizeof(text));
		unlink(at(name));
		buf_clear(&packed);
		assert_int_equal(seekable_begin(&w), 0);
		assert_int_equal(seekable_encode(&w, segment, &packed), 0);
		assert_int_equal(seekable_finish(&w, &packed), 0);
		seekable_end(&w);
		snprintf(name, sizeof(name), "journal.restored/%.60s.zst", list.seg[i].name);
		put_file(name, buf_view(&packed));
	}
	journal_list_free(&list);
	buf_free(&packed);
}

/* An attacker with both keys rewrites records under the note, before or after the rotation, and
 * keeps the checkpoint's record. The oldest segments are in place, not read, read from where
 * they were restored to, or the only ones. The unchanged records must verify in each case. */
static void
records_rewritten_with_both_keys_never_verify(void **state)
{
	char cmd[2048], journal[256];
	(void)state;

	for (unsigned way = 0; way < 8; way++) {
		bool rotated_before = way & 1, trees = way & 2, lie = way & 4;
		struct chain_build copy;

		build(6);
		copy = b;
		buf_init(&copy.out, 0);
		buf_span(&copy.out, buf_view(&b.out));
		add_requests(60, "true");
		if (rotated_before)
			rotate();
		add_requests(20, "true");
		keep_note("note", rotated_before ? &second : &first);
		struct merkle_range tree = b.tree;
		if (trees)
			write_tiles(buf_view(&b.out));
		chain_build_free(&b);
		b = copy;
		unlink(at("journal.keys"));
		add_requests(60, lie ? "false" : "true");
		if (rotated_before)
			rotate();
		add_requests(20, lie ? "false" : "true");
		assert_int_equal(b.tree.n, tree.n);
		b.tree = tree;
		chain_build_checkpoint(&b);
		if (!rotated_before)
			rotate();
		add_requests(60, "after");
		write_journal(buf_view(&b.out));
		for (int where = 0; where < 4; where++) {
			char from[32] = "";
			if (where == 1)
				move_to_restored(2);
			if (where == 1)
				snprintf(from, sizeof(from), "--from %" PRIu64, first_record());
			if (where == 3) {
				snprintf(cmd, sizeof(cmd), "rm -r %s/*", at("journal"));
				assert_int_equal(system(cmd), 0);
			}
			snprintf(journal, sizeof(journal), "%s",
				at(where < 2 ? "journal" : "journal.restored"));
			int code = audit("verify --journal %s %s --note %s %s", journal, from,
				at("note"), by("key.pub", NULL, NULL));
			bool said = strstr(out, "ok node=gw-1 source=note");
			/* a part of a log cannot be verified without hashes, nor before the end
			 * of the note */
			bool can = !lie && (where != 1 || trees) && where != 3;
			if (code != (can ? EXIT_DONE : EXIT_NO) || said != can)
				fail_msg("way %u, %d: %d %s %s", way, where, code, out, err);
		}
		snprintf(cmd, sizeof(cmd), "cd %s && rm -rf journal*", at(""));
		assert_int_equal(system(cmd), 0);
		chain_build_free(&b);
		chain_build_init(&b, "gw-1");
	}
}

static int
begin(void **state)
{
	int set = setup(state);

	first = b.key;
	signkey_from_seed((const unsigned char *)"the second seed, which comes late", &second);
	signkey_from_seed((const unsigned char *)"the seed of the root, kept offline", &root);
	put_public("second.pub", &second.pub);
	put_public("root.pub", &root.pub);
	return set;
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(proofs_before_and_after_a_rotation_verify),
		T(replaced_key_proves_no_newer_record),
		T(statements_of_the_root_are_applied),
		T(statements_by_unknown_keys_are_ignored),
		T(records_rewritten_with_both_keys_never_verify),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
