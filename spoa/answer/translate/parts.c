/* The parts of a turn, as the table of a form describes them: text, data, calls and what is
 * inside of them. request.c reads what surrounds the turns, and turns.c orders them. */
#include "answer/translate/request_private.h"
#include "base/ascii.h"

struct part *
turn_part(struct question *q, struct turn *t, enum part_kind kind, const struct node *at)
{
	struct part *p = arena_new(q->a, struct part);

	if (!p)
		return NULL;
	*p = (struct part){ .kind = kind, .at = at };
	*t->end = p;
	t->end = &p->next;
	return p;
}

/* Returns the data in the standard alphabet of base64, with padding, which every form accepts.
 * Google's SDK for Python writes the alphabet for URLs, and some clients omit the padding. */
static struct span
standard_base64(struct question *q, struct span data)
{
	static const char *const padding[] = { "", "", "==", "=" };
	bool of_urls = span_chr(data, '-') < data.n || span_chr(data, '_') < data.n;

	if (!of_urls && data.n % 4 == 0)
		return data;
	struct span own = arena_printf(q->a, "%.*s%s", SPAN_ARG(data), padding[data.n % 4]);
	for (char *c = (char *)own.p; c && c < own.p + own.n; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	return own;
}

/* Returns the data of a member. Invalid base64 stays as it is written, and the target refuses
 * it. */
static struct span
node_base64(struct question *q, const struct node *n)
{
	struct span written = node_written(n), text = node_text(n);

	return text.n && span_is_alnum(text, "+/=-_") ? standard_base64(q, text) : written;
}

/* Reads data:image/png;base64,… as media type and data. Another URI is an image's address. */
static void
read_part_uri(struct question *q, struct part *p, const struct node *uri)
{
	struct span s = node_text(uri), rest = span_cut(s, strlen("data:"), s.n);
	struct span head = span_next(&rest, ',');

	if (span_istarts(s, SPAN_LIT("data:"))) {
		/* the rest is written unchanged */
		if (!span_ends(head, SPAN_LIT(";base64")) || !span_is_alnum(rest, "+/=-_"))
			question_odd(q, uri, "is not a data: URI in base64");
		p->media = span_next(&head, ';');
		p->data = standard_base64(q, rest);
	} else if (p->kind == PART_IMAGE) {
		p->url = node_written(uri);
	} else if (question_refuse(q, uri, "is not a data: URI in base64")) {
		part_goes(p);
	}
}

/* Reads arguments: an object, or a string with one. */
static void
read_arguments(struct question *q, struct part *call, const struct node *n)
{
	call->json = n && n->tok == JSON_OBJECT ? tree_raw(n->of, n)
						: span_trim(node_text(n), " \t\r\n");
	struct tree t;
	int err = call->json.n && n->tok != JSON_OBJECT ? tree_read(&t, q->a, call->json) : 0;
	if (!call->json.n) {
		call->json = SPAN_LIT("{}");
	} else if (n->tok != JSON_OBJECT && (err || t.root->tok != JSON_OBJECT)) {
		/* a model may write such arguments, and later turns have to send them, so they
		 * become one string */
		call->json = arena_printf(
			q->a, "{\"arguments\":\"%.*s\"}", SPAN_ARG(node_written(n)));
		question_left_out(q, n);
	}
}

/* Returns the row of the part's type; the last row, without a kind, if no row has it. */
static const struct part_row *
part_row_of(const struct part_set *set, const struct node *of, const struct node *type)
{
	const struct part_row *row = set->rows;

	for (; row->kind; row++) {
		const struct node *has_it = set->typed ? NULL : tree_member(of, row->is);
		if (set->typed ? node_is(type, row->is) : has_it && has_it->tok != JSON_NULL)
			break;
	}
	return row;
}

/* Takes the members that the row names into `has`, and notes those that it does not name. */
static void
take_part_members(struct question *q, const struct part_set *set, const struct part_row *row,
	struct node *const *m, struct node **has)
{
	unsigned may = 1;

	for (int i = 0; i < PART_HAS; i++) {
		may |= 1u << row->has[i];
		has[i] = row->has[i] ? m[row->has[i]] : NULL;
	}
	for (const struct member *i = set->members; i->name; i++)
		if (m[i->to] && !(may >> i->to & 1))
			question_odd(q, m[i->to], "a part of this type cannot have this field");
}

static void
read_part_members(struct part *p, struct node *const *has)
{
	p->text = node_written(has[HAS_TEXT]);
	p->media = node_text(has[HAS_MEDIA]);
	p->id = node_text(has[HAS_ID]);
	p->name = node_text(has[HAS_NAME]);
	if (has[HAS_DATA])
		p->data = node_written(has[HAS_DATA]);
	p->plain = has[HAS_PLAIN] && !p->data.p;
	if (p->plain)
		p->data = node_written(has[HAS_PLAIN]);
	if (has[HAS_URL])
		p->url = node_written(has[HAS_URL]);
}

/* Checks that a part has the contents of its type. `in`: the member that should have the
 * data. */
static void
check_part_data(struct question *q, struct part *p, const struct part_row *row,
	struct node *const *has, const struct node *of, const struct node *in)
{
	bool data = p->data.p || p->url.p;

	if (p->kind == PART_IMAGE && !data)
		question_odd(q, in, "the data is missing");
	else if ((p->kind == PART_FILE || p->kind == PART_AUDIO) && !data &&
		 question_refuse(q, in, question_nowhere))
		part_goes(p);
	else if (row->has[HAS_TEXT] && !has[HAS_TEXT] &&
		 (p->kind == PART_TEXT || p->kind == PART_REFUSAL))
		question_odd(q, of, "the content is missing");
}

struct part *
question_part(
	struct question *q, struct turn *t, const struct node *of, const struct part_set *set)
{
	struct node *m[REQUEST_MEMBERS], *has[PART_HAS], *type = tree_member(of, "type");
	const struct part_row *row = part_row_of(set, of, type);

	if (!row->kind && set->typed && type) {
		if (!question_may_go(q, of))
			question_refuse(q, type, question_nowhere);
		return NULL;
	}
	if (!question_members(q, of, set->members, m))
		return NULL;
	if (!row->kind)
		question_odd(q, of, "the type is unknown");
	take_part_members(q, set, row, m, has);
	const struct node *in = has[HAS_IN] ? has[HAS_IN] : of;
	struct part *p = turn_part(q, t, row->kind, has[HAS_AT] ? has[HAS_AT] : in);
	if (!p)
		return NULL;
	struct turn inner = { .at = of, .end = &p->parts };
	read_part_members(p, has);
	if (has[HAS_URI])
		read_part_uri(q, p, has[HAS_URI]);
	else
		check_part_data(q, p, row, has, of, in);
	if (p->kind == PART_CALL)
		read_arguments(q, p, has[HAS_JSON]);
	turn_content(q, &inner, has[HAS_CONTENT]);
	if (!q->err && q->form->read_part)
		q->form->read_part(q, p, m);
	if (has[HAS_DATA] && !p->plain)
		p->data = node_base64(q, has[HAS_DATA]);
	return p;
}

void
turn_content(struct question *q, struct turn *t, const struct node *content)
{
	if (!t)
		return;
	if (content && content->tok == JSON_STRING) {
		struct part *p = turn_part(q, t, PART_TEXT, content);
		if (p)
			p->text = node_written(content);
	}
	for (struct node *n = tree_elements(content); n && !q->err; n = n->next)
		question_part(q, t, n, &q->form->parts);
}
