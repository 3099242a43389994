/* Reads policies/questions.yaml: for each language, groups of openings that ask the same thing,
 * and the phrases that may be before and behind a question. Errors are reported with file, line
 * and column. */
#include "policy/questions.h"

#include <string.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "policy/config/read.h"
#include "policy/courtesy.h"

/* State of one load. Lives on the stack of questions_load(). */
struct question_reading {
	struct arena *a;
	struct diag *d;
	struct question_form *forms;
	size_t nforms;
	const struct question_phrase *leads, *closings;
	size_t nleads, nclosings;
};

/* Returns the length of a character that only separates tokens; 0 for any other. */
static size_t
separator_at(struct span s, size_t at)
{
	size_t n = utf8_step(s, at);
	uint32_t cp = utf8_value(s.p + at, n);

	return cp == ' ' || cp == '\'' || cp == 0x2018 || cp == 0x2019 || cp == 0xA0 ||
			       cp == 0x202F
		       ? n
		       : 0;
}

size_t
question_token(struct span s, size_t *at)
{
	size_t n;

	while (*at < s.n && (n = separator_at(s, *at)))
		*at += n;
	if (*at >= s.n)
		return 0;
	size_t end = courtesy_past_word(s, *at);
	return end > *at ? end : *at + utf8_step(s, *at);
}

/* Reads the tokens of a part or phrase. Returns false after an error. */
static bool
read_tokens(struct question_reading *r, const struct yaml_node *n, struct span s,
	struct question_phrase *out)
{
	char text[2 * QUESTION_BYTES + 16], lower[COURTESY_BYTES + 8];
	size_t end, used = 0;

	for (size_t at = 0; s.n <= QUESTION_BYTES && (end = question_token(s, &at)); at = end) {
		struct span w = courtesy_lower(span_cut(s, at, end), lower);
		if (w.n > COURTESY_BYTES || used + w.n + 1 > sizeof(text))
			break;
		memcpy(text + used, w.p, w.n);
		used += w.n;
		text[used++] = ' ';
		out->n++;
	}
	if (used == 0) {
		diag_at(r->d, n, "%s: words of at most %d bytes are expected", n->s.p,
			QUESTION_BYTES);
		return false;
	}
	out->tokens = arena_dup(r->a, span_of(text, used));
	return true;
}

static bool
same_form(const struct question_form *x, const struct question_form *y)
{
	bool same = true;

	for (size_t i = 0; i < QUESTION_PARTS; i++)
		same &= span_eq(x->part[i].tokens, y->part[i].tokens);
	return same;
}

/* form = part [ "*" [ part [ "*" [ part ] ] ] ]
 *
 * A last part without a star behind it ends the question. */
static void
read_form(struct question_reading *r, const struct yaml_node *n, const char *group)
{
	struct question_form f = { .group = group };
	struct span left = n->s;
	size_t i = 0;

	for (;; i++) {
		size_t star = span_chr(left, '*');
		struct span part = span_trim(span_cut(left, 0, star), " ");
		bool last = star == left.n;
		size_t to = last && i > 0 ? QUESTION_PARTS - 1 : i;
		if (to == QUESTION_PARTS - 1 && !last) {
			diag_at(r->d, n, "%s: at most two * are expected", n->s.p);
			return;
		}
		if (part.n || !last)
			if (!read_tokens(r, n, part, &f.part[to]))
				return;
		if (last)
			break;
		left = span_cut(left, star + 1, left.n);
	}
	for (size_t k = 0; k < r->nforms; k++)
		if (same_form(&r->forms[k], &f))
			diag_at(r->d, n, "%s: is already in the group of %s: remove one of the two",
				n->s.p, r->forms[k].group);
	r->forms[r->nforms++] = f;
}

/* Reads the groups of one language. The forms of all languages are one array. */
static void
read_question_groups(struct question_reading *r, const struct yaml_node *n)
{
	size_t more = 0;

	if (!n || !read_list(r->d, n, "questions"))
		return;
	for (const struct yaml_node *g = n->child; g; g = g->next)
		more += g->kind == YAML_SEQUENCE ? g->count : 1;
	struct question_form *v =
		read_array(r->a, r->d, n, r->nforms + more + 1, sizeof(*v));
	if (!v)
		return;
	if (r->nforms)
		memcpy(v, r->forms, r->nforms * sizeof(*v));
	r->forms = v;
	for (const struct yaml_node *g = n->child; g; g = g->next) {
		const char **texts;
		size_t count;
		if (!read_texts(r->a, r->d, g, "a group", &texts, &count))
			continue;
		for (const struct yaml_node *c = yaml_first(g); c; c = yaml_next(g, c))
			read_form(r, c, texts[0]);
	}
}

static void
read_question_phrases(struct question_reading *r, const struct yaml_node *n,
	const struct question_phrase **out, size_t *count)
{
	struct question_phrase *v;

	if (!n || !read_texts(r->a, r->d, n, NULL, NULL, NULL) ||
		!(v = read_array(r->a, r->d, n, n->count + 1 + *count, sizeof(*v))))
		return;
	if (*count)
		memcpy(v, *out, *count * sizeof(*v));
	*out = v;
	for (const struct yaml_node *c = yaml_first(n); c; c = yaml_next(n, c)) {
		struct question_phrase p = { .n = 0 };
		if (read_tokens(r, c, c->s, &p))
			v[(*count)++] = p;
	}
}

const struct questions *
questions_load(struct arena *a, struct span text, struct diag *d)
{
	static const char *const keys[] = { "leads", "closings", "questions", NULL };
	const struct questions_file *own = &questions_builtin[0];
	unsigned errors = d->errors;
	const struct yaml_node *tree =
		yaml_load(a, own->name, text.n ? text : span_of(own->text, own->n), d);
	struct questions *q = arena_new(a, struct questions);
	struct question_reading r = { .a = a, .d = d };

	if (!tree || !q || !read_map(d, tree, "questions", NULL, NULL))
		return NULL;
	for (const struct yaml_node *n = tree->child; n; n = n->next) {
		if (!read_map(d, n, n->key->s.p, keys, NULL))
			continue;
		read_question_phrases(&r, yaml_get(n, "leads"), &r.leads, &r.nleads);
		read_question_phrases(&r, yaml_get(n, "closings"), &r.closings, &r.nclosings);
		read_question_groups(&r, read_needed(d, n, n->key, n->key->s.p, "questions"));
	}
	*q = (struct questions){ r.forms, r.nforms, r.leads, r.closings, r.nleads, r.nclosings };
	return d->errors == errors && !arena_failed(a) ? q : NULL;
}
