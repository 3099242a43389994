/* tollgate audit show --proof, --seq and --receipt, verify of a proof, and verify --note: on
 * journals in several segments, trimmed, cut, forked, with and without the tree's files. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "cmd/cmd.h"
#include "proof/base64.h"
#include "proof/bundle.h"
#include "proof/tiles.h"
#include "support/chain_build.h"

static char dir[128], out[1 << 20], err[65536];
static struct chain_build b;

static const char *
at(const char *name)
{
	static char path[8][256];
	static int which;

	which = (which + 1) % 8;
	snprintf(path[which], sizeof(path[0]), "%s/%s", dir, name);
	return path[which];
}

static void
put_file(const char *name, struct span s)
{
	FILE *f = fopen(at(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(s.p ? s.p : "", 1, s.n, f), s.n);
	fclose(f);
}

static struct span
slurp(const char *name, char *to, size_t size)
{
	FILE *f = fopen(at(name), "r");

	assert_non_null(f);
	size_t n = fread(to, 1, size - 1, f);
	fclose(f);
	to[n] = '\0';
	return span_of(to, n);
}

__attribute__((format(printf, 1, 2))) static int
audit(const char *fmt, ...)
{
	char line[2048], *argv[32];
	int argc = 0, status;
	va_list ap;

	va_start(ap, fmt);
	int n = snprintf(line, sizeof(line), "audit ");
	vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	for (char *p = line, *w; argc < 31 && (w = strsep(&p, " "));)
		if (*w)
			argv[argc++] = w;
	argv[argc] = NULL;
	fflush(stdout);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (!freopen(at("out"), "w", stdout) || !freopen(at("err"), "w", stderr))
			_exit(99);
		int code = cmd_audit(argc, argv);
		fflush(stdout);
		fflush(stderr);
		_exit(code);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	slurp("out", out, sizeof(out));
	slurp("err", err, sizeof(err));
	return WEXITSTATUS(status);
}

static int
show(const char *what)
{
	return audit("show %s --journal %s", what, at("journal"));
}

static int
verify(const char *what)
{
	return audit("verify %s --public-key %s", what, at("key.pub"));
}

#define assert_out(text)                                                                       \
	do {                                                                                   \
		if (!strstr(out, text))                                                        \
			fail_msg("not in output: %s\n%s\n%s", text, out, err);                 \
	} while (0)
#define assert_err(text)                                                                       \
	do {                                                                                   \
		if (!strstr(err, text))                                                        \
			fail_msg("not in errors: %s\n%s\n%s", text, out, err);                 \
	} while (0)
#define assert_exit(call, want)                                                                \
	do {                                                                                   \
		int code_ = call;                                                              \
		if (code_ != (want))                                                           \
			fail_msg("exit %d\n%s\n%s", code_, out, err);                          \
	} while (0)

/* ---- a journal ---- */

/* The whole chain in segments of about forty records, in whole commits. */
static void
write_journal(struct span chain)
{
	char name[128];
	uint64_t next = 1;
	bool after_commit = true;
	FILE *f = NULL;

	mkdir(at("journal"), 0700);
	while (chain.n) {
		struct span line = span_next(&chain, '\n');
		struct chain_line l;
		assert_int_equal(chain_parse(line, &l), 0);
		if (after_commit && l.seq >= next) {
			if (f)
				fclose(f);
			snprintf(name, sizeof(name),
				"journal/%s-%08" PRIu64 "-%016" PRIu64 ".jsonl", b.chain.node,
				l.boot, l.seq);
			f = fopen(at(name), "w");
			assert_non_null(f);
			next = l.seq + 40;
		}
		fprintf(f, "%.*s\n", SPAN_ARG(line));
		after_commit = l.commit;
	}
	fclose(f);
}

/* Of the oldest segment. */
static uint64_t
first_record(void)
{
	DIR *d = opendir(at("journal"));
	uint64_t first = UINT64_MAX;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		const char *seq = strrchr(e->d_name, '-');
		if (seq && strtoull(seq + 1, NULL, 10) < first)
			first = strtoull(seq + 1, NULL, 10);
	}
	closedir(d);
	return first;
}

/* A decision, its completion, an attempt between. */
static void
add_request(const char *id)
{
	char fields[256];
	static const char *types[] = { "decision", "attempt", "completion" };

	for (size_t i = 0; i < COUNT_OF(types); i++) {
		snprintf(fields, sizeof(fields), "\"type\":\"%s\",\"id\":\"%s\"", types[i], id);
		chain_build_record(&b, fields);
	}
	chain_build_commit(&b);
}

/* Requests r0, r1, … with a checkpoint now and then. */
static void
build(size_t n)
{
	char id[32];

	chain_build_boot(&b);
	for (size_t i = 0; i < n; i++) {
		if (i % 7 == 6)
			chain_build_checkpoint(&b);
		snprintf(id, sizeof(id), "r%zu", i);
		add_request(id);
	}
}

