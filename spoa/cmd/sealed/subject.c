/* tollgate audit subject: everything that is held about one person, for that person (Regulation
 * (EU) 2016/679, article 15). Each decision about the person is written as a line of JSON and on
 * a page, with the texts that an auditor's key opens. Each file has a signed manifest.
 *
 * The records are verified before they are written: every chain, hash by hash and signature by
 * signature, as `audit verify` does. A chain may begin at any record. Trimmed records, and
 * records that were not restored, are a gap, after which the chain begins again.
 *
 * A decision is written when its request has ended, so that its texts are complete. Until then
 * it waits in a list. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/codec/base64.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "cmd/cmd.h"
#include "cmd/daemon/reading.h"
#include "cmd/export/export.h"
#include "cmd/records/audit.h"
#include "cmd/records/kept_runs.h"
#include "cmd/records/opening.h"
#include "cmd/records/recorded.h"
#include "record/audit/record_fields.h"
#include "record/journal/verify.h"

/* ---- verification ---- */

/* The chain of one node. */
struct subject_chain {
	char node[CHAIN_NODE_MAX + 1];
	struct verifier *verifier; /* verifies the records after the last gap */
	uint64_t read, verified;   /* sequence numbers: the last record that was read, and the
				    * last one that is signed */
};

/* All chains of the records; `at` is the index of the chain of the last record. */
struct subject_chains {
	const struct keyring *ring;
	struct subject_chain *chain;
	size_t n, room, at;
	bool every_signature, no_memory;
	struct buf bad; /* message about the first bad record */
};

static void
begin_subject_chain(struct subject_chains *s, struct subject_chain *c)
{
	struct verify_options o = { .ring = s->ring,
		.trimmed = true,
		.live = true,
		.every_signature = s->every_signature,
		.node = c->node };

	c->verifier = verifier_new(&o);
	s->no_memory |= !c->verifier;
}

/* Ends the verification of a chain. `more` means that records follow after a gap. */
static void
end_subject_chain(struct subject_chains *s, struct subject_chain *c, bool more)
{
	struct verify_result r;

	if (!c->verifier)
		return;
	verifier_end(c->verifier, &r);
	verifier_free(&c->verifier);
	c->verified = r.last;
	if (r.ok && more && r.unsigned_records) {
		r.ok = false;
		r.bad_seq = c->read;
		snprintf(r.why, sizeof(r.why), "missing: no commit signs it");
	}
	if (!r.ok && !s->bad.n)
		buf_printf(&s->bad, "record %s/%" PRIu64 " does not verify: %s", c->node,
			r.bad_seq, r.why);
}

static struct subject_chain *
find_subject_chain(const struct subject_chains *s, struct span node)
{
	for (size_t i = 0; i < s->n; i++)
		if (span_is(node, s->chain[i].node))
			return &s->chain[i];
	return NULL;
}

/* A line that is no record is a fault of the chain before it. */
static void
verify_subject_line(void *arg, struct span line)
{
	struct subject_chains *s = arg;
	struct chain_line l;
	bool known = chain_parse(line, &l) == 0;
	struct subject_chain *c = known	 ? find_subject_chain(s, l.node)
				  : s->n ? &s->chain[s->at]
					 : NULL;

	if (!c && !known) {
		buf_str(&s->bad, s->bad.n ? "" : "the first line is not a record");
		return;
	}
	if (!c) {
		if (!mem_room(&s->chain, &s->room, s->n + 1, sizeof(*c))) {
			s->no_memory = true;
			return;
		}
		c = &s->chain[s->n++];
		*c = (struct subject_chain){ .verifier = NULL };
		snprintf(c->node, sizeof(c->node), "%.*s", SPAN_ARG(l.node));
		begin_subject_chain(s, c);
	} else if (known && !l.commit && l.seq > c->read + 1) {
		end_subject_chain(s, c, true);
		begin_subject_chain(s, c);
	}
	s->at = (size_t)(c - s->chain);
	if (known && !l.commit)
		c->read = l.seq;
	if (c->verifier)
		verifier_line(c->verifier, line);
}

static void
subject_chains_free(struct subject_chains **s)
{
	if (!*s)
		return;
	for (size_t i = 0; i < (*s)->n; i++)
		verifier_free(&(*s)->chain[i].verifier);
	free((*s)->chain);
	buf_free(&(*s)->bad);
	free(*s);
	*s = NULL;
}

