/* The keys of a mapping as rows: which there are, what may be their values, where plain ones
 * go, and a sentence for the schema. One reader reads them, of a policy (policy/section.h) as
 * of tollgate.yaml; the same rows are compared, and make the JSON Schemas (policy/schema.h). */
#ifndef POLICY_CONFIG_FIELDS_H
#define POLICY_CONFIG_FIELDS_H

#include <stddef.h>

#include "base/codec/yaml.h"

/* What is read into the member of a struct, by its type. */
enum field_kind {
	FIELD_OTHER,	/* nothing: the section's own code reads it */
	FIELD_TEXT,	/* const char * */
	FIELD_PATH,	/* const char *, from the folder of the file; noted by diag_rotates() */
	FIELD_FILE,	/* the same, and not noted */
	FIELD_BOOL,	/* bool */
	FIELD_COUNT,	/* uint64_t, from min to max */
	FIELD_UNSIGNED, /* unsigned, from min to max */
	FIELD_DURATION, /* uint64_t, microseconds, from min to max */
	FIELD_SECONDS,	/* uint64_t, whole seconds; min and max are microseconds */
	FIELD_SIZE,	/* uint64_t, bytes, from min to max */
	FIELD_WORD,	/* an enum: the index among the words */
	FIELD_FLAG,	/* bool: it is the second of two words */
	FIELD_KINDS	/* from here on those of tollgate.yaml alone (config/options.h) */
};

struct field {
	const char *key;	  /* of tollgate.yaml with its section: "agent.listen" */
	const char *schema;	  /* of the value; NULL: one of the words, or `of` says it */
	unsigned kind;		  /* enum field_kind, enum option_kind */
	const char *const *words; /* end with NULL */
	size_t place;		  /* of the member */
	uint64_t min, max;	  /* of a text the most bytes; 0: any */
	const char *help;
	const char *(*wrong)(const char *text); /* of a text: NULL, or what is wrong with it */
	const char *fallback;			/* as written in the file; NULL: unset */
	size_t aux;		  /* place of the count or of the "is set" flag; 0: none */
	const struct section *of; /* the mapping, or with a count each of a list of them */
	bool needed;
};

enum { SECTION_FIELDS = 36 };
struct section {
	const char *name;
	const char *required;		     /* JSON list; NULL: none */
	const char *const *later;	     /* keys of a later version; may be NULL */
	struct field fields[SECTION_FIELDS]; /* the last has no key */
	size_t size, most; /* of its struct, and how many a list has: for fields_list() */
	bool bare;	   /* what is wrong is said without the section's name */
};

/* The value into the member at `at`; where it may not be used, which is said as being within
 * that section (""), the member stays as it is. A kind that is none of enum field_kind is not
 * read. */
void field_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	const struct field *f, void *at, const char *within);
/* Reports keys that the section does not have. False where n is no mapping. */
bool fields_known(struct diag *d, const struct yaml_node *n, const struct section *s);
/* The same, and reads into the struct at `out` (which may
 * be NULL where no row has a place) what the rows name; what is not given or wrong leaves
 * its member as it is, or its fallback there. */
bool fields_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	const struct section *s, void *out);
/* A list of such mappings into an array of their structs in the arena, each of which begins
 * with `const struct yaml_node *at` and the text that no other one has, the first row's. NULL:
 * it is none, or was refused. */
void *fields_list(struct arena *a, struct diag *d, const struct yaml_node *n,
	const struct section *s, size_t *count);
/* Whether two structs, or two arrays of them, have the same in it; what own code reads is not
 * looked at. */
bool field_same(const struct field *f, const void *x, const void *y);
bool fields_same(const struct section *s, const void *x, const void *y);
bool fields_same_list(
	const struct section *s, const void *x, size_t nx, const void *y, size_t ny);

#endif
