/* tollgate audit explain: prints why a recorded decision came out as it did.
 *
 * The policy that decided is loaded from the text that is kept next to the journal. Its
 * rules are evaluated again on the recorded values. The output names the result of each
 * rule, and states which values are missing, so that a repeated result may differ from the
 * original one. */
#include <stdio.h>

#include "base/err.h"
#include "cmd/cmd.h"
#include "cmd/daemon/reading.h"
#include "cmd/plain.h"
#include "cmd/records/audit.h"
#include "cmd/records/recorded.h"
#include "policy/policy.h"
#include "policy/rule.h"
#include "record/archive/kept_policy.h"
#include "record/audit/record_fields.h"
#include "record/audit/record_terms.h"
#include "policy/config/config.h"

/* The decision that is explained, its completion, and what is needed to evaluate the rules
 * again. NULL: the records have none. */
struct wanted {
	const char *id;
	json_t *record, *completion;
	json_t *later; /* the records of later attempts, in their order */
	struct policy_alone policy;
	json_t *texts; /* SHA-256 of the kept policy text, by version, from earlier records;
		        * NULL: none */
	struct opening *opening; /* opens sealed values with --key; NULL: sealed values are
				  * unknown */
};

static void
note_policy_text(struct wanted *w, const json_t *record)
{
	const char *version = json_str_in(record, "policy_version");

	if (!version || !json_str_in(record, "text"))
		return;
	if (!w->texts)
		w->texts = json_object();
	json_object_set(w->texts, version, json_object_get(record, "text"));
}

static void
look_at_record(void *arg, struct span line)
{
	struct wanted *w = arg;

	static const char policy[] = "\"type\":\"policy\"";

	if (!memmem(line.p, line.n, w->id, strlen(w->id)) &&
		(w->record || !memmem(line.p, line.n, policy, sizeof(policy) - 1)))
		return;
	json_auto_t *o = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
	bool its = record_is(o, RF_ID, w->id);
	if (its && !w->record && record_is(o, RF_TYPE, "decision"))
		w->record = json_incref(o);
	else if (its && !w->completion && record_is(o, RF_TYPE, "completion"))
		w->completion = json_incref(o);
	else if (its && record_is(o, RF_TYPE, "attempt"))
		json_array_append(w->later, o);
	else if (!w->record) {
		recorded_policy(&w->policy, o);
		note_policy_text(w, o);
	}
}

/* Copies the recorded results of rules that could not be evaluated again. */
static void
recall_fates(const struct recorded *r, const struct policy *p, struct policy_verdict *v)
{
	for (size_t i = 0; r->outcomes && r->outcomes[i] && i < p->nrules; i++) {
		const char *at = strchr(explain_letters, r->outcomes[i]);
		if (at)
			v->ruled.trace[i].fate = (unsigned)(at - explain_letters);
	}
	v->ruled.rule = NULL;
	for (size_t i = 0; i < p->nrules; i++)
		if (!strcmp(p->rules[i].name, r->rule))
			v->ruled.rule = &p->rules[i];
	for (enum rule_effect e = RULE_DENY; e <= RULE_REDACT; e++)
		if (!strcmp(rule_effect_name(e), r->effect))
			v->ruled.effect = e;
}

/* Returns a sentence on whether the same version decides the same again. A rule whose
 * result differs from `outcomes`, the recorded one, sets *exit_code. */
static json_t *
same_or_not(const char *who, const char *outcomes, size_t nrules,
	const struct rule_trace *trace, int *exit_code)
{
	size_t n = outcomes ? strlen(outcomes) : 0, i = 0;

	while (i < n && i < nrules && explain_letters[trace[i].fate] == outcomes[i])
		i++;
	if (i == n || i == nrules)
		return json_sprintf("the policy that %s, evaluated again on the recorded "
				    "values: the results are the same",
			who);
	*exit_code = EXIT_NO;
	return json_sprintf("the policy that %s, evaluated again on the recorded values: "
			    "rule %s has another result than recorded",
		who, trace[i].rule->name);
}

/* Returns a sentence on how the following results were obtained. Sets *exit_code if they do
 * not confirm the record. */
