/* Writes requests to external recognizers and reads their responses.
 *
 * recognizer_ask() writes the body for one or several texts in the recognizer's format.
 * recognizer_read() finds the part of the response for each text, directly or by JSON
 * pointers (RFC 6901), and reads findings, labels or categories from it. Findings of
 * entities without a label in the policy are ignored, and overlapping findings of one entity
 * are merged. A response that does not have the format is an error.
 *
 * Presidio counts code points, as Python's strings do; to_bytes() converts all positions to
 * bytes. */
#include "scan/recognizer/recognizer.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/push.h"
#include "base/scoped.h"

/* ---- requests ---- */

static void
put_texts(const char *name, const struct span *texts, size_t n, bool list, struct buf *out)
{
	if (list)
		json_put_open(out, name, '[');
	for (size_t i = 0; i < n; i++)
		json_put_text(out, list ? NULL : name, texts[i]);
	if (list)
		json_put_close(out, ']');
}

static void
ask_presidio(const struct recognizer *r, const struct span *texts, size_t n, struct buf *out)
{
	json_put_open(out, NULL, '{');
	put_texts("text", texts, n, r->batch, out);
	json_put_str(out, "language", r->language);
	json_put_open(out, "entities", '[');
	for (size_t i = 0; i < r->nlabels; i++)
		json_put_str(out, NULL, r->labels[i].theirs);
	json_put_close(out, ']');
	json_put_printf(out, "score_threshold", "%.4g", r->score_threshold);
	json_put_close(out, '}');
}

void
recognizer_ask(const struct recognizer *r, const struct span *texts, size_t n, struct buf *out)
{
	INVARIANT(n == 1 || (n > 0 && r->batch));
	switch (r->shape) {
	case SHAPE_PRESIDIO: ask_presidio(r, texts, n, out); break;
	case SHAPE_JSON: {
		/* written separately, so that the JSON writer adds no comma after the
		 * configured bytes */
		SCOPED_BUF(said, 0);
		put_texts(NULL, texts, n, r->batch, &said);
		buf_span(out, r->before);
		buf_span(out, buf_view(&said));
		buf_span(out, r->after);
		break;
	}
	case SHAPE_MODERATION:
		json_put_open(out, NULL, '{');
		put_texts("input", texts, n, r->batch, out);
		if (r->model)
			json_put_str(out, "model", r->model);
		json_put_close(out, '}');
		break;
	}
}

/* ---- JSON pointers ---- */

bool
recognizer_pointer(const char *s)
{
	if (*s && *s != '/')
		return false;
	for (; *s; s++)
		if (*s == '~' && s[1] != '0' && s[1] != '1')
			return false;
	return strlen(s) <= 256;
}

/* Decodes one token of a pointer (RFC 6901 section 4). Returns its length. */
static size_t
pointer_unescape(struct span token, char out[257])
{
	size_t n = 0;

	for (size_t i = 0; i < token.n && n < 256; i++) {
		char c = token.p[i];
		if (c == '~' && i + 1 < token.n)
			c = token.p[++i] == '1' ? '/' : '~';
		out[n++] = c;
	}
	return n;
}

static json_t *
follow_pointer(json_t *v, const char *pointer)
{
	struct span rest = span_str(pointer);
	char name[257];
	uint64_t index;

	if (rest.n == 0)
		return v; /* the whole document */
	span_next(&rest, '/');
	while (v && rest.p) {
		size_t n = pointer_unescape(span_next(&rest, '/'), name);
		if (json_is_object(v))
			v = json_object_getn(v, name, n);
		else if (span_u64(span_of(name, n), &index) == 0)
			v = json_array_get(v, index);
		else
			v = NULL;
	}
	return v;
}

/* ---- responses ---- */

/* The findings of one text while its part of the response is read. */
struct reading {
	const struct recognizer *r;
	struct arena *a;
	struct span text;
	struct finding *v;
	size_t n, room;
	const char *why;
	bool known;	     /* json: `labels` has a label of the result */
	struct span unknown; /* json: a label that it does not have; empty: none */
};

static int
refuse_answer(struct reading *g, int err, const char *why)
{
	g->why = why;
	return err;
}

static int
add_finding(struct reading *g, uint16_t entity, double score, size_t start, size_t end)
{
	if (g->n == CAP_RECOGNIZED)
		return refuse_answer(g, ERR_LIMIT, "the response has too many findings");
	struct finding f = {
		.entity = entity, .score = (float)score, .start = start, .end = end
	};
	f.flags = (uint16_t)(g->r->source << FINDING_SOURCE_SHIFT);
	return ARENA_PUSH(g->a, g->v, g->n, g->room, 8, f) ? 0 : ERR_NOMEM;
}

