/* The decisions that differ between two policies.
 *
 * tollgate policy diff decides the same requests under both policies, and prints the
 * differences. tollgate policy replay evaluates another policy on recorded decisions, with the
 * values that were recorded, and prints which decisions would differ. Requests are compared when
 * their decision is read. A response is compared when its completion is read, together with its
 * decision, which is kept until then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/daemon/reading.h"
#include "cmd/given.h"
#include "cmd/policies/decide.h"
#include "cmd/policies/policy.h"
#include "cmd/records/opening.h"
#include "cmd/records/query.h"
#include "cmd/records/recorded.h"
#include "policy/rule.h"
#include "record/journal/chain.h"

/* ---- counts ---- */

enum { TALLY_FIELDS = 9 };

/* The counts of one comparison. Owned by the command: tally_init() before and tally_free()
 * after it. */
struct tally {
	size_t total, same, different;
	size_t observed; /* requests of a cutover, for which nothing was enforced */
	size_t by[TALLY_FIELDS];
	size_t examples_max;
	json_t *examples;
	json_t *cannot; /* an object: number of decisions that could not be compared, by reason */
};

static const char *const fields[TALLY_FIELDS] = { "decision", "status", "rule", "route",
	"target", "model", "tags", "redactions", "response" };

/* Begin and end a count; at most `examples_max` examples are kept. */
static void
tally_init(struct tally *t, size_t examples_max)
{
	*t = (struct tally){
		.examples_max = examples_max, .examples = json_array(), .cannot = json_object()
	};
}

static void
tally_free(struct tally *t)
{
	json_decref(t->examples);
	json_decref(t->cannot);
}

/* Compares two outcomes: objects with any of decision, status, rule, route, target, model,
 * tags, redactions and response. A member that one of them lacks is not compared. `where`
 * identifies the pair in an example, such as {"line": 3}; `says` is a sentence about the
 * new outcome or NULL. Takes over no reference. */
static void
tally_compare(struct tally *t, json_t *was, json_t *is, json_t *where, const char *says)
{
	json_auto_t *old = json_object(), *new = json_object();

	t->total++;
	for (size_t i = 0; i < TALLY_FIELDS; i++) {
		json_t *a = json_object_get(was, fields[i]),
		       *b = json_object_get(is, fields[i]);
		if (!a || !b || json_equal(a, b))
			continue;
		t->by[i]++;
		json_object_set(old, fields[i], a);
		json_object_set(new, fields[i], b);
	}
	if (json_object_size(old) == 0) {
		t->same++;
	} else {
		t->different++;
		if (json_array_size(t->examples) < t->examples_max) {
			json_t *e = json_copy(where);
			json_object_update_new(e,
				json_pack("{sO sO ss*}", "was", old, "is", new, "says", says));
			json_array_append_new(t->examples, e);
		}
	}
}

/* Counts a decision that could not be compared. */
static void
tally_cannot(struct tally *t, const char *reason)
{
	json_int_t n = json_integer_value(json_object_get(t->cannot, reason));

	t->total++;
	json_object_set_new(t->cannot, reason, json_integer(n + 1));
}

static size_t
cannot_total(const struct tally *t)
{
	return t->total - t->same - t->different;
}

/* ---- output ---- */

static void
print_value(json_t *v)
{
	if (json_is_string(v)) {
		fputs(json_string_length(v) ? json_string_value(v) : "none", stdout);
		return;
	}
	if (json_is_object(v) && json_object_size(v) == 0) {
		fputs("none", stdout);
		return;
	}
	json_dumpf(v, stdout, JSON_ENCODE_ANY);
}

static void
print_example(json_t *e)
{
	json_t *is = json_object_get(e, "is"), *value;
	const char *name, *between = "";

	json_object_foreach(e, name, value)
	{
		if (!strcmp(name, "was") || !strcmp(name, "is") || !strcmp(name, "says"))
			continue;
		printf("%s%s ", between, name);
		print_value(value);
		between = ", ";
	}
	between = ": ";
	json_object_foreach(json_object_get(e, "was"), name, value)
	{
		printf("%s%s ", between, name);
		print_value(value);
		fputs(" → ", stdout);
		print_value(json_object_get(is, name));
		between = ", ";
	}
	putchar('\n');
	if (json_object_get(e, "says"))
		printf("    %s\n", json_str_in(e, "says"));
}

