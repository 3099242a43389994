/* Shares B: created, found, durable; files that are cut, damaged, accessible to others, of
 * another node, older or missing; erasure interrupted at each point; many threads; erasures
 * that the journal records, which are carried out in a restored file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/codec/seekable.h"
#include "base/err.h"
#include "base/replace.h"
#include "base/stops.h"
#include "record/journal/chain.h"
#include "record/journal/journal.h"
#include "record/seal/shares.h"
#include "support/failing_disk.h"
#include "support/shares_count.h"
#include "support/temp_dir.h"

#define NOW (INT64_C(1795600000) * 1000000000)

static struct buf why, lost_why, erased;
static uint64_t lost;

static int
fresh_folder(void **state)
{
	buf_init(&why, 4096);
	buf_init(&lost_why, 4096);
	buf_init(&erased, 0);
	return temp_dir_make(state);
}

static int
drop_folder(void **state)
{
	buf_free(&why);
	buf_free(&lost_why);
	buf_free(&erased);
	journal_io = (struct journal_io){ pwrite, fdatasync, ftruncate };
	replace_io = (struct replace_io){ write, fsync, renameat };
	return temp_dir_remove(state);
}

static struct shares *
try_open(const char *node)
{
	buf_clear(&why);
	buf_clear(&lost_why);
	return shares_open(path("shares"), path("head"), node, &lost, &lost_why, &why);
}

static struct shares *
opened(void)
{
	struct shares *s = try_open("gw-1");

	if (!s)
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	return s;
}

static struct share
of(struct shares *s, const char *holder)
{
	struct share b;

	assert_int_equal(shares_get(s, span_str(holder), true, &b), 0);
	return b;
}

static bool
said(const struct buf *b, const char *text)
{
	return b->n && memmem(buf_view(b).p, b->n, text, strlen(text));
}

static struct span
read_file(const char *name, struct buf *text)
{
	buf_clear(text);
	assert_true(buf_file(text, path(name)));
	return buf_view(text);
}

/* Returns true if the file contains the key in hexadecimal. */
static bool
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

static bool
is_holder(void *arg, struct span holder)
{
	return span_is(holder, arg);
}

/* Erases a share together with its record. */
static int
erase(struct shares *s, const char *holder, const char *erasure, int64_t serial)
{
	buf_clear(&erased);
	int err = shares_erase(
		s, is_holder, (void *)(uintptr_t)holder, erasure, serial, NOW, &erased);
	if (!err)
		shares_erase_recorded(s, erasure, serial);
	return err;
}

static struct share
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

/* ---- shares and files ---- */