static const struct recognizer_label *
label_of(const struct recognizer *r, const json_t *name)
{
	struct span s = span_of(json_string_value(name), json_string_length(name));

	for (size_t i = 0; i < r->nlabels; i++)
		if (span_is(s, r->labels[i].theirs))
			return &r->labels[i];
	return NULL;
}

/* Returns true if the label is `theirs`, in which a * at either end matches any text. */
static bool
label_fits(const char *theirs, struct span label)
{
	struct span t = span_str(theirs);
	bool before = t.n > 1 && t.p[0] == '*', after = t.n > 1 && t.p[t.n - 1] == '*';

	t = span_cut(t, before, t.n - after);
	if (before && after)
		return t.n == 0 || memmem(label.p, label.n, t.p, t.n) != NULL;
	return before ? span_ends(label, t) : after ? span_starts(label, t) : span_eq(label, t);
}

static bool
score_of(const json_t *v, double *score)
{
	*score = json_number_value(v);
	return json_is_number(v) && isfinite(*score) && *score >= 0.0 && *score <= 1.0;
}

static int
by_value(const void *a, const void *b)
{
	size_t x = **(size_t *const *)a, y = **(size_t *const *)b;

	return x < y ? -1 : x > y;
}

/* Converts the findings' code points to bytes, in one walk over the text. */
static int
to_bytes(struct reading *g)
{
	size_t **at = arena_array(g->a, 2 * g->n, sizeof(*at)), points = 0, byte = 0;

	if (g->n == 0)
		return 0;
	if (!at)
		return ERR_NOMEM;
	for (size_t i = 0; i < g->n; i++) {
		at[2 * i] = &g->v[i].start;
		at[2 * i + 1] = &g->v[i].end;
	}
	qsort(at, 2 * g->n, sizeof(*at), by_value);
	for (size_t i = 0; i < 2 * g->n; i++) {
		for (; points < *at[i] && byte < g->text.n; points++)
			do
				byte++;
			while (byte < g->text.n &&
				((unsigned char)g->text.p[byte] & 0xc0) == 0x80);
		if (points < *at[i])
			return refuse_answer(
				g, ERR_RANGE, "a finding ends after the end of its text");
		INVARIANT(byte <= g->text.n);
		*at[i] = byte;
	}
	return 0;
}

static int
by_entity(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->entity != y->entity)
		return x->entity < y->entity ? -1 : 1;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* Merges overlapping findings of one entity. */
static void
unite_findings(struct reading *g)
{
	size_t kept = 0;

	if (g->n == 0)
		return;
	qsort(g->v, g->n, sizeof(*g->v), by_entity);
	for (size_t i = 1; i < g->n; i++) {
		struct finding *last = &g->v[kept];
		const struct finding *f = &g->v[i];
		if (f->entity != last->entity || f->start >= last->end) {
			g->v[++kept] = *f;
			continue;
		}
		if (f->end > last->end)
			last->end = f->end;
		if (f->score > last->score)
			last->score = f->score;
	}
	INVARIANT(kept < g->n);
	g->n = kept + 1;
}

/* Reads Presidio's findings: [{"entity_type","start","end","score"},…]. */
static int
read_spans(struct reading *g, const json_t *list)
{
	int err = 0;

	if (!json_is_array(list))
		return refuse_answer(g, ERR_SYNTAX, "the response is not a list of findings");
	for (size_t i = 0; i < json_array_size(list) && !err; i++) {
		const json_t *o = json_array_get(list, i),
			     *type = json_object_get(o, "entity_type"),
			     *start = json_object_get(o, "start"),
			     *end = json_object_get(o, "end");
		double score;
		if (!json_is_string(type) || !json_is_integer(start) || !json_is_integer(end) ||
			!score_of(json_object_get(o, "score"), &score))
			return refuse_answer(g, ERR_SYNTAX,
				"a finding lacks entity_type, start, end or score");
		json_int_t from = json_integer_value(start), to = json_integer_value(end);
		if (from < 0 || to <= from)
			return refuse_answer(g, ERR_RANGE, "a finding ends before it begins");
		const struct recognizer_label *l = label_of(g->r, type);
		/* Findings of other entities are ignored, but their positions must still be
		 * valid. */
		if ((size_t)to > g->text.n)
			return refuse_answer(
				g, ERR_RANGE, "a finding ends after the end of its text");
		if (l && score >= g->r->score_threshold)
			err = add_finding(g, l->entity, score, (size_t)from, (size_t)to);
	}
	return err ? err : to_bytes(g);
}

