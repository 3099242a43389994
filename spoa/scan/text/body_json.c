/* Reads a JSON body as segments.
 *
 * The walk descends the tree of the dialect's rows together with the document. Strings without a
 * row become segments with ROLE_OTHER. A message's "role" or a part's "type" may come after the
 * members that depend on it, so both are applied when the object ends (pop()).
 *
 * States: frames[0] is around the document, frames[depth] is the innermost open object or list.
 * json_next() drives the walk: a key sets the frame's current member, an opening bracket pushes
 * a frame, a closing bracket pops it, and a scalar is read at once.
 *
 * The sections before the walk are its steps. They track the turns of the model and the blocks
 * that its provider signed, handle the parts that cannot be inspected (images, audio, files), and
 * read the values that a dialect knows besides texts (model, stream, caps, roles, tools). */
#include <stdio.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/push.h"
#include "scan/text/model_names.h"
#include "scan/text/opaque.h"
#include "scan/text/table.h"

enum {
	WALK_FRACTIONS = 16, /* numbers with long fractions that make a body one of measurements */
	/* initial room of arrays */
	WALK_FEW = 16,
	WALK_SEALS = 2, /* sealed strings per object */
};

/* The blocks found so far, in the request's arena. */
struct reasoning {
	struct signed_block *v;
	size_t n, room;
	/* number of the current turn */
	uint32_t turn;
	bool calls; /* the model's last message in the turn calls tools */
};

/* The facts known about an object or list while the walk is inside it. */
struct reasoning_frame {
	const struct seal_row *signs; /* not NULL: the object is a signed block */
	bool list;		      /* a list of messages */
	bool message, inside;	      /* the object is a message; the object is inside a message */
	bool called, answered;	      /* the object contains a tool call; a tool result */
	struct span role;	      /* the message's role; p NULL: none yet */
};

/* One object or list that the walk is inside of. The array is in the request's arena; its depth
 * is limited by CAP_JSON_DEPTH. */
struct frame {
	const struct node *node; /* NULL: the dialect knows nothing below */
	const struct row *row;	 /* the row of this object or list itself; NULL: none */
	enum seg_role deep;	 /* role of strings that no row gives a role */
	/* an object, not a list; a message; a content part */
	bool object, message, part;
	bool item, spoken; /* an item of a conversation with unknown type; it has a "role" */
	bool anyone;	   /* the author of the content is unknown */
	bool no_models;	   /* no member names a model because of its key */
	bool told;	   /* a model was named in it */
	bool schema;	   /* inside a schema: its keywords hold no model names */
	enum name_kind idents; /* which strings and keys in it are identifiers */
	bool enumerated;       /* a schema that lists the permitted values */
	uint32_t fallback;     /* of a schema: index + 1 of the segment of its default; 0: none */
	uint32_t speaker;      /* of a message: the same of the speaker's name */
	uint32_t own_name;     /* of a tool: the same of its name */
	uint32_t schema_title; /* of a tool: the same of the title of its schema */
	uint32_t ids; /* index + 1 of the segment of the token ids that this list holds; 0: none */
	enum model_key names; /* the meaning of its own key, if its strings name models */
	uint32_t first;	      /* index of the first segment inside */
	uint32_t key;	      /* index of the segment that names this object or list */
	/* offset of its opening bracket */
	size_t start;
	size_t refs, contents;	      /* the walk's counters at its beginning */
	struct span type, source;     /* of a part: its type and the type of its source; type.p
				       * NULL: none */
	const struct part_row *keyed; /* the row found by a key of the part; NULL: none */
	uint64_t seen;		      /* members seen that have two spellings: a bit for each
				       * node */
	enum seg_role role;	      /* of a message */
	struct seal {
		uint32_t segment;
		const struct seal_row *row;
	} seal[WALK_SEALS];
	unsigned nseals;
	struct reasoning_frame said; /* state for the signed blocks */
	struct run_open run; /* of a list of parts: the run of its texts */
	bool lists;	     /* of a part: it has a list of parts of its own */
	/* The member that is being read. */
	const struct node *member;
	struct span name;
	uint32_t member_key;
};

/* The state of one walk, in the request's arena. frames[depth] is the innermost object or list. */
struct walk {
	const struct table *t;
	struct span raw;
	struct arena *a;
	struct body *out;
	struct body_refusal *why;
	struct seglist segs;
	size_t tools_room, params_room, frames_room, refs_room, models_room, caps_room,
		requests_room;
	struct run_rooms runs_room;
	size_t refs;	 /* references found so far */
	size_t contents; /* strings found where a part holds its own data */
	struct reasoning reasoning;
	uint32_t fraction[WALK_FRACTIONS]; /* indices of the segments of numbers with long
					    * fractions */
	unsigned nfractions;
	bool tokens;	      /* a number of READ_TOKENS was counted */
	struct frame *frames; /* frames[0] is around the document */
	unsigned depth;
};

/* ---- refusals ---- */

/* Fills in w->why and returns the error. */
static int
walk_no_memory(struct walk *w)
{
	return refuse_room(w->why, "the body has too many parts to be read");
}

static int
refuse_json(struct walk *w, const struct json *j)
{
	const char *what;
	size_t at;
	int err = json_error(j, &what, &at);

	if (err == ERR_NOMEM)
		return walk_no_memory(w);
	bool limit = err == ERR_LIMIT;
	refuse(w->why, limit ? 413 : 400,
		limit		       ? "request_too_complex"
		: err == ERR_DUPLICATE ? "duplicate_key"
		: err == ERR_ENCODING  ? "invalid_encoding"
				       : "invalid_json",
		at, "the body is not strict JSON: %s", what);
	return err;
}

