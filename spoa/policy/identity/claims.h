/* From verified claims or certificates to an identity: paths, types and attributes. */
#ifndef POLICY_IDENTITY_CLAIMS_H
#define POLICY_IDENTITY_CLAIMS_H

#include <jansson.h>

#include "base/codec/cert.h"
#include "base/err.h"
#include "policy/identity/identity.h"
#include "policy/identity_entry.h"

/* The string members of an identity: their names in claims, headers and records, and their
 * places. */
enum { IDENTITY_TEXTS = 5 };
extern const struct identity_text {
	const char *name, *wrong; /* `wrong`: why a claim that is not a string is refused */
	size_t place, mapped;	  /* offsets in struct identity and in struct claim_map */
} identity_texts[IDENTITY_TEXTS];

static inline struct span *
identity_text(struct identity *id, size_t i)
{
	return (struct span *)(void *)((char *)id + identity_texts[i].place);
}

/* Returns the path or field for the member, or NULL if none is mapped. */
static inline const char *
claim_mapped(const struct claim_map *map, size_t i)
{
	return *(const char *const *)(const void *)((const char *)map +
						    identity_texts[i].mapped);
}

/* Sets *why and returns ERR_AUTH. */
static inline int
auth_refused(const char **why, const char *phrase)
{
	*why = phrase;
	return ERR_AUTH;
}

#endif