static void
share_belongs_to_its_holder_and_is_kept(void **state)
{
	struct share a, again;
	struct stat st;
	struct buf holder;

	(void)state;
	buf_init(&holder, 0);
	struct shares *s = opened();
	assert_int_equal(lost, 0);
	assert_int_equal(shares_get(s, SPAN_LIT("ann"), false, &a), ERR_NOTFOUND);
	assert_false(shares_dirty(s));
	a = of(s, "ann");
	assert_int_equal(a.number, 1);
	again = of(s, "ann");
	assert_memory_equal(&a, &again, sizeof(a));
	struct share odd = of(s, "a \n\xff\"");
	assert_int_equal(odd.number, 2);
	assert_memory_not_equal(a.key, odd.key, SHARE_BYTES);
	assert_true(shares_dirty(s));
	assert_false(file_has("shares", &a));
	assert_int_equal(shares_sync(s), 0);
	assert_false(shares_dirty(s));
	assert_true(file_has("shares", &a));
	assert_false(file_has("head", &a));
	assert_int_equal(stat(path("shares"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(path("head"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	shares_close(&s);
	s = opened();
	assert_int_equal(lost, 0);
	again = of(s, "ann");
	assert_memory_equal(&a, &again, sizeof(a));
	assert_int_equal(shares_find(s, 2, &again, &holder), SHARE_HERE);
	assert_memory_equal(&odd, &again, sizeof(a));
	assert_true(span_is(buf_view(&holder), "a \n\xff\""));
	assert_int_equal(shares_find(s, 3, &again, NULL), SHARE_NEVER);
	assert_int_equal(shares_find(s, 0, &again, NULL), SHARE_NEVER);
	assert_int_equal(of(s, "bob").number, 3);
	assert_int_equal(shares_count(s).here, 3);
	buf_free(&holder);
	shares_close(&s);
}

static void
holder_has_1_to_1024_bytes_and_longer_names_are_hashed(void **state)
{
	char most[SHARE_HOLDER_MAX + 2], own[SHARE_HASHED_LEN + 1];
	struct share b, longer, other;

	(void)state;
	memset(most, 'x', sizeof(most));
	struct shares *s = opened();
	assert_int_equal(shares_get(s, SPAN_LIT(""), true, &b), ERR_LIMIT);
	assert_int_equal(shares_get(s, span_of(most, SHARE_HOLDER_MAX), true, &b), 0);
	assert_int_equal(shares_get(s, span_of(most, SHARE_HOLDER_MAX + 1), true, &longer), 0);
	assert_int_equal(shares_get(s, span_of(most, SHARE_HOLDER_MAX + 2), true, &other), 0);
	assert_int_not_equal(b.number, longer.number);
	assert_int_not_equal(longer.number, other.number);
	assert_int_equal(shares_sync(s), 0);
	shares_close(&s);
	s = opened();
	assert_int_equal(shares_get(s, span_of(most, SHARE_HOLDER_MAX), false, &b), 0);
	assert_int_equal(b.number, 1);
	assert_int_equal(shares_get(s, span_of(most, SHARE_HOLDER_MAX + 1), false, &b), 0);
	assert_int_equal(b.number, longer.number);
	/* By its hash, which anyone can compute. */
	struct span hashed = share_holder(span_of(most, SHARE_HOLDER_MAX + 1), own);
	assert_int_equal(hashed.n, SHARE_HASHED_LEN);
	assert_true(span_starts(hashed, SPAN_LIT("sha256:")));
	assert_int_equal(shares_get(s, hashed, false, &b), 0);
	assert_int_equal(b.number, longer.number);
	shares_close(&s);
}

static void
derived_values_of_a_share_are_fixed(void **state)
{
	struct share b = { .number = 1 };
	char p[PSEUDONYM_LEN + 1], want[PSEUDONYM_LEN + 1] = "p_";
	unsigned char key[SHA256_BYTES], mac[SHA256_BYTES];

	(void)state;
	memset(b.key, 7, sizeof(b.key));
	share_pseudonym(&b, p);
	hmac_sha256(b.key, SPAN_LIT("name"), mac);
	for (size_t i = 0; i < 16; i++)
		snprintf(want + 2 + 2 * i, 3, "%02x", mac[i]);
	assert_string_equal(p, want);
	share_hash_key(&b, key);
	hmac_sha256(b.key, SPAN_LIT("hash"), mac);
	assert_memory_equal(key, mac, sizeof(key));
}

/* Makes two shares and closes the file. */

static void
share_file_readable_by_others_is_refused(void **state)
{
	(void)state;
	two_shares();
	for (unsigned bit = 1; bit < 0100; bit <<= 1) {
		chmod(path("shares"), 0600 | bit);
		assert_null(try_open("gw-1"));
		assert_true(said(&why, "its mode is 06"));
	}
	chmod(path("shares"), 0600);
	struct shares *s = opened();
	shares_close(&s);
}

static void
share_file_of_another_node_is_refused(void **state)
{
	(void)state;
	two_shares();
	assert_null(try_open("gw-2"));
	assert_true(said(&why, "the file belongs to node gw-1, not to node gw-2"));
	unlink(path("head"));
	assert_null(try_open("gw-2"));
	assert_true(said(&why, "shares: line 1: the file belongs to node gw-1, not to node gw-2"));
}

/* Each byte of each line is changed. Only a last line without its end is no damage. */
static void
damaged_line_is_refused_with_its_number(void **state)
{
	struct buf text;
	char want[32];

	(void)state;
	buf_init(&text, 0);
	two_shares();
	struct span t = read_file("shares", &text);
	unsigned line = 1;
	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] == '\n') {
			line++;
			continue;
		}
		char *p = (char *)(uintptr_t)t.p;
		p[i] ^= 1;
		put_span("shares", t);
		p[i] ^= 1;
		assert_null(try_open("gw-1"));
		snprintf(want, sizeof(want), "line %u ", line);
		if (!said(&why, want))
			fail_msg("byte %zu: %.*s", i, SPAN_ARG(buf_view(&why)));
	}
	for (size_t n = 0; n < t.n; n++) {
		put_span("shares", span_cut(t, 0, n));
		bool first = n && memchr(t.p, '\n', n);
		struct shares *s = try_open("gw-1");
		assert_int_equal(s != NULL, first);
		/* Missing shares are lost. */
		if (first) {
			assert_int_equal(lost, 2 - shares_count(s).here);
			shares_close(&s);
			struct shares *again = opened();
			assert_int_equal(lost, 0);
			shares_close(&again);
		}
	}
	/* The head file is never incomplete. */
	put_span("shares", t);
	struct buf head;
	buf_init(&head, 0);
	t = read_file("head", &head);
	for (size_t n = 0; n < t.n; n++) {
		put_span("head", span_cut(t, 0, n));
		assert_null(try_open("gw-1"));
		assert_true(said(&why, "head: "));
	}
	buf_free(&head);
	buf_free(&text);
}

static void
incomplete_last_line_is_cut_off(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 0);
	struct share ann = two_shares();
	struct span t = read_file("shares", &text);
	size_t whole = t.n;
	buf_str(&text, "share 3 0123");
	put_span("shares", buf_view(&text));
	struct shares *s = opened();
	assert_int_equal(lost, 0);
	assert_memory_equal(of(s, "ann").key, ann.key, SHARE_BYTES);
	assert_int_equal(of(s, "cid").number, 3);
	assert_int_equal(shares_sync(s), 0);
	shares_close(&s);
	assert_true(read_file("shares", &text).n > whole);
	s = opened();
	assert_int_equal(shares_count(s).here, 3);
	shares_close(&s);
	buf_free(&text);
}

static void
shares_of_a_missing_file_are_lost_and_numbers_continue(void **state)
{
	struct share b;

	(void)state;
	struct share ann = two_shares();
	unlink(path("shares"));
	struct shares *s = opened();
	assert_int_equal(lost, 2);
	assert_true(said(&lost_why, "2 of 2 shares that were given"));
	assert_true(said(&lost_why, "was missing"));
	assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_LOST);
	assert_int_equal(shares_count(s).lost, 2);
	b = of(s, "ann");
	assert_int_equal(b.number, 3);
	assert_memory_not_equal(b.key, ann.key, SHARE_BYTES);
	assert_int_equal(shares_sync(s), 0);
	shares_close(&s);
	s = opened();
	assert_int_equal(lost, 0); /* the loss was noted */
	assert_int_equal(shares_find(s, 2, &b, NULL), SHARE_LOST);
	assert_int_equal(shares_find(s, 3, &b, NULL), SHARE_HERE);
	assert_int_equal(shares_count(s).lost, 2);
	shares_close(&s);
}

