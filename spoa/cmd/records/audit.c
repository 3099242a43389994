/* tollgate audit: dispatches to the verbs, reads the arguments that list, verify, show and explain
 * share, and has the verbs that print records.
 *
 * tollgate audit list prints one line for each decision, for a person who wants to know what
 * happened when. tollgate audit show prints one record, indented for people.
 *
 * tollgate audit open prints what was sent to a model and what it returned, for a person with an
 * auditor's key. The record is verified first, so that the opened text is the one that the signed
 * log names. */
#include "cmd/records/audit.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sha256.h"
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/daemon/reading.h"
#include "cmd/plain.h"
#include "cmd/records/audit_note.h"
#include "cmd/records/kept_runs.h"
#include "cmd/records/opening.h"
#include "policy/config/config.h"
#include "record/audit/record_fields.h"
#include "record/audit/record_terms.h"
#include "record/journal/journal.h"

/* ---- audit list ---- */

/* The columns of a decision, and below those of a completion. */
static const struct audit_column of_decisions[] = { { RF_DECIDED_AT, 0, false },
	{ RF_DECISION, 6, false }, { RF_STATUS, 0, true }, { RF_WOULD, 0, true },
	{ RF_IDENTITY_PERSON, 0, false }, { RF_ROUTE, 0, false }, { RF_MODEL, 0, false },
	{ RF_RULE, 0, false }, { RF_CLASSES, 0, false }, { RF_ID, 0, false } };
static const struct audit_column of_completions[] = { { RF_TIME, 0, false },
	{ RF_OUTCOME, 14, false }, { RF_STATUS, 0, false }, { RF_IDENTITY_PERSON, 0, false },
	{ RF_ROUTE, 0, false }, { RF_TARGET, 0, false }, { RF_MODEL, 0, false },
	{ RF_ATTEMPTS, 0, true }, { RF_WHY, 0, false }, { RF_ID, 0, false } };

static void
put_texts(struct buf *b, const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		buf_str(b, i ? "," : "");
		plain_word(b, json_is_string(one) ? json_span(one) : SPAN_LIT("?"));
	}
	if (json_array_size(list) == 0)
		buf_putc(b, '-');
}

/* Writes attempts as "one/m1:throttled,two/m2:done" or
 * "one/m1:throttled,no_further:budget". */
static void
put_listed_attempts(struct buf *b, const json_t *r)
{
	const json_t *one, *list = record_get(r, RF_ATTEMPTS);
	struct span no_further = record_span(r, RF_NO_FURTHER);
	size_t i;

	json_array_foreach(list, i, one)
	{
		buf_str(b, i ? "," : "");
		plain_word(b,
			json_span(json_object_get(one, record_rows[RF_ATTEMPTS_TARGET].name)));
		buf_putc(b, ':');
		plain_word(b,
			json_span(json_object_get(one, record_rows[RF_ATTEMPTS_CAUSE].name)));
	}
	if (no_further.n) {
		buf_str(b, ",no_further:");
		plain_word(b, no_further);
	}
}

static void
put_column(struct buf *b, const json_t *r, const struct audit_column *c)
{
	const json_t *v = record_get(r, c->field);
	size_t from = b->n;

	if (c->field == RF_WOULD) { /* written as "(deny 403)" */
		buf_putc(b, '(');
		plain_word(b, record_span(r, RF_WOULD_DECISION));
		if (json_is_integer(record_get(r, RF_WOULD_STATUS)))
			buf_printf(b, " %lld", (long long)record_int(r, RF_WOULD_STATUS));
		buf_putc(b, ')');
	} else if (c->field == RF_RULE) {
		/* Without a rule, print what else decided. For an observed request, print
		 * what would have decided. */
		bool would = record_get(r, RF_WOULD) != NULL;
		struct span rule = record_span(r, would ? RF_WOULD_RULE : RF_RULE),
			    reason = record_span(r, would ? RF_WOULD_REASON : RF_REASON);
		plain_put(b, rule.n ? rule : reason.n ? reason : SPAN_LIT("-"), SIZE_MAX);
	} else if (c->field == RF_ATTEMPTS) {
		put_listed_attempts(b, r);
	} else if (record_rows[c->field].type == RECORD_TEXTS) {
		put_texts(b, v);
	} else if (json_is_integer(v)) {
		buf_int(b, json_integer_value(v));
	} else if (record_rows[c->field].type == RECORD_TIME) {
		plain_word(b, span_cut(json_span(v), 0, 23));
		buf_putc(b, 'Z');
	} else {
		plain_word(b, json_span(v));
	}
	for (size_t used = b->n - from; used < (size_t)c->width; used++)
		buf_putc(b, ' ');
}

