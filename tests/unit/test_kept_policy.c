/* The texts of policies beside the journal: each text is stored once, read back, and a changed
 * byte is noticed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/scoped.h"
#include "record/archive/files.h"
#include "record/archive/kept_policy.h"

static char dir[] = "/tmp/tgkept.XXXXXX";
static char journal[64];
static const struct kept_places places = { .journal = journal };

#define VERSION "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void
fill(struct kept_policy *k, const char *text)
{
	*k = (struct kept_policy){ .label = "p@0123456789ab", .version = VERSION, .root = "/etc/p.yaml" };
	file_set_init(&k->files);
	assert_true(file_set_add(&k->files, FILE_OF_POLICY, "/etc/p.yaml", span_str(text)));
	assert_true(file_set_add(&k->files, FILE_OF_WORDS, "/etc/words", SPAN_LIT("a\0b\n")));
	assert_true(file_set_add(&k->files, FILE_ROTATES, "/etc/keys.yaml", SPAN_LIT("hidden")));
	assert_true(file_set_add(
		&k->files, FILE_OF_CONFIGURATION, "/etc/tollgate.yaml", SPAN_LIT("hidden")));
	assert_true(file_set_add(&k->files, FILE_OF_POLICY, "/etc/empty.yaml", SPAN_LIT("")));
}

static int
put(const char *text, char hash[KEPT_POLICY_HEX])
{
	struct kept_policy k;

	SCOPED_BUF(why, 0);
	fill(&k, text);
	int err = kept_policy_put(journal, &k, &why);
	if (hash)
		memcpy(hash, k.hash, KEPT_POLICY_HEX);
	file_set_free(&k.files);
	return err;
}

static size_t
files_kept(char *last, size_t size)
{
	char path[80];
	size_t n = 0;

	snprintf(path, sizeof(path), "%s" KEPT_POLICY_FOLDER, journal);
	DIR *d = opendir(path);
	for (const struct dirent *e; d && (e = readdir(d));)
		if (e->d_name[0] != '.') {
			snprintf(last, size, "%s/%s", path, e->d_name);
			n++;
		}
	if (d)
		closedir(d);
	return n;
}

static void
policy_text_is_read_back_and_stored_once(void **state)
{
	char name[256], first[KEPT_POLICY_HEX], second[KEPT_POLICY_HEX];
	struct kept_policy k;

	(void)state;
	SCOPED_BUF(why, 0);
	assert_int_equal(put("one", first), 0);
	assert_int_equal(put("one", second), 0);
	assert_string_equal(first, second);
	assert_int_equal(files_kept(name, sizeof(name)), 1);
	assert_int_equal(kept_policy_get(&places, VERSION, NULL, &k, &why), 0);
	assert_string_equal(k.root, "/etc/p.yaml");
	assert_string_equal(k.version, VERSION);
	assert_null(k.detectors);
	assert_string_equal(k.hash, first);
	assert_int_equal(k.files.n, 3);
	assert_true(span_is(k.files.v[0].text, "one"));
	assert_int_equal(k.files.v[1].kind, FILE_OF_WORDS);
	assert_true(span_eq(k.files.v[1].text, SPAN_LIT("a\0b\n")));
	assert_null(file_set_find(&k.files, "/etc/keys.yaml"));
	assert_null(file_set_find(&k.files, "/etc/tollgate.yaml"));
	kept_policy_free(&k);

	/* The same version with another comment is another text, and both are kept. */
	assert_int_equal(put("one # comment", second), 0);
	assert_string_not_equal(first, second);
	assert_int_equal(files_kept(name, sizeof(name)), 2);
	assert_int_equal(kept_policy_get(&places, VERSION, first, &k, &why), 0);
	assert_true(span_is(k.files.v[0].text, "one"));
	kept_policy_free(&k);
	assert_int_equal(kept_policy_get(&places, VERSION, NULL, &k, &why), 0);
	assert_true(span_is(k.files.v[0].text, "one # comment"));
	kept_policy_free(&k);
	assert_int_equal(kept_policy_get(&places, "fedcba9876543210", NULL, &k, &why), ERR_NOTFOUND);
	kept_policy_free(&k);
	/* With an invalid hash, no file is opened. */
	assert_int_equal(kept_policy_get(&places, VERSION, "/../../journal.policies/x", &k, &why),
		ERR_NOTFOUND);
	kept_policy_free(&k);
	assert_int_equal(kept_policy_get(&places, "0123456789", first, &k, &why), 0);
	kept_policy_free(&k);
}

