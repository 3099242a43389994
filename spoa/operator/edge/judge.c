/* Runs the rules: collects the facts that they share, calls each rule, and writes the findings.
 * Helpers that several rules use are here as well.
 *
 * Each frontend of the gate is compared with one shipped section. shipped_of() chooses it: the
 * current stanza, the stanza of version 0.2 (joint.cfg), its older form that decides at each
 * line, or the frontend of the complete example. */
#include <stdio.h>

#include "base/scoped.h"
#include "operator/edge/judge_private.h"

enum { ADVICE, ERROR };
enum { ONCE, GATES };
const struct judge_rule judge_rules[] = {
#define X(name, is_error, gates, fn, about) { name, is_error, gates, fn, about },
	JUDGE_RULES(X)
#undef X
};
const size_t judge_rules_count = COUNT_OF(judge_rules);

/* ---- findings ---- */

void
found(struct judge *j, const struct haproxy_line *at, const char *paste, const char *fmt, ...)
{
	struct buf *out = j->rule->error ? &j->out->errors : &j->out->advice;
	struct span rest = span_str(paste);
	char why[1024];
	va_list ap;

	if (!at && j->h->n)
		at = j->h->section[0].head;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (j->rule->error)
		j->out->nerrors++;
	else
		j->out->nadvice++;
	buf_printf(out, "%s%s:%u:1: %s: %s%s\n",
		j->rule->error ? "" : "advice: ", at ? at->file : "haproxy.cfg",
		at ? at->line : 1, j->rule->name, why, paste ? "; write:" : "");
	while (rest.p && rest.n) {
		struct span line = span_trim(span_next(&rest, '\n'), " \t\r");
		if (line.n && *line.p != '#')
			buf_printf(out, "    %.*s\n", SPAN_ARG(line));
	}
}

/* ---- lines ---- */

bool
same_line(const struct haproxy_line *a, const struct haproxy_line *b)
{
	if (a->n != b->n || a->negated != b->negated)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!span_eq(a->word[i], b->word[i]))
			return false;
	return true;
}

const struct haproxy_line *
find_line(const struct haproxy_section *s, const struct haproxy_line *l)
{
	for (size_t i = 0; i < s->n; i++)
		if (same_line(&s->line[i], l))
			return &s->line[i];
	return NULL;
}

bool
line_holds(const struct haproxy_line *l, const char *text)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->word[i].n &&
			memmem(l->word[i].p, l->word[i].n, text, strlen(text)) != NULL)
			return true;
	return false;
}

struct span
last_value(const struct haproxy_line *l, const char *word)
{
	struct span value = { "", 0 };

	for (size_t i = 2; i + 1 < l->n; i++)
		if (span_is(l->word[i], word))
			value = l->word[i + 1];
	return value;
}

struct span
global_value(const struct haproxy *h, const char *word)
{
	struct span value = { "", 0 };

	for (size_t i = 0; i < h->n; i++)
		for (size_t k = 0; h->section[i].kind == HAPROXY_GLOBAL && k < h->section[i].n;
			k++)
			if (span_is(h->section[i].line[k].word[0], word))
				value = haproxy_word(&h->section[i].line[k], 1);
	return value;
}

bool
haproxy_time(struct span text, uint64_t *us)
{
	static const struct {
		const char *unit;
		uint64_t us;
	} units[] = { { "", 1000 }, { "us", 1 }, { "ms", 1000 }, { "s", 1000000 },
		{ "m", 60000000 }, { "h", 3600000000 }, { "d", 86400000000 } };
	size_t digits = 0;
	uint64_t v = 0;

	while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
		digits++;
	if (span_u64(span_cut(text, 0, digits), &v) != 0 || v > UINT64_MAX / 86400000000)
		return false;
	for (size_t i = 0; i < COUNT_OF(units); i++)
		if (span_is(span_cut(text, digits, text.n), units[i].unit)) {
			*us = v * units[i].us;
			return true;
		}
	return false;
}

const struct haproxy_section *
backend_named(const struct haproxy *h, struct span name)
{
	for (size_t i = 0; i < h->n; i++)
		if (is_back(&h->section[i]) && span_eq(h->section[i].name, name))
			return &h->section[i];
	return NULL;
}

bool
is_provider(const struct judge *j, const struct haproxy_section *s)
{
	if (!is_back(s) || is_ours(s))
		return false;
	for (size_t i = 0; j->cfg && i < j->cfg->nbackends; i++)
		if (span_is(s->name, j->cfg->backends[i]))
			return true;
	return credential_of(s) != NULL;
}

/* ---- facts ---- */

const struct haproxy_line *
engine_of(const struct haproxy_section *s)
{
	for (size_t i = 0; is_front(s) && i < s->n; i++)
		if (haproxy_begins(&s->line[i], "filter", "spoe") &&
			span_is(last_value(&s->line[i], "engine"), "tollgate"))
			return &s->line[i];
	return NULL;
}

const struct haproxy_line *
inner_bind_of(const struct haproxy_section *s)
{
	for (size_t i = 0; is_front(s) && i < s->n; i++)
		if (span_is(s->line[i].word[0], "bind") &&
			span_is(last_value(&s->line[i], "name"), "tollgate-inner"))
			return &s->line[i];
	return NULL;
}

#define OWN_INNER "tollgate-inner"

/* Returns true for the frontend of the second pass that tollgate.cfg defines. */
static bool
is_own_inner(const struct haproxy_section *s)
{
	return span_is(s->name, OWN_INNER);
}

