/* The file of API keys: reading, looking up, and making keys. The format is in apikeys.h. */
#include "policy/identity/apikeys.h"

#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/among.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/search.h"
#include "policy/config/read.h"
#include "policy/identity/keylimits.h"

#define TEXT(member)                                                                           \
	{                                                                                      \
#member, offsetof(struct apikey, member)                                       \
	}
const struct apikey_text apikey_texts[] = { TEXT(id), TEXT(person), TEXT(owner), TEXT(agent),
	TEXT(department), TEXT(team), TEXT(tier), TEXT(counts_as) };
#define LIST(member)                                                                           \
	{                                                                                      \
#member, offsetof(struct apikey, member), offsetof(struct apikey, n##member)   \
	}
const struct apikey_list apikey_lists[] = { LIST(roles), LIST(scopes), LIST(models),
	LIST(limits) };

/* Reads a time, if there is one. Returns false after an error. */
static bool
read_time(struct diag *d, const struct yaml_node *n, int64_t *out)
{
	if (!n)
		return true;
	if (n->kind == YAML_SCALAR && clock_parse(n->s.p, n->s.n, out) == 0)
		return true;
	diag_at(d, n, "%.*s must be a time such as 2026-11-20T08:00:00Z",
		SPAN_ARG(read_name(n, "this")));
	return false;
}

static void
read_optional(struct diag *d, const struct yaml_node *n, const char *what, const char **out)
{
	*out = "";
	if (n)
		read_text(d, n, what, out);
}

/* Checks the key's own limits. key_limits() reads them again when the key is used. */
static void
read_limits(struct diag *d, const struct yaml_node *n)
{
	struct limit l;
	size_t count = 0;

	for (const struct yaml_node *c = n ? yaml_first(n) : NULL; c; c = yaml_next(n, c)) {
		const char *wrong = key_limit_read(c->s, &l);
		if (wrong)
			diag_at(d, c, "limits: %s", wrong);
		if (++count == KEY_LIMITS_MAX + 1)
			diag_at(d, c, "limits: more than %d", KEY_LIMITS_MAX);
	}
}

static void
read_api_key(struct apikeys *k, const struct yaml_node *n, struct diag *d)
{
	static const char *const accepted[] = { "id", "sha256", "person", "owner", "agent",
		"department", "team", "tier", "counts_as", "roles", "scopes", "models",
		"limits", "clearance", "created", "expires", "revoked", NULL };
	static const char *const none[] = { NULL };
	struct apikey *key = &k->keys[k->n];
	const struct yaml_node *hash = yaml_get(n, "sha256"), *v;
	const char *text = "";
	size_t got = 0;

	if (!read_map(d, n, "an API key", accepted, none))
		return;
	for (size_t i = 0; i < APIKEY_TEXTS; i++)
		read_optional(d, yaml_get(n, apikey_texts[i].name), apikey_texts[i].name,
			apikey_text(key, i));
	read_optional(d, hash, "sha256", &text);
	if (!key->id[0] || !key->person[0])
		diag_at(d, n, "an API key needs id and person");
	if (strlen(text) != 64 ||
		sodium_hex2bin(key->sha256, sizeof(key->sha256), text, 64, NULL, &got, NULL) ||
		got != 32)
		diag_at(d, hash ? hash : n, "sha256 must be 64 hexadecimal digits");
	for (size_t i = 0; i < APIKEY_LISTS; i++)
		if ((v = yaml_get(n, apikey_lists[i].name)))
			read_texts(&k->arena, d, v, apikey_lists[i].name, apikey_list(key, i),
				apikey_count(key, i));
	read_limits(d, yaml_get(n, "limits"));
	if ((v = yaml_get(n, "clearance")) && !yaml_int(v, &key->clearance))
		diag_at(d, v, "clearance must be a whole number");
	read_time(d, yaml_get(n, "created"), &key->created_ns);
	read_time(d, yaml_get(n, "expires"), &key->expires_ns);
	read_time(d, yaml_get(n, "revoked"), &key->revoked_ns);
	for (size_t i = 0; i < k->n; i++)
		if (!strcmp(k->keys[i].id, key->id))
			diag_at(d, n, "the id %s occurs twice: each key needs its own id",
				key->id);
	k->n++;
}

struct apikeys *
apikeys_load(const char *file, struct diag *d)
{
	static const char *const accepted[] = { "keys", NULL }, *const none[] = { NULL };
	struct apikeys *k = calloc(1, sizeof(*k));
	unsigned before = d->errors;
	struct stat st;

	if (!k)
		return NULL;
	arena_init(&k->arena, 0, false);
	if (stat(file, &st) == 0 && st.st_size == 0)
		return k;
	k->root = yaml_load_rotating(&k->arena, file, d);
	if (k->root && read_map(d, k->root, "a file of API keys", accepted, none)) {
		const struct yaml_node *list = yaml_get(k->root, "keys");
		if (list && !yaml_is_null(list) && read_list(d, list, "keys")) {
			k->keys = arena_array(&k->arena, list->count + 1, sizeof(*k->keys));
			for (const struct yaml_node *n = list->child; n && k->keys; n = n->next)
				read_api_key(k, n, d);
		}
	}
	if (d->errors != before)
		apikeys_free(&k);
	return k;
}