void
audit_print_columns(const json_t *r, const struct audit_column *c, size_t n)
{
	SCOPED_BUF(b, 0);
	for (size_t i = 0; i < n; i++) {
		if (c[i].may_lack && !record_get(r, c[i].field))
			continue;
		if (c[i].field == RF_ATTEMPTS &&
			json_array_size(record_get(r, RF_ATTEMPTS)) < 2 &&
			!record_get(r, RF_NO_FURTHER))
			continue;
		buf_str(&b, i ? " " : "");
		put_column(&b, r, &c[i]);
	}
	printf("%.*s\n", SPAN_ARG(buf_view(&b)));
}

/* ---- outcomes of requests ---- */

/* Returns true if the request ended with this word of --outcome. */
static bool
ended_so(const json_t *record, const char *wanted)
{
	const struct record_end e = { record_span(record, RF_OUTCOME),
		record_span(record, RF_WHY), record_int(record, RF_STATUS),
		json_is_true(record_get(record, RF_ANSWER_PROVIDER_ERROR)) };
	struct span rest = span_str(wanted);

	while (rest.n)
		if (record_ended_so(&e, span_next(&rest, ',')))
			return true;
	return false;
}

/* ---- tool calls ---- */

static struct span
of_call(const json_t *call, enum record_field f)
{
	return json_span(record_in(call, f));
}

/* Returns true if the call and its decision are selected. A completion repeats the call of
 * its own request, which already has a line, so that call is not selected again. */
static bool
call_fits(const char *const *want, const json_t *call, bool completion)
{
	static const struct {
		int filter;
		enum record_field field;
	} by[] = { { AUDIT_OPERATION, RF_CALLS_OPERATION }, { AUDIT_SERVER, RF_CALLS_SERVER },
		{ AUDIT_TOOL, RF_CALLS_TOOL }, { AUDIT_DECISION, RF_CALLS_DECISION } };
	bool fits = completion == span_is(of_call(call, RF_CALLS_BY), "answer");

	for (size_t i = 0; fits && i < COUNT_OF(by); i++)
		fits = !want[by[i].filter] ||
		       span_is(of_call(call, by[i].field), want[by[i].filter]) ||
		       (by[i].filter == AUDIT_TOOL &&
			       span_is(of_call(call, RF_CALLS_WRAPS), want[AUDIT_TOOL]));
	return fits;
}

static void
put_word(struct buf *b, struct span s)
{
	buf_putc(b, ' ');
	plain_word(b, s);
}

/* Prints a line such as "2026-11-22T09:00:00.000Z deny   mcp jane bot tickets/delete rule
 * classes id". */
static void
print_call(const json_t *r, const json_t *call, bool completion)
{
	struct span tool = of_call(call, RF_CALLS_TOOL);

	SCOPED_BUF(b, 0);
	plain_word(&b, span_cut(record_span(r, completion ? RF_TIME : RF_DECIDED_AT), 0, 23));
	buf_str(&b, "Z");
	put_word(&b, of_call(call, RF_CALLS_DECISION));
	put_word(&b, of_call(call, RF_CALLS_BY));
	put_word(&b, record_span(r, RF_IDENTITY_PERSON));
	put_word(&b, record_span(r, RF_IDENTITY_AGENT));
	put_word(&b, record_span(r, RF_ROUTE));
	buf_putc(&b, ' ');
	if (of_call(call, RF_CALLS_SERVER).n)
		plain_word(&b, of_call(call, RF_CALLS_SERVER));
	buf_putc(&b, '/');
	plain_word(&b, tool.n ? tool : of_call(call, RF_CALLS_METHOD));
	put_word(&b, of_call(call, RF_CALLS_RULE));
	put_word(&b, record_span(r, RF_ID));
	printf("%.*s\n", SPAN_ARG(buf_view(&b)));
}

/* Prints a line for each selected call. Returns the number of lines. */
static size_t
print_calls(const struct audit_args *a, const json_t *r, bool completion)
{
	const json_t *one;
	size_t i, n = 0;

	json_array_foreach(record_get(r, RF_CALLS), i, one)
	{
		if (!call_fits(a->want, one, completion))
			continue;
		if (!a->as_json)
			print_call(r, one, completion);
		n++;
	}
	return n;
}

/* Returns false if the line cannot contain the value, so that parsing it is unnecessary.
 * Values are in the line as they are, except for characters that JSON escapes. */
static bool
may_hold(struct span line, const char *want)
{
	if (!want)
		return true;
	for (const char *p = want; *p; p++)
		if ((unsigned char)*p < ' ' || *p == '"' || *p == '\\')
			return true;
	return memmem(line.p, line.n, want, strlen(want)) != NULL;
}

/* Returns true if the field has this value, or is a list that has it. */
static bool
record_holds(const json_t *record, enum record_field f, const char *want)
{
	const json_t *v = record_get(record, f), *one;
	size_t i;

	if (f == RF_OUTCOME)
		return ended_so(record, want);
	bool found = json_is_string(v) ? span_is(json_span(v), want)
				       : !json_is_array(v) && !strcmp(want, "-");
	json_array_foreach(v, i, one) found |= span_is(json_span(one), want);
	return found;
}