/* Fills in w->why and returns the error. */
static int
walk_refuse_type(struct walk *w, const struct row *row, size_t at)
{
	static const char *const names[] = { "a string", "a number", "a boolean", "null",
		"an object", "an array" };
	char list[80] = "";
	size_t n = 0;

	for (unsigned i = 0, left = row->types; left; left &= ~(1u << i++)) {
		if (!(left & 1u << i))
			continue;
		const char *glue = n == 0 ? "" : left == 1u << i ? " or " : ", ";
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", glue,
			1u << i == T_NUMBER ? "an integer of zero or more" : names[i]);
	}
	const char *path = row->path + (row->path[0] == '.');
	return refuse(w->why, 400, "invalid_type", at, "%s must be %s", path, list);
}

struct segment *
seglist_add(struct seglist *l)
{
	struct segment *v = arena_grow(l->a, l->v, l->n, &l->room, sizeof(*v), 64);

	if (!v)
		return NULL;
	l->v = v;
	return &l->v[l->n++];
}

/* ---- signed blocks of reasoning ----
 *
 * Finds signed blocks of reasoning in a body of messages, and the turn of the model that each
 * block belongs to. A turn consists of the model's messages and the results of its tool calls
 * between them. A user's message that is no tool result ends the turn. */

/* Returns the state for an object or list that opens inside `around`. `name` is the key of the
 * object or list, or the key of the list around it. */
static struct reasoning_frame
reasoning_open(const struct reasoning_frame *around, bool object, bool around_is_list,
	struct span name)
{
	static const char *const lists[] = { "messages", "contents" };
	struct reasoning_frame f = { .inside = around->inside || around->message };

	f.message = object && around_is_list && !f.inside && SPAN_IN(name, lists);
	return f;
}

/* Records a key of the object, and a string member of it. */
static void
reasoning_key(struct reasoning_frame *f, struct span key)
{
	static const char *const calls[] = { "tool_calls", "toolUse", "functionCall",
		"function_call" };
	static const char *const answers[] = { "toolResult", "functionResponse" };

	if (!(f->inside || f->message) || !key.n || (key.p[0] != 't' && key.p[0] != 'f'))
		return;
	f->called |= SPAN_IN(key, calls);
	f->answered |= SPAN_IN(key, answers);
}

static void
reasoning_string(struct reasoning_frame *f, struct span name, struct span text)
{
	if (f->message && span_is(name, "role"))
		f->role = text;
	if (f->inside && span_is(name, "type")) {
		f->called |= span_ends(text, SPAN_LIT("tool_use"));
		f->answered |= span_is(text, "tool_result");
	}
}

/* Updates the turn at the end of a message: the model's message continues it, and a user's
 * message that is no tool result ends it. */
static void
message_end(struct reasoning *r, const struct reasoning_frame *f)
{
	static const char *const models[] = { "assistant", "model" };

	if (SPAN_IN(f->role, models)) {
		r->calls = f->called;
	} else if (span_is(f->role, "user") && !f->answered) {
		r->turn++;
		r->calls = false;
	}
}

/* Ends an object or list. `block` is its place, stored if it is a signed block. Returns 0 or
 * ERR_NOMEM. */
static int
reasoning_end(struct reasoning *r, struct reasoning_frame *f, struct reasoning_frame *around,
	const struct signed_block *block, struct arena *a)
{
	if (f->signs) {
		struct signed_block *v = ARENA_PUSH(a, r->v, r->n, r->room, 8, *block);
		if (!v)
			return ERR_NOMEM;
		v->turn = r->turn;
		v->alone = f->signs->alone;
	}
	if (f->list) {
		for (size_t i = r->n; r->calls && i && r->v[i - 1].turn == r->turn; i--)
			r->v[i - 1].pending = true;
		r->turn++;
		r->calls = false;
	}
	if (f->message) {
		message_end(r, f);
		around->list = true;
		return 0;
	}
	around->called |= f->called;
	around->answered |= f->answered;
	return 0;
}

/* ---- parts that cannot be inspected ----
 *
 * A part becomes opaque or stays text when it ends, because its "type" may be its last member. */

enum {
	OPAQUE_MIN = 256,   /* shorter base64 is scanned as text, whatever part it belongs to */
	DATA_URI_HEAD = 64, /* room for "data:image/png;base64," */
};

/* Returns where the base64 of "data:image/png;base64,…" begins. Returns 0 if the text is no such
 * URI; then the whole text may be base64. */
static size_t
data_uri_head(struct span s)
{
	size_t comma = span_chr(span_cut(s, 0, DATA_URI_HEAD), ',');

	if (comma >= DATA_URI_HEAD || comma >= s.n || !span_istarts(s, SPAN_LIT("data:")) ||
		!span_ends(span_cut(s, 0, comma), SPAN_LIT(";base64")))
		return 0;
	return comma + 1;
}

/* Returns true if the text begins with "data:" in any spelling that a URL parser accepts. URL
 * parsers skip spaces and control characters before a URL, and tabs and line breaks inside it
 * (WHATWG URL 4.4). */
static bool
walk_is_data_uri(struct span text)
{
	const char *scheme = "data:";

	for (size_t i = 0; i < text.n && *scheme; i++) {
		char c = text.p[i];
		if (c == '\t' || c == '\r' || c == '\n' ||
			(*scheme == 'd' && (unsigned char)c <= ' '))
			continue;
		if (to_lower(c) != *scheme++)
			return false;
	}
	return !*scheme;
}

