/* tollgate audit verify: verifies chains of records and prints one line for each, with the
 * sequence number of the first bad record.
 *
 * A chain is a journal, a Redis stream, or a part of a file. If both a journal and its
 * stream are given, the stream must be a prefix of the journal. Further options compare a
 * chain with an old checkpoint (--note), with sealed texts (--texts) and with programs
 * (--program).
 *
 * The first section compares programs with the boot records of a chain, which contain the SHA-256
 * of the program that ran (record/audit/measure.h). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "base/why.h"
#include "cmd/cmd.h"
#include "cmd/daemon/reading.h"
#include "cmd/records/audit.h"
#include "cmd/records/audit_anchors.h"
#include "cmd/records/audit_note.h"
#include "record/archive/kept_policy.h"
#include "record/archive/manifest.h"
#include "record/audit/measure.h"
#include "record/journal/chain.h"
#include "record/journal/journal.h"
#include "record/journal/recover.h"
#include "record/journal/verify.h"
#include "record/proof/tree_check.h"

/* ---- programs ---- */

/* verify --program: compares the programs that a chain's boot records name with the given
 * ones. */
struct program_check {
	const unsigned char (*hash)[CHAIN_HASH_BYTES]; /* SHA-256 of the given programs */
	size_t nhashes;
	/* numbers of boot records: all; with a given program; without a hash */
	uint64_t boots, same, unstated;
	uint64_t other_seq, other; /* first boot record of another program; their number */
	char why[256];
};

/* Hashes the files of --program. Returns 0, or an exit code after a message. */
static int
audit_programs_read(
	const struct audit_args *a, unsigned char hash[AUDIT_PROGRAMS][CHAIN_HASH_BYTES])
{
	uint64_t bytes;

	for (size_t i = 0; i < a->nprograms; i++) {
		int err = measure_file(a->program[i], hash[i], &bytes);
		if (err)
			return cmd_fail(a->q.what, "--program: %s: %s", a->program[i],
				strerror(-err));
	}
	return 0;
}

/* Returns the SHA-256 in hexadecimal digits, or NULL if the record has none. */
static const char *
measured_program(const json_t *record)
{
	json_t *file;
	size_t i;

	json_array_foreach(json_object_get(record, "measured"), i, file)
	{
		const char *what = json_str_in(file, "what");
		if (what && !strcmp(what, "program"))
			return json_str_in(file, "sha256");
	}
	return NULL;
}

static void
audit_program_record(struct program_check *c, const struct chain_line *l, struct span line)
{
	unsigned char hash[CHAIN_HASH_BYTES];

	if (!span_is(l->type, "boot"))
		return;
	json_auto_t *o = json_loadb(line.p, line.n, 0, NULL);
	const char *hex = measured_program(o);
	c->boots++;
	if (!hex || !sha256_read(span_str(hex), hash)) {
		c->unstated++;
		return;
	}
	for (size_t i = 0; i < c->nhashes; i++)
		if (!memcmp(hash, c->hash[i], sizeof(hash))) {
			c->same++;
			return;
		}
	if (c->other++)
		return;
	const char *stated = json_str_in(o, "commit");
	char commit[65];
	c->other_seq = l->seq;
	snprintf(c->why, sizeof(c->why),
		"another program: boot %" PRIu64 " ran commit %s, SHA-256 %s", l->boot,
		audit_note_plain(span_str(stated ? stated : "?"), commit, sizeof(commit)), hex);
}

/* Returns true if every boot record that names a program names one of these, and at least
 * one does. Otherwise sets c->why and the sequence number of the record. */
static bool
audit_program_holds(struct program_check *c)
{
	if (!c->other && !c->same) {
		c->other_seq = 1;
		snprintf(c->why, sizeof(c->why),
			"unknown program: none of %" PRIu64
			" boot records names the SHA-256 of its program",
			c->boots);
	}
	return !c->other && c->same;
}

/* ---- chains ---- */

#define CHAINS_MAX  1024 /* nodes in one file */
#define PRINT_BYTES 16	 /* bytes of each hash that are kept to compare a stream with its journal */