/* Options that select single calls. */
static const bool of_calls[AUDIT_FILTERS] = { [AUDIT_OPERATION] = true,
	[AUDIT_SERVER] = true,
	[AUDIT_TOOL] = true,
	[AUDIT_DECISION] = true };

static const enum record_field audit_filters[] = { RF_IDENTITY_PERSON, RF_DECISION, RF_ROUTE,
	RF_CLASSES, RF_OUTCOME, RF_ABOUT_OPERATION, RF_CALLS_SERVER, RF_CALLS_TOOL };

/* Returns true if the record has the value of the i-th option, or a word that records
 * have in its place. */
static bool
holds_wanted(const struct audit_args *a, size_t i, const json_t *r)
{
	bool holds = record_holds(r, audit_filters[i], a->want[i]);

	for (size_t k = 0; i == AUDIT_PERSON && k < a->pseudonyms.n; k++)
		holds |= record_holds(r, audit_filters[i], a->pseudonyms.word[k]);
	return holds;
}

static bool
may_hold_wanted(const struct audit_args *a, size_t i, struct span line)
{
	bool holds = may_hold(line, a->want[i]);

	for (size_t k = 0; i == AUDIT_PERSON && k < a->pseudonyms.n; k++)
		holds |= may_hold(line, a->pseudonyms.word[k]);
	return holds;
}

static bool
holds_all(const struct audit_args *a, const json_t *r)
{
	for (size_t i = 0; i < AUDIT_FILTERS; i++)
		if (a->want[i] && !holds_wanted(a, i, r))
			return false;
	return true;
}

static void
list_line(void *arg, struct span line)
{
	const struct audit_args *a = arg;
	const char *const *want = a->want;
	bool outcome = want[AUDIT_OUTCOME] != NULL, shown;
	/* the options select calls, so a line for each call is printed */
	bool calls =
		!outcome && (want[AUDIT_OPERATION] || want[AUDIT_SERVER] || want[AUDIT_TOOL]);
	struct span type = chain_member(line, record_rows[RF_TYPE].name);
	bool completion = span_is(type, "\"completion\"");

	/* most lines of a long journal are rejected here, without parsing */
	if (!(outcome ? completion : span_is(type, "\"decision\"") || (calls && completion)))
		return;
	for (size_t i = 0; i < AUDIT_FILTERS; i++)
		if (i != AUDIT_OUTCOME && !may_hold_wanted(a, i, line))
			return;
	/* a path may contain NUL */
	json_auto_t *r = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
	shown = r != NULL;
	for (size_t i = 0; i < AUDIT_FILTERS && shown; i++)
		shown = !want[i] || (calls && of_calls[i]) || holds_wanted(a, i, r);
	if (shown && calls) {
		size_t n = print_calls(a, r, completion);
		/* the operation of a route also selects a request that is no call */
		shown = n || (!completion && !record_get(r, RF_CALLS) && holds_all(a, r));
		if (n && !a->as_json) {
			reading_add(1);
			return;
		}
	}
	if (shown)
		reading_add(1);
	if (shown && a->as_json)
		plain_print_json(line);
	else if (shown && outcome)
		audit_print_columns(r, of_completions, COUNT_OF(of_completions));
	else if (shown)
		audit_print_columns(r, of_decisions, COUNT_OF(of_decisions));
}

/* Rejects a word that no record can have, because it would silently match nothing. */
static int
words_known(const struct audit_args *a)
{
	const char *const *want = a->want;
	struct span rest = span_str(want[AUDIT_OUTCOME]);
	int code = 0;

	if (want[AUDIT_DECISION])
		code = query_word(a->q.what, RT_DECISION, span_str(want[AUDIT_DECISION]));
	if (!code && want[AUDIT_OUTCOME] && (want[AUDIT_DECISION] || want[AUDIT_CLASS]))
		return cmd_fail(a->q.what,
			"--outcome selects responses and cannot be combined with "
			"--decision or --class, which select decisions");
	while (!code && rest.p)
		code = query_word(a->q.what, RT_OUTCOME, span_next(&rest, ','));
	return code;
}

static void
give_fed_line(void *arg, struct query_feed *f, struct span line)
{
	(void)f;
	query_give(arg, line);
}

static bool
is_over(void *arg, const char *dir, const struct journal_segment *s,
	const struct journal_segment *next)
{
	return query_ended_before(arg, dir, s, next);
}

/* Passes the lines of the journals and every line that is added, until the command is ended.
 * Returns an exit code. */
static int
query_follow(const struct query *q)
{
	const struct timespec pause = { 0, QUERY_POLL_NS };
	struct query_feeds feeds = { .what = q->what,
		.follow = true,
		.arg = (void *)(uintptr_t)q,
		.line = give_fed_line,
		.passed = q->since_ns ? is_over : NULL };
	int code;

	feeds.ndirs = query_journals(q, feeds.dir);

	do
		code = query_feeds_turn(&feeds);
	while (code == EXIT_DONE && fflush(stdout) != EOF && nanosleep(&pause, NULL) == 0);
	query_feeds_free(&feeds);
	return code;
}

