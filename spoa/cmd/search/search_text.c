/* The keyed hashes of a text that is searched for, one for each existing key. The daemon makes
 * the hashes, and records the request. If the daemon does not run, a user who may read the
 * files of the keys makes the hashes, without a record. Boots whose key is missing are printed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/codec/lines.h"
#include "base/keyfile.h"
#include "base/sha256.h"
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/search/search.h"
#include "policy/config/config.h"
#include "record/audit/keys.h"

#define TEXT_MAX (64u << 20)

/* A value of the term, in the arena. */
static int
want(struct query *from, struct search *q, struct span hex)
{
	struct search_want *w = &q->want[RT_TEXT_HASH];
	struct span kept = arena_printf(&from->arena, "%.*s", SPAN_ARG(hex));

	for (size_t i = 0; i < w->n; i++)
		if (span_is(hex, w->value[i]))
			return 0;
	if (!kept.p || w->n == SEARCH_VALUES)
		return cmd_fail(
			SEARCH_WHAT, "more than %d texts, with each hash key", SEARCH_VALUES);
	w->value[w->n++] = kept.p;
	return 0;
}

static void
note_tried(struct search_texts *t, const char *id)
{
	if (strlen(id) == HASHKEY_ID_LEN && t->ntried < SEARCH_HASH_KEYS)
		memcpy(t->tried[t->ntried++], id, HASHKEY_ID_LEN + 1);
}

static int
hash_with(struct query *from, struct search *q, const struct hashkey *key, struct span text,
	struct search_texts *t)
{
	unsigned char hash[SHA256_BYTES];

	hmac_sha256(key->key, text, hash);
	SCOPED_BUF(hex, 256);
	buf_hex(&hex, hash, sizeof(hash));
	int code = want(from, q, buf_view(&hex));
	note_tried(t, key->id);
	return code;
}

static int
by_files(struct query *from, struct search *q, struct span text, struct search_texts *t)
{
	struct hashkey keys[HASHKEYS_MAX];
	int code = 0;

	SCOPED_BUF(why, 8192);
	for (size_t i = 0; i < t->nkeys && !code; i++) {
		int n = hashkeys_load(t->key[i], keys, &why);
		if (n < 0)
			code = cmd_fail(
				SEARCH_WHAT, "--hash-key: %.*s", SPAN_ARG(buf_view(&why)));
		for (int k = 0; k < n && !code; k++)
			code = hash_with(from, q, &keys[k], text, t);
	}
	explicit_bzero(keys, sizeof(keys));
	return code;
}

/* Records of a person who has a share have hashes with a key of that person. */
static int
by_daemon_for(struct query *from, struct search *q, struct span text, const char *person,
	struct search_texts *t)
{
	json_auto_t *in = json_pack(
		"{s:s%,s:s*}", "text", text.p ? text.p : "", text.n, "person", person);
	int code = 0;

	if (!in)
		return cmd_fail(SEARCH_WHAT, "the daemon accepts texts in UTF-8 only");
	json_auto_t *answer =
		admin_call_json(SEARCH_WHAT, from->config, "/audit/text", in, &code);
	const json_t *hashes = json_object_get(answer, "hashes");
	/* A daemon of an older release knows its own key only, and not its name. */
	if (answer && !json_array_size(hashes))
		code = want(from, q, span_str(json_text_in(answer, "id")));
	for (size_t i = 0; i < json_array_size(hashes) && !code; i++) {
		const json_t *h = json_array_get(hashes, i);
		code = want(from, q, span_str(json_text_in(h, "id")));
		if (!json_object_get(h, "of"))
			note_tried(t, json_text_in(h, "hash_key"));
	}
	if (answer && !person && json_is_true(json_object_get(answer, "shares")))
		fprintf(stderr, "tollgate: " SEARCH_WHAT
				": hashes of sealed texts are different for each person: name "
				"the person with --person\n");
	return code;
}

static int
by_daemon(struct query *from, struct search *q, struct span text, struct search_texts *t)
{
	const struct search_want *persons = &q->want[RT_PERSON];
	bool any = false;
	int code = 0;

	for (size_t i = 0; i < persons->n && !code; i++) {
		struct span name = span_str(persons->value[i]);
		if (span_is(name, "-") || span_ends(name, SPAN_LIT("*")))
			continue;
		any = true;
		code = by_daemon_for(from, q, text, persons->value[i], t);
	}
	return any ? code : by_daemon_for(from, q, text, NULL, t);
}

/* The configured keys, which the daemon's user may read, and root. */
static int
by_configured(struct query *from, struct search *q, struct span text, struct search_texts *t)
{
	const struct config *cfg = cmd_config(&from->arena, from->config);
	struct hashkey keys[AUDIT_HASH_KEYS];
	size_t n = cfg ? audit_hash_keys(cfg, keys) : 0;
	int code = n ? 0 : EXIT_CANNOT;

	for (size_t i = 0; i < n && !code; i++)
		code = hash_with(from, q, &keys[i], text, t);
	explicit_bzero(keys, sizeof(keys));
	if (!n)
		cmd_fail(SEARCH_WHAT,
			"and the key cannot be read: neither audit.hash_key nor audit.key");
	else
		fprintf(stderr,
			"tollgate: " SEARCH_WHAT
			": searched with the key's file, so no record reports this search\n");
	return code;
}

