/* tollgate audit show --proof, --seq and --receipt, and verification of a proof: on journals in
 * several segments, trimmed, changed, with and without the tree's files. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>

#include "support/proof_rig.h"

/* ---- proofs ---- */

static void
proof_file_alone_proves_a_record(void **state)
{
	char what[64], want[128];
	(void)state;

	build(60);
	write_journal(buf_view(&b.out));
	for (uint64_t seq = 1; seq <= 150; seq += 7) {
		snprintf(what, sizeof(what), "--seq %" PRIu64 " --proof", seq);
		assert_exit(show(what), EXIT_DONE);
		put_file("proof", span_str(out));
		snprintf(want, sizeof(want), "ok node=gw-1 source=proof seq=%" PRIu64 " ", seq);
		assert_exit(verify(file_arg("--file", "proof")), EXIT_DONE);
		assert_out(want);
		assert_out("origin=tollgate/gw-1");
	}
}

static void
page_has_the_proof_and_escapes_the_record(void **state)
{
	static const struct {
		const char *what, *key;
		int exit;
		const char *error;
	} rows[] = {
		{ "r10 --proof=html", "key.pub", EXIT_DONE, "" },
		{ "r10 --proof=completion,html", "key.pub", EXIT_DONE, "" },
		{ "--seq 50 --proof=html", "key.pub", EXIT_DONE, "" },
		{ "r10 --proof=change,html", "key.pub", EXIT_NO, "no change of this id" },
		{ "r10 --proof=html", "other.pub", EXIT_NO, "--public-key" },
		{ "r10 --proof=html --witness-key nothing", "key.pub", EXIT_CANNOT, "nothing" },
		{ "r10 --proof=pdf", "key.pub", EXIT_NO, "no pdf of this id" },
	};
	struct signkey other;
	(void)state;

	build(30);
	write_journal(buf_view(&b.out));
	signkey_from_seed((const unsigned char[32]){ 7 }, &other);
	put_public("other.pub", &other.pub);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_exit(audit("show %s --journal %s --public-key %s", rows[i].what,
				    at("journal"), at(rows[i].key)),
			rows[i].exit);
		assert_err(rows[i].error);
		if (rows[i].exit)
			continue;
		char *block = strstr(out, "id=\"proof\">"), *end;
		assert_non_null(block);
		assert_non_null(end = strchr(block, '<'));
		assert_memory_equal(end, "</script>", 9);
		assert_out("default-src 'none'");
		assert_null(strstr(out, "{{"));
		assert_null(strstr(out, "\nimport "));
		assert_null(strstr(out, "\nexport "));
	}
}

/* Adds a checkpoint and its confirmation by a place. Returns the size of the checkpoint. */
static uint64_t
add_confirmed(const char *kind, const char *result)
{
	char fields[256];
	uint64_t size = b.chain.seq;

	chain_build_checkpoint(&b);
	snprintf(fields, sizeof(fields),
		"\"type\":\"anchor\",\"kind\":\"%s\",\"place\":\"</script><b>\",\"result\":"
		"\"%s\",\"size\":%" PRIu64 ",\"answer\":null",
		kind, result, size);
	chain_build_record(&b, fields);
	chain_build_commit(&b);
	return size;
}

static void
assert_page_of(const char *what, uint64_t size)
{
	char want[64];

	assert_exit(audit("show %s --proof=html --journal %s --public-key %s", what,
			    at("journal"), at("key.pub")),
		EXIT_DONE);
	snprintf(want, sizeof(want), "tollgate/gw-1\\n%" PRIu64 "\\n", size);
	assert_out(want);
}

static void
page_prefers_a_checkpoint_with_a_signed_confirmation(void **state)
{
	(void)state;
	build(30);
	uint64_t file = add_confirmed("file", "taken");
	add_request("x");
	add_confirmed("tsa", "refused");
	uint64_t witness = add_confirmed("witness", "taken");
	add_request("y");
	uint64_t only = add_confirmed("file", "taken");
	add_request("z");
	chain_build_checkpoint(&b);
	uint64_t none = b.chain.seq - 1;
	chain_build_commit(&b);
	write_journal(buf_view(&b.out));
	assert_page_of("r10", witness);
	assert_page_of("x", witness);
	/* The place in a record appears in the page as text. */
	assert_out("\\u003c/script>\\u003cb>");
	assert_null(strstr(out, "</script><b>"));
	assert_page_of("y", only);
	assert_page_of("z", none);
	assert_out("\"anchors\":[]");
	assert_true(file < witness);
}

