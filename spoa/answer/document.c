/* Reads a document by the rows of its format.
 *
 * The parse notes each string, each long number, and each container that a row marks, with the
 * row's node and the numbers of the arrays around it. The event's type and the objects' numbers
 * may come after their texts, so the notes are interpreted when the document ends:
 * settle_type(), settle_numbers(), then settle_note() for each note.
 *
 * Example: in `{"delta":{"content":"a"},"index":1}` the text "a" is noted first. The member
 * `index` comes later and sets slot 0 of all notes in its object to 1. */
#include "answer/document.h"

#include "answer/format.h"
#include "base/among.h"
#include "base/attr.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/fnv.h"
#include "base/push.h"
#include "base/search.h"
#include "scan/text/body.h"
#include "scan/text/identifier.h"

enum { WORD_BYTES = 256 };
/* In the last slot, values below this one are `slot` values of rows; values from here on are
 * numbers of rows. */
enum { ROWS_FROM = 64 };

/* A value before its meaning is known: a string, a key, a number, or a container that a row
 * marks. */
struct note {
	const struct answer_node *node; /* the path's node; NULL: no row names the path */
	enum json_tok tok;
	bool deep, key, worded, halves, identifier;
	uint32_t call; /* number of the call around the value in reader.calls, from 1; 0: none */
	uint64_t path;
	unsigned arrays; /* number of arrays around the value whose places become slots */
	uint32_t slot[ANSWER_SLOTS];
	size_t start, end;
	size_t object; /* index in reader.objects of the object that contains the value */
	struct span text, member;
};

/* An object whose type may name the tool that it calls. */
struct call_object {
	const struct answer_node *node;
	uint32_t object;  /* index in reader.objects */
	uint8_t tool;	  /* enum answer_own_tool, by its type */
};

/* State of one call of answer_read(). All memory is the arena's. */
struct reader {
	const struct answer_format *f;
	struct span in;
	struct arena *a;
	struct json *j;
	struct note *notes;
	size_t nnotes, room;
	struct answer_range *objects; /* [0] stands for the document itself */
	size_t nobjects, objects_room;
	struct call_object *calls;
	size_t ncalls, calls_room;
	size_t end; /* end of the last value that was read */
	struct usage_reader usage;
	struct answer_document *out;
};

/* The place of a value in the document. */
struct place {
	const struct answer_node *node; /* NULL: no row leads here */
	unsigned arrays;
	uint32_t slot[ANSWER_SLOTS];
	size_t object;
	uint32_t call; /* as in struct note */
	struct usage_place usage;
	/* hash of the keys that no row names, which begins with the node above them */
	uint64_t path;
	bool worded; /* the key of the value suggests a word, id or time */
	struct span member; /* inside a READ_INPUT: the member's name, or that of the list */
	enum name_kind names; /* the identifiers in the value */
	bool deep;   /* the value is inside a READ_INPUT */
	bool skip;   /* the value is inside a value that is not text */
};

/* Keys, and endings of keys, under which unknown formats have words, ids and times. */
static const char *const word_keys[] = { "id", "type", "object", "role", "status", "state",
	"model", "kind", "event", "action", "op", "created", "updated", "date", "time",
	"timestamp", "provider", "region", "service", "language", "lang", "locale", "currency",
	"format", "encoding", "mime", "version", "severity", "level", "seq", "sequence",
	"index", "p", "padding", "nonce", "system_fingerprint", "channel", "author" };
#define W SPAN_LIT
static const struct span word_key_ends[] = { W("_id"), W("Id"), W("_ids"), W("_at"), W("At"),
	W("_type"), W("Type"), W("_reason"), W("Reason"), W("_tier"), W("_time"), W("Time"),
	W("_version"), W("Version"), W("_status"), W("Status"), W("_index"), W("_number"),
	W("_code"), W("_hash") };
#undef W

static bool
is_word_key(struct span key)
{
	if (SPAN_IN(key, word_keys))
		return true;
	for (size_t i = 0; key.n && i < COUNT_OF(word_key_ends); i++) {
		const struct span *end = &word_key_ends[i];
		if (key.p[key.n - 1] == end->p[end->n - 1] && span_ends(key, *end))
			return true;
	}
	return false;
}

