/* The mappings of a policy's file: one row a key, which feeds the reading of its value, the
 * messages about keys and the JSON Schema (policy/schema.h). */
#ifndef POLICY_SECTION_H
#define POLICY_SECTION_H

#include "base/codec/yaml.h"

enum section_name {
	SECTION_POLICY,
	SECTION_OBSERVE,
	SECTION_ON_FAILURE,
	SECTION_LOCAL,
	SECTION_JWT,
	SECTION_CLAIMS,
	SECTION_SIGNED_HEADERS,
	SECTION_CLIENT_CERTIFICATE,
	SECTION_API_KEY,
	SECTION_NONE,
	SECTION_DETECTORS,
	SECTION_INJECTION,
	SECTION_EXTERNAL,
	SECTION_ANSWER,
	SECTION_CACHE,
	SECTION_BREAKER,
	SECTION_CLASS,
	SECTION_PROVIDER,
	SECTION_TARGET_BREAKER,
	SECTION_ROUTE,
	SECTION_WEBSOCKET,
	SECTION_ABOUT,
	SECTION_LOGIN,
	SECTION_MATCH,
	SECTION_TARGET,
	SECTION_CHOOSE,
	SECTION_RETRY,
	SECTION_MODEL,
	SECTION_RECORD,
	SECTION_RESTORE,
	SECTION_TRANSLATE,
	SECTION_ROUTE_CACHE,
	SECTION_CACHE_EXACT,
	SECTION_CACHE_NEAR,
	SECTION_CACHE_SEMANTIC,
	SECTION_RULE,
	SECTION_DENY,
	SECTION_REDACT,
	SECTION_EFFECT_ROUTE,
	SECTION_LIMIT,
	SECTION_WINDOW,
	SECTION_BURST,
	SECTION_AT_SOFT,
	SECTION_AT_LIMIT,
	SECTION_AWAY,
	SECTION_CONVERSATION,
	SECTION_TAG,
	SECTION_DATA_FILE,
	SECTION_DATA_REDIS,
	SECTION_DATA_URL,
	SECTION_UNKNOWN_PRICE,
	SECTION_PRICES, /* from here on those of a price list */
	SECTION_PRICE,
	SECTION_PRICE_TIER,
	SECTION_PRICE_WHERE,
	SECTION_COUNT
};

/* What is read into the member of a struct, by its type. */
enum field_kind {
	FIELD_OTHER,	/* nothing: the section's own code reads it */
	FIELD_TEXT,	/* const char * */
	FIELD_PATH,	/* const char *, from the folder of the file; noted by diag_reads() */
	FIELD_BOOL,	/* bool */
	FIELD_COUNT,	/* uint64_t, from min to max */
	FIELD_UNSIGNED, /* unsigned, from min to max */
	FIELD_DURATION, /* uint64_t, microseconds, from min to max */
	FIELD_SECONDS,	/* uint64_t, whole seconds; min and max are microseconds */
	FIELD_SIZE,	/* uint64_t, bytes, from min to max */
	FIELD_WORD,	/* an enum: the index among the words */
	FIELD_FLAG,	/* bool: it is the second of two words */
};

struct field {
	const char *key;
	const char *schema; /* of the value; NULL: one of the words */
	enum field_kind kind;
	const char *const *words, *const *later; /* end with NULL; later: of a later version */
	size_t place;				 /* of the member */
	uint64_t min, max;
	const char *help;
};

enum { SECTION_FIELDS = 36 };
struct section {
	const char *name;
	const char *required;		     /* JSON list; NULL: none */
	const char *const *later;	     /* keys of a later version; may be NULL */
	struct field fields[SECTION_FIELDS]; /* the last has no key */
};
extern const struct section sections[];
extern const char *const identity_words[], *const shape_words[], *const outcome_words[],
									 *const effect_words[];

/* The row of a key; NULL: the section has none. */
const struct field *section_field(enum section_name which, struct span key);
/* Reports keys that the section does not have, and reads into the struct at `out` (which may
 * be NULL where no row has a place) what the rows name; what is not given or wrong leaves
 * its member as it is. False where n is no mapping. */
bool section_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	enum section_name which, void *out);

#endif
