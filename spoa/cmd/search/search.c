/* tollgate audit search: reads the options, and prints each hit as a line or as a JSON object,
 * or prints counts of hits.
 *
 * If the user searches for a text, the command searches for the keyed hashes of the text, one
 * for each hash key that exists. The daemon makes the hashes and records the request. If the
 * daemon does not run, a user who may read the key files makes the hashes without a record. At
 * the end, the command prints which boots used a key that was not available. */
#include "cmd/search/search.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/codec/lines.h"
#include "base/json_put.h"
#include "base/keyfile.h"
#include "base/sha256.h"
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/daemon/reading.h"
#include "cmd/eval.h"
#include "cmd/plain.h"
#include "cmd/records/opening.h"
#include "policy/cel/cel.h"
#include "policy/config/config.h"
#include "record/audit/keys.h"

/* ---- hashes of a text ---- */

#define TEXT_MAX (64u << 20)

enum { SEARCH_HASH_KEYS = 128 };

/* The texts, or files with texts, whose hashes are searched for. `key` has key files; if there
 * are none, the daemon hashes the texts with its keys. */
struct search_texts {
	const char *text[SEARCH_VALUES], *file[SEARCH_VALUES], *key[SEARCH_VALUES];
	size_t ntexts, nfiles, nkeys;
	char tried[SEARCH_HASH_KEYS][HASHKEY_ID_LEN + 1]; /* ids of the keys that were used */
	size_t ntried;
};

/* Adds a hash to the values of the term text_hash. The arena keeps a copy. */
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

/* Asks the daemon for the text's hashes. If the person has a share, the person's records are
 * hashed with a key of that person, so the person's name is sent, too. */
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
	/* A daemon of an older release returns one hash, of its own key, without the key's
	 * id. */
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

/* Hashes the text with the configured key files, which only root and the daemon's user may
 * read. */
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
	t->ntried = 0; /* each text is hashed with the same keys */
	if (t->nkeys)
		return by_files(from, q, text, t);
	return by_daemon(from, q, text, t) ? by_configured(from, q, text, t) : 0;
}

/* Adds the hashes of all texts to the search. Returns 0, or an exit code after a message. */
static int
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

enum {
	BOOT_BYTES = 16384
}; /* a boot record has the id of its hash key within these first
    * bytes */

/* Reads the id of the hash key from the boot record at the start of the segment. The id is
 * empty if the record has none. */
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

/* After the search, prints to stderr which boots used a hash key that was not tried. */
static void
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
		/* Each boot is reported once, with the first of its segments that was
		 * searched. */
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

/* ---- the command ---- */

/* Returns a hit as one object: the members of the decision, those of the completion that the
 * decision does not have, and the completion's target, backend, model and status. completed_at
 * and completion_seq are the time and the number of the completion. */
static json_t *
search_object(const struct search_hit *h)
{
	/* from the completion: the final usage */
	static const char *const ends[] = { "target", "backend", "model", "status" };
	json_t *o = NULL;

	for (size_t i = 0; i < h->n; i++) {
		json_t *r = json_loadb(h->line[i].p, h->line[i].n, JSON_ALLOW_NUL, NULL), *v;
		const char *name;
		bool completion = !strcmp(json_text_in(r, "type"), "completion");
		if (!r)
			continue;
		if (!o) {
			o = r;
			continue;
		}
		json_object_foreach(r, name, v)
		{
			bool end = completion && span_find(span_str(name), ends,
							 COUNT_OF(ends)) < COUNT_OF(ends);
			if ((completion && !json_object_get(o, name)) || end)
				json_object_set(o, name, v);
		}
		if (completion) {
			json_object_set(o, "completed_at", json_object_get(r, "time"));
			json_object_set(o, "completion_seq", json_object_get(r, "seq"));
		}
		json_decref(r);
	}
	return o ? o : json_object();
}

enum { LIMIT = 100, COUNTS_MAX = 1000000 };