/* Returns true if the segment's text may turn out to be opaque data when its part ends. */
static bool
walk_may_be_opaque(struct span text)
{
	struct span data = span_cut(text, data_uri_head(text), text.n);

	return text.n >= OPAQUE_MIN &&
	       span_is_alnum(span_cut(data, 0, span_back_set(data, data.n, 0, "=")), "+/-_") &&
	       opaque_is_noise(data);
}

/* Removes the data of an opaque part from the segment's text; the head of a data URI stays. */
static void
cut_opaque(struct walk *w, struct segment *s)
{
	size_t head = data_uri_head(s->text);
	struct span raw = span_cut(w->raw, s->start, s->end);

	w->out->inspected_bytes -= s->text.n - head;
	s->end = s->start + (uint32_t)(s->escaped ? json_raw_offset(raw, head) : head);
	s->text.n = head;
	s->opaque = true;
}

/* Marks the segment just added as an image if it may be opaque. Returns 0 or ERR_NOMEM. */
static int
walk_image(struct walk *w)
{
	size_t i = w->segs.n - 1;
	struct segment *s = &w->segs.v[i];
	struct media m = { .kind = SPAN_LIT("image"),
		.start = s->start,
		.end = s->end,
		.segment = (uint32_t)i,
		.data = s->text,
		.base64 = true };

	if (!s->candidate)
		return 0;
	s->candidate = false;
	s->counted = true;
	cut_opaque(w, s);
	return opaque_add(&w->out->unread, w->a, &m, m.end - m.start) ? walk_no_memory(w) : 0;
}

/* Returns true if another member of a part also holds opaque data. If only the part's known data
 * were inspected, that member would not be. */
static bool
hides_another(const struct segment *s)
{
	struct opaque_reader r;
	struct opaque o;

	if (s->text.n < OPAQUE_FILE)
		return false;
	opaque_open(&r, s->text, false, 0);
	return opaque_next(&r, &o);
}

/* Returns the file that a part holds: its declared type, and its data if exactly one member has
 * them. */
static struct media
part_media(const struct walk *w, const struct frame *f, const char *kind, size_t end)
{
	static const char *const type_keys[] = { "media_type", "mimeType", "mime_type",
		"mediaType", "format" };
	struct media m = { .kind = span_str(kind),
		.start = f->start,
		.end = end,
		.segment = SEGMENT_NO_KEY,
		.part = w->depth && !w->frames[w->depth].object,
		.typed = f->type.p != NULL,
		.base64 = true };
	bool several = false;

	for (size_t i = f->first; i < w->segs.n && !several; i++) {
		const struct segment *s = &w->segs.v[i];
		if (SPAN_IN(segment_key(w->segs.v, s), type_keys))
			m.type = s->text;
		if (!s->data)
			several |= hides_another(s);
		if (!s->data || !s->text.n)
			continue;
		several |= m.data.p != NULL;
		m.data = s->text;
		m.segment = (uint32_t)i;
	}
	if (several)
		m.data = (struct span){ NULL, 0 };
	return m;
}

static const char *
media_type_kind(struct span type)
{
	static const char *const kinds[] = { "image", "audio", "video" };

	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (span_istarts(type, span_str(kinds[i])))
			return kinds[i];
	return "file";
}

static const char *
row_kind(const struct part_row *p, struct span source)
{
	if (!p->by_source)
		return p->kind;
	if (span_is(source, "text") || span_is(source, "content"))
		return NULL;
	return span_chr(source, '/') < source.n ? media_type_kind(source) : p->kind;
}

/* Returns the row of a part's type or key, or NULL. `rows` may be NULL. */
static const struct part_row *
walk_part_row(const struct part_row *rows, struct span name)
{
	for (const struct part_row *p = rows; p && p->types; p++)
		for (const char *const *type = p->types; *type; type++)
			if (span_is(name, *type))
				return p;
	return NULL;
}

/* Records a key of a part. If several keys of a part without "type" have a row, a key whose parts cannot be inspected
 * takes precedence. */
static void
walk_part_key(const struct walk *w, struct frame *f, struct span key)
{
	const struct part_row *p = walk_part_row(w->t->keyed, key);

	if (p && (!f->keyed || p->kind))
		f->keyed = p;
}

/* Returns true if the part only refers to its image or file. Such a part is counted as a
 * reference. */
static bool
part_is_elsewhere(const struct walk *w, const struct frame *f)
{
	bool inside = w->contents > f->contents;

	for (size_t i = f->first; i < w->segs.n && !inside; i++)
		inside = w->segs.v[i].candidate || walk_is_data_uri(w->segs.v[i].text) ||
			 walk_may_be_opaque(w->segs.v[i].text);
	return w->refs > f->refs && !inside;
}

/* Ends a part. Returns 0 or ERR_NOMEM. */
static int
walk_part_end(struct walk *w, const struct frame *f, size_t end)
{
	const struct part_row *p = f->type.p ? walk_part_row(w->t->parts, f->type) : NULL;

	if (!p)
		p = f->keyed;
	const char *kind = p ? row_kind(p, f->source) : "unknown";
	bool known = kind && strcmp(kind, "unknown");

	if (known && part_is_elsewhere(w, f))
		return 0;
	struct media m = kind ? part_media(w, f, kind, end) : (struct media){ 0 };
	for (size_t i = f->first; i < w->segs.n; i++) {
		struct segment *s = &w->segs.v[i];
		if (s->candidate && known)
			cut_opaque(w, s);
		s->candidate = false;
		s->counted |= kind != NULL;
	}
	if (!kind || !opaque_add(&w->out->unread, w->a, &m, end - f->start))
		return 0;
	return walk_no_memory(w);
}