static int
search_one_text(struct query *from, struct search *q, struct span text, struct search_texts *t)
{
	t->ntried = 0; /* the same keys each time */
	if (t->nkeys)
		return by_files(from, q, text, t);
	return by_daemon(from, q, text, t) ? by_configured(from, q, text, t) : 0;
}

int
search_texts(struct query *from, struct search *q, struct search_texts *t)
{
	int code = 0;

	for (size_t i = 0; i < t->ntexts && !code; i++)
		code = search_one_text(from, q, span_str(t->text[i]), t);
	for (size_t i = 0; i < t->nfiles && !code; i++) {
		SCOPED_BUF(b, TEXT_MAX);
		if (strcmp(t->file[i], "-") ? cmd_read_file(t->file[i], &b)
					    : cmd_read_stdin(&b))
			code = cmd_fail(SEARCH_WHAT, "--text-file %s: %s", t->file[i],
				buf_failed(&b) ? "too long" : strerror(errno));
		else
			code = search_one_text(from, q, buf_view(&b), t);
	}
	return code;
}

/* ---- what was not searched ---- */

enum { BOOT_BYTES = 16384 }; /* of a boot record: the id of its hash key is within them */

/* The hash key of the boot that begins with this segment; "": it does not say. */
static void
hash_key_of(const struct search_source *s, char out[HASHKEY_ID_LEN + 1])
{
	static const char member[] = "\"hash_key\":{\"id\":\"";
	char head[BOOT_BYTES];
	SCOPED_FD(fd, journal_segment_open(s->p.journal, &s->p.segment));
	ssize_t n = fd < 0 ? -1 : lines_head(fd, head, sizeof(head));

	out[0] = '\0';
	struct span line = span_of(head, n > 0 ? (size_t)n : 0);
	line = span_cut(line, 0, span_chr(line, '\n'));
	const char *at = line.n ? memmem(line.p, line.n, member, sizeof(member) - 1) : NULL;
	if (!at || !memmem(line.p, line.n, ",\"type\":\"boot\",", 15) ||
		line.p + line.n - at < (ssize_t)(sizeof(member) - 1 + HASHKEY_ID_LEN))
		return;
	memcpy(out, at + sizeof(member) - 1, HASHKEY_ID_LEN);
	out[HASHKEY_ID_LEN] = '\0';
	if (strspn(out, "0123456789abcdef") != HASHKEY_ID_LEN)
		out[0] = '\0';
}

static bool
was_tried(const struct search_texts *t, const char *id)
{
	size_t i = 0;

	while (i < t->ntried && strcmp(t->tried[i], id) != 0)
		i++;
	return i < t->ntried;
}

static bool
is_boot_of(const struct search_source *s, const struct search_source *other)
{
	return s->p.segment.boot == other->p.segment.boot &&
	       !strcmp(s->p.segment.node, other->p.segment.node) &&
	       !strcmp(s->p.journal, other->p.journal);
}

static void
say_untried(const struct search_source *s, uint64_t to, const char *key)
{
	char boots[64];

	snprintf(boots, sizeof(boots),
		to > s->p.segment.boot ? "boots %llu to %llu" : "boot %llu",
		(unsigned long long)s->p.segment.boot, (unsigned long long)to);
	fprintf(stderr,
		"tollgate: " SEARCH_WHAT
		": the text was not searched for: node %s, %s: %s%s%s\n",
		s->p.segment.node, boots, key[0] ? "hash key " : "its hash key is unknown", key,
		key[0] ? " is not here (--hash-key FILE)" : "");
}

void
search_texts_untried(
	const struct search *q, const struct search_sources *all, const struct search_texts *t)
{
	char key[HASHKEY_ID_LEN + 1], run_key[HASHKEY_ID_LEN + 1] = "";
	const struct search_source *run = NULL, *boot = NULL;
	uint64_t to = 0;
	bool here = false;

	if (!t->ntexts && !t->nfiles)
		return;
	for (size_t i = 0; i < all->n; i++) {
		const struct search_source *s = &all->source[i];
		if (!s->p.journal) {
			fprintf(stderr,
				"tollgate: " SEARCH_WHAT
				": %s: the hash keys of its boots were not checked\n",
				s->path);
			continue;
		}
		bool same = boot && is_boot_of(s, boot), asked;
		asked = !(q->until_ns && s->from_ns >= q->until_ns) && s->to_ns >= q->from_ns;
		if (!same) {
			boot = s;
			here = false;
		}
		/* Printed once for each boot, with the first of its segments. */
		if (!asked || (same && here))
			continue;
		here = true;
		hash_key_of(boot, key);
		if (was_tried(t, key))
			continue;
		if (run && !strcmp(run_key, key) && s->p.segment.boot == to + 1 &&
			!strcmp(run->p.segment.node, s->p.segment.node) &&
			!strcmp(run->p.journal, s->p.journal)) {
			to = s->p.segment.boot;
			continue;
		}
		if (run)
			say_untried(run, to, run_key);
		run = s;
		to = s->p.segment.boot;
		memcpy(run_key, key, sizeof(key));
	}
	if (run)
		say_untried(run, to, run_key);
}
