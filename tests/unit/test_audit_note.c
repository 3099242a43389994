/* tollgate audit verify of chains with checkpoints, and against an old checkpoint: a log that
 * was continued, cut, forked, restored or trimmed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>

#include "support/proof_rig.h"

/* ---- verify ---- */

static void
verify_reports_what_checkpoints_cover(void **state)
{
	char want[64];
	(void)state;

	build(30);
	write_journal(buf_view(&b.out));
	assert_exit(verify(file_arg("--journal", "journal")), EXIT_DONE);
	assert_out(" checkpoints=4 covered=");
	put_file("all.jsonl", buf_view(&b.out));
	assert_exit(verify(file_arg("--file", "all.jsonl")), EXIT_DONE);
	assert_out(" checkpoints=4 covered=");
	/* A dishonest daemon: everything is signed, but the tree is another one. */
	b.tree.hash[0].b[0] ^= 1;
	snprintf(want, sizeof(want), "seq=%" PRIu64 " why=\"checkpoint: ", b.chain.seq + 1);
	chain_build_checkpoint(&b);
	add_request("x");
	write_journal(buf_view(&b.out));
	assert_exit(verify(file_arg("--journal", "journal")), EXIT_NO);
	assert_out(want);
}

/* In a long chain, a changed record that a checkpoint covers is named as before. Other damage
 * is reported as the first bad signature. */
static void
damage_covered_by_a_checkpoint_is_named(void **state)
{
	(void)state;

	build(VERIFY_ALL + 400);
	put_file("all.jsonl", buf_view(&b.out));
	assert_exit(verify(file_arg("--file", "all.jsonl")), EXIT_DONE);
	assert_out(" vouched=");
	struct span s = buf_view(&b.out);
	char *sig = memmem(s.p, s.n, "\"id\":\"r4200\"", 12), *id;
	sig = memmem(sig, 8000, "\"sig\":\"", 7);
	sig[10] = sig[10] == 'A' ? 'B' : 'A';
	id = memmem(s.p, s.n, "\"id\":\"r4300\"", 12);
	memcpy(id, "\"id\":\"rXXXX\"", 12);
	put_file("all.jsonl", s);
	assert_exit(verify(file_arg("--file", "all.jsonl")), EXIT_NO);
	assert_out("bad signature on the commit of records");
}

/* ---- an old note ---- */

/* Writes a note over the current chain into a file. */
static void
keep_note(const char *name)
{
	struct buf note;

	buf_init(&note, 0);
	chain_build_note(&b, &note);
	put_file(name, buf_view(&note));
	buf_free(&note);
}

static int
verify_note(const char *name)
{
	char journal[256];

	snprintf(journal, sizeof(journal), "%s", at("journal"));
	return audit("verify --journal %s --note %s --public-key %s", journal, at(name),
		at("key.pub"));
}

static void
log_must_continue_its_old_notes(void **state)
{
	(void)state;

	build(10);
	keep_note("old");
	for (int i = 0; i < 20; i++)
		add_request("more");
	chain_build_checkpoint(&b);
	add_request("last");
	keep_note("now");
	write_journal(buf_view(&b.out));
	assert_exit(verify_note("old"), EXIT_DONE);
	assert_out("ok node=gw-1 source=note origin=tollgate/gw-1 size=");
	assert_exit(verify_note("now"), EXIT_DONE);
	/* A proof contains a note too. */
	assert_exit(show("r2 --proof"), EXIT_DONE);
	put_file("proof", span_str(out));
	assert_exit(verify_note("proof"), EXIT_DONE);
	put_file("all.jsonl", buf_view(&b.out));
	assert_exit(audit("verify --file %s --note %s --public-key %s", at("all.jsonl"),
			    at("old"), at("key.pub")),
		EXIT_DONE);
	assert_out("source=note");
	/* Files that are no note, or a note of an unknown key. */
	put_file("junk", SPAN_LIT("hello\n"));
	assert_exit(verify_note("junk"), EXIT_CANNOT);
	assert_exit(verify_note("absent"), EXIT_CANNOT);
	signkey_from_seed((const unsigned char *)"another seed, not in any key set", &b.key);
	keep_note("foreign");
	assert_exit(verify_note("foreign"), EXIT_NO);
	assert_out("source=note origin=tollgate/gw-1");
	assert_out("signed by none of the keys");
	assert_null(strstr(out, "ok node=gw-1 source=note"));
}

