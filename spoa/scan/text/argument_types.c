/* Reads the types of tools' arguments. The walk knows no dialect: in each of them, a schema of
 * arguments has its properties in an object named `properties`, and the tool's name is a member of
 * an object around the schema. A property has the types of its own schema and of those that it
 * combines (anyOf, items, …), but not those of its own properties, which have names of their own.
 * A reference counts as a string, since its target is not looked up (JSON Schema 2020-12). */
#include "scan/text/argument_types.h"

#include <stdlib.h>

#include "base/among.h"
#include "base/caps.h"
#include "base/codec/json.h"
#include "base/push.h"
#include "base/scoped.h"

enum {
	SAYS_STRING = 1,
	SAYS_NUMBER = 2,
	ROWS_MOST = 4096, /* properties; of more, none is known to be a string */
};

struct argument_row {
	uint64_t tool, name; /* span_hash(); tool 0: not known yet, or none */
	unsigned says;
	unsigned anywhere; /* the types of all properties with this name, without those that are numbers */
};

struct argument_types {
	struct argument_row *v; /* when the walk has ended: by name, then tool; each pair once */
	size_t n, room;
	uint64_t *tools; /* the tools of the rows, sorted */
	size_t ntools;
};

/* An object or list that is open. */
struct scope {
	bool object;
	bool names;	 /* an object of schemas by name */
	bool member;	 /* the current member of this object is named `properties` */
	bool type;	 /* the current member states a type, or this is its list */
	bool name;	 /* the current member is `name` */
	size_t property; /* row of the property whose schema this is, plus 1; 0: none */
	size_t first;	 /* rows that existed when the object began */
	uint64_t tool;	 /* the object's `name`; 0: none */
};

/* Permissive: `str` and `int` are Cohere's names, and Gemini writes capitals. */
static unsigned
says_of(struct span type)
{
	static const char *const numbers[] = { "number", "integer", "int", "float", "double", "long" };

	if (span_ieq(type, SPAN_LIT("string")) || span_ieq(type, SPAN_LIT("str")))
		return SAYS_STRING;
	return SPAN_AMONG(type, numbers, span_ieq) ? SAYS_NUMBER : 0;
}

static size_t
add_typed_property(struct argument_types *t, struct span name, struct arena *a)
{
	struct argument_row row = { .name = span_hash(name) };

	if (t->n == ROWS_MOST || !ARENA_PUSH(a, t->v, t->n, t->room, 32, row))
		return 0;
	return t->n;
}

/* Handles a key of an object; `key` is decoded. */
static void
read_schema_key(struct argument_types *t, struct scope *in, size_t *property, struct span key, struct arena *a)
{
	bool begins = span_is(key, "properties") || span_is(key, "parameter_definitions");

	*property = in->property;
	in->member = in->type = in->name = false;
	if (in->names) {
		*property = add_typed_property(t, key, a);
		return;
	}
	in->member = begins;
	in->type = span_is(key, "type");
	in->name = span_is(key, "name") && !in->property;
	if (span_is(key, "$ref") && in->property)
		t->v[in->property - 1].says |= SAYS_STRING;
}

/* The properties of an object that ends belong to the tool that it names. */
static void
end_scope(struct argument_types *t, const struct scope *in)
{
	for (size_t i = in->tool ? in->first : t->n; i < t->n; i++)
		if (!t->v[i].tool)
			t->v[i].tool = in->tool;
}

static int
compare_rows(const void *a, const void *b)
{
	const struct argument_row *x = a, *y = b;

	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	return x->tool == y->tool ? 0 : x->tool < y->tool ? -1 : 1;
}

static int
compare_tools(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x == *y ? 0 : *x < *y ? -1 : 1;
}

/* Sorts the rows for argument_is_string(), and unites those of one name and tool. Returns NULL if
 * there is none, or if memory is exhausted. */