static json_t *
explain_basis(const struct recorded *r, const struct policy *p, struct policy_verdict *v,
	const char *unsure, int *exit_code)
{
	if (r->before_rules)
		return json_string(
			"the record has no verdict of rules: the request was decided "
			"before them, or recorded by an older version");
	if (!r->same_version)
		return json_sprintf("decided by %s; the results below are those of %s on "
				    "the recorded values%s%s",
			r->label, p->label, unsure ? "; " : "", unsure ? unsure : "");
	if (unsure) {
		recall_fates(r, p, v);
		return json_sprintf("the policy that decided; %s, so the results are "
				    "copied from the record",
			unsure);
	}
	return same_or_not("decided", r->outcomes, p->nrules, v->ruled.trace, exit_code);
}

/* ---- the response ---- */

static json_t *
answer_basis(const struct recorded_answer *r, const struct policy *p,
	const struct answer_verdict *v, const char *unsure, int *exit_code)
{
	if (!r->same_version)
		return json_sprintf(
			"judged by another version; the results below are those of %s on "
			"the recorded values%s%s",
			p->label, unsure ? "; " : "", unsure ? unsure : "");
	if (unsure)
		return json_sprintf("the policy that judged; %s, so the results below may "
				    "differ from the original ones",
			unsure);
	return same_or_not("judged", r->outcomes, p->nanswer_rules, v->ruled.trace, exit_code);
}

/* Returns the record of the request or attempt that the response belongs to: the last one
 * that was sent. */
static json_t *
asked_last(const struct wanted *w)
{
	json_t *last = w->record, *one;
	size_t i;

	json_array_foreach(w->later, i, one) last = recorded_relayed(one) ? one : last;
	return last;
}

/* Explains the rules on the response. Returns NULL if no rule was evaluated on it. */
static json_t *
answer_told(struct audit_args *a, const struct wanted *w, int *exit_code)
{
	json_t *record = asked_last(w);
	struct recorded *request = arena_new(&a->q.arena, struct recorded);
	struct recorded_answer *r = arena_new(&a->q.arena, struct recorded_answer);
	struct answer_verdict *v = arena_new(&a->q.arena, struct answer_verdict);
	const struct policy *p = w->policy.p;
	const char *unsure;

	if (!record_get(w->completion, RF_ANSWER_VERDICT) || !request || !r || !v ||
		!recorded_read(request, record, &w->policy, &a->q.arena) ||
		!recorded_answer_read(
			r, w->completion, record, request, &w->policy, &a->q.arena) ||
		recorded_answer_decide(r, &w->policy, &a->q.arena, v, &unsure))
		return NULL;
	json_t *basis = answer_basis(r, p, v, unsure, exit_code);
	return json_pack("{ss ss ss so so}", "decision", r->effect, "rule",
		r->rule[0] ? r->rule : "none", "asked", answer_when_names[r->when], "basis",
		basis, "explain",
		policy_answer_explain(p, &r->asked, &r->facts, v, &r->missing, &a->q.arena));
}

/* ---- tool calls ---- */

/* Returns the recorded result of each rule with phase: tool. The rules are not evaluated
 * again: records may lack a call's arguments, and always lack the tool's description. */
static json_t *
rules_of(const struct policy *p, const char *outcomes)
{
	json_t *rules = json_array();

	for (size_t i = 0; outcomes[i] && i < p->ntool_rules; i++) {
		const struct rule *r = &p->tool_rules[i];
		const char *at = strchr(explain_letters, outcomes[i]);
		json_array_append_new(
			rules, json_pack("{ss ss ss*}", "rule", r->name, "outcome",
				       at ? explain_outcomes[at - explain_letters] : "unknown",
				       "when", r->when ? r->when_text : NULL));
	}
	return rules;
}

/* Adds a call. With `kept`, its arguments are sealed; if no key opened them, they are
 * unknown. */
static void
tell_call(json_t *all, const json_t *call, bool kept)
{
	json_t *o = json_copy((json_t *)(uintptr_t)call);

	if (kept && record_in(call, RF_CALLS_ARGUMENTS_BYTES) &&
		!record_in(call, RF_CALLS_ARGUMENTS))
		json_object_set_new(o, "not_held", json_pack("[s]", "tool.arguments"));
	json_array_append_new(all, o);
}

