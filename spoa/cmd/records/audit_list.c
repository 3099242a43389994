/* tollgate audit list: a line a decision, for a person who asks what happened when. Segments
 * that end before --since are not read; --follow goes on where the journal grows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cmd/cmd.h"
#include "cmd/daemon/reading.h"
#include "cmd/plain.h"
#include "cmd/records/audit.h"
#include "record/audit/record_fields.h"
#include "record/audit/record_terms.h"
#include "record/journal/journal.h"

static const char *const decisions[] = { "permit", "redact", "deny", "observed" };

struct list {
	const struct audit_args *a;
	char since[CLOCK_RFC3339_LEN], until[CLOCK_RFC3339_LEN]; /* as audit_time_within() */
};

/* What a line of a decision shows, and of a completion. */
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

/* "one/m1:throttled,two/m2:done", "one/m1:throttled,no_further:budget" */
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

/* The rule or what else decided, of an observed request what would have. */
static void
put_listed_reason(struct buf *b, const json_t *r)
{
	bool would = record_get(r, RF_WOULD) != NULL;
	struct span rule = record_span(r, would ? RF_WOULD_RULE : RF_RULE),
		    reason = record_span(r, would ? RF_WOULD_REASON : RF_REASON);

	plain_put(b, rule.n ? rule : reason.n ? reason : SPAN_LIT("-"), SIZE_MAX);
}

