/* tollgate policy test: runs the cases of test files, prints the results in the Test
 * Anything Protocol (TAP), and lists rules that no case matched. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/codec/json_text.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/policies/decide.h"
#include "cmd/policies/policy.h"

enum { POLICIES_MAX = 256 };

/* A policy under test. Several test files may be for the same policy. */
struct tested {
	const char *file;
	struct snapshot *snap;
	bool *matched; /* one flag for each rule: rules on requests, then on responses, then on
		        * calls */
	size_t cases;
};

/* The state of the command: n tests were run, of which `failed` failed. Owned by
 * policy_test(). */
struct run {
	struct arena a;
	const char *policy; /* --policy, which replaces the policies that the test files name */
	const char *config; /* -c: the configuration whose policy is tested; NULL: none */
	bool require;	    /* --require-coverage */
	struct tested tested[POLICIES_MAX];
	size_t ntested;
	size_t n, failed;
	bool broken; /* a file cannot be used */
};

static struct tested *
tested_of(struct run *t, const char *file)
{
	for (size_t i = 0; i < t->ntested; i++)
		if (!strcmp(t->tested[i].file, file))
			return &t->tested[i];
	if (t->ntested == POLICIES_MAX) {
		cmd_fail("policy test", "the test files are for more than %d policies, "
					"which is the limit", POLICIES_MAX);
		return NULL;
	}
	struct snapshot *snap =
		decide_load("policy test", t->config, t->config ? NULL : file);
	bool *matched =
		snap ? arena_array(&t->a, snap->policy->nall_rules, sizeof(*matched)) : NULL;
	if (!matched) {
		snapshot_unref(&snap);
		return NULL;
	}
	t->tested[t->ntested] = (struct tested){ file, snap, matched, 0 };
	return &t->tested[t->ntested++];
}

static void
print_test_result(struct run *t, bool ok, const struct policy *p, const char *name)
{
	t->n++;
	t->failed += !ok;
	printf("%sok %zu - %s: ", ok ? "" : "not ", t->n, p->name);
	for (; *name; name++) /* '#' would begin a directive of TAP */
		putchar(*name == '\n' || *name == '#' ? ' ' : *name);
	putchar('\n');
}

static void
say_lines(struct span text)
{
	while (text.n) {
		struct span line = span_next(&text, '\n');
		if (line.n)
			printf("#   %.*s\n", SPAN_ARG(line));
	}
}

/* Prints a sentence for each rule that matched or failed. */
static void
say_rules(json_t *e)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(e, "rules"), i, one)
	{
		const char *outcome = json_str_in(one, "outcome");
		if (!strcmp(outcome, "matched") || !strcmp(outcome, "error"))
			say_lines(span_str(json_str_in(one, "says")));
	}
	say_lines(span_str(json_str_in(e, "says")));
	say_lines(span_str(json_str_in(e, "refused")));
}

/* Marks the rules that matched with the chosen target, and the rules that made the request
 * use that target because they denied or skipped another one. */
static void
note_matched(struct tested *p, const struct request *r)
{
	const struct policy *policy = p->snap->policy;
	const struct policy_verdict *v = &r->found.verdict;

	if (!r->found.have_verdict)
		return;
	for (size_t i = 0; v->ruled.trace && i < policy->nrules; i++)
		p->matched[i] |= v->ruled.trace[i].fate == RULE_MATCHED;
	for (size_t i = 0; i < v->ncandidates; i++)
		if (v->candidates[i].rule)
			p->matched[v->candidates[i].rule - policy->rules] = true;
}

static void
one_case(struct run *t, struct tested *p, const struct policy_case *c)
{
	const struct policy *policy = p->snap->policy;
	const char *why;
	struct request *r = decide_run(p->snap, c->request, &why);

	p->cases++;
	if (!r) {
		print_test_result(t, false, policy, c->name);
		printf("#   %s:%u:%u\n#   the request: %s\n", c->at->file, c->at->line,
			c->at->column, why);
		return;
	}
	json_auto_t *answer = decide_result(r), *explain = decide_explain(r);
	SCOPED_BUF(diff, 1u << 20);
	why = decide_answer(r, c->request, answer, explain, p->matched + policy->nrules);
	if (!why)
		why = decide_tool(r, c->request, answer, explain,
			p->matched + policy->nrules + policy->nanswer_rules);
	if (why)
		buf_printf(&diff, "%s\n", why);
	policy_case_compare(c, answer, &diff);
	print_test_result(t, diff.n == 0 && !buf_failed(&diff), policy, c->name);
	if (diff.n) { /* print where the case is and what differs */
		printf("#   %s:%u:%u\n", c->at->file, c->at->line, c->at->column);
		say_lines(buf_view(&diff));
		say_rules(explain);
		say_rules(json_object_get(explain, "response"));
		say_rules(json_object_get(explain, "tool"));
	}
	note_matched(p, r);
	request_free(&r);
}

