/* The archive outside this machine: a folder, or a store that speaks S3.
 *
 * A file is written to a folder under a temporary name, synced and renamed. S3 is used over
 * libcurl, which signs requests (AWS Signature Version 4). Requests are path-style,
 * ENDPOINT/BUCKET/PREFIX/NAME, which every store accepts. `x-amz-content-sha256` is always
 * sent, because libcurl would otherwise sign the hash of an empty body (curl issue 8810). The
 * store compares the object with `x-amz-checksum-sha256` when it receives it. In both cases
 * archive_put() then reads the object back and compares its hash. */
#include "record/archive/archive.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/keyfile.h"
#include "base/scoped.h"
#include "base/stops.h"
#include "base/why.h"

#define S3_SCHEME "s3://"
/* ---- S3 ---- */

#define CONNECT_S    10l
#define ANSWER_BYTES 2048 /* bytes that are kept of an error's XML */
/* bytes of the file of credentials */
#define SECRET_BYTES 8192

/* One request. owner: the calling thread. */
struct s3_call {
	CURL *curl;
	struct curl_slist *headers;
	/* `why`: the caller's; `answer`: the beginning of an error's XML */
	struct buf *why, answer;
	/* may be NULL; set: cancel the request */
	const atomic_bool *stop;
	/* descriptors: the source of an upload; the destination of a download, or -1 */
	int from, to;
	off_t at;		      /* bytes of `from` that were read */
	struct sha256 *hash;	      /* gets the bytes of a download; NULL: not wanted */
	char failed[CURL_ERROR_SIZE]; /* libcurl's description of an error */
	struct buf write_why;	      /* why `to` could not be written; empty: it could */
};

static bool
plain_path(const char *s)
{
	for (; *s; s++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
			    "/",
			    *s))
			return false;
	return true;
}

/* Returns what is wrong with the options of an S3 archive, or NULL. */
static const char *
s3_wrong(const struct archive_options *o)
{
	const char *bucket = o->place + sizeof(S3_SCHEME) - 1;

	if (!*bucket || *bucket == '/' || !plain_path(bucket) || strstr(bucket, "//") ||
		strstr(bucket, "..") || strlen(bucket) > 512)
		return "s3://BUCKET or s3://BUCKET/PREFIX is expected, with letters, digits, - "
		       "_ . and / only";
	if (!o->credentials_file)
		return "an archive on s3:// needs retention.credentials_file";
	if (o->endpoint && strncmp(o->endpoint, "http://", 7) != 0 &&
		strncmp(o->endpoint, "https://", 8) != 0)
		return "retention.endpoint: http:// or https:// is expected";
	if (o->endpoint &&
		(strpbrk(strstr(o->endpoint, "://") + 3, "/@?# ") || strlen(o->endpoint) > 512))
		return "retention.endpoint: only scheme, host and port are permitted, as in "
		       "https://s3.example:9000";
	if (!o->region || !*o->region || !plain_path(o->region) || strchr(o->region, '/') ||
		strlen(o->region) > 64)
		return "retention.region: the name of a region is expected, as in eu-central-1";
	return NULL;
}

static size_t
on_read(char *to, size_t size, size_t n, void *arg)
{
	struct s3_call *c = arg;
	ssize_t got = pread(c->from, to, size * n, c->at);

	if (got < 0)
		return CURL_READFUNC_ABORT;
	c->at += got;
	return (size_t)got;
}

static int
on_seek(void *arg, curl_off_t to, int from)
{
	struct s3_call *c = arg;

	c->at = to;
	return from == SEEK_SET ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static size_t
on_bytes(char *p, size_t size, size_t n, void *arg)
/* Stores the body of a success. Keeps the beginning of an error's body, which is not part of
 * the object. */
{
	struct s3_call *c = arg;
	struct span s = span_of(p, size * n);
	long status = 0;

	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200) {
		buf_span(&c->answer, span_cut(s, 0, ANSWER_BYTES - c->answer.n));
		return s.n;
	}
	if (c->hash)
		sha256_add(c->hash, s);
	return c->to >= 0 && files_write(c->to, s, &c->write_why) ? 0 : s.n;
}

