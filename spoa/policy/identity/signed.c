/* Verifies signed headers. signed.h has the text that is signed.
 *
 * The window of nonces detects replays: buckets of eight words. A word has 40 bits of the nonce's
 * hash and 24 bits of the second until which it counts. A worker stores a word by compare-and-swap
 * and then counts again: if two workers stored the same nonce at the same time, at most one of
 * them counts a single word. */
#include "policy/identity/signed.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/err.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "base/wall.h"
#include "policy/cel/cel.h"
#include "policy/config/secret.h"
#include "policy/identity/claims.h"
#include "policy/identity/nonce.h"

enum { BUCKET = 8, UNTIL_BITS = 24 };
#define UNTIL_MASK ((UINT64_C(1) << UNTIL_BITS) - 1)

/* Shared by all workers without a lock. */
struct nonce_window {
	size_t buckets;	     /* a power of two */
	uint64_t started_us; /* monotonic */
	_Atomic uint64_t v[];
};

struct nonce_window *
nonce_window_new(size_t entries, uint64_t started_us)
{
	size_t buckets = 1;

	while (buckets * BUCKET < entries)
		buckets *= 2;
	struct nonce_window *w = calloc(1, sizeof(*w) + buckets * BUCKET * sizeof(w->v[0]));
	if (!w)
		return NULL;
	w->buckets = buckets;
	w->started_us = started_us;
	return w;
}

void
nonce_window_free(struct nonce_window **w)
{
	free(*w);
	*w = NULL;
}

/* Returns the start time of the process in wall seconds of the present clock. Signatures with an
 * earlier time may have been seen by the previous process. If the clock was ahead at the
 * start and is corrected, the result moves with it. */
static int64_t
nonce_window_started(const struct nonce_window *w)
{
	return ((int64_t)w->started_us + wall_offset_us()) / 1000000;
}

/* Returns true if a word still counts. The 24 bits wrap around after 194 days, so a time more
 * than half of that ahead is past. */
static bool
live(uint64_t word, uint64_t now)
{
	uint64_t ahead = ((word & UNTIL_MASK) - now) & UNTIL_MASK;

	return word && ahead > 0 && ahead < UNTIL_MASK / 2;
}

/* Returns the number of live words in the bucket that have the same hash. */
static unsigned
count_nonce(_Atomic uint64_t *bucket, uint64_t word, uint64_t now)
{
	unsigned n = 0;

	for (int i = 0; i < BUCKET; i++) {
		uint64_t v = atomic_load(&bucket[i]);
		n += live(v, now) && v >> UNTIL_BITS == word >> UNTIL_BITS;
	}
	return n;
}

int
nonce_take(struct nonce_window *w, struct span nonce, int64_t now_s, int64_t until_s)
{
	unsigned char h[SHA256_BYTES];
	uint64_t hash, now = (uint64_t)now_s & UNTIL_MASK;

	INVARIANT(w->buckets && !(w->buckets & (w->buckets - 1)));
	sha256(nonce, h);
	memcpy(&hash, h, sizeof(hash));
	_Atomic uint64_t *bucket = &w->v[(hash & (w->buckets - 1)) * BUCKET];
	memcpy(&hash, h + sizeof(hash), sizeof(hash));
	uint64_t word = (hash << UNTIL_BITS | ((uint64_t)until_s & UNTIL_MASK));

	word += !word; /* 0 marks a free word */
	if (count_nonce(bucket, word, now))
		return ERR_DUPLICATE;
	for (int i = 0; i < BUCKET; i++) {
		uint64_t old = atomic_load(&bucket[i]);
		if (live(old, now) || !atomic_compare_exchange_strong(&bucket[i], &old, word))
			continue;
		return count_nonce(bucket, word, now) == 1 ? 0 : ERR_DUPLICATE;
	}
	return ERR_LIMIT;
}

enum { FIELDS_MAX = 32, VALUE_MAX = 4096, KEYS_MAX = 64, SECRET_MIN = 32, MAC_BYTES = 32 };