/* Returns the hash of the path of a member named `key` below `at`, for a path that no row
 * names. */
static uint64_t
path_step(const struct place *at, struct span key)
{
	uint64_t h = at->node ? (uintptr_t)at->node : at->path;

	return fnv64_bytes(fnv64_step(h, 0xff), key.p, key.n);
}

static int
note_text(struct reader *r, const struct place *at, const struct answer_node *node,
	const struct json_event *ev)
{
	if (!r->f)
		return 0;
	struct note *v = arena_grow(r->a, r->notes, r->nnotes, &r->room, sizeof(*v), 32);
	if (!v)
		return ERR_NOMEM;
	r->notes = v;
	v = &v[r->nnotes++];
	*v = (struct note){ .node = node,
		.tok = ev->tok,
		.deep = at->deep,
		.key = ev->tok == JSON_KEY,
		.worded = at->worded,
		.identifier = at->names == NAME_WORD,
		.halves = ev->halves,
		.path = at->node ? (uintptr_t)at->node : at->path,
		.start = ev->start,
		.end = ev->end,
		.arrays = at->arrays < r->f->counted ? at->arrays : r->f->counted,
		.object = at->object,
		.call = at->call,
		.member = at->member };
	memcpy(v->slot, at->slot, sizeof(v->slot));
	bool string = ev->tok == JSON_STRING || ev->tok == JSON_KEY;
	v->text = string ? json_text(r->a, r->in, ev) : span_cut(r->in, ev->start, ev->end);
	return v->text.p || !v->text.n ? 0 : ERR_NOMEM;
}

/* Returns true if the part before the point is long. Scores and times have long fractions,
 * which contain no findings. */
static bool
long_integer(struct span literal)
{
	size_t n = 0;

	while (n < literal.n && (is_digit(literal.p[n]) || literal.p[n] == '-'))
		n++;
	return number_is_long(span_cut(literal, 0, n));
}

/* Called after each top-level member was read: notes the bytes to remove if the usage is
 * hidden. `last` is the end of the previous member; 0: the member is the first one. */
static void
note_hidden(struct reader *r, struct span key, const struct json_event *k,
	const struct json_event *value, size_t last)
{
	struct answer_hidden *h = &r->out->hidden;

	if (h->first && h->at.end == last)
		/* the first member is removed with the comma after it */
		h->at.end = k->start - 1;
	if (span_is(key, "choices")) {
		struct span all = span_cut(r->in, value->start, r->end);
		h->no_choices = value->tok == JSON_ARRAY &&
				!span_trim(span_cut(all, 1, all.n - 1), " \t\r\n").n;
	} else if (span_is(key, "usage")) {
		h->first = !last;
		h->at = (struct answer_range){ last ? last : k->start - 1, r->end };
		h->counts = value->tok == JSON_OBJECT;
	}
}

static int read_document_value(struct reader *r, struct place at, const struct json_event *ev);

/* Returns true if an object with one of these kinds may name its tool by its type. kinds may be
 * NULL. */
static bool
may_name_tool(const struct answer_call_kind *kinds)
{
	for (; kinds && (kinds->type || kinds->tool || kinds->arguments[0]); kinds++)
		if (kinds->tool)
			return true;
	return false;
}