/* ---- values that a dialect knows ---- */

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

/* Returns the request that the current value belongs to, or NULL. */
static struct request_mark *
walk_request(struct walk *w)
{
	struct body_marks *m = &w->out->marks;

	return m->nrequests ? &m->request[m->nrequests - 1] : NULL;
}

/* Returns true if the frame is a request: the document, or an object that a row marks as one of
 * many. */
static bool
walk_is_request(const struct walk *w, const struct frame *f)
{
	if (!w->t->batch)
		return f == &w->frames[1] && f->object && w->t->rows;
	return f->object && f->row && f->row->read == READ_REQUEST;
}

/* Adds a request whose members begin at `top`. Returns 0 or ERR_NOMEM. */
static int
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

/* Reads the scalar that was just parsed, as the row defines. Returns 0, or a negative error with
 * *why filled in. */
static int
walk_known_value(struct walk *w, const struct row *row, const struct json_event *ev, struct span text)
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

/* ---- strings that the provider sealed ---- */

static void
note_seal(struct walk *w, const struct json_event *ev, struct span text)
{
	struct frame *f = &w->frames[w->depth];
	const struct node *node = f->object ? f->member : f->node ? f->node->element : NULL;
	const struct seal_row *seal = node ? node->seal : NULL;

	if (ev->tok != JSON_STRING)
		return;
	INVARIANT(w->segs.n > 0); /* the string is the segment that was added last */
	if (seal && !seal->of && !seal->signs)
		w->segs.v[w->segs.n - 1].sealed = true;
	if (!f->object)
		return;
	if (span_is(f->name, "type"))
		f->type = text;
	reasoning_string(&f->said, f->name, text);
	if (seal && (seal->of || seal->signs) && f->nseals < WALK_SEALS)
		f->seal[f->nseals++] = (struct seal){ (uint32_t)(w->segs.n - 1), seal };
}

/* Marks the sealed strings of an object. This happens when the object ends, because only then is
 * its type known. */
static void
settle_seals(struct walk *w, struct frame *f)
{
	for (unsigned i = 0; i < f->nseals; i++) {
		const struct seal_row *row = f->seal[i].row;
		INVARIANT(f->seal[i].segment < w->segs.n);
		struct segment *s = &w->segs.v[f->seal[i].segment];
		s->sealed = !row->of || span_is(f->type, row->of);
		if (s->sealed && row->signs && s->end > s->start)
			(f - (row->signs - 1))->said.signs = row;
	}
}

/* Ends an object: records turns and signed blocks. The facts are passed to the object around
 * it. */
static int
settle_reasoning(struct walk *w, struct frame *f, size_t end)
{
	struct signed_block block = {
		.start = f->start, .end = end, .first = f->first, .last = (uint32_t)w->segs.n
	};

	return reasoning_end(&w->reasoning, &f->said, &(f - 1)->said, &block, w->a)
		       ? walk_no_memory(w)
		       : 0;
}

/* ---- runs of parts ----
 *
 * The texts of a list of parts form a run (struct text_run): elements that are strings, and the
 * members "text" of elements that are objects. If no row of the dialect names a list, its own name
 * makes it a list of parts: in results of tools, in kept threads, and in requests of unknown APIs. */

static bool
is_listed_part(const struct walk *w, const struct frame *f, const struct frame *list)
{
	static const char *const names[] = { "content", "parts", "summary" };

	return f->object && !list->object && list > w->frames && (list - 1)->object &&
	       SPAN_AMONG((list - 1)->name, names, span_eq);
}

/* Returns true if the segment is the text of the part `f`: its own member "text", or one that
 * the dialect knows further inside (Bedrock's guardContent). */
static bool
is_part_text(const struct walk *w, const struct frame *f, const struct segment *s)
{
	const struct segment *key = s->key < w->segs.n ? &w->segs.v[s->key] : NULL;

	return s->role != ROLE_KEY && key && s->key >= f->first && span_is(key->text, "text") &&
	       (key->reserved || key->key == f->key);
}

/* Adds a text to the run of the list `f`. Returns 0 or ERR_NOMEM. */
static int
walk_join(struct walk *w, struct frame *f, size_t segment)
{
	const struct segment *s = &w->segs.v[segment];

	if (s->reserved || s->opaque || s->sealed || s->data) {
		f->run = (struct run_open){ 0 };
		return 0;
	}
	for (struct frame *g = f; !f->run.alone && g > w->frames; g--)
		if (g->part) {
			g->lists = true;
			break;
		}
	return run_join(w->out, &w->runs_room, &f->run, segment, w->a) ? walk_no_memory(w) : 0;
}

/* Ends an element of a list of parts. A file leaves the run as it is; an element without a text
 * ends the run, and so does a signed one. */
static int
walk_join_part(struct walk *w, const struct frame *f, struct frame *list, bool file)
{
	size_t text = 0, n = 0;

	for (size_t i = f->first; i < w->segs.n && !f->lists && !f->said.signs; i++)
		if (is_part_text(w, f, &w->segs.v[i])) {
			text = i;
			n++;
		}
	if (n == 1)
		return walk_join(w, list, text);
	if (n || !file)
		list->run = (struct run_open){ 0 };
	return 0;
}