static int
audit_list(struct audit_args *a)
{
	struct query *q = &a->q;

	if (words_known(a))
		return EXIT_CANNOT;
	const char *person = a->want[AUDIT_PERSON];
	if (person && strcmp(person, "-") != 0 && (a->opening.shares || !opening_plain(q)))
		opening_pseudonyms(q, a->opening.shares, person, &a->pseudonyms);
	if (a->pseudonyms.n)
		reading_asked("person", json_string(a->pseudonyms.word[0]));
	q->within = true;
	q->by_time = true;
	q->arg = a;
	q->line = list_line;
	if (!a->follow)
		return query_run(q);
	reading_follows();
	return query_follow(q);
}

/* ---- audit show ---- */

/* Prints a line of JSON with one member a line, indented by two spaces a level. Scalars
 * keep their text. */
static void
put_pretty(struct span line, int indent)
{
	bool string = false, begins = false;

	for (size_t i = 0; i < line.n; i++) {
		char c = line.p[i];
		if (string) {
			putchar(c);
			if (c == '\\' && i + 1 < line.n)
				putchar(line.p[++i]);
			else if (c == '"')
				string = false;
			continue;
		}
		bool closes = c == '}' || c == ']';
		if (closes)
			indent -= 2;
		if (begins ? !closes : closes)
			printf("\n%*s", indent > 0 ? indent : 0, "");
		begins = c == '{' || c == '[';
		putchar(c);
		if (begins)
			indent += 2;
		else if (c == ',')
			printf("\n%*s", indent > 0 ? indent : 0, "");
		else if (c == ':')
			putchar(' ');
		string = c == '"';
	}
}

/* Reads `[NODE/]N` of --seq, or NODE/SEQ/HASH of a receipt. */
static bool
read_place(struct span s, bool receipt, struct audit_wanted *w)
{
	struct span node = { NULL, 0 }, seq = s;
	const char *end = NULL;
	size_t n = 0;

	if (receipt || span_chr(s, '/') < s.n) {
		node = span_next(&s, '/');
		seq = receipt ? span_next(&s, '/') : s;
		if (!chain_node_valid(node))
			return false;
		snprintf(w->node, sizeof(w->node), "%.*s", SPAN_ARG(node));
	}
	if (span_u64(seq, &w->seq) || w->seq == 0)
		return false;
	w->hashed = receipt;
	return !receipt || (s.n == 2 * CHAIN_HASH_BYTES &&
				   sodium_hex2bin(w->hash, sizeof(w->hash), s.p, s.n, NULL, &n,
					   &end) == 0 &&
				   n == CHAIN_HASH_BYTES);
}

bool
audit_is_wanted(const struct audit_wanted *w, struct span line, struct chain_line *l)
{
	struct span id = buf_view(&w->id);

	if ((id.n && !memmem(line.p, line.n, id.p, id.n)) || chain_parse(line, l) || l->commit)
		return false;
	if (w->node[0] && !span_is(l->node, w->node))
		return false;
	return w->seq ? l->seq == w->seq : span_eq(chain_member(line, "id"), id);
}

/* The search for the record that is shown. */
struct show {
	const struct audit_wanted *w;
	size_t found;
	bool enough, other; /* other: the record at that place has another hash */
};

static void
show_line(void *arg, struct span line)
{
	struct show *s = arg;
	struct chain_line l;
	unsigned char hash[CHAIN_HASH_BYTES];

	if (!audit_is_wanted(s->w, line, &l))
		return;
	sha256(line, hash);
	if (s->w->hashed && memcmp(hash, s->w->hash, sizeof(hash)) != 0) {
		s->other = true;
		return;
	}
	s->enough = s->w->seq && s->w->node[0];
	reading_add(1);
	SCOPED_BUF(shown, 0);
	plain_json(&shown, line);
	fputs(s->found++ ? ",\n  " : "[\n  ", stdout);
	put_pretty(buf_view(&shown), 2);
}

static int
show_record(struct audit_args *a, const struct audit_wanted *w)
{
	const uint64_t id = record_term_hash(RT_ID, span_str(a->id));
	struct show s = { .w = w };
	struct query q = a->q;

	q.arg = &s;
	q.line = show_line;
	q.node = w->node[0] ? w->node : NULL;
	q.from = w->seq;
	q.enough = &s.enough;
	if (!w->seq && !q.no_index) {
		q.term = &id;
		q.nterms = 1;
	}
	int code = query_run(&q);
	if (s.found)
		puts("\n]");
	if (!code && !s.found) {
		cmd_fail(a->q.what,
			s.other ? "%s: the record at this place has another hash: the "
				  "receipt belongs to another log"
				: "%s: no such record here: check the id; "
				  "restore archived records with tollgate audit restore",
			a->receipt ? a->receipt
			: a->seq   ? a->seq
				   : a->id);
		code = EXIT_NO;
	}
	return code;
}