static void
older_file_loses_only_later_shares(void **state)
{
	struct buf old;
	struct share b;

	(void)state;
	buf_init(&old, 0);
	struct share ann = two_shares();
	read_file("shares", &old);
	struct shares *s = opened();
	of(s, "cid");
	of(s, "dan");
	assert_int_equal(shares_sync(s), 0);
	shares_close(&s);
	put_span("shares", buf_view(&old));
	s = opened();
	assert_int_equal(lost, 2);
	assert_true(said(&lost_why, "older"));
	assert_memory_equal(of(s, "ann").key, ann.key, SHARE_BYTES);
	assert_int_equal(shares_find(s, 3, &b, NULL), SHARE_LOST);
	assert_int_equal(shares_find(s, 4, &b, NULL), SHARE_LOST);
	assert_int_equal(of(s, "cid").number, 5);
	shares_close(&s);
	/* Shares whose numbers are missing in the middle are lost too. */
	struct span ann_line = buf_view(&old);
	size_t from =
		(size_t)((char *)memmem(ann_line.p, ann_line.n, "share 1 ", 8) - ann_line.p);
	size_t to =
		(size_t)((char *)memmem(ann_line.p, ann_line.n, "share 2 ", 8) - ann_line.p);
	struct buf hole;
	buf_init(&hole, 0);
	buf_span(&hole, span_cut(ann_line, 0, from));
	buf_span(&hole, span_cut(ann_line, to, ann_line.n));
	put_span("shares", buf_view(&hole));
	buf_free(&hole);
	unlink(path("head"));
	s = opened();
	assert_int_equal(lost, 1);
	assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_LOST);
	assert_int_equal(shares_find(s, 2, &b, NULL), SHARE_HERE);
	shares_close(&s);
	/* Without the head, the loss is unknown. */
	put_span("shares", buf_view(&old));
	unlink(path("head"));
	s = opened();
	assert_int_equal(lost, 0);
	assert_int_equal(of(s, "cid").number, 3);
	shares_close(&s);
	buf_free(&old);
}

static void
erased_share_is_gone_and_its_number_stays_used(void **state)
{
	char want[PSEUDONYM_LEN + 3], p[PSEUDONYM_LEN + 1];
	struct buf before;
	struct share b;

	(void)state;
	buf_init(&before, 0);
	struct share ann = two_shares();
	int fd = open(path("shares"), O_RDONLY);
	struct shares *s = opened();
	uint64_t erasures = shares_erasures(s);
	assert_int_equal(erase(s, "nobody", "e0", 1), 0);
	assert_int_equal(erased.n, 0);
	assert_int_equal(shares_erasures(s), erasures);
	assert_int_equal(erase(s, "ann", "e1", 7), 0);
	assert_int_equal(shares_erasures(s), erasures + 1);
	share_pseudonym(&ann, p);
	snprintf(want, sizeof(want), "\"%s\"", p);
	assert_true(span_is(buf_view(&erased), want));
	assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_ERASED);
	assert_int_equal(shares_find(s, 2, &b, NULL), SHARE_HERE);
	assert_false(file_has("shares", &ann));
	assert_int_equal(buf_fd(&before, fd), 0);
	struct buf hex;
	buf_init(&hex, 0);
	buf_hex(&hex, ann.key, SHARE_BYTES);
	assert_null(memmem(buf_view(&before).p, before.n, buf_view(&hex).p, hex.n));
	assert_null(memmem(buf_view(&before).p, before.n, "YW5u", 4)); /* ann */
	close(fd);
	assert_true(shares_has_erased(s, "e1", 7));
	assert_true(shares_has_erased(s, "e1", 6));
	assert_false(shares_has_erased(s, "e1", 8));
	assert_false(shares_has_erased(s, "e2", 1));
	/* Whether caches have dropped the holder is separate, and may be known first. */
	assert_false(shares_has_forgotten(s, "e1", 7));
	shares_erase_forgotten(s, "e1", 7);
	shares_erase_forgotten(s, "e2", 3);
	assert_true(shares_has_forgotten(s, "e1", 7));
	assert_false(shares_has_forgotten(s, "e1", 8));
	assert_false(shares_has_erased(s, "e2", 3));
	b = of(s, "ann");
	assert_int_equal(b.number, 3);
	assert_memory_not_equal(b.key, ann.key, SHARE_BYTES);
	assert_int_equal(shares_sync(s), 0);
	shares_close(&s);
	s = opened();
	assert_int_equal(lost, 0);
	assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_ERASED);
	assert_int_equal(shares_find(s, 3, &b, NULL), SHARE_HERE);
	assert_true(shares_has_erased(s, "e1", 7));
	assert_true(shares_has_erased(s, "e0", 1));
	assert_true(shares_has_forgotten(s, "e1", 7));
	assert_true(shares_has_forgotten(s, "e2", 3));
	assert_false(shares_has_forgotten(s, "e0", 1));
	assert_false(shares_has_erased(s, "e2", 3));
	assert_int_equal(shares_count(s).erased, 1);
	assert_int_equal(shares_count(s).here, 2);
	/* The share of this holder was never written. */
	of(s, "eve");
	assert_int_equal(erase(s, "eve", "e1", 9), 0);
	assert_int_equal(shares_find(s, 4, &b, NULL), SHARE_ERASED);
	assert_true(shares_has_erased(s, "e1", 9));
	assert_int_equal(erase(s, "x", "a b", 9), ERR_SYNTAX);
	shares_close(&s);
	buf_free(&hex);
	buf_free(&before);
}

