/* Hash files: proofs made from them verify; files that are torn, short, cut, changed, of
 * another node, or on a full disk. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "record/proof/tiles.h"
#include "support/merkle_inclusion.h"
#include "support/temp_dir.h"

/* a tile of level 2, a partial one of level 1, a partial one of level 0 */
#define LEAVES 70000

static struct merkle_hash leaf[LEAVES], other[LEAVES];
static struct merkle_range whole; /* the range over all of leaf[] */
static struct buf why;

static int
make(void **state)
{
	for (uint64_t i = 0; i < LEAVES; i++) {
		sha256((struct span){ (const char *)&i, sizeof(i) }, leaf[i].b);
		other[i] = leaf[i];
		other[i].b[0] ^= 1;
		merkle_append(&whole, &leaf[i]);
	}
	buf_init(&why, 4096);
	return temp_dir_make(state);
}

static int
clear(void **state)
{
	buf_free(&why);
	return temp_dir_remove(state);
}

/* Opens a folder of its own, with the journal "NAME" in it. */
static struct tiles
open_tiles(const char *name, bool writes)
{
	struct tiles t;

	buf_clear(&why);
	int err = tiles_open(&t, path(name), "gw-1", writes, &why);
	if (err)
		fail_msg("%s: %.*s", err_str(err), (int)why.n, why.p);
	return t;
}

static void
check_whole(struct tiles *t)
{
	struct merkle_source s = tiles_source(t);
	struct merkle_hash proof[MERKLE_PROOF_MAX], root;
	struct merkle_range at;
	size_t n;

	assert_int_equal(t->n, LEAVES);
	merkle_root(&whole, &root);
	assert_int_equal(merkle_range_at(&s, LEAVES, &at), 0);
	assert_memory_equal(
		at.hash, whole.hash, merkle_range_hashes(LEAVES) * sizeof(struct merkle_hash));
	for (uint64_t i = 0; i < LEAVES; i += 997) {
		assert_int_equal(merkle_inclusion(&s, i, LEAVES, proof, &n), 0);
		assert_true(merkle_included(&leaf[i], i, LEAVES, proof, n, &root));
	}
}

static void
put_all(const char *name)
{
	struct tiles t = open_tiles(name, true);

	/* In pieces of every size. */
	for (size_t at = 0, n = 1; at < LEAVES; at += n, n = n * 2 % 6007 + 1)
		assert_int_equal(
			tiles_append(&t, leaf + at, at + n > LEAVES ? LEAVES - at : n, &why),
			0);
	check_whole(&t);
	tiles_close(&t);
}

static long
size_of(const char *name)
{
	struct stat st;

	return stat(path(name), &st) < 0 ? -1 : (long)st.st_size;
}

