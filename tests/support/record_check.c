/* Checks the members of a record against the table of record fields, recursively. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "support/record_check.h"

const char *const record_type_names[] = {
#define X(id, name) name,
	RECORD_TYPES(X)
#undef X
};

/* Objects whose members have rows only under the other path. */
static const struct {
	const char *path, *as;
} record_alike[] = {
	{ "answer.verdict.rules", "rules" },
	{ "answer.verdict.entities", "entities" },
	{ "answer.shadow_policy", "shadow_policy" },
	{ "at_limit", "at_soft" },
	{ "reserved_usage", "estimated_usage" },
};

/* Returns the row of that path, or, with `below`, any row below it ("a.*."). NULL: none. */
static const struct record_row *
record_row_of(const char *path, bool below)
{
	char as[256];

	for (size_t i = 0; i < COUNT_OF(record_alike); i++) {
		size_t n = strlen(record_alike[i].path);
		if (strncmp(path, record_alike[i].path, n) || !strchr(".[", path[n]) ||
			!path[n])
			continue;
		snprintf(as, sizeof(as), "%s%s", record_alike[i].as, path + n);
		path = as;
		break;
	}
	for (size_t i = 0; i < RECORD_FIELDS_COUNT; i++)
		if (below ? !strncmp(record_rows[i].path, path, strlen(path))
			  : !strcmp(record_rows[i].path, path))
			return &record_rows[i];
	return NULL;
}

static bool
record_type_is(const json_t *v, enum record_type type)
{
	const char *s = json_string_value(v);
	const json_t *one;
	size_t i;

	switch (type) {
	case RECORD_TEXT: return s != NULL;
	case RECORD_TIME: return s && strlen(s) == 30 && s[29] == 'Z';
	case RECORD_HASH: return s && *s && strspn(s, "0123456789abcdef") == strlen(s);
	case RECORD_INTEGER: return json_is_integer(v);
	case RECORD_NUMBER: return json_is_real(v);
	case RECORD_FLAG: return json_is_true(v);
	case RECORD_OBJECT:
	case RECORD_MAP: return json_is_object(v);
	case RECORD_TEXTS:
	case RECORD_INTEGERS:
	case RECORD_OBJECTS:
		json_array_foreach(v, i, one)
		{
			if (type == RECORD_TEXTS	  ? !json_is_string(one)
				: type == RECORD_INTEGERS ? !json_is_integer(one)
							  : !json_is_object(one))
				return false;
		}
		return json_is_array(v);
	}
	return false;
}

/* Checks the object at `path`, which ends with a dot or is "". */
static void
record_check_members(const json_t *o, const char *path, unsigned in)
{
	char at[256], below[264];
	const char *name;
	json_t *v, *one;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)o, name, v)
	{
		snprintf(at, sizeof(at), "%s%s", path, name);
		const struct record_row *row = record_row_of(at, false);
		bool alike = row &&
			     strcmp(row->path, at) !=
				     0; /* the row states whether the object is expected here */
		if (!row || !(alike || row->in & in))
			fail_msg("a record has %s: RECORD_FIELDS has no such row", at);
		if (!record_type_is(v, (enum record_type)row->type))
			fail_msg("%s is no %s", at, record_type_names[row->type]);
		snprintf(below, sizeof(below), "%s%s.", at,
			row->type == RECORD_OBJECTS ? "[]"
			: row->type == RECORD_MAP   ? ".*"
						    : "");
		if (row->type == RECORD_OBJECT)
			record_check_members(v, below, in);
		json_array_foreach(row->type == RECORD_OBJECTS ? v : NULL, i, one)
			record_check_members(one, below, in);
		const char *key;
		json_object_foreach(row->type == RECORD_MAP ? v : NULL, key, one)
		{
			if (record_row_of(below, true))
				record_check_members(one, below, in);
		}
	}
}

void
record_check(struct span record)
{
	json_t *o =
		json_loadb(record.p, record.n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);

	if (!o)
		fail_msg("a record is no JSON: %.*s", SPAN_ARG(record));
	if (record_is(o, RF_TYPE, "decision"))
		record_check_members(o, "", RECORD_DECISION);
	if (record_is(o, RF_TYPE, "completion"))
		record_check_members(o, "", RECORD_COMPLETION);
	json_decref(o);
}