/* Returns the calls of the request, followed by those of its response, or NULL if there are
 * none. */
static json_t *
calls_told(const struct wanted *w, bool same_version)
{
	json_t *all = json_array(), *one;
	size_t i;

	json_array_foreach(record_get(w->record, RF_CALLS), i, one)
		tell_call(all, one, opening_kept(w->record, SEAL_TOOLS) != NULL);
	json_array_foreach(record_get(w->completion, RF_CALLS), i,
		one) if (span_is(json_span(record_in(one, RF_CALLS_BY)), "answer"))
		tell_call(all, one, opening_kept(w->completion, SEAL_TOOLS) != NULL);
	json_array_foreach(all, i, one)
	{
		const char *outcomes = json_string_value(record_in(one, RF_CALLS_OUTCOMES));
		if (same_version && outcomes)
			json_object_set_new(one, "rules", rules_of(w->policy.p, outcomes));
	}
	if (json_array_size(all))
		return all;
	json_decref(all);
	return NULL;
}

/* ---- output as text ---- */

static const char *
explain_text(const json_t *o, enum record_field f)
{
	const char *s = json_string_value(record_in(o, f));

	return s ? s : "";
}

/* Writes where the values of a call came from: each argument with the sources of the value and of
 * the pieces of a URL. */
static void
explain_origins(json_t *origins, struct buf *out)
{
	const char *path;
	json_t *pieces, *piece, *source;
	size_t i, k;

	json_object_foreach(origins, path, pieces)
	{
		const char *sep = ": ";
		buf_printf(out, "\n  value of %s from", *path ? path : "the arguments");
		json_array_foreach(pieces, i, piece)
		{
			json_array_foreach(piece, k, source)
			{
				buf_printf(out, "%s%s", sep, json_string_value(source));
				sep = ", ";
			}
			sep = "; a piece: ";
		}
	}
}

/* Prints each call with its decision, such as "call by mcp: tools/pay: deny by drops;
 * without shadow it would be deny by soon", the evaluated rules, and the values that the
 * record has. */
static void
print_calls(struct buf *out, json_t *calls)
{
	static const struct {
		enum record_field field;
		const char *name;
	} read[] = { { RF_CALLS_TOOL, "tool.name" }, { RF_CALLS_WRAPS, "the tool in its arguments" },
		{ RF_CALLS_SERVER, "tool.server" },
		{ RF_CALLS_STATE, "tool.state" }, { RF_CALLS_RESOURCE, "resource.uri" },
		{ RF_CALLS_METHOD, "mcp.method" }, { RF_CALLS_ARGUMENTS, "tool.arguments" } };
	json_t *one, *rule, *count;
	size_t i, k;

	json_array_foreach(calls, i, one)
	{
		buf_printf(out, "call by %s: %s/%s: %s", explain_text(one, RF_CALLS_BY),
			explain_text(one, RF_CALLS_SERVER),
			*explain_text(one, RF_CALLS_TOOL) ? explain_text(one, RF_CALLS_TOOL)
						: explain_text(one, RF_CALLS_METHOD),
			explain_text(one, RF_CALLS_DECISION));
		if (*explain_text(one, RF_CALLS_RULE))
			buf_printf(out, " by %s", explain_text(one, RF_CALLS_RULE));
		if (*explain_text(one, RF_CALLS_WOULD))
			buf_printf(out, "; without shadow it would be %s by %s",
				explain_text(one, RF_CALLS_WOULD),
				*explain_text(one, RF_CALLS_WOULD_RULE) ? explain_text(one, RF_CALLS_WOULD_RULE)
							      : "no rule");
		const char *reason;
		json_object_foreach(record_in(one, RF_CALLS_LEFT), reason, count)
		{
			size_t why = span_find(
				span_str(reason), placeholder_left_names, LEFT_REASONS);
			if (why < LEFT_REASONS)
				buf_printf(out, "\n  placeholders that stay %s: %lld (%s)",
					placeholder_left_words[why],
					(long long)json_integer_value(count), reason);
		}
		explain_origins(record_in(one, RF_CALLS_ORIGINS), out);
		const char *sep = "\n  read: ";
		for (k = 0; k < COUNT_OF(read); k++) {
			if (!*explain_text(one, read[k].field))
				continue;
			buf_printf(
				out, "%s%s was %s", sep, read[k].name, explain_text(one, read[k].field));
			sep = ", ";
		}
		if (json_object_get(one, "not_held"))
			buf_str(out,
				"\n  not held: tool.arguments: they are sealed, and no key "
				"that opens them was given");
		buf_putc(out, '\n');
		json_array_foreach(json_object_get(one, "rules"), k, rule) buf_printf(out,
			"  %-12s %s%s%s\n", json_str_in(rule, "outcome"),
			json_str_in(rule, "rule"), json_object_get(rule, "when") ? ": " : "",
			json_object_get(rule, "when") ? json_str_in(rule, "when") : "");
	}
}