static int
read_object(struct reader *r, const struct place *at, size_t start)
{
	struct json_event ev, value;
	struct place in = *at;
	size_t last = 0; /* end of the previous member */
	if (r->f) {
		in.object = r->nobjects;
		struct answer_range all = { .start = start };
		if (!ARENA_PUSH(r->a, r->objects, r->nobjects, r->objects_room, 16, all))
			return ERR_NOMEM;
	}
	if (r->f && at->node && at->node->call && may_name_tool(at->node->call->kinds)) {
		struct call_object call = { .node = at->node, .object = (uint32_t)in.object };
		if (!ARENA_PUSH(r->a, r->calls, r->ncalls, r->calls_room, 2, call))
			return ERR_NOMEM;
		in.call = (uint32_t)r->ncalls;
	}
	while (json_next(r->j, &ev) == JSON_KEY) {
		struct span key = json_text(r->a, r->in, &ev);
		if (!key.p)
			return ERR_NOMEM;
		in.node = answer_member(at->node, key);
		in.path = in.node ? 0 : path_step(at, key);
		in.worded = !in.node && is_word_key(key);
		in.member = at->deep ? key : SPAN_LIT("");
		/* A key that no format names may be text that the caller or the model wrote. */
		in.names = at->names == NAME_SCHEMAS || at->names == NAME_WORD ? NAME_WORD
									       : NAME_NONE;
		int err = at->deep || !in.node ? note_text(r, &in, NULL, &ev) : 0;
		if (err)
			return err;
		in.names = at->names == NAME_SCHEMAS  ? NAME_SCHEMA
			   : at->names == NAME_SCHEMA ? name_in_schema(key)
						      : at->names;
		bool counts = in.node ? in.node->counts : usage_key_counts(key);
		in.usage = usage_member(&r->usage, at->usage, key);
		r->out->counts |= json_next(r->j, &value) != JSON_NULL && counts;
		err = read_document_value(r, in, &value);
		if (err)
			return err;
		if (ev.depth == 1)
			note_hidden(r, key, &ev, &value, last);
		last = r->end;
	}
	r->end = ev.end;
	if (r->f)
		r->objects[in.object].end = ev.end;
	return 0;
}

static int
read_array(struct reader *r, const struct place *at)
{
	struct json_event ev;
	struct place in = *at;
	struct usage_element counted;
	unsigned slot = at->arrays, counted_arrays = r->f ? r->f->counted : 0;

	in.arrays++;
	for (uint32_t i = 0;; i++) {
		enum json_tok tok = json_next(r->j, &ev);
		r->end = ev.end;
		if (tok == JSON_ARRAY_END || tok == JSON_ERROR)
			return 0;
		in.node = at->node ? at->node->element : NULL;
		/* If no format counts arrays, the place in the outermost array is part of the
		 * path. */
		in.path = path_step(at,
			at->arrays || counted_arrays ? SPAN_LIT("[") : span_of(&i, sizeof(i)));
		if (slot < counted_arrays && slot < ANSWER_SLOTS &&
			!(at->node && at->node->joined))
			in.slot[slot] = i;
		in.usage = usage_element(&at->usage, &counted);
		int err = read_document_value(r, in, &ev);
		if (err)
			return err;
		if (tok == JSON_OBJECT && in.usage.part == USAGE_ELEMENT)
			usage_element_end(&r->usage, &at->usage, &counted);
	}
}

/* Acts on an object or array by its row. *ev becomes the last token if the container is
 * skipped. */
static int
enter_value(struct reader *r, struct place *at, const struct answer_node *node,
	struct json_event *ev)
{
	struct json_event open = *ev;
	int err;

	switch (node->rows->read) {
	case READ_TEXT:
	case READ_COPY:
		if (node->rows->kind != KIND_ARGUMENTS)
			return 0;
		/* fall through */
	case READ_INPUT: at->deep = true; return note_text(r, at, node, ev);
	case READ_TOOL: r->out->odd_call = true; return 0;
	case READ_SCHEMA: at->names = NAME_SCHEMA; return 0;
	case READ_MARK:
	case READ_ERROR: return note_text(r, at, node, ev);
	case READ_WITHHELD:
	case READ_OPAQUE:
	case READ_SEALED:
		while (json_next(r->j, ev) != JSON_ERROR && ev->depth > open.depth)
			continue;
		open.end = r->end = ev->end;
		err = note_text(r, at, node, &open);
		at->skip = true;
		return err;
	default: return 0;
	}
}

/* Reads a value whose first token is *first, up to its end. answer_read() asks for the parser's
 * errors at the end. */
