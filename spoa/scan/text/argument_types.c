/* Reads the types of tools' arguments. The walk knows no dialect: in each of them, a schema of
 * arguments has its properties in an object named `properties`, and the tool's name is a member of
 * an object around the schema. A property has the types of its own schema and of those that it
 * combines (anyOf, items, …), but not those of its own properties, which have names of their own.
 * A reference counts as a string, since its target is not looked up (JSON Schema 2020-12). */
#include "scan/text/argument_types.h"

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
};

struct argument_types {
	struct argument_row *v;
	size_t n, room;
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
		case JSON_ERROR: return t->n ? t : NULL;
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
argument_is_string(const struct argument_types *t, uint64_t tool, uint64_t name)
{
	unsigned own = 0, all = 0;
	bool known = false;

	for (size_t i = 0; t && i < t->n; i++) {
		bool of_tool = tool && t->v[i].tool == tool;
		known |= of_tool;
		if (t->v[i].name != name)
			continue;
		own |= of_tool ? t->v[i].says : 0;
		/* another tool's number does not make this one a number */
		all |= t->v[i].says & SAYS_NUMBER ? 0 : t->v[i].says;
	}
	return known ? own == SAYS_STRING : (all & SAYS_STRING) != 0;
}