struct printing {
	bool json, count;
	uint64_t limit, shown;
	struct search_place last;
	bool more;
	/* --by: the term by which hits are counted */
	enum record_term by; /* RT_COUNT: by day; RT_SEARCHED: not grouped */
	json_t *counts;
	bool too_many;
	/* --where: the condition on hits */
	const struct cel_program *where;
	struct arena program;
	size_t not_judged;
	char why[240], unknown[64];
};

/* ---- conditions ---- */

struct judged {
	struct arena *a;
	json_t *record;
	struct printing *p;
};

static bool
lookup_name(void *ctx, struct span name, struct cel_value *out)
{
	struct judged *j = ctx;
	const char *why = NULL;

	if (span_is(name, "record"))
		return eval_read(j->a, j->record, false, out, &why);
	if (!span_starts(name, SPAN_LIT("record.")) && !j->p->unknown[0])
		snprintf(j->p->unknown, sizeof(j->p->unknown), "%.*s", SPAN_ARG(name));
	return false;
}

static bool
printed_holds(struct printing *p, json_t *record)
{
	SCOPED_ARENA(a, 64u << 20, false);
	struct judged j = { &a, record, p };
	const struct cel_activation act = { .ctx = &j, .lookup_name = lookup_name };
	struct cel_value v;
	const char *why = NULL;
	struct span said = { NULL, 0 };

	if (cel_eval(p->where, &act, &a, &v))
		said = v.s;
	else if (v.type != CEL_BOOL)
		why = "its value is neither true nor false";
	bool yes = !said.n && !why && v.b;
	if ((said.n || why) && !p->not_judged++)
		snprintf(p->why, sizeof(p->why), "%.*s", SPAN_ARG(why ? span_str(why) : said));
	return yes;
}

/* ---- counts ---- */

static void
count_printed(struct printing *p, struct span value)
{
	SCOPED_BUF(name, 0);
	plain_put(&name, value.n ? value : SPAN_LIT("-"), SIZE_MAX);
	buf_putc(&name, '\0');
	const char *key = buf_view(&name).p;
	json_t *n = json_object_get(p->counts, key);
	if (n)
		json_integer_set(n, json_integer_value(n) + 1);
	else if (json_object_size(p->counts) < COUNTS_MAX)
		json_object_set_new(p->counts, key, json_integer(1));
	else
		p->too_many = true;
}

struct distinct {
	struct printing *p;
	json_t *seen;
};

static void
count_value(void *arg, enum record_term t, struct span v)
{
	struct distinct *d = arg;

	if (t != d->p->by)
		return;
	SCOPED_BUF(name, 0);
	buf_span(&name, v);
	buf_putc(&name, '\0');
	if (!json_object_get(d->seen, buf_view(&name).p)) {
		json_object_set_new(d->seen, buf_view(&name).p, json_true());
		count_printed(d->p, v);
	}
}

static void
count_hit(struct printing *p, const struct search_hit *h)
{
	struct distinct d = { p, json_object() };
	char time[CLOCK_RFC3339_LEN];

	if (p->by == RT_COUNT) {
		clock_rfc3339(h->at.time_ns, time);
		count_printed(p, span_of(time, 10));
	} else if (record_terms[p->by].flags & TERM_LIST) {
		for (size_t i = 0; i < h->n; i++)
			record_values(h->line[i], count_value, &d);
		if (!json_object_size(d.seen))
			count_printed(p, (struct span){ NULL, 0 });
	} else {
		json_t *o = search_object(h), *v = o;
		struct span paths = span_str(record_terms[p->by].paths),
			    path = span_next(&paths, ' ');
		char text[512] = "";
		while (path.n) {
			struct span name = span_next(&path, '.');
			v = json_object_getn(v, name.p, name.n);
		}
		if (json_is_integer(v))
			snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(v));
		else
			snprintf(text, sizeof(text), "%.*s", SPAN_ARG(json_span(v)));
		if (p->by == RT_TARGET && text[0] && json_text_in(o, "model")[0])
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "/%s",
				json_text_in(o, "model"));
		count_printed(p, span_str(text));
		json_decref(o);
	}
	json_decref(d.seen);
}

