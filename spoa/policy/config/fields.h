/* Keys of a mapping as table rows: the key, the schema of its value, the place in a struct, and
 * a sentence for the schema. The same functions read tollgate.yaml and policies
 * (policy/section.h), compare two configurations, and print the JSON Schemas
 * (policy/schema.h). */
#ifndef POLICY_CONFIG_FIELDS_H
#define POLICY_CONFIG_FIELDS_H

#include <stddef.h>

#include "base/codec/yaml.h"

/* The type of the member that a value is read into. */
enum field_kind {
	FIELD_OTHER, /* the section's own code reads the value */
	FIELD_TEXT,  /* const char * */
	/* const char *: a path, relative to the folder of the file; diag_rotates() is called */
	FIELD_PATH,
	FIELD_FILE,	/* like FIELD_PATH, without diag_rotates() */
	FIELD_BOOL,	/* bool */
	FIELD_COUNT,	/* uint64_t, from min to max */
	FIELD_UNSIGNED, /* unsigned, from min to max */
	FIELD_DURATION, /* uint64_t, microseconds, from min to max */
	FIELD_SECONDS,	/* uint64_t, whole seconds; min and max are microseconds */
	FIELD_SIZE,	/* uint64_t, bytes, from min to max */
	FIELD_WORD,	/* an enum: the index of the word */
	FIELD_FLAG,	/* bool: true for the second of two words */
	FIELD_KINDS	/* kinds from here on are for tollgate.yaml only (config/options.h) */
};

/* One key. Rows are static and constant. */
struct field {
	const char *key; /* the key; in tollgate.yaml with its section: "agent.listen" */
	/* JSON Schema of the value; NULL: derived from `words` or `of` */
	const char *schema;
	unsigned kind;		  /* enum field_kind, enum option_kind */
	const char *const *words; /* accepted words; NULL ends them */
	size_t place;		  /* offset of the member */
	uint64_t min, max;	  /* bounds; for a string, max is the most bytes; 0: no bound */
	const char *help;	  /* sentence for the schema and the manual */
	const char *(*wrong)(const char *text); /* returns NULL, or why a string is wrong */
	/* default, as written in the file; NULL: none */
	const char *fallback;
	size_t aux;		  /* offset of the count or the "is set" flag; 0: none */
	const struct section *of; /* section of the mapping, or of each mapping of a list */
	bool needed;		  /* a missing key is an error */
};

enum { SECTION_FIELDS = 36 };
/* A mapping: its keys and, for a list of such mappings, the struct of one item. */
struct section {
	const char *name;
	const char *required;		     /* JSON list of required keys; NULL: none */
	const char *const *later;	     /* keys of a later version; may be NULL */
	struct field fields[SECTION_FIELDS]; /* a row without key ends them */
	/* bytes of the struct, and most items of a list; for fields_list() */
	size_t size, most;
	bool bare; /* messages do not name the section */
};

/* Reports keys that the section does not have, and reads all rows with a place into the struct at `out`. A missing or
 * wrong value leaves the member unchanged, or sets its fallback. Returns false if `n` is
 * not a mapping. `out` may be NULL if no row has a place. */
bool fields_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	const struct section *s, void *out);

#endif