/* Adds the findings of a label, or of a part of it. Returns 1 if a row of the map fits, 0 if none
 * does, or an error. */
static int
find_label(struct reading *g, struct span label, double score)
{
	bool known = false;
	int err = 0;

	for (size_t i = 0; i < g->r->nlabels && !err; i++) {
		const struct recognizer_label *l = &g->r->labels[i];
		if (!label_fits(l->theirs, label))
			continue;
		g->known = known = true;
		if (l->entity != LABEL_HARMLESS)
			err = add_finding(g, l->entity, score, 0, g->text.n);
	}
	return err ? err : known;
}

/* Notes a label that no row fits. `false` is none if `true` has a row. */
static void
note_unknown(struct reading *g, struct span label)
{
	bool negates = span_is(label, "false");

	for (size_t i = 0; i < g->r->nlabels && negates; i++)
		if (!strcmp(g->r->labels[i].theirs, "true"))
			return;
	if (!g->unknown.n)
		g->unknown = label;
}

/* Reads the text of a label. If no row fits, the text may be a list: models that write their
 * verdict, such as Llama Guard, answer with "unsafe", a line feed, and "S1,S14". */
static int
read_label_text(struct reading *g, struct span text, double score)
{
	text = span_trim(text, " \t\r\n");
	int known = find_label(g, text, score);
	bool all = known != 0;

	if (known)
		return known < 0 ? known : 0;
	for (size_t at = 0, end; at < text.n; at = end + 1) {
		for (end = at; end < text.n && text.p[end] != ',' && text.p[end] != '\n'; end++)
			continue;
		struct span part = span_trim(span_cut(text, at, end), " \t\r");
		if (part.n == text.n)
			break; /* no list */
		known = part.n ? find_label(g, part, score) : 1;
		if (known < 0)
			return known;
		if (!known)
			note_unknown(g, part);
		all = at == 0 ? known : all && known;
	}
	if (!all)
		note_unknown(g, text);
	return all || !g->r->closed
		       ? 0
		       : refuse_answer(g, ERR_RANGE, "the response has a label that is not in map");
}

/* Reads a boolean, a text, or a list of them. */
static int
read_label_value(struct reading *g, const json_t *v, double score)
{
	int err = 0;

	if (json_is_boolean(v))
		return read_label_text(
			g, json_is_true(v) ? SPAN_LIT("true") : SPAN_LIT("false"), score);
	if (json_is_string(v))
		return read_label_text(
			g, span_of(json_string_value(v), json_string_length(v)), score);
	if (!json_is_array(v))
		return refuse_answer(g, ERR_SYNTAX, "a label has no name");
	for (size_t i = 0; i < json_array_size(v) && !err; i++) {
		const json_t *one = json_array_get(v, i);
		err = json_is_array(one) ? refuse_answer(g, ERR_SYNTAX, "a label has no name")
					 : read_label_value(g, one, score);
	}
	return err;
}

/* A score is a number up to score_max, or a boolean. */
static bool
label_score(const struct recognizer *r, const json_t *v, double *score)
{
	double max = r->score_max > 0 ? r->score_max : 1.0;

	*score = json_is_true(v) ? 1.0 : json_number_value(v) / max;
	return json_is_boolean(v) || (json_is_number(v) && isfinite(*score) && *score >= 0.0 &&
					     *score <= 1.0);
}

static int
read_label(struct reading *g, json_t *o)
{
	const json_t *name = follow_pointer(o, g->r->label);
	double score = 1.0;
	int err = 0;

	if (!json_is_string(name) && !json_is_boolean(name) && !json_is_array(name))
		return refuse_answer(g, ERR_SYNTAX, "a label has no name");
	for (size_t i = 0; i < g->r->nothers && !err; i++)
		err = read_label_value(g, follow_pointer(o, g->r->others[i]), 1.0);
	if (err)
		return err;
	if (g->r->score && !label_score(g->r, follow_pointer(o, g->r->score), &score))
		return refuse_answer(
			g, ERR_SYNTAX, "a label has no score from 0 to the highest one");
	if (score >= g->r->score_threshold)
		return read_label_value(g, name, score);
	for (size_t i = 0; i < g->r->nlabels && !g->known && json_is_string(name); i++)
		g->known = label_fits(g->r->labels[i].theirs,
			span_trim(span_of(json_string_value(name), json_string_length(name)),
				" \t\r\n"));
	return 0;
}