struct counted {
	const char *value;
	json_int_t n;
};

static int
by_count(const void *a, const void *b)
{
	const struct counted *x = a, *y = b;

	return x->n != y->n ? (x->n > y->n ? -1 : 1) : strcmp(x->value, y->value);
}

static int
print_counts(const struct printing *p)
{
	size_t n = 0, all = json_object_size(p->counts);
	struct counted *list = calloc(all + 1, sizeof(*list));
	const char *value;
	json_t *v;

	if (!list)
		return cmd_fail(SEARCH_WHAT, "out of memory");
	json_object_foreach(p->counts, value, v) list[n++] =
		(struct counted){ value, json_integer_value(v) };
	qsort(list, n, sizeof(*list), by_count);
	const char *by = p->by == RT_COUNT ? "day" : record_terms[p->by].name;
	for (size_t i = 0; i < n; i++) {
		SCOPED_BUF(b, 0);
		if (p->json) {
			json_put_form(&b, "{%s:%t,'hits':%u}", by, span_str(list[i].value),
				(uint64_t)list[i].n);
		} else {
			buf_printf(&b, "%lld %s", (long long)list[i].n, list[i].value);
		}
		printf("%.*s\n", SPAN_ARG(buf_view(&b)));
	}
	free(list);
	return p->too_many ? cmd_fail(SEARCH_WHAT,
				     "--by %s: more than %d values: the first ones "
				     "are shown",
				     by, COUNTS_MAX)
			   : EXIT_DONE;
}

/* ---- hits ---- */

static const struct audit_column columns[] = { { RF_DECIDED_AT, 0, false },
	{ RF_DECISION, 6, false }, { RF_STATUS, 0, false }, { RF_WOULD, 0, true },
	{ RF_IDENTITY_PERSON, 0, false }, { RF_ROUTE, 0, false }, { RF_MODEL, 0, false },
	{ RF_RULE, 0, false }, { RF_CLASSES, 0, false }, { RF_OUTCOME, 0, false },
	{ RF_ID, 0, false } };

/* Prints a record that belongs to no request: time, type, node and number, then the fields that
 * follow the type. */
static void
print_other(const json_t *o, const struct search_hit *h)
{
	struct span line = h->line[0];
	const char *rest = memmem(line.p, line.n, ",\"type\":\"", 9);

	SCOPED_BUF(b, 0);
	plain_word(&b, span_cut(record_span(o, RF_TIME), 0, 23));
	buf_str(&b, "Z ");
	plain_word(&b, record_span(o, RF_TYPE));
	buf_printf(&b, " %s/%" PRIu64 " ", h->at.node, h->at.seq);
	size_t skip = rest ? (size_t)(rest - line.p) + 10 + record_span(o, RF_TYPE).n : line.n;
	struct span said = span_cut(line, skip, line.n - 1);
	plain_put(&b, span_take(&said, ',') ? said : said, 200);
	printf("%.*s\n", SPAN_ARG(buf_view(&b)));
}

static void
print_hit(const struct printing *p, json_t *o, const struct search_hit *h)
{
	if (p->json) {
		char *text = json_dumps(o, JSON_COMPACT);
		plain_print_json(span_str(text ? text : "{}"));
		free(text);
	} else if (record_get(o, RF_DECIDED_AT)) {
		audit_print_columns(o, columns, COUNT_OF(columns));
	} else if (record_get(o, RF_OUTCOME)) {
		struct audit_column of_end[COUNT_OF(columns)];
		memcpy(of_end, columns, sizeof(columns));
		of_end[0].field = RF_TIME;
		audit_print_columns(o, of_end, COUNT_OF(columns));
	} else {
		print_other(o, h);
	}
}

