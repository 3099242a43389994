/* Orders turns as the target's form expects them. A result must follow its call, since
 * providers refuse other results or take them for text. */
#include "answer/translate/request_private.h"
#include "base/ascii.h"

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
		if ((*p)->cache && !q->into->cached)
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
