/* An archive in an S3-compatible store (tests/support/s3.mjs, which verifies each signature):
 * stored segments are restored, and errors of the store are detected. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "record/archive/archive.h"

static char dir[64], endpoint[64], credentials[128], text[65536];
static pid_t server;
static struct buf why;
static struct archive_options o;

static const char *
in(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
put_text(const char *name, const char *s, mode_t mode)
{
	int fd = open(in(name), O_WRONLY | O_CREAT | O_TRUNC, mode);

	assert_int_equal(write(fd, s, strlen(s)), (ssize_t)strlen(s));
	fchmod(fd, mode);
	close(fd);
}

static const char *
slurp(const char *name)
{
	FILE *f = fopen(in(name), "r");

	text[f ? fread(text, 1, sizeof(text) - 1, f) : 0] = '\0';
	if (f)
		fclose(f);
	return text;
}

static int
begin(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/tg-s3-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	server = fork();
	if (server == 0) {
		execlp("node", "node", "tests/support/s3.mjs", in("port"), "AKID",
			"s/cr+t=", "eu-west-9", dir, (char *)NULL);
		_exit(1);
	}
	for (int i = 0; i < 3000 && !*slurp("port"); i++)
		usleep(10000);
	snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%s", slurp("port"));
	snprintf(credentials, sizeof(credentials), "%s/credentials", dir);
	buf_init(&why, 4096);
	return *slurp("port") ? 0 : -1;
}

static int
finish(void **state)
{
	char command[128];

	(void)state;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	buf_free(&why);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static int
setup(void **state)
{
	(void)state;
	put_text("credentials", "AKID\ns/cr+t=\n", 0600);
	put_text(".mode", "", 0600);
	o = (struct archive_options){ "s3://bucket/a/prefix", endpoint, "eu-west-9",
		credentials, 0 };
	buf_clear(&why);
	return 0;
}

static int
put(size_t n, unsigned char hash[SHA256_BYTES])
{
	char *bytes = malloc(n);
	int fd = open(in("source"), O_RDWR | O_CREAT | O_TRUNC, 0600);

	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	sha256(span_of(bytes, n), hash);
	int err = archive_put(&o, "n-1.jsonl.zst", fd, hash, NULL, &why);
	close(fd);
	free(bytes);
	return err;
}

#define said(part)                                                                             \
	do {                                                                                   \
		buf_putc(&why, '\0');                                                          \
		if (!strstr(buf_view(&why).p, part))                                           \
			fail_msg("%s", buf_view(&why).p);                                      \
	} while (0)

static void
stored_segment_is_restored_from_s3(void **state)
{
	unsigned char hash[SHA256_BYTES], is[SHA256_BYTES];
	uint64_t bytes;

	(void)state;
	int err = put(300000, hash);
	if (err)
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	int fd = archive_get(&o, "n-1.jsonl.zst", dirfd, NULL, &why);
	assert_true(fd >= 0);
	assert_int_equal(files_hash(fd, NULL, is, &bytes, &why), 0);
	assert_memory_equal(hash, is, sizeof(is));
	assert_int_equal(bytes, 300000);
	close(fd);
	assert_int_equal(archive_get(&o, "n-2.jsonl.zst", dirfd, NULL, &why), ERR_NOTFOUND);
	said("404 NoSuchKey");
	assert_int_not_equal(access(in("n-2.jsonl.zst" REPLACE_SUFFIX), F_OK), 0);
	close(dirfd);
	assert_non_null(strstr(slurp(".log"), "PUT /bucket/a/prefix/n-1.jsonl.zst 200 lock=-"));
}

static void
object_lock_is_requested_and_signed(void **state)
{
	unsigned char hash[SHA256_BYTES];

	(void)state;
	o.retain_s = 86400;
	assert_int_equal(put(10, hash), 0);
	assert_non_null(strstr(slurp(".log"), "lock=COMPLIANCE until=20"));
}

static void
session_token_is_signed(void **state)
{
	unsigned char hash[SHA256_BYTES];

	(void)state;
	put_text("credentials", "AKID\ns/cr+t=\nsession\n", 0600);
	assert_int_equal(put(10, hash), 0);
}

static void
failure_of_the_store_is_an_error(void **state)
{
	static const struct {
		const char *name, *mode, *credentials;
		mode_t rights;
		int want;
		const char *says;
	} rows[] = {
		{ "another secret", "", "AKID\nother\n", 0600, ERR_IO,
			"403 SignatureDoesNotMatch" },
		{ "no secret", "", "AKID\n", 0600, ERR_SYNTAX, "the access key, then its secret" },
		{ "a secret that others read", "", "AKID\ns/cr+t=\n", 0644, ERR_AUTH, "" },
		{ "a store that says 503", "503", "AKID\ns/cr+t=\n", 0600, ERR_IO,
			"503 SlowDown" },
		{ "a store that hangs up", "away", "AKID\ns/cr+t=\n", 0600, ERR_IO, "" },
		{ "a store that says 200 and keeps other bytes", "other", "AKID\ns/cr+t=\n",
			0600, ERR_AUTH, "the file in the archive differs" },
		{ "an answer that ends early", "cut", "AKID\ns/cr+t=\n", 0600, ERR_IO, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned char hash[SHA256_BYTES];
		put_text("credentials", rows[i].credentials, rows[i].rights);
		put_text(".mode", rows[i].mode, 0600);
		buf_clear(&why);
		int err = put(100000, hash);
		buf_putc(&why, '\0');
		if (err != rows[i].want && !(rows[i].rights == 0644 && err < 0))
			fail_msg("%s: %s: %s", rows[i].name, err_str(err), buf_view(&why).p);
		if (!strstr(buf_view(&why).p, rows[i].says) ||
			strstr(buf_view(&why).p, "s/cr+t="))
			fail_msg("%s: %s", rows[i].name, buf_view(&why).p);
	}
}

static void *
stop_it(void *stop)
{
	usleep(200000);
	atomic_store((atomic_bool *)stop, true);
	return NULL;
}

static void
silent_store_does_not_delay_the_stop(void **state)
{
	unsigned char hash[SHA256_BYTES] = { 0 };
	atomic_bool stop = false;
	pthread_t thread;

	(void)state;
	put_text(".mode", "silent", 0600);
	assert_int_equal(pthread_create(&thread, NULL, stop_it, &stop), 0);
	assert_int_equal(archive_check(&o, "n-1.jsonl.zst", hash, &stop, &why), ERR_CLOSED);
	pthread_join(thread, NULL);
}

static void
invalid_archive_options_are_named(void **state)
{
	static const struct {
		struct archive_options o;
		const char *says;
	} rows[] = {
		{ { .place = "archive" }, "absolute path" },
		{ { .place = "/archive", .credentials_file = "x" }, "the archive is a folder" },
		{ { .place = "/archive", .retain_s = 1 }, "the archive is a folder" },
		{ { .place = "s3://", .region = "r", .credentials_file = "x" }, "BUCKET" },
		{ { .place = "s3://b/../c", .region = "r", .credentials_file = "x" },
			"BUCKET" },
		{ { .place = "s3://b c", .region = "r", .credentials_file = "x" }, "BUCKET" },
		{ { .place = "s3://b", .region = "r" }, "credentials_file" },
		{ { .place = "s3://b",
			  .region = "r",
			  .credentials_file = "x",
			  .endpoint = "ftp://h" },
			"http:// or https://" },
		{ { .place = "s3://b",
			  .region = "r",
			  .credentials_file = "x",
			  .endpoint = "https://h/path" },
			"only scheme, host and port" },
		{ { .place = "s3://b",
			  .region = "r",
			  .credentials_file = "x",
			  .endpoint = "https://h@elsewhere" },
			"only scheme, host and port" },
		{ { .place = "s3://b", .region = "a/b", .credentials_file = "x" }, "region" },
	};

	(void)state;
	assert_null(archive_wrong(&o));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *wrong = archive_wrong(&rows[i].o);
		if (!wrong || !strstr(wrong, rows[i].says))
			fail_msg("%s: %s", rows[i].o.place, wrong ? wrong : "nothing");
	}
}

int
main(void)
{
	alarm(120);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(stored_segment_is_restored_from_s3, setup),
		cmocka_unit_test_setup(object_lock_is_requested_and_signed, setup),
		cmocka_unit_test_setup(session_token_is_signed, setup),
		cmocka_unit_test_setup(failure_of_the_store_is_an_error, setup),
		cmocka_unit_test_setup(silent_store_does_not_delay_the_stop, setup),
		cmocka_unit_test_setup(invalid_archive_options_are_named, setup),
	};

	return cmocka_run_group_tests(tests, begin, finish);
}