static int
show_proof(struct audit_args *a, const struct audit_wanted *w)
{
	SCOPED_BUF(out, 0);
	int code = a->page ? audit_prove_page(a, w, &out) : audit_prove(a, w, &out, NULL);
	if (code)
		return code;
	reading_add(1);
	return cmd_print(a->q.what, &out);
}

static int
audit_show(struct audit_args *a)
{
	struct audit_wanted w = { .seq = 0 };
	int code;

	buf_init(&w.id, 65536);
	if (a->id)
		buf_json_str(&w.id, span_str(a->id));
	if (a->seq && !read_place(span_str(a->seq), false, &w))
		code = cmd_fail(a->q.what, "--seq: %s: give NUMBER or NODE/NUMBER", a->seq);
	else if (a->receipt && !read_place(span_str(a->receipt), true, &w))
		code = cmd_fail(a->q.what, "--receipt: %s: give NODE/SEQ/HASH, as the "
					   "receipt has it", a->receipt);
	else
		code = a->proof ? show_proof(a, &w) : show_record(a, &w);
	buf_free(&w.id);
	return code;
}

/* ---- audit open ---- */

#define WHAT "audit open"

enum { RECORDS_MAX = 64 /* records with one id */ };

/* A record with texts. Owns `object`. */
struct opened_record {
	json_t *object;
	uint64_t seq;
	unsigned char hash[CHAIN_HASH_BYTES];
	bool verified;
};

/* The state of the command. Owned by audit_open(). */
struct audit_opening {
	struct audit_args a;
	struct opening_args args;
	struct opening *opening;
	struct audit_wanted wanted;
	const char *part; /* NULL: all texts that were kept */
	struct opened_record record[RECORDS_MAX];
	size_t n, nfound; /* records that have texts; records that have the id */
	size_t shown;
	char last; /* the last byte that was printed */
};

static bool
is_asked(const struct audit_opening *o, enum seal_kind kind)
{
	return !o->part || !strcmp(o->part, seal_kinds[kind]);
}

static void
take_opened(void *arg, struct span line)
{
	struct audit_opening *o = arg;
	struct chain_line l;
	bool kept = false;

	if (o->n == RECORDS_MAX || !audit_is_wanted(&o->wanted, line, &l))
		return;
	o->nfound++;
	json_t *object = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
	for (enum seal_kind k = SEAL_PROMPT; k <= SEAL_TOOLS; k++)
		kept |= is_asked(o, k) && opening_kept(object, k);
	if (!kept) {
		json_decref(object);
		return;
	}
	struct opened_record *r = &o->record[o->n++];
	r->object = object;
	r->seq = l.seq;
	sha256(line, r->hash);
}

static int
find_opened(struct audit_opening *o)
{
	const uint64_t term = record_term_hash(RT_ID, span_str(o->a.id));
	struct query q = o->a.q;

	q.arg = o;
	q.line = take_opened;
	q.term = &term;
	q.nterms = q.no_index ? 0 : 1;
	int code = query_run(&q);
	if (code)
		return code;
	if (!o->nfound)
		cmd_fail(WHAT,
			"%s: no such record here: check the id; restore archived records with "
			"tollgate audit restore",
			o->a.id);
	else if (!o->n)
		cmd_fail(WHAT,
			"%s: no %s was kept for it: there was none, or `record:` of its "
			"route excludes it",
			o->a.id, o->part ? o->part : "text");
	return o->n ? 0 : EXIT_NO;
}

/* Verifies that the record is in the tree of a signed checkpoint. */
static int
verify_opened(struct audit_opening *o, struct opened_record *r)
{
	struct audit_wanted w = { .seq = r->seq, .hashed = true };

	if (r->verified)
		return 0;
	snprintf(w.node, sizeof(w.node), "%s", record_text(r->object, RF_NODE));
	memcpy(w.hash, r->hash, sizeof(w.hash));
	SCOPED_BUF(proof, BUNDLE_MAX);
	SCOPED_BUF(why, 4096);
	buf_init(&w.id, 0);
	int code = audit_prove(&o->a, &w, &proof, NULL);
	if (!code && !audit_bundle_holds(&o->a, &proof, &why)) {
		cmd_fail(WHAT, "record %s/%llu does not verify: %.*s", w.node,
			(unsigned long long)r->seq, SPAN_ARG(buf_view(&why)));
		code = EXIT_NO;
	}
	r->verified = !code;
	return code;
}