/* Returns true if this record was read by subject_verify() and is signed. */
static bool
subject_verified(const struct subject_chains *s, struct span node, uint64_t seq)
{
	const struct subject_chain *c = find_subject_chain(s, node);

	return c && seq <= c->verified;
}

static int
verify_subject_once(const struct audit_args *a, bool every_signature, struct subject_chains *s)
{
	struct query q = a->q;

	*s = (struct subject_chains){ .ring = a->ring, .every_signature = every_signature };
	buf_init(&s->bad, 4096);
	q.evidence = true;
	q.arg = s;
	q.line = verify_subject_line;
	int code = query_run(&q);
	for (size_t i = 0; i < s->n; i++)
		end_subject_chain(s, &s->chain[i], false);
	return code || !s->no_memory ? code : cmd_fail(a->q.what, "%s", err_str(ERR_NOMEM));
}

/* Verifies all records with the keys of a->ring. Returns 0, EXIT_NO if a record does not
 * verify, or EXIT_CANNOT, the latter two after a message. Call subject_chains_free() in any
 * case; *out must be NULL before.
 *
 * If the first reading finds a fault, the records are read again with every signature. A
 * running daemon may cut off a line that a full disk left incomplete, and the second
 * reading names the first bad record. */
static int
subject_verify(const struct audit_args *a, struct subject_chains **out)
{
	int code = 0;

	for (int tries = 0; tries < 2 && !code && (!*out || (*out)->bad.n); tries++) {
		subject_chains_free(out);
		*out = calloc(1, sizeof(**out));
		code = *out ? verify_subject_once(a, tries > 0, *out)
			    : cmd_fail(a->q.what, "%s", err_str(ERR_NOMEM));
	}
	if (code || !(*out)->bad.n)
		return code;
	cmd_fail(a->q.what, "%.*s; nothing is written", SPAN_ARG(buf_view(&(*out)->bad)));
	return EXIT_NO;
}

/* ---- the page ----
 *
 * The page, index.html, has no script and loads nothing. Text from anyone is escaped, so that no
 * text can add markup. */

static const char begin[] =
	"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
	"'unsafe-inline'\">\n"
	"<meta name=\"viewport\" content=\"width=device-width\">\n"
	"<title>What is held about one person</title>\n<style>"
	"body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
	"article{border-top:1px solid #888;padding:1em 0}h2{font-size:1.1em}"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.1em 1em;margin:.5em 0}"
	"dt{color:#555}dd{margin:0;overflow-wrap:anywhere}"
	"pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f4f4f4;color:#000;"
	"padding:.6em}"
	"</style></head><body>\n<h1>What is held about one person</h1>\n";