/* If the file were replaced, all shares would remain in freed blocks of the file system. */
static ino_t
inode(void)
{
	struct stat st;

	assert_int_equal(stat(path("shares"), &st), 0);
	return st.st_ino;
}

static void
share_file_is_never_replaced(void **state)
{
	char holder[16], erasure[16];
	struct share b;

	(void)state;
	two_shares();
	ino_t is = inode();
	struct shares *s = opened();
	for (int64_t i = 1; i <= 5; i++) {
		snprintf(holder, sizeof(holder), "h%d", (int)i);
		snprintf(erasure, sizeof(erasure), "e%d", (int)i);
		b = of(s, holder);
		assert_int_equal(shares_sync(s), 0);
		assert_int_equal(erase(s, holder, erasure, i), 0);
		assert_false(file_has("shares", &b));
		assert_int_equal(inode(), is);
	}
	shares_close(&s);
	s = opened();
	assert_int_equal(inode(), is);
	assert_int_equal(shares_count(s).erased, 5);
	assert_int_equal(shares_find(s, 3, &b, NULL), SHARE_ERASED);
	/* An erasure and an append that fail and are retried. */
	journal_io.fdatasync = failing_sync;
	journal_io.ftruncate = failing_cut;
	for (int at = 1; at < 4; at++) {
		snprintf(erasure, sizeof(erasure), "f%d", at);
		b = of(s, "cid");
		syncs_to_fail = at;
		cuts_to_fail = at;
		while (shares_sync(s))
			;
		syncs_to_fail = at;
		int err = erase(s, "cid", erasure, 1);
		while (err && shares_sync(s))
			;
		assert_int_equal(shares_find(s, b.number, &b, NULL), SHARE_ERASED);
		assert_false(file_has("shares", &b));
		assert_int_equal(inode(), is);
	}
	shares_close(&s);
	/* Shares that are lost because their lines are missing. */
	struct buf text;
	buf_init(&text, 0);
	struct span t = read_file("shares", &text);
	const char *bob = memmem(t.p, t.n, "share 2 ", 8);
	size_t from = (size_t)(bob - t.p), n = from;
	while (t.p[n] != '\n')
		n++;
	int fd = open(path("shares"), O_RDWR | O_TRUNC);
	assert_int_equal(write(fd, t.p, from), from);
	assert_int_equal(write(fd, t.p + n + 1, t.n - n - 1), t.n - n - 1);
	close(fd);
	s = opened();
	assert_int_equal(lost, 1);
	assert_int_equal(inode(), is);
	assert_int_equal(shares_find(s, 2, &b, NULL), SHARE_LOST);
	shares_close(&s);
	s = opened();
	assert_int_equal(lost, 0);
	assert_int_equal(shares_find(s, 2, &b, NULL), SHARE_LOST);
	shares_close(&s);
	buf_free(&text);
}

/* The rest of a failed append is overwritten before the file system may free its blocks. */
static void
tail_is_overwritten_before_it_is_cut_off(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 0);
	two_shares();
	struct span t = read_file("shares", &text);
	size_t whole = t.n;
	buf_str(&text, "share 3 0123456789abcdef");
	put_span("shares", buf_view(&text));
	journal_io.ftruncate = failing_cut;
	cuts_to_fail = 1;
	assert_null(try_open("gw-1"));
	t = read_file("shares", &text);
	assert_int_equal(t.n, whole + 24);
	assert_true(span_eq(span_cut(t, whole, t.n), SPAN_LIT("xxxxxxxxxxxxxxxxxxxxxxxx")));
	struct shares *s = opened();
	assert_int_equal(shares_count(s).here, 2);
	assert_int_equal(read_file("shares", &text).n, whole);
	shares_close(&s);
	buf_free(&text);
}

static void
backup_does_not_restore_an_erased_share(void **state)
{
	struct buf old;
	struct share b;

	(void)state;
	buf_init(&old, 0);
	struct share ann = two_shares();
	read_file("shares", &old);
	struct shares *s = opened();
	assert_int_equal(erase(s, "ann", "e1", 1), 0);
	shares_close(&s);
	put_span("shares", buf_view(&old));
	assert_true(file_has("shares", &ann));
	s = opened();
	assert_int_equal(lost, 0);
	assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_ERASED);
	assert_int_equal(shares_get(s, SPAN_LIT("ann"), false, &b), ERR_NOTFOUND);
	assert_int_equal(shares_find(s, 2, &b, NULL), SHARE_HERE);
	assert_false(file_has("shares", &ann));
	shares_close(&s);
	/* The file shows it without its head too. */
	s = shares_open(path("shares"), NULL, "gw-1", &lost, &lost_why, &why);
	assert_non_null(s);
	assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_ERASED);
	shares_close(&s);
	buf_free(&old);
}