static int
on_progress(void *arg, curl_off_t a UNUSED, curl_off_t b UNUSED, curl_off_t d UNUSED,
	curl_off_t e UNUSED)
{
	const struct s3_call *c = arg;

	return c->stop && atomic_load(c->stop);
}

__attribute__((format(printf, 2, 3))) static void
add_s3_header(struct s3_call *c, const char *fmt, ...)
{
	char line[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	struct curl_slist *more = curl_slist_append(c->headers, line);
	c->headers = more ? more : c->headers;
	sodium_memzero(line, sizeof(line));
}

/* Reads the access key, the secret and an optional session token, separated by white space,
 * from the file and has libcurl sign the request with them. The file is read for each
 * request, so that rotated credentials take effect at once. */
static int
sign_s3(struct s3_call *c, const struct archive_options *o)
{
	char aws[128];

	SCOPED_BUF(text, SECRET_BYTES);
	SCOPED_BUF(user, SECRET_BYTES);
	int err = keyfile_text(o->credentials_file, "the store's secret", &text, c->why);
	struct span word[3] = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } }, rest = buf_view(&text);
	size_t words = 0;
	while (!err && rest.n && words < 3) {
		size_t n = 0;
		while (n < rest.n && (unsigned char)rest.p[n] > ' ')
			n++;
		if (n)
			word[words++] = span_cut(rest, 0, n);
		rest = span_cut(rest, n < rest.n ? n + 1 : n, rest.n);
	}
	if (!err && words < 2)
		err = why_err(c->why, ERR_SYNTAX,
			"%s: two lines are expected: the access key, then its secret",
			o->credentials_file);
	if (!err) {
		buf_printf(&user, "%.*s:%.*s", SPAN_ARG(word[0]), SPAN_ARG(word[1]));
		buf_putc(&user, '\0');
		snprintf(aws, sizeof(aws), "aws:amz:%s:s3", o->region);
		curl_easy_setopt(c->curl, CURLOPT_AWS_SIGV4, aws);
		curl_easy_setopt(c->curl, CURLOPT_USERPWD, buf_view(&user).p);
	}
	if (!err && words == 3)
		add_s3_header(c, "x-amz-security-token: %.*s", SPAN_ARG(word[2]));
	return err;
}

static void
global_once(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int
begin_s3(struct s3_call *c, const struct archive_options *o, const char *name)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char url[1400], host[128];
	const char *place = o->place + sizeof(S3_SCHEME) - 1;
	size_t n = strlen(place);

	pthread_once(&once, global_once);
	buf_init(&c->answer, ANSWER_BYTES);
	buf_init(&c->write_why, 1024);
	c->curl = curl_easy_init();
	if (!c->curl)
		return ERR_NOMEM;
	snprintf(host, sizeof(host), "https://s3.%s.amazonaws.com", o->region);
	snprintf(url, sizeof(url), "%s/%s%s%s", o->endpoint ? o->endpoint : host, place,
		n && place[n - 1] == '/' ? "" : "/", name);
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1l);
	curl_easy_setopt(c->curl, CURLOPT_QUICK_EXIT, 1l); /* a stop does not wait for a resolver */
	curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_LIMIT, 1l);
	curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_TIME, (long)ARCHIVE_SILENT_S);
	curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->failed);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0l);
	curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, c);
	add_s3_header(c, "Expect:");
	return sign_s3(c, o);
}

/* Returns the code in an error's XML, for example NoSuchKey from <Code>NoSuchKey</Code>, or n
 * 0. */
