/* Writes and reads the files of JOURNAL.policies: see kept_policy.h. */
#include "record/archive/kept_policy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "base/why.h"
#include "policy/config/config.h"
#include "record/archive/files.h"
#include "record/journal/journal.h"

/* The kinds of files that are kept, by their names in the JSON line. Other kinds are not
 * stored. */
static const struct {
	enum set_file_kind kind;
	const char *name;
} kinds[] = { { FILE_OF_POLICY, "policy" }, { FILE_OF_WORDS, "words" },
	{ FILE_BUILT_IN, "built-in" }, { FILE_OF_SYSTEM, "system" } };

/* The NUL after the text is not part of it, so that out->p is a C string. */
void
kept_policy_folder(const char *journal, struct buf *out)
{
	buf_printf(out, "%.*s" KEPT_POLICY_FOLDER, SPAN_ARG(journal_folder(journal)));
	buf_put(out, "", 1);
	out->n--;
}

static void
hex_of(struct span contents, char out[KEPT_POLICY_HEX])
{
	unsigned char hash[SHA256_BYTES];

	sha256(contents, hash);
	for (size_t i = 0; i < SHA256_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

bool
kept_policy_name_read(const char *name, char version[17], char hash[KEPT_POLICY_HEX])
{
	struct span s = span_str(name), suffix = span_str(KEPT_POLICY_SUFFIX);

	if (s.n != 16 + 1 + 2 * SHA256_BYTES + suffix.n || s.p[16] != '-' ||
		!span_ends(s, suffix))
		return false;
	snprintf(version, 17, "%.16s", s.p);
	snprintf(hash, KEPT_POLICY_HEX, "%.*s", 2 * SHA256_BYTES, s.p + 17);
	unsigned char bytes[SHA256_BYTES];
	return strspn(version, "0123456789abcdef") == 16 && sha256_read(span_str(hash), bytes);
}

/* ---- writing ---- */

static const char *
kind_name(enum set_file_kind kind)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (kinds[i].kind == kind)
			return kinds[i].name;
	return NULL;
}

static void
put_contents(const struct kept_policy *kept, struct buf *out)
{
	json_put_form(out, "{'tollgate_policy':1");
	json_put_str(out, "policy", kept->label);
	json_put_str(out, "version", kept->version);
	json_put_str(out, "root", kept->root);
	json_put_opt(out, "detectors", kept->detectors);
	json_put_open(out, "files", '[');
	for (size_t i = 0; i < kept->files.n; i++) {
		const struct set_file *f = &kept->files.v[i];
		if (!kind_name(f->kind))
			continue;
		json_put_open(out, NULL, '{');
		json_put_str(out, "name", f->name);
		json_put_str(out, "kind", kind_name(f->kind));
		json_put_uint(out, "bytes", f->text.n);
		json_put_close(out, '}');
	}
	json_put_close(out, ']');
	buf_str(out, "}\n");
	for (size_t i = 0; i < kept->files.n; i++)
		if (kind_name(kept->files.v[i].kind))
			buf_span(out, kept->files.v[i].text);
}

static int
compress_contents(struct span contents, struct buf *out)
{
	size_t most = ZSTD_compressBound(contents.n);
	char *to = buf_reserve(out, most);
	size_t n = to ? ZSTD_compress(to, most, contents.p, contents.n, 3) : 0;

	if (!to || ZSTD_isError(n))
		return ERR_NOMEM;
	buf_commit(out, n);
	return 0;
}

static int
put_file(int dirfd, const char *name, struct span contents, struct buf *why)
{
	SCOPED_BUF(packed, 0);
	SCOPED_BUF(there, 0);
	int err = compress_contents(contents, &packed);
	if (err)
		return why_err(why, err, "%s: out of memory", name);
	SCOPED_FD(fd, openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
	/* If the stored file has the right bytes, only its time is set. A file that was
	 * changed is written again. */
	if (fd >= 0 && buf_fd(&there, fd) == 0 &&
		span_eq(buf_view(&there), buf_view(&packed)) &&
		utimensat(dirfd, name, NULL, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (!files_room(dirfd, packed.n, files_reserve))
		return why_err(why, ERR_FULL, "%s: the disk is full", name);
	return files_put(dirfd, name, buf_view(&packed), why);
}

int
kept_policy_put(const char *journal, struct kept_policy *kept, struct buf *why)
{
	char name[KEPT_POLICY_NAME];

	SCOPED_BUF(folder, 0);
	SCOPED_BUF(contents, KEPT_POLICY_BYTES);
	put_contents(kept, &contents);
	if (buf_failed(&contents))
		return why_err(why, ERR_LIMIT,
			"the files of the policy together are larger than %u MB",
			KEPT_POLICY_BYTES >> 20);
	hex_of(buf_view(&contents), kept->hash);
	snprintf(name, sizeof(name), "%.16s-%s" KEPT_POLICY_SUFFIX, kept->version, kept->hash);
	kept_policy_folder(journal, &folder);
	SCOPED_FD(dirfd, files_folder(folder.p, why));
	if (dirfd < 0)
		return dirfd;
	return put_file(dirfd, name, buf_view(&contents), why);
}

/* ---- reading ---- */

/* Decompresses at most KEPT_POLICY_BYTES. */
static int
unpack(struct span packed, struct buf *out)
{
	unsigned long long n = ZSTD_getFrameContentSize(packed.p, packed.n);

	if (n == ZSTD_CONTENTSIZE_UNKNOWN || n == ZSTD_CONTENTSIZE_ERROR ||
		n > KEPT_POLICY_BYTES)
		return ERR_SYNTAX;
	char *to = buf_reserve(out, n + 1);
	if (!to)
		return ERR_NOMEM;
	size_t got = ZSTD_decompress(to, n, packed.p, packed.n);
	if (ZSTD_isError(got) || got != n)
		return ERR_SYNTAX;
	buf_commit(out, got);
	return 0;
}

static const char *
text_of(struct kept_policy *out, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_string(v) ? arena_dup(&out->files.arena, json_span(v)).p : NULL;
}

/* Reads one member of "files"; the file's bytes are the next ones of *rest. */
static int
read_kept_file(struct kept_policy *out, const json_t *file, struct span *rest)
{
	const char *name = json_string_value(json_object_get(file, "name")),
		   *kind = json_string_value(json_object_get(file, "kind"));
	const json_t *bytes = json_object_get(file, "bytes");
	size_t k = 0;

	while (kind && k < COUNT_OF(kinds) && strcmp(kinds[k].name, kind) != 0)
		k++;
	if (!name || !kind || k == COUNT_OF(kinds) || !json_is_integer(bytes) ||
		json_integer_value(bytes) < 0 || (uint64_t)json_integer_value(bytes) > rest->n)
		return ERR_SYNTAX;
	size_t n = (size_t)json_integer_value(bytes);
	if (!file_set_add(&out->files, kinds[k].kind, name, span_cut(*rest, 0, n)))
		return ERR_NOMEM;
	*rest = span_cut(*rest, n, rest->n);
	return 0;
}

static int
read_contents(struct span contents, struct kept_policy *out)
{
	struct span rest = contents, head = span_next(&rest, '\n');
	json_auto_t *o = json_loadb(head.p, head.n, 0, NULL);
	const json_t *file;
	size_t i;
	int err = 0;

	if (json_integer_value(json_object_get(o, "tollgate_policy")) != 1)
		return ERR_SYNTAX;
	out->label = text_of(out, o, "policy");
	out->version = text_of(out, o, "version");
	out->root = text_of(out, o, "root");
	out->detectors = text_of(out, o, "detectors");
	json_array_foreach(json_object_get(o, "files"), i, file)
	{
		err = read_kept_file(out, file, &rest);
		if (err)
			return err;
	}
	return out->label && out->version && out->root && rest.n == 0 ? 0 : ERR_SYNTAX;
}

int
kept_policy_read(struct span packed, struct kept_policy *out)
{
	*out = (struct kept_policy){ .written_s = 0 };
	file_set_init(&out->files);
	SCOPED_BUF(contents, KEPT_POLICY_BYTES + 1);
	int err = unpack(packed, &contents);
	if (err)
		return err;
	hex_of(buf_view(&contents), out->hash);
	return read_contents(buf_view(&contents), out);
}

void
kept_policy_free(struct kept_policy *kept)
{
	file_set_free(&kept->files);
	*kept = (struct kept_policy){ .written_s = 0 };
}

/* Puts the name of the file with this version and hash into `out`. Returns false if there is
 * none. */
static bool
exact_name(int dirfd, const char *version, const char *hash, char out[KEPT_POLICY_NAME],
	int64_t *written_s)
{
	char its[17], hex[KEPT_POLICY_HEX];
	struct stat st;

	snprintf(out, KEPT_POLICY_NAME, "%.16s-%s" KEPT_POLICY_SUFFIX, version, hash);
	bool found = kept_policy_name_read(out, its, hex) &&
		     fstatat(dirfd, out, &st, AT_SYMLINK_NOFOLLOW) == 0;
	*written_s = found ? st.st_mtim.tv_sec : 0;
	return found;
}

/* Puts the name of the newest file of a version into `out`. `version` may have fewer than 16
 * digits, which then are the beginning. Returns false if there is none. */
static bool
find_name(int dirfd, const char *version, const char *hash, char out[KEPT_POLICY_NAME],
	int64_t *written_s)
{
	if (hash && strlen(version) >= 16)
		return exact_name(dirfd, version, hash, out, written_s);
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char its[17], hex[KEPT_POLICY_HEX];
	struct timespec newest = { .tv_sec = INT64_MIN };
	struct stat st;

	if (!d && fd >= 0)
		close(fd);
	out[0] = 0;
	for (const struct dirent *e; d && (e = readdir(d));) {
		if (!kept_policy_name_read(e->d_name, its, hex) ||
			strncmp(its, version, strlen(version) < 16 ? strlen(version) : 16) !=
				0 ||
			(hash && strcmp(hex, hash) != 0) ||
			fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (st.st_mtim.tv_sec < newest.tv_sec ||
			(st.st_mtim.tv_sec == newest.tv_sec &&
				st.st_mtim.tv_nsec < newest.tv_nsec))
			continue;
		newest = st.st_mtim;
		snprintf(out, KEPT_POLICY_NAME, "%s", e->d_name);
	}
	if (d)
		closedir(d);
	*written_s = newest.tv_sec;
	return out[0] != 0;
}

/* Opens the folder that has a text of the version: JOURNAL.policies, or JOURNAL itself, which
 * may be an archive. Sets *folder to its path and `name` to the file's name. Returns a
 * descriptor or -1. */
static int
open_kept_folder(const char *journal, const char *version, const char *hash,
	char name[KEPT_POLICY_NAME], int64_t *written_s, struct buf *folder)
{
	for (unsigned i = 0; i < 2; i++) {
		buf_clear(folder);
		if (i == 0)
			kept_policy_folder(journal, folder);
		else
			buf_put(folder, journal, strlen(journal) + 1);
		int dirfd = open(folder->p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dirfd >= 0 && find_name(dirfd, version, hash, name, written_s))
			return dirfd;
		if (dirfd >= 0)
			close(dirfd);
	}
	return -1;
}

struct kept_places
kept_places_of(const struct config *cfg)
{
	return (struct kept_places){ .journal = cfg->journal,
		.other = config_part(cfg, CONFIG_OTHER)->journal };
}

int
kept_policy_get(const struct kept_places *places, const char *version, const char *hash,
	struct kept_policy *out, struct buf *why)
{
	char name[KEPT_POLICY_NAME], its[17], hex[KEPT_POLICY_HEX];
	int64_t written_s;

	*out = (struct kept_policy){ .written_s = 0 };
	file_set_init(&out->files);
	SCOPED_BUF(folder, 0);
	SCOPED_FD(dirfd,
		open_kept_folder(places->journal, version, hash, name, &written_s, &folder));
	if (dirfd < 0 && places->other)
		dirfd = open_kept_folder(
			places->other, version, hash, name, &written_s, &folder);
	for (size_t i = 0; dirfd < 0 && i < places->nothers; i++)
		dirfd = open_kept_folder(
			places->others[i], version, hash, name, &written_s, &folder);
	if (dirfd < 0)
		return why_err(why, ERR_NOTFOUND,
			"%s" KEPT_POLICY_FOLDER " does not contain policy version %.12s",
			places->journal, version);
	SCOPED_FD(fd, openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
	SCOPED_BUF(packed, KEPT_POLICY_BYTES);
	if (fd < 0 || buf_fd(&packed, fd) < 0)
		return why_err(why, ERR_IO, "%s/%s: %s", folder.p, name, strerror(errno));
	int err = kept_policy_read(buf_view(&packed), out);
	out->written_s = written_s;
	kept_policy_name_read(name, its, hex);
	if (err == ERR_SYNTAX ||
		(!err && (strcmp(hex, out->hash) != 0 || strncmp(its, out->version, 16) != 0)))
		return why_err(why, ERR_AUTH,
			"%s/%s: the file was changed: its contents do not match the version and hash in its name",
			folder.p, name);
	if (err)
		return why_err(why, err, "%s/%s: %s", folder.p, name, err_str(err));
	return 0;
}

/* ---- the text in force ---- */

/* The members of in-force.json. */
struct marked {
	int64_t serial; /* 0: there is no such file */
	char version[65];
	char hash[KEPT_POLICY_HEX];
};

/* Reads the file of one journal. Returns 0, also if there is none, or ERR_IO or ERR_SYNTAX. */
static int
read_mark(const char *journal, struct marked *out, struct buf *why)
{
	struct marked m = { .serial = 0 };
	unsigned char bytes[SHA256_BYTES];

	*out = m;
	SCOPED_BUF(path, 0);
	SCOPED_BUF(text, 4096);
	kept_policy_folder(journal, &path);
	buf_str(&path, "/" KEPT_POLICY_IN_FORCE);
	buf_put(&path, "", 1);
	SCOPED_FD(fd, open(path.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || buf_fd(&text, fd) < 0)
		return why_err(why, ERR_IO, "%s: %s", path.p, strerror(errno));
	json_auto_t *o = json_loadb(text.p, text.n, 0, NULL);
	const json_t *version = json_object_get(o, "version"), *hash = json_object_get(o, "text");
	m.serial = json_integer_value(json_object_get(o, "serial"));
	if (json_integer_value(json_object_get(o, "tollgate_in_force")) != 1 || m.serial < 1 ||
		m.serial >= INT64_MAX || json_string_length(version) != 64 ||
		!sha256_read(json_span(version), bytes) || !sha256_read(json_span(hash), bytes))
		return why_err(why, ERR_SYNTAX, "%s: the file has another form", path.p);
	snprintf(m.version, sizeof(m.version), "%s", json_string_value(version));
	snprintf(m.hash, sizeof(m.hash), "%s", json_string_value(hash));
	*out = m;
	return 0;
}

/* Reads the files of both journals. *out gets the one with the higher serial. */
static int
read_marks(const struct kept_places *places, struct marked *out, struct buf *why)
{
	struct marked other = { .serial = 0 };
	int err = read_mark(places->journal, out, why);
	int err_other = places->other ? read_mark(places->other, &other, why) : 0;

	if (other.serial > out->serial)
		*out = other;
	/* If only one file can be read, the other might have the higher serial. */
	return err ? err : err_other;
}

int
kept_policy_mark(const struct kept_places *places, const char *version, const char *hash,
	struct buf *why)
{
	struct marked own, last;

	SCOPED_BUF(unused, 4096);
	SCOPED_BUF(folder, 0);
	SCOPED_BUF(text, 4096);
	read_mark(places->journal, &own, &unused);
	read_marks(places, &last, &unused);
	if (own.serial == last.serial && own.serial && !strcmp(own.hash, hash) &&
		!strcmp(own.version, version))
		return 0;
	json_put_form(&text, "{'tollgate_in_force':1,'serial':%u",
		(uint64_t)(last.serial > own.serial ? last.serial : own.serial) + 1);
	json_put_str(&text, "version", version);
	json_put_str(&text, "text", hash);
	buf_str(&text, "}\n");
	kept_policy_folder(places->journal, &folder);
	SCOPED_FD(dirfd, files_folder(folder.p, why));
	if (dirfd < 0)
		return dirfd;
	return files_put(dirfd, KEPT_POLICY_IN_FORCE, buf_view(&text), why);
}

int
kept_policy_last(const struct kept_places *places, struct kept_policy *out, struct buf *why)
{
	struct marked m;
	int err = read_marks(places, &m, why);

	*out = (struct kept_policy){ .written_s = 0 };
	file_set_init(&out->files);
	if (err)
		return err;
	if (!m.serial)
		return why_err(why, ERR_NOTFOUND, "no policy was in force here before");
	file_set_free(&out->files);
	err = kept_policy_get(places, m.version, m.hash, out, why);
	if (err && !out->version)
		out->version = arena_strdup(&out->files.arena, m.version);
	return err;
}

bool
kept_policy_any(const char *journal)
{
	char name[KEPT_POLICY_NAME];
	int64_t written_s;

	SCOPED_BUF(folder, 0);
	kept_policy_folder(journal, &folder);
	if (access(folder.p, F_OK) == 0)
		return true;
	SCOPED_FD(fd, open_kept_folder(journal, "", NULL, name, &written_s, &folder));
	return fd >= 0;
}