static void
level_files_hold_complete_subtrees(void **state)
{
	struct stat st;

	(void)state;
	put_all("plain");
	assert_int_equal(size_of("plain.tree/gw-1.0"), LEAVES * 32);
	assert_int_equal(size_of("plain.tree/gw-1.1"), LEAVES / 256 * 32);
	assert_int_equal(size_of("plain.tree/gw-1.2"), LEAVES / 65536 * 32);
	assert_int_equal(size_of("plain.tree/gw-1.3"), -1);
	assert_int_equal(stat(path("plain.tree"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	struct tiles t = open_tiles("plain", false);
	check_whole(&t);
	tiles_close(&t);
	/* Slashes after a folder's name are not part of the name. */
	t = open_tiles("plain//", false);
	check_whole(&t);
	tiles_close(&t);
}

static void
missing_hashes_are_not_found(void **state)
{
	struct tiles t;

	(void)state;
	buf_clear(&why);
	assert_int_equal(tiles_open(&t, path("absent"), "gw-1", false, &why), ERR_NOTFOUND);
	put_all("one");
	assert_int_equal(tiles_open(&t, path("one"), "gw-2", false, &why), ERR_NOTFOUND);
	/* A new node begins its own files. */
	assert_int_equal(tiles_open(&t, path("one"), "gw-2", true, &why), 0);
	assert_int_equal(t.n, 0);
	tiles_close(&t);
	assert_int_equal(symlink("/dev/null", path("one.tree/gw-3.0")), 0);
	assert_int_equal(tiles_open(&t, path("one"), "gw-3", true, &why), ERR_IO);
	assert_int_equal(mkfifo(path("one.tree/gw-4.0"), 0600), 0);
	assert_int_equal(tiles_open(&t, path("one"), "gw-4", true, &why), ERR_IO);
	assert_int_equal(tiles_open(&t, path("one"), "gw-4", false, &why), ERR_IO);
}

/* Following a link would write to or truncate another file. */
static void
symbolic_link_to_a_hash_file_is_not_followed(void **state)
{
	static const char text[] = "of somebody else";
	struct tiles t;

	(void)state;
	put_all("linked");
	put("victim", text);
	for (const char *level = "01"; *level; level++) {
		char name[32];
		snprintf(name, sizeof(name), "linked.tree/gw-1.%c", *level);
		assert_int_equal(unlink(path(name)), 0);
		assert_int_equal(symlink(path("victim"), path(name)), 0);
		buf_clear(&why);
		int err = tiles_open(&t, path("linked"), "gw-1", true, &why);
		assert_int_equal(err, ERR_IO);
		assert_int_equal(size_of("victim"), sizeof(text) - 1);
		assert_int_equal(unlink(path(name)), 0);
		put(name, "");
	}
}

/* Leaves after the end of the journal were never committed. */
static void
leaves_after_the_journals_end_are_cut_off(void **state)
{
	struct tiles t;

	(void)state;
	put_all("beyond");
	buf_clear(&why);
	assert_int_equal(
		tiles_open_most(&t, path("beyond"), "gw-1", 65535, NULL, NULL, &why), 0);
	assert_int_equal(t.n, 65535);
	assert_int_equal(size_of("beyond.tree/gw-1.0"), 65535 * 32);
	assert_int_equal(size_of("beyond.tree/gw-1.1"), 255 * 32);
	struct merkle_source s = tiles_source(&t);
	struct merkle_hash h;
	assert_int_equal(s.hash(s.arg, 0, 65534, &h), 0);
	assert_int_equal(s.hash(s.arg, 0, 65535, &h), ERR_NOTFOUND);
	assert_int_equal(s.hash(s.arg, 8, 255, &h), ERR_NOTFOUND);
	/* A leaf at the end has no place before the previous ones are written. */
	assert_int_equal(tiles_put(&t, 65535, leaf + 65535, 1, &why), ERR_LIMIT);
	assert_int_equal(tiles_append(&t, leaf + 65535, LEAVES - 65535, &why), 0);
	check_whole(&t);
	tiles_close(&t);
}

static bool
stop_soon(const void *left)
{
	return (*(int *)(uintptr_t)left)-- <= 0;
}

/* A check of a large tree ends when it is stopped, and is left to be done. */
static void
long_check_can_be_stopped(void **state)
{
	struct tiles t;
	int left = 3;
	uint64_t at;

	(void)state;
	put_all("ended");
	assert_int_equal(unlink(path("ended.tree/gw-1.1")), 0);
	buf_clear(&why);
	assert_int_equal(
		tiles_open_most(&t, path("ended"), "gw-1", LEAVES, stop_soon, &left, &why),
		ERR_CLOSED);
	left = 1 << 30;
	assert_int_equal(
		tiles_open_most(&t, path("ended"), "gw-1", LEAVES, stop_soon, &left, &why), 0);
	check_whole(&t);
	left = 2;
	assert_int_equal(tiles_wrong(&t, 0, &at), ERR_CLOSED);
	tiles_close(&t);
}

/* Every way in which a crash, an operator or a disk can shorten or lengthen the files. */
static void
files_of_any_length_are_opened_to_their_valid_leaves(void **state)
{
	static const struct {
		const char *name, *file;
		long size;     /* the new size of the file */
		uint64_t read; /* leaves that a reader finds, */
		uint64_t left; /* and that a writer finds */
	} rows[] = {
		{ "a torn hash", "0", 65000L * 32 + 13, 65000, 65000 },
		{ "no leaves", "0", 0, 0, 0 },
		{ "level 1 is short", "1", 100 * 32 + 31, 101 * 256 - 1, LEAVES },
		{ "level 1 is empty", "1", 0, 255, LEAVES },
		{ "level 1 is too long", "1", 300 * 32, LEAVES, LEAVES },
		{ "level 2 is gone", "2", -1, 65535, LEAVES },
		{ "leaves too long", "0", (LEAVES + 1L) * 32 + 1, LEAVES + 1, LEAVES + 1 },
		{ "a level too many", "3", 32, LEAVES, LEAVES },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char name[16], file[40];
		snprintf(name, sizeof(name), "cut%zu", i);
		snprintf(file, sizeof(file), "%s.tree/gw-1.%s", name, rows[i].file);
		put_all(name);
		if (rows[i].size < 0) {
			assert_int_equal(unlink(path(file)), 0);
		} else {
			int fd = open(path(file), O_RDWR | O_CREAT, 0600);
			assert_int_equal(ftruncate(fd, rows[i].size), 0);
			close(fd);
		}
		struct tiles t = open_tiles(name, false);
		if (t.n != rows[i].read)
			fail_msg("%s: %lu leaves read", rows[i].name, t.n);
		tiles_close(&t);
		t = open_tiles(name, true);
		if (t.n != rows[i].left)
			fail_msg("%s: %lu leaves left", rows[i].name, t.n);
		if (t.n > LEAVES)
			assert_int_equal(tiles_cut(&t, LEAVES, &why), 0);
		assert_int_equal(tiles_append(&t, leaf + t.n, (size_t)(LEAVES - t.n), &why), 0);
		check_whole(&t);
		tiles_close(&t);
		assert_int_equal(size_of(file), !strcmp(rows[i].file, "0")   ? LEAVES * 32
						: !strcmp(rows[i].file, "1") ? LEAVES / 256 * 32
						: !strcmp(rows[i].file, "2") ? 32
									     : 0);
	}
}

static void
flip(const char *file, long at)
{
	int fd = open(path(file), O_RDWR);
	char c;

	assert_int_equal(pread(fd, &c, 1, at), 1);
	c = (char)(c ^ 0x10);
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void
changed_hashes_are_found_and_repaired(void **state)
{
	static const struct {
		const char *name, *file;
		long at;
		bool seen; /* in a complete tile */
	} rows[] = {
		{ "a leaf", "0", 1000 * 32 + 7, true },
		{ "the last leaf of a whole tile", "0", LEAVES / 256 * 256 * 32 - 1, true },
		{ "a leaf of the last tile", "0", LEAVES * 32 - 9, false },
		{ "level 1", "1", 77 * 32, true },
		{ "level 2", "2", 3, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char name[16], file[40];
		uint64_t bad = 0;
		snprintf(name, sizeof(name), "flip%zu", i);
		snprintf(file, sizeof(file), "%s.tree/gw-1.%s", name, rows[i].file);
		put_all(name);
		flip(file, rows[i].at);
		struct tiles t = open_tiles(name, true);
		assert_int_equal(tiles_wrong(&t, 0, &bad), rows[i].seen);
		bool differs =
			memcmp(t.range.hash, whole.hash, merkle_range_hashes(LEAVES) * 32) != 0;
		assert_true(rows[i].seen || differs);
		if (!rows[i].seen)
			bad = LEAVES / 256 * 256;
		size_t n = LEAVES - bad < 256 ? (size_t)(LEAVES - bad) : 256;
		assert_int_equal(tiles_put(&t, bad, leaf + bad, n, &why), 0);
		assert_int_equal(tiles_wrong(&t, 0, &bad), 0);
		assert_int_equal(tiles_mend(&t, &why), 0);
		check_whole(&t);
		assert_int_equal(tiles_put(&t, LEAVES - 1, leaf, 2, &why), ERR_LIMIT);
		tiles_close(&t);
	}
}

/* Valid in themselves, but of another log: their range shows it, and they are overwritten. */
static void
tiles_of_another_node_have_another_range(void **state)
{
	uint64_t bad;

	(void)state;
	struct tiles t = open_tiles("foreign", true);
	assert_int_equal(tiles_append(&t, other, LEAVES, &why), 0);
	assert_int_equal(tiles_wrong(&t, 0, &bad), 0);
	assert_memory_not_equal(&t.range, &whole, sizeof(whole));
	assert_int_equal(tiles_put(&t, 0, leaf, LEAVES, &why), 0);
	assert_int_equal(tiles_mend(&t, &why), 0);
	check_whole(&t);
	tiles_close(&t);
}

static void
full_disk_leaves_the_hash_files_unchanged(void **state)
{
	struct rlimit was, small;

	(void)state;
	put_all("full");
	struct tiles t = open_tiles("full", true);
	assert_int_equal(tiles_cut(&t, 66000, &why), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 66500 * 32 + 5;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(tiles_append(&t, leaf + 66000, LEAVES - 66000, &why), ERR_FULL);
	assert_int_equal(t.n, 66000);
	assert_int_equal(size_of("full.tree/gw-1.0"), 66000 * 32);
	buf_putc(&why, '\0');
	assert_non_null(strstr(why.p, "gw-1.0: "));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(tiles_append(&t, leaf + 66000, LEAVES - 66000, &why), 0);
	check_whole(&t);
	tiles_close(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(level_files_hold_complete_subtrees),
		cmocka_unit_test(missing_hashes_are_not_found),
		cmocka_unit_test(files_of_any_length_are_opened_to_their_valid_leaves),
		cmocka_unit_test(symbolic_link_to_a_hash_file_is_not_followed),
		cmocka_unit_test(leaves_after_the_journals_end_are_cut_off),
		cmocka_unit_test(long_check_can_be_stopped),
		cmocka_unit_test(changed_hashes_are_found_and_repaired),
		cmocka_unit_test(tiles_of_another_node_have_another_range),
		cmocka_unit_test(full_disk_leaves_the_hash_files_unchanged),
	};

	return cmocka_run_group_tests(tests, make, clear);
}