/* Prints the runs of a text without control characters, each below the line of its author. */
static void
print_runs(const struct opened_record *r, enum seal_kind kind, const json_t *kept, struct span s)
{
	bool lines = str_same(json_str_in(kept, "form"), "texts");
	struct kept_runs runs = { 0 };

	if (!kept_runs_read(s, lines, kind, &runs))
		cmd_fail(WHAT, "%s: the text below is not complete", err_str(ERR_NOMEM));
	for (size_t i = 0; i < runs.n; i++) {
		const struct kept_run *one = &runs.v[i];
		printf("%s[%s%s%s, %s]\n", i ? "\n" : "", one->by, one->what[0] ? ", " : "",
			one->what, record_text(r->object, RF_TIME));
		plain_print(stdout, buf_view(&one->text));
	}
	kept_runs_free(&runs);
}

/* Prints a text. A terminal gets its runs, any other output gets the exact bytes. */
static bool
print_opened(struct audit_opening *o, const struct opened_record *r, enum seal_kind kind,
	const struct buf *text)
{
	struct span s = buf_view(text);

	if (o->shown++ && o->last != '\n' && putchar('\n') == EOF)
		return false;
	o->last = s.n ? s.p[s.n - 1] : o->last;
	if (isatty(STDOUT_FILENO)) {
		print_runs(r, kind, opening_kept(r->object, kind), s);
		o->last = '\n';
	} else if (s.n && fwrite(s.p, 1, s.n, stdout) != s.n) {
		return false;
	}
	return fflush(stdout) == 0;
}

static void
say_opened(const struct opened_record *r, enum seal_kind kind)
{
	const json_t *kept = opening_kept(r->object, kind);
	char node[CHAIN_NODE_MAX + 1];

	fprintf(stderr, "tollgate: " WHAT ": %s of the %s %s/%llu at %s, %s%s, %lld bytes%s\n",
		seal_kinds[kind], record_text(r->object, RF_TYPE),
		audit_note_plain(record_span(r->object, RF_NODE), node, sizeof(node)),
		(unsigned long long)r->seq, record_text(r->object, RF_TIME),
		json_text_in(kept, "how"),
		str_same(json_str_in(kept, "form"), "texts") ? " as JSON lines" : "",
		json_int_in(kept, "bytes"),
		json_is_true(json_object_get(kept, "cut"))
			? ": only the beginning; the rest did not arrive or was not kept"
			: "");
}

static int
open_one(struct audit_opening *o, struct opened_record *r, enum seal_kind kind)
{
	int code = verify_opened(o, r);

	if (code)
		return code;
	SCOPED_BUF(text, 0);
	SCOPED_BUF(why, 4096);
	enum opening_is is = opening_text(o->opening, r->object, kind, &text, &why);
	if (is == OPENING_OPENED) {
		say_opened(r, kind);
		reading_add(1);
		return print_opened(o, r, kind, &text) ? EXIT_DONE
					      : cmd_fail(WHAT, "cannot write the output");
	}
	const char *word =
		is == OPENING_NOT_SEALED ? "not sealed to this key" : opening_words[is];
	bool said = span_starts(buf_view(&why), span_str(word));
	cmd_fail(WHAT, "%s of the %s %s/%llu: %s%s%.*s", seal_kinds[kind],
		record_text(r->object, RF_TYPE), record_text(r->object, RF_NODE),
		(unsigned long long)r->seq, said ? "" : word, said ? "" : ": ",
		SPAN_ARG(buf_view(&why)));
	return is == OPENING_NOT_GIVEN ? EXIT_CANNOT : EXIT_NO;
}

/* Opens every text. A text that cannot be opened does not prevent the others. */
static int
open_all(struct audit_opening *o)
{
	int code = EXIT_DONE;

	for (enum seal_kind k = SEAL_PROMPT; k <= SEAL_TOOLS; k++)
		for (size_t i = 0; i < o->n && is_asked(o, k); i++) {
			if (!opening_kept(o->record[i].object, k))
				continue;
			int one = open_one(o, &o->record[i], k);
			code = one > code ? one : code;
		}
	return code;
}

/* Prints what the console needs to open the texts. The browser page has the key; nothing is
 * opened here. */
static int
print_sealed(struct audit_opening *o)
{
	const char *node = record_text(o->record[0].object, RF_NODE);
	json_auto_t *all = json_pack("{s:s,s:[]}", "node", node, "records");
	json_t *list = json_object_get(all, "records");

	for (enum seal_kind k = SEAL_PROMPT; k <= SEAL_TOOLS; k++)
		for (size_t i = 0; i < o->n && is_asked(o, k); i++) {
			struct opened_record *r = &o->record[i];
			if (!opening_kept(r->object, k))
				continue;
			int code = verify_opened(o, r);
			if (code)
				return code;
			json_array_append_new(list, opening_sealed(o->opening, r->object, k));
			reading_add(1);
		}
	return admin_print_json(WHAT, all);
}

static int
run_open(struct audit_opening *o)
{
	SCOPED_BUF(why, 8192);
	int code = find_opened(o);
	if (!code)
		code = audit_signers(&o->a, true);
	if (!code)
		code = cmd_failed(WHAT, audit_ring(&o->a, &why), &why);
	if (!code && !(o->opening = opening_begin(&o->a.q, &o->args)))
		code = EXIT_CANNOT;
	return code ? code : o->args.sealed ? print_sealed(o) : open_all(o);
}