/* The keys of one file. Secrets are erased by buf_free(). */
struct hmac_keys {
	struct arena arena;
	struct hmac_key {
		const char *id;
		struct buf secret;
	} v[KEYS_MAX];
	size_t n;
};

/* ---- keys ---- */

static void
read_hmac_key(struct hmac_keys *k, const struct yaml_node *n, struct diag *d)
{
	static const char *const accepted[] = { "id", "secret", NULL };
	const struct yaml_node *id = yaml_get(n, "id"), *secret = yaml_get(n, "secret");
	struct hmac_key *key = &k->v[k->n];
	const char *ref = NULL;

	if (!read_map(d, n, "a key", accepted, NULL))
		return;
	if (!id || !secret) {
		diag_at(d, n, "a key needs id and secret");
		return;
	}
	if (!read_text(d, id, "id", &key->id) || !read_secret(&k->arena, d, secret, &ref))
		return;
	for (size_t i = 0; i < k->n; i++)
		if (!strcmp(k->v[i].id, key->id))
			diag_at(d, id, "the id %s occurs twice: each key needs its own id",
				key->id);
	buf_init(&key->secret, 0);
	SCOPED_BUF(why, 4096);
	k->n++;
	if (secret_load(ref, &key->secret, &why))
		diag_at(d, secret, "secret: %.*s", SPAN_ARG(buf_view(&why)));
	else if (key->secret.n < SECRET_MIN)
		diag_at(d, secret, "secret: at least %d bytes are expected, found %zu",
			SECRET_MIN, key->secret.n);
}

struct hmac_keys *
hmac_keys_load(const char *file, struct diag *d)
{
	static const char *const accepted[] = { "keys", NULL };
	struct hmac_keys *k = calloc(1, sizeof(*k));
	unsigned before = d->errors;

	if (!k)
		return NULL;
	arena_init(&k->arena, 0, false);
	const struct yaml_node *root = yaml_load_rotating(&k->arena, file, d), *list = NULL;
	if (root && read_map(d, root, "a file of HMAC keys", accepted, NULL))
		list = read_needed(d, root, root, NULL, "keys");
	if (list && read_list(d, list, "keys")) {
		if (list->count > KEYS_MAX)
			diag_at(d, list, "more than %d keys", KEYS_MAX);
		for (const struct yaml_node *n = list->child; n && k->n < KEYS_MAX; n = n->next)
			read_hmac_key(k, n, d);
	}
	if (d->errors != before)
		hmac_keys_free(&k);
	return k;
}

void
hmac_keys_free(struct hmac_keys **kp)
{
	struct hmac_keys *k = *kp;

	if (!k)
		return;
	for (size_t i = 0; i < k->n; i++)
		buf_free(&k->v[i].secret);
	arena_reset(&k->arena);
	free(k);
	*kp = NULL;
}

static const struct hmac_key *
hmac_key_of(const struct hmac_keys *k, struct span id)
{
	if (!id.n)
		return k->n == 1 ? &k->v[0] : NULL;
	for (size_t i = 0; i < k->n; i++)
		if (span_is(id, k->v[i].id))
			return &k->v[i];
	return NULL;
}

/* ---- headers ---- */

struct signed_field {
	struct span name; /* lower case, with the prefix */
	struct span value;
};

/* State of one signed_verify() call. Lives on its stack. */
struct reader {
	const struct identity_entry *e;
	struct arena *a;
	struct signed_field v[FIELDS_MAX];
	size_t n;
	struct span signature;
	const char *why;
};

static int
signed_by_name(const void *a, const void *b)
{
	const struct signed_field *x = a, *y = b;

	return span_order(x->name, y->name);
}

/* Collects the headers of the entry, sorted by name. Returns their number with the signature.
 * r->why is set if they cannot be verified. */
