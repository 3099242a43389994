/* A file of shares in a folder of its own: opens it, reads from it and erases from it. */
#ifndef TESTS_SHARES_RIG_H
#define TESTS_SHARES_RIG_H

#include "base/err.h"
#include "base/replace.h"
#include "record/journal/journal.h"
#include "record/seal/shares.h"
#include "support/temp_dir.h"

#define NOW (INT64_C(1795600000) * 1000000000)

static struct buf why, lost_why, erased;
static uint64_t lost;

static inline int
fresh_folder(void **state)
{
	buf_init(&why, 4096);
	buf_init(&lost_why, 4096);
	buf_init(&erased, 0);
	return temp_dir_make(state);
}

static inline int
drop_folder(void **state)
{
	buf_free(&why);
	buf_free(&lost_why);
	buf_free(&erased);
	journal_io = (struct journal_io){ pwrite, fdatasync, ftruncate };
	replace_io = (struct replace_io){ write, fsync, renameat };
	return temp_dir_remove(state);
}

static inline struct shares *
try_open(const char *node)
{
	buf_clear(&why);
	buf_clear(&lost_why);
	return shares_open(path("shares"), path("head"), node, &lost, &lost_why, &why);
}

static inline struct shares *
opened(void)
{
	struct shares *s = try_open("gw-1");

	if (!s)
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	return s;
}

static inline struct share
of(struct shares *s, const char *holder)
{
	struct share b;

	assert_int_equal(shares_get(s, span_str(holder), true, &b), 0);
	return b;
}

static inline bool
said(const struct buf *b, const char *text)
{
	return b->n && memmem(buf_view(b).p, b->n, text, strlen(text));
}

static inline struct span
read_file(const char *name, struct buf *text)
{
	buf_clear(text);
	assert_true(buf_file(text, path(name)));
	return buf_view(text);
}

/* Returns true if the file contains the key in hexadecimal. */
static inline bool
file_has(const char *name, const struct share *b)
{
	struct buf text, hex;

	buf_init(&text, 0);
	buf_init(&hex, 0);
	buf_hex(&hex, b->key, SHARE_BYTES);
	struct span t = read_file(name, &text);
	bool has = memmem(t.p, t.n, buf_view(&hex).p, hex.n) != NULL;
	buf_free(&text);
	buf_free(&hex);
	return has;
}

static inline bool
is_holder(void *arg, struct span holder)
{
	return span_is(holder, arg);
}

/* Erases a share together with its record. */
static inline int
erase(struct shares *s, const char *holder, const char *erasure, int64_t serial)
{
	buf_clear(&erased);
	int err = shares_erase(
		s, is_holder, (void *)(uintptr_t)holder, erasure, serial, NOW, &erased);
	if (!err)
		shares_erase_recorded(s, erasure, serial);
	return err;
}

static inline struct share
two_shares(void)
{
	struct shares *s = opened();
	struct share b = of(s, "ann");

	of(s, "bob");
	assert_int_equal(shares_sync(s), 0);
	shares_close(&s);
	return b;
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, fresh_folder, drop_folder)

#endif