static void
cut_tail_is_named(void **state)
{
	size_t cut;
	char want[128];
	(void)state;

	build(12);
	cut = b.out.n;
	uint64_t last = b.chain.seq;
	add_request("gone");
	keep_note("old");
	write_journal(span_cut(buf_view(&b.out), 0, cut));
	assert_exit(verify(file_arg("--journal", "journal")), EXIT_DONE); /* it cannot know */
	assert_exit(verify_note("old"), EXIT_NO);
	assert_out("ok node=gw-1 source=journal");
	snprintf(want, sizeof(want),
		"seq=%" PRIu64 " why=\"cut: the log ends with record %" PRIu64
		", the note covers %" PRIu64 ": ",
		last + 1, last, last + 3);
	assert_out(want);
}

static void
fork_is_named_by_its_first_record_if_the_tree_exists(void **state)
{
	struct chain_build copy;
	char want[128];
	(void)state;

	build(20);
	copy = b;
	buf_init(&copy.out, 0);
	buf_span(&copy.out, buf_view(&b.out));
	uint64_t shared = b.chain.seq;
	add_request("true");
	add_request("story");
	chain_build_boot(&b);
	keep_note("old");
	write_journal(buf_view(&b.out));
	write_tiles(buf_view(&b.out));
	assert_exit(verify_note("old"), EXIT_DONE);
	chain_build_free(&b);
	b = copy;
	add_request("another");
	for (int i = 0; i < 5; i++)
		add_request("tale");
	remove_segments(9);
	write_journal(buf_view(&b.out));
	assert_exit(verify_note("old"), EXIT_NO);
	snprintf(want, sizeof(want), "seq=%" PRIu64 " why=\"fork: it is the first record",
		shared + 1);
	assert_out(want);
	assert_out("ok node=gw-1 source=journal");
	/* Without the tree's files, only the fork itself is known. */
	rename(at("journal.tree"), at("elsewhere"));
	assert_exit(verify_note("old"), EXIT_NO);
	assert_out("why=\"fork: records 1 to ");
}

static void
restored_older_copy_is_named(void **state)
{
	struct chain_build copy;
	char want[160];
	(void)state;

	build(20);
	copy = b;
	buf_init(&copy.out, 0);
	buf_span(&copy.out, buf_view(&b.out));
	uint64_t shared = b.chain.seq;
	for (int i = 0; i < 4; i++)
		add_request("lost");
	keep_note("old");
	write_journal(buf_view(&b.out));
	write_tiles(buf_view(&b.out));
	chain_build_free(&b);
	b = copy;
	chain_build_boot(&b); /* a daemon starts on the copy */
	for (int i = 0; i < 9; i++)
		add_request("new");
	remove_segments(9);
	write_journal(buf_view(&b.out));
	assert_exit(verify_note("old"), EXIT_NO);
	snprintf(want, sizeof(want),
		"seq=%" PRIu64 " why=\"fork: an older copy that ended with record %" PRIu64
		" was put back",
		shared + 1, shared);
	assert_out(want);
}

static void
trimmed_log_continues_a_note_with_the_tree(void **state)
{
	(void)state;

	build(20);
	keep_note("old");
	for (int i = 0; i < 100; i++) {
		if (i % 10 == 9)
			chain_build_checkpoint(&b);
		add_request("more");
	}
	write_journal(buf_view(&b.out));
	remove_segments(4);
	char from[1024], journal[256];
	snprintf(journal, sizeof(journal), "%s", at("journal"));
	snprintf(from, sizeof(from),
		"verify --journal %s --from %" PRIu64 " --note %s --public-key %s", journal,
		first_record(), at("old"), at("key.pub"));
	assert_exit(audit("%s", from), EXIT_NO);
	assert_out("why=\"not verified: ");
	write_tiles(buf_view(&b.out));
	assert_exit(audit("%s", from), EXIT_DONE);
	assert_out("ok node=gw-1 source=note");
}

static int
verify_note_from(uint64_t first)
{
	char journal[256], note[256];

	snprintf(journal, sizeof(journal), "%s", at("journal"));
	snprintf(note, sizeof(note), "%s", at("old"));
	return audit("verify --journal %s --from %" PRIu64 " --note %s --public-key %s",
		journal, first, note, at("key.pub"));
}

/* An attacker with the key rewrites records under the note, signs them, and keeps the
 * checkpoint's record. No record vouches for earlier ones. This must fail whichever hashes
 * remain and whichever part of the log exists. */