static int
read_labels(struct reading *g, json_t *result)
{
	json_t *items = follow_pointer(result, g->r->items);
	int err = 0;

	if (json_is_object(items) || json_is_string(items) || json_is_boolean(items))
		return read_label(g, items);
	if (!json_is_array(items))
		return refuse_answer(g, ERR_SYNTAX, "the response has no list of labels");
	for (size_t i = 0; i < json_array_size(items) && !err; i++)
		err = read_label(g, json_array_get(items, i));
	return err;
}

/* Reads a moderation result: {"flagged","categories":{…},"category_scores":{…}}. */
static int
read_categories(struct reading *g, const json_t *o)
{
	const json_t *flagged = json_object_get(o, "flagged"),
		     *categories = json_object_get(o, "categories"),
		     *scores = json_object_get(o, "category_scores");
	bool by_score = g->r->score_threshold >= 0.0;
	int err = 0;

	if (!json_is_boolean(flagged) || !json_is_object(categories) ||
		(by_score && !json_is_object(scores)))
		return refuse_answer(
			g, ERR_SYNTAX, "a result lacks flagged, categories or category_scores");
	for (size_t i = 0; i < g->r->nlabels && !err; i++) {
		const struct recognizer_label *l = &g->r->labels[i];
		const json_t *said = json_object_get(categories, l->theirs),
			     *of = json_object_get(scores, l->theirs);
		double score = 1.0;
		if (!said && !of)
			continue; /* the model does not have this category */
		if ((said && !json_is_boolean(said) && !json_is_null(said)) ||
			(of && !json_is_null(of) && !score_of(of, &score)))
			return refuse_answer(
				g, ERR_SYNTAX, "a category has no verdict or score");
		if (by_score ? json_is_number(of) && score >= g->r->score_threshold
			     : json_is_true(said))
			err = add_finding(g, l->entity, score, 0, g->text.n);
	}
	if (!err && json_is_true(flagged) && g->r->flagged >= 0)
		err = add_finding(g, (uint16_t)g->r->flagged, 1.0, 0, g->text.n);
	return err;
}

static int
read_one(struct reading *g, json_t *part)
{
	int err = 0;

	switch (g->r->shape) {
	case SHAPE_PRESIDIO: err = read_spans(g, part); break;
	case SHAPE_JSON: err = read_labels(g, part); break;
	case SHAPE_MODERATION: err = read_categories(g, part); break;
	}
	if (err == 0)
		unite_findings(g);
	return err;
}

static int
read_all(const struct recognizer *r, json_t *root, const struct span *texts, size_t n,
	struct arena *a, struct findings *out, struct span *unknown, const char **why)
{
	json_t *list = root;
	bool listed = r->batch || r->shape == SHAPE_MODERATION;

	if (r->shape == SHAPE_MODERATION)
		list = json_object_get(root, "results");
	else if (r->shape == SHAPE_JSON && listed)
		list = follow_pointer(root, r->results);
	if (listed && (!json_is_array(list) || json_array_size(list) != n)) {
		*why = "the response does not have one result for each text";
		return ERR_SYNTAX;
	}
	for (size_t i = 0; i < n; i++) {
		struct reading g = { .r = r, .a = a, .text = texts[i] };
		int err = read_one(&g, listed ? json_array_get(list, i) : root);
		if (err) {
			*why = g.why;
			return err;
		}
		out[i] = (struct findings){ .v = g.v, .n = g.n };
		if (g.unknown.n && !(r->score && g.known) && unknown && !unknown->n)
			*unknown = arena_dup(a, g.unknown);
	}
	return 0;
}

int
recognizer_read(const struct recognizer *r, struct span answer, const struct span *texts,
	size_t n, struct arena *a, struct findings *out, struct span *unknown, const char **why)
{
	json_error_t ignored;
	json_t *root = json_loadb(answer.p ? answer.p : "", answer.n,
		JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &ignored);

	*why = "out of memory";
	if (unknown)
		*unknown = SPAN_LIT("");
	for (size_t i = 0; i < n; i++)
		out[i] = (struct findings){ 0 };
	if (!root) {
		*why = "not JSON";
		return ERR_SYNTAX;
	}
	int err = read_all(r, root, texts, n, a, out, unknown, why);
	json_decref(root);
	for (size_t i = 0; err && i < n; i++)
		out[i] = (struct findings){ 0 };
	return err;
}