/* The hashes of the stream, which the journal must repeat. */
struct prints {
	char node[CHAIN_NODE_MAX + 1];
	uint64_t first;
	unsigned char *hash;
	size_t n, room;
	uint64_t differs; /* the first sequence number with another hash; 0: none */
	bool full;
};

static void
print_add(void *arg, uint64_t seq, const unsigned char hash[CHAIN_HASH_BYTES])
{
	struct prints *p = arg;

	if (p->n == 0)
		p->first = seq;
	if (!mem_room(&p->hash, &p->room, p->n + 1, PRINT_BYTES)) {
		p->full = true;
		return;
	}
	memcpy(p->hash + p->n++ * PRINT_BYTES, hash, PRINT_BYTES);
}

static void
print_compare(void *arg, uint64_t seq, const unsigned char hash[CHAIN_HASH_BYTES])
{
	struct prints *p = arg;

	if (seq >= p->first && seq - p->first < p->n && !p->differs &&
		memcmp(p->hash + (seq - p->first) * PRINT_BYTES, hash, PRINT_BYTES) != 0)
		p->differs = seq;
}

/* SHA-256 of the files of --program */
static unsigned char programs[AUDIT_PROGRAMS][CHAIN_HASH_BYTES];

/* The things with which one chain is compared. Owned by the function that verifies the chain. */
struct watch {
	struct tree_check tree;
	struct anchors_check anchors;
	struct program_check program;
	struct prints *prints; /* NULL: no stream is compared */
	void (*print)(void *arg, uint64_t seq, const unsigned char hash[CHAIN_HASH_BYTES]);
	struct keyring *learned; /* gets the keys that the chain was verified with; NULL: not
				  * needed */
	json_t *policies; /* versions, by the SHA-256 of their texts, from records of policies;
			   * NULL: none */
};

/* Notes which text a record of type `policy` names. */
static void
watch_policy(struct watch *w, const struct chain_line *l, struct span line)
{
	if (!span_is(l->type, "policy"))
		return;
	json_auto_t *o = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
	const char *text = json_str_in(o, "text");
	if (!text)
		return;
	if (!w->policies)
		w->policies = json_object();
	json_object_set(w->policies, text, json_object_get(o, "policy_version"));
}

static void
watch_record(void *arg, const struct chain_line *l, struct span line)
{
	struct watch *w = arg;

	watch_policy(w, l, line);
	tree_check_record(&w->tree, l, line);
	anchors_check_record(&w->anchors, l, line);
	if (w->program.nhashes)
		audit_program_record(&w->program, l, line);
}

static void
watch_each(void *arg, uint64_t seq, const unsigned char hash[CHAIN_HASH_BYTES])
{
	struct watch *w = arg;

	tree_check_each(&w->tree, seq, hash);
	anchors_check_each(&w->anchors, seq);
	if (w->prints)
		w->print(w->prints, seq, hash);
}

/* Creates a verifier whose callbacks belong to w. Returns NULL if memory is exhausted. */
static struct verifier *
watch_begin(struct watch *w, const struct audit_args *a, struct verify_options o)
{
	const struct tree_against against = { .note = w->tree.against.note,
		.stored = w->tree.against.stored,
		.arg = w->tree.against.arg };

	tree_check_free(&w->tree);
	o.record = watch_record;
	o.each = watch_each;
	o.arg = w;
	struct verifier *v = verifier_new(&o);
	w->tree = (struct tree_check){ .verifier = v, .against = against };
	w->anchors = (struct anchors_check){ .keys = a->outside, .verifier = v };
	w->program = (struct program_check){ .hash = programs, .nhashes = a->nprograms };
	return v;
}

/* ---- output ---- */

static bool as_json; /* --json; this process runs one command */

void
audit_print_json(json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII);

	puts(text ? text : "{}");
	free(text);
	json_decref(o);
}

static void
print_bad(const char *node, const char *source, uint64_t seq, const char *why, uint64_t records)
{
	if (as_json)
		audit_print_json(json_pack("{s:b,s:s?,s:s,s:I,s:s?,s:I}", "ok", 0, "node", node,
			"source", source, "seq", (json_int_t)seq, "why", why, "verified",
			(json_int_t)records));
	else
		printf("bad node=%s source=%s seq=%" PRIu64 " why=\"%s\" verified=%" PRIu64
		       "\n",
			node, source, seq, why, records);
}

