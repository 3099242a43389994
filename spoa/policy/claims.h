/* From verified claims to an identity: paths, types, free attributes. */
#ifndef POLICY_CLAIMS_H
#define POLICY_CLAIMS_H

#include <jansson.h>

#include "policy/identity.h"
#include "store/cert.h"

/* 0; ERR_AUTH: a mapped claim has the wrong type or the person is missing, *why a
 * fixed phrase; ERR_NOMEM. Everything lives in the arena. */
int claims_read(const struct claim_map *map, json_t *claims, struct arena *a,
	struct identity *out, const char **why);
/* What the certificate says, by the same map: fields for paths. */
int claims_from_cert(const struct claim_map *map, const struct cert *c, struct arena *a,
	struct identity *out, const char **why);
/* A copy in another arena. */
int identity_copy(const struct identity *from, struct arena *a, struct identity *to);

#endif