static void
rewritten_records_under_a_note_never_verify(void **state)
{
	struct chain_build copy;
	struct buf truth;
	char want[64];
	(void)state;

	build(20);
	copy = b;
	buf_init(&copy.out, 0);
	buf_span(&copy.out, buf_view(&b.out));
	for (int i = 0; i < 40; i++)
		add_request("true");
	keep_note("old");
	struct merkle_range tree = b.tree;
	chain_build_checkpoint(&b);
	add_request("after");
	buf_init(&truth, 0);
	buf_span(&truth, buf_view(&b.out));
	chain_build_free(&b);
	b = copy;
	for (int i = 0; i < 40; i++)
		add_request("false");
	assert_int_equal(b.tree.n, tree.n);
	b.tree = tree; /* the checkpoint's record is unchanged */
	chain_build_checkpoint(&b);
	for (int i = 0; i < 20; i++)
		add_request("after");
	write_journal(buf_view(&b.out));
	for (int trimmed = 0; trimmed < 4; trimmed++) {
		static const char *const stored[] = { "none", "the true ones",
			"the false ones" };
		if (trimmed)
			remove_segments(2);
		for (size_t i = 0; i < 3; i++) {
			char cmd[512];
			snprintf(cmd, sizeof(cmd), "rm -rf %s", at("journal.tree"));
			assert_int_equal(system(cmd), 0);
			if (i)
				write_tiles(buf_view(i == 1 ? &truth : &b.out));
			int code =
				trimmed ? verify_note_from(first_record()) : verify_note("old");
			if (code != EXIT_NO || strstr(out, "ok node=gw-1 source=note"))
				fail_msg("%d trimmed, hashes: %s: %d %s", trimmed, stored[i],
					code, out);
		}
	}
	/* From any sequence number, and as a file. */
	put_file("all.jsonl", buf_view(&b.out));
	for (uint64_t from = 1; from <= tree.n + 8; from += 7) {
		if (verify_note_from(from) != EXIT_NO ||
			strstr(out, "ok node=gw-1 source=note"))
			fail_msg("from %" PRIu64 ": %s", from, out);
		snprintf(want, sizeof(want), "%" PRIu64, from);
		char file[256], note[256];
		snprintf(file, sizeof(file), "%s", at("all.jsonl"));
		snprintf(note, sizeof(note), "%s", at("old"));
		if (audit("verify --file %s --from %s --note %s --public-key %s", file, want,
			    note, at("key.pub")) != EXIT_NO ||
			strstr(out, "ok node=gw-1 source=note"))
			fail_msg("file, from %" PRIu64 ": %s", from, out);
	}
	buf_free(&truth);
}

/* The records that were not read are reported. */
static void
trimmed_log_reports_how_much_of_a_note_was_not_read(void **state)
{
	char want[64];
	(void)state;

	build(60);
	keep_note("old");
	for (int i = 0; i < 30; i++)
		add_request("more");
	chain_build_checkpoint(&b);
	add_request("last");
	write_journal(buf_view(&b.out));
	write_tiles(buf_view(&b.out));
	remove_segments(2);
	assert_exit(verify_note_from(first_record()), EXIT_DONE);
	snprintf(want, sizeof(want), " unread=%" PRIu64 "\n", first_record() - 1);
	assert_out(want);
}

static void
note_of_another_log_is_reported(void **state)
{
	struct chain_build other;
	(void)state;

	build(20);
	write_journal(buf_view(&b.out));
	other = b;
	chain_build_init(&b, "gw-2");
	chain_build_boot(&b);
	chain_build_add(&b, 5);
	keep_note("theirs");
	chain_build_free(&b);
	b = other;
	assert_exit(verify_note("theirs"), EXIT_NO);
	assert_out("why=\"another log: the note is from tollgate/gw-2, the checkpoints here "
		   "are from "
		   "tollgate/gw-1");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(verify_reports_what_checkpoints_cover),
		T(damage_covered_by_a_checkpoint_is_named),
		T(log_must_continue_its_old_notes),
		T(cut_tail_is_named),
		T(fork_is_named_by_its_first_record_if_the_tree_exists),
		T(restored_older_copy_is_named),
		T(trimmed_log_continues_a_note_with_the_tree),
		T(rewritten_records_under_a_note_never_verify),
		T(trimmed_log_reports_how_much_of_a_note_was_not_read),
		T(note_of_another_log_is_reported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