static void
print_rules(struct buf *out, json_t *e)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(e, "rules"), i, one) buf_printf(
		out, "  %-12s %s\n", json_str_in(one, "outcome"), json_str_in(one, "says"));
	buf_printf(out, "%s\n", json_str_in(e, "says"));
}

/* Prints what a request of a cutover would have met: decisions that were not enforced. */
static void
print_would(struct buf *out, json_t *o)
{
	static const enum record_field fields[] = { RF_WOULD_STATUS, RF_WOULD_CODE,
		RF_WOULD_RULE, RF_WOULD_REASON };

	if (!record_get(o, RF_WOULD))
		return;
	buf_printf(out, "not enforced (observe): %s", record_text(o, RF_WOULD_DECISION));
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		const json_t *v = record_get(o, fields[i]);
		if (json_is_string(v))
			buf_printf(out, ", %s %s", record_rows[fields[i]].name,
				json_string_value(v));
		else if (v)
			buf_printf(out, ", %s %lld", record_rows[fields[i]].name,
				(long long)json_integer_value(v));
	}
	buf_putc(out, '\n');
}

/* Prints lines such as "attempt 2: two/m2: throttled, status 429, 12 ms, 30 tokens, perhaps
 * billed". */
static void
print_attempts(struct buf *out, json_t *list)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		buf_printf(out, "attempt %zu: %s: %s", i + 1,
			json_str_in(one, record_rows[RF_ATTEMPTS_TARGET].name),
			json_str_in(one, record_rows[RF_ATTEMPTS_CAUSE].name));
		if (record_in(one, RF_ATTEMPTS_STATUS))
			buf_printf(out, ", status %lld",
				(long long)json_integer_value(
					record_in(one, RF_ATTEMPTS_STATUS)));
		buf_printf(out, ", %lld ms, %lld tokens",
			(long long)json_integer_value(record_in(one, RF_ATTEMPTS_MS)),
			(long long)json_integer_value(record_in(one, RF_ATTEMPTS_TOKENS)));
		if (record_in(one, RF_ATTEMPTS_COST))
			buf_printf(out, ", $%.9f",
				(double)json_integer_value(record_in(one, RF_ATTEMPTS_COST)) /
					1e9);
		buf_str(out,
			record_in(one, RF_ATTEMPTS_MAYBE_BILLED) ? ", perhaps billed\n" : "\n");
	}
}

/* Prints why no attempt followed the last one, which failed. */
static void
print_no_further(struct buf *out, const char *word)
{
	static const struct {
		const char *word, *says;
	} words[] = {
		{ "final", "another target would return the same error" },
		{ "retry_on", "retry.on does not name this cause" },
		{ "attempts", "retry.attempts are used up" },
		{ "deadline", "the time for attempts is over (retry.overall, deadline)" },
		{ "budget",
			"a fifth of the requests were retried already, which is the limit" },
		{ "none_left", "no other target is left, and none may be tried again" },
		{ "refused", "rules, limits or the targets' state permitted no other target: "
			     "see the record of that attempt" },
	};

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (!strcmp(words[i].word, word))
			buf_printf(out, "no further attempt: %s: %s\n", word, words[i].says);
}

/* Prints a line such as "about: use_case hiring, risk high, operation screen-cv, reviewer
 * hr-lead; region eu-central". */
