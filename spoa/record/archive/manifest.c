/* Manifests and the names of files next to a segment: see manifest.h. */
#include "record/archive/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"

enum { NTEXTS = 4, NHASHES = 4, NNUMBERS = 5 };

/* The members of the JSON object. manifest_write() and manifest_read() loop over the same
 * tables. */
struct texts {
	const char *key;
	/* offset in struct manifest; bytes of a string with its NUL, else 0 */
	size_t at, size;
};
static const struct texts texts[NTEXTS] = {
	{ "segment", offsetof(struct manifest, segment), JOURNAL_NAME_MAX },
	{ "node", offsetof(struct manifest, node), CHAIN_NODE_MAX + 1 },
	{ "begin", offsetof(struct manifest, begin), CLOCK_RFC3339_LEN },
	{ "end", offsetof(struct manifest, end), CLOCK_RFC3339_LEN },
};
static const struct texts numbers[NNUMBERS] = {
	{ "boot", offsetof(struct manifest, boot), 0 },
	{ "first", offsetof(struct manifest, first), 0 },
	{ "last", offsetof(struct manifest, last), 0 },
	{ "bytes", offsetof(struct manifest, bytes), 0 },
	{ "packed_bytes", offsetof(struct manifest, packed_bytes), 0 },
};
static const struct texts hashes[NHASHES] = {
	{ "prev", offsetof(struct manifest, prev), 0 },
	{ "head", offsetof(struct manifest, head), 0 },
	{ "sha256", offsetof(struct manifest, sha256), 0 },
	{ "packed_sha256", offsetof(struct manifest, packed_sha256), 0 },
};

void
manifest_write(const struct manifest *m, struct buf *out)
{
	char hex[2 * CHAIN_HASH_BYTES + 1];

	json_put_open(out, NULL, '{');
	json_put_int(out, "v", 1);
	for (size_t i = 0; i < NTEXTS; i++)
		json_put_str(out, texts[i].key, (const char *)m + texts[i].at);
	for (size_t i = 0; i < NNUMBERS; i++)
		json_put_uint(out, numbers[i].key,
			*(const uint64_t *)(const void *)((const char *)m + numbers[i].at));
	for (size_t i = 0; i < NHASHES; i++) {
		chain_hex((const unsigned char *)m + hashes[i].at, hex);
		json_put_str(out, hashes[i].key, hex);
	}
	buf_str(out, "}\n");
}

static bool
read_members(const json_t *o, struct manifest *m)
{
	for (size_t i = 0; i < NTEXTS; i++) {
		const char *s = json_string_value(json_object_get(o, texts[i].key));
		if (!s || strlen(s) >= texts[i].size || strpbrk(s, "/\\\""))
			return false;
		memcpy((char *)m + texts[i].at, s, strlen(s) + 1);
	}
	for (size_t i = 0; i < NNUMBERS; i++) {
		const json_t *n = json_object_get(o, numbers[i].key);
		if (!json_is_integer(n) || json_integer_value(n) < 0)
			return false;
		*(uint64_t *)(void *)((char *)m + numbers[i].at) =
			(uint64_t)json_integer_value(n);
	}
	for (size_t i = 0; i < NHASHES; i++)
		if (!chain_unhex(json_span(json_object_get(o, hashes[i].key)),
			    (unsigned char *)m + hashes[i].at))
			return false;
	return true;
}

int
manifest_read(struct span text, struct manifest *out)
{
	char name[JOURNAL_NAME_MAX];
	int64_t ns;
	json_auto_t *o = text.n <= MANIFEST_BYTES ? json_loadb(text.p, text.n, 0, NULL) : NULL;

	*out = (struct manifest){ 0 };
	bool ok = o && json_integer_value(json_object_get(o, "v")) == 1 && read_members(o, out);
	if (!ok || !chain_node_valid(span_str(out->node)) || out->first == 0 ||
		out->last < out->first || clock_parse(out->end, strlen(out->end), &ns) ||
		clock_parse(out->begin, strlen(out->begin), &ns))
		return ERR_SYNTAX;
	snprintf(name, sizeof(name), "%s-%08" PRIu64 "-%016" PRIu64 ".jsonl", out->node,
		out->boot, out->first);
	return strcmp(name, out->segment) ? ERR_SYNTAX : 0;
}