static struct span
s3_error_code(const struct s3_call *c)
{
	struct span s = buf_view(&c->answer);
	const char *at = s.n ? memmem(s.p, s.n, "<Code>", 6) : NULL;

	if (!at)
		return (struct span){ NULL, 0 };
	s = span_cut(s, (size_t)(at + 6 - s.p), s.n);
	return span_cut(s, 0, span_chr(span_cut(s, 0, 64), '<'));
}

/* Sends the request. Returns 0, or an error with the reason in c->why: ERR_CLOSED (stopped),
 * ERR_NOTFOUND (404), ERR_TIMEOUT or ERR_IO. */
static int
perform_s3(struct s3_call *c, const char *name)
{
	long status = 0;

	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, c->headers);
	CURLcode code = curl_easy_perform(c->curl);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return ERR_CLOSED;
	if (c->write_why.n) {
		buf_span(c->why, buf_view(&c->write_why));
		return ERR_IO;
	}
	if (code) {
		buf_printf(c->why, "%s: %s", name,
			c->failed[0] ? c->failed : curl_easy_strerror(code));
		return code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_IO;
	}
	if (status == 200)
		return 0;
	buf_printf(c->why, "%s: the store returned status %ld %.*s", name, status,
		SPAN_ARG(s3_error_code(c)));
	return status == 404 ? ERR_NOTFOUND : ERR_IO;
}

/* Frees the request and erases its headers, which may have a session token. */
static void
end_s3(struct s3_call *c)
{
	curl_easy_cleanup(c->curl);
	for (struct curl_slist *h = c->headers; h; h = h->next)
		sodium_memzero(h->data, strlen(h->data));
	curl_slist_free_all(c->headers);
	buf_free(&c->answer);
	buf_free(&c->write_why);
}

