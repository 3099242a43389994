/* tollgate audit subject: writes each decision about a person as a line of JSON and on a page,
 * with the texts that an auditor's key opens. Each file has a signed manifest (Regulation (EU)
 * 2016/679, article 15).
 *
 * A decision is written when its request has ended, so that its texts are complete. Until
 * then it waits in a list. */
#include "cmd/sealed/subject.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/codec/base64.h"
#include "base/codec/utf8.h"
#include "base/err.h"
#include "cmd/cmd.h"
#include "cmd/daemon/reading.h"
#include "cmd/export/export.h"
#include "cmd/records/opening.h"
#include "cmd/records/recorded.h"

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
	char word[PSEUDONYM_LEN + 1]; /* the pseudonym that records have in place of the name;
				       * "": none */
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
	if (!span_is(person, s->person) && !(s->word[0] && span_is(person, s->word)))
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
	uint64_t term[2];
	const char *key;
	json_t *list;
	int code = begin_files(s);

	if (code)
		return code;
	term[q.nterms++] = record_term_hash(RT_PERSON, span_str(s->person));
	if (s->word[0])
		term[q.nterms++] = record_term_hash(RT_PERSON, span_str(s->word));
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
	bool unknown = false;
	if (!code && opening_pseudonym(&s.a.q, s.args.shares, s.person, s.word, &unknown) &&
		!opening_plain(&s.a.q))
		reading_asked("person", json_string(s.word));
	/* An incomplete signed document would be a wrong answer to the person. */
	code = code ? code : unknown ? EXIT_CANNOT : 0;
	code = code ? code : run_subject(&s);
	code = code ? code : print_subject(&s);
	subject_free(&s);
	return query_end(&s.a.q, code);
}
