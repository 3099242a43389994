/* Records the files of a load, and reads them from the record instead of the disk. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file_set.h"
#include "base/scoped.h"

static char dir[] = "/tmp/tgfiles.XXXXXX";

static const char *
in_dir(const char *name)
{
	static char path[4][128];
	static unsigned turn;
	char *p = path[turn++ % COUNT_OF(path)];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Asserts the content that buf_file() reads; NULL: it fails with the errno `err`. */
static void
assert_reads(enum set_file_kind kind, const char *name, const char *text, int err)
{
	SCOPED_BUF(b, 0);
	errno = 0;
	assert_int_equal(file_set_read_as(kind, &b, in_dir(name)), text != NULL);
	if (text)
		assert_true(span_is(buf_view(&b), text));
	else
		assert_int_equal(errno, err);
}

static void
recorded_load_is_repeated_without_the_disk(void **state)
{
	struct file_set set;

	(void)state;
	write_file("policy.yaml", "old policy");
	write_file("words.txt", "old words");
	write_file("keys.yaml", "old keys");
	file_set_init(&set);
	file_set_record(&set);
	assert_reads(FILE_OF_POLICY, "policy.yaml", "old policy", 0);
	assert_reads(FILE_OF_POLICY, "policy.yaml", "old policy", 0);
	assert_reads(FILE_OF_WORDS, "words.txt", "old words", 0);
	assert_reads(FILE_ROTATES, "keys.yaml", "old keys", 0);
	assert_reads(FILE_OF_POLICY, "missing.yaml", NULL, ENOENT);
	file_set_record(NULL);
	assert_int_equal(set.n, 3);
	assert_false(set.failed);
	assert_null(file_set_find(&set, in_dir("keys.yaml"))->text.p);

	write_file("policy.yaml", "new policy");
	write_file("keys.yaml", "new keys");
	write_file("missing.yaml", "no longer missing");
	unlink(in_dir("words.txt"));
	file_set_from(&set, SET_AS_LOADED);
	assert_reads(FILE_OF_POLICY, "policy.yaml", "old policy", 0);
	assert_reads(FILE_OF_WORDS, "words.txt", "old words", 0);
	assert_reads(FILE_ROTATES, "keys.yaml", "new keys", 0);
	assert_reads(FILE_OF_POLICY, "missing.yaml", NULL, ENOENT);
	assert_reads(FILE_ROTATES, "missing.yaml", "no longer missing", 0);
	file_set_from(NULL, SET_AS_LOADED);
	assert_reads(FILE_OF_POLICY, "policy.yaml", "new policy", 0);
	file_set_free(&set);
}

/* A policy that a caller sends cannot read other files, and cannot read a file as another
 * kind. */
static void
only_recorded_files_of_the_same_kind_are_read(void **state)
{
	struct file_set set;

	(void)state;
	write_file("policy.yaml", "in force");
	write_file("words.txt", "words");
	write_file("other.yaml", "other");
	write_file("keys.yaml", "keys");
	file_set_init(&set);
	assert_true(file_set_add(&set, FILE_OF_POLICY, in_dir("policy.yaml"), SPAN_LIT("x")));
	assert_true(file_set_add(&set, FILE_OF_WORDS, in_dir("words.txt"), SPAN_LIT("words")));
	assert_true(file_set_add(&set, FILE_ROTATES, in_dir("keys.yaml"), SPAN_LIT("")));
	assert_true(file_set_replace(&set, in_dir("policy.yaml"), SPAN_LIT("sent")));
	assert_false(file_set_replace(&set, in_dir("other.yaml"), SPAN_LIT("sent")));
	file_set_from(&set, SET_ONLY);
	assert_reads(FILE_OF_POLICY, "policy.yaml", "sent", 0);
	assert_reads(FILE_OF_WORDS, "words.txt", "words", 0);
	assert_reads(FILE_ROTATES, "keys.yaml", "keys", 0);
	assert_reads(FILE_OF_POLICY, "words.txt", NULL, EACCES);
	assert_reads(FILE_OF_POLICY, "keys.yaml", NULL, EACCES);
	assert_reads(FILE_OF_POLICY, "other.yaml", NULL, EACCES);
	assert_reads(FILE_ROTATES, "other.yaml", NULL, EACCES);
	file_set_from(NULL, SET_AS_LOADED);
	file_set_free(&set);
}

static void
folder_is_listed_from_the_set(void **state)
{
	struct file_set set;
	struct arena a;
	struct stat st;
	const char **names;

	(void)state;
	arena_init(&a, 0, false);
	file_set_init(&set);
	file_set_add(&set, FILE_OF_POLICY, in_dir("rules/b.yaml"), SPAN_LIT("b"));
	file_set_add(&set, FILE_OF_POLICY, in_dir("rules/a.yaml"), SPAN_LIT("a"));
	file_set_add(&set, FILE_OF_POLICY, in_dir("rules/.c.yaml"), SPAN_LIT("c"));
	file_set_add(&set, FILE_OF_POLICY, in_dir("rules/names/d.yaml"), SPAN_LIT("d"));
	file_set_add(&set, FILE_OF_POLICY, in_dir("rules.yaml"), SPAN_LIT("e"));
	file_set_from(&set, SET_AS_LOADED);
	assert_int_equal(file_set_list(&a, in_dir("rules"), ".yaml", &names), 2);
	assert_string_equal(names[0], "a.yaml");
	assert_string_equal(names[1], "b.yaml");
	assert_int_equal(file_set_list(&a, in_dir("rules.yaml"), ".yaml", &names), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(file_set_list(&a, in_dir("none"), ".yaml", &names), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(file_set_stat(in_dir("rules"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(file_set_stat(in_dir("rules.yaml"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(file_set_stat(in_dir("none"), &st), -1);
	file_set_from(NULL, SET_AS_LOADED);

	mkdir(in_dir("rules"), 0700);
	write_file("rules/b.yaml", "on the disk");
	write_file("rules/e.yaml", "on the disk");
	file_set_from(&set, SET_OVER_DISK);
	assert_int_equal(file_set_list(&a, in_dir("rules"), ".yaml", &names), 3);
	assert_string_equal(names[0], "a.yaml");
	assert_string_equal(names[1], "b.yaml");
	assert_string_equal(names[2], "e.yaml");
	assert_int_equal(file_set_list(&a, in_dir("none"), ".yaml", &names), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(file_set_list(&a, in_dir(""), ".none", &names), 0);
	file_set_from(NULL, SET_AS_LOADED);

	write_file("z.txt", "");
	write_file("y.txt", "");
	assert_true(file_set_list(&a, dir, ".txt", &names) >= 2);
	assert_int_equal(file_set_list(&a, in_dir("none"), ".txt", &names), -1);
	arena_reset(&a);
	file_set_free(&set);
}

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state)
{
	char cmd[64];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_load_is_repeated_without_the_disk),
		cmocka_unit_test(only_recorded_files_of_the_same_kind_are_read),
		cmocka_unit_test(folder_is_listed_from_the_set),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
