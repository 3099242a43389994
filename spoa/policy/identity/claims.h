/* From verified claims to an identity: paths, types, free attributes. */
#ifndef POLICY_IDENTITY_CLAIMS_H
#define POLICY_IDENTITY_CLAIMS_H

#include <jansson.h>

#include "base/codec/cert.h"
#include "base/err.h"
#include "policy/identity/identity.h"

/* The members of an identity that are a text each: what claims, headers and records call them,
 * and where they are. */
enum { IDENTITY_TEXTS = 5 };
extern const struct identity_text {
	const char *name, *wrong; /* why a claim is refused that is none */
	size_t place, mapped;	  /* in struct identity, in struct claim_map */
} identity_texts[IDENTITY_TEXTS];

static inline struct span *
identity_text(struct identity *id, size_t i)
{
	return (struct span *)(void *)((char *)id + identity_texts[i].place);
}

/* The path or field that is meant; NULL: none. */
static inline const char *
claim_mapped(const struct claim_map *map, size_t i)
{
	return *(const char *const *)(const void *)((const char *)map +
						    identity_texts[i].mapped);
}

/* ERR_AUTH, and why. */
static inline int
auth_refused(const char **why, const char *phrase)
{
	*why = phrase;
	return ERR_AUTH;
}

/* 0; ERR_AUTH: a mapped claim has the wrong type or the person is missing, *why a
 * fixed phrase; ERR_NOMEM. Everything lives in the arena. */
int claims_read(const struct claim_map *map, json_t *claims, struct arena *a,
	struct identity *out, const char **why);
/* Makes `out`'s person one of the entry's realm, in the arena, and notes what records keep. 0;
 * ERR_AUTH: an entry without a realm names a person of a declared one; ERR_NOMEM. */
int claims_in_realm(const struct policy *p, const struct identity_entry *e, struct arena *a,
	struct identity *out, const char **why);
/* What the certificate says, by the same map: fields for paths. */
int claims_from_cert(const struct claim_map *map, const struct cert *c, struct arena *a,
	struct identity *out, const char **why);

#endif
