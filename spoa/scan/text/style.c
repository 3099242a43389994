/* The styles of redaction: writes the text that replaces a value. redactor_get() chooses the
 * style. A placeholder gets its number from placeholder.c. The other styles have no state: a
 * mask of '*', the last four characters, a keyed hash, or nothing. */
#include "scan/text/style.h"

#include <sodium.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "base/sha256.h"

const char *const style_names[STYLE_COUNT + 1] = { "placeholder", "mask", "hash", "remove",
	"last4", NULL };

enum { KEPT = 4, LAST4_MIN = 8, HASH_HEX = 16 };

struct redactor {
	struct arena *arena;
	struct placeholders *placeholders; /* NULL: placeholders carry no number */
	unsigned char key[STYLE_KEY_BYTES];
	bool keyed;
	bool by_spelling; /* set by redactor_by_spelling() */
	bool plain_form;  /* set by redactor_plain_form() */
};

struct redactor *
redactor_new_plain(struct arena *a, const unsigned char key[STYLE_KEY_BYTES])
{
	struct redactor *r = arena_new(a, struct redactor);

	if (!r)
		return NULL;
	r->arena = a;
	if (key) {
		memcpy(r->key, key, sizeof(r->key));
		r->keyed = true;
	}
	return r;
}

struct redactor *
redactor_new(struct arena *a, const unsigned char key[STYLE_KEY_BYTES])
{
	struct placeholders *own = placeholders_new(a);

	return own ? redactor_new_in(a, key, own) : NULL;
}

struct redactor *
redactor_new_in(
	struct arena *a, const unsigned char key[STYLE_KEY_BYTES], struct placeholders *of)
{
	struct redactor *r = redactor_new_plain(a, key);

	if (r)
		r->placeholders = of;
	return r;
}

void
redactor_by_spelling(struct redactor *r)
{
	r->by_spelling = true;
}

void
redactor_plain_form(struct redactor *r)
{
	r->plain_form = true;
}

void
redactor_taken(struct redactor *r, struct span text)
{
	if (r->placeholders)
		placeholders_taken(r->placeholders, text);
}

void
redactor_repeated(struct redactor *r, struct span text)
{
	if (r->placeholders)
		placeholders_repeated(r->placeholders, text);
}

void
redactor_url(struct redactor *r, struct span url)
{
	if (r->placeholders)
		placeholders_url(r->placeholders, url);
}

void
redactor_each(const struct redactor *r, placeholder_seen *seen, void *arg)
{
	if (r->placeholders)
		placeholders_each(r->placeholders, seen, arg);
}

bool
style_keeps_last4(struct span entity)
{
	static const char *const names[] = { "CREDIT_CARD", "PHONE_NUMBER", "IBAN_CODE",
		"US_BANK_NUMBER" };

	return SPAN_IN(entity, names);
}

static struct span
mask(struct redactor *r, struct span v)
{
	char *to = arena_alloc(r->arena, v.n + 1);
	size_t n = to ? utf8_count(v) : 0;

	if (n)
		memset(to, '*', n);
	return span_of(to, n);
}

size_t
style_separator(struct span v, size_t i)
{
	static const char *const wide[] = { "\xc2\xa0", "\xe2\x80\x90", "\xe2\x80\x91",
		"\xe2\x80\x92", "\xe2\x80\x93", "\xe2\x80\x94", "\xe2\x80\xaf",
		"\xe2\x88\x92" };

	if (is_one_of(v.p[i], " -./()+"))
		return 1;
	for (size_t k = 0; k < COUNT_OF(wide); k++)
		if (span_starts(span_cut(v, i, v.n), span_str(wide[k])))
			return strlen(wide[k]);
	return 0;
}

/* Masks all letters and digits but the last KEPT. Separators stay, so that the kind of value can
 * still be recognized. p is NULL if the end of the value may not be shown. */
static struct span
last4(struct redactor *r, struct span entity, struct span v)
{
	const struct span none = { NULL, 0 };
	size_t marks = 0, digits = 0;

	if (!style_keeps_last4(entity))
		return none;
	for (size_t i = 0, n; i < v.n; i += n) {
		bool mark = is_alnum(v.p[i]);
		n = mark ? 1 : style_separator(v, i);
		if (n == 0)
			return none;
		marks += mark;
		digits += is_digit(v.p[i]);
	}
	if (digits < LAST4_MIN)
		return none;
	char *to = arena_alloc(r->arena, v.n + 1);
	for (size_t i = 0; to && i < v.n; i++) {
		bool mark = is_alnum(v.p[i]);
		to[i] = mark && marks > KEPT ? '*' : v.p[i];
		marks -= mark;
	}
	return span_of(to, to ? v.n : 0);
}

/* Returns the HMAC of entity, NUL and value. The same value under two entities has two hashes. */
static struct span
hash(struct redactor *r, struct span entity, struct span v, bool fold)
{
	unsigned char h[SHA256_BYTES];
	char text[HASH_HEX + 1];
	struct span key = placeholder_key(r->arena, entity, v, fold);

	if (!key.p)
		return key;
	hmac_sha256(r->key, key, h);
	sodium_bin2hex(text, sizeof(text), h, HASH_HEX / 2);
	return arena_printf(r->arena, r->plain_form ? "<%.*s_%s>" : "<%.*s:%s>",
		SPAN_ARG(entity), text);
}

/* Removes the brackets of <NAME> in the plain form. */
static struct span
in_form(const struct redactor *r, struct span with)
{
	return with.p && r->plain_form ? span_cut(with, 1, with.n - 1) : with;
}

struct span
redactor_get(struct redactor *r, enum redact_style style, struct span entity, struct span value,
	bool fold, bool named)
{
	switch (style) {
	case STYLE_MASK: return mask(r, value);
	case STYLE_HASH:
		if (r->keyed)
			return in_form(r, hash(r, entity, value, fold));
		break;
	case STYLE_REMOVE:
		if (!named)
			return SPAN_LIT("");
		break;
	case STYLE_LAST4: {
		struct span kept = last4(r, entity, value);
		if (kept.p || arena_failed(r->arena))
			return kept;
		break;
	}
	case STYLE_PLACEHOLDER:
	case STYLE_COUNT: break;
	}
	if (!r->placeholders)
		return in_form(r, arena_printf(r->arena, "<%.*s>", SPAN_ARG(entity)));
	return in_form(r,
		placeholder_get(r->placeholders, entity, value, fold && !r->by_spelling));
}