static int
read_document_value(struct reader *r, struct place at, const struct json_event *first)
{
	struct json_event ev = *first;
	const struct answer_node *node = at.deep || !at.node || !at.node->rows ? NULL : at.node;
	int err;

	if (at.usage.part)
		usage_value(&r->usage, &at.usage, first);
	r->end = ev.end + (ev.tok == JSON_STRING);
	switch (ev.tok) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		err = node ? enter_value(r, &at, node, &ev) : 0;
		if (err || at.skip)
			return err;
		bool input = node && at.deep;
		size_t noted = r->nnotes - 1;
		err = first->tok == JSON_OBJECT ? read_object(r, &at, first->start)
						: read_array(r, &at);
		if (!err && input) {
			INVARIANT(noted < r->nnotes && r->notes[noted].start == first->start);
			r->notes[noted].end = r->end;
			r->notes[noted].text = span_cut(r->in, first->start, r->end);
		}
		return err;
	case JSON_STRING: return note_text(r, &at, node, &ev);
	case JSON_NUMBER:
		if (!node && !(at.deep ? number_is_long : long_integer)(
				     span_cut(r->in, ev.start, ev.end)))
			return 0;
		return note_text(r, &at, node, &ev);
	case JSON_TRUE: return node ? note_text(r, &at, node, &ev) : 0;
	default: return 0;
	}
}

/* ---- interpretation of the notes ---- */

/* Returns the index of the first note that begins at `start` or later. Notes are in the order
 * of the bytes. */
static size_t
first_note(const struct reader *r, size_t start)
{
	return SEARCH_FIRST(r->nnotes, i, r->notes[i].start < start);
}

/* Sets the slot of all notes in the object that contains the note. */
static void
set_slot(struct reader *r, const struct note *n, unsigned slot, uint32_t number)
{
	struct answer_document *d = r->out;
	const struct answer_range *in = &r->objects[n->object];

	INVARIANT(n->object < r->nobjects && slot < ANSWER_SLOTS);
	if (n->object == 0) {
		d->ends.numbered[slot] = true;
		d->ends.slot[slot] = number;
	}
	for (size_t i = first_note(r, in->start); i < r->nnotes && r->notes[i].end <= in->end;
		i++)
		r->notes[i].slot[slot] = number;
}

/* Applies all numbers. An inner object's number comes later in the path and has a later
 * slot. */
static void
settle_numbers(struct reader *r)
{
	for (size_t i = 0; i < r->nnotes; i++) {
		const struct note *n = &r->notes[i];
		const struct answer_row *row = answer_row_of(n->node, r->out->type);
		if (row && row->read == READ_INDEX && n->tok == JSON_NUMBER)
			set_slot(r, n, row->slot, answer_number(n->text));
		else if (row && row->read == READ_PATH && n->tok == JSON_STRING)
			set_slot(r, n, row->slot, (uint32_t)span_hash(n->text));
		else if (row && row->read == READ_FLAG && n->tok == JSON_TRUE)
			set_slot(r, n, row->slot, 1);
	}
}

/* Notes the tool that each call's type names. */
static void
settle_calls_types(struct reader *r)
{
	for (size_t i = 0; r->ncalls && i < r->nnotes; i++) {
		const struct note *n = &r->notes[i];
		struct call_object *c = n->call ? &r->calls[n->call - 1] : NULL;
		if (!c || n->object != c->object || n->tok != JSON_STRING ||
			!n->node || n->node != answer_member(c->node, SPAN_LIT("type")))
			continue;
		const struct answer_call_kind *kind =
			answer_kind_of_type(c->node->call->kinds, n->text);
		c->tool = kind && kind->says != SAYS_NONE ? (uint8_t)kind->tool : OWN_NONE;
	}
}