static void
print_words(const struct tally *t, const char *what)
{
	json_t *value;
	const char *name;
	size_t i;

	printf("%zu %s: %zu the same, %zu different", t->total, what, t->same, t->different);
	if (cannot_total(t))
		printf(", %zu not compared", cannot_total(t));
	putchar('\n');
	if (t->observed)
		printf("  observed     %zu: the rules' decision was not enforced\n",
			t->observed);
	for (i = 0; i < TALLY_FIELDS; i++)
		if (t->by[i])
			printf("  %-12s %zu\n", fields[i], t->by[i]);
	json_object_foreach(t->cannot, name, value)
		printf("  not compared %lld: %s\n", (long long)json_integer_value(value), name);
	json_array_foreach(t->examples, i, value) print_example(value);
}

static json_t *
tally_json(const struct tally *t)
{
	json_t *by = json_object();

	for (size_t i = 0; i < TALLY_FIELDS; i++)
		json_object_set_new(by, fields[i], json_integer((json_int_t)t->by[i]));
	return json_pack("{sI sI sI sI so sO sO}", "total", (json_int_t)t->total, "same",
		(json_int_t)t->same, "different", (json_int_t)t->different, "observed",
		(json_int_t)t->observed, "changed", by, "not_compared", t->cannot, "examples",
		t->examples);
}

/* Prints the counts as sentences in which `what` is a word such as "requests", or as one
 * JSON object. */
static void
tally_print(const struct tally *t, const char *what, bool as_json)
{
	if (!as_json) {
		print_words(t, what);
		return;
	}
	json_auto_t *o = tally_json(t);
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
}

/* ---- policy diff ---- */

/* Returns the style of replacement for each replaced entity. */
static json_t *
redactions(json_t *answer)
{
	json_t *o = json_object(), *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "findings"), i, one)
	{
		json_t *with = json_object_get(one, "with");
		if (with)
			json_object_set(o, json_str_in(one, "entity"), with);
	}
	return o;
}

/* Returns the members of an output of `decide` that are compared. For an observed request,
 * these include the decision that it would have got. For a given response of a provider,
 * only the first four members exist. */
static json_t *
outcome_of_answer(json_t *answer, bool response)
{
	static const char *const members[] = { "decision", "status", "rule", "tags", "route",
		"target", "model" };
	json_t *o = json_object(), *would = json_object_get(answer, "would");

	for (size_t i = 0; i < (response ? 4 : COUNT_OF(members)); i++) {
		json_t *v = json_object_get(would, members[i]);
		json_object_set(o, members[i], v ? v : json_object_get(answer, members[i]));
	}
	if (would)
		json_object_set_new(o, "decision",
			json_sprintf("observed, would %s", json_str_in(would, "decision")));
	json_object_set_new(o, "redactions", redactions(answer));
	return o;
}

/* Returns a sentence that explains the decision, or NULL. The caller frees the result. */
static char *
explain_sentence(json_t *explain)
{
	json_t *response = json_object_get(explain, "response");
	const char *s = json_str_in(explain, "refused"),
		   *of_answer = json_str_in(response, "says");
	char *both = NULL;

	s = s ? s : json_str_in(explain, "says");
	if (s && asprintf(&both, "%s%s%s", s, of_answer ? "; answer: " : "",
			 of_answer ? of_answer : "") < 0)
		both = NULL;
	return both;
}

/* Decides a request and returns its outcome, or NULL with *why. *sentence gets an explanation,
 * which the caller frees; `sentence` may be NULL. */
static json_t *
decide_outcome(struct snapshot *snap, json_t *in, const char **why, char **sentence)
{
	struct request *r = decide_run(snap, in, why);

	if (!r)
		return NULL;
	json_auto_t *answer = decide_result(r), *e = sentence ? decide_explain(r) : NULL;
	json_t *o = NULL;
	*why = decide_answer(r, in, answer, e, NULL);
	if (!*why)
		o = outcome_of_answer(answer, false);
	if (o && json_object_get(answer, "response"))
		json_object_set_new(
			o, "response", outcome_of_answer(json_object_get(answer, "response"), true));
	if (o && sentence)
		*sentence = explain_sentence(e);
	request_free(&r);
	return o;
}