/* The process ends at the point. The next start completes the erasure, or nothing had begun. */
static void
killed_erasure_is_completed_by_the_next_start(void **state)
{
	static const char *const points[] = { "shares-appended", "shares-erasing",
		"shares-overwritten", "replace-aside", "shares-erased" };
	char p[PSEUDONYM_LEN + 1];
	struct share b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(points); i++) {
		unlink(path("shares"));
		unlink(path("head"));
		struct share ann = two_shares();
		share_pseudonym(&ann, p);
		pid_t child = fork();
		if (child == 0) {
			struct shares *s = opened();
			stops_point = points[i];
			stops_hook = stops_kill;
			erase(s, "ann", "e1", 1);
			_exit(0);
		}
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		struct shares *s = opened();
		assert_int_equal(lost, 0);
		assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_ERASED);
		assert_int_equal(shares_find(s, 2, &b, NULL), SHARE_HERE);
		assert_false(file_has("shares", &ann));
		/* If it is not noted, it is carried out again, and returns the pseudonym of the
		 * erased person. */
		assert_false(shares_has_erased(s, "e1", 1));
		assert_int_equal(erase(s, "ann", "e1", 1), 0);
		assert_true(said(&erased, p));
		assert_true(shares_has_erased(s, "e1", 1));
		shares_close(&s);
	}
}

/* A power cut may interrupt the overwriting: any part of the line may be the old one. */
static void
half_overwritten_line_is_no_damage(void **state)
{
	struct buf text, torn;
	struct share b;

	(void)state;
	buf_init(&text, 0);
	buf_init(&torn, 0);
	struct share ann = two_shares();
	read_file("shares", &text);
	pid_t child = fork();
	if (child == 0) {
		struct shares *s = opened();
		stops_point = "shares-erasing";
		stops_hook = stops_kill;
		erase(s, "ann", "e1", 1);
		_exit(0);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	struct span t = read_file("shares", &text);
	const char *share = memmem(t.p, t.n, "share 1 ", 8);
	size_t from = (size_t)(share - t.p) + 8, to = from;
	while (t.p[to] != '\n')
		to++;
	for (size_t i = from; i <= to; i++) {
		buf_clear(&torn);
		buf_span(&torn, t);
		memset(torn.p + torn.start + i, 'x', to - i);
		put_span("shares", buf_view(&torn));
		struct shares *s = opened();
		assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_ERASED);
		assert_false(file_has("shares", &ann));
		shares_close(&s);
	}
	buf_free(&text);
	buf_free(&torn);
}

static void
failed_sync_is_repeated(void **state)
{
	struct share b;

	(void)state;
	two_shares();
	struct shares *s = opened();
	journal_io.fdatasync = failing_sync;
	journal_io.ftruncate = failing_cut;
	for (int cuts = 0; cuts < 2; cuts++) {
		of(s, cuts ? "dan" : "cid");
		syncs_to_fail = 1;
		cuts_to_fail = cuts;
		assert_int_equal(shares_sync(s), ERR_IO);
		assert_true(shares_dirty(s));
		assert_int_equal(shares_sync(s), 0);
		assert_false(shares_dirty(s));
	}
	shares_close(&s);
	s = opened();
	assert_int_equal(shares_count(s).here, 4);
	assert_int_equal(shares_find(s, 4, &b, NULL), SHARE_HERE);
	shares_close(&s);
}

static int fsyncs_left;

static int
failing_fsync(int fd)
{
	if (fsyncs_left-- == 0) {
		errno = EIO;
		return -1;
	}
	return fsync(fd);
}

static int syncs_left;

/* Fails once, after syncs_left calls. */
static int
failing_later_sync(int fd)
{
	if (syncs_left-- == 0) {
		errno = EIO;
		return -1;
	}
	return fdatasync(fd);
}

/* At each sync of an erasure: the share is unusable at once, and the erasure is retried, with
 * all pseudonyms. */
static void
failed_erasure_disables_the_share_and_is_retried(void **state)
{
	char p[PSEUDONYM_LEN + 1];
	struct share b;
	int failed = 0;

	(void)state;
	replace_io.fsync = failing_fsync;
	for (int at = 0; at < 9; at++) {
		fsyncs_left = 1000;
		unlink(path("shares"));
		unlink(path("head"));
		struct share ann = two_shares();
		share_pseudonym(&ann, p);
		struct shares *s = opened();
		journal_io.fdatasync = failing_sync;
		syncs_to_fail = at < 2 ? at + 1 : 0;
		fsyncs_left = at < 2 ? 1000 : at - 2;
		if (at == 8) { /* the sync of the overwritten bytes */
			fsyncs_left = 1000;
			syncs_left = 1;
			journal_io.fdatasync = failing_later_sync;
		}
		int err = erase(s, "ann", "e1", 1);
		failed += err != 0;
		assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_ERASED);
		assert_int_equal(shares_has_erased(s, "e1", 1), !err);
		assert_int_equal(said(&erased, p), !err);
		fsyncs_left = 1000;
		syncs_to_fail = 0;
		if (err) {
			assert_int_equal(err, ERR_IO);
			assert_true(shares_dirty(s));
			of(s, "cid");
			assert_int_equal(shares_sync(s), 0);
			assert_false(file_has("shares", &ann));
			assert_int_equal(erase(s, "ann", "e1", 1), 0);
			assert_true(said(&erased, p));
		}
		of(s, "dan");
		assert_int_equal(shares_sync(s), 0);
		shares_close(&s);
		s = opened();
		assert_int_equal(lost, 0);
		assert_int_equal(shares_count(s).here, err ? 3 : 2);
		assert_true(shares_has_erased(s, "e1", 1));
		shares_close(&s);
	}
	assert_true(failed >= 5);
}