static int
add_text(struct reader *r, const struct note *n, const struct answer_row *row)
{
	struct answer_document *d = r->out;
	struct answer_text *t =
		arena_grow(r->a, d->texts, d->ntexts, &d->texts_room, sizeof(*t), 16);

	if (!t)
		return ERR_NOMEM;
	d->texts = t;
	t = &t[d->ntexts++];
	*t = (struct answer_text){ .kind = row ? row->kind : KIND_OTHER,
		.copy = !row || row->read == READ_COPY,
		.number = n->tok == JSON_NUMBER,
		.key = n->key,
		.deep = n->deep,
		.halves = n->halves,
		.identifier = n->identifier,
		.tool = row && row->tool ? (uint8_t)row->tool
			: n->call	  ? r->calls[n->call - 1].tool
					  : OWN_NONE,
		.start = n->start,
		.end = n->end,
		.text = n->text,
		.member = n->member };
	if (n->deep)
		t->kind = KIND_ARGUMENTS;
	memcpy(t->slot, n->slot, sizeof(t->slot));
	/* The last slot distinguishes rows, since two members of one event may each carry the
	 * same text. */
	if (row)
		t->slot[ANSWER_NUMBERS] +=
			row->slot ? row->slot : ROWS_FROM + (uint32_t)(row - r->f->rows);
	t->so_far =
		row && r->f->so_far && span_starts(span_str(row->path), span_str(r->f->so_far));
	return 0;
}

static int
add_unnamed(struct reader *r, const struct note *n)
{
	int err = add_text(r, n, NULL);

	if (err || n->tok != JSON_STRING || n->deep)
		return err;
	struct answer_text *t = &r->out->texts[r->out->ntexts - 1];
	t->unnamed = true;
	t->strict = r->f->rows[0].path != NULL;
	t->worded = n->worded;
	t->path = n->path;
	return 0;
}

/* Adds a text that is not spoken text. */
static int
add_aside(struct reader *r, const struct note *n)
{
	int err = add_text(r, n, NULL);

	if (!err)
		r->out->texts[r->out->ntexts - 1].aside = true;
	return err;
}

bool
answer_is_word(struct span s)
{
	return s.n <= WORD_BYTES && span_is_alnum(s, "-_.:/+=|") &&
	       (span_some(s, is_alpha) || !number_is_long(s));
}

/* Returns true if the string is base64 in one of its alphabets, or a data URI of base64. */
static bool
is_base64(struct span s)
{
	struct span uri = SPAN_LIT("data:");
	size_t comma = span_starts(s, uri) ? span_chr(span_cut(s, 0, WORD_BYTES), ',') : s.n;

	if (comma < s.n && comma < WORD_BYTES)
		s = span_cut(s, comma + 1, s.n);
	return span_is_alnum(s, "+/-_=\r\n");
}

static int
add_word(struct reader *r, const struct note *n)
{
	return n->tok == JSON_STRING && !answer_is_word(n->text) ? add_aside(r, n) : 0;
}

static void
note_skipped(struct answer_document *d, const struct note *n)
{
	size_t bytes = n->end - n->start;
	bool word = n->tok == JSON_STRING && n->text.n == bytes && answer_is_word(n->text);

	if (d->nskipped < ANSWER_SKIPPED && !n->node->is_type &&
		(word || n->tok == JSON_NUMBER))
		d->skipped[d->nskipped++] =
			(struct answer_skipped){ { n->start, n->end }, !word };
}

