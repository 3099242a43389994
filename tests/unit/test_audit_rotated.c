/* Proofs, old checkpoints and chains on either side of a rotation: which keys tollgate audit
 * verify takes them from, which it does not, and what a root's statements change. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

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

/* A record that introduces the second key, and JOURNAL.keys, which repeats it. */
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

/* A note over what is there now, signed by `key`. */
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

/* The newest record's proof, under a checkpoint that `key` signed. */
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

/* The options that name these files; "": without it. */
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

/* Twenty records, proof and note; the rotation; and again; the log goes on. */
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
proofs_of_both_sides_verify_by_either_key(void **state)
{
	static const char *const keys[] = { "key.pub", "second.pub" };
	(void)state;

	build_rotated();
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		assert_exit(proof("before", by(keys[i], NULL, "journal.keys")), EXIT_DONE);
		assert_exit(proof("after", by(keys[i], NULL, "journal.keys")), EXIT_DONE);
		/* JOURNAL.keys is read by itself. */
		assert_exit(note("note-before", by(keys[i], NULL, NULL)), EXIT_DONE);
		assert_out("ok node=gw-1 source=note");
		assert_exit(note("note-after", by(keys[i], NULL, NULL)), EXIT_DONE);
		assert_out("ok node=gw-1 source=note");
		assert_exit(proof("all.jsonl", by(keys[i], NULL, "journal.keys")), EXIT_DONE);
	}
	/* Without what it says each key has its own. */
	assert_exit(proof("before", by("key.pub", NULL, NULL)), EXIT_DONE);
	assert_exit(proof("after", by("key.pub", NULL, NULL)), EXIT_NO);
	assert_out("signed by none of the keys");
	assert_exit(proof("before", by("second.pub", NULL, NULL)), EXIT_NO);
	assert_exit(proof("after", by("second.pub", NULL, NULL)), EXIT_DONE);
	/* What the chain itself says is enough for a note. */
	assert_int_equal(unlink(at("journal.keys")), 0);
	assert_exit(note("note-after", by("key.pub", NULL, NULL)), EXIT_DONE);
	assert_out("ok node=gw-1 source=note");
}

static void
a_key_that_was_replaced_proves_nothing_that_is_newer(void **state)
{
	char want[64];
	(void)state;

	build_rotated();
	snprintf(want, sizeof(want), "which record %" PRIu64 " replaced", rotated);
	assert_exit(proof("stolen", by("key.pub", NULL, "journal.keys")), EXIT_NO);
	assert_out(want);
	assert_exit(note("note-stolen", by("key.pub", NULL, NULL)), EXIT_NO);
	assert_out(want);
	/* A fork that it signed before is told for what it is. */
	chain_build_free(&b);
	chain_build_init(&b, "gw-1");
	build(40);
	keep_note("note-long", &first);
	assert_exit(note("note-long", by("key.pub", NULL, NULL)), EXIT_NO);
	assert_out("why=\"cut: ");
}

static void
what_the_root_states_counts(void **state)
{
	(void)state;

	build_rotated();
	say(KEY_CERTIFY, &first, 1, "stated");
	/* The root alone. */
	assert_exit(proof("before", by(NULL, "root.pub", "stated")), EXIT_DONE);
	assert_exit(proof("after", by(NULL, "root.pub", "stated")), EXIT_NO);
	assert_exit(note("note-after", by(NULL, "root.pub", "stated")), EXIT_DONE);
	say(KEY_REVOKE, &second, rotated + 3, "stated");
	assert_exit(proof("before", by("key.pub", "root.pub", "stated")), EXIT_DONE);
	assert_exit(proof("after", by("second.pub", "root.pub", "stated")), EXIT_NO);
	assert_out("revoked from");
	assert_exit(note("note-after", by("key.pub", "root.pub", "stated")), EXIT_NO);
	assert_out("why=\"wrong key: its commit is signed by");
	assert_out("source=note");
	assert_out("revoked from");
	/* Two files, the wrong one first: one trusts what the other introduces. */
	assert_exit(audit("verify --file %s --root %s --statement %s --statement %s",
			    at("after"), at("root.pub"), at("journal.keys"), at("certified")),
		EXIT_CANNOT);
	say(KEY_CERTIFY, &first, 1, "certified");
	assert_exit(audit("verify --file %s --root %s --statement %s --statement %s",
			    at("after"), at("root.pub"), at("journal.keys"), at("certified")),
		EXIT_DONE);
}

static void
statements_of_strangers_count_for_nothing(void **state)
{
	(void)state;

	build_rotated();
	struct signkey true_root = root;
	root = second;
	say(KEY_REVOKE, &first, 1, "stated");
	root = true_root;
	assert_exit(proof("before", by("key.pub", "root.pub", "stated")), EXIT_DONE);
	assert_err("statement 1 (revoke of key");
	assert_err("counts for nothing");
	/* One that names a key and was changed is an error where it was asked for, */
	say(KEY_REVOKE, &first, 1, "changed");
	static char text[4096];
	slurp("changed", text, sizeof(text));
	char *sig = strstr(text, "signature ") + 30;
	sig[0] = sig[0] == 'A' ? 'B' : 'A';
	put_file("changed", span_str(text));
	assert_exit(proof("before", by("key.pub", "root.pub", "changed")), EXIT_CANNOT);
	assert_err("its signature does not hold");
	/* and next to the journal is said. */
	put_file("journal.keys", span_str(text));
	assert_exit(note("note-before", by("key.pub", "root.pub", NULL)), EXIT_DONE);
	assert_err("its signature does not hold");
	/* Only verify has roots. */
	assert_exit(audit("export --file %s --root %s", at("all.jsonl"), at("root.pub")),
		EXIT_CANNOT);
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
		T(proofs_of_both_sides_verify_by_either_key),
		T(a_key_that_was_replaced_proves_nothing_that_is_newer),
		T(what_the_root_states_counts),
		T(statements_of_strangers_count_for_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