/* JOURNAL.tree of the chain's lines. */
static void
write_tiles(struct span chain)
{
	struct tiles t;
	struct buf why;

	buf_init(&why, 4096);
	assert_int_equal(tiles_open(&t, at("journal"), "gw-1", true, &why), 0);
	while (chain.n) {
		unsigned char hash[CHAIN_HASH_BYTES];
		struct merkle_hash leaf;
		struct chain_line l;
		struct span line = span_next(&chain, '\n');
		if (chain_parse(line, &l) || l.commit)
			continue;
		sha256(line, hash);
		merkle_leaf(hash, &leaf);
		assert_int_equal(tiles_append(&t, &leaf, 1, &why), 0);
	}
	tiles_close(&t);
	buf_free(&why);
}

static void
write_key(void)
{
	static const unsigned char der[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65,
		0x70, 0x03, 0x21, 0x00 };
	unsigned char all[sizeof(der) + 32];
	struct buf b64;

	memcpy(all, der, sizeof(der));
	memcpy(all + sizeof(der), b.key.pub.raw, 32);
	buf_init(&b64, 0);
	buf_str(&b64, "-----BEGIN PUBLIC KEY-----\n");
	base64_put(&b64, all, sizeof(all));
	buf_str(&b64, "\n-----END PUBLIC KEY-----\n");
	put_file("key.pub", buf_view(&b64));
	buf_free(&b64);
}

static int
setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/tollgate-proof-XXXXXX");
	assert_non_null(mkdtemp(dir));
	chain_build_init(&b, "gw-1");
	write_key();
	return 0;
}

static int
teardown(void **state)
{
	char cmd[256];

	(void)state;
	chain_build_free(&b);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

static void
remove_segments(size_t n)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd), "cd '%s' && ls | head -%zu | xargs rm", at("journal"), n);
	assert_int_equal(system(cmd), 0);
}

static const char *
file_arg(const char *option, const char *name)
{
	static char arg[300];

	snprintf(arg, sizeof(arg), "%s %s", option, at(name));
	return arg;
}

/* ---- proofs ---- */

static void
every_record_is_proved_by_a_file_alone(void **state)
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
a_proof_is_of_the_decision_or_of_the_type_that_is_named(void **state)
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
	/* The record in the file is the line of the journal, byte for byte. */
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

/* The key is what says that it is ours; one bit anywhere is found. */
static void
a_proof_that_was_changed_does_not_hold(void **state)
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
	/* Another key. */
	put_file("proof", buf_view(&proof));
	signkey_from_seed((const unsigned char *)"another seed, not in any key set", &b.key);
	write_key();
	assert_exit(verify(file_arg("--file", "proof")), EXIT_NO);
	assert_out("signed by none of the keys");
	buf_free(&proof);
}

static void
a_record_that_no_checkpoint_covers_is_told_when_to_try_again(void **state)
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
	/* A checkpoint in a commit that is still being written covers nothing. */
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

/* A proof needs the lines around its record; where those begin too late, the tree's files. */
static void
a_trimmed_journal_proves_what_it_has(void **state)
{
	(void)state;

	build(80);
	write_journal(buf_view(&b.out));
	remove_segments(3);
	assert_exit(show("r70 --proof"), EXIT_DONE);
	put_file("proof", span_str(out));
	assert_exit(verify(file_arg("--file", "proof")), EXIT_DONE);
	/* Before the first checkpoint that is left nothing says the range. */
	char first[64];
	snprintf(first, sizeof(first), "--seq %" PRIu64 " --proof", first_record());
	assert_exit(show(first), EXIT_CANNOT);
	assert_err("lines between it and the checkpoints around it are missing");
	write_tiles(buf_view(&b.out));
	assert_exit(show(first), EXIT_DONE);
	put_file("proof", span_str(out));
	assert_exit(verify(file_arg("--file", "proof")), EXIT_DONE);
	/* What the files say is not believed. */
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
an_exported_file_proves_its_records_too(void **state)
{
	(void)state;

	build(30);
	put_file("all.jsonl", buf_view(&b.out));
	assert_exit(audit("show r10 --proof --file %s", at("all.jsonl")), EXIT_DONE);
	put_file("proof", span_str(out));
	assert_exit(verify(file_arg("--file", "proof")), EXIT_DONE);
	assert_exit(audit("show r10 --proof --file -"), EXIT_CANNOT);
	assert_err("not standard input");
}

static void
a_journal_that_was_changed_proves_nothing(void **state)
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

/* The script of docs/audit.md, with openssl and without tollgate. */
static int
by_hand(const char *proof)
{
	char cmd[1024];

	snprintf(cmd, sizeof(cmd),
		"awk '/^## / { mine = $0 == \"## Proving one record\" } "
		"/^```$/ { code = 0 } mine && code; /^```sh$/ { code = 1 }' docs/audit.md "
		">'%s' && "
		"sh '%s' '%s' '%s' >'%s' 2>&1",
		at("prove.sh"), at("prove.sh"), at(proof), at("key.pub"), at("out"));
	int status = system(cmd);
	assert_true(WIFEXITED(status));
	slurp("out", out, sizeof(out));
	return WEXITSTATUS(status);
}

static void
a_proof_is_verified_by_hand(void **state)
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
	/* Whatever is changed, it says no. */
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
			fail_msg("after %s it says %s", at_words[i], out);
		*p = was;
	}
	put_file("proof", buf_view(&proof));
	assert_exit(by_hand("proof"), 0);
	signkey_from_seed((const unsigned char *)"another seed, not in any key set", &b.key);
	write_key();
	assert_exit(by_hand("proof"), 1);
	assert_out("no: the checkpoint is not signed by this key");
	buf_free(&proof);
}