static bool
on_hit(void *arg, const struct search_hit *h)
{
	struct printing *p = arg;
	bool need = p->where || !p->count;
	json_auto_t *o = need ? search_object(h) : NULL;

	if (!p->where || printed_holds(p, o)) {
		if (!p->count && p->limit && p->shown == p->limit) {
			p->more = true;
			return false;
		}
		p->shown++;
		reading_add(1);
		p->last = h->at;
		if (p->count && p->counts)
			count_hit(p, h);
		else if (!p->count)
			print_hit(p, o, h);
	}
	return !p->unknown[0];
}

/* Resets the counts when an index was wrong, because the search then starts again. */
static void
on_anew(void *arg)
{
	struct printing *p = arg;

	p->shown = p->not_judged = 0;
	json_object_clear(p->counts);
}

static void
search_sources_free(struct search_sources *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct search_source *s = &all->source[i];
		if (s->s.read)
			index_segment_close(&s->s);
		index_free(&s->ix);
		free(s->hit);
	}
	free(all->source);
}

/* Reads a position from a cursor, TIME/NODE/SEQ. Returns false if the text is no cursor. */
static bool
search_place_read(struct span text, struct search_place *out)
{
	struct span time = span_next(&text, '/'), node = span_next(&text, '/');

	*out = (struct search_place){ 0 };
	if (clock_parse(time.p, time.n, &out->time_ns) || !chain_node_valid(node) ||
		span_u64(text, &out->seq))
		return false;
	snprintf(out->node, sizeof(out->node), "%.*s", SPAN_ARG(node));
	return true;
}

/* Writes a position as a cursor. */
static void
search_place_write(const struct search_place *p, struct buf *out)
{
	char time[CLOCK_RFC3339_LEN];

	clock_rfc3339(p->time_ns, time);
	buf_printf(out, "%s/%s/%" PRIu64, time, p->node, p->seq);
}

static int
finish(const struct printing *p)
{
	int code = EXIT_DONE;

	if (p->unknown[0])
		return cmd_fail(SEARCH_WHAT, "--where: %s: conditions read record", p->unknown);
	if (p->count && p->counts)
		code = print_counts(p);
	else if (p->count)
		printf(p->json ? "{\"hits\":%" PRIu64 "}\n" : "%" PRIu64 "\n", p->shown);
	if (p->more) {
		SCOPED_BUF(b, 0);
		search_place_write(&p->last, &b);
		printf(p->json ? "{\"after\":\"%.*s\"}\n" : "more: --after %.*s\n",
			SPAN_ARG(buf_view(&b)));
	}
	if (p->not_judged)
		fprintf(stderr,
			"tollgate: " SEARCH_WHAT ": --where could not be evaluated on %zu "
			"records, which were left out: %s\n",
			p->not_judged, p->why);
	if (fflush(stdout) == EOF)
		return cmd_fail("stdout", "%s", strerror(errno));
	return code;
}

/* ---- the command line ---- */

int
search_read_wants(struct query *q, struct search *s, const struct search_given *given)
{
	for (enum record_term t = 0; t < RT_SEARCHED; t++) {
		struct search_want *w = &s->want[t];
		for (size_t i = 0; i < given->n[t]; i++) {
			struct span rest = span_str(given->value[t][i]);
			bool words = record_terms[t].flags & TERM_WORDS;
			do {
				struct span one = words ? span_next(&rest, ',') : rest;
				struct span kept =
					arena_printf(&q->arena, "%.*s", SPAN_ARG(one));
				if (!words)
					rest.n = 0;
				if (!one.n)
					return cmd_fail(q->what,
						"--%s: the value is empty; '-' finds records "
						"without one",
						record_terms[t].name);
				if (w->n == SEARCH_VALUES || !kept.p)
					return cmd_fail(q->what, "--%s: more than %d values",
						record_terms[t].name, SEARCH_VALUES);
				if (!span_is(one, "-") && query_word(q->what, t, one))
					return EXIT_CANNOT;
				w->value[w->n++] = kept.p;
			} while (rest.n);
		}
	}
	return 0;
}