/* ---- identifiers ----
 *
 * In a schema, the names of members and the permitted values are identifiers. A model repeats
 * them in its calls, and the provider compares them. */

/* Returns what is an identifier in the value of the current member or element. */
static enum name_kind
value_names(const struct walk *w, const struct node *node, const struct row *row)
{
	const struct frame *f = &w->frames[w->depth];

	if (node && node->name)
		return node->name;
	switch (f->idents) {
	case NAME_WORD: return NAME_WORD;
	case NAME_SCHEMAS: return NAME_SCHEMA;
	case NAME_SCHEMA: return f->object ? name_in_schema(f->name) : NAME_SCHEMA;
	default: return row && (row->flags & F_RESERVED) ? NAME_WORD : NAME_NONE;
	}
}

/* Returns true if the member is the title of a property or definition of a schema, and is its name
 * in another spelling: libraries write the title "Ship to" for a property `ship_to`. */
static bool
titles_name(const struct walk *w, struct span title)
{
	const struct frame *f = &w->frames[w->depth];

	if (f->idents != NAME_SCHEMA || !f->object || !span_is(f->name, "title") || !w->depth ||
		w->frames[w->depth - 1].idents != NAME_SCHEMAS)
		return false;
	return is_name_spelled(w->frames[w->depth - 1].name, title);
}

/* Marks the segment of the string that was read last, if it is an identifier. */
static void
note_identifier(struct walk *w, const struct node *node, const struct row *row)
{
	struct frame *f = &w->frames[w->depth];
	enum name_kind is = value_names(w, node, row);
	struct segment *s = &w->segs.v[w->segs.n - 1];

	s->identifier = is == NAME_WORD || is == NAME_SPEAKER || titles_name(w, s->text);
	s->schema = is == NAME_SCHEMA;
	if (is == NAME_SPEAKER)
		f->speaker = (uint32_t)w->segs.n;
	if (f->idents == NAME_SCHEMA && f->object && span_is(f->name, "default"))
		f->fallback = (uint32_t)w->segs.n;
	if (is == NAME_WORD && f->object && span_is(f->name, "name"))
		f->own_name = (uint32_t)w->segs.n;
	if (f->idents == NAME_SCHEMA && f->object && span_is(f->name, "title"))
		/* Bedrock's schema is two objects below the tool */
		for (size_t up = 1; up <= 2 && up <= w->depth; up++)
			f[-(ptrdiff_t)up].schema_title = (uint32_t)w->segs.n;
}

/* Settles at the end of an object what depends on its other members. The default of a schema with
 * permitted values is one of them. Only models and tools have names that are not personal. The
 * title of a tool's schema may be the tool's name. */
static void
settle_identifiers(struct walk *w, const struct frame *f)
{
	if (f->fallback && f->enumerated)
		w->segs.v[f->fallback - 1].identifier = true;
	if (f->own_name && f->schema_title &&
		is_name_spelled(w->segs.v[f->own_name - 1].text,
			w->segs.v[f->schema_title - 1].text))
		w->segs.v[f->schema_title - 1].identifier = true;
	if (f->speaker)
		w->segs.v[f->speaker - 1].identifier =
			f->role == ROLE_ASSISTANT || f->role == ROLE_TOOL_RESULT;
}

/* ---- the walk ---- */

static int
add_segment(struct walk *w, enum seg_role role, enum seg_form form, const struct json_event *ev,
	struct span text, uint32_t key)
{
	if (w->segs.n == CAP_SEGMENTS) {
		refuse(w->why, 413, "request_too_complex", ev->start,
			"the body has too many strings");
		return ERR_LIMIT;
	}
	struct segment *s = seglist_add(&w->segs);
	if (!s)
		return walk_no_memory(w);
	*s = (struct segment){
		.role = role,
		.form = form,
		.escaped = ev->escaped,
		.key = key,
		.start = (uint32_t)ev->start,
		.end = (uint32_t)ev->end,
		.text = text,
	};
	w->out->inspected_bytes += text.n;
	return 0;
}

static int
read_body_key(struct walk *w, const struct json_event *ev)
{
	struct frame *f = &w->frames[w->depth];
	const struct node *clash;
	struct span text = json_text(w->a, w->raw, ev);

	if (!text.p)
		return walk_no_memory(w);
	f->name = text;
	reasoning_key(&f->said, text);
	f->member = node_member(f->node, text, &clash);
	f->member_key = (uint32_t)w->segs.n;
	if (clash && w->t->rows)
		return refuse(w->why, 400, "ambiguous_key", ev->start,
			"a key differs from \"%.*s\" only by case", SPAN_ARG(clash->key));
	if (f->member && f->member->snake.n) {
		if (f->seen & UINT64_C(1) << f->member->bit)
			return refuse(w->why, 400, "duplicate_key", ev->start,
				"\"%.*s\" occurs twice, in two spellings",
				SPAN_ARG(f->member->key));
		f->seen |= UINT64_C(1) << f->member->bit;
	}
	if (f->part)
		walk_part_key(w, f, f->member ? f->member->key : text);
	int err = add_segment(w, ROLE_KEY, SEG_JSON, ev, text, f->key);
	if (!err) {
		struct segment *s = &w->segs.v[w->segs.n - 1];
		s->reserved = w->t->rows && f->member && f->member != f->node->any;
		s->identifier = s->reserved || f->idents == NAME_WORD || f->idents == NAME_KEYS ||
				f->idents == NAME_SCHEMAS;
		s->property = f->idents == NAME_SCHEMAS;
	}
	if (f->idents == NAME_SCHEMA && span_is(text, "enum"))
		f->enumerated = true;
	return err;
}