void
apikeys_free(struct apikeys **k)
{
	if (*k)
		arena_reset(&(*k)->arena);
	free(*k);
	*k = NULL;
}

struct apikey *
apikeys_by_id(const struct apikeys *k, struct span id)
{
	size_t i = 0;

	if (k->sorted)
		i = SEARCH_FIRST(k->n, m, span_order(span_str(k->keys[m].id), id) < 0);
	else
		while (i < k->n && !span_is(id, k->keys[i].id))
			i++;
	return i < k->n && span_is(id, k->keys[i].id) ? &k->keys[i] : NULL;
}

struct span
apikey_id(struct span text)
{
	struct span rest = text;

	span_next(&rest, '_');
	struct span id = span_next(&rest, '_');
	return text.n > 128 || rest.n == 0 ? span_of(NULL, 0) : id;
}

bool
apikey_is(const struct apikey *k, struct span text)
{
	unsigned char h[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(h, (const unsigned char *)text.p, text.n);
	return sodium_memcmp(h, k->sha256, sizeof(h)) == 0;
}

const struct apikey *
apikeys_find(const struct apikeys *k, struct span text)
{
	struct span id = apikey_id(text);
	const struct apikey *key = id.p ? apikeys_by_id(k, id) : NULL;

	return key && apikey_is(key, text) ? key : NULL;
}

int
apikey_copy(const struct apikey *from, struct arena *a, struct apikey *to)
{
	*to = *from;
	for (size_t i = 0; i < APIKEY_TEXTS; i++)
		*apikey_text(to, i) = arena_strdup(a, *apikey_text(to, i));
	for (size_t i = 0; i < APIKEY_LISTS; i++) {
		const char **old = *apikey_list(to, i);
		const char **v = arena_array(a, *apikey_count(to, i) + 1, sizeof(*v));
		for (size_t n = 0; v && n < *apikey_count(to, i); n++)
			v[n] = arena_strdup(a, old[n]);
		*apikey_list(to, i) = v;
	}
	return arena_failed(a) ? ERR_NOMEM : 0;
}

bool
apikey_live(const struct apikey *k, int64_t now)
{
	return !k->revoked_ns && (!k->expires_ns || now < k->expires_ns);
}

/* lower-case base 32 without letters that look alike */
static const char base32_alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

static bool
is_base32(struct span s)
{
	return span_past_set(s, 0, base32_alphabet) == s.n;
}

bool
apikey_next(struct span *rest, struct span *key)
{
	enum { SECRET_AT = 3 + APIKEY_ID_LEN + 1, LENGTH = SECRET_AT + APIKEY_SECRET_LEN };
	const char *p;

	while (rest->n >= LENGTH && (p = memchr(rest->p + 2, '_', rest->n - 2))) {
		p -= 2;
		size_t left = rest->n - (size_t)(p - rest->p);
		*key = span_of(p, LENGTH);
		if (left >= LENGTH && p[0] == 't' && p[1] == 'g' && p[SECRET_AT - 1] == '_' &&
			is_base32(span_cut(*key, 3, SECRET_AT - 1)) &&
			is_base32(span_cut(*key, SECRET_AT, LENGTH))) {
			*rest = span_of(p + LENGTH, left - LENGTH);
			return true;
		}
		*rest = span_of(p + 1, left - 1);
	}
	return false;
}

void
apikey_base32(char *out, const unsigned char *in, size_t nin, size_t nout)
{
	unsigned bits = 0, have = 0;
	size_t at = 0;

	for (size_t i = 0; i < nout; i++) {
		if (have < 5) {
			bits = bits << 8 | (at < nin ? in[at] : 0u);
			at++;
			have += 8;
		}
		have -= 5;
		out[i] = base32_alphabet[bits >> have & 31];
	}
	out[nout] = '\0';
}

void
apikey_make(char id[APIKEY_ID_LEN + 1], char text[80], unsigned char sha256[32])
{
	unsigned char secret[32], idbits[5];
	char s[APIKEY_SECRET_LEN + 1];

	randombytes_buf(idbits, sizeof(idbits));
	randombytes_buf(secret, sizeof(secret));
	apikey_base32(id, idbits, sizeof(idbits), APIKEY_ID_LEN);
	apikey_base32(s, secret, sizeof(secret), APIKEY_SECRET_LEN);
	snprintf(text, 80, "tg_%s_%s", id, s);
	crypto_hash_sha256(sha256, (const unsigned char *)text, strlen(text));
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(s, sizeof(s));
}