static size_t
collect_signed(struct reader *r, const struct http_head *h)
{
	size_t found = 0;

	for (size_t i = 0; i < h->nfields; i++) {
		const struct http_field *f = &h->fields[i];
		bool is_signature = span_ieq(f->name, span_str(r->e->header));
		if (!is_signature && !span_istarts(f->name, span_str(r->e->prefix)))
			continue;
		found++;
		struct span value = span_trim(f->value, " \t");
		if (value.n > VALUE_MAX || !utf8_valid(value)) {
			r->why = "a signed header is too long or not UTF-8";
		} else if (is_signature) {
			if (r->signature.p)
				r->why = "the signature occurs more than once";
			r->signature = value;
		} else if (r->n == FIELDS_MAX) {
			r->why = "the request has too many signed headers";
		} else {
			struct span name = arena_dup(r->a, f->name);
			if (name.p)
				ascii_lower((char *)name.p, name.n);
			r->v[r->n++] = (struct signed_field){ name, arena_dup(r->a, value) };
		}
	}
	qsort(r->v, r->n, sizeof(r->v[0]), signed_by_name);
	for (size_t i = 1; i < r->n; i++)
		if (signed_by_name(&r->v[i - 1], &r->v[i]) == 0)
			r->why = "a signed header occurs more than once";
	if (found && !r->signature.n)
		r->why = "the headers are not signed";
	return found;
}

/* Returns the value of header <prefix>NAME, or an empty span. */
static struct span
signed_value(const struct reader *r, const char *name)
{
	size_t prefix = strlen(r->e->prefix);

	for (size_t i = 0; i < r->n; i++)
		if (span_is(span_cut(r->v[i].name, prefix, r->v[i].name.n), name))
			return r->v[i].value;
	return (struct span){ NULL, 0 };
}

/* ---- signature ---- */

/* Decodes a MAC in hexadecimal or base64. */
static bool
decode_mac(struct span text, unsigned char mac[MAC_BYTES])
{
	size_t n = 0;
	struct span bare = span_trim(text, "=");

	if (text.n == 2 * MAC_BYTES)
		return sodium_hex2bin(mac, MAC_BYTES, text.p, text.n, NULL, &n, NULL) == 0 &&
		       n == MAC_BYTES;
	bool url = span_chr(bare, '-') < bare.n || span_chr(bare, '_') < bare.n;
	return sodium_base642bin(mac, MAC_BYTES, bare.p, bare.n, NULL, &n, NULL,
		       url ? sodium_base64_VARIANT_URLSAFE_NO_PADDING
			   : sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0 &&
	       n == MAC_BYTES;
}

/* Returns true if the signature is correct. The comparison takes constant time. */
static bool
signature_fits(const struct reader *r, const struct hmac_key *key, const struct http_head *h)
{
	unsigned char given[MAC_BYTES], mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!decode_mac(r->signature, given))
		return false;
	SCOPED_BUF(text, 0);
	buf_printf(&text, "tollgate-v1\n%.*s\n%.*s%s%.*s\n", SPAN_ARG(h->method),
		SPAN_ARG(h->path), h->has_query ? "?" : "", SPAN_ARG(h->query));
	for (size_t i = 0; i < r->n; i++) {
		buf_span(&text, r->v[i].name);
		buf_putc(&text, ':');
		/* not with printf, which would stop at a zero byte */
		buf_span(&text, r->v[i].value);
		buf_putc(&text, '\n');
	}
	struct span secret = buf_view(&key->secret), s = buf_view(&text);
	return !buf_failed(&text) &&
	       HMAC(EVP_sha256(), secret.p, (int)secret.n, (const unsigned char *)s.p, s.n, mac,
		       &n) &&
	       sodium_memcmp(mac, given, MAC_BYTES) == 0;
}

/* ---- identity ---- */

static bool
whole_number(struct span s, int64_t *out)
{
	bool minus = s.n && s.p[0] == '-';

	*out = 0;
	for (size_t i = minus; i < s.n; i++)
		if (!is_digit(s.p[i]) || __builtin_mul_overflow(*out, 10, out) ||
			__builtin_add_overflow(*out, (int64_t)(s.p[i] - '0'), out))
			return false;
	if (minus)
		*out = -*out;
	return s.n > (size_t)minus;
}