static int
audit_open(int argc, char **argv)
{
	struct audit_opening *o = calloc(1, sizeof(*o));

	if (!o)
		return cmd_fail(WHAT, "%s", err_str(ERR_NOMEM));
	o->a.q.what = WHAT;
	o->a.patient = true;
	const struct cmd_option options[] = {
		QUERY_SOURCE(&o->a.q),
		AUDIT_KEYS(&o->a),
		OPENING_OPTIONS(&o->args),
		{ "part", .text = &o->part },
		{ "root", .text = &o->a.root },
		{ "statement", .text = o->a.statements, .count = &o->a.nstatements,
			.most = AUDIT_STATEMENTS },
		{ "sealed", .flag = &o->args.sealed },
		{ "no-index", .flag = &o->a.q.no_index },
		{ .name = NULL },
	};
	char **operands;
	int n = cmd_options(WHAT, argc, argv, options, &operands), code;
	bool known = !o->part;

	for (enum seal_kind k = SEAL_PROMPT; k <= SEAL_TOOLS; k++)
		known |= is_asked(o, k);
	if (n != 1 || !o->args.key == !o->args.sealed)
		code = cmd_usage(WHAT);
	else if (!known)
		code = cmd_fail(
			WHAT, "--part: %s: give prompt, response or tools", o->part);
	else if (o->a.q.redis)
		code = cmd_fail(WHAT, "sealed texts are next to a journal: omit --redis");
	else {
		o->a.id = operands[0];
		buf_init(&o->wanted.id, 65536);
		buf_json_str(&o->wanted.id, span_str(o->a.id));
		code = query_times(&o->a.q);
		if (!code)
			code = query_begin(&o->a.q, options, operands, n);
		code = query_end(&o->a.q, code ? code : run_open(o));
		opening_end(&o->opening);
		buf_free(&o->wanted.id);
	}
	for (size_t i = 0; i < o->n; i++)
		json_decref(o->record[i].object);
	free(o->a.ring);
	free(o);
	return code;
}

/* ---- audit accept ---- */

static int
audit_accept(int argc, char **argv)
{
	struct admin_cmd c = { .what = "audit accept" };
	const struct cmd_option options[] = { ADMIN_OPTIONS(&c), { .name = NULL } };
	char **operands;

	if (cmd_options(c.what, argc, argv, options, &operands) != 1)
		return cmd_usage(c.what);
	admin_give_text(&c, "record", operands[0]);
	return admin_change(&c, "/records/accept", "is accepted with its fault");
}

/* ---- the verbs ---- */

static const struct {
	const char *name;
	int (*run)(struct audit_args *a);
	bool need_id, need_key;
} verbs[] = {
	{ "list", audit_list, false, false },
	{ "verify", audit_verify, false, true },
	{ "show", audit_show, true, false },
	{ "explain", audit_explain, true, false },
};

static int
add_keys(struct audit_args *a, const char *file)
{
	SCOPED_BUF(why, 4096);
	int n = pubkeys_load(file, a->keys + a->nkeys, SIGNKEYS_MAX - a->nkeys, &why);
	int code = cmd_failed(a->q.what, n < 0 ? n : 0, &why);
	a->nkeys += n > 0 ? (size_t)n : 0;
	return code;
}

int
audit_signers(struct audit_args *a, bool need)
{
	const char *file = config_find(a->q.config), *what = a->q.what;
	int code = 0;

	for (size_t i = 0; i < a->nkey_files && !code; i++)
		code = add_keys(a, a->key_file[i]);
	if (code || a->nkeys || a->root || (!file && !need))
		return code;
	if (!file)
		return cmd_no_config(what, a->q.config, ", or the key with --public-key");
	const struct config *cfg = cmd_config(&a->q.arena, a->q.config);
	for (size_t i = 0; i < a->q.nbeside && !code; i++) {
		const char *key = a->q.beside[i]->audit_key;
		const char *beside = key ? arena_printf(&a->q.arena, "%s.pub", key).p : NULL;
		if (beside && access(beside, R_OK) == 0)
			code = add_keys(a, beside);
	}
	if (code)
		return code;
	if (cfg && cfg->audit_key)
		return add_keys(a, arena_printf(&a->q.arena, "%s.pub", cfg->audit_key).p);
	return !need ? 0
	       : cfg ? cmd_fail(what, "%s: has no audit.key: give the public key with "
				      "--public-key", file)
		     : cmd_fail(
			       what, "%s: has mistakes: tollgate check lists them", file);
}

