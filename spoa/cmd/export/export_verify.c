/* tollgate audit verify --manifest: verifies that an exported file agrees with its
 * manifest, and that a known key signed the manifest. If the file has JSON lines, the
 * records are also counted and compared. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec/json_text.h"
#include "cmd/cmd.h"
#include "cmd/export/export.h"
#include "cmd/plain.h"
#include "record/archive/files.h"
#include "record/proof/note.h"

/* The verification of one manifest and its file. */
struct look {
	struct audit_args *a;
	json_t *object;
	struct buf *why;
	/* counts of a file with JSON lines */
	uint64_t records;
	json_t *types;
	struct seen {
		const char *node; /* borrowed from the JSON object */
		uint64_t first, last, records;
		unsigned char head[CHAIN_HASH_BYTES];
	} seen[EXPORT_CHAINS_MAX];
	bool stranger;
};

/* Prints why the file or the manifest is wrong. Returns false. */
__attribute__((format(printf, 2, 3))) static bool
disagree(const struct look *k, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(k->why, fmt, ap);
	va_end(ap);
	return false;
}

/* ---- the signer ---- */

/* A revoked key no longer counts for a manifest, because only the manifest itself states
 * when it was made. */
static bool
signer_revoked(const struct look *k, const struct pubkey *key)
{
	for (size_t i = 0; i < k->a->ring->nrevoked; i++)
		if (!strcmp(k->a->ring->revoked[i].id, key->id))
			return true;
	return false;
}

/* ---- contents of the file ---- */

static void
count_line(void *arg, struct span line)
{
	struct look *k = arg;
	struct chain_line l;
	struct seen *s = k->seen;

	if (chain_parse(line, &l)) {
		k->stranger = true;
		return;
	}
	if (l.commit)
		return;
	k->records++;
	const json_t *n = json_object_getn(k->types, l.type.p, l.type.n);
	json_object_setn_new(
		k->types, l.type.p, l.type.n, json_integer(json_integer_value(n) + 1));
	while (s < k->seen + EXPORT_CHAINS_MAX && s->node && !span_is(l.node, s->node))
		s++;
	if (s == k->seen + EXPORT_CHAINS_MAX || !s->node) {
		k->stranger = true;
		return;
	}
	s->records++;
	s->first = !s->first || l.seq < s->first ? l.seq : s->first;
	if (l.seq >= s->last) {
		s->last = l.seq;
		sha256(line, s->head);
	}
}

static bool
lines_agree(struct look *k, const char *path)
{
	const struct query q = { .file = path, .arg = k, .line = count_line };
	json_t *chains = json_object_get(k->object, "chains"), *c;
	char head[2 * CHAIN_HASH_BYTES + 1];
	size_t i;

	json_array_foreach(chains, i, c) k->seen[i].node = json_text_in(c, "node");
	if (query_read(&q, k->why))
		return false;
	if (k->records != (uint64_t)json_int_in(k->object, "records"))
		return disagree(k, "the file has %" PRIu64 " records, the manifest has %lld",
			k->records, json_int_in(k->object, "records"));
	if (!json_equal(k->types, json_object_get(k->object, "types")))
		return disagree(k, "types: the file has other records than the manifest states");
	json_array_foreach(chains, i, c)
	{
		const struct seen *s = &k->seen[i];
		chain_hex(s->head, head);
		if (s->records != (uint64_t)json_int_in(c, "records") ||
			s->first != (uint64_t)json_int_in(c, "first") ||
			s->last != (uint64_t)json_int_in(c, "last") ||
			strcmp(head, json_text_in(c, "head")) != 0)
			return disagree(k,
				"%s: the file has other records than the manifest states",
				s->node);
	}
	return true;
}

/* Writes the path of the given file, or else of the file next to the manifest that the
 * manifest names. */
static void
path_of(const struct look *k, char *out, size_t size)
{
	const char *name = json_text_in(json_object_get(k->object, "file"), "name");
	const char *slash = strrchr(k->a->manifest, '/');
	int dir = slash ? (int)(slash - k->a->manifest) + 1 : 0;

	if (k->a->q.file)
		snprintf(out, size, "%s", k->a->q.file);
	else
		snprintf(out, size, "%.*s%s", dir, k->a->manifest, name);
}

