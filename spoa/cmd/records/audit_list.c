/* tollgate audit list: prints one line for each decision, for a person who wants to know
 * what happened when. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/daemon/reading.h"
#include "cmd/plain.h"
#include "cmd/records/audit.h"
#include "cmd/records/opening.h"
#include "record/audit/record_fields.h"
#include "record/audit/record_terms.h"
#include "record/journal/journal.h"

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
		       span_is(of_call(call, by[i].field), want[by[i].filter]);
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

/* Returns true if the record has the value of the i-th option, or the word that records
 * have in its place. */
static bool
holds_wanted(const struct audit_args *a, size_t i, const json_t *r)
{
	return record_holds(r, audit_filters[i], a->want[i]) ||
	       (i == AUDIT_PERSON && a->pseudonym[0] &&
		       record_holds(r, audit_filters[i], a->pseudonym));
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
		if (i != AUDIT_OUTCOME && !may_hold(line, want[i]) &&
			!(i == AUDIT_PERSON && a->pseudonym[0] && may_hold(line, a->pseudonym)))
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

int
audit_list(struct audit_args *a)
{
	struct query *q = &a->q;

	if (words_known(a))
		return EXIT_CANNOT;
	const char *person = a->want[AUDIT_PERSON];
	if (person && strcmp(person, "-") != 0 && (a->opening.shares || !opening_plain(q)) &&
		opening_pseudonym(q, a->opening.shares, person, a->pseudonym, NULL))
		reading_asked("person", json_string(a->pseudonym));
	q->within = true;
	q->arg = a;
	q->line = list_line;
	if (!a->follow)
		return query_run(q);
	reading_follows();
	return query_follow(q);
}