/* ---- places and receipts ---- */

static void
a_record_is_shown_by_its_number_and_by_its_receipt(void **state)
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
	assert_err("999: no such record");
	assert_exit(show("--seq 0"), EXIT_CANNOT);
	assert_exit(show("--seq x/y"), EXIT_CANNOT);
	/* The hash is what `prev` of the next record says. */
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

/* ---- verify ---- */

static void
verify_says_what_its_checkpoints_cover(void **state)
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
	/* The daemon's own hand, lying: everything is signed, and the tree is another. */
	b.tree.hash[0].b[0] ^= 1;
	snprintf(want, sizeof(want), "seq=%" PRIu64 " why=\"checkpoint: ", b.chain.seq + 1);
	chain_build_checkpoint(&b);
	add_request("x");
	write_journal(buf_view(&b.out));
	assert_exit(verify(file_arg("--journal", "journal")), EXIT_NO);
	assert_out(want);
}

/* In a long chain, where a checkpoint vouches, a changed record is named as ever, and where
 * another thing is wrong the first bad signature is. */
static void
damage_under_a_checkpoint_is_named(void **state)
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

/* A note over what is there now, in a file. */
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
a_log_continues_its_old_notes(void **state)
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
	/* A proof holds a note too. */
	assert_exit(show("r2 --proof"), EXIT_DONE);
	put_file("proof", span_str(out));
	assert_exit(verify_note("proof"), EXIT_DONE);
	put_file("all.jsonl", buf_view(&b.out));
	assert_exit(audit("verify --file %s --note %s --public-key %s", at("all.jsonl"),
			    at("old"), at("key.pub")),
		EXIT_DONE);
	assert_out("source=note");
	/* What is no note, or nobody's. */
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
a_tail_that_was_cut_off_is_named(void **state)
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
a_fork_is_named_by_its_first_record_where_the_tree_tells(void **state)
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
	/* Without the tree's files only that it is another history. */
	rename(at("journal.tree"), at("elsewhere"));
	assert_exit(verify_note("old"), EXIT_NO);
	assert_out("why=\"fork: records 1 to ");
}

static void
an_older_copy_that_was_put_back_is_named(void **state)
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
a_trimmed_log_continues_a_note_by_the_tree(void **state)
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
	assert_out("why=\"unknown: the log begins with record ");
	write_tiles(buf_view(&b.out));
	assert_exit(audit("%s", from), EXIT_DONE);
	assert_out("ok node=gw-1 source=note");
}

static void
a_note_of_another_log_is_told(void **state)
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
	assert_out(
		"why=\"another log: the note is of tollgate/gw-2, the checkpoints here are of "
		"tollgate/gw-1");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_record_is_proved_by_a_file_alone),
		T(a_proof_is_of_the_decision_or_of_the_type_that_is_named),
		T(a_proof_that_was_changed_does_not_hold),
		T(a_record_that_no_checkpoint_covers_is_told_when_to_try_again),
		T(a_trimmed_journal_proves_what_it_has),
		T(an_exported_file_proves_its_records_too),
		T(a_journal_that_was_changed_proves_nothing),
		T(a_proof_is_verified_by_hand),
		T(a_record_is_shown_by_its_number_and_by_its_receipt),
		T(verify_says_what_its_checkpoints_cover),
		T(damage_under_a_checkpoint_is_named),
		T(a_log_continues_its_old_notes),
		T(a_tail_that_was_cut_off_is_named),
		T(a_fork_is_named_by_its_first_record_where_the_tree_tells),
		T(an_older_copy_that_was_put_back_is_named),
		T(a_trimmed_log_continues_a_note_by_the_tree),
		T(a_note_of_another_log_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