static void
put_column(struct buf *b, const json_t *r, const struct audit_column *c)
{
	const json_t *v = record_get(r, c->field);
	size_t from = b->n;

	if (c->field == RF_WOULD) { /* "(deny 403)" */
		buf_putc(b, '(');
		plain_word(b, record_span(r, RF_WOULD_DECISION));
		if (json_is_integer(record_get(r, RF_WOULD_STATUS)))
			buf_printf(b, " %lld", (long long)record_int(r, RF_WOULD_STATUS));
		buf_putc(b, ')');
	} else if (c->field == RF_RULE) {
		put_listed_reason(b, r);
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
	struct buf b;

	buf_init(&b, 0);
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
	buf_free(&b);
}

/* The record, of which a terminal obeys nothing. */
static void
print_json(struct span line)
{
	struct buf shown;

	buf_init(&shown, 0);
	plain_json(&shown, line);
	printf("%.*s\n", SPAN_ARG(buf_view(&shown)));
	buf_free(&shown);
}

/* ---- how requests ended ---- */

/* One of the words of --outcome. */
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

/* ---- calls ---- */

static struct span
of_call(const json_t *call, enum record_field f)
{
	return json_span(record_in(call, f));
}

/* A line a call is wanted. */
static bool
lists_calls(const struct list *l)
{
	const char *const *want = l->a->want;

	return want[AUDIT_OPERATION] || want[AUDIT_SERVER] || want[AUDIT_TOOL];
}

/* It is one of those, and of the decision that is asked for. A completion has that of its own
 * request once more, which has its line. */
static bool
call_fits(const struct list *l, const json_t *call, bool completion)
{
	static const struct {
		int filter;
		enum record_field field;
	} by[] = { { AUDIT_OPERATION, RF_CALLS_OPERATION }, { AUDIT_SERVER, RF_CALLS_SERVER },
		{ AUDIT_TOOL, RF_CALLS_TOOL }, { AUDIT_DECISION, RF_CALLS_DECISION } };
	bool fits = completion == span_is(of_call(call, RF_CALLS_BY), "answer");

	for (size_t i = 0; fits && i < COUNT_OF(by); i++)
		fits = !l->a->want[by[i].filter] ||
		       span_is(of_call(call, by[i].field), l->a->want[by[i].filter]);
	return fits;
}

static void
put_word(struct buf *b, struct span s)
{
	buf_putc(b, ' ');
	plain_word(b, s);
}

/* "2026-11-22T09:00:00.000Z deny   mcp jane bot tickets/delete rule classes id" */
static void
print_call(const json_t *r, const json_t *call, bool completion)
{
	struct span tool = of_call(call, RF_CALLS_TOOL);
	struct buf b;

	buf_init(&b, 0);
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
	buf_free(&b);
}

/* How many lines; 0: none of its calls fits. */
static size_t
print_calls(const struct list *l, const json_t *r, bool completion)
{
	const json_t *one;
	size_t i, n = 0;

	json_array_foreach(record_get(r, RF_CALLS), i, one)
	{
		if (!call_fits(l, one, completion))
			continue;
		if (!l->a->as_json)
			print_call(r, one, completion);
		n++;
	}
	return n;
}

/* False: parsing the record would be in vain. Texts are in it as they are, but for what JSON
 * escapes. */
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

/* A text is the field's, or one of its list; --outcome has words of its own. */
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

/* What is asked of each call. */
static bool
of_calls(size_t filter)
{
	return filter == AUDIT_OPERATION || filter == AUDIT_SERVER || filter == AUDIT_TOOL ||
	       filter == AUDIT_DECISION;
}

static bool
holds_all(const struct list *l, const json_t *r)
{
	for (size_t i = 0; i < AUDIT_FILTERS; i++)
		if (l->a->want[i] && !record_holds(r, audit_filters[i], l->a->want[i]))
			return false;
	return true;
}

static void
list_line(void *arg, struct span line)
{
	const struct list *l = arg;
	const char *const *want = l->a->want;
	bool outcome = want[AUDIT_OUTCOME] != NULL, calls = lists_calls(l) && !outcome, shown;
	struct span type = chain_member(line, record_rows[RF_TYPE].name);
	bool completion = span_is(type, "\"completion\"");

	/* Most of a long journal ends here. */
	if (!audit_time_within(line, l->since, l->until) ||
		!(outcome ? completion
			  : span_is(type, "\"decision\"") || (calls && completion)))
		return;
	for (size_t i = 0; i < AUDIT_FILTERS; i++)
		if (i != AUDIT_OUTCOME && !may_hold(line, want[i]))
			return;
	/* A path may hold NUL. */
	json_t *r = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
	shown = r != NULL;
	for (size_t i = 0; i < AUDIT_FILTERS && shown; i++)
		shown = !want[i] || (calls && of_calls(i)) ||
			record_holds(r, audit_filters[i], want[i]);
	if (shown && calls) {
		size_t n = print_calls(l, r, completion);
		/* A route's operation, of a request that is no call. */
		shown = n || (!completion && !record_get(r, RF_CALLS) && holds_all(l, r));
		if (n && !l->a->as_json) {
			reading_add(1);
			json_decref(r);
			return;
		}
	}
	if (shown)
		reading_add(1);
	if (shown && l->a->as_json)
		print_json(line);
	else if (shown && outcome)
		audit_print_columns(r, of_completions, COUNT_OF(of_completions));
	else if (shown)
		audit_print_columns(r, of_decisions, COUNT_OF(of_decisions));
	json_decref(r);
}

/* ---- a journal ---- */

static void
feed_line(void *arg, struct audit_feed *f, struct span line)
{
	(void)f;
	list_line(arg, line);
}

/* Of the node's segments the newest that began before --since is the first: what is older is
 * not opened. */
static bool
began_before(void *arg, const struct journal_segment *s)
{
	const struct list *l = arg;
	char when[CLOCK_RFC3339_LEN];

	return audit_first_time(l->a->journal, s, 0, when) && strcmp(when, l->since) < 0;
}

static int
list_journal(struct list *l)
{
	const struct timespec pause = { 0, AUDIT_POLL_NS };
	struct audit_feeds feeds = { .what = "audit list",
		.dir = l->a->journal,
		.follow = l->a->follow,
		.arg = l,
		.line = feed_line,
		.before = l->a->since_ns ? began_before : NULL };
	int code;

	do
		code = audit_feeds_turn(&feeds);
	while (code == EXIT_DONE && l->a->follow && fflush(stdout) != EOF &&
		nanosleep(&pause, NULL) == 0);
	audit_feeds_free(&feeds);
	return code;
}

/* A word that no record can have would show nothing for good. */
static int
words_known(const struct audit_args *a)
{
	struct span rest = span_str(a->want[AUDIT_OUTCOME]);

	if (a->want[AUDIT_DECISION] && span_find(span_str(a->want[AUDIT_DECISION]), decisions,
					       COUNT_OF(decisions)) == COUNT_OF(decisions))
		return cmd_fail("audit list",
			"--decision: %s: permit, redact, deny or observed is expected",
			a->want[AUDIT_DECISION]);
	if (a->want[AUDIT_OUTCOME] && (a->want[AUDIT_DECISION] || a->want[AUDIT_CLASS]))
		return cmd_fail("audit list",
			"--outcome is of answers: --decision and --class are of decisions");
	while (a->want[AUDIT_OUTCOME]) {
		struct span word = span_next(&rest, ',');
		if (!record_outcome_known(word))
			return cmd_fail("audit list",
				"--outcome: %.*s: " RECORD_OUTCOME_WORDS " is expected",
				SPAN_ARG(word));
		if (!rest.n && word.p + word.n ==
				       a->want[AUDIT_OUTCOME] + strlen(a->want[AUDIT_OUTCOME]))
			break;
	}
	return 0;
}

int
audit_list(struct audit_args *a)
{
	struct list l = { .a = a };
	struct audit_sink to = { &l, list_line, NULL, NULL };

	if (words_known(a))
		return EXIT_CANNOT;
	if (a->since_ns)
		clock_rfc3339(a->since_ns, l.since);
	if (a->until_ns)
		clock_rfc3339(a->until_ns, l.until);
	if (a->follow)
		reading_follows();
	return a->journal && !a->redis && !a->file ? list_journal(&l) : audit_read(a, &to);
}