static void
opening_for_reading_writes_nothing(void **state)
{
	struct buf text, again;
	struct share b;

	(void)state;
	buf_init(&text, 0);
	buf_init(&again, 0);
	struct share ann = two_shares();
	read_file("shares", &text);
	buf_str(&text, "share 3 01");
	put_span("shares", buf_view(&text));
	struct shares *s = shares_open(path("shares"), NULL, "gw-1", &lost, &lost_why, &why);
	assert_non_null(s);
	assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_HERE);
	assert_memory_equal(&b, &ann, sizeof(b));
	assert_int_equal(shares_get(s, SPAN_LIT("new"), true, &b), ERR_NOTFOUND);
	shares_close(&s);
	assert_true(span_eq(read_file("shares", &again), buf_view(&text)));
	assert_null(shares_open(path("none"), NULL, "gw-1", &lost, &lost_why, &why));
	buf_free(&text);
	buf_free(&again);
}

/* ---- threads ---- */

enum { HOLDERS = 300, ROUNDS = 30 };
static struct shares *shared;
static atomic_bool over;

static void *
get_many(void *arg UNUSED)
{
	struct share b, again;
	char holder[16];

	for (int r = 0; r < ROUNDS; r++)
		for (int i = 0; i < HOLDERS; i++) {
			snprintf(holder, sizeof(holder), "h%d", i);
			if (shares_get(shared, span_str(holder), true, &b))
				abort();
			enum share_state is = shares_find(shared, b.number, &again, NULL);
			if (is == SHARE_HERE ? memcmp(&b, &again, sizeof(b)) != 0
					     : is != SHARE_ERASED)
				abort();
		}
	return NULL;
}

static void *
sync_often(void *arg UNUSED)
{
	while (!atomic_load(&over)) {
		if (shares_sync(shared))
			abort();
		shares_erasures(shared);
	}
	return NULL;
}

static void
threads_get_one_share_per_holder(void **state)
{
	pthread_t worker[4], syncs;
	char holder[16], erasure[16];

	(void)state;
	shared = opened();
	atomic_store(&over, false);
	pthread_create(&syncs, NULL, sync_often, NULL);
	for (size_t i = 0; i < COUNT_OF(worker); i++)
		pthread_create(&worker[i], NULL, get_many, NULL);
	for (int i = 0; i < 5; i++) {
		snprintf(holder, sizeof(holder), "h%d", 17 * i);
		snprintf(erasure, sizeof(erasure), "e%d", i);
		assert_int_equal(erase(shared, holder, erasure, 1), 0);
	}
	for (size_t i = 0; i < COUNT_OF(worker); i++)
		pthread_join(worker[i], NULL);
	atomic_store(&over, true);
	pthread_join(syncs, NULL);
	struct shares_count c = shares_count(shared);
	assert_in_range(c.here, HOLDERS - 5, HOLDERS);
	assert_true(c.erased <= 5);
	assert_int_equal(shares_sync(shared), 0);
	shares_close(&shared);
	shared = opened();
	assert_int_equal(lost, 0);
	struct shares_count again = shares_count(shared);
	assert_memory_equal(&c, &again, sizeof(c));
	shares_close(&shared);
}

/* The file was missing during the erasure, and is restored afterwards. */
static void
erasure_known_only_to_the_head_is_repeated(void **state)
{
	struct buf old;

	(void)state;
	buf_init(&old, 0);
	two_shares();
	read_file("shares", &old);
	unlink(path("shares"));
	struct shares *s = opened();
	assert_int_equal(lost, 2);
	assert_int_equal(erase(s, "ann", "e1", 1), 0);
	assert_int_equal(erased.n, 0);
	shares_close(&s);
	put_span("shares", buf_view(&old));
	s = opened();
	assert_false(shares_has_erased(s, "e1", 1));
	assert_int_equal(erase(s, "ann", "e1", 1), 0);
	assert_int_not_equal(erased.n, 0);
	shares_close(&s);
	s = opened();
	assert_true(shares_has_erased(s, "e1", 1));
	shares_close(&s);
	buf_free(&old);
}

/* ---- names ---- */

static void
similar_names_are_found_nearest_first(void **state)
{
	static const char *const holders[] = { "alice", "alicia", "ali", "bob",
		"\xc3\xa9mile", /* precomposed */
		("Stra\xc3\x9f"
		 "e"),
		"10234", "\xff\xfe", "anna@example.com", "anna@example.org" };
	static const struct {
		const char *name, *first;
		unsigned slips;
		size_t n;
	} rows[] = {
		{ "ALICE", "alice", 0, 1 },
		{ "alcie", "alice", 1, 1 },
		{ "e\xcc\x81mile", "\xc3\xa9mile", 0, 1 },
		{ "\xef\xbd\x82ob", "bob", 0, 1 }, /* full-width b */
		{ "10235", "10234", 1, 1 },
		{ "anna@example.con", "anna@example.com", 1, 2 },
		{ "quetzalcoatl", NULL, 0, 0 },
		{ "", NULL, 0, 0 },
	};
	struct share_near near[2];
	struct shares *s = opened();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(holders); i++)
		of(s, holders[i]);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t n = shares_near(s, span_str(rows[i].name), near, COUNT_OF(near));
		if (n != rows[i].n ||
			(n && (near[0].slips != rows[i].slips ||
				      !span_is(span_of(near[0].name, near[0].n), rows[i].first))))
			fail_msg("%s: %zu, %.*s", rows[i].name, n, (int)(n ? near[0].n : 0),
				near[0].name);
	}
	shares_close(&s);
}