/* Reads --proof=html and --proof=TYPE,html: sets the page form and the type. */
static void
read_proof_form(struct audit_args *a)
{
	struct span type = span_str(a->proof_of), form = type;

	while (span_chr(form, ',') < form.n)
		span_next(&form, ',');
	a->page = span_is(form, "html");
	if (!a->page)
		return;
	type = span_cut(type, 0, type.n - form.n);
	a->proof_of = type.n ? arena_printf(&a->q.arena, "%.*s", (int)type.n - 1, type.p).p : NULL;
}

/* Reads the arguments of a verb. With `need_id` it has one operand, else none; with
 * `need_key` it needs a public key. Returns 0, or an exit code after a message. */
static int
read_args(struct audit_args *a, int argc, char **argv, bool need_id, bool need_key)
{
	struct query *q = &a->q;
	const char *from = NULL;
	enum { OWN_MOST = 32 }; /* at most so many rows before the filters */
	struct cmd_option options[OWN_MOST + AUDIT_FILTERS + 1] = {
		QUERY_SOURCE(q),
		QUERY_TIMES(q),
		AUDIT_KEYS(a),
		{ "from", .text = &from },
		{ "policy", .text = &a->policy },
		{ "json", .flag = &a->as_json },
		{ "follow", .flag = &a->follow },
		{ "proof", .flag = &a->proof, .text = &a->proof_of },
		{ "seq", .text = &a->seq },
		{ "receipt", .text = &a->receipt },
		{ "note", .text = &a->note },
		{ "manifest", .text = &a->manifest },
		{ "program", .text = a->program, .count = &a->nprograms, .most = AUDIT_PROGRAMS },
		{ "tsa-ca", .text = &a->tsa_ca },
		{ "witness-key", .text = &a->witness_key },
		{ "root", .text = &a->root },
		{ "statement", .text = a->statements, .count = &a->nstatements,
			.most = AUDIT_STATEMENTS },
		{ "texts", .flag = &a->texts },
		OPENING_OPTIONS(&a->opening),
		{ "no-index", .flag = &q->no_index },
	};
	char **operands;
	size_t own = 0;

	while (options[own].name)
		own++;
	INVARIANT(own <= OWN_MOST);
	for (size_t i = 0; i < AUDIT_FILTERS; i++)
		options[own + i] =
			(struct cmd_option){ record_rows[audit_filters[i]].called,
				.text = &a->want[i] };
	int n = cmd_options(q->what, argc, argv, options, &operands);
	need_id = need_id && !a->seq && !a->receipt;
	if (n != (need_id ? 1 : 0) || (a->seq && a->receipt))
		return cmd_usage(q->what);
	if (from && (span_u64(span_str(from), &a->from) || a->from == 0))
		return cmd_fail(q->what, "--from: %s: give a sequence number", from);
	if (need_id)
		a->id = operands[0];
	int code = query_times(q);
	if (code)
		return code;
	read_proof_form(a);
	if (a->follow && (q->redis || q->file))
		return cmd_fail(q->what, "--follow reads a journal: omit --redis and --file");
	if (a->texts && (q->file || a->manifest || (q->redis && !q->journal)))
		return cmd_fail(q->what, "--texts: sealed texts are next to a journal: "
					 "omit --redis and --file");
	if (q->file && (q->journal || q->redis))
		return cmd_fail(q->what, "--file cannot be combined with --journal or --redis");
	reading_begin(q->what, q->config, options, operands, n);
	reading_window(q->since_ns, q->until_ns);
	if (need_key)
		reading_quietly(); /* audit verify shows no record */
	if (!a->manifest || q->journal || q->redis || q->file)
		code = query_source(q);
	need_key = need_key || a->page;
	return code || !(need_key || a->nkey_files) ? code : audit_signers(a, need_key);
}

int
cmd_audit(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} others[] = { { "search", audit_search }, { "report", audit_report },
		{ "restore", audit_restore }, { "subject", audit_subject },
		{ "export", audit_export }, { "key", audit_key }, { "open", audit_open },
		{ "erase", audit_erase }, { "accept", audit_accept } };
	struct audit_args a = { .nkeys = 0 };
	char what[32];

	for (size_t i = 0; argc > 1 && i < COUNT_OF(others); i++)
		if (!strcmp(argv[1], others[i].name))
			return others[i].run(argc - 1, argv + 1);
	for (size_t i = 0; argc > 1 && i < COUNT_OF(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		snprintf(what, sizeof(what), "audit %s", verbs[i].name);
		a.q.what = what;
		int code =
			read_args(&a, argc - 1, argv + 1, verbs[i].need_id, verbs[i].need_key);
		if (!code)
			code = verbs[i].run(&a);
		/* each chain is verified by itself, but a note and a sequence number belong
		 * to one chain */
		const bool each = verbs[i].run == audit_verify && !a.note && !a.from;
		for (size_t k = 0; each && k < a.q.nbeside && code != EXIT_CANNOT; k++) {
			a.q.journal = a.q.beside[k]->journal;
			int other = audit_verify(&a);
			code = other > code ? other : code;
		}
		return query_end(&a.q, code);
	}
	return cmd_usage(argv[0]);
}