static void
print_result(const struct verify_result *r, const struct watch *w, const char *source)
{
	/* A text line prints the first seven rows below. The row `covered` is printed even if it
	 * is 0, unless there are no checkpoints. */
	enum { COVERED = 1, LINE = 7 };
	const struct tree_check *t = &w->tree;
	const struct {
		const char *name;
		uint64_t n;
	} more[] = { { "checkpoints", t->checkpoints }, { "covered", t->covered },
		{ "anchors", w->anchors.seen }, { "verified_anchors", w->anchors.verified },
		{ "vouched", r->vouched }, { "trimmed", r->first > 1 ? r->first - 1 : 0 },
		{ "trim_record", r->trim_seq }, { "unsigned_records", r->unsigned_records },
		{ "torn_bytes", r->torn_bytes } };
	char head[2 * CHAIN_HASH_BYTES + 1];

	if (!r->ok) {
		print_bad(r->node, source, r->bad_seq, r->why, r->records);
		return;
	}
	chain_hex(r->head, head);
	if (as_json) {
		json_t *o = json_pack("{s:b,s:s,s:s,s:I,s:I,s:I,s:I,s:s,s:s}", "ok", 1, "node",
			r->node, "source", source, "records", (json_int_t)r->records, "seq",
			(json_int_t)r->last, "boots", (json_int_t)r->boots, "commits",
			(json_int_t)r->commits, "head", head, "time", r->time);
		for (size_t i = 0; i < COUNT_OF(more); i++)
			if (more[i].n)
				json_object_set_new(
					o, more[i].name, json_integer((json_int_t)more[i].n));
		audit_print_json(o);
		return;
	}
	printf("ok node=%s source=%s records=%" PRIu64 " seq=%" PRIu64 " boots=%" PRIu64
	       " commits=%" PRIu64 " head=%s time=%s",
		r->node, source, r->records, r->last, r->boots, r->commits, head, r->time);
	for (size_t i = 0; i < LINE; i++)
		if (i == COVERED ? t->checkpoints : more[i].n)
			printf(" %s=%" PRIu64, more[i].name, more[i].n);
	if (r->unsigned_records || r->torn_bytes)
		printf(" unfinished=\"last commit: %" PRIu64 " records and %" PRIu64
		       " bytes behind it are not signed yet\"",
			r->unsigned_records, r->torn_bytes);
	putchar('\n');
}

/* Prints the line of --program, which follows the line of the chain. */
static bool
print_programs(const struct verify_result *r, struct watch *w)
{
	struct program_check *c = &w->program;

	if (!c->nhashes || !r->ok)
		return true;
	if (!audit_program_holds(c)) {
		print_bad(r->node, "program", c->other_seq, c->why, r->records);
		return false;
	}
	if (as_json)
		audit_print_json(json_pack("{s:b,s:s,s:s,s:I,s:I,s:I}", "ok", 1, "node",
			r->node, "source", "program", "boots", (json_int_t)c->boots, "same",
			(json_int_t)c->same, "unstated", (json_int_t)c->unstated));
	else
		printf("ok node=%s source=program boots=%" PRIu64 " same=%" PRIu64
		       " unstated=%" PRIu64 "\n",
			r->node, c->boots, c->same, c->unstated);
	return true;
}

/* Compares each policy text that a record names with JOURNAL.policies, or with
 * FILE.policies of an export. Returns false, after a line for each, if a text is missing or
 * was changed. */
