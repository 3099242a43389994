/* tollgate classify: prints what the shipped detectors, or those of a policy, find in a
 * text. */
#include <unistd.h>

#include "base/json_put.h"
#include "cmd/cmd.h"
#include "cmd/texts/classify_file.h"
#include "cmd/texts/scan.h"
#include "policy/entities.h"
#include "policy/policy.h"
#include "scan/inject/inject.h"
#include "scan/text/body.h"

/* The classes of the findings, each once, in order of appearance. */
struct class_list {
	struct buf *out;
	const char *names[CLASSES_MAX + DETECT_ENTITIES_MAX];
	size_t n;
};

static void
put_class(void *arg, const char *class)
{
	struct class_list *l = arg;

	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->names[i], class))
			return;
	if (l->n == COUNT_OF(l->names))
		return;
	json_put_str(l->out, NULL, class);
	l->names[l->n++] = class;
}

/* The roles of messages in all dialects. A text without a role counts as a user's. */
static const struct {
	const char *role;
	enum inject_origin origin; /* INJECT_ORIGINS: not scored */
} origins[] = {
	{ "system", INJECT_ORIGINS },
	{ "developer", INJECT_ORIGINS },
	{ "assistant", INJECT_ORIGINS },
	{ "tool", INJECT_TOOL },
	{ "tool_result", INJECT_TOOL },
	{ "function", INJECT_TOOL },
	{ "document", INJECT_DOCUMENT },
};

static struct inject_result
injection(const struct scan *s, const struct scan_text *t)
{
	const struct policy *p = s->with->policy;
	enum inject_origin o = INJECT_USER;

	for (size_t i = 0; i < COUNT_OF(origins); i++)
		if (span_is(t->role, origins[i].role))
			o = origins[i].origin;
	static const uint16_t role[INJECT_ORIGINS] = {
		[INJECT_USER] = 1u << ROLE_USER,
		[INJECT_TOOL] = 1u << ROLE_TOOL_RESULT,
		[INJECT_DOCUMENT] = 1u << ROLE_DOCUMENT,
	};
	if (o == INJECT_ORIGINS || (p && p->inject_roles && !(p->inject_roles & role[o])))
		return (struct inject_result){ 0 };
	return inject_score(p ? p->inject : s->arg, t->text, o, p ? p->inject_off : 0);
}

/* Adds classes of the policy that apply from a score on. */
static void
put_score_classes(struct scan *s, double score)
{
	const struct policy *p = s->with->policy;

	for (size_t i = 0; p && i < p->nclasses; i++) {
		if (p->classes[i].injection <= 0 || score < p->classes[i].injection)
			continue;
		json_put_str(s->out, NULL, p->classes[i].name);
	}
}

static int
put_classified_json(struct scan *s, const struct scan_text *t)
{
	struct inject_result r = injection(s, t);

	json_put_form(s->out, "{'findings':[");
	for (size_t i = 0; i < t->findings.n; i++) {
		const struct finding *f = &t->findings.v[i];
		/* null, if the policy puts the entity in no class */
		const struct policy *p = s->with->policy;
		const char *class = p ? policy_class_of(p, s->rules, f->entity)
				      : detect_entity_class(s->rules, f->entity);
		json_put_form(s->out, "{'entity':%s", detect_entity_name(s->rules, f->entity));
		json_put_opt(s->out, "class", class);
		json_put_uint(s->out, "start", f->start);
		json_put_uint(s->out, "end", f->end);
		json_put_printf(s->out, "score", "%.2f", (double)f->score);
		if (f->flags & FINDING_EVASION)
			json_put_bool(s->out, "evasion", true);
		if (f->flags & FINDING_SAMPLE)
			json_put_bool(s->out, "sample", true);
		json_put_close(s->out, '}');
	}
	json_put_form(s->out, "],'classes':[");
	struct class_list l = { .out = s->out };

	for (size_t i = 0; i < t->findings.n; i++)
		scan_rules_classes(s->with, t->findings.v[i].entity, put_class, &l);
	put_score_classes(s, r.score);
	json_put_close(s->out, ']');
	json_put_printf(s->out, "injection", r.score > 0 ? "%.6f" : "0.0", r.score);
	if (r.pattern)
		json_put_printf(s->out, "injection_reason", "\"pattern:%s\"", r.pattern);
	if (t->findings.evasion)
		json_put_bool(s->out, "evasion", true);
	buf_str(s->out, "}\n");
	return EXIT_DONE;
}

static int
put_underlined(struct scan *s, const struct scan_text *t)
{
	size_t at = 0;

	for (size_t i = 0; i < t->findings.n; i++) {
		const struct finding *f = &t->findings.v[i];
		buf_span(s->out, span_cut(t->text, at, f->start));
		buf_str(s->out, "\033[4m");
		buf_span(s->out, span_cut(t->text, f->start, f->end));
		buf_str(s->out, "\033[24m");
		at = f->end;
	}
	buf_span(s->out, span_cut(t->text, at, t->text.n));
	if (t->line.p || !span_ends(t->text, SPAN_LIT("\n")))
		buf_putc(s->out, '\n');
	return EXIT_DONE;
}

int
cmd_classify(int argc, char **argv)
{
	bool jsonl = false, json = !isatty(STDOUT_FILENO);
	const char *policy = NULL, *file = NULL;
	const struct cmd_option options[] = { { "jsonl", .flag = &jsonl },
		{ "json", .flag = &json }, { "policy", .text = &policy },
		{ "file", .text = &file }, { .name = NULL } };
	char **operands;

	if (cmd_options(argv[0], argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	if (file)
		return jsonl ? cmd_usage(argv[0]) : classify_file(file, policy, json);
	SCOPED_ARENA(a, 0, false);
	SCOPED_BUF(why, 0);
	const struct inject *j = inject_load(&a, NULL, &why);
	return j ? scan_input("classify", policy, jsonl,
			   json ? put_classified_json : put_underlined, j)
		 : cmd_fail("classify", "%.*s", SPAN_ARG(buf_view(&why)));
}