static void
print_about(struct buf *out, json_t *o)
{
	static const enum record_field fields[] = { RF_ABOUT_USE_CASE, RF_ABOUT_RISK,
		RF_ABOUT_OPERATION, RF_ABOUT_REVIEWER, RF_REGION };
	const char *sep = "about: ";

	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		if (!record_get(o, fields[i]))
			continue;
		buf_printf(out, "%s%s %s", sep, record_rows[fields[i]].name,
			record_text(o, fields[i]));
		sep = ", ";
	}
	if (*sep == ',')
		buf_putc(out, '\n');
}

/* Prints a line such as "cache: hit, 12 s old, 10 input and 9 output tokens were not asked
 * for". */
static void
print_cache(struct buf *out, json_t *o)
{
	if (!record_get(o, RF_CACHE))
		return;
	buf_printf(out, "cache: %s", record_text(o, RF_CACHE));
	if (record_get(o, RF_CACHE_WHY))
		buf_printf(out, ": %s", record_text(o, RF_CACHE_WHY));
	if (record_get(o, RF_CACHE_AGE))
		buf_printf(out, ", %lld s old", (long long)record_int(o, RF_CACHE_AGE));
	if (record_get(o, RF_CACHE_WAITED))
		buf_printf(out, ", waited %lld ms for an identical request",
			(long long)record_int(o, RF_CACHE_WAITED));
	if (record_get(o, RF_SAVED_INPUT_TOKENS))
		buf_printf(out, ", %lld input and %lld output tokens saved",
			(long long)record_int(o, RF_SAVED_INPUT_TOKENS),
			(long long)record_int(o, RF_SAVED_OUTPUT_TOKENS));
	buf_putc(out, '\n');
}

static void
print_file_list(struct buf *out, const char *label, json_t *words)
{
	json_t *w;
	size_t i;

	json_array_foreach(words, i, w)
		buf_printf(out, "%s%s", i ? ", " : label, json_string_value(w));
}

/* Prints a line for each file, such as "file: pdf, 3 pages, read: text; unread: forms;
 * found: IBAN_CODE 2; taken out". prose: ok unread */
static void
print_file_lines(struct buf *out, json_t *files)
{
	json_t *f, *pages;
	size_t i;

	json_array_foreach(files, i, f)
	{
		buf_printf(out, "file: %s", json_str_in(f, "kind"));
		if ((pages = json_object_get(f, "pages")))
			buf_printf(out, ", %lld pages", (long long)json_integer_value(pages));
		print_file_list(out, "; read: ", json_object_get(f, "read"));
		if (json_object_get(f, "unread"))
			buf_printf(out, "; unread: %s", json_str_in(f, "unread"));
		if ((pages = json_object_get(f, "unread_page")))
			buf_printf(out, " on page %lld", (long long)json_integer_value(pages));
		print_file_list(out, "; found: ", json_object_get(f, "found"));
		if (json_is_true(json_object_get(f, "stripped")))
			buf_str(out, "; taken out");
		if (json_is_true(json_object_get(f, "metadata_removed")))
			buf_str(out, "; its metadata were taken out");
		buf_putc(out, '\n');
	}
}

/* Prints the decision about a request, or about a later attempt of one. */
static void
print_decision(struct buf *out, json_t *o)
{
	if (record_get(o, RF_ATTEMPT))
		buf_printf(out, "attempt %lld at %s: %s", (long long)record_int(o, RF_ATTEMPT),
			record_text(o, RF_TARGET), record_text(o, RF_DECISION));
	else
		buf_printf(out, "%s: %s", record_text(o, RF_ID), record_text(o, RF_DECISION));
	if (record_get(o, RF_STATUS))
		buf_printf(out, " %lld", (long long)record_int(o, RF_STATUS));
	buf_printf(
		out, " by %s at %s\n", record_text(o, RF_RULE), record_text(o, RF_DECIDED_AT));
	print_would(out, o);
	if (record_get(o, RF_REASON))
		buf_printf(out, "reason: %s\n", record_text(o, RF_REASON));
	print_about(out, o);
	print_file_lines(out, json_object_get(o, "files"));
	if (record_get(o, RF_TRANSLATED_TO))
		buf_printf(out, "sent in another dialect: %s\n", record_text(o, RF_TRANSLATED_TO));
	buf_printf(out, "policy: %s: %s\n", record_text(o, RF_POLICY), json_str_in(o, "basis"));
	print_rules(out, json_object_get(o, "explain"));
}