/* The state of the command: both policies and the counts. Owned by policy_diff(). */
struct comparison {
	struct snapshot *a, *b;
	struct tally tally;
	bool partial; /* a line could not be compared */
};

static int
diff_one_line(void *arg, struct span line, size_t number)
{
	struct comparison *c = arg;
	json_error_t err;
	const char *why = NULL;
	char now[CLOCK_RFC3339_LEN], *says = NULL;
	json_auto_t *in =
		json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &err);

	clock_rfc3339(clock_wall_ns(), now);
	if (!json_is_object(in))
		why = in ? "must be a JSON object" : err.text;
	else if (!json_object_get(in, "time")) /* both policies decide at the same time */
		json_object_set_new(in, "time", json_string(now));
	json_auto_t *was = why ? NULL : decide_outcome(c->a, in, &why, NULL);
	json_auto_t *is = was ? decide_outcome(c->b, in, &why, &says) : NULL;
	if (is) {
		json_auto_t *where = json_pack("{s:I}", "line", (json_int_t)number);
		tally_compare(&c->tally, was, is, where, says);
	}
	if (why) {
		cmd_fail("policy diff", "standard input:%zu: %s", number, why);
		c->partial = true;
	}
	free(says);
	return EXIT_DONE;
}

int
policy_diff(int argc, char **argv)
{
	const char *most = NULL;
	bool as_json = false;
	const struct cmd_option options[] = { { "examples", .text = &most },
		{ "json", .flag = &as_json }, { .name = NULL } };
	struct comparison c = { .partial = false };
	uint64_t examples = 5;
	int code = EXIT_CANNOT;
	char **files;

	if (cmd_options("policy diff", argc, argv, options, &files) != 2 ||
		(most && span_u64(span_str(most), &examples)))
		return cmd_usage("policy diff");
	log_setup(LOG_LOGFMT, LOG_ERROR); /* refused credentials are a normal part of requests
					   * and are not logged */
	c.a = decide_load("policy diff", NULL, files[0]);
	if (c.a)
		c.b = decide_load("policy diff", NULL, files[1]);
	tally_init(&c.tally, (size_t)examples);
	if (c.b && (code = cmd_each_line(diff_one_line, &c)) == EXIT_DONE) {
		tally_print(&c.tally, "requests", as_json);
		code = c.partial ? EXIT_CANNOT : c.tally.different ? EXIT_NO : EXIT_DONE;
	}
	tally_free(&c.tally);
	snapshot_unref(&c.a);
	snapshot_unref(&c.b);
	return code;
}

/* ---- policy replay ---- */

enum { AWAITED_MAX = 65536 }; /* decisions that are kept while their completion has not been read */

/* The state of the command. Owned by policy_replay(). */
struct replay {
	struct policy_alone policy;
	struct tally tally, attempts, answers;
	json_t *awaited; /* the last attempts that were relayed, by id */
	struct query *q; /* of all records: those before the period state which entities the
			  * decisions searched for */
	int64_t since_ns; /* begin of the period, 0 if it has none */
	struct kept_places places; /* the texts of the policies that decided */
	struct opening *opening; /* opens sealed values with --key; NULL: sealed values are
				  * unknown */
	struct arena a;		 /* reset after each record */
};

static bool
of_that_time(const struct replay *re, int64_t ns)
{
	return ns >= re->since_ns && (!re->q->until[0] || ns < re->q->until_ns);
}

/* Copies a member of the record, unless it is missing. */
static void
copy_member(json_t *o, json_t *record, enum record_field f)
{
	json_object_set(o, record_rows[f].name, record_get(record, f));
}

/* Returns the recorded style of replacement for each replaced entity. */
static json_t *
redactions_then(json_t *entities)
{
	json_t *redactions = json_object(), *value;
	const char *name;

	json_object_foreach(entities, name, value)
		json_object_set(redactions, name, record_in(value, RF_ENTITIES_WITH));
	return redactions;
}

static json_t *
redactions_now(const struct replay *re, const struct redactions *redact)
{
	json_t *redactions = json_object();

	for (size_t e = 0; redact && e < detect_entity_count(re->policy.rules); e++)
		if (entity_in(&redact->of, e))
			json_object_set_new(redactions, detect_entity_name(re->policy.rules, e),
				json_string(style_names[redact->with[e]]));
	return redactions;
}