static void
proof_is_of_the_decision_or_the_named_type(void **state)
{
	static const struct {
		const char *what, *type;
	} rows[] = {
		{ "r10 --proof", "type=decision " },
		{ "r10 --proof=decision", "type=decision " },
		{ "r10 --proof=completion", "type=completion " },
		{ "--proof=attempt r10", "type=attempt " },
	};
	(void)state;

	build(30);
	write_journal(buf_view(&b.out));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_exit(show(rows[i].what), EXIT_DONE);
		put_file("proof", span_str(out));
		assert_exit(verify(file_arg("--file", "proof")), EXIT_DONE);
		assert_out(rows[i].type);
	}
	assert_exit(show("r10 --proof=change"), EXIT_NO);
	assert_err("no change of this id; there is --proof=decision --proof=attempt "
		   "--proof=completion");
	assert_exit(show("nobody --proof"), EXIT_NO);
	assert_err("no such record");
	/* The record in the file equals the line of the journal, byte for byte. */
	assert_exit(show("r10 --proof"), EXIT_DONE);
	struct bundle *p = calloc(1, sizeof(*p));
	struct buf why;
	buf_init(&why, 0);
	buf_init(&p->record, 0);
	assert_int_equal(bundle_read(span_str(out), p, &why), 0);
	struct span line = buf_view(&p->record), all = buf_view(&b.out);
	const char *found = memmem(all.p, all.n, line.p, line.n);
	assert_non_null(found);
	assert_int_equal(found[line.n], '\n');
	buf_free(&p->record);
	free(p);
}

/* The key authenticates the proof; one changed bit anywhere is found. */
static void
changed_proof_does_not_verify(void **state)
{
	(void)state;

	build(30);
	write_journal(buf_view(&b.out));
	assert_exit(show("r10 --proof"), EXIT_DONE);
	struct buf proof;
	buf_init(&proof, 0);
	buf_str(&proof, out);
	for (size_t i = 0; i < proof.n; i += 41) {
		proof.p[i] ^= 1;
		put_file("proof", buf_view(&proof));
		assert_exit(verify(file_arg("--file", "proof")), EXIT_NO);
		assert_out("bad ");
		proof.p[i] ^= 1;
	}
	for (size_t n = 8; n < proof.n; n += 97) {
		put_file("proof", span_cut(buf_view(&proof), 0, n));
		assert_exit(verify(file_arg("--file", "proof")), EXIT_NO);
	}
	/* Bytes after the last newline, or no last newline. */
	buf_putc(&proof, 'x');
	put_file("proof", buf_view(&proof));
	assert_exit(verify(file_arg("--file", "proof")), EXIT_NO);
	assert_out("why=\"junk: its last line does not end with a newline\"");
	put_file("proof", span_cut(buf_view(&proof), 0, proof.n - 2));
	assert_exit(verify(file_arg("--file", "proof")), EXIT_NO);
	assert_out("why=\"junk: its last line does not end with a newline\"");
	proof.n--;
	/* Another key. */
	put_file("proof", buf_view(&proof));
	signkey_from_seed((const unsigned char *)"another seed, not in any key set", &b.key);
	put_public("key.pub", &b.key.pub);
	assert_exit(verify(file_arg("--file", "proof")), EXIT_NO);
	assert_out("signed by none of the keys");
	buf_free(&proof);
}

static void
uncovered_record_gets_a_time_to_retry(void **state)
{
	(void)state;

	build(20);
	add_request("late");
	write_journal(buf_view(&b.out));
	assert_exit(show("late --proof"), EXIT_NO);
	assert_err("no checkpoint covers it yet");
	assert_err("within a second");
	assert_exit(show("r19 --proof"), EXIT_NO);
	assert_exit(show("r12 --proof"), EXIT_DONE);
	/* A checkpoint in an unfinished commit covers nothing. */
	chain_build_checkpoint(&b);
	write_journal(buf_view(&b.out));
	assert_exit(show("late --proof"), EXIT_NO);
	add_request("later");
	write_journal(buf_view(&b.out));
	assert_exit(show("late --proof"), EXIT_DONE);
	chain_build_record(&b, "\"type\":\"decision\",\"id\":\"open\"");
	write_journal(buf_view(&b.out));
	assert_exit(show("open --proof"), EXIT_NO);
	assert_err("its commit is being written");
}

