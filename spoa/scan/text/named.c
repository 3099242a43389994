/* Identifiers that depend on more than their own place. Arguments of calls are an object in some
 * APIs and a string of JSON in others; a schema may be a string too. Such a string is one segment,
 * so that the identifiers in it are places in its text. A text that ends early has those before its
 * end. */
#include "scan/text/named.h"

#include "base/caps.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/push.h"
#include "base/scoped.h"
#include "scan/text/identifier.h"

/* ---- names of properties ---- */

enum { PROPERTY_TRIES = 64 }; /* names whose hashes were made to collide are not all kept */

/* Returns the place of the name, or the free place where it belongs; NULL: there is none. */
static struct span *
find_property(const struct body *b, struct span name)
{
	size_t mask = b->properties_room - 1, at = (size_t)span_hash(name) & mask;

	for (size_t tries = 0; tries < PROPERTY_TRIES; tries++, at = (at + 1) & mask)
		if (!b->properties[at].p || span_eq(b->properties[at], name))
			return &b->properties[at];
	return NULL;
}

static bool
is_property(const struct body *b, struct span name)
{
	const struct span *at = b->properties ? find_property(b, name) : NULL;

	return at && at->p;
}

static void
enter_property(struct body *b, struct span name)
{
	struct span *at = find_property(b, name);

	if (at && !at->p)
		*at = name;
}

int
body_name_keys(struct body *b, const struct known_names *known, struct arena *a)
{
	size_t n = known ? known->n : 0, room = 1;

	for (size_t i = 0; i < b->nsegments; i++)
		n += b->segments[i].property;
	if (!n)
		return 0;
	while (room < 2 * n)
		room *= 2;
	b->properties = arena_array(a, room, sizeof(*b->properties));
	if (!b->properties)
		return ERR_NOMEM;
	memset(b->properties, 0, room * sizeof(*b->properties));
	b->properties_room = room;
	for (size_t i = 0; known && i < known->n; i++)
		enter_property(b, known->v[i]);
	for (size_t i = 0; i < b->nsegments; i++)
		if (b->segments[i].property)
			enter_property(b, b->segments[i].text);
	for (size_t i = 0; i < b->nsegments; i++) {
		struct segment *s = &b->segments[i];
		if (s->role == ROLE_KEY && !s->identifier)
			s->identifier = is_property(b, s->text);
	}
	return 0;
}

void
known_names_keep(struct known_names *known, const struct body *b)
{
	if (!known->n)
		arena_init(&known->arena, 4 * CAP_SOCKET_NAMES, true);
	for (size_t i = 0; i < b->nsegments && b->properties; i++) {
		struct span name = b->segments[i].text;
		size_t bytes = name.n + sizeof(name);
		/* the table has another view of a name that is known, or that occurs twice */
		const struct span *at = b->segments[i].property ? find_property(b, name) : NULL;
		if (!at || at->p != name.p || known->bytes + bytes > CAP_SOCKET_NAMES)
			continue;
		name = arena_dup(&known->arena, name);
		if (!name.p || !ARENA_PUSH(&known->arena, known->v, known->n, known->room, 16, name))
			break;
		known->bytes += bytes;
	}
}

void
known_names_drop(struct known_names *known)
{
	if (known->n)
		arena_reset(&known->arena);
	*known = (struct known_names){ 0 };
}

/* ---- identifiers in a text ---- */

/* An object or list of the text. */
struct level {
	bool object;
	enum name_kind kind;   /* which strings and keys in it are identifiers */
	enum name_kind member; /* the same of the member that is being read */
	/* of a schema: it lists the permitted values; number of its default in the list of
	 * places, plus 1; 0: it has none */
	bool enumerated, fallback_next;
	size_t fallback;
};

/* Returns what is an identifier in the value of a member or an element. */
static enum name_kind
kind_of_member(const struct level *l, struct span key)
{
	switch (l->kind) {
	case NAME_WORD: return NAME_WORD;
	case NAME_SCHEMAS: return NAME_SCHEMA;
	case NAME_SCHEMA: return l->object ? name_in_schema(key) : NAME_SCHEMA;
	default: return NAME_NONE;
	}
}