static bool
bytes_agree(struct look *k, const char *path)
{
	const json_t *file = json_object_get(k->object, "file");
	unsigned char hash[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	uint64_t bytes = 0;
	SCOPED_FD(fd, open(path, O_RDONLY | O_CLOEXEC));

	if (fd < 0)
		return disagree(k, "missing: %s: %s", path, strerror(errno));
	if (files_hash(fd, NULL, hash, &bytes, k->why))
		return false;
	chain_hex(hash, hex);
	if (bytes != (uint64_t)json_int_in(file, "bytes"))
		return disagree(k, "changed: %s has %" PRIu64 " bytes, the manifest has %lld",
			path, bytes, json_int_in(file, "bytes"));
	return !strcmp(hex, json_text_in(file, "sha256")) ||
	       disagree(k, "changed: %s has another SHA-256 than the manifest states", path);
}

/* Returns true if one of the keys also signed each checkpoint in the manifest. */
static bool
notes_agree(struct look *k)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(k->object, "chains"), i, c)
	{
		struct span note = json_span(json_object_get(c, "checkpoint"));
		struct checkpoint p;
		const char *bad;
		if (note.n && (checkpoint_parse(note, &p, &bad) ||
				      !checkpoint_signer(&p, p.origin, k->a->ring->key,
					      k->a->ring->nkeys)))
			return disagree(k, "%s: its checkpoint is signed by none of the keys",
				json_text_in(c, "node"));
	}
	return true;
}

static bool
export_holds(struct look *k, const struct export_manifest *m, char *path, size_t size)
{
	/* the keys of --public-key and of the configuration, and the keys that these
	 * introduced */
	const struct pubkey *key = export_signer(m, k->a->ring->key, k->a->ring->nkeys);

	if (!key) {
		bool known = false;
		for (size_t i = 0; i < k->a->ring->nkeys; i++)
			known |= span_is(m->key, k->a->ring->key[i].id);
		return disagree(k,
			known ? "bad signature: the manifest was changed"
			      : "wrong key: none of the given keys is %.*s",
			SPAN_ARG(m->key));
	}
	if (signer_revoked(k, key))
		return disagree(k, "wrong key: %s is revoked", key->id);
	k->object = export_object(m->object, k->why);
	if (!k->object)
		return false;
	path_of(k, path, size);
	return bytes_agree(k, path) && notes_agree(k) &&
	       (strcmp(json_text_in(k->object, "format"), "jsonl") != 0 ||
		       lines_agree(k, path));
}

static void
print_held(const struct look *k, const struct export_manifest *m, const char *path)
{
	json_t *c;
	size_t i;

	/* The manifest's words may be from anyone, so they are printed without control
	 * characters. */
	SCOPED_BUF(name, 0);
	SCOPED_BUF(format, 0);
	plain_word(&name, span_str(path));
	plain_word(&format, json_span(json_object_get(k->object, "format")));
	printf("ok manifest=%s file=%.*s format=%.*s records=%lld", k->a->manifest,
		SPAN_ARG(buf_view(&name)), SPAN_ARG(buf_view(&format)),
		json_int_in(k->object, "records"));
	json_array_foreach(json_object_get(k->object, "chains"), i, c) printf(" %s=%lld-%lld",
		json_text_in(c, "node"), json_int_in(c, "first"), json_int_in(c, "last"));
	printf(" made=%s key=%.*s\n", json_text_in(k->object, "made"), SPAN_ARG(m->key));
}

int
audit_verify_manifest(struct audit_args *a)
{
	SCOPED_BUF(why, 16384);
	struct look k = { .a = a, .why = &why, .types = json_object() };
	struct export_manifest m;
	char path[8192] = "";
	int code = EXIT_NO;

	SCOPED_BUF(file, EXPORT_MANIFEST_MAX);
	SCOPED_BUF(shown, 0);
	if (cmd_failed(a->q.what, audit_ring(a, &why), &why))
		code = EXIT_CANNOT;
	else if (cmd_read_file(a->manifest, &file) && !buf_failed(&file))
		code = cmd_fail(a->q.what, "%s: %s", a->manifest, strerror(errno));
	else if (!buf_failed(&file) && !export_manifest_parse(buf_view(&file), &m, &why) &&
		 export_holds(&k, &m, path, sizeof(path)))
		code = EXIT_DONE;
	else if (buf_failed(&file))
		buf_str(&why, "not the manifest of an export: too long");
	if (code == EXIT_DONE)
		print_held(&k, &m, path);
	plain_put(&shown, buf_view(&why), SIZE_MAX);
	if (code == EXIT_NO)
		printf("bad manifest=%s why=\"%.*s\"\n", a->manifest,
			SPAN_ARG(buf_view(&shown)));
	if (code != EXIT_CANNOT && fflush(stdout) == EOF)
		code = EXIT_CANNOT;
	json_decref(k.object);
	json_decref(k.types);
	free(a->ring);
	a->ring = NULL;
	return code;
}