static json_t *
tags_then(json_t *tags)
{
	return tags ? json_incref(tags) : json_array();
}

/* Returns the recorded outcome of the rules. */
static json_t *
outcome_then(const struct recorded *r, json_t *record)
{
	json_t *o = json_pack("{ss ss}", "decision", r->effect, "rule", r->rule);
	bool denied = !strcmp(r->effect, "deny"),
	     went = !strcmp(r->decision, "permit") || !strcmp(r->decision, "redact");

	copy_member(o, record, RF_ROUTE);
	if (!denied)
		copy_member(o, record, RF_TARGET);
	/* If the request was refused after the rules, or only observed, "model" may be the
	 * model that the caller requested. */
	if (!denied && (went || record_get(record, RF_VERDICT_ASKED_MODEL)))
		copy_member(o, record, RF_MODEL);
	json_object_set_new(o, "tags", tags_then(record_get(record, RF_TAGS)));
	if (denied && !strcmp(r->decision, "deny"))
		copy_member(o, record, RF_STATUS);
	/* If the request was refused after the rules, the record does not state what would
	 * have been replaced. */
	if (strcmp(r->effect, "redact") != 0 || !strcmp(r->decision, "redact"))
		json_object_set_new(
			o, "redactions", redactions_then(record_get(record, RF_ENTITIES)));
	return o;
}

/* Adds the target, the model and the tags of the new outcome. */
static void
add_changes(json_t *o, const struct recorded *r, const struct policy_verdict *v)
{
	const struct target *target = v->changes.target;
	struct span model = r->body.model;

	json_object_set_new(o, "tags", decide_names(v->ruled.tags, v->ruled.ntags));
	if (v->ruled.effect == RULE_DENY)
		return;
	if (target)
		json_object_set_new(o, "target", json_string(target->known));
	if (v->changes.model)
		model = span_str(v->changes.model);
	if (model.n && (v->changes.model || !r->missing.in[V_MODEL_NAME]))
		json_object_set_new(o, "model", json_stringn(model.p, model.n));
}

static json_t *
outcome_now(const struct replay *re, const struct recorded *r, const struct policy_verdict *v)
{
	if (r->no_route)
		return json_pack("{ss ss ss si s{}}", "decision", "deny", "rule", "", "route",
			"", "status", 404, "redactions");
	json_t *o = json_pack("{ss ss ss}", "decision", rule_effect_name(v->ruled.effect),
		"rule", v->ruled.rule ? v->ruled.rule->name : "default", "route",
		r->facts.route->name);
	add_changes(o, r, v);
	if (v->ruled.effect == RULE_DENY)
		json_object_set_new(o, "status", json_integer(v->ruled.status));
	json_object_set_new(
		o, "redactions", redactions_now(re, v->redacts ? &v->redact : NULL));
	return o;
}

static char *
why_now(const struct replay *re, struct recorded *r, const struct policy_verdict *v,
	struct arena *a)
{
	char *says = NULL;

	if (r->no_route)
		return strdup("no route of the policy matches");
	json_auto_t *o = policy_explain(re->policy.p, &r->facts, v, &r->missing, a);
	if (o)
		says = strdup(json_str_in(o, "says"));
	return says;
}

/* Compares one recorded decision with that of this policy. */
static void
one_record(struct replay *re, json_t *record)
{
	struct tally *tally =
		record_is(record, RF_TYPE, "attempt") ? &re->attempts : &re->tally;
	struct recorded *r = arena_new(&re->a, struct recorded);
	struct policy_verdict *v = arena_new(&re->a, struct policy_verdict);
	char reason[128];
	const char *unsure;

	recorded_meanings(&re->policy, re->q->config, &re->places, record);
	if (!r || !v || !recorded_read(r, record, &re->policy, &re->a)) {
		tally_cannot(tally, "the record cannot be read back");
		return;
	}
	if (!of_that_time(re, r->facts.now_wall_ns))
		return;
	tally->observed += !strcmp(r->decision, "observed");
	if (r->before_rules) {
		tally_cannot(tally, "decided before the rules were evaluated, or by an "
				    "older version");
		return;
	}
	if (recorded_decide(r, &re->policy, &re->a, v, &unsure)) {
		tally_cannot(tally, "out of memory");
		return;
	}
	if (unsure && !r->no_route) {
		snprintf(reason, sizeof(reason), "%s, and a rule reads it", unsure);
		tally_cannot(tally, reason);
		return;
	}
	if (r->attempt && !r->facts.ranks && !r->no_route) {
		tally_cannot(
			tally, "the route has other targets now, so their state at that "
			       "time is unknown");
		return;
	}
	json_auto_t *was = outcome_then(r, record);
	json_auto_t *is = outcome_now(re, r, v);
	json_auto_t *where = json_pack("{s:s}", "id", r->id);
	if (r->attempt)
		json_object_set_new(where, "attempt", json_integer(r->attempt));
	bool example = json_array_size(tally->examples) < tally->examples_max;
	char *says = example ? why_now(re, r, v, &re->a) : NULL;
	tally_compare(tally, was, is, where, says);
	free(says);
}