static bool
add_person(struct query *q, struct search_want *w, const char *word)
{
	for (size_t i = 0; i < w->n; i++)
		if (!strcmp(w->value[i], word))
			return true;
	struct span kept = arena_printf(&q->arena, "%s", word);
	if (w->n == SEARCH_VALUES || !kept.p)
		return false;
	w->value[w->n++] = kept.p;
	return true;
}

int
search_add_pseudonyms(struct query *q, struct search *s, const char *shares,
	const char *const *journals, size_t n)
{
	struct search_want *w = &s->want[RT_PERSON];
	size_t named = shares || (w->n && !opening_plain(q)) ? w->n : 0;
	json_t *asked = named ? json_array() : NULL;
	char word[PSEUDONYM_LEN + 1];

	for (size_t i = 0; i < named; i++) {
		struct span name = span_str(w->value[i]);
		bool found = false,
		     one = !span_is(name, "-") && !span_ends(name, SPAN_LIT("*"));
		for (size_t k = 0; k < n && one; k++) {
			struct query in = {
				.what = q->what, .config = q->config, .journal = journals[k]
			};
			/* a daemon knows the words of its own journals */
			for (size_t b = 0; b < q->nbeside; b++)
				if (!strcmp(journals[k], q->beside[b]->journal))
					in.config = q->beside[b]->file;
			if (!opening_pseudonym(&in, shares, w->value[i], word, NULL))
				continue;
			found = true;
			json_array_append_new(asked, json_string(word));
			if (!add_person(q, w, word)) {
				json_decref(asked);
				return cmd_fail(q->what, "--person: more than %d values",
					SEARCH_VALUES);
			}
		}
		if (!found)
			json_array_append_new(asked, json_stringn(name.p, name.n));
	}
	if (asked)
		reading_asked("person", asked);
	return 0;
}

void
search_options(struct cmd_option *to, struct search_given *given)
{
	for (enum record_term t = 0; t < RT_SEARCHED; t++)
		to[t] = (struct cmd_option){ record_terms[t].name, .text = given->value[t],
			.count = &given->n[t], .most = SEARCH_VALUES };
}

static int
read_by(const char *by, struct printing *p)
{
	p->by = RT_SEARCHED;
	if (!by)
		return 0;
	for (enum record_term t = 0; t < RT_SEARCHED; t++)
		if (!strcmp(by, record_terms[t].name))
			p->by = t;
	if (!strcmp(by, "day"))
		p->by = RT_COUNT;
	p->counts = json_object();
	p->count = true;
	if (p->by != RT_SEARCHED)
		return 0;
	SCOPED_BUF(all, 0);
	for (enum record_term t = 0; t < RT_SEARCHED; t++)
		buf_printf(&all, "%s, ", record_terms[t].name);
	return cmd_fail(
		SEARCH_WHAT, "--by %s: %.*sor day is expected", by, SPAN_ARG(buf_view(&all)));
}

static int
add_sources(struct search_sources *all, const char **journals, size_t n)
{
	struct query *q = all->q;
	int code = 0;

	if (!n && !q->redis && !q->file) {
		code = query_source(q);
		n = query_journals(q, journals);
	}
	for (size_t i = 0; i < n && !code; i++) {
		reading_of(journals[i], NULL, NULL);
		code = search_add_journal(all, journals[i]);
	}
	q->journal = NULL;
	if (!code && q->file)
		reading_of(NULL, NULL, q->file);
	if (!code && q->redis)
		reading_of(NULL, q->redis, NULL);
	if (!code && q->file)
		code = strcmp(q->file, "-") ? search_add_file(all, q->file)
					    : search_add_streams(all);
	q->file = NULL;
	if (!code && q->redis)
		code = search_add_streams(all);
	return code;
}