static void
print_words(struct buf *out, json_t *o)
{
	json_t *answer = json_object_get(o, "answer"), *one;
	size_t i;

	print_decision(out, o);
	json_array_foreach(json_object_get(o, "later_attempts"), i, one)
		print_decision(out, one);
	print_calls(out, record_get(o, RF_CALLS));
	print_cache(out, o);
	print_attempts(out, record_get(o, RF_ATTEMPTS));
	print_no_further(out, record_text(o, RF_NO_FURTHER));
	if (!answer)
		return;
	buf_printf(out, "response: %s by %s, rules evaluated at: %s\npolicy: %s\n",
		json_str_in(answer, "decision"), json_str_in(answer, "rule"),
		json_str_in(answer, "asked"), json_str_in(answer, "basis"));
	print_rules(out, json_object_get(answer, "explain"));
}

/* The members that are copied from the record, in the order of printing, and the value for
 * a record without the member. */
static const struct {
	enum record_field field;
	const char *otherwise; /* NULL: the member is omitted */
} told[] = { { RF_ID, "" }, { RF_DECIDED_AT, "" }, { RF_DECISION, "" }, { RF_STATUS, NULL },
	{ RF_CODE, NULL }, { RF_REASON, NULL }, { RF_RULE, "none" }, { RF_WOULD, NULL },
	{ RF_POLICY, "" }, { RF_ABOUT, NULL }, { RF_REGION, NULL }, { RF_TRANSLATED_TO, NULL },
	{ RF_PROMPT_FILES, NULL } };

static const enum record_field cache_told[] = { RF_CACHE, RF_CACHE_WHY, RF_CACHE_AGE,
	RF_CACHE_WAITED, RF_SAVED };

/* Copies a member of the record. A missing member gets its value of `told`, or is omitted. */
static void
tell_member(json_t *o, const json_t *record, enum record_field f)
{
	json_object_set(o, record_rows[f].name, record_get(record, f));
}

/* Evaluates the rules again and returns the recorded and the repeated decision. Returns
 * NULL if the record cannot be read back. */
static json_t *
decision_told(
	struct audit_args *a, const struct policy_alone *p, json_t *record, int *exit_code)
{
	struct recorded *r = arena_new(&a->q.arena, struct recorded);
	struct policy_verdict *v = arena_new(&a->q.arena, struct policy_verdict);
	const char *unsure = NULL;

	if (!r || !v || !recorded_read(r, record, p, &a->q.arena) ||
		recorded_decide(r, p, &a->q.arena, v, &unsure))
		return NULL;
	json_t *o = json_object();
	if (r->attempt) {
		tell_member(o, record, RF_ATTEMPT);
		tell_member(o, record, RF_TARGET);
	}
	for (size_t i = 0; i < COUNT_OF(told); i++) {
		json_t *said = record_get(record, told[i].field);
		if (said || told[i].otherwise)
			json_object_set_new(o, record_rows[told[i].field].name,
				said ? json_incref(said) : json_string(told[i].otherwise));
	}
	json_object_set_new(o, "same_version", json_boolean(r->same_version));
	tell_member(o, record, RF_NOT_HELD);
	json_object_set_new(o, "basis", explain_basis(r, p->p, v, unsure, exit_code));
	json_object_set_new(o, "explain",
		policy_explain(
			p->p, &r->facts, r->before_rules ? NULL : v, &r->missing, &a->q.arena));
	return o;
}