/* ---- responses ---- */

/* Keeps a decision for the comparison of its response, which is recorded later. */
static void
await_response(struct replay *re, json_t *decision)
{
	if (!record_get(decision, RF_ID) || !recorded_relayed(decision))
		return;
	if (json_object_size(re->awaited) == AWAITED_MAX &&
		!json_object_get(re->awaited, record_text(decision, RF_ID)))
		json_object_del(
			re->awaited, json_object_iter_key(json_object_iter(re->awaited)));
	json_object_set(re->awaited, record_text(decision, RF_ID), decision);
}

static void
compare_answer(struct replay *re, const struct recorded_answer *r,
	const struct answer_verdict *v, json_t *completion)
{
	json_auto_t *where = json_pack("{ss}", "id", r->request->id);
	json_auto_t *was = json_pack("{ss ss sO* so so}", "decision", r->effect, "rule",
		r->rule, "status", record_get(completion, RF_ANSWER_DENIED_WITH), "tags",
		tags_then(r->tags), "redactions",
		redactions_then(record_get(completion, RF_ANSWER_VERDICT_ENTITIES)));
	json_auto_t *is =
		json_pack("{ss ss so* so so}", "decision", rule_effect_name(v->ruled.effect),
			"rule", v->ruled.rule ? v->ruled.rule->name : "", "status",
			v->ruled.effect == RULE_DENY ? json_integer(v->ruled.status) : NULL,
			"tags", decide_names(v->ruled.tags, v->ruled.ntags), "redactions",
			redactions_now(re, v->ruled.effect == RULE_REDACT ? &v->redact : NULL));
	json_auto_t *told = policy_answer_explain(
		re->policy.p, &r->asked, &r->facts, v, &r->missing, &re->a);

	tally_compare(&re->answers, was, is, where, json_str_in(told, "says"));
}

static void
judge_answer(struct replay *re, json_t *completion, json_t *decision)
{
	struct recorded *request = arena_new(&re->a, struct recorded);
	struct recorded_answer *r = arena_new(&re->a, struct recorded_answer);
	struct answer_verdict *v = arena_new(&re->a, struct answer_verdict);
	const char *unsure;
	char reason[128];

	if (!request || !r || !v || !recorded_read(request, decision, &re->policy, &re->a) ||
		!recorded_answer_read(r, completion, decision, request, &re->policy, &re->a) ||
		recorded_answer_decide(r, &re->policy, &re->a, v, &unsure)) {
		tally_cannot(&re->answers, "the record cannot be read back");
		return;
	}
	const struct route *route = request->facts.route;
	if (!of_that_time(re, request->facts.now_wall_ns))
		return;
	if (!route || (!r->judged && !route->uses.any))
		return; /* no rule applies to this response, neither then nor now */
	if (!r->judged) {
		tally_cannot(&re->answers, "no rule was evaluated on the response");
	} else if (unsure) {
		snprintf(reason, sizeof(reason), "%s, and a rule reads it", unsure);
		tally_cannot(&re->answers, reason);
	} else {
		compare_answer(re, r, v, completion);
	}
}