static bool
policies_hold(const struct audit_args *a, const struct watch *w, const char *place)
{
	const char *hash;
	json_t *version;
	bool ok = true;

	SCOPED_BUF(folder, 0);
	kept_policy_folder(place, &folder);
	if (json_object_size(w->policies) && !kept_policy_any(place)) {
		fprintf(stderr,
			"tollgate: %s: %s does not exist: the texts of %zu policies were "
			"not compared\n",
			a->q.what, folder.p, json_object_size(w->policies));
		return true;
	}
	json_object_foreach(w->policies, hash, version)
	{
		struct kept_policy kept;
		SCOPED_BUF(why, 4096);
		int err = kept_policy_get(&(struct kept_places){ .journal = place },
			json_is_string(version) ? json_string_value(version) : "", hash, &kept,
			&why);
		kept_policy_free(&kept);
		if (!err)
			continue;
		ok = false;
		buf_putc(&why, '\0');
		if (as_json)
			audit_print_json(json_pack("{s:b,s:s,s:s,s:s}", "ok", 0, "source",
				"policies", "policy_text", hash, "why", why.p));
		else
			printf("bad source=policies policy_text=%s why=\"%s\"\n", hash, why.p);
	}
	return ok;
}

/* Ends the verification. A chain without records proves nothing, so it is an error. */
static void
end_verify(struct verifier *v, struct verify_result *r)
{
	verifier_end(v, r);
	if (r->ok && r->records == 0) {
		r->ok = false;
		r->bad_seq = 1;
		snprintf(r->why, sizeof(r->why), "missing: no signed record");
	}
}

/* ---- one chain ---- */

static void
line_to(void *v, struct span line)
{
	verifier_line(v, line);
}

static void
torn_to(void *v, size_t bytes)
{
	verifier_torn(v, bytes);
}

static void
reject_to(void *v, const char *why)
{
	verifier_reject(v, why);
}

/* Verifies one chain. If the first reading finds a fault, the chain is read again with
 * every signature, for two reasons. A running daemon may cut off a line that a full disk
 * left incomplete, and a stream may be trimmed while it is read. The second reading also
 * names the first bad record exactly. `key` NULL: the journal. */
static int
verify_chain(struct audit_args *a, redisContext *c, const char *key, struct verify_options *o,
	struct watch *w, struct verify_result *r, struct buf *why)
{
	int err = 0;

	r->ok = false;
	for (int tries = 0; tries < 2 && !err && !r->ok; tries++) {
		struct prints *p = w->prints;
		if (p && key)
			p->n = 0;
		else if (p)
			p->differs = 0;
		o->every_signature = tries > 0;
		struct verifier *v = watch_begin(w, a, *o);
		if (!v)
			return ERR_NOMEM;
		const struct query q = { .journal = a->q.journal,
			.node = key ? NULL : a->q.node,
			.without_restored = true,
			.restored = a->q.restored,
			.evidence = true,
			.arg = v,
			.line = line_to,
			.torn = torn_to,
			.reject = reject_to };
		err = key ? query_stream(c, key, &q, why) : query_read(&q, why);
		if (!err)
			end_verify(v, r);
		if (!err && w->tree.failed)
			err = ERR_NOMEM;
		if (w->learned)
			*w->learned = *verifier_ring(v);
		verifier_free(&v);
	}
	return err;
}

/* The chains of a journal's folder. Usually there is one. An archive, or a folder into which
 * somebody copied journals, may have several. */
struct journal_chains {
	size_t n;
	struct journal_chain {
		char node[CHAIN_NODE_MAX + 1]; /* "": unknown */
		uint64_t first;		       /* its first record, and where that is */
		enum journal_form form;
	} *of;
};

/* Lists the chains. A folder without a segment has one chain of an unknown node, and a daemon's own
 * journal has that of its oldest segment: other segments in it are strangers. The caller frees
 * out->of. */
static int
journal_chains_list(struct audit_args *a, struct journal_chains *out, struct buf *why)
{
	struct journal_list list;
	int err = journal_list_all(a->q.journal, NULL, a->q.restored, &list, why);
	size_t room = 1;

	*out = (struct journal_chains){ .n = 0 };
	if (!err && !list.n && !a->q.restored) {
		a->q.restored = true;
		err = journal_list_all(a->q.journal, NULL, true, &list, why);
	}
	if (err)
		return err;
	out->of = calloc(1, sizeof(*out->of));
	err = out->of ? 0 : ERR_NOMEM;
	for (size_t i = 0; i < list.n && !err; i++) {
		const struct journal_segment *s = &list.seg[i];
		size_t k = 0;
		while (k < out->n && strcmp(out->of[k].node, s->node) != 0)
			k++;
		if (!s->ours || k < out->n)
			continue;
		if (!mem_room(&out->of, &room, out->n + 1, sizeof(*out->of))) {
			err = ERR_NOMEM;
			break;
		}
		struct journal_chain *c = &out->of[out->n++];
		*c = (struct journal_chain){ .first = s->first, .form = s->form };
		memcpy(c->node, s->node, sizeof(c->node));
	}
	if (!err && (!out->n || a->q.by_config))
		out->n = 1;
	journal_list_free(&list);
	return err;
}