/* Appends text from anyone. Invalid UTF-8 and invisible characters become U+FFFD. */
static void
put_html(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.n;) {
		size_t n = utf8_sequence(s.p + i, s.n - i);
		unsigned char c = (unsigned char)s.p[i];
		if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
			buf_printf(b, "&#%d;", c);
		else if (n == 0 || (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			buf_str(b, "\xef\xbf\xbd");
		else
			buf_put(b, s.p + i, n);
		i += n ? n : 1;
	}
}

static void
put_row(struct buf *b, const char *name, struct span value)
{
	buf_str(b, "<dt>");
	put_html(b, span_str(name));
	buf_str(b, "</dt><dd dir=\"auto\">");
	put_html(b, value);
	buf_str(b, "</dd>\n");
}

static void
put_json_row(struct buf *b, const char *name, const json_t *v)
{
	char *text = json_is_string(v) ? NULL : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

	if (json_is_string(v) || text)
		put_row(b, name, text ? span_str(text) : json_span(v));
	free(text);
}

/* Write a page that a person can read. The page has no script and loads nothing, and
 * everything that other people wrote is escaped. `o` is a decision, as a line of
 * decisions.jsonl has it. */
static void
subject_page_begin(struct buf *b, const char *person, const char *made, const char *since,
	const char *until)
{
	buf_str(b, begin);
	buf_str(b, "<p>Each decision that the gateway recorded about this person's requests to "
		   "language models, with the texts that are kept and that the auditor's key "
		   "opens: who wrote what, with files by their names. decisions.jsonl has "
		   "the same data with the texts as they were sent, and each *.manifest states who "
		   "signed its file."
		   "</p>\n<dl>\n");
	put_row(b, "person", span_str(person));
	put_row(b, "made", span_str(made));
	put_row(b, "from", since[0] ? span_str(since) : SPAN_LIT("the first record"));
	put_row(b, "until", until[0] ? span_str(until) : SPAN_LIT("now"));
	buf_str(b, "</dl>\n");
}

/* Returns the kind of a text by its name, as in `part`. */
static enum seal_kind
kind_of_part(struct span part)
{
	enum seal_kind kind = SEAL_PROMPT;

	while (seal_kinds[kind + 1] && !span_is(part, seal_kinds[kind]))
		kind++;
	return kind;
}

/* Writes who wrote what and when, for each run of a text. */
static void
put_subject_runs(struct buf *b, const json_t *t, const char *time)
{
	bool lines = span_is(json_span(json_object_get(t, "form")), "texts");
	struct kept_runs runs = { 0 };

	if (!kept_runs_read(json_span(json_object_get(t, "text")), lines,
		    kind_of_part(json_span(json_object_get(t, "part"))), &runs))
		buf_str(b, "<p>Memory was exhausted: this text is not complete.</p>\n");
	for (size_t i = 0; i < runs.n; i++) {
		buf_str(b, "<h4>");
		put_html(b, span_str(runs.v[i].by));
		if (runs.v[i].what[0]) {
			buf_str(b, ", ");
			put_html(b, span_str(runs.v[i].what));
		}
		buf_str(b, ", ");
		put_html(b, span_str(time));
		buf_str(b, "</h4>\n<pre dir=\"auto\">");
		put_html(b, buf_view(&runs.v[i].text));
		buf_str(b, "</pre>\n");
	}
	kept_runs_free(&runs);
}

/* Returns the time of the record to which the text belongs. */
static const char *
time_of_text(const json_t *records, const json_t *t)
{
	const json_t *one;
	size_t i;

	json_array_foreach(records, i, one) if (span_eq(record_span(one, RF_TYPE),
		json_span(json_object_get(t, "of")))) return record_text(one, RF_TIME);
	return "";
}

static void
put_subject_text(struct buf *b, const json_t *t, const json_t *records)
{

	buf_str(b, "<h3>");
	put_html(b, json_span(json_object_get(t, "part")));
	buf_str(b, ": ");
	put_html(b, json_span(json_object_get(t, "is")));
	if (json_is_true(json_object_get(t, "cut")))
		buf_str(b, ", cut");
	buf_str(b, "</h3>\n");
	if (json_object_get(t, "why")) {
		buf_str(b, "<p>");
		put_html(b, json_span(json_object_get(t, "why")));
		buf_str(b, "</p>\n");
	}
	if (json_object_get(t, "text"))
		put_subject_runs(b, t, time_of_text(records, t));
}

static void
subject_page_decision(struct buf *b, const json_t *o)
{
	const json_t *one;
	size_t i;

	buf_str(b, "<article><h2>");
	put_html(b, json_span(json_object_get(o, "time")));
	buf_str(b, "</h2>\n");
	json_array_foreach(json_object_get(o, "records"), i, one)
	{
		buf_str(b, "<dl>\n");
		/* members that rules and commands have a name for are of interest to the
		 * person */
		for (size_t f = 0; f < RECORD_FIELDS_COUNT; f++) {
			const struct record_row *row = &record_rows[f];
			if (!row->called || strpbrk(row->path, "[*"))
				continue;
			const json_t *v = record_get(one, (enum record_field)f);
			if (v)
				put_json_row(b, row->called, v);
		}
		buf_str(b, "</dl>\n");
	}
	json_array_foreach(json_object_get(o, "texts"), i, one)
		put_subject_text(b, one, json_object_get(o, "records"));
	buf_str(b, "<details><summary>Complete record</summary>\n");
	json_array_foreach(json_object_get(o, "records"), i, one)
	{
		char *text = json_dumps(one, JSON_INDENT(1));
		buf_str(b, "<pre>");
		put_html(b, span_str(text ? text : "{}"));
		buf_str(b, "</pre>\n");
		free(text);
	}
	buf_str(b, "</details></article>\n");
}

/* Ends the page with the number of decisions, and the number of texts by result, such as
 * {"open": 12}. */
static void
subject_page_end(struct buf *b, size_t decisions, const json_t *texts)
{
	const char *name;
	json_t *n;

	buf_printf(
		b, "<article><h2>Total</h2><dl>\n<dt>decisions</dt><dd>%zu</dd>\n", decisions);
	json_object_foreach((json_t *)(uintptr_t)texts, name, n) put_json_row(b, name, n);
	buf_str(b, "</dl></article>\n</body></html>\n");
}

/* ---- the command ---- */

#define SUBJECT_WHAT "audit subject"

enum { WAITING_MAX = 65536, DECISIONS = 0, PAGE, FILES };

static const struct {
	const char *name;
	struct export_format format; /* the format's name, for the manifest */
} files[FILES] = { [DECISIONS] = { "decisions.jsonl", { .name = "subject" } },
	[PAGE] = { "index.html", { .name = "subject-page" } } };

/* The state of the command. Owned by audit_subject(). */
struct subject {
	struct audit_args a;
	struct subject_chains *chains;
	struct opening_args args;
	struct opening *opening;
	const char *person, *dir, *sign_key, *sign_passphrase;
	struct pseudonyms words; /* words that records have in place of the name */
	struct export out[FILES];
	json_t *waiting; /* lists of records of requests in progress, by node and id */
	json_t *texts;	 /* number of texts by result */
	size_t decisions;
	bool damaged;
	int code; /* exit code of the first failure; 0: none */
};

/* ---- one decision ---- */

static void
add_text(struct subject *s, json_t *texts, const json_t *record, enum seal_kind kind)
{
	const json_t *kept = opening_kept(record, kind);
	json_t *t = json_pack(
		"{ss ss}", "part", seal_kinds[kind], "of", record_text(record, RF_TYPE));

	SCOPED_BUF(text, 0);
	SCOPED_BUF(why, 8192);
	enum opening_is is = opening_text(s->opening, record, kind, &text, &why);
	struct span v = buf_view(&text);
	json_object_set_new(t, "is", json_string(opening_words[is]));
	for (const char *const *name = (const char *const[]){ "how", "form", "cut", NULL };
		kept && *name; name++)
		if (json_object_get(kept, *name))
			json_object_set(t, *name, json_object_get(kept, *name));
	if (is == OPENING_OPENED && utf8_valid(v)) {
		json_object_set_new(t, "text", json_stringn_nocheck(v.p ? v.p : "", v.n));
	} else if (is == OPENING_OPENED) {
		SCOPED_BUF(coded, 0);
		base64_put(&coded, v.p, v.n);
		json_object_set_new(t, "base64", json_stringn(buf_view(&coded).p, coded.n));
		json_object_set_new(t, "why", json_string("the name is not UTF-8"));
	} else {
		json_object_set_new(t, "why", json_stringn(buf_view(&why).p, why.n));
	}
	s->damaged |= is == OPENING_DAMAGED;
	json_object_set_new(s->texts, opening_words[is],
		json_integer(json_int_in(s->texts, opening_words[is]) + 1));
	if (json_array_append_new(texts, t) < 0)
		s->code = cmd_fail(SUBJECT_WHAT, "%s", err_str(ERR_NOMEM));
}

/* Returns the texts that may have been kept. For a prompt and a response, a missing text is
 * reported too. */
static json_t *
texts_of(struct subject *s, const json_t *records)
{
	json_t *texts = json_array();
	const json_t *r;
	size_t i;

	json_array_foreach(records, i, r)
	{
		bool ends = record_is(r, RF_TYPE, "completion");
		add_text(s, texts, r, ends ? SEAL_RESPONSE : SEAL_PROMPT);
		if (opening_kept(r, SEAL_TOOLS))
			add_text(s, texts, r, SEAL_TOOLS);
	}
	return texts;
}

static void
put_subject_decision(struct subject *s, json_t *records)
{
	const json_t *first = json_array_get(records, 0);
	json_auto_t *o = json_pack("{ss ss ss sO so}", "id", record_text(first, RF_ID), "node",
		record_text(first, RF_NODE), "time", record_text(first, RF_TIME), "records",
		records, "texts", texts_of(s, records));
	char *line = o ? json_dumps(o, JSON_COMPACT) : NULL;

	if (!line) {
		s->code = cmd_fail(SUBJECT_WHAT, "%s", err_str(ERR_NOMEM));
		return;
	}
	s->decisions++;
	buf_printf(&s->out[DECISIONS].out.text, "%s\n", line);
	free(line);
	subject_page_decision(&s->out[PAGE].out.text, o);
	for (size_t i = 0; i < FILES && !s->code; i++)
		s->code = export_out_write(&s->out[i].out, false);
}

/* ---- records ---- */

static void
take_record(struct subject *s, json_t *record)
{
	bool ends = record_is(record, RF_TYPE, "completion");
	char key[256];

	snprintf(key, sizeof(key), "%.80s/%.160s", record_text(record, RF_NODE),
		record_text(record, RF_ID));
	json_t *list = json_object_get(s->waiting, key);
	if (!list) {
		if (json_object_size(s->waiting) == WAITING_MAX) {
			void *oldest = json_object_iter(s->waiting);
			put_subject_decision(s, json_object_iter_value(oldest));
			json_object_del(s->waiting, json_object_iter_key(oldest));
		}
		json_object_set_new(s->waiting, key, list = json_array());
	}
	if (json_array_append(list, record) < 0) {
		s->code = cmd_fail(SUBJECT_WHAT, "%s", err_str(ERR_NOMEM));
	} else if (ends || !recorded_relayed(record)) {
		put_subject_decision(s, list);
		json_object_del(s->waiting, key);
	}
}

static void
subject_line(void *arg, struct span line)
{
	struct subject *s = arg;
	struct chain_line l;
	unsigned char hash[SHA256_BYTES];

	if (s->code || chain_parse(line, &l) || l.commit ||
		!subject_verified(s->chains, l.node, l.seq))
		return;
	json_auto_t *record = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
	if (!record_is(record, RF_TYPE, "completion") && !recorded_decides(record))
		return;
	struct span person = record_span(record, RF_IDENTITY_PERSON);
	bool wanted = span_is(person, s->person);
	for (size_t i = 0; i < s->words.n; i++)
		wanted |= span_is(person, s->words.word[i]);
	if (!wanted)
		return;
	reading_add(1);
	sha256(line, hash);
	export_count(&s->out[DECISIONS], &l, hash);
	take_record(s, record);
}

/* Verifies all records before any text is opened or written. */
static int
verify_subject(struct subject *s)
{
	SCOPED_BUF(why, 8192);
	int code = audit_signers(&s->a, true);

	if (!code && s->a.q.file && !strcmp(s->a.q.file, "-"))
		code = cmd_fail(SUBJECT_WHAT, "the records are read twice: give a file "
					      "instead of standard input");
	code = code ? code : cmd_failed(SUBJECT_WHAT, audit_ring(&s->a, &why), &why);
	return code ? code : subject_verify(&s->a, &s->chains);
}

/* ---- the files ---- */

static int
begin_files(struct subject *s)
{
	char made[CLOCK_RFC3339_LEN];
	int code = 0;

	if (mkdir(s->dir, 0700) < 0 && errno != EEXIST)
		return cmd_fail(SUBJECT_WHAT, "%s: %s", s->dir, strerror(errno));
	for (size_t i = 0; i < FILES && !code; i++) {
		struct export *e = &s->out[i];
		struct search_want *person = &e->q.want[RT_PERSON];
		e->path = arena_printf(&s->a.q.arena, "%s/%s", s->dir, files[i].name).p;
		e->format = &files[i].format;
		e->key = s->sign_key;
		e->passphrase = s->sign_passphrase;
		person->value[person->n++] = s->person;
		e->from = s->a.q;
		arena_init(&e->from.arena, 1u << 20, false);
		code = !e->path ? cmd_fail(SUBJECT_WHAT, "%s", err_str(ERR_NOMEM))
		       : i	? 0
				: export_signer_there(e);
		code = code ? code : export_out_open(&e->out, e->path);
	}
	clock_rfc3339(clock_wall_ns(), made);
	if (!code)
		subject_page_begin(
			&s->out[PAGE].out.text, s->person, made, s->a.q.since, s->a.q.until);
	return code;
}

static int
end_files(struct subject *s)
{
	struct export *first = &s->out[DECISIONS];
	int code = 0;

	subject_page_end(&s->out[PAGE].out.text, s->decisions, s->texts);
	for (size_t i = 0; i < FILES && !code; i++) {
		struct export *e = &s->out[i];
		e->chain = first->chain;
		e->nchains = first->nchains;
		e->types = first->types;
		e->records = first->records;
		code = export_out_write(&e->out, true);
		code = code ? code : export_place(e);
	}
	return code;
}

static int
run_subject(struct subject *s)
{
	struct query q = s->a.q;
	uint64_t term[1 + QUERY_JOURNALS_MAX];
	const char *key;
	json_t *list;
	int code = begin_files(s);

	if (code)
		return code;
	term[q.nterms++] = record_term_hash(RT_PERSON, span_str(s->person));
	for (size_t i = 0; i < s->words.n; i++)
		term[q.nterms++] = record_term_hash(RT_PERSON, span_str(s->words.word[i]));
	q.term = term;
	q.within = true;
	q.arg = s;
	q.line = subject_line;
	if (q.no_index)
		q.nterms = 0;
	code = query_run(&q);
	code = code ? code : s->code;
	json_object_foreach(s->waiting, key, list) if (!code && !s->code)
		put_subject_decision(s, list);
	code = code ? code : s->code;
	return code ? code : end_files(s);
}

static void
subject_free(struct subject *s)
{
	struct export *e = &s->out[DECISIONS];

	opening_end(&s->opening);
	subject_chains_free(&s->chains);
	free(s->a.ring);
	for (size_t i = 0; i < e->nchains; i++)
		buf_free(&e->chain[i].note);
	free(e->chain);
	json_decref(e->types);
	for (size_t i = 0; i < FILES; i++) {
		export_out_close(&s->out[i].out);
		arena_reset(&s->out[i].from.arena);
	}
	json_decref(s->waiting);
	json_decref(s->texts);
}

static int
print_subject(const struct subject *s)
{
	const char *name;
	json_t *n;

	printf("subject decisions=%zu", s->decisions);
	json_object_foreach(s->texts, name, n)
		printf(" texts_%s=%lld", name, (long long)json_integer_value(n));
	putchar('\n');
	return s->damaged ? EXIT_NO : EXIT_DONE;
}

int
audit_subject(int argc, char **argv)
{
	struct subject s = { .a = { .q = { .what = SUBJECT_WHAT } } };
	const struct cmd_option options[] = {
		QUERY_SOURCE(&s.a.q),
		QUERY_TIMES(&s.a.q),
		AUDIT_KEYS(&s.a),
		{ "root", .text = &s.a.root },
		{ "statement", .text = s.a.statements, .count = &s.a.nstatements,
			.most = AUDIT_STATEMENTS },
		OPENING_OPTIONS(&s.args),
		{ "person", .text = &s.person },
		{ "out", .text = &s.dir },
		{ "sign-key", .text = &s.sign_key },
		{ "sign-passphrase-file", .text = &s.sign_passphrase },
		{ "no-index", .flag = &s.a.q.no_index },
		{ .name = NULL },
	};
	char **operands;

	if (cmd_options(SUBJECT_WHAT, argc, argv, options, &operands) != 0 || !s.person || !s.person[0] ||
		!s.dir || !s.args.key)
		return cmd_usage(SUBJECT_WHAT);
	for (size_t i = 0; i < FILES; i++)
		s.out[i].out = (struct export_out){ .fd = -1, .dirfd = -1 };
	int code = query_times(&s.a.q);
	code = code ? code : query_begin(&s.a.q, options, NULL, 0);
	s.waiting = json_object();
	s.texts = json_object();
	s.out[DECISIONS].types = json_object();
	s.out[DECISIONS].chain = calloc(EXPORT_CHAINS_MAX, sizeof(*s.out[DECISIONS].chain));
	if (!code &&
		(!s.waiting || !s.texts || !s.out[DECISIONS].types || !s.out[DECISIONS].chain))
		code = cmd_fail(SUBJECT_WHAT, "%s", err_str(ERR_NOMEM));
	code = code ? code : verify_subject(&s);
	if (!code && !(s.opening = opening_begin(&s.a.q, &s.args)))
		code = EXIT_CANNOT;
	if (!code)
		opening_pseudonyms(&s.a.q, s.args.shares, s.person, &s.words);
	if (s.words.n && !opening_plain(&s.a.q))
		reading_asked("person", json_string(s.words.word[0]));
	/* An incomplete signed document would be a wrong answer to the person. */
	code = code ? code : s.words.unknown ? EXIT_CANNOT : 0;
	code = code ? code : run_subject(&s);
	code = code ? code : print_subject(&s);
	subject_free(&s);
	return query_end(&s.a.q, code);
}