/* Reads the manifest in this file, for whatever segment it is. */
static int
load_manifest_file(int dirfd, const char *name, struct manifest *out)
{
	char text[MANIFEST_BYTES];
	SCOPED_FD(fd, openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
	if (fd < 0)
		return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
	ssize_t n = read(fd, text, sizeof(text));
	return n < 0 ? ERR_IO : manifest_read(span_of(text, (size_t)n), out);
}

int
manifest_load(int dirfd, const char *segment, struct manifest *out)
{
	char name[JOURNAL_NAME_MAX + 8], packed[JOURNAL_NAME_MAX + 8];

	manifest_names(segment, name, packed);
	int err = load_manifest_file(dirfd, name, out);
	return !err && strcmp(out->segment, segment) ? ERR_SYNTAX : err;
}

void
manifest_names(const char *segment, char manifest[JOURNAL_NAME_MAX + 8],
	char packed[JOURNAL_NAME_MAX + 8])
{
	snprintf(packed, JOURNAL_NAME_MAX + 8, "%.*s" JOURNAL_PACKED_SUFFIX,
		JOURNAL_NAME_MAX - 1, segment);
	snprintf(manifest, JOURNAL_NAME_MAX + 8, "%.*s", JOURNAL_NAME_MAX - 1, segment);
	size_t n = strlen(manifest);
	if (n && manifest[n - 1] == 'l')
		manifest[n - 1] = '\0';
}

void
manifest_keys_name(const char *node, char out[CHAIN_NODE_MAX + 8])
{
	snprintf(out, CHAIN_NODE_MAX + 8, "%.*s.keys", CHAIN_NODE_MAX, node);
}

void
manifest_hashes_name(const char *segment, char out[JOURNAL_NAME_MAX + 8])
{
	size_t n = strlen(segment);

	n -= n > 6 && !strcmp(segment + n - 6, ".jsonl") ? 6 : 0;
	snprintf(out, JOURNAL_NAME_MAX + 8, "%.*s.hashes",
		(int)(n < JOURNAL_NAME_MAX ? n : JOURNAL_NAME_MAX - 1), segment);
}

void
manifest_latest_name(const char *node, char out[CHAIN_NODE_MAX + 8])
{
	snprintf(out, CHAIN_NODE_MAX + 8, "%.*s" MANIFEST_LATEST, CHAIN_NODE_MAX, node);
}

/* Sets *s to the segment that the file X.json, X.hashes or X.jsonl.zst belongs to. Returns
 * false for other files. */
static bool
segment_of_file(const char *file, struct journal_segment *s)
{
	static const char *const endings[] = { ".json", ".hashes",
		(".jsonl" JOURNAL_PACKED_SUFFIX) };
	struct span name = span_str(file);
	char segment[JOURNAL_NAME_MAX + 8];

	for (size_t i = 0; i < COUNT_OF(endings); i++) {
		if (!span_ends(name, span_str(endings[i])) || name.n >= JOURNAL_NAME_MAX)
			continue;
		name.n -= strlen(endings[i]);
		snprintf(segment, sizeof(segment), "%.*s.jsonl", SPAN_ARG(name));
		bool is = journal_name_read(segment, s);
		memcpy(s->name, segment, sizeof(segment));
		return is;
	}
	return false;
}

uint64_t
manifest_reaches(int dirfd, const char *node, char by[JOURNAL_NAME_MAX + 8])
{
	char latest[CHAIN_NODE_MAX + 8];
	struct journal_segment s, newest = { .first = 0 };
	struct manifest m;
	uint64_t last = 0;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close(fd);
	for (struct dirent *e; d && (e = readdir(d));)
		if (segment_of_file(e->d_name, &s) && !strcmp(s.node, node) &&
			s.first > newest.first) {
			newest = s;
			snprintf(by, JOURNAL_NAME_MAX + 8, "%.*s", JOURNAL_NAME_MAX + 7,
				e->d_name);
		}
	if (d)
		closedir(d);
	if (newest.first)
		last = manifest_load(dirfd, newest.name, &m) == 0 ? m.last : newest.first;
	manifest_latest_name(node, latest);
	if (load_manifest_file(dirfd, latest, &m) == 0 && !strcmp(m.node, node) &&
		m.last > last) {
		last = m.last;
		snprintf(by, JOURNAL_NAME_MAX + 8, "%s", latest);
	}
	return last;
}