/* A proof needs the lines around its record. If the journal begins after them, the proof needs
 * the tree's files. */
static void
trimmed_journal_proves_its_records(void **state)
{
	(void)state;

	build(80);
	write_journal(buf_view(&b.out));
	remove_segments(3);
	assert_exit(show("r70 --proof"), EXIT_DONE);
	put_file("proof", span_str(out));
	assert_exit(verify(file_arg("--file", "proof")), EXIT_DONE);
	/* Before the first remaining checkpoint, no record states the range. */
	char first[64];
	snprintf(first, sizeof(first), "--seq %" PRIu64 " --proof", first_record());
	assert_exit(show(first), EXIT_CANNOT);
	assert_err("lines between it and the checkpoints around it are missing");
	write_tiles(buf_view(&b.out));
	assert_exit(show(first), EXIT_DONE);
	put_file("proof", span_str(out));
	assert_exit(verify(file_arg("--file", "proof")), EXIT_DONE);
	/* The files are not trusted. */
	char tile[256];
	snprintf(tile, sizeof(tile), "%s.tree/gw-1.0", at("journal"));
	FILE *f = fopen(tile, "r+");
	assert_non_null(f);
	fseek(f, 40 * 32, SEEK_SET);
	fputc('x', f);
	fclose(f);
	assert_exit(show(first), EXIT_NO);
	assert_err("do not have the root");
	assert_exit(show("r70 --proof"), EXIT_DONE);
}

static void
exported_file_proves_its_records(void **state)
{
	(void)state;

	build(30);
	put_file("all.jsonl", buf_view(&b.out));
	assert_exit(audit("show r10 --proof --file %s", at("all.jsonl")), EXIT_DONE);
	put_file("proof", span_str(out));
	assert_exit(verify(file_arg("--file", "proof")), EXIT_DONE);
	assert_exit(audit("show r10 --proof --file -"), EXIT_CANNOT);
	assert_err("instead of standard input");
}

static void
changed_journal_proves_nothing(void **state)
{
	(void)state;

	build(30);
	struct span s = buf_view(&b.out);
	char *id = memmem(s.p, s.n, "\"id\":\"r9\"", 9);
	assert_non_null(id);
	memcpy(id, "\"id\":\"rX\"", 9);
	write_journal(s);
	assert_exit(show("r10 --proof"), EXIT_NO);
	assert_err("do not have the root of the checkpoint");
	assert_exit(show("r20 --proof"), EXIT_DONE);
}

/* Runs the script of docs/evidence.md, with openssl and without tollgate. */
static int
by_hand(const char *proof)
{
	char cmd[1024];

	snprintf(cmd, sizeof(cmd),
		"awk '/^## / { mine = $0 == \"## Prove one record\" } "
		"/^```$/ { code = 0 } mine && code; /^```sh$/ { code = 1 }' docs/evidence.md "
		">'%s' && "
		"sh '%s' '%s' '%s' >'%s' 2>&1",
		at("prove.sh"), at("prove.sh"), at(proof), at("key.pub"), at("out"));
	int status = system(cmd);
	assert_true(WIFEXITED(status));
	slurp("out", out, sizeof(out));
	return WEXITSTATUS(status);
}

