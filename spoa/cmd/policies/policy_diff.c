/* tollgate policy diff: decides the same requests under two policies, and prints the
 * differences. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/policies/decide.h"
#include "cmd/policies/policy.h"
#include "cmd/policies/policy_tally.h"

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
one_line(void *arg, struct span line, size_t number)
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
	if (c.b && (code = cmd_each_line(one_line, &c)) == EXIT_DONE) {
		tally_print(&c.tally, "requests", as_json);
		code = c.partial ? EXIT_CANNOT : c.tally.different ? EXIT_NO : EXIT_DONE;
	}
	tally_free(&c.tally);
	snapshot_unref(&c.a);
	snapshot_unref(&c.b);
	return code;
}
