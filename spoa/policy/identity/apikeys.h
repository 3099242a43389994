/* API keys: made once, shown once, kept as SHA-256 (the secret has 256 bits of
 * chance, so a plain hash is enough). The file is YAML that a person can read:
 *
 *   keys:
 *     - {id: 7f3k2m9p, sha256: <64 hex>, person: alice, owner: platform, team: red,
 *        roles: [analyst], scopes: [chat, models], models: ["gpt-4o*"],
 *        created: 2026-11-20T08:00:00Z, expires: 2027-02-18T08:00:00Z}
 *
 * A key reads tg_ID_SECRET. */
#ifndef POLICY_IDENTITY_APIKEYS_H
#define POLICY_IDENTITY_APIKEYS_H

#include "base/codec/yaml.h"

enum { APIKEY_ID_LEN = 8, APIKEY_SECRET_LEN = 52 }; /* base 32 of 256 bits */

struct apikey {
	const char *id, *person, *owner, *agent, *department, *team, *tier;
	/* scopes: names of routes; none: every route. models: patterns of their names, as glob()
	 * reads them; none: every model */
	const char **roles, **scopes, **models;
	size_t nroles, nscopes, nmodels;
	const char **limits; /* its own: policy/identity/keylimits.h */
	size_t nlimits;
	int64_t clearance;
	unsigned char sha256[32];
	int64_t created_ns, expires_ns, revoked_ns; /* wall; 0: never */
};

/* Its texts, in the order and by the names of the file and of `key new`. */
enum { APIKEY_TEXTS = 7 };
extern const struct apikey_text {
	const char *name;
	size_t place;
} apikey_texts[APIKEY_TEXTS];
/* Its lists of texts, likewise. */
enum { APIKEY_LISTS = 4 };
extern const struct apikey_list {
	const char *name;
	size_t place, count;
} apikey_lists[APIKEY_LISTS];

static inline const char **
apikey_text(struct apikey *k, size_t i)
{
	return (const char **)(void *)((char *)k + apikey_texts[i].place);
}

static inline const char ***
apikey_list(struct apikey *k, size_t i)
{
	return (const char ***)(void *)((char *)k + apikey_lists[i].place);
}

static inline size_t *
apikey_count(struct apikey *k, size_t i)
{
	return (size_t *)(void *)((char *)k + apikey_lists[i].count);
}

struct apikeys {
	struct arena arena;
	struct apikey *keys;
	size_t n;
	bool sorted; /* by id */
	struct yaml_node *root;
};

/* An empty file holds no keys. NULL with *d filled. */
struct apikeys *apikeys_load(const char *file, struct diag *d);
void apikeys_free(struct apikeys **k);
/* The key this text is: NULL where unknown. Constant time in the secret. */
const struct apikey *apikeys_find(const struct apikeys *k, struct span text);
/* NULL where there is none. */
struct apikey *apikeys_by_id(const struct apikeys *k, struct span id);
/* The first text in *rest that has the form of a key which apikey_make() made, known or not;
 * *rest goes on after it. False: none. */
bool apikey_next(struct span *rest, struct span *key);
/* False if it has ended or is revoked. A revocation holds whatever its time is: a clock that is behind
 * does not lift it. */
bool apikey_live(const struct apikey *k, int64_t now_wall_ns);
/* The part of a key's text between its underscores: what looks it up. */
struct span apikey_id(struct span text);
/* Whether that is the hash of the text; constant time in it. */
bool apikey_is(const struct apikey *k, struct span text);
/* A copy whose texts are of the arena. 0 or ERR_NOMEM. */
int apikey_copy(const struct apikey *from, struct arena *a, struct apikey *to);
/* A fresh key: id, the text to show once, and its hash. */
void apikey_make(char id[APIKEY_ID_LEN + 1], char text[80], unsigned char sha256[32]);

/* nout digits of the base 32 that keys are written in, and a NUL; bits beyond nin are 0. */
void apikey_base32(char *out, const unsigned char *in, size_t nin, size_t nout);

#endif