static void
policy_text_of_the_other_instance_is_found(void **state)
{
	struct kept_policy k;

	(void)state;
	assert_int_equal(put("one", NULL), 0);
	SCOPED_BUF(why, 0);
	const struct kept_places both = { .journal = "/nonexistent/journal-b", .other = journal },
				 alone = { .journal = "/nonexistent/journal-b" };
	assert_int_equal(kept_policy_get(&both, VERSION, NULL, &k, &why), 0);
	assert_true(span_is(k.files.v[0].text, "one"));
	kept_policy_free(&k);
	assert_int_equal(kept_policy_get(&alone, VERSION, NULL, &k, &why), ERR_NOTFOUND);
	kept_policy_free(&k);
}

static void
changed_byte_of_a_policy_text_is_noticed(void **state)
{
	char name[256];
	struct kept_policy k;

	(void)state;
	assert_int_equal(put("text of a policy", NULL), 0);
	assert_true(files_kept(name, sizeof(name)) > 0);
	int fd = open(name, O_RDWR);
	assert_true(fd >= 0);
	SCOPED_BUF(packed, 0);
	assert_int_equal(buf_fd(&packed, fd), 0);
	char hash[KEPT_POLICY_HEX], version[17];
	size_t noticed = 0;
	assert_true(kept_policy_name_read(strrchr(name, '/') + 1, version, hash));
	for (size_t i = 0; i < packed.n; i++) {
		char was = packed.p[i];
		packed.p[i] ^= 1;
		SCOPED_BUF(why, 0);
		assert_int_equal(pwrite(fd, packed.p, packed.n, 0), (ssize_t)packed.n);
		int err = kept_policy_get(&places, VERSION, hash, &k, &why);
		kept_policy_free(&k);
		packed.p[i] = was;
		/* zstd ignores some bits: then the content is the same. */
		assert_true(err == ERR_AUTH || err == 0);
		noticed += err == ERR_AUTH;
	}
	assert_true(noticed > packed.n * 9 / 10);
	for (size_t n = 0; n < packed.n; n++) {
		SCOPED_BUF(why, 0);
		assert_int_equal(ftruncate(fd, (off_t)n), 0);
		assert_int_equal(kept_policy_get(&places, VERSION, hash, &k, &why), ERR_AUTH);
		kept_policy_free(&k);
		assert_int_equal(pwrite(fd, packed.p, packed.n, 0), (ssize_t)packed.n);
	}
	close(fd);
}

/* A text under the name of another version does not belong to that version. */
static void
policy_text_under_another_versions_name_is_noticed(void **state)
{
	const char *other = "fedcba9876543210";
	char name[256], renamed[256], version[17], hash[KEPT_POLICY_HEX];
	struct kept_policy k;

	(void)state;
	SCOPED_BUF(why, 0);
	assert_int_equal(put("a text", NULL), 0);
	assert_true(files_kept(name, sizeof(name)) > 0);
	assert_true(kept_policy_name_read(strrchr(name, '/') + 1, version, hash));
	snprintf(renamed, sizeof(renamed), "%s" KEPT_POLICY_FOLDER "/%s-%s" KEPT_POLICY_SUFFIX,
		journal, other, hash);
	assert_int_equal(rename(name, renamed), 0);
	assert_int_equal(kept_policy_get(&places, other, hash, &k, &why), ERR_AUTH);
	kept_policy_free(&k);
	assert_int_equal(unlink(renamed), 0);
}

static int
full(int fd, struct statvfs *st)
{
	(void)fd;
	*st = (struct statvfs){ .f_blocks = 1 << 20, .f_frsize = 4096, .f_bavail = 1 };
	return 0;
}

static void
full_disk_is_reported(void **state)
{
	struct keep_io was = keep_io;

	(void)state;
	keep_io.fstatvfs = full;
	assert_int_equal(put("does not fit", NULL), ERR_FULL);
	keep_io = was;
	assert_int_equal(put("does not fit", NULL), 0);
}

static int
make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(journal, sizeof(journal), "%s/journal", dir);
	return 0;
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
		cmocka_unit_test(policy_text_is_read_back_and_stored_once),
		cmocka_unit_test(policy_text_of_the_other_instance_is_found),
		cmocka_unit_test(changed_byte_of_a_policy_text_is_noticed),
		cmocka_unit_test(policy_text_under_another_versions_name_is_noticed),
		cmocka_unit_test(full_disk_is_reported),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