static void
proof_verifies_with_the_documented_script(void **state)
{
	char what[64], want[64];
	(void)state;

	build(30);
	write_journal(buf_view(&b.out));
	for (uint64_t seq = 1; seq <= 64; seq += seq < 9 ? 1 : 9) {
		snprintf(what, sizeof(what), "--seq %" PRIu64 " --proof", seq);
		assert_exit(show(what), EXIT_DONE);
		put_file("proof", span_str(out));
		snprintf(want, sizeof(want), "yes: record %" PRIu64 " of ", seq);
		assert_exit(by_hand("proof"), 0);
		assert_out(want);
		assert_out("in the log of tollgate/gw-1");
	}
	/* The script detects each change. */
	assert_exit(show("r10 --proof"), EXIT_DONE);
	struct buf proof;
	buf_init(&proof, 0);
	buf_str(&proof, out);
	static const char *const at_words[] = { "record ", "index ", "tollgate/gw-1\n", "\n\n",
		"\xe2\x80\x94 tollgate/gw-1 " };
	for (size_t i = 0; i < COUNT_OF(at_words); i++) {
		struct span s = buf_view(&proof);
		char *p = memmem(s.p, s.n, at_words[i], strlen(at_words[i]));
		assert_non_null(p);
		p += strlen(at_words[i]) + (i == 0 ? 30 : i == 4 ? 12 : 0);
		char was = *p;
		*p = was == '1' ? '2' : was == 'A' ? 'B' : was == 't' ? 'u' : was + 1;
		put_file("proof", s);
		if (by_hand("proof") == 0)
			fail_msg("after %s the output is %s", at_words[i], out);
		*p = was;
	}
	put_file("proof", buf_view(&proof));
	assert_exit(by_hand("proof"), 0);
	signkey_from_seed((const unsigned char *)"another seed, not in any key set", &b.key);
	put_public("key.pub", &b.key.pub);
	assert_exit(by_hand("proof"), 1);
	assert_out("no: the checkpoint is not signed by this key");
	buf_free(&proof);
}

/* ---- places and receipts ---- */

static void
record_is_shown_by_its_number_and_receipt(void **state)
{
	char what[256], hex[2 * CHAIN_HASH_BYTES + 1];
	(void)state;

	build(30);
	write_journal(buf_view(&b.out));
	assert_exit(show("--seq 2"), EXIT_DONE);
	assert_out("\"id\": \"r0\"");
	assert_out("\"type\": \"decision\"");
	assert_exit(show("--seq gw-1/3"), EXIT_DONE);
	assert_out("\"type\": \"attempt\"");
	assert_exit(show("--seq gw-2/3"), EXIT_NO);
	assert_exit(show("--seq 999"), EXIT_NO);
	assert_err("999: no such record here: check the id; restore archived records with "
		   "tollgate audit restore");
	assert_exit(show("--seq 0"), EXIT_CANNOT);
	assert_exit(show("--seq x/y"), EXIT_CANNOT);
	/* The hash equals `prev` of the next record. */
	struct span s = buf_view(&b.out);
	const char *next = memmem(s.p, s.n, "\"seq\":3,\"prev\":\"", 16);
	assert_non_null(next);
	snprintf(hex, sizeof(hex), "%.64s", next + 16);
	snprintf(what, sizeof(what), "--receipt gw-1/2/%s", hex);
	assert_exit(show(what), EXIT_DONE);
	assert_out("\"id\": \"r0\"");
	strcat(what, " --proof");
	assert_exit(show(what), EXIT_DONE);
	put_file("proof", span_str(out));
	assert_exit(verify(file_arg("--file", "proof")), EXIT_DONE);
	assert_out("seq=2 ");
	hex[0] = hex[0] == '0' ? '1' : '0';
	for (int proof = 0; proof < 2; proof++) {
		snprintf(what, sizeof(what), "--receipt gw-1/2/%s%s", hex,
			proof ? " --proof" : "");
		assert_exit(show(what), EXIT_NO);
		assert_err("another hash");
	}
	assert_exit(show("--receipt gw-1/2"), EXIT_CANNOT);
	assert_exit(show("--receipt gw-1/2/abcd"), EXIT_CANNOT);
	assert_exit(show("--receipt gw-1/2/zz"), EXIT_CANNOT);
	assert_exit(show("r0 --seq 2"), EXIT_CANNOT);
	assert_exit(show("r0 r1"), EXIT_CANNOT);
	assert_exit(audit("list --proof --journal %s", at("journal")), EXIT_CANNOT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(proof_file_alone_proves_a_record),
		T(page_has_the_proof_and_escapes_the_record),
		T(page_prefers_a_checkpoint_with_a_signed_confirmation),
		T(proof_is_of_the_decision_or_the_named_type),
		T(changed_proof_does_not_verify),
		T(uncovered_record_gets_a_time_to_retry),
		T(trimmed_journal_proves_its_records),
		T(exported_file_proves_its_records),
		T(changed_journal_proves_nothing),
		T(proof_verifies_with_the_documented_script),
		T(record_is_shown_by_its_number_and_receipt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