static void
one_file(struct run *t, const char *file)
{
	struct policy_cases cases;

	SCOPED_DIAG(d);
	struct tested *p = NULL;
	if (policy_cases_load(&t->a, file, &cases, &d))
		p = tested_of(t, t->policy ? t->policy : cases.policy);
	else
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&d.text)));
	t->broken |= !p;
	if (p)
		printf("# %s: %s\n", file, p->snap->policy->label);
	for (size_t i = 0; p && i < cases.n; i++)
		one_case(t, p, &cases.v[i]);
	policy_cases_free(&cases);
}

/* ---- coverage ---- */

static void
print_coverage(struct run *t, const struct tested *p)
{
	const struct policy *policy = p->snap->policy;
	size_t n = 0, all = policy->nall_rules;

	for (size_t i = 0; i < all; i++)
		n += p->matched[i];
	if (t->require)
		print_test_result(t, n == all, policy, "every rule is matched by a case");
	printf("# %s: %zu of %zu rules matched in %zu cases%s", policy->name, n, all, p->cases,
		n < all ? "; not matched:" : "");
	for (size_t i = 0; i < all; i++)
		if (!p->matched[i])
			printf(" %s", policy->rules[i].name);
	putchar('\n');
}

/* ---- which files ---- */

/* Lists the test files of a folder: DIR/NAME.test.yaml and all files in DIR/tests; if the
 * folder is named tests, all files in it. */
static bool
files_in(struct run *t, const char *dir)
{
	static const char *const patterns[] = { "/*.test.yaml", "/tests/*.yaml", "/*.yaml" };
	struct span folder = span_str(dir);
	char pattern[4096];

	while (folder.n > 1 && folder.p[folder.n - 1] == '/')
		folder.n--;
	size_t found = 0, npatterns = span_ends(folder, SPAN_LIT("tests")) ? 3 : 2;
	for (size_t i = 0; i < npatterns && (i < 2 || found == 0); i++) {
		glob_t g;
		snprintf(pattern, sizeof(pattern), "%.*s%s", SPAN_ARG(folder), patterns[i]);
		if (glob(pattern, 0, NULL, &g) == 0)
			for (size_t k = 0; k < g.gl_pathc; k++, found++)
				one_file(t, arena_strdup(&t->a, g.gl_pathv[k]));
		globfree(&g);
	}
	if (found == 0)
		cmd_fail("policy test", "%s: neither this folder nor its folder tests has "
					"a test file", dir);
	return found > 0;
}

static void
one_path(struct run *t, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		cmd_fail("policy test", "%s: the file or folder cannot be read", path);
		t->broken = true;
	} else if (S_ISDIR(st.st_mode)) {
		t->broken |= !files_in(t, path);
	} else {
		one_file(t, path);
	}
}

int
policy_test(int argc, char **argv)
{
	struct run *t = calloc(1, sizeof(*t));
	char **paths;

	if (!t)
		return cmd_fail("policy test", "out of memory");
	const struct cmd_option options[] = { { "policy", .text = &t->policy },
		{ "c", .text = &t->config },
		{ "require-coverage", .flag = &t->require }, { .name = NULL } };
	int n = cmd_options("policy test", argc, argv, options, &paths), code;
	arena_init(&t->a, 0, false);
	log_setup(LOG_LOGFMT, LOG_ERROR); /* refused credentials are a normal part of cases and
					   * are not logged */
	for (int i = 0; i < n; i++)
		one_path(t, paths[i]);
	for (size_t i = 0; i < t->ntested; i++)
		print_coverage(t, &t->tested[i]);
	if (n <= 0) {
		code = cmd_usage("policy test");
	} else {
		printf("1..%zu\n", t->n);
		code = t->broken || t->n == 0 ? EXIT_CANNOT : t->failed ? EXIT_NO : EXIT_DONE;
	}
	for (size_t i = 0; i < t->ntested; i++)
		snapshot_unref(&t->tested[i].snap);
	arena_reset(&t->a);
	free(t);
	return code;
}
