/* tollgate audit report: prints the evidence for a period. The sections are rows of a
 * table, each with the articles of Regulation (EU) 2024/1689 (AI Act) for which it is
 * evidence. */
#include "cmd/report/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/plain.h"

#define WHAT "audit report"

/* clang-format off */
enum { A12 = 1, A14 = 2, A19 = 4, A26 = 8 };
static const struct {
	int article;
	unsigned bit;
	const char *says;
} articles[] = {
	{ 12, A12, "record-keeping: events are recorded over the lifetime of the system" },
	{ 14, A14, "human oversight: who observes, and who changed or denied something" },
	{ 19, A19, "logs kept: by providers of high-risk systems, at least six months" },
	{ 26, A26, "deployers: monitoring, and logs kept at least six months (26(5), 26(6))" },
};
static const struct {
	const char *name, *title;
	unsigned articles;
} sections[] = {
	{ "records",      "Records",                                              A12 | A19 | A26 },
	{ "decisions",    "Decisions",                                            A12 | A14 | A26 },
	{ "about",        "Requests by purpose of the route",                     A12 | A14 | A26 },
	{ "answers",      "Outcomes of requests",                                 A12 | A26 },
	{ "cache",        "Responses from the cache, and what they saved",        A12 | A26 },
	{ "coverage",     "Inspected and uninspected content, by route",          A12 | A14 | A26 },
	{ "texts",        "Sealed texts that were kept, by route",                A12 | A19 | A26 },
	{ "gaps",         "Gaps, unclean ends, alarms",                           A12 | A19 | A26 },
	{ "degraded",     "Periods of degraded operation",                        A12 | A14 | A26 },
	{ "policies",     "Policies in force",                                    A12 | A14 | A26 },
	{ "changes",      "Changes at run time, with person and reason",          A12 | A14 | A26 },
	{ "keys",         "Signing keys",                                         A12 | A19 },
	{ "verification", "Verification",                                         A12 | A19 | A26 },
	{ "anchors",      "Checkpoints and anchors",                              A12 | A19 },
	{ "reads",        "Reads of records",                                     A14 | A19 | A26 },
	{ "retention",    "Retention, and trimmed records",                       A19 | A26 },
	{ "clock",        "The clock",                                            A12 | A19 },
};
/* clang-format on */

/* ---- text ---- */

static void
put_report_value(struct buf *b, const json_t *v)
{
	const char *name;
	json_t *one;
	size_t i, n = 0;

	if (json_is_string(v)) {
		plain_put(b, json_span(v), SIZE_MAX);
	} else if (json_is_object(v)) {
		json_object_foreach((json_t *)(uintptr_t)v, name, one)
		{
			buf_str(b, n++ ? ", " : "");
			plain_put(b, span_str(name), SIZE_MAX);
			buf_putc(b, json_is_object(one) ? '(' : ' ');
			put_report_value(b, one);
			buf_str(b, json_is_object(one) ? ")" : "");
		}
	} else if (json_is_array(v)) {
		json_array_foreach(v, i, one)
		{
			buf_str(b, i ? "; " : "");
			put_report_value(b, one);
		}
	} else {
		char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
		buf_str(b, text ? text : "?");
		free(text);
	}
}

static bool
is_many(const json_t *v)
{
	const json_t *first;

	if (json_is_array(v))
		return true;
	first = json_is_object(v)
			? json_object_iter_value(json_object_iter((json_t *)(uintptr_t)v))
			: NULL;
	return json_object_size(v) > 4 || json_is_object(first);
}

static void
put_section(struct buf *b, const char *title, const json_t *o)
{
	const char *name, *of;
	json_t *v, *one;
	size_t i;

	buf_printf(b, "\n%s\n", title);
	if (!json_object_size(o))
		buf_str(b, "  none\n");
	json_object_foreach((json_t *)(uintptr_t)o, name, v)
	{
		buf_printf(b, "  %s:%s", name, is_many(v) ? "\n" : " ");
		if (json_is_array(v)) {
			json_array_foreach(v, i, one)
			{
				buf_str(b, "    ");
				put_report_value(b, one);
				buf_putc(b, '\n');
			}
		} else if (is_many(v)) {
			json_object_foreach(v, of, one)
			{
				buf_str(b, "    ");
				plain_put(b, span_str(of), SIZE_MAX);
				buf_str(b, ": ");
				put_report_value(b, one);
				buf_putc(b, '\n');
			}
		} else {
			put_report_value(b, v);
			buf_putc(b, '\n');
		}
	}
}