static int
keep_named_place(struct named *l, const struct json_event *ev, struct arena *a)
{
	struct named_place place = { ev->start, ev->end };

	return ARENA_PUSH(a, l->v, l->n, l->room, 8, place) ? 0 : ERR_NOMEM;
}

static int
read_named_key(struct named *l, const struct body *b, struct level *in, struct span key,
	const struct json_event *ev, struct arena *a)
{
	bool schema = l->s->schema;

	in->member = kind_of_member(in, key);
	in->fallback_next = in->kind == NAME_SCHEMA && span_is(key, "default");
	in->enumerated |= in->kind == NAME_SCHEMA && span_is(key, "enum");
	if (schema ? in->kind == NAME_WORD || in->kind == NAME_SCHEMAS : is_property(b, key))
		return keep_named_place(l, ev, a);
	return 0;
}

static int
read_named_string(struct named *l, struct level *in, const struct json_event *ev, struct arena *a)
{
	bool word = (in->object ? in->member : kind_of_member(in, SPAN_LIT(""))) == NAME_WORD;
	int err = word || in->fallback_next ? keep_named_place(l, ev, a) : 0;

	if (!err && in->fallback_next)
		in->fallback = l->n;
	return err;
}

/* A default is a permitted value only beside a list of those: otherwise its place becomes empty. */
static void
settle_default(struct named *l, const struct level *in)
{
	if (in->fallback && !in->enumerated)
		l->v[in->fallback - 1].end = l->v[in->fallback - 1].start;
}

/* Fills in the list from the segment's text. Returns 0 or ERR_NOMEM. */
static int
read_named(struct named *l, const struct body *b, struct arena *a)
{
	SCOPED_ARENA(scratch, CAP_REQUEST_ARENA, true);
	struct json *j = json_open(&scratch, l->text);
	struct level *levels = arena_array(&scratch, CAP_JSON_DEPTH + 1, sizeof(*levels));
	struct json_event ev;
	size_t depth = 0;
	int err = j && levels ? 0 : ERR_NOMEM;

	if (!err)
		levels[0] = (struct level){ .kind = NAME_NONE };
	while (!err) {
		struct level *in = &levels[depth];
		switch (json_next(j, &ev)) {
		case JSON_END:
		case JSON_ERROR: return 0;
		case JSON_KEY: {
			struct span key = json_text(&scratch, l->text, &ev);
			err = key.p ? read_named_key(l, b, in, key, &ev, a) : ERR_NOMEM;
			break;
		}
		case JSON_STRING:
			err = read_named_string(l, in, &ev, a);
			in->fallback_next = false;
			break;
		case JSON_OBJECT:
		case JSON_ARRAY: {
			enum name_kind kind = in->object ? in->member
							 : kind_of_member(in, SPAN_LIT(""));
			in->fallback_next = false;
			if (!depth && l->s->schema)
				kind = NAME_SCHEMA;
			levels[++depth] =
				(struct level){ .object = ev.tok == JSON_OBJECT, .kind = kind };
			break;
		}
		case JSON_OBJECT_END:
		case JSON_ARRAY_END:
			settle_default(l, in);
			depth--;
			break;
		default: in->fallback_next = false;
		}
	}
	return err;
}

bool
named_at(const struct body *b, const struct segment *s, size_t start, size_t end,
	struct arena *a, struct named *last, struct span *name)
{
	bool arguments = s->role == ROLE_TOOL_CALL && b->properties;

	if (s->form != SEG_JSON || s->identifier || !(arguments || s->schema))
		return false;
	if (last->s != s || last->text.p != s->text.p || last->text.n != s->text.n) {
		*last = (struct named){ .s = s, .text = s->text };
		if (read_named(last, b, a))
			last->n = 0;
	}
	size_t low = 0, high = last->n; /* the first place that ends after `start` */
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (last->v[mid].end <= start)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == last->n || last->v[low].start > start || last->v[low].end < end)
		return false;
	*name = span_cut(s->text, last->v[low].start, last->v[low].end);
	return true;
}
