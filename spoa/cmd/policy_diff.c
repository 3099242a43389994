/* tollgate policy diff: the same requests under two policies. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/decide.h"
#include "cmd/policy.h"
#include "cmd/policy_tally.h"

/* entity → style of what is replaced. */
static json_t *
redactions(json_t *answer)
{
	json_t *o = json_object(), *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "findings"), i, one)
	{
		json_t *with = json_object_get(one, "with");
		if (with)
			json_object_set(
				o, json_string_value(json_object_get(one, "entity")), with);
	}
	return o;
}

/* What of an answer of decide is compared. */
static json_t *
outcome(json_t *answer)
{
	static const char *const members[] = { "decision", "status", "rule", "route", "target",
		"model", "tags" };
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		json_t *v = json_object_get(answer, members[i]);
		if (v)
			json_object_set(o, members[i], v);
	}
	json_object_set_new(o, "redactions", redactions(answer));
	return o;
}

/* NULL with *why. `says`: the caller's to free. */
static json_t *
decided(struct snapshot *snap, json_t *in, const char **why, char **says)
{
	struct request *r = decide_run(snap, in, why);

	if (!r)
		return NULL;
	json_t *answer = decide_result(r), *o = outcome(answer);
	if (says) {
		json_t *e = decide_explain(r);
		const char *s = json_string_value(json_object_get(e, "refused"));
		s = s ? s : json_string_value(json_object_get(e, "says"));
		*says = s ? strdup(s) : NULL;
		json_decref(e);
	}
	json_decref(answer);
	request_free(&r);
	return o;
}

/* Both decide at the same time, in both senses. */
static void
settle_time(json_t *in)
{
	char now[CLOCK_RFC3339_LEN];

	if (json_object_get(in, "time"))
		return;
	clock_rfc3339(clock_wall_ns(), now);
	json_object_set_new(in, "time", json_string(now));
}

/* Why the line cannot be compared, or NULL. */
static const char *
one_line(struct snapshot *a, struct snapshot *b, struct tally *t, size_t number, char *line,
	size_t n)
{
	static char text[JSON_ERROR_TEXT_LENGTH];
	json_error_t err;
	const char *why = NULL;
	char *says = NULL;
	json_t *in = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &err);

	if (!json_is_object(in)) {
		snprintf(text, sizeof(text), "%s", in ? "must be a JSON object" : err.text);
		json_decref(in);
		return text;
	}
	settle_time(in);
	json_t *was = decided(a, in, &why, NULL),
	       *is = was ? decided(b, in, &why, &says) : NULL;
	if (is) {
		json_t *where = json_pack("{s:I}", "line", (json_int_t)number);
		tally_compare(t, was, is, where, says);
		json_decref(where);
	}
	free(says);
	json_decref(was);
	json_decref(is);
	json_decref(in);
	return why;
}

/* False: a line could not be compared. */
static bool
every_line(struct snapshot *a, struct snapshot *b, struct tally *t)
{
	char *line = NULL;
	size_t room = 0;
	bool ok = true;

	for (size_t number = 1;; number++) {
		ssize_t n = getline(&line, &room, stdin);
		if (n < 0)
			break;
		if (strspn(line, " \t\r\n") == (size_t)n)
			continue;
		const char *why = one_line(a, b, t, number, line, (size_t)n);
		if (why) {
			cmd_fail("policy diff", "standard input:%zu: %s", number, why);
			ok = false;
		}
	}
	free(line);
	return ok;
}

static int
compare(const char *file_a, const char *file_b, size_t examples, bool as_json)
{
	struct snapshot *a = decide_load("policy diff", NULL, file_a);
	struct snapshot *b = a ? decide_load("policy diff", NULL, file_b) : NULL;
	struct tally t;
	int code = EXIT_CANNOT;

	tally_init(&t, examples);
	if (b) {
		bool whole = every_line(a, b, &t);
		tally_print(&t, "requests", as_json);
		code = !whole ? EXIT_CANNOT : t.different ? EXIT_NO : EXIT_DONE;
	}
	tally_free(&t);
	if (a)
		snapshot_unref(&a);
	if (b)
		snapshot_unref(&b);
	return code;
}

int
policy_diff(int argc, char **argv)
{
	const char *most = NULL;
	bool as_json = false;
	const struct cmd_option options[] = { { "examples", .text = &most },
		{ "json", .flag = &as_json }, { .name = NULL } };
	uint64_t examples = 5;
	char **files;

	if (cmd_options(argc, argv, options, &files) != 2 ||
		(most && span_u64(span_str(most), &examples)))
		return cmd_usage("policy");
	log_setup(LOG_LOGFMT, LOG_ERROR); /* refused credentials are part of requests */
	return compare(files[0], files[1], (size_t)examples, as_json);
}