/* Append to a list of the document. ADD_NUMBERED also copies the numbers of the note `n`. */
#define ADD(list, ...)                                                                         \
	(ARENA_PUSH(r->a, r->out->list, r->out->n##list, r->out->list##_room, 4, __VA_ARGS__)  \
			? 0                                                                    \
			: ERR_NOMEM)
#define ADD_NUMBERED(list, ...)                                                                \
	(ADD(list, __VA_ARGS__) ? ERR_NOMEM                                                    \
				: (memcpy(r->out->list[r->out->n##list - 1].slot, n->slot,     \
					   sizeof(n->slot)),                                   \
					  0))

/* Notes that the choice of the note ends, or the whole response if the note is in no choice. */
static void
end_choice(struct answer_document *d, const struct note *n)
{
	d->ends.any = true;
	if (n->arrays && n->slot[0] < 64)
		d->ends.choices |= UINT64_C(1) << n->slot[0];
	else
		d->ends.all = true;
}

const char *const answer_media_names[MEDIAS] = { "image", "audio", "video", "file", "unknown" };

enum answer_media
answer_media_of(struct span type)
{
	for (unsigned m = MEDIA_IMAGE; m <= MEDIA_VIDEO; m++)
		if (span_istarts(type, span_str(answer_media_names[m])))
			return (enum answer_media)m;
	return span_istarts(type, SPAN_LIT("application/pdf")) ? MEDIA_FILE : MEDIA_UNKNOWN;
}

/* Notes the medium by the row, or else by the READ_MEDIA member of the same object. */
static void
add_media(struct reader *r, const struct note *n, const struct answer_row *row)
{
	enum answer_media m =
		row->media ? answer_media_of(span_str(row->media)) : MEDIA_UNKNOWN;
	const struct answer_range *in = &r->objects[n->object];

	for (size_t i = first_note(r, in->start);
		!row->media && i < r->nnotes && r->notes[i].end <= in->end; i++) {
		const struct answer_row *type = answer_row_of(r->notes[i].node, r->out->type);
		if (type && type->read == READ_MEDIA && r->notes[i].tok == JSON_STRING)
			m = answer_media_of(r->notes[i].text);
	}
	r->out->media |= 1u << m;
}

/* Returns true if no READ_MORE in the note's object is true. */
static bool
is_last(const struct reader *r, const struct note *n)
{
	const struct answer_range *in = &r->objects[n->object];

	for (size_t i = first_note(r, in->start); i < r->nnotes && r->notes[i].end <= in->end;
		i++) {
		const struct answer_row *row = answer_row_of(r->notes[i].node, r->out->type);
		if (row && row->read == READ_MORE && r->notes[i].tok == JSON_TRUE)
			return false;
	}
	return true;
}

/* ---- meaning of a note by its row; these functions return 0 or ERR_NOMEM ---- */

/* Handles a value other than a string where a row has a text. A long number may be a
 * finding. */
static int
settle_no_text(struct reader *r, const struct note *n)
{
	return n->tok == JSON_NUMBER && number_is_long(n->text) ? add_aside(r, n) : 0;
}

static int
settle_text(struct reader *r, const struct note *n, const struct answer_row *row)
{
	struct answer_document *d = r->out;

	if (n->tok != JSON_STRING)
		return settle_no_text(r, n);
	if (add_text(r, n, row->read == READ_INPUT ? NULL : row))
		return ERR_NOMEM;
	d->texts[d->ntexts - 1].piece = row->piece;
	d->texts[d->ntexts - 1].last = row->piece && is_last(r, n);
	return 0;
}

static int
settle_tool(struct reader *r, const struct note *n, const struct answer_row *row UNUSED)
{
	if (n->tok != JSON_STRING)
		return settle_no_text(r, n);
	r->out->marked = true;
	if (ADD_NUMBERED(calls, (struct answer_call){ .name = n->text, .object = n->object }))
		return ERR_NOMEM;
	int err = add_aside(r, n);
	if (!err)
		r->out->texts[r->out->ntexts - 1].identifier = true;
	return err;
}

static int
settle_finish(struct reader *r, const struct note *n, const struct answer_row *row UNUSED)
{
	/* Some providers write "" where others write null. */
	if (n->tok != JSON_STRING || !n->text.n)
		return 0;
	r->out->finish = n->text;
	end_choice(r->out, n);
	r->out->marked = true;
	return add_word(r, n);
}

static int
settle_end(struct reader *r, const struct note *n, const struct answer_row *row)
{
	struct answer_ends *ends = &r->out->ends;

	if (n->tok != JSON_NUMBER)
		return add_word(r, n);
	ends->any = ends->numbered[row->slot] = true;
	ends->slot[row->slot] = answer_number(n->text);
	return 0;
}

static int
settle_model(struct reader *r, const struct note *n, const struct answer_row *row UNUSED)
{
	struct answer_document *d = r->out;

	if (n->tok == JSON_STRING)
		d->model = n->text;
	if (n->tok == JSON_STRING && d->nmodels < ANSWER_MODELS)
		d->models[d->nmodels++] = (struct answer_range){ n->start, n->end };
	return add_word(r, n);
}

static int
settle_mark(struct reader *r, const struct note *n, const struct answer_row *row UNUSED)
{
	r->out->marked = true;
	return add_word(r, n);
}

static int
settle_other(struct reader *r, const struct note *n, const struct answer_row *row UNUSED)
{
	return add_word(r, n);
}

static int
settle_word(struct reader *r, const struct note *n, const struct answer_row *row)
{
	if (!row->ends)
		note_skipped(r->out, n);
	return add_word(r, n);
}

static int
settle_sequence(struct reader *r, const struct note *n, const struct answer_row *row)
{
	if (n->tok == JSON_NUMBER)
		r->out->sequence = (struct answer_range){ n->start, n->end };
	return settle_word(r, n, row);
}

/* The provider failed, so the whole response ends. */
static void
end_with_error(struct answer_document *d)
{
	d->error = d->marked = d->ends.any = d->ends.all = true;
}

static int
settle_object(struct reader *r, const struct note *n, const struct answer_row *row)
{
	if (n->tok == JSON_STRING && span_is(n->text, "error"))
		end_with_error(r->out);
	return settle_word(r, n, row);
}

static int
settle_error(struct reader *r, const struct note *n, const struct answer_row *row UNUSED)
{
	bool string = n->tok == JSON_STRING;

	if (string && !n->text.n)
		return 0;
	end_with_error(r->out);
	return string ? add_text(r, n, NULL) : 0;
}

static int
settle_sealed(struct reader *r, const struct note *n, const struct answer_row *row UNUSED)
{
	bool string = n->tok == JSON_STRING;

	if (string && !is_base64(n->text))
		return add_aside(r, n);
	r->out->sealed_bytes += n->end - n->start;
	if (!string)
		return 0;
	return ADD_NUMBERED(seals, (struct answer_seal){ .at = { n->start, n->end } });
}

static int
settle_opaque(struct reader *r, const struct note *n, const struct answer_row *row)
{
	if (n->tok == JSON_STRING && !is_base64(n->text))
		return add_aside(r, n);
	add_media(r, n, row);
	r->out->opaque_bytes += n->end - n->start;
	return 0;
}

static int
settle_withheld(struct reader *r, const struct note *n, const struct answer_row *row UNUSED)
{
	/* An empty list withholds nothing, and clients iterate over the list. */
	if (n->end - n->start <= strlen("[]"))
		return 0;
	return ADD(withheld, (struct answer_range){ n->start, n->end });
}

/* Handles a note that no row of the format names. */
static int
settle_unnamed(struct reader *r, const struct note *n)
{
	bool number = n->tok == JSON_NUMBER;

	if (n->tok != JSON_STRING && !n->key &&
		!(n->deep ? number_is_long : long_integer)(n->text))
		return 0;
	if (((n->key || number) && !n->deep && r->f->rows[0].path) || n->identifier)
		return add_aside(r, n);
	return add_unnamed(r, n);
}

static int
settle_schema(struct reader *r, const struct note *n, const struct answer_row *row UNUSED)
{
	return settle_unnamed(r, n);
}

/* NULL: the note adds nothing. */
static int (*const settle_row[])(
	struct reader *, const struct note *, const struct answer_row *) = {
	[READ_TEXT] = settle_text,
	[READ_COPY] = settle_text,
	[READ_INPUT] = settle_text,
	[READ_INDEX] = settle_other,
	[READ_END] = settle_end,
	[READ_PATH] = settle_other,
	[READ_MORE] = settle_other,
	[READ_FLAG] = settle_other,
	[READ_TOOL] = settle_tool,
	[READ_FINISH] = settle_finish,
	[READ_MODEL] = settle_model,
	[READ_MARK] = settle_mark,
	[READ_WORD] = settle_word,
	[READ_SEALED] = settle_sealed,
	[READ_OPAQUE] = settle_opaque,
	[READ_MEDIA] = settle_other,
	[READ_WITHHELD] = settle_withheld,
	[READ_SCHEMA] = settle_schema,
	[READ_ERROR] = settle_error,
	[READ_SEQUENCE] = settle_sequence,
	[READ_OBJECT] = settle_object,
	[READ_CALL] = NULL,
};

static int
settle_note(struct reader *r, const struct note *n)
{
	const struct answer_row *row = answer_row_of(n->node, r->out->type);

	if (!row)
		return settle_unnamed(r, n);
	if (n->deep && (n->tok == JSON_OBJECT || n->tok == JSON_ARRAY))
		return ADD_NUMBERED(
			inputs, (struct answer_input){ .json = n->text, .object = n->object });
	if (row->ends && (n->tok == JSON_STRING || n->tok == JSON_TRUE))
		end_choice(r->out, n);
	return settle_row[row->read] ? settle_row[row->read](r, n, row) : 0;
}

/* Sets the event's type: the type from the framing, or the member that states one. Then notes
 * whether events of this type end channels. */
static void
settle_type(struct reader *r, struct span event)
{
	r->out->type = event;
	for (size_t i = 0; r->f->type && i < r->nnotes; i++) {
		const struct note *n = &r->notes[i];
		if (n->node && n->node->is_type && n->tok == JSON_STRING)
			r->out->type = n->text;
	}
	for (const char *const *e = r->f->ends; e && *e; e++)
		r->out->ends.any |= answer_type_is(r->out->type, *e);
	for (const char *const *e = r->f->no_ends; r->out->ends.any && e && *e; e++)
		r->out->ends.any = !answer_type_is(r->out->type, *e);
}

bool
answer_ends(const struct answer_document *d, const uint32_t slot[ANSWER_SLOTS])
{
	const struct answer_ends *e = &d->ends;
	bool numbered = false;

	if (!e->any || e->all)
		return e->any;
	for (size_t i = 0; i < ANSWER_SLOTS; i++) {
		if (e->numbered[i] && e->slot[i] != slot[i])
			return false;
		numbered |= e->numbered[i];
	}
	return numbered || slot[0] >= 64 || e->choices >> slot[0] & 1;
}

int
answer_read(const struct answer_format *f, const struct dialect *counts, struct span event,
	struct span json, struct arena *a, struct answer_document *out, const char **why)
{
	struct reader r = { .f = f, .in = json, .a = a, .out = out };
	struct json_event ev;

	*out = (struct answer_document){ 0 };
	const struct answer_node *root = f ? answer_tree(f) : NULL;
	r.j = json_open(a, json);
	if (!r.j || (f && !root))
		return ERR_NOMEM;
	json_take_halves(r.j);
	json_next(r.j, &ev);
	struct place at = { .node = root };
	struct usage_place usage = usage_begin(&r.usage, counts, json, a);
	if (ev.tok == JSON_OBJECT)
		at.usage = usage;
	int err = read_document_value(&r, at, &ev);
	if (!err && json_next(r.j, &ev) != JSON_END)
		err = json_error(r.j, why, NULL);
	if (!err && r.usage.failed)
		err = ERR_NOMEM;
	if (err)
		return err;
	out->usage = r.usage.counts;
	if (!f)
		return 0;
	settle_type(&r, event);
	settle_numbers(&r);
	settle_calls_types(&r);
	for (size_t i = 0; i < r.nnotes && !err; i++)
		err = settle_note(&r, &r.notes[i]);
	/* An event that ends channels but has no number ends all of them. */
	bool numbered = false;
	for (size_t i = 0; i < ANSWER_SLOTS; i++)
		numbered |= out->ends.numbered[i];
	out->ends.all |= out->ends.any && !numbered && !out->ends.choices;
	return err;
}

const char *
answer_kind_name(enum answer_kind kind)
{
	static const char *const names[] = { [KIND_TEXT] = "text",
		[KIND_REASONING] = "reasoning",
		[KIND_SIGNED] = "signed",
		[KIND_REFUSAL] = "refusal",
		[KIND_ARGUMENTS] = "arguments",
		[KIND_INPUT] = "arguments",
		[KIND_OTHER] = "other" };

	return names[kind];
}