static int
s3_put(const struct archive_options *o, const char *name, int fd,
	const unsigned char sha256[SHA256_BYTES], const atomic_bool *stop, struct buf *why)
{
	struct s3_call c = { .why = why, .stop = stop, .from = fd, .to = -1 };
	char hex[2 * SHA256_BYTES + 1], base64[64], until[CLOCK_RFC3339_LEN];
	struct stat st;
	int err = fstat(fd, &st) < 0 ? ERR_IO : begin_s3(&c, o, name);

	if (!err) {
		sodium_bin2hex(hex, sizeof(hex), sha256, SHA256_BYTES);
		sodium_bin2base64(base64, sizeof(base64), sha256, SHA256_BYTES,
			sodium_base64_VARIANT_ORIGINAL);
		add_s3_header(&c, "x-amz-content-sha256: %s", hex);
		add_s3_header(&c, "x-amz-checksum-sha256: %s", base64);
		if (o->retain_s) {
			clock_rfc3339(
				clock_wall_ns() + (int64_t)o->retain_s * 1000000000, until);
			add_s3_header(&c, "x-amz-object-lock-mode: COMPLIANCE");
			add_s3_header(&c, "x-amz-object-lock-retain-until-date: %.19sZ", until);
		}
		curl_easy_setopt(c.curl, CURLOPT_UPLOAD, 1l);
		curl_easy_setopt(c.curl, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(c.curl, CURLOPT_READDATA, &c);
		curl_easy_setopt(c.curl, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(c.curl, CURLOPT_SEEKDATA, &c);
		curl_easy_setopt(c.curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)st.st_size);
		err = perform_s3(&c, name);
	}
	end_s3(&c);
	return err;
}

/* Downloads an object into `to`, into `hash`, or both. */
static int
get_from_s3(const struct archive_options *o, const char *name, int to, struct sha256 *hash,
	const atomic_bool *stop, struct buf *why)
/* SHA-256 of an empty body */
{
	static const char empty[] =
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	struct s3_call c = { .why = why, .stop = stop, .from = -1, .to = to, .hash = hash };
	int err = begin_s3(&c, o, name);

	if (!err) {
		add_s3_header(&c, "x-amz-content-sha256: %s", empty);
		err = perform_s3(&c, name);
	}
	end_s3(&c);
	return err;
}

static int
s3_get(const struct archive_options *o, const char *name, int fd, const atomic_bool *stop,
	struct buf *why)
{
	return get_from_s3(o, name, fd, NULL, stop, why);
}

static int
s3_hash(const struct archive_options *o, const char *name, unsigned char sha256[SHA256_BYTES],
	const atomic_bool *stop, struct buf *why)
{
	struct sha256 h;

	sha256_begin(&h);
	int err = get_from_s3(o, name, -1, &h, stop, why);
	sha256_end(&h, sha256);
	return err;
}

/* ---- the archive ---- */

static bool
is_s3(const struct archive_options *o)
{
	return !strncmp(o->place, S3_SCHEME, sizeof(S3_SCHEME) - 1);
}

const char *
archive_wrong(const struct archive_options *o)
{
	if (is_s3(o))
		return s3_wrong(o);
	if (o->place[0] != '/')
		return "an absolute path or s3://BUCKET/PREFIX is expected";
	return o->endpoint || o->credentials_file || o->retain_s
		       ? "the archive is a folder; endpoint, credentials_file and lock apply "
			 "to s3:// only: remove them"
		       : NULL;
}

/* A missing folder is an error and is not created: a file system that is not mounted must not
 * look like an empty archive. */
static int
open_folder(const struct archive_options *o, struct buf *why)
{
	int fd = open(o->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? why_err(why, ERR_IO, "%s: %s", o->place, strerror(errno)) : fd;
}

static int
open_in(const struct archive_options *o, const char *name, struct buf *why)
{
	SCOPED_FD(dirfd, open_folder(o, why));

	if (dirfd < 0)
		return dirfd;
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		return fd;
	return why_err(why, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s/%s: %s", o->place,
		name, strerror(errno));
}

int
archive_check(const struct archive_options *o, const char *name,
	const unsigned char sha256[SHA256_BYTES], const atomic_bool *stop, struct buf *why)
{
	unsigned char is[SHA256_BYTES];
	uint64_t bytes;
	int err;

	if (is_s3(o)) {
		err = s3_hash(o, name, is, stop, why);
	} else {
		SCOPED_FD(fd, open_in(o, name, why));
		if (fd < 0)
			return fd;
		/* Read from the disk, not from the page cache. */
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		err = files_hash(fd, stop, is, &bytes, why);
	}
	if (!err && memcmp(is, sha256, SHA256_BYTES) != 0)
		err = why_err(why, ERR_AUTH,
			"%s: the file in the archive differs from the one that was archived",
			name);
	return err;
}

static int
put_in_folder(const struct archive_options *o, const char *name, int fd,
	const atomic_bool *stop, struct buf *why)
{
	SCOPED_FD(dirfd, open_folder(o, why));

	if (dirfd < 0)
		return dirfd;
	SCOPED_FD(to, files_copy(fd, dirfd, name, stop, why));
	stop_at("archive-written");
	return to < 0 ? to : replace_place(dirfd, name, to, why);
}

int
archive_put(const struct archive_options *o, const char *name, int fd,
	const unsigned char sha256[SHA256_BYTES], const atomic_bool *stop, struct buf *why)
{
	int err = is_s3(o) ? s3_put(o, name, fd, sha256, stop, why)
			   : put_in_folder(o, name, fd, stop, why);

	stop_at("archive-put");
	return err ? err : archive_check(o, name, sha256, stop, why);
}

int
archive_get(const struct archive_options *o, const char *name, int dirfd,
	const atomic_bool *stop, struct buf *why)
{
	if (!is_s3(o)) {
		SCOPED_FD(from, open_in(o, name, why));
		return from < 0 ? from : files_copy(from, dirfd, name, stop, why);
	}
	int fd = replace_begin(dirfd, name, 0600, why);
	int err = fd < 0 ? fd : s3_get(o, name, fd, stop, why);
	if (err && fd >= 0) {
		close(fd);
		replace_drop(dirfd, name);
	}
	return err ? err : fd;
}