/* Compares one recorded response. */
static void
one_completion(struct replay *re, json_t *completion)
{
	const char *id = record_text(completion, RF_ID);
	json_t *decision = json_object_get(re->awaited, id);

	if (decision && re->opening && record_get(completion, RF_ANSWER_VERDICT_TOOL_CALLS))
		recorded_open(re->opening, completion);
	if (decision && record_int(completion, RF_STATUS) > 0)
		judge_answer(re, completion, decision);
	else if (record_get(completion, RF_ANSWER_VERDICT))
		tally_cannot(&re->answers, "the decision of this response is not in these "
					   "records");
	if (decision)
		json_object_del(re->awaited, id);
}

static void
replay_line(void *arg, struct span line)
{
	static const char *const types[] = { "\"policy\"", "\"decision\"", "\"attempt\"",
		"\"completion\"", "\"seal\"" };
	struct replay *re = arg;

	if (span_find(chain_member(line, record_rows[RF_TYPE].name), types, COUNT_OF(types)) ==
		COUNT_OF(types))
		return;
	reading_add(1);
	json_auto_t *record = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
	if (!record_get(record, RF_TYPE)) {
		tally_cannot(&re->tally, "the record is not JSON");
	} else if (record_is(record, RF_TYPE, "policy")) {
		recorded_policy(&re->policy, record);
	} else if (record_is(record, RF_TYPE, "seal")) {
		if (re->opening)
			opening_saw(re->opening, record);
	} else if (record_is(record, RF_TYPE, "completion")) {
		one_completion(re, record);
	} else {
		one_record(re, record);
		await_response(re, record);
	}
	arena_reset(&re->a);
}

static void
print_replay(const struct replay *re, bool as_json)
{
	if (!as_json) {
		tally_print(&re->tally, "decisions", false);
		if (re->attempts.total)
			tally_print(&re->attempts, "later attempts", false);
		if (re->answers.total)
			tally_print(&re->answers, "answers", false);
		return;
	}
	json_auto_t *o = tally_json(&re->tally);
	json_object_set_new(o, "attempts", tally_json(&re->attempts));
	json_object_set_new(o, "answers", tally_json(&re->answers));
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
}

static int
replay_records(struct replay *re, const struct opening_args *args, const char *policy,
	bool as_json)
{
	struct query *q = re->q;

	if (policy && !strcmp(policy, "-") &&
		!(policy = given_policy_stdin(q->what, q->config)))
		return EXIT_CANNOT;
	re->since_ns = q->since_ns;
	q->since_ns = 0;
	q->arg = re;
	q->line = replay_line;
	if (!policy_alone_load(&re->policy, q->what, q->config, policy) || query_source(q))
		return EXIT_CANNOT;
	re->places = query_places(q);
	if ((args->key && !(re->opening = opening_begin(q, args))) || query_run(q))
		return EXIT_CANNOT;
	print_replay(re, as_json);
	return re->tally.different || re->attempts.different || re->answers.different
		       ? EXIT_NO
		       : EXIT_DONE;
}

int
policy_replay(int argc, char **argv)
{
	struct query q = { .what = "policy replay" };
	struct replay re = { .q = &q };
	struct opening_args args = { .key = NULL };
	const char *policy = NULL, *most = NULL;
	bool as_json = false;
	const struct cmd_option options[] = {
		QUERY_SOURCE(&q),
		QUERY_TIMES(&q),
		OPENING_OPTIONS(&args),
		{ "policy", .text = &policy },
		{ "examples", .text = &most },
		{ "json", .flag = &as_json },
		{ .name = NULL },
	};
	uint64_t examples = 5;
	char **operands;

	if (cmd_options(q.what, argc, argv, options, &operands) != 0 ||
		(most && span_u64(span_str(most), &examples)))
		return cmd_usage(q.what);
	if (query_times(&q))
		return EXIT_CANNOT;
	reading_begin(q.what, q.config, options, NULL, 0);
	reading_window(q.since_ns, q.until_ns);
	arena_init(&re.a, 0, false);
	tally_init(&re.tally, (size_t)examples);
	tally_init(&re.attempts, (size_t)examples);
	tally_init(&re.answers, (size_t)examples);
	re.awaited = json_object();
	int code = replay_records(&re, &args, policy, as_json);
	opening_end(&re.opening);
	tally_free(&re.tally);
	tally_free(&re.attempts);
	tally_free(&re.answers);
	json_decref(re.awaited);
	policy_alone_free(&re.policy);
	arena_reset(&re.a);
	return query_end(&q, code);
}
