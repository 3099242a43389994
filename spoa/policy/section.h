/* The mappings of a policy's file as table rows (policy/config/fields.h). */
#ifndef POLICY_SECTION_H
#define POLICY_SECTION_H

#include "policy/config/fields.h"

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
	SECTION_PLACEHOLDER,
	SECTION_EXTERNAL,
	SECTION_ANSWER,
	SECTION_CACHE,
	SECTION_BREAKER,
	SECTION_TRANSCRIBER,
	SECTION_CLASS,
	SECTION_PROVIDER,
	SECTION_TARGET_BREAKER,
	SECTION_ROUTE,
	SECTION_WEBSOCKET,
	SECTION_REALTIME,
	SECTION_ABOUT,
	SECTION_LOGIN,
	SECTION_JOINED,
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
	SECTION_TOOL,
	SECTION_LABEL,
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
	SECTION_PRICES, /* a price list's from here on */
	SECTION_PRICE,
	SECTION_PRICE_TIER,
	SECTION_PRICE_WHERE,
	SECTION_COUNT
};

extern const struct section sections[];
extern const char *const identity_words[],
	*const shape_words[], *const outcome_words[], *const effect_words[],
							      *const phase_words[],
								      *const calendar_words[];

/* Returns the row of a key, or NULL if the section has no such key. */
const struct field *section_field(enum section_name which, struct span key);
/* Calls fields_read() for the section. */
bool section_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	enum section_name which, void *out);

#endif
