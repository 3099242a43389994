/* API keys. A key is made once, shown once, and kept as SHA-256. The secret has 256 random
 * bits, so a plain hash is enough. The file is YAML that people can read:
 *
 *   keys:
 *     - {id: 7f3k2m9p, sha256: <64 hex>, person: alice, owner: platform, team: red,
 *        roles: [analyst], scopes: [chat, models], models: ["gpt-4o*"],
 *        created: 2026-11-20T08:00:00Z, expires: 2027-02-18T08:00:00Z}
 *
 * The key itself is tg_ID_SECRET. */
#ifndef POLICY_IDENTITY_APIKEYS_H
#define POLICY_IDENTITY_APIKEYS_H

#include "base/codec/yaml.h"

enum { APIKEY_ID_LEN = 8, APIKEY_SECRET_LEN = 52 }; /* characters; 256 bits in base 32 */

/* One key. Strings live in the arena of its struct apikeys; missing ones are "". */
struct apikey {
	const char *id, *person, *owner, *agent, *department, *team, *tier;
	/* the id whose counters the key's own limits use: that of the first key in a series of
	 * rotations; "": the key's own id */
	const char *counts_as;
	/* scopes: names of routes; none: every route. models: patterns of names, as glob()
	 * reads them; none: every model */
	const char **roles, **scopes, **models;
	size_t nroles, nscopes, nmodels;
	const char **limits; /* the key's own limits, see keylimits.h */
	size_t nlimits;
	int64_t clearance;
	unsigned char sha256[32];
	int64_t created_ns, expires_ns, revoked_ns; /* wall clock; 0: never */
};

/* The strings of a key, in the order and by the names of the file and of `key new`. `place` is
 * the offset in struct apikey. People may set the first APIKEY_GIVEN texts; `key rotate` sets
 * the rest. */
enum { APIKEY_GIVEN = 7, APIKEY_TEXTS };
extern const struct apikey_text {
	const char *name;
	size_t place;
} apikey_texts[APIKEY_TEXTS];
/* The lists of strings of a key, in the same order and with the same kind of offsets. */
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

/* Returns the id whose counters the key's own limits use. */
static inline const char *
apikey_counts_as(const struct apikey *k)
{
	return k->counts_as && k->counts_as[0] ? k->counts_as : k->id;
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

/* The keys of one file, or of those made at run time. The owner frees it with
 * apikeys_free(). */
struct apikeys {
	struct arena arena;
	struct apikey *keys;
	size_t n;
	bool sorted; /* sorted by id, so that a search is binary */
	struct yaml_node *root;
};

/* Reads a file. An empty file contains no keys. Returns NULL with errors in *d. */
struct apikeys *apikeys_load(const char *file, struct diag *d);
void apikeys_free(struct apikeys **k);
/* Returns the key with this text, or NULL. The comparison of the secret takes constant time. */
const struct apikey *apikeys_find(const struct apikeys *k, struct span text);
/* Returns NULL if there is no such key. */
struct apikey *apikeys_by_id(const struct apikeys *k, struct span id);
/* Finds the first text in *rest that has the form of a key made by apikey_make(), known or not,
 * and moves *rest behind it. Returns false if there is none. */
bool apikey_next(struct span *rest, struct span *key);
/* Returns false if the key has expired or is revoked. A revoked key stays revoked whatever the
 * time of the revocation is, so that a clock that is behind does not lift it. */
bool apikey_live(const struct apikey *k, int64_t now_wall_ns);
/* Returns the ID of a key's text, between its underscores, or an empty span. */
struct span apikey_id(struct span text);
/* Returns true if the key has this text. Takes constant time in the text. */
bool apikey_is(const struct apikey *k, struct span text);
/* Copies a key; its strings live in the arena. Returns 0 or ERR_NOMEM. */
int apikey_copy(const struct apikey *from, struct arena *a, struct apikey *to);
/* Makes a new key: its id, the text to show once, and the hash of the text. */
void apikey_make(char id[APIKEY_ID_LEN + 1], char text[80], unsigned char sha256[32]);

/* Writes `nout` digits of the keys' base 32 and a NUL. Bits beyond `nin` bytes are 0. */
void apikey_base32(char *out, const unsigned char *in, size_t nin, size_t nout);

#endif