static int
add_param(struct walk *w, struct span name, const struct json_event *ev, struct span text)
{
	struct body *b = w->out;
	struct body_param param = { name, PARAM_BOOL, text };

	if (ev->tok == JSON_STRING || ev->tok == JSON_NUMBER || ev->tok == JSON_NULL)
		param.kind = ev->tok == JSON_STRING   ? PARAM_STRING
			     : ev->tok == JSON_NUMBER ? PARAM_NUMBER
						      : PARAM_NULL;
	return ARENA_PUSH(w->a, b->params, b->nparams, w->params_room, 8, param)
		       ? 0
		       : walk_no_memory(w);
}

/* Returns true if the format has a parameter of this name at another place. Then a member with
 * the name at top level has no meaning to the provider. */
static bool
is_elsewhere(const struct table *t, struct span name)
{
	for (const struct param_row *p = t->params; p && p->path && !t->lenient; p++)
		if (span_is(name, p->name))
			return true;
	return false;
}

/* Counts a reference. A data URI is not counted, because its content is in the body. */
static int
add_ref(struct walk *w, const char *kind, struct span text)
{

	if (!text.n || walk_is_data_uri(text))
		return 0;
	w->refs++;
	return ref_add(w->out, &w->refs_room, &(struct body_ref){ kind, 1 }, w->a)
		       ? walk_no_memory(w)
		       : 0;
}

static unsigned
type_of(enum json_tok tok)
{
	switch (tok) {
	case JSON_STRING: return T_STRING;
	case JSON_NUMBER: return T_NUMBER;
	case JSON_TRUE:
	case JSON_FALSE: return T_BOOL;
	case JSON_NULL: return T_NULL;
	case JSON_OBJECT: return T_OBJECT;
	default: return T_ARRAY;
	}
}

/* Returns the text of a number. If a body has WALK_FRACTIONS numbers with long fractions, they
 * are measurements such as scores and embeddings, not obfuscated identifiers. Then the readings
 * of the fractions are removed, from the earlier numbers too. */
static struct span
read_literal_number(struct walk *w, struct span literal)
{
	bool fraction;
	struct span text =
		number_text(literal, w->nfractions < WALK_FRACTIONS, w->a, &fraction);

	if (!text.p || !fraction)
		return text;
	INVARIANT(w->nfractions < WALK_FRACTIONS);
	w->fraction[w->nfractions++] = (uint32_t)w->segs.n;
	if (w->nfractions < WALK_FRACTIONS)
		return text;
	for (unsigned i = 0; i < WALK_FRACTIONS - 1; i++) {
		struct segment *s = &w->segs.v[w->fraction[i]];
		text = number_text(span_cut(w->raw, s->start, s->end), false, w->a, &fraction);
		if (!text.p)
			return text;
		w->out->inspected_bytes -= s->text.n - text.n;
		s->text = text;
	}
	return number_text(literal, false, w->a, &fraction);
}

/* Returns whether the key of the current member or element means that its value is a model's
 * name. */
static enum model_key
named_model(const struct walk *w, const struct row *row)
{
	const struct frame *f = &w->frames[w->depth];

	if (f->no_models || !w->depth || (row && (row->flags & F_NONE)))
		return KEY_ELSE;
	if (row && (row->flags & F_NAMES))
		return KEY_MODEL;
	if (!f->object)
		return f->names;
	if (f->names && (f->names == KEY_MODELS || !model_key_in(MODEL_ASIDE, f->name)))
		return f->names;
	return model_key(f->name);
}

static int
read_scalar(struct walk *w, const struct node *node, const struct row *row, enum seg_role role,
	const struct json_event *ev, uint32_t key)
{
	struct span text = span_cut(w->raw, ev->start, ev->end);
	size_t refs = w->refs;
	int err = 0;

	if (ev->tok == JSON_STRING) {
		text = json_text(w->a, w->raw, ev);
		if (!text.p)
			return walk_no_memory(w);
		err = add_segment(w, role, SEG_JSON, ev, text, key);
		if (!err)
			note_identifier(w, node, row);
		if (!err && (w->frames[w->depth].anyone || (row && (row->flags & F_ANYONE))))
			w->segs.v[w->segs.n - 1].unattributed = true;
		bool names = !err && named_model(w, row);
		w->frames[w->depth].told |= names;
		if (names && (!row || row->read != READ_MODEL) &&
			model_add_other(w->out, text, w->a))
			return walk_no_memory(w);
	} else if (ev->tok == JSON_NUMBER && number_is_long(text)) {
		struct span number = read_literal_number(w, text);
		if (!number.p)
			return walk_no_memory(w);
		err = add_segment(w, role, SEG_NUMBER, ev, number, key);
	}
	if (err)
		return err;
	if (row && w->segs.n && w->segs.v[w->segs.n - 1].start == ev->start) {
		struct segment *s = &w->segs.v[w->segs.n - 1];
		s->reserved = row->flags & F_RESERVED;
		s->media = row->flags & F_OPAQUE;
		s->candidate = s->media && walk_may_be_opaque(text);
	}
	note_seal(w, ev, text);
	if (row && row->read == READ_PART && ev->tok == JSON_STRING && w->depth &&
		!w->frames[w->depth].object && walk_join(w, &w->frames[w->depth], w->segs.n - 1))
		return ERR_NOMEM;
	if (node && node->param)
		err = add_param(w, span_str(node->param), ev, text);
	else if (w->depth == 1 && w->frames[1].object && !is_elsewhere(w->t, w->frames[1].name))
		err = add_param(w, w->frames[1].name, ev, text);
	if (!err && node && node->ref && ev->tok == JSON_STRING)
		err = add_ref(w, node->ref, text);
	bool refers = w->refs > refs &&
		      (strcmp(node->ref, "url") != 0 || memmem(text.p, text.n, "://", 3));
	if (row && (row->flags & F_OPAQUE) && ev->tok == JSON_STRING && text.n && !refers) {
		w->contents++;
		w->segs.v[w->segs.n - 1].data = true;
	}
	return !err && row ? walk_known_value(w, row, ev, text) : err;
}

