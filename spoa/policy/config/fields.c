/* Reads the rows of a section into a struct, and compares two such structs. Each row (struct
 * field) has the offset of its member in `place`. */
#include "policy/config/fields.h"

#include <inttypes.h>

#include "base/ascii.h"
#include "policy/config/read.h"

/* Reads a string or path. An error names the section `within` if that is not empty. */
static void
field_text(struct arena *a, struct diag *d, const struct yaml_node *n, const struct field *f,
	const char *within, const char **out)
{
	const char *text, *why, *sep = *within ? ": " : "";

	if (!(f->kind == FIELD_TEXT ? read_text(d, n, f->key, &text)
				    : read_path(a, d, n, &text)))
		return;
	if (f->max && strlen(text) > f->max) {
		diag_at(d, n, "%s%s%s: longer than %" PRIu64 " bytes", within, sep, f->key,
			f->max);
	} else if (f->wrong && (why = f->wrong(text))) {
		diag_at(d, n, "%s%s%s: %s", within, sep, f->key, why);
	} else {
		if (f->kind == FIELD_PATH)
			diag_rotates(d, text);
		*out = text;
	}
}

void
field_read(struct arena *a, struct diag *d, const struct yaml_node *n, const struct field *f,
	void *at, const char *within)
{
	uint64_t count;
	unsigned word;

	switch (f->kind) {
	case FIELD_TEXT:
	case FIELD_PATH:
	case FIELD_FILE: field_text(a, d, n, f, within, at); break;
	case FIELD_BOOL: read_bool(d, n, at); break;
	case FIELD_COUNT: read_uint(d, n, f->min, f->max, at); break;
	case FIELD_UNSIGNED:
		if (read_uint(d, n, f->min, f->max, &count))
			*(unsigned *)at = (unsigned)count;
		break;
	case FIELD_DURATION: read_duration_us(d, n, f->min, f->max, at); break;
	case FIELD_SECONDS:
		if (!read_duration_us(d, n, f->min, f->max, at))
			break;
		if (*(uint64_t *)at % SECOND_US)
			diag_at(d, n, "%s: whole seconds are expected, found %s", f->key,
				n->s.p);
		*(uint64_t *)at /= SECOND_US;
		break;
	case FIELD_SIZE: read_size(d, n, f->min, f->max, at); break;
	case FIELD_WORD: read_word(d, n, f->words, at); break;
	case FIELD_FLAG:
		if (read_word(d, n, f->words, &word))
			*(bool *)at = word == 1;
		break;
	default: break;
	}
}

bool
fields_known(struct diag *d, const struct yaml_node *n, const struct section *s)
{
	const char *keys[SECTION_FIELDS];
	size_t i;

	for (i = 0; s->fields[i].key; i++)
		keys[i] = s->fields[i].key;
	keys[i] = NULL;
	return read_map(d, n, s->name, keys, s->later);
}

bool
fields_read(struct arena *a, struct diag *d, const struct yaml_node *n, const struct section *s,
	void *out)
{
	if (!fields_known(d, n, s))
		return false;
	for (const struct field *f = s->fields; f->key; f++) {
		const struct yaml_node *c = yaml_get(n, f->key);
		void *at = out ? (char *)out + f->place : NULL;
		if (f->fallback)
			field_read(a, d,
				&(struct yaml_node){
					.kind = YAML_SCALAR, .s = span_str(f->fallback) },
				f, at, "");
		if (c)
			field_read(a, d, c, f, at, s->bare ? "" : s->name);
		else if (f->needed && s->bare)
			diag_at(d, n->key ? n->key : n, "%s: is missing", f->key);
		else if (f->needed)
			diag_at(d, n, "%s: %s is missing", s->name, f->key);
	}
	return true;
}

void *
fields_list(struct arena *a, struct diag *d, const struct yaml_node *n, const struct section *s,
	size_t *count)
{
	struct entry {
		const struct yaml_node *at;
		const char *name;
	} * one, *other;
	char *all = read_room(a, d, n, s->name, s->most, s->size);

	for (const struct yaml_node *c = all ? n->child : NULL; c; c = c->next) {
		one = (void *)(all + *count * s->size);
		one->at = c;
		fields_read(a, d, c, s, one);
		for (size_t i = 0; i < *count && one->name; i++) {
			other = (void *)(all + i * s->size);
			if (str_same(other->name, one->name))
				diag_at(d, c, "%s: %s %s is listed twice", s->name,
					s->fields[0].key, one->name);
		}
		++*count;
	}
	return all;
}

bool
field_same(const struct field *f, const void *x, const void *y)
{
	const void *a = (const char *)x + f->place, *b = (const char *)y + f->place;

	switch (f->kind) {
	case FIELD_TEXT:
	case FIELD_PATH:
	case FIELD_FILE: return str_same(*(const char *const *)a, *(const char *const *)b);
	case FIELD_BOOL:
	case FIELD_FLAG: return *(const bool *)a == *(const bool *)b;
	case FIELD_COUNT:
	case FIELD_DURATION:
	case FIELD_SECONDS:
	case FIELD_SIZE: return *(const uint64_t *)a == *(const uint64_t *)b;
	case FIELD_UNSIGNED:
	case FIELD_WORD: return *(const unsigned *)a == *(const unsigned *)b;
	default: return true;
	}
}

bool
fields_same(const struct section *s, const void *x, const void *y)
{
	bool same = true;

	for (const struct field *f = s->fields; f->key; f++)
		same = same && field_same(f, x, y);
	return same;
}

bool
fields_same_list(const struct section *s, const void *x, size_t nx, const void *y, size_t ny)
{
	bool same = nx == ny;

	for (size_t at = 0; same && at < nx * s->size; at += s->size)
		same = fields_same(s, (const char *)x + at, (const char *)y + at);
	return same;
}