int
audit_search(int argc, char **argv)
{
	struct query q = { .what = SEARCH_WHAT };
	struct printing p = { .by = RT_SEARCHED };
	struct search s = { .hit = on_hit, .arg = &p };
	struct search_sources all = { .q = &q };
	struct search_texts x = { .ntexts = 0 };
	struct search_given given = { .n = { 0 } };
	const char *journals[SEARCH_SOURCES];
	const char *limit = NULL, *after = NULL, *by = NULL, *where = NULL, *shares = NULL;
	size_t njournals = 0, own = 0;
	bool check = false;
	struct cel_error e;
	enum { OWN = 23 };
	struct cmd_option options[OWN + RT_SEARCHED + 1] = {
		{ "journal", .text = journals, .count = &njournals, .most = SEARCH_SOURCES },
		{ "redis", .text = &q.redis },
		{ "file", .text = &q.file },
		{ "config", .text = &q.config },
		{ "c", .text = &q.config },
		{ "at", .text = &q.said_at },
		{ "between", .text = &q.said_between },
		QUERY_TIMES(&q),
		{ "zone", .text = &q.said_zone },
		{ "where", .text = &where },
		{ "limit", .text = &limit },
		{ "after", .text = &after },
		{ "oldest", .flag = &s.oldest },
		{ "json", .flag = &p.json },
		{ "count", .flag = &p.count },
		{ "by", .text = &by },
		{ "no-index", .flag = &q.no_index },
		{ "check-index", .flag = &check },
		{ "text", .text = x.text, .count = &x.ntexts, .most = SEARCH_VALUES },
		{ "text-file", .text = x.file, .count = &x.nfiles, .most = SEARCH_VALUES },
		{ "shares", .text = &shares },
		{ "hash-key", .text = x.key, .count = &x.nkeys, .most = SEARCH_VALUES },
	};
	char **operands;

	search_options(options + OWN, &given);
	int rest = cmd_options(SEARCH_WHAT, argc, argv, options, &operands);
	if (rest < 0 || rest > (q.said_between && !strstr(q.said_between, "..")))
		return cmd_usage("audit search");
	q.said_end = rest ? operands[0] : NULL;
	int code = query_times(&q);
	arena_init(&p.program, 16u << 20, false);
	p.limit = LIMIT;
	if (!code && limit && span_u64(span_str(limit), &p.limit))
		code = cmd_fail(SEARCH_WHAT, "--limit %s: give a whole number; 0: all", limit);
	if (!code && after && !search_place_read(span_str(after), &s.after))
		code = cmd_fail(SEARCH_WHAT,
			"--after %s: give the value that the previous page printed at its end",
			after);
	code = code ? code : search_read_wants(&q, &s, &given);
	code = code ? code : read_by(by, &p);
	if (!code && where &&
		!(p.where = cel_compile(&p.program, NULL, span_str(where), CEL_DYN, &e)))
		code = cmd_fail(SEARCH_WHAT, "--where:%u:%u: %s", e.line, e.column, e.message);
	s.from_ns = q.since_ns;
	s.until_ns = q.until_ns;
	s.oldest |=
		s.want[RT_CONVERSATION].n > 0; /* a conversation is shown in its own order */
	s.alone = s.want[RT_CHANGED_BY].n + s.want[RT_USER].n > 0;
	s.anew = p.count ? on_anew : NULL;
	if (!code && !check) {
		reading_begin(SEARCH_WHAT, q.config, options, operands, rest);
		reading_window(q.since_ns, q.until_ns);
	}
	if (!njournals && !q.redis && !q.file)
		own = 1;
	code = code ? code : add_sources(&all, journals, njournals);
	code = code ? code : search_add_pseudonyms(&q, &s, shares, journals, njournals + own);
	code = code ? code : search_texts(&q, &s, &x);
	if (!code && check) {
		code = search_check(&all); /* prints no record, so no reading is recorded */
	} else if (!code) {
		code = search_run(&s, &all);
		if (!code)
			search_texts_untried(&s, &all, &x);
		if (!code)
			code = finish(&p);
	}
	search_sources_free(&all);
	json_decref(p.counts);
	arena_reset(&p.program);
	return query_end(&q, code);
}