static int
push(struct walk *w, const struct node *node, const struct row *row,
	const struct json_event *ev, uint32_t key)
{
	enum seg_role deep = w->frames[w->depth].deep;
	bool object = ev->tok == JSON_OBJECT;

	struct frame *frames = arena_grow(
		w->a, w->frames, w->depth + 1, &w->frames_room, sizeof(*frames), WALK_FEW);
	if (!frames)
		return walk_no_memory(w);
	w->frames = frames;
	if (node && node->ref && !object && add_ref(w, node->ref, SPAN_LIT("[]")))
		return walk_no_memory(w);
	const struct frame *around = &w->frames[w->depth];
	const struct frame *holder = w->depth && !around->object ? around - 1 : around;
	struct span called = around->object ? around->name : SPAN_LIT("");
	bool none = around->no_models || (row && (row->flags & F_NONE)) ||
		    model_key_in(MODEL_OWN, called) ||
		    (around->schema && model_key_in(MODEL_SCHEMA_KEYWORD, called));
	enum model_key names = named_model(w, row);
	enum name_kind idents = value_names(w, node, row);
	/* Each object in a list describes itself by its own members. */
	if (object && (!around->object || names == KEY_MODEL))
		names = names ? KEY_MODEL : KEY_ELSE;
	struct reasoning_frame said =
		reasoning_open(&around->said, object, !around->object, holder->name);
	INVARIANT(w->depth + 1 < w->frames_room);
	w->frames[++w->depth] = (struct frame){
		.node = node,
		.row = row,
		.deep = row && (row->flags & F_DEEP) ? row->role : deep,
		.object = object,
		.anyone = around->anyone || (row && (row->flags & F_ANYONE)),
		.no_models = none,
		.schema = around->schema || model_key_in(MODEL_SCHEMA, called),
		.names = names,
		.idents = idents,
		.message = row && row->read == READ_MESSAGE,
		.part = object && row && row->read == READ_PART,
		.first = (uint32_t)w->segs.n,
		.key = key,
		.start = ev->start,
		.refs = w->refs,
		.contents = w->contents,
		.role = w->t->speaker,
		.said = said,
	};
	if (w->depth == 1 && object)
		w->out->marks.top = ev->end;
	if (row && row->read == READ_OPTIONS)
		w->out->marks.options = ev->start;
	w->out->prompts += row && row->read == READ_PROMPT;
	struct request_mark *q = walk_request(w);
	if (row && row->read == READ_CAP_HOLDER && q)
		q->holder = ev->start;
	struct frame *f = &w->frames[w->depth];
	if (w->t->inner && walk_is_request(w, f) && !(f->node = table_tree(w->t->inner)))
		return walk_no_memory(w);
	return walk_is_request(w, f) ? walk_begin_request(w, ev->end) : 0;
}

static int
pop(struct walk *w, const struct json_event *ev)
{
	INVARIANT(w->depth > 0); /* the JSON parser closes only what it opened */
	struct frame *f = &w->frames[w->depth--];
	size_t files = w->out->unread.nmedia;
	int err = f->part ? walk_part_end(w, f, ev->end) : 0;

	INVARIANT(f->ids <= w->segs.n && f->first <= w->segs.n);
	if (f->ids)
		w->segs.v[f->ids - 1].end = (uint32_t)ev->end;
	settle_seals(w, f);
	settle_identifiers(w, f);
	if (!err)
		err = settle_reasoning(w, f, ev->end);
	struct frame *holder = &w->frames[w->depth];
	if (!err && !holder->object && (f->part || is_listed_part(w, f, holder)))
		err = walk_join_part(w, f, holder,
			w->out->unread.nmedia > files || w->refs > f->refs);
	/* In "models": {"x": {}} the key x is the model. */
	if (f->names && f->object && !f->told && holder->object && holder->names) {
		f->told = true;
		if (model_add_other(w->out, holder->name, w->a))
			return walk_no_memory(w);
	}
	holder->told |= f->told;
	bool anyone = f->anyone || f->role == ROLE_OTHER || (f->item && !f->spoken);
	for (size_t i = f->message ? f->first : w->segs.n; i < w->segs.n; i++) {
		struct segment *v = &w->segs.v[i];
		bool by = v->role == ROLE_BY_MESSAGE;
		v->unattributed |= anyone && (by || (v->role == ROLE_OTHER && !v->reserved));
		if (by)
			v->role = f->role;
	}
	if (f->row && f->row->read == READ_OPTIONS) {
		w->out->marks.options_end = ev->end;
		w->out->marks.options_empty = f->first == w->segs.n;
	}
	struct request_mark *q = walk_request(w);
	if (f->row && f->row->read == READ_CAP_HOLDER && q) {
		q->holder_end = ev->end;
		q->holder_empty = f->first == w->segs.n;
	}
	if (q && walk_is_request(w, f))
		q->empty = f->first == w->segs.n;
	return err;
}