/* For an archive, or records restored from one: reports if its files show that the chain
 * continued, so that the last segment is lost. */
static void
hold_to_its_end(const struct audit_args *a, enum journal_form form, struct verify_result *r)
{
	char path[JOURNAL_DIR_MAX + 16], by[JOURNAL_NAME_MAX + 8];

	snprintf(path, sizeof(path), "%.*s%s", SPAN_ARG(journal_folder(a->q.journal)),
		form == JOURNAL_RESTORED ? JOURNAL_RESTORED_SUFFIX : "");
	SCOPED_FD(fd, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	uint64_t reaches = fd < 0 || !r->ok ? 0 : manifest_reaches(fd, r->node, by);
	if (reaches <= r->last)
		return;
	r->ok = false;
	r->bad_seq = r->last + 1;
	snprintf(r->why, sizeof(r->why),
		"missing: %s shows records up to %" PRIu64 "; no segment here has them", by,
		reaches);
}

/* Returns true if the journal's folder has no files but segments of this node (NULL: any node). */
static bool
is_clean_journal(const struct audit_args *a, const char *node)
{
	SCOPED_BUF(stranger, 8192);
	bool clean = !journal_has_stranger(a->q.journal, node, &stranger);

	if (!clean)
		cmd_fail(a->q.what, "%.*s", SPAN_ARG(buf_view(&stranger)));
	return clean;
}

/* Verifies a chain of the journal. If the journal has no segments, the restored records next to
 * it are verified. An archive and restored records begin with record 1, unless --from names
 * another one or a trim record states that earlier records were not archived. */
static int
verify_journal(struct audit_args *a, const struct journal_chain *chain, struct prints *p,
	struct watch *w, struct verify_result *r, struct buf *why)
{
	const char *node = chain->node;
	const uint64_t first = chain->first;
	const enum journal_form form = chain->form;
	bool by_trim = !a->from && first > 1;
	bool archive = form == JOURNAL_PACKED || form == JOURNAL_RESTORED;
	struct verify_options o = { .ring = a->ring,
		.from = a->from	    ? a->from
			: first > 1 ? first
				    : 0,
		.by_trim = by_trim,
		.unarchived = archive,
		.live = true,
		.node = node[0] ? node : NULL };

	if (p && !strcmp(p->node, node)) {
		w->prints = p;
		w->print = print_compare;
	}
	struct stored_tree stored = { a->q.journal, node };
	w->tree.against.stored = audit_note_stored;
	w->tree.against.arg = &stored;
	int err = verify_chain(a, NULL, NULL, &o, w, r, why);
	if (!err && archive)
		hold_to_its_end(a, form, r);
	size_t n = strlen(r->why);
	if (!err && archive && by_trim && !r->ok && r->bad_seq == 1)
		snprintf(r->why + n, sizeof(r->why) - n,
			"; to verify only a part, name its first record: --from %" PRIu64, first);
	return err;
}

static int
verify_stream(struct audit_args *a, redisContext *c, const char *key, struct prints *p,
	struct watch *w, struct verify_result *r, struct buf *why)
{
	const char *node = key + strlen(QUERY_STREAM_PREFIX);
	struct verify_options o = {
		.ring = a->ring, .trimmed = true, .live = true, .node = node
	};

	if (p) {
		snprintf(p->node, sizeof(p->node), "%s", node);
		w->prints = p;
		w->print = print_add;
	}
	return verify_chain(a, c, key, &o, w, r, why);
}

/* ---- a file, which may contain several chains ---- */

/* The verification of a file: a verifier for each of its chains, at most CHAINS_MAX. */
struct chains {
	struct audit_args *a;
	struct verifier *v[CHAINS_MAX];
	struct watch *w[CHAINS_MAX];
	char node[CHAINS_MAX][CHAIN_NODE_MAX + 1];
	size_t n, at;
	bool failed, began, every_signature;
	bool proof;	   /* the file is no chain but one record with its proof */
	struct buf bundle; /* the proof */
	bool cut;	   /* bytes follow the last newline of the proof */
	const struct checkpoint *note;
};

static void
chain_begin(struct chains *c, struct span node)
{
	struct verify_options o = { .ring = c->a->ring,
		.from = c->a->from,
		.trimmed = c->a->from > 1, /* a period may begin inside a commit */
		.every_signature = c->every_signature };
	struct watch *w = c->n < CHAINS_MAX ? calloc(1, sizeof(*w)) : NULL;

	if (w)
		w->tree.against.note = c->note;
	struct verifier *v = w ? watch_begin(w, c->a, o) : NULL;
	if (!v)
		free(w);
	else
		c->w[c->n] = w;

	c->failed = c->failed || !v;
	if (!v)
		return;
	snprintf(c->node[c->n], sizeof(c->node[0]), "%.*s", SPAN_ARG(node));
	c->at = c->n;
	c->v[c->n++] = v;
}

static void
line_to_chains(void *arg, struct span line)
{
	struct chains *c = arg;
	struct chain_line l;

	if (!c->began)
		c->proof = span_starts(line, SPAN_LIT(BUNDLE_BEGIN));
	c->began = true;
	if (c->proof) {
		buf_span(&c->bundle, line);
		buf_putc(&c->bundle, '\n');
		return;
	}
	bool known = chain_parse(line, &l) == 0;

	if (known && (!c->n || !span_is(l.node, c->node[c->at]))) {
		size_t i = 0;
		while (i < c->n && !span_is(l.node, c->node[i]))
			i++;
		if (i < c->n)
			c->at = i;
		else if (!c->n || (!l.commit && verifier_at_commit(c->v[c->at])))
			chain_begin(c, l.node);
		/* otherwise a record inside a commit names another node, which the chain
		 * reports */
	} else if (!c->n) {
		chain_begin(c, (struct span){ NULL, 0 });
	}
	if (!c->failed)
		verifier_line(c->v[c->at], line);
}

static void
torn_to_chains(void *arg, size_t bytes)
{
	struct chains *c = arg;

	if (c->proof) {
		c->cut = true;
		return;
	}
	if (!c->n)
		chain_begin(c, (struct span){ NULL, 0 });
	if (!c->failed)
		verifier_torn(c->v[c->at], bytes);
}

static void
chains_free(struct chains *c)
{
	for (size_t i = 0; i < c->n; i++) {
		verifier_free(&c->v[i]);
		tree_check_free(&c->w[i]->tree);
		json_decref(c->w[i]->policies);
		free(c->w[i]);
	}
	c->n = 0;
}

/* Verifies the note with the chain of its origin, or with the only chain. */
static void
hold_file_note(struct chains *c, struct audit_note *n, const struct verify_result *r, bool *ok)
{
	char origin[NOTE_NAME_MAX + 1];
	size_t i = 0;

	while (i < c->n && !span_is(n->checkpoint.origin, c->w[i]->tree.origin))
		i++;
	if (i == c->n && c->n == 1)
		i = 0;
	if (i == c->n) {
		printf("bad node= source=note seq=1 why=\"another log: no chain of the file "
		       "has checkpoints of %s\" verified=0\n",
			audit_note_plain(n->checkpoint.origin, origin, sizeof(origin)));
		*ok = false;
	} else {
		*ok = audit_note_print(
			      c->a, n, &c->w[i]->tree, verifier_ring(c->v[i]), &r[i]) &&
		      *ok;
	}
}

static int
verify_file(struct audit_args *a, struct audit_note *n, bool *ok, struct buf *why)
{
	struct chains *c = calloc(1, sizeof(*c));
	struct verify_result *r = calloc(CHAINS_MAX, sizeof(*r));
	int err = c && r ? 0 : ERR_NOMEM;
	bool sound = false;

	for (int tries = 0; !err && tries < 2 && !sound; tries++) {
		size_t vouched = 0;
		chains_free(c);
		buf_free(&c->bundle);
		*c = (struct chains){
			.a = a, .every_signature = tries > 0, .note = n ? &n->checkpoint : NULL
		};
		buf_init(&c->bundle, BUNDLE_MAX);
		const struct query q = { .file = a->q.file,
			.arg = c,
			.line = line_to_chains,
			.torn = torn_to_chains };
		err = query_read(&q, why);
		if (err || c->proof)
			break;
		if (c->n == 0)
			chain_begin(c, (struct span){ NULL, 0 });
		err = c->failed ? ERR_LIMIT : 0;
		sound = true;
		for (size_t i = 0; i < c->n && !err; i++) {
			end_verify(c->v[i], &r[i]);
			sound = sound && r[i].ok;
			vouched += r[i].vouched;
			err = c->w[i]->tree.failed ? ERR_NOMEM : 0;
		}
		/* read again with every signature, so that the first bad record is named */
		sound = sound || !vouched || !strcmp(a->q.file, "-");
	}
	if (!err && c->proof && n)
		*ok = cmd_fail(a->q.what,
			      "--note needs a log, and this file is a proof") == 0;
	else if (!err && c->proof)
		*ok = audit_verify_bundle(a, &c->bundle, c->cut);
	for (size_t i = 0; !err && i < c->n; i++) {
		print_result(&r[i], c->w[i], "file");
		*ok = print_programs(&r[i], c->w[i]) && *ok && r[i].ok;
		if (kept_policy_any(a->q.file))
			*ok = policies_hold(a, c->w[i], a->q.file) && *ok;
	}
	if (!err && n && !c->proof)
		hold_file_note(c, n, r, ok);
	if (c) {
		chains_free(c);
		buf_free(&c->bundle);
	}
	free(c);
	free(r);
	return err;
}

/* ---- both ---- */

/* Compares the results: the stream must lag behind its journal, or the journal must be
 * newer than the stream. */
static void
compare_with_stream(const struct verify_result *journal, const struct verify_result *stream,
	const struct prints *p, bool *ok)
{
	if (!journal->ok || !stream->ok)
		return;
	if (p->differs || stream->last > journal->last) {
		print_bad(stream->node, "journal,stream",
			p->differs ? p->differs : journal->last + 1,
			p->differs ? "changed: journal and stream hold different records, both "
				     "signed"
				   : "missing: the stream holds it, the journal does not",
			0);
		*ok = false;
	}
}

/* Verifies all streams. `n` is an old checkpoint, which the stream of its origin must
 * continue; NULL: none. */
static int
verify_streams(struct audit_args *a, const char *journal_node, const struct audit_note *n,
	struct prints *p, struct verify_result *mine, bool *ok, struct buf *why)
{
	struct query_redis redis;
	struct verify_result r;
	struct watch w = { .prints = NULL,
		.learned = n ? calloc(1, sizeof(*w.learned)) : NULL,
		.tree = { .against = { .note = n ? &n->checkpoint : NULL } } };
	bool held = !n;
	int err = query_dial(&a->q, &redis, why);

	if (!err && redis.nstreams == 0) {
		print_bad("", "stream", 1, "missing: no stream", 0);
		*ok = false;
	}
	for (size_t i = 0; !err && i < redis.nstreams; i++) {
		const struct query_stream *s = &redis.stream[i];
		bool ours = !strcmp(s->key + strlen(QUERY_STREAM_PREFIX), journal_node);
		w.prints = NULL;
		err = verify_stream(a, s->c, s->key, ours ? p : NULL, &w, &r, why);
		if (err)
			break;
		print_result(&r, &w, "stream");
		*ok = print_programs(&r, &w) && *ok && r.ok;
		if (ours)
			*mine = r;
		if (n && w.learned &&
			(redis.nstreams == 1 || span_is(n->checkpoint.origin, w.tree.origin))) {
			*ok = audit_note_print(a, n, &w.tree, w.learned, &r) && *ok;
			held = true;
		}
	}
	if (!err && !held) {
		printf("bad node= source=note seq=1 why=\"another log: no stream has "
		       "checkpoints of %.*s\" verified=0\n",
			SPAN_ARG(n->checkpoint.origin));
		*ok = false;
	}
	free(w.learned);
	tree_check_free(&w.tree);
	query_hang_up(&redis);
	return err;
}

int
audit_verify(struct audit_args *a)
{
	struct prints p = { 0 };
	struct verify_result journal = { 0 }, stream = { 0 };
	struct watch w = { .prints = NULL };
	struct journal_chains chains = { .n = 0 };
	struct anchor_keys outside;
	struct audit_note note;
	uint64_t records = 0;
	bool ok = true;
	int err = 0;

	if (a->as_json && (a->note || a->manifest))
		return cmd_fail(a->q.what, "--json cannot be combined with --note or --manifest");
	as_json = a->as_json;
	if (a->manifest)
		return audit_verify_manifest(a);
	if (audit_programs_read(a, programs))
		return EXIT_CANNOT;
	SCOPED_BUF(why, 8192);
	a->outside = &outside;
	err = anchor_keys_read(a, &outside, &why);
	if (err)
		memset(&note, 0, sizeof(note));
	if (!err)
		err = audit_ring(a, &why);
	if (!err && a->note) {
		err = audit_note_read(a, &note, &why);
		w.tree.against.note = &note.checkpoint;
		w.learned = calloc(1, sizeof(*w.learned));
		err = err ? err : w.learned ? 0 : ERR_NOMEM;
	}
	if (!err && a->q.file)
		err = verify_file(a, a->note ? &note : NULL, &ok, &why);
	if (!err && a->q.journal)
		err = journal_chains_list(a, &chains, &why);
	if (!err && a->q.journal && a->q.redis)
		memcpy(p.node, chains.of[0].node, sizeof(p.node));
	if (!err && chains.n > 1 && (a->note || a->q.redis || a->from))
		err = why_err(&why, ERR_RANGE,
			"%s: has the journals of %zu nodes: --note, --redis and --from need a "
			"folder with that of one node", a->q.journal, chains.n);
	/* The stream is read first, because the journal then has every record of the
	 * stream. */
	if (!err && a->q.redis) {
		char node[CHAIN_NODE_MAX + 1];
		memcpy(node, p.node, sizeof(node));
		err = verify_streams(a, node, a->note && !a->q.journal ? &note : NULL, &p,
			&stream, &ok, &why);
	}
	for (size_t i = 0; !err && i < chains.n; i++) {
		const char *node = chains.of[i].node;
		a->q.node = chains.n > 1 ? node : NULL;
		err = verify_journal(a, &chains.of[i], p.n ? &p : NULL, &w, &journal, &why);
		if (err)
			break;
		print_result(&journal, &w, "journal");
		ok = print_programs(&journal, &w) && ok && journal.ok;
		ok = policies_hold(a, &w, a->q.journal) && ok;
		if (a->note)
			ok = audit_note_print(a, &note, &w.tree, w.learned, &journal) && ok;
		compare_with_stream(&journal, &stream, &p, &ok);
		json_decref(w.policies);
		w.policies = NULL;
		records += journal.records;
	}
	a->q.node = NULL;
	if (!err && a->q.journal && chains.of[0].form != JOURNAL_PACKED)
		ok = is_clean_journal(a, chains.n > 1	       ? NULL
					 : chains.of[0].node[0] ? chains.of[0].node
								: "?") &&
		     ok;
	if (!err && a->q.journal && a->texts)
		err = audit_verify_texts(a, &ok, &why);
	if (!err && p.full)
		err = ERR_NOMEM;
	cmd_failed(a->q.what, err, &why);
	if (!err) {
		reading_asked("holds", json_boolean(ok));
		reading_add(a->q.journal ? records : stream.records);
	}
	if (a->note)
		audit_note_free(&note);
	tree_check_free(&w.tree);
	json_decref(w.policies);
	free(w.learned);
	free(a->ring);
	free(p.hash);
	free(chains.of);
	if (fflush(stdout) == EOF)
		err = ERR_IO;
	return err ? EXIT_CANNOT : ok ? EXIT_DONE : EXIT_NO;
}