static int
print_section(struct report *r, unsigned bits, int article, const char *says)
{
	const struct query *q = &r->a->q;
	json_t *head = json_object_get(r->o, "report");
	int code = EXIT_DONE;

	for (size_t i = 0; i < COUNT_OF(sections); i++) {
		if (!(sections[i].articles & bits))
			json_object_del(r->o, sections[i].name);
		else if (!json_object_get(r->o, sections[i].name))
			json_object_set_new(r->o, sections[i].name, json_object());
	}
	if (r->a->as_json) {
		char *text = json_dumps(r->o, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		if (!text || puts(text) < 0 || fflush(stdout) == EOF)
			code = cmd_fail(WHAT, "%s", text ? strerror(errno) : "out of memory");
		free(text);
		return code;
	}
	SCOPED_BUF(b, 0);
	buf_str(&b, "Evidence from the records. docs/compliance.md lists what the law also "
		    "requires.\n");
	if (article)
		buf_printf(&b, "Regulation (EU) 2024/1689, article %d: %s\n", article, says);
	buf_printf(&b, "from %s to %s, made %s\n", q->since[0] ? q->since : "the first record",
		q->until[0] ? q->until : "now", json_str_in(head, "made"));
	for (size_t i = 0; i < COUNT_OF(sections); i++)
		if (sections[i].articles & bits)
			put_section(
				&b, sections[i].title, json_object_get(r->o, sections[i].name));
	if (!cmd_write(&b))
		code = cmd_fail(WHAT, "%s", strerror(errno));
	return code;
}

/* ---- the command ---- */

static int
run_report(struct report *r, unsigned bits, int article, const char *says)
{
	struct query *q = &r->a->q;
	char made[CLOCK_RFC3339_LEN];
	/* without a key, the report states that nothing was verified */
	int code = audit_signers(r->a, false);

	SCOPED_BUF(why, 8192);
	if (!code && r->a->nkeys)
		code = cmd_failed(WHAT, audit_ring(r->a, &why), &why);
	if (code)
		return code;
	clock_rfc3339(clock_wall_ns(), made);
	json_object_set_new(r->o, "report",
		json_pack("{s:s?,s:s?,s:s,s:o}", "since", q->since[0] ? q->since : NULL,
			"until", q->until[0] ? q->until : NULL, "made", made, "article",
			article ? json_integer(article) : json_null()));
	q->evidence = true;
	q->arg = r;
	q->line = report_line;
	q->torn = report_torn;
	code = query_run(q);
	report_end(r);
	if (!code && r->no_memory)
		code = cmd_fail(WHAT, "out of memory");
	if (code)
		return code;
	const json_t *v = json_object_get(r->o, "verification");
	bool bad = json_is_false(json_object_get(v, "holds"));
	code = print_section(r, bits, article, says);
	return code ? code : bad ? EXIT_NO : EXIT_DONE;
}

int
audit_report(int argc, char **argv)
{
	struct audit_args a = { .q = { .what = WHAT } };
	struct query *q = &a.q;
	struct report r = { .a = &a };
	const char *article = NULL;
	size_t row = COUNT_OF(articles);
	const struct cmd_option options[] = { QUERY_SOURCE(q), QUERY_TIMES(q), AUDIT_KEYS(&a),
		{ "article", .text = &article }, { "json", .flag = &a.as_json },
		{ .name = NULL } };
	char **operands, number[8];

	if (cmd_options(WHAT, argc, argv, options, &operands) != 0 ||
		!!q->journal + !!q->redis + !!q->file > 1)
		return cmd_usage("audit report");
	for (size_t i = 0; article && i < COUNT_OF(articles); i++) {
		snprintf(number, sizeof(number), "%d", articles[i].article);
		if (!strcmp(article, number))
			row = i;
	}
	if (article && row == COUNT_OF(articles))
		return cmd_fail(WHAT, "--article %s: give 12, 14, 19 or 26", article);
	int code = query_times(q);
	if (code)
		return code;
	r.o = json_object();
	r.open = json_object();
	r.chain = calloc(REPORT_NODES, sizeof(*r.chain));
	code = query_begin(q, options, NULL, 0);
	if (!r.o || !r.open || !r.chain)
		code = cmd_fail(WHAT, "out of memory");
	else if (!code && row < COUNT_OF(articles))
		code = run_report(
			&r, articles[row].bit, articles[row].article, articles[row].says);
	else if (!code)
		code = run_report(&r, A12 | A14 | A19 | A26, 0, NULL);
	for (size_t i = 0; i < r.nchains; i++) {
		verifier_free(&r.chain[i].verifier);
		json_decref(r.chain[i].policy);
	}
	free(r.chain);
	free(a.ring);
	json_decref(r.open);
	json_decref(r.o);
	return query_end(q, code);
}