static void
nearest_of_many_names_are_kept(void **state)
{
	static const char *const holders[] = { "aabbccddxyz", "aabbccddeyz", "aabbccddeez",
		"aabbccddeeff", "AABBCCDDEEF" };
	struct share_near near[2];

	(void)state;
	for (size_t from = 0; from < COUNT_OF(holders); from++) {
		unlink(path("shares"));
		unlink(path("head"));
		struct shares *s = opened();
		for (size_t i = 0; i < COUNT_OF(holders); i++)
			of(s, holders[(from + i) % COUNT_OF(holders)]);
		assert_int_equal(shares_near(s, SPAN_LIT("aabbccddeef"), near, 2), 2);
		assert_true(span_is(span_of(near[0].name, near[0].n), "AABBCCDDEEF"));
		assert_int_equal(near[0].slips, 0);
		assert_int_equal(near[1].slips, 1);
		shares_close(&s);
	}
}

/* ---- erasures that the journal records ---- */

/* Makes a journal of two segments. The first one contains records of these erasures, by
 * pseudonym, from the second record on; the second one contains none. */
static uint64_t
put_journal(const char (*pseudonym)[PSEUDONYM_LEN + 1], size_t n)
{
	struct chain c = { .node = "gw-1", .boot = 1 };
	struct buf text;
	char fields[256], name[JOURNAL_NAME_MAX + 16];

	buf_init(&text, 0);
	mkdir(path("journal"), 0700);
	chain_record(&text, &c, NOW, SPAN_LIT("\"type\":\"boot\""));
	for (size_t i = 0; i < n; i++) {
		snprintf(fields, sizeof(fields),
			"\"type\":\"erase\",\"erasure\":\"e\",\"serial\":%zu,"
			"\"pseudonyms\":[\"p_00000000000000000000000000000000\",\"%s\"],"
			"\"why\":\"w\"",
			i + 1, pseudonym[i]);
		chain_record(&text, &c, NOW, span_str(fields));
	}
	put_span("journal/gw-1-00000001-0000000000000001.jsonl", buf_view(&text));
	snprintf(name, sizeof(name), "journal/gw-1-00000001-%016llu.jsonl",
		(unsigned long long)c.seq + 1);
	buf_clear(&text);
	chain_record(&text, &c, NOW, SPAN_LIT("\"type\":\"close\""));
	put_span(name, buf_view(&text));
	buf_free(&text);
	return c.seq;
}

/* Opens the files and follows the journal. Returns how many shares were erased. */
static size_t
followed(struct shares **out)
{
	size_t n = 0;

	*out = opened();
	buf_clear(&why);
	if (shares_follow(*out, path("journal"), "gw-1", &n, &why))
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	return n;
}

static void
recorded_erasures_are_repeated_in_a_restored_file_and_head(void **state)
{
	struct share ann = two_shares(), b;
	char p[1][PSEUDONYM_LEN + 1];
	struct shares *s;

	(void)state;
	share_pseudonym(&ann, p[0]);
	uint64_t end = put_journal((const char(*)[PSEUDONYM_LEN + 1]) p, 1);
	assert_int_equal(followed(&s), 1);
	assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_ERASED);
	assert_int_equal(shares_find(s, 2, &b, NULL), SHARE_HERE);
	assert_false(file_has("shares", &ann));
	/* the next record of an erasure does not name her */
	assert_int_equal(erase(s, "nobody", "e1", 1), 0);
	assert_int_equal(erased.n, 0);
	of(s, "ann"); /* later, under another pseudonym */
	assert_int_equal(shares_sync(s), 0);
	shares_close(&s);
	assert_int_equal(followed(&s), 0);
	assert_int_equal(shares_find(s, 3, &b, NULL), SHARE_HERE);
	shares_seen(s, end, true);
	assert_int_equal(shares_sync(s), 0);
	shares_close(&s);
}

static void
journal_is_read_from_the_position_in_the_head(void **state)
{
	char p[2][PSEUDONYM_LEN + 1];
	struct share ann = two_shares(), bob;
	struct shares *s;

	(void)state;
	share_pseudonym(&ann, p[0]);
	uint64_t end = put_journal(NULL, 0);
	assert_int_equal(followed(&s), 0);
	shares_seen(s, end + 1, true);
	shares_sync(s);
	bob = of(s, "bob");
	shares_close(&s);
	share_pseudonym(&bob, p[1]);
	/* the first record is record 2, which was read before; the second one is record 3 */
	put_journal((const char(*)[PSEUDONYM_LEN + 1]) p, 2);
	struct buf head;
	buf_init(&head, 0);
	read_file("head", &head);
	assert_true(said(&head, "journal 3 "));
	assert_int_equal(followed(&s), 0);
	shares_close(&s);
	/* the head of an earlier version has no position: everything is read */
	char *line = memmem(head.p, head.n, "journal 3 ", 10);
	size_t before = (size_t)(line - (char *)head.p), length = strcspn(line, "\n") + 1;
	memmove(line, line + length, head.n - before - length);
	put_span("head", span_cut(buf_view(&head), 0, head.n - length));
	assert_int_equal(followed(&s), 2);
	shares_close(&s);
	buf_free(&head);
}

static void
killed_repeated_erasure_is_completed_by_the_next_start(void **state)
{
	static const char *const points[] = { "shares-appended", "shares-erasing",
		"shares-overwritten" };
	char p[1][PSEUDONYM_LEN + 1];
	struct share b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(points); i++) {
		unlink(path("shares"));
		unlink(path("head"));
		struct share ann = two_shares();
		share_pseudonym(&ann, p[0]);
		put_journal((const char(*)[PSEUDONYM_LEN + 1]) p, 1);
		pid_t child = fork();
		if (child == 0) {
			struct shares *s;
			stops_point = points[i];
			stops_hook = stops_kill;
			followed(&s);
			_exit(0);
		}
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		struct shares *s;
		followed(&s);
		assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_ERASED);
		assert_int_equal(shares_find(s, 2, &b, NULL), SHARE_HERE);
		assert_false(file_has("shares", &ann));
		shares_close(&s);
	}
}