static void
read_attributes(struct reader *r, struct identity *out)
{
	static const char *const known[] = { "person", "agent", "department", "team", "tier",
		"roles", "clearance", "timestamp", "nonce", "key" };
	struct cel_value *pairs = arena_array(r->a, 2 * r->n + 1, sizeof(*pairs));
	size_t prefix = strlen(r->e->prefix);

	for (size_t i = 0; pairs && i < r->n; i++) {
		struct span name = span_cut(r->v[i].name, prefix, r->v[i].name.n);
		if (SPAN_IN(name, known))
			continue;
		pairs[2 * out->nattributes] = cel_string(name);
		pairs[2 * out->nattributes + 1] = cel_string(r->v[i].value);
		out->nattributes++;
	}
	out->attributes = pairs;
}

/* Checks times, nonce and person. Returns NULL, or why the headers are refused. */
static const char *
check_claims(struct reader *r, const struct hmac_key *key, const struct credentials *c,
	int64_t now_s, struct identity *out)
{
	struct span nonce = signed_value(r, "nonce"), clearance = signed_value(r, "clearance");
	int64_t when = 0, skew = (int64_t)r->e->max_skew_s;

	if (!whole_number(signed_value(r, "timestamp"), &when))
		return "the timestamp is missing or not a number";
	if (when < now_s - skew || when > now_s + skew)
		return "the timestamp of the signature is too old or in the future";
	if (nonce.n < 16 || nonce.n > 128)
		return "the nonce is missing, too short or too long";
	if (!out->person.n)
		return "the headers name no person";
	if (clearance.p && !whole_number(clearance, &out->clearance))
		return "the clearance is not a whole number";
	if (!c->nonces)
		return NULL;
	if (when < nonce_window_started(c->nonces))
		return "the headers were signed before this daemon started: sign them again";
	/* the same nonce with two keys counts as two nonces */
	struct span once = arena_printf(r->a, "%s:%.*s", key->id, SPAN_ARG(nonce));
	switch (once.p ? nonce_take(c->nonces, once, now_s, when + skew + 1) : ERR_NOMEM) {
	case 0: return NULL;
	case ERR_DUPLICATE: return "the nonce was used before: use a new one for each request";
	default: return "the daemon remembers too many nonces: retry later";
	}
}

int
signed_verify(const struct identity_entry *e, const struct hmac_keys *k, struct credentials *c,
	int64_t now_s, struct arena *a, struct identity *out, const char **why)
{
	struct reader r = { .e = e, .a = a };

	if (collect_signed(&r, c->head) == 0)
		return SIGNED_NOT_HERE;
	*why = arena_failed(a) ? NULL : r.why;
	if (!*why) {
		const struct hmac_key *key = hmac_key_of(k, signed_value(&r, "key"));
		if (!key || !signature_fits(&r, key, c->head))
			return auth_refused(
				why, key ? "the signature of the headers does not verify"
					 : "the key of the signature is unknown");
		c->verified = r.signature;
		*out = (struct identity){ .method = "signed_headers",
			.verified = true,
			.key_id = span_str(key->id) };
		for (size_t i = 0; i < IDENTITY_TEXTS; i++)
			*identity_text(out, i) = signed_value(&r, identity_texts[i].name);
		struct span rest = signed_value(&r, "roles");
		struct cel_value *roles = arena_array(r.a, rest.n + 1, sizeof(*roles));

		while (roles && rest.n) {
			struct span role = span_trim(span_next(&rest, ','), " ");
			if (role.n)
				roles[out->nroles++] = cel_string(role);
		}
		out->roles = roles;
		read_attributes(&r, out);
		*why = check_claims(&r, key, c, now_s, out);
	}
	if (arena_failed(a))
		return ERR_NOMEM;
	return *why ? ERR_AUTH : 0;
}
