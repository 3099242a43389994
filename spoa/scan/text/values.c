/* Reads the values of a body that a dialect knows, besides texts: model, stream, caps, roles,
 * tools. */
#include "base/ascii.h"
#include "base/caps.h"
#include "base/err.h"
#include "base/push.h"
#include "scan/text/opaque.h"
#include "scan/text/walk.h"

/* Reads a count. Only digits are accepted (T_NUMBER); if the row allows strings, a string of
 * digits is too. */
static int
read_count(struct walk *w, const struct row *row, const struct json_event *ev, int64_t least,
	int64_t *out)
{
	struct span literal = span_cut(w->raw, ev->start, ev->end);
	uint64_t v;

	if ((row->flags & F_SIGNED) && span_take(&literal, '-') && span_u64(literal, &v) == 0) {
		*out = -1;
		return 0;
	}
	if (span_u64(span_cut(w->raw, ev->start, ev->end), &v) != 0)
		return walk_refuse_type(w, row, ev->start);
	if (v > INT64_MAX || (int64_t)v < least)
		return refuse(w->why, 400, "invalid_value", ev->start, "%s is out of range",
			row->path);
	*out = v || !(row->flags & F_ZERO) ? (int64_t)v : -1;
	return 0;
}

static enum seg_role
message_role(struct span role)
{
	static const struct {
		const char *name;
		enum seg_role role;
	} roles[] = {
		{ "system", ROLE_SYSTEM },
		{ "developer", ROLE_SYSTEM },
		{ "user", ROLE_USER },
		{ "assistant", ROLE_ASSISTANT },
		{ "tool", ROLE_TOOL_RESULT },
		{ "function", ROLE_TOOL_RESULT },
		{ "model", ROLE_ASSISTANT },
		{ "chatbot", ROLE_ASSISTANT },
	};

	for (size_t i = 0; i < COUNT_OF(roles); i++)
		if (span_ieq(role, span_str(roles[i].name)))
			return roles[i].role;
	return ROLE_OTHER;
}

/* Sets the role of an item that is no message by the suffix of its type. An item of unknown type
 * keeps its role, and its author is unknown. */
static void
item_role(struct walk *w, struct frame *f, struct span type)
{
	static const struct {
		const char *suffix;
		enum seg_role role;
	} types[] = {
		{ "model_output", ROLE_ASSISTANT }, /* Gemini's interactions */
		{ "user_input", ROLE_USER },
		{ "thought", ROLE_ASSISTANT },
		{ "_result", ROLE_TOOL_RESULT },
		{ "_output", ROLE_TOOL_RESULT },
		{ "_call", ROLE_TOOL_CALL },
		{ "function.result", ROLE_TOOL_RESULT },
		{ "function.call", ROLE_TOOL_CALL },
		{ "tool.execution", ROLE_TOOL_RESULT },
		{ "message.output", ROLE_ASSISTANT },
		{ "mcp_approval_request", ROLE_TOOL_CALL },
		{ "program", ROLE_TOOL_CALL },
		{ "mcp_list_tools", ROLE_TOOL_DEFINITION },
		{ "additional_tools", ROLE_TOOL_DEFINITION },
		{ "reasoning", ROLE_ASSISTANT },
		{ "compaction", ROLE_ASSISTANT },
	};

	static const char *const messages[] = { "message", "message.input", "item_reference" };

	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (span_ends(type, span_str(types[i].suffix))) {
			f->role = types[i].role;
			return;
		}
	f->item = !SPAN_IN(type, messages) && !walk_part_row(w->t->parts, type);
}

/* Counts token ids that no detector can read. */
static int
count_tokens(struct walk *w, const struct json_event *ev)
{
	struct unread *u = &w->out->unread;

	if (!w->tokens && opaque_note(u, w->a, "unknown", 0))
		return walk_no_memory(w);
	w->tokens = true;
	u->bytes += ev->end - ev->start;
	return 0;
}

/* Counts a token id. The first one adds a segment for the whole list; if the id is a long number
 * and has a segment already, the list's segment is placed before it. */
static int
add_id(struct walk *w, const struct row *row, const struct json_event *ev)
{
	struct frame *f = &w->frames[w->depth];
	struct body *b = w->out;

	if (!f->ids) {
		bool is_long = number_is_long(span_cut(w->raw, ev->start, ev->end));
		struct segment *s = w->segs.n < CAP_SEGMENTS ? seglist_add(&w->segs) : NULL;
		if (!s)
			return walk_no_memory(w);
		INVARIANT(!is_long || w->segs.n > 1); /* a long number has a segment already */
		if (is_long) {
			*s = s[-1];
			s--;
		}
		*s = (struct segment){ .role = row->role,
			.form = SEG_TOKENS,
			.key = f->key,
			.start = (uint32_t)f->start,
			.end = (uint32_t)f->start + 1,
			.text = SPAN_LIT("") };
		f->ids = (uint32_t)(s - w->segs.v) + 1;
		b->nids++;
	}
	b->ids_bytes += ev->end - ev->start;
	return 0;
}

struct request_mark *
walk_request(struct walk *w)
{
	struct body_marks *m = &w->out->marks;

	return m->nrequests ? &m->request[m->nrequests - 1] : NULL;
}

