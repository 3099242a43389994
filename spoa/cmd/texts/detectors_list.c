/* tollgate detectors list: what there is to find, as a table, as JSON, or as a page of
 * Markdown with all that a rule says of itself. */
#include "cmd/texts/detectors_list.h"

#include <stdio.h>

#include "base/json_put.h"
#include "cmd/cmd.h"
#include "scan/detect/info.h"

/* Adds what is not yet among those that `between` parts. */
static void
add_once(struct buf *out, char between, const char *what)
{
	bool there = !*what;

	for (struct span rest = buf_view(out); rest.n && !there;)
		there = span_is(span_next(&rest, between), what);
	if (!there && out->n)
		buf_putc(out, between);
	if (!there)
		buf_str(out, what);
}

static void
list_json(const struct detect_info *e, struct span checks, struct buf *out)
{
	json_put_form(out, "{'entity':%t,'class':%t", span_str(e->name), span_str(e->class));
	json_put_printf(out, "threshold", "%.2f", (double)e->threshold);
	json_put_form(out, "'patterns':%u,'examples':%u,'validators':[", (uint64_t)e->patterns,
		(uint64_t)e->examples);
	while (checks.n)
		json_put_text(out, NULL, span_next(&checks, ','));
	json_put_close(out, ']');
	json_put_str(out, "source", e->source);
	json_put_bool(out, "own", e->own);
	buf_str(out, "}\n");
}

/* ---- list --markdown ---- */

enum { LITERALS_SHOWN = 5 };

/* The first few of the literals in their order, and whether there are more. */
struct literals {
	struct span v[LITERALS_SHOWN];
	size_t n;
	bool more;
};

static void
keep_literal(void *arg, struct span l)
{
	struct literals *k = arg;
	size_t at = 0;

	for (; at < k->n; at++) {
		size_t n = k->v[at].n < l.n ? k->v[at].n : l.n;
		int order = memcmp(k->v[at].p, l.p, n);
		if (order > 0 || (order == 0 && k->v[at].n >= l.n))
			break;
	}
	if (at < k->n && span_eq(k->v[at], l))
		return;
	k->more |= k->n == LITERALS_SHOWN;
	k->n -= k->n == LITERALS_SHOWN && at < k->n;
	if (at == LITERALS_SHOWN)
		return;
	memmove(&k->v[at + 1], &k->v[at], (k->n - at) * sizeof(*k->v));
	k->v[at] = l;
	k->n++;
}

/* A cell ends at a bar, code at a backquote. */
static void
put_cell(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '|')
			buf_str(out, "\\|");
		else
			buf_putc(out, s.p[i] == '\n' ? ' ' : s.p[i] == '`' ? '\'' : s.p[i]);
}

static void
put_items(struct buf *out, const struct buf *items)
{
	struct span rest = buf_view(items);

	while (rest.n) {
		buf_span(out, span_next(&rest, ';'));
		buf_str(out, rest.n ? "; " : "");
	}
}

static void
markdown_row(
	const struct scan_rules *s, size_t entity, const struct detect_info *e, struct buf *out)
{
	struct literals literals = { .n = 0 };
	struct detect_pattern_info p;
	float low = 1, high = 0;

	SCOPED_BUF(starts, 0);
	SCOPED_BUF(proof, 0);
	detect_literals(s->rules, entity, keep_literal, &literals);
	for (size_t i = 0; detect_pattern_info(s->rules, entity, i, &p); i++) {
		low = p.score < low ? p.score : low;
		high = p.score > high ? p.score : high;
		add_once(&proof, ';', p.proof);
		add_once(&starts, ';', !strcmp(p.start, "literal") ? "" : p.start);
	}
	buf_printf(out, "| %s | ", e->name);
	for (size_t i = 0; i < literals.n; i++) {
		buf_str(out, i ? ", `" : "`");
		put_cell(out, literals.v[i]);
		buf_putc(out, '`');
	}
	buf_printf(out, "%s%s%s", literals.more ? " …" : "", literals.n && starts.n ? "; " : "",
		e->patterns ? "" : "words");
	put_items(out, &starts);
	buf_str(out, " | ");
	put_items(out, &proof);
	buf_str(out, " | ");
	if (e->patterns) {
		buf_printf(out, "%s | %.2f",
			low >= e->threshold    ? "no"
			: high >= e->threshold ? "for the weaker shapes"
					       : "yes",
			(double)low);
		if (high > low)
			buf_printf(out, "–%.2f", (double)high);
		if (e->context)
			buf_printf(out, " (+%.2f)", (double)e->boost);
	} else {
		buf_str(out, " | ");
	}
	buf_str(out, " | ");
	put_cell(out, span_str(e->source));
	buf_str(out, " |\n");
}

/* A table a class, for a page. */
static void
list_markdown(const struct scan_rules *s, const float *thresholds, struct buf *out)
{
	size_t n = detect_entity_count(s->rules);

	for (size_t first = 0; first < n; first++) {
		const char *class = detect_entity_class(s->rules, first);
		bool known = false;
		for (size_t i = 0; i < first && !known; i++)
			known = !strcmp(detect_entity_class(s->rules, i), class);
		if (known)
			continue;
		buf_printf(out,
			"%s## %s\n\n| entity | begins at | confirmed by | word near it needed "
			"| "
			"score | source of the format |\n|---|---|---|---|---|---|\n",
			first ? "\n" : "", class);
		for (size_t i = first; i < n; i++) {
			struct detect_info e;
			detect_info(s->rules, i, &e);
			if (thresholds)
				e.threshold = thresholds[i];
			if (!strcmp(e.class, class))
				markdown_row(s, i, &e, out);
		}
	}
}

int
detectors_list(const struct scan_rules *s, enum list_form form)
{
	const float *thresholds = scan_rules_thresholds(s);

	SCOPED_BUF(out, 0);
	SCOPED_BUF(checks, 0);
	if (form == LIST_MARKDOWN)
		list_markdown(s, thresholds, &out);
	else if (form == LIST_TABLE)
		buf_printf(&out, "%-26s %-8s %9s %8s %8s %s\n", "ENTITY", "CLASS", "THRESHOLD",
			"PATTERNS", "EXAMPLES", "VALIDATORS");
	for (size_t i = 0; form != LIST_MARKDOWN && i < detect_entity_count(s->rules); i++) {
		struct detect_pattern_info p;
		struct detect_info e;
		detect_info(s->rules, i, &e);
		if (thresholds)
			e.threshold = thresholds[i];
		buf_clear(&checks);
		for (size_t k = 0; detect_pattern_info(s->rules, i, k, &p); k++)
			add_once(&checks, ',', p.check);
		if (form == LIST_JSON)
			list_json(&e, buf_view(&checks), &out);
		else
			buf_printf(&out, "%-26s %-8s %9.2f %8zu %8zu %.*s\n", e.name, e.class,
				(double)e.threshold, e.patterns, e.examples,
				SPAN_ARG(buf_view(&checks)));
	}
	return cmd_print("stdout", &out);
}