/* Prints the explanation. Returns EXIT_NO if a result differs from the recorded one. */
static int
tell_explained(struct audit_args *a, const struct wanted *w)
{
	json_t *answer, *calls, *one;
	json_auto_t *later = json_array();
	int code = EXIT_DONE;
	size_t i;

	json_auto_t *o = decision_told(a, &w->policy, w->record, &code);
	json_array_foreach(w->later, i, one)
		json_array_append_new(later, decision_told(a, &w->policy, one, &code));
	if (!o || json_array_size(later) != json_array_size(w->later))
		return cmd_fail(a->q.what, "%s: the record cannot be read back", a->id);
	if (json_array_size(later))
		json_object_set(o, "later_attempts", later);
	for (size_t k = 0; k < COUNT_OF(cache_told); k++)
		tell_member(o, w->completion, cache_told[k]);
	tell_member(o, w->completion, RF_ATTEMPTS);
	tell_member(o, w->completion, RF_NO_FURTHER);
	if ((calls = calls_told(w, json_is_true(json_object_get(o, "same_version")))))
		json_object_set_new(o, record_rows[RF_CALLS].name, calls);
	if ((answer = answer_told(a, w, &code)))
		json_object_set_new(o, "answer", answer);
	reading_add(1);
	if (a->as_json) {
		json_dumpf(
			o, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6) | JSON_ENSURE_ASCII);
		putchar('\n');
	} else {
		SCOPED_BUF(words, 0);
		print_words(&words, o);
		plain_print(stdout, buf_view(&words));
	}
	return code;
}

/* Takes over the configured policy if it has this version. Returns false if not. */
static bool
take_configured(struct audit_args *a, struct wanted *w, const char *version)
{
	struct policy_alone now;
	bool same;

	if (!cmd_config(&a->q.arena, a->q.config))
		return false;
	same = policy_alone_load(&now, a->q.what, a->q.config, NULL) &&
	       !strcmp(now.version, version);
	if (!same) {
		policy_alone_free(&now);
		return false;
	}
	now.searched = w->policy.searched;
	w->policy = now;
	return true;
}

/* Loads the policy that decided: the text that is kept next to the journal, or the
 * configured policy if it has the same version. Another policy is used only if --policy
 * names it. */
static bool
load_deciding(struct audit_args *a, struct wanted *w)
{
	const char *version = record_text(w->record, RF_POLICY_VERSION);
	const struct kept_places places = query_places(&a->q);
	int err = ERR_NOTFOUND;

	SCOPED_BUF(why, 4096);
	if (places.journal)
		err = policy_alone_kept(&w->policy, a->q.config, &places, version,
			json_string_value(json_object_get(w->texts, version)), &why);
	else
		buf_str(&why, "no journal is named or configured: give --journal DIR or -c FILE");
	if (!err || (err == ERR_NOTFOUND && take_configured(a, w, version)))
		return true;
	cmd_fail(a->q.what,
		"%s was decided by policy %s, whose text is not available: %.*s. Give "
		"--policy FILE to evaluate another policy on the recorded values",
		a->id, record_text(w->record, RF_POLICY), SPAN_ARG(buf_view(&why)));
	return false;
}

int
audit_explain(struct audit_args *a)
{
	struct wanted w = { .id = a->id, .later = json_array() };
	/* the records with the id, and the records of policies that came into force */
	const uint64_t terms[] = { record_term_hash(RT_ID, span_str(a->id)),
		record_term_hash(RT_TYPE, SPAN_LIT("policy")) };
	int code = EXIT_CANNOT;

	a->q.arg = &w;
	a->q.line = look_at_record;
	a->q.term = terms;
	a->q.nterms = a->q.no_index ? 0 : COUNT_OF(terms);
	if (!a->policy || policy_alone_load(&w.policy, a->q.what, a->q.config, a->policy))
		code = query_run(&a->q);
	if (!code && a->opening.key && !(w.opening = opening_begin(&a->q, &a->opening)))
		code = EXIT_CANNOT;
	if (!code && w.opening && w.record)
		recorded_open(w.opening, w.record);
	if (!code && w.opening && w.completion)
		recorded_open(w.opening, w.completion);
	if (!code && w.record) {
		code = a->policy || load_deciding(a, &w) ? tell_explained(a, &w) : EXIT_NO;
	} else if (!code) {
		cmd_fail(a->q.what,
			"%s: no such decision here: check the id; restore archived records "
			"with tollgate audit restore",
			a->id);
		code = EXIT_NO;
	}
	json_decref(w.record);
	json_decref(w.completion);
	json_decref(w.later);
	json_decref(w.texts);
	policy_alone_free(&w.policy);
	opening_end(&w.opening);
	return code;
}
