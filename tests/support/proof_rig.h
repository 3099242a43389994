/* A test's chain as a journal, an export and a tree, and `tollgate audit` run on it. */
#ifndef TESTS_PROOF_RIG_H
#define TESTS_PROOF_RIG_H

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/codec/base64.h"
#include "base/sha256.h"
#include "cmd/cmd.h"
#include "record/proof/bundle.h"
#include "record/proof/tiles.h"
#include "support/calm_fork.h"
#include "support/chain_build.h"

static char dir[128], out[1 << 20], err[65536];
static struct chain_build b;

static inline const char *
at(const char *name)
{
	static char path[8][256];
	static int which;

	which = (which + 1) % 8;
	snprintf(path[which], sizeof(path[0]), "%s/%s", dir, name);
	return path[which];
}

static inline void
put_file(const char *name, struct span s)
{
	FILE *f = fopen(at(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(s.p ? s.p : "", 1, s.n, f), s.n);
	fclose(f);
}

static inline struct span
slurp(const char *name, char *to, size_t size)
{
	FILE *f = fopen(at(name), "r");

	assert_non_null(f);
	size_t n = fread(to, 1, size - 1, f);
	fclose(f);
	to[n] = '\0';
	return span_of(to, n);
}

__attribute__((format(printf, 1, 2))) static inline int
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
	pid_t pid = calm_fork();
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

static inline int
show(const char *what)
{
	return audit("show %s --journal %s", what, at("journal"));
}

static inline int
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

/* Writes the whole chain into segments of about forty records, in whole commits. */
static inline void
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

/* The first record of the oldest segment. */
static inline uint64_t
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

/* Adds a decision, an attempt and a completion. */
static inline void
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

/* Adds requests r0, r1, … with a checkpoint now and then. */
static inline void
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

/* Writes JOURNAL.tree of the chain's lines. */
static inline void
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

static inline void
put_public(const char *name, const struct pubkey *key)
{
	static const unsigned char der[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65,
		0x70, 0x03, 0x21, 0x00 };
	unsigned char all[sizeof(der) + 32];
	struct buf b64;

	memcpy(all, der, sizeof(der));
	memcpy(all + sizeof(der), key->raw, 32);
	buf_init(&b64, 0);
	buf_str(&b64, "-----BEGIN PUBLIC KEY-----\n");
	base64_put(&b64, all, sizeof(all));
	buf_str(&b64, "\n-----END PUBLIC KEY-----\n");
	put_file(name, buf_view(&b64));
	buf_free(&b64);
}

static inline int
setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/tollgate-proof-XXXXXX");
	assert_non_null(mkdtemp(dir));
	chain_build_init(&b, "gw-1");
	put_public("key.pub", &b.key.pub);
	return 0;
}

static inline int
teardown(void **state)
{
	char cmd[256];

	(void)state;
	chain_build_free(&b);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

static inline void
remove_segments(size_t n)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd), "cd '%s' && ls | head -%zu | xargs rm", at("journal"), n);
	assert_int_equal(system(cmd), 0);
}

static inline const char *
file_arg(const char *option, const char *name)
{
	static char arg[300];

	snprintf(arg, sizeof(arg), "%s %s", option, at(name));
	return arg;
}

#endif
