/* The turns of a conversation. Reads the parts of a turn, as the table of a form describes
 * them: text, data, calls and what is inside of them. request.c reads what surrounds the turns.
 *
 * Also orders the turns as the target's form expects them (question_order()). A result must
 * follow its call, since providers refuse other results or take them for text. */
#include "answer/translate/request_private.h"
#include "base/ascii.h"

/* ---- parts ---- */

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
	p->cache = question_cached_at(q, of);
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

/* ---- the order of turns ---- */

/* Returns true if the text is only spaces, possibly as escapes. Providers refuse such a
 * text. */
static bool
is_blank_text(struct span written)
{
	for (size_t i = 0; i < written.n; i++)
		if (written.p[i] == '\\' && i + 1 < written.n &&
			strchr("nrt", written.p[i + 1]))
			i++;
		else if (written.p[i] != ' ')
			return false;
	return true;
}

/* Writes a text document's title as a text before it, if the form has no titles. */
static void
put_title_before(struct question *q, struct part **p)
{
	struct part *title = arena_new(q->a, struct part);

	if (!title)
		return;
	*title = (struct part){
		.kind = PART_TEXT, .at = (*p)->at, .text = (*p)->text, .next = *p
	};
	(*p)->text = SPAN_LIT("");
	*p = title;
}

/* Removes such texts, and reasoning of another provider, which the target did not sign. Returns
 * the end of the list. */
static struct part **
cut_parts(struct question *q, struct part **p)
{
	struct part *kept = NULL;

	while (*p) {
		if ((*p)->cache && !q->into->caches)
			question_dropped(q, q->form->cached);
		if ((*p)->plain && (*p)->text.n && !q->into->titles)
			put_title_before(q, p);
		bool text = (*p)->kind == PART_TEXT || (*p)->kind == PART_REFUSAL;
		bool reasoning = (*p)->kind == PART_REASONING;
		if (reasoning)
			question_dropped(q, "reasoning");
		cut_parts(q, &(*p)->parts);
		if (reasoning || (text && is_blank_text((*p)->text))) {
			if (kept && (*p)->cache)
				kept->cache = (*p)->cache;
			*p = (*p)->next;
		} else {
			kept = *p;
			p = &(*p)->next;
		}
	}
	return p;
}

/* Moves a system text that is not the first turn before all turns, if the route drops its
 * role. */
static void
lift_system(struct question *q, struct turn **at)
{
	struct turn *t = *at, *first = q->turns;

	question_refuse(q, tree_member(t->at, "role"),
		"the target accepts system messages only at the beginning");
	*at = t->next;
	if (first->role == TURN_SYSTEM) {
		*first->end = t->first;
		first->end = t->end;
	} else {
		t->next = first;
		q->turns = t;
	}
}

/* Removes turns without parts, and joins adjacent turns of one role. */
static void
merge_turns(struct question *q, const struct request_form *to)
{
	struct turn **t = &q->turns, *last = NULL;

	while (*t && !q->err) {
		struct turn *now = *t;
		now->end = cut_parts(q, &now->first);
		bool too_early = to->apart && now->first && now->role == TURN_ASSISTANT &&
				 (!last || last->role == TURN_SYSTEM);
		if (too_early)
			question_refuse(q, now->at, "the first message is not from the user");
		if (!now->first || too_early) {
			*t = now->next;
		} else if (to->apart && now->role == TURN_SYSTEM && last &&
			   last->role != TURN_SYSTEM) {
			lift_system(q, t);
		} else if (last && last->role == now->role) {
			*last->end = now->first;
			last->end = now->end;
			*t = now->next;
		} else {
			last = now;
			t = &now->next;
		}
	}
}

/* Returns the turn's call with this id, searched from `from` on. */
static struct part *
call_of_id(struct part *first, struct part *from, struct span id)
{
	for (struct part *p = from; p; p = p->next)
		if (p->kind == PART_CALL && span_eq(p->id, id))
			return p;
	for (struct part *p = first; p != from; p = p->next)
		if (p->kind == PART_CALL && span_eq(p->id, id))
			return p;
	return NULL;
}

static void
check_calls(struct question *q, struct turn *t)
{
	size_t calls = 0;

	for (struct part *p = t->first; p && !q->err; p = p->next) {
		if (p->kind != PART_CALL)
			continue;
		if (++calls > TURN_CALLS)
			question_refuse(q, p->at, "the message has too many tool calls");
		else if (call_of_id(t->first, p, p->id) != p ||
			 (p->next && call_of_id(p->next, p->next, p->id)))
			question_odd(
				q, p->at, "another tool call of this message has the same id");
	}
}

/* Puts the results of the calls in `of` first, in the order of the calls. */
static void
match_results(struct question *q, struct turn *t, struct turn *of)
{
	struct part *results = NULL, **end = &results, **p = &t->first,
		    *from = of ? of->first : NULL;

	while (*p && !q->err) {
		struct part *r = *p;
		if (r->kind != PART_RESULT) {
			p = &r->next;
			continue;
		}
		struct part *call = of ? of->first : NULL;
		/* results without an id belong to the calls with their name, in order */
		if (call && (r->id.n || !r->name.n))
			call = call_of_id(of->first, from, r->id);
		else
			while (call && (call->kind != PART_CALL || call->answered ||
					       !span_eq(call->name, r->name)))
				call = call->next;
		if (!call || call->answered) {
			question_odd(q, r->at,
				call ? "the tool call already has a result"
				     : "no tool call in the previous message has this id");
			return;
		}
		call->answered = true;
		r->id = call->id;
		r->name = call->name;
		r->custom = call->custom;
		from = call->next;
		*p = r->next;
		*end = r;
		end = &r->next;
	}
	*end = t->first;
	t->first = results;
}

void
question_order(struct question *q, const struct request_form *to)
{
	struct turn *before = NULL;

	merge_turns(q, to);
	for (struct turn *t = q->turns; t && !q->err; t = t->next) {
		if (t->role == TURN_ASSISTANT)
			check_calls(q, t);
		for (struct part *p = t->first; p && !q->err; p = p->next)
			if ((p->kind == PART_CALL && t->role != TURN_ASSISTANT) ||
				(p->kind == PART_RESULT && t->role != TURN_USER))
				question_odd(q, p->at,
					"a message with this role cannot have a part of this "
					"type");
		if (t->role == TURN_USER && !q->err)
			match_results(
				q, t, before && before->role == TURN_ASSISTANT ? before : NULL);
		before = t;
	}
	if (!q->err && !q->turns)
		question_odd(q, q->tree.root, "no message has content");
}