const struct haproxy_section *
inner_of(const struct haproxy *h)
{
	const struct haproxy_section *inner = NULL;

	for (size_t i = 0; i < h->n; i++)
		if (inner_bind_of(&h->section[i]) && (!inner || is_own_inner(&h->section[i])))
			inner = &h->section[i];
	return inner;
}

bool
joint_stanza(const struct haproxy_section *s)
{
	return inner_bind_of(s) || haproxy_own(s, "acl", "tollgate-inner");
}

static void
add_older(struct buf *out, struct span piece)
{
	while (piece.n) {
		shipped_older(span_next(&piece, '\n'), out);
		buf_putc(out, '\n');
	}
}

/* Parses the shipped lines into sections. There are frontends for the stanza of this version,
 * of 0.2 and of the older form, each with its routes, and those of the complete example and of
 * the second pass. The guard is a backend. */
static void
read_pieces(struct judge *j)
{
	struct haproxy *p = &j->pieces;

	haproxy_init(p);
	memcpy(p->version, j->h->version, sizeof(p->version));
	SCOPED_BUF(text, JUDGE_TEXT_BYTES);
	buf_str(&text, "frontend stanza\n");
	buf_span(&text, shipped_piece(PIECE_STANZA));
	buf_span(&text, shipped_piece(PIECE_ROUTES));
	buf_str(&text, "backend guard\n");
	buf_span(&text, shipped_piece(PIECE_GUARD));
	buf_str(&text, "frontend joint\n");
	buf_span(&text, shipped_piece(PIECE_JOINT_STANZA));
	buf_span(&text, shipped_piece(PIECE_JOINT_ROUTES));
	buf_str(&text, "frontend older\n");
	add_older(&text, shipped_piece(PIECE_JOINT_STANZA));
	add_older(&text, shipped_piece(PIECE_JOINT_ROUTES));
	haproxy_read_text(p, "bolt-on.cfg", buf_view(&text));
	haproxy_setenv(p, SPAN_LIT(INNER_SWITCH), SPAN_LIT("1"));
	haproxy_read_text(p, "haproxy.cfg", shipped("haproxy/haproxy.cfg"));
	haproxy_read_text(p, "tollgate.cfg", shipped("haproxy/tollgate.cfg"));
	for (size_t i = 0; i < p->n; i++) {
		const struct haproxy_section *s = &p->section[i];
		if (span_is(s->name, "stanza"))
			j->shipped_stanza = s;
		if (span_is(s->name, "joint"))
			j->shipped_joint = s;
		if (span_is(s->name, "older"))
			j->shipped_older = s;
		if (span_is(s->name, "edge"))
			j->shipped_edge = s;
		if (j->inner && !engine_of(j->inner) &&
			span_is(s->name, is_own_inner(j->inner) ? OWN_INNER : "egress"))
			j->shipped_inner = s;
		if (span_is(s->name, "guard"))
			j->shipped_guard = s;
	}
}

/* If several frontends load the engine, one may follow the complete example and another the
 * bolt-on, which selects requests by `acl tollgate`. */
const struct haproxy_section *
shipped_of(const struct judge *j, const struct haproxy_section *s)
{
	if (is_ours(s))
		return backend_named(&j->pieces, s->name);
	if (!engine_of(s))
		return s == j->inner ? j->shipped_inner : NULL;
	if (!j->bolt_on && !haproxy_own(s, "acl", "tollgate"))
		return j->shipped_edge;
	return older_stanza(s)	 ? j->shipped_older
	       : joint_stanza(s) ? j->shipped_joint
				 : j->shipped_stanza;
}

static void
take_gate(struct judge *j, const struct haproxy_section *s)
{
	j->gate = s;
	j->engine = engine_of(s);
	j->shipped_gate = shipped_of(j, s);
}

static void
ask_judge_rule(
	struct judge *j, const struct judge_rule *rule, const struct haproxy_section *first)
{
	j->rule = rule;
	for (size_t i = 0; rule->each_gate && i < j->h->n; i++)
		if (engine_of(&j->h->section[i])) {
			take_gate(j, &j->h->section[i]);
			rule->judge(j);
		}
	if (first)
		take_gate(j, first);
	if (!rule->each_gate)
		rule->judge(j);
}

void
judge(const struct haproxy *h, const struct config *cfg, const struct policy *policy,
	struct judged *out)
{
	struct judge j = {
		.h = h, .cfg = cfg, .policy = policy, .out = out, .inner = inner_of(h)
	};
	const struct haproxy_section *first = NULL;

	*out = (struct judged){ .nerrors = 0 };
	buf_init(&out->errors, JUDGE_TEXT_BYTES);
	buf_init(&out->advice, JUDGE_TEXT_BYTES);
	for (size_t i = 0; i < h->n && !first; i++)
		if (engine_of(&h->section[i]))
			first = &h->section[i];
	j.inner_bind = j.inner ? inner_bind_of(j.inner) : NULL;
	j.bolt_on = !first || !j.inner || engine_of(j.inner) || is_own_inner(j.inner);
	read_pieces(&j);
	for (size_t i = 0; i < judge_rules_count; i++)
		ask_judge_rule(&j, &judge_rules[i], first);
	haproxy_free(&j.pieces);
}

void
judged_free(struct judged *j)
{
	buf_free(&j->errors);
	buf_free(&j->advice);
}