bool
walk_is_request(const struct walk *w, const struct frame *f)
{
	if (!w->t->batch)
		return f == &w->frames[1] && f->object && w->t->rows;
	return f->object && f->row && f->row->read == READ_REQUEST;
}

int
walk_begin_request(struct walk *w, size_t top)
{
	struct body_marks *m = &w->out->marks;
	struct request_mark mark = { .table = w->t->inner ? w->t->inner : w->t, .top = top };

	return ARENA_PUSH(w->a, m->request, m->nrequests, w->requests_room, 1, mark)
		       ? 0
		       : walk_no_memory(w);
}

static int
add_model(struct walk *w, const struct json_event *ev, struct span text)
{
	struct body_marks *m = &w->out->marks;
	bool null = ev->tok != JSON_STRING;
	struct model_mark mark = { ev->start, ev->end, null ? SPAN_LIT("") : text, null,
		SEG_JSON };

	if (!ARENA_PUSH(w->a, m->model, m->nmodels, w->models_room, 1, mark))
		return walk_no_memory(w);
	if (!w->out->model.p && !null)
		w->out->model = text;
	struct request_mark *q = walk_request(w);
	if (q)
		q->named = true;
	return 0;
}

static int
add_cap(struct walk *w, const struct row *row, const struct json_event *ev)
{
	struct body_marks *m = &w->out->marks;
	int64_t count = -1;

	if (ev->tok != JSON_NULL && read_count(w, row, ev, 0, &count))
		return ERR_SYNTAX;
	struct cap_mark mark = { ev->start, ev->end, count, ev->tok == JSON_NULL,
		(uint32_t)(m->nrequests ? m->nrequests - 1 : 0) };
	if (!ARENA_PUSH(w->a, m->cap, m->ncaps, w->caps_room, 2, mark))
		return walk_no_memory(w);
	struct request_mark *q = walk_request(w);
	if (q)
		q->capped = true;
	if (count > w->out->output_cap_tokens)
		w->out->output_cap_tokens = count;
	return 0;
}

/* Keeps the larger of two members (n, best_of). */
static int
add_choices(struct walk *w, const struct row *row, const struct json_event *ev)
{
	int64_t n = 1;

	if (read_count(w, row, ev, 1, &n))
		return ERR_SYNTAX;
	if (n > w->out->choices)
		w->out->choices = n;
	return 0;
}

int
walk_value(struct walk *w, const struct row *row, const struct json_event *ev, struct span text)
{
	struct body *b = w->out;
	struct frame *f = &w->frames[w->depth];
	struct body_marks *m = &b->marks;
	struct request_mark *q;

	if (ev->tok == JSON_NULL && row->read >= READ_ROLE)
		return 0;
	switch (row->read) {
	case READ_MODEL: return add_model(w, ev, text);
	case READ_STREAM:
		b->stream = ev->tok == JSON_TRUE || (ev->tok == JSON_NULL && w->t->streams);
		return 0;
	case READ_OPTIONS: /* null; an object is recorded by push() and pop() */
		m->options = ev->start;
		m->options_end = ev->end;
		m->options_null = true;
		return 0;
	case READ_INCLUDE_USAGE:
		b->wants_usage = ev->tok == JSON_TRUE;
		m->include = ev->start;
		m->include_end = ev->end;
		return 0;
	case READ_CAP: return add_cap(w, row, ev);
	case READ_CAP_HOLDER: /* null */
		if ((q = walk_request(w))) {
			q->holder = ev->start;
			q->holder_end = ev->end;
			q->holder_null = true;
		}
		return 0;
	case READ_CHOICES: return ev->tok == JSON_NULL ? 0 : add_choices(w, row, ev);
	case READ_ROLE:
		f->role = message_role(text);
		f->spoken = true;
		return 0;
	case READ_SOURCE_TEXT:
		while (f > w->frames && !f->part)
			f--;
		f->source = SPAN_LIT("text");
		return 0;
	case READ_IMAGE: return ev->tok == JSON_STRING ? walk_image(w) : 0;
	case READ_SOURCE_TYPE:
		INVARIANT(w->depth > 0);
		w->frames[w->depth - 1].source = text;
		return 0;
	case READ_ITEM_TYPE: item_role(w, f, text); return 0;
	case READ_PROMPT:
		b->prompts += ev->tok != JSON_NUMBER;
		/* fall through */
	case READ_IDS: return ev->tok == JSON_NUMBER ? add_id(w, row, ev) : 0;
	case READ_TOKENS: return ev->tok == JSON_NUMBER ? count_tokens(w, ev) : 0;
	case READ_TOOL:
		return ARENA_PUSH(w->a, b->tools, b->ntools, w->tools_room, 8, text)
			       ? 0
			       : walk_no_memory(w);
	case READ_THREAD:
		if (ev->tok == JSON_STRING && b->thread != THREAD_CONTINUE)
			b->thread = span_is(text, "continue") ? THREAD_CONTINUE : THREAD_CREATE;
		return 0;
	case READ_THREAD_AFTER:
		if (ev->tok != JSON_STRING)
			return 0;
		b->thread = THREAD_CONTINUE;
		b->thread_after = text;
		return 0;
	default: return 0;
	}
}