static void
unreadable_journal_does_not_count_as_read(void **state)
{
	struct share ann = two_shares();
	char p[1][PSEUDONYM_LEN + 1];
	struct shares *s = opened();
	size_t n;

	(void)state;
	share_pseudonym(&ann, p[0]);
	assert_int_not_equal(shares_follow(s, path("none"), "gw-1", &n, &why), 0);
	shares_seen(s, 9, true);
	shares_sync(s);
	shares_close(&s);
	put_journal((const char(*)[PSEUDONYM_LEN + 1]) p, 1);
	assert_int_equal(followed(&s), 1);
	shares_close(&s);
}

/* The other segment is damaged: a byte is changed, or its end is missing. */
static void
readable_segments_are_followed(bool cut)
{
	struct share ann = two_shares(), b;
	char p[1][PSEUDONYM_LEN + 1], name[JOURNAL_NAME_MAX + 32];
	struct shares *s = opened();
	size_t n;

	share_pseudonym(&ann, p[0]);
	uint64_t end = put_journal((const char(*)[PSEUDONYM_LEN + 1]) p, 1);
	snprintf(name, sizeof(name), "journal/gw-1-00000001-%016llu.jsonl",
		(unsigned long long)end);
	struct seekable_writer w;
	struct buf packed;
	buf_init(&packed, 0);
	assert_int_equal(unlink(path(name)), 0);
	assert_int_equal(seekable_begin(&w), 0);
	assert_int_equal(seekable_encode(&w, SPAN_LIT("{\"type\":\"close\"}\n"), &packed), 0);
	size_t frames = packed.n;
	packed.p[packed.n / 2] ^= cut ? 0 : 0x55;
	assert_int_equal(seekable_finish(&w, &packed), 0);
	seekable_end(&w);
	mkdir(path("journal.keep"), 0700);
	snprintf(name, sizeof(name), "journal.keep/gw-1-00000001-%016llu.jsonl.zst",
		(unsigned long long)end);
	put_span(name, span_cut(buf_view(&packed), 0, cut ? frames : packed.n));
	buf_free(&packed);
	assert_int_not_equal(shares_follow(s, path("journal"), "gw-1", &n, &why), 0);
	assert_int_equal(n, 1);
	assert_int_equal(shares_find(s, 1, &b, NULL), SHARE_ERASED);
	/* the head notes the readable segment, and the next start reads the damaged one
	 * again */
	struct buf head;
	buf_init(&head, 0);
	read_file("head", &head);
	snprintf(name, sizeof(name), "journal %llu ", (unsigned long long)end - 1);
	assert_true(said(&head, name));
	buf_free(&head);
	shares_seen(s, 9, true);
	shares_sync(s);
	shares_close(&s);
	s = opened();
	assert_int_not_equal(shares_follow(s, path("journal"), "gw-1", &n, &why), 0);
	shares_close(&s);
}

static void
erasures_in_readable_segments_are_carried_out(void **state)
{
	(void)state;
	readable_segments_are_followed(false);
}

static void
segment_without_its_frame_table_does_not_count_as_read(void **state)
{
	(void)state;
	readable_segments_are_followed(true);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_FOLDER(share_belongs_to_its_holder_and_is_kept),
		IN_FOLDER(holder_has_1_to_1024_bytes_and_longer_names_are_hashed),
		IN_FOLDER(derived_values_of_a_share_are_fixed),
		IN_FOLDER(share_file_readable_by_others_is_refused),
		IN_FOLDER(share_file_of_another_node_is_refused),
		IN_FOLDER(damaged_line_is_refused_with_its_number),
		IN_FOLDER(incomplete_last_line_is_cut_off),
		IN_FOLDER(shares_of_a_missing_file_are_lost_and_numbers_continue),
		IN_FOLDER(older_file_loses_only_later_shares),
		IN_FOLDER(erased_share_is_gone_and_its_number_stays_used),
		IN_FOLDER(share_file_is_never_replaced),
		IN_FOLDER(tail_is_overwritten_before_it_is_cut_off),
		IN_FOLDER(backup_does_not_restore_an_erased_share),
		IN_FOLDER(killed_erasure_is_completed_by_the_next_start),
		IN_FOLDER(half_overwritten_line_is_no_damage),
		IN_FOLDER(failed_sync_is_repeated),
		IN_FOLDER(failed_erasure_disables_the_share_and_is_retried),
		IN_FOLDER(opening_for_reading_writes_nothing),
		IN_FOLDER(threads_get_one_share_per_holder),
		IN_FOLDER(similar_names_are_found_nearest_first),
		IN_FOLDER(nearest_of_many_names_are_kept),
		IN_FOLDER(erasure_known_only_to_the_head_is_repeated),
		IN_FOLDER(recorded_erasures_are_repeated_in_a_restored_file_and_head),
		IN_FOLDER(journal_is_read_from_the_position_in_the_head),
		IN_FOLDER(killed_repeated_erasure_is_completed_by_the_next_start),
		IN_FOLDER(unreadable_journal_does_not_count_as_read),
		IN_FOLDER(erasures_in_readable_segments_are_carried_out),
		IN_FOLDER(segment_without_its_frame_table_does_not_count_as_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