static int
read_any(struct walk *w, const struct json_event *ev)
{
	struct frame *f = &w->frames[w->depth];
	const struct node *node = f->object ? f->member : f->node ? f->node->element : NULL;
	const struct row *row = node ? node->row : NULL;
	uint32_t key = f->object ? f->member_key : f->key;

	if (w->depth == 0) { /* the document itself */
		node = f->node;
		row = node->row;
	}
	if (w->depth == 0 && w->t->json && ev->tok != JSON_OBJECT)
		return refuse(
			w->why, 400, "invalid_type", ev->start, "the body must be an object");
	if (row && (row->flags & F_ONE) && ev->tok == JSON_OBJECT && node->element) {
		node = node->element;
		row = node->row;
	}
	if (row && row->types && !(row->types & type_of(ev->tok))) {
		bool edited = row->read == READ_MODEL || row->read == READ_CAP ||
			      row->read == READ_CAP_HOLDER;
		if (!w->t->lenient || edited)
			return walk_refuse_type(w, row, ev->start);
		node = NULL;
		row = NULL;
	}
	if (ev->tok != JSON_OBJECT && ev->tok != JSON_ARRAY)
		return read_scalar(w, node, row, row ? row->role : f->deep, ev, key);
	return push(w, node, row, ev, key);
}

/* Returns the number of quotes, two for each string. With it, the list of segments is allocated
 * once with enough room: it is never copied, and no arena memory is wasted. */
static size_t
count_quotes(struct span raw)
{
	size_t n = 0, i = 0;

	for (; raw.n - i >= 64; i += 64) { /* a loop that compilers vectorize */
		unsigned char some = 0;
		for (size_t k = 0; k < 64; k++)
			some = (unsigned char)(some + (raw.p[i + k] == '"'));
		n += some;
	}
	for (; i < raw.n; i++)
		n += raw.p[i] == '"';
	return n < 2 * CAP_SEGMENTS ? n : 2 * CAP_SEGMENTS;
}

int
body_json(const struct table *t, struct span raw, struct arena *a, struct body *out,
	struct body_refusal *why)
{
	struct walk *w = arena_new(a, struct walk);
	struct json *j = json_open(a, raw);
	struct json_event ev;
	int err = 0;

	body_begin(out, t, BODY_JSON);
	const struct node *root = table_tree(t);
	if (!w || !j || !root) {
		refuse(why, 413, "request_too_complex", 0,
			"the gateway has no memory to read the body");
		return ERR_NOMEM;
	}
	w->t = t;
	w->raw = raw;
	w->a = a;
	w->out = out;
	w->why = why;
	w->segs.a = a;
	w->segs.room = count_quotes(raw) / 2 + WALK_FEW;
	w->frames_room = WALK_FEW;
	w->segs.v = arena_array(a, w->segs.room, sizeof(*w->segs.v));
	w->frames = arena_array(a, w->frames_room, sizeof(*w->frames));
	if (!w->segs.v || !w->frames)
		return walk_no_memory(w);
	w->frames[0] = (struct frame){ .node = root,
		.deep = ROLE_OTHER,
		.key = SEGMENT_NO_KEY,
		.no_models = t->no_models };
	while (!err) {
		switch (json_next(j, &ev)) {
		case JSON_END:
			INVARIANT(w->depth == 0 && w->segs.n <= CAP_SEGMENTS);
			out->segments = w->segs.v;
			out->nsegments = w->segs.n;
			out->reasoning = w->reasoning.v;
			out->nreasoning = w->reasoning.n;
			return 0;
		case JSON_ERROR: err = refuse_json(w, j); break;
		case JSON_KEY: err = read_body_key(w, &ev); break;
		case JSON_OBJECT_END:
		case JSON_ARRAY_END: err = pop(w, &ev); break;
		default: err = read_any(w, &ev);
		}
	}
	return err;
}

/* ---- removing signed blocks ----
 *
 * Blocks are removed from their lists. Anthropic requires: "thinking blocks must be passed back
 * complete and unmodified". Blocks of earlier turns may be left out; blocks of a turn with open
 * tool calls may not. */

size_t
body_drop_reasoning(const struct body *b, struct span raw, struct splice *out)
{
	const struct signed_block *v = b->reasoning;
	size_t n = 0;

	for (size_t i = 0, last; i < b->nreasoning; i = last + 1) {
		last = i;
		if (!v[i].dropped)
			continue;
		/* Adjacent blocks are removed by one edit. */
		size_t end = span_past(raw, v[i].end, is_space);
		while (raw.p[end] == ',' && last + 1 < b->nreasoning && v[last + 1].dropped &&
			span_past(raw, end + 1, is_space) == v[last + 1].start)
			end = span_past(raw, v[++last].end, is_space);
		/* the element before the block, or the list's bracket */
		size_t before = span_back(raw, v[i].start, 0, is_space) - 1;
		struct splice *s = &out[n++];
		*s = (struct splice){ v[i].start, v[last].end, SPAN_LIT("") };
		if (raw.p[end] == ',')
			s->end = span_past(raw, end + 1, is_space);
		else if (raw.p[before] == ',')
			s->start = before;
		else if (v[i].alone)
			s->with = span_str(v[i].alone);
	}
	return n;
}