static struct argument_types *
index_rows(struct argument_types *t, struct arena *a)
{
	size_t kept = 0;

	t->tools = t->n ? arena_array(a, t->n, sizeof(*t->tools)) : NULL;
	if (!t->tools)
		return NULL;
	t->ntools = t->n;
	for (size_t i = 0; i < t->n; i++) {
		t->tools[i] = t->v[i].tool;
		/* another tool's number does not make this one a number */
		t->v[i].anywhere = t->v[i].says & SAYS_NUMBER ? 0 : t->v[i].says;
	}
	qsort(t->tools, t->ntools, sizeof(*t->tools), compare_tools);
	qsort(t->v, t->n, sizeof(*t->v), compare_rows);
	for (size_t from = 0, to; from < t->n; from = to) {
		size_t first = kept;
		unsigned anywhere = 0;
		for (to = from; to < t->n && t->v[to].name == t->v[from].name; to++) {
			anywhere |= t->v[to].anywhere;
			if (kept > first && t->v[kept - 1].tool == t->v[to].tool)
				t->v[kept - 1].says |= t->v[to].says;
			else
				t->v[kept++] = t->v[to];
		}
		for (size_t i = first; i < kept; i++)
			t->v[i].anywhere = anywhere;
	}
	t->n = kept;
	return t;
}

/* Returns the first row with this name whose tool is not less. NULL: none. */
static const struct argument_row *
row_at(const struct argument_types *t, uint64_t name, uint64_t tool)
{
	struct argument_row wanted = { .name = name, .tool = tool };
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare_rows(&t->v[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->n && t->v[low].name == name ? &t->v[low] : NULL;
}

struct argument_types *
argument_types_read(struct span body, struct arena *a)
{
	SCOPED_ARENA(scratch, CAP_REQUEST_ARENA, true);
	struct json *j = json_open(&scratch, body);
	struct scope *scopes = arena_array(&scratch, CAP_JSON_DEPTH + 1, sizeof(*scopes));
	struct argument_types *t = arena_new(a, struct argument_types);
	struct json_event ev;
	size_t depth = 0, property = 0;

	if (!j || !scopes || !t)
		return NULL;
	*t = (struct argument_types){ 0 };
	scopes[0] = (struct scope){ 0 };
	for (;;) {
		struct scope *in = &scopes[depth];
		switch (json_next(j, &ev)) {
		case JSON_END:
		case JSON_ERROR: return index_rows(t, a);
		case JSON_KEY: {
			struct span key = json_text(&scratch, body, &ev);
			if (!key.p)
				return NULL;
			read_schema_key(t, in, &property, key, a);
			break;
		}
		case JSON_STRING: {
			struct span text = json_text(&scratch, body, &ev);
			if (text.p && in->type && in->property)
				t->v[in->property - 1].says |= says_of(text);
			if (text.p && in->name)
				in->tool = span_hash(text);
			break;
		}
		case JSON_OBJECT:
		case JSON_ARRAY:
			scopes[++depth] = (struct scope){ .object = ev.tok == JSON_OBJECT,
				.names = ev.tok == JSON_OBJECT && in->member,
				.type = ev.tok == JSON_ARRAY && in->type,
				.property = in->member	 ? 0
					    : in->object ? property
							 : in->property,
				.first = t->n };
			break;
		case JSON_OBJECT_END:
		case JSON_ARRAY_END:
			end_scope(t, in);
			depth--;
			break;
		default: break;
		}
	}
}

bool
argument_types_have(const struct argument_types *t, uint64_t tool)
{
	return t && tool && bsearch(&tool, t->tools, t->ntools, sizeof(tool), compare_tools);
}

bool
argument_is_string(const struct argument_types *t, uint64_t tool, uint64_t name)
{
	const struct argument_row *row;

	if (!t)
		return false;
	if (argument_types_have(t, tool)) {
		row = row_at(t, name, tool);
		return row && row->tool == tool && row->says == SAYS_STRING;
	}
	row = row_at(t, name, 0);
	return row && (row->anywhere & SAYS_STRING) != 0;
}
