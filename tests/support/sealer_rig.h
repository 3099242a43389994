/* A sealer with two auditors, with its shares and texts in a folder of the test's own. Seals
 * texts, returns their record fields, and opens them. Include after cmocka's header. */
#ifndef SUPPORT_SEALER_RIG_H
#define SUPPORT_SEALER_RIG_H

#include <sodium.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "record/seal/private.h"
#include "support/temp_dir.h"

#define DAY_1 (INT64_C(20780) * CLOCK_DAY_NS) /* 2026-11-23 */
#define NODE  "gw-1"

struct pair {
	unsigned char key[HPKE_KEY_BYTES];
	struct auditor public;
};

static struct pair one, two, stranger;
static struct seals *seals;
static struct shares *shares;
static struct texts *texts;
static struct sealer *sealer;
static struct buf why, opened_text;

static inline struct pair
make_pair(const char *name)
{
	unsigned char public[HPKE_KEY_BYTES];
	char base64[64];
	struct pair p;

	randombytes_buf(p.key, sizeof(p.key));
	crypto_scalarmult_base(public, p.key);
	sodium_bin2base64(
		base64, sizeof(base64), public, sizeof(public), sodium_base64_VARIANT_ORIGINAL);
	assert_int_equal(auditor_read(span_str(name), span_str(base64), &p.public, &why), 0);
	return p;
}

static inline int
begin_seals(void **state)
{
	struct buf lost_why;
	uint64_t lost;

	buf_init(&why, 4096);
	buf_init(&opened_text, 0);
	buf_init(&lost_why, 4096);
	if (temp_dir_make(state))
		return -1;
	one = make_pair("one");
	two = make_pair("two");
	stranger = make_pair("stranger");
	const struct auditor to[] = { one.public, two.public };
	seals = seals_start(NODE, to, 2, &why);
	shares = shares_open(path("shares"), path("head"), NODE, &lost, &lost_why, &why);
	texts = texts_open(path("journal"), NODE, &why);
	sealer = sealer_new(seals, shares, texts, NODE, 3);
	buf_free(&lost_why);
	return seals && shares && texts && sealer ? 0 : -1;
}

static inline int
end_seals(void **state)
{
	sealer_free(&sealer);
	seals_stop(&seals);
	shares_close(&shares);
	texts_close(&texts);
	buf_free(&why);
	buf_free(&opened_text);
	return temp_dir_remove(state);
}

/* Returns the fields of a record as an object. */
static inline json_t *
object_of(struct buf *fields)
{
	json_t *o = json_loadb(buf_view(fields).p, fields->n, 0, NULL);

	assert_non_null(o);
	return o;
}

/* A sealed text. */
struct text {
	json_t *seal; /* record of its seal, NULL: recorded earlier */
	json_t *kept;
	char id[32];
	enum seal_kind kind;
};

static inline void
free_text(struct text *t)
{
	json_decref(t->seal);
	json_decref(t->kept);
}

static inline size_t
write_parts(struct text_part *p)
{
	size_t n = 0;

	for (struct text_part *next; p; p = next, n++) {
		next = p->next;
		assert_int_equal(texts_write(texts, p), 0);
		free(p);
	}
	return n;
}

static inline json_t *
kept_of(const struct sealed *s)
{
	struct buf b;

	buf_init(&b, 0);
	json_put_open(&b, NULL, '{');
	json_put_str(&b, "how", "full");
	json_put_str(&b, "seal", s->seal);
	json_put_uint(&b, "step", s->step);
	json_put_uint(&b, "share", s->share);
	json_put_uint(&b, "bytes", s->bytes);
	json_put_open(&b, "at", '[');
	for (size_t i = 0; i < s->nat; i++)
		json_put_uint(&b, NULL, s->at[i]);
	json_put_close(&b, ']');
	json_put_name(&b, "sha256");
	buf_putc(&b, '"');
	buf_hex(&b, s->sha256, sizeof(s->sha256));
	buf_putc(&b, '"');
	if (s->cut)
		json_put_bool(&b, "cut", true);
	json_put_close(&b, '}');
	json_t *o = object_of(&b);
	buf_free(&b);
	return o;
}

/* Seals the text in pieces of `piece` bytes, writes and syncs it. */
static inline struct text
seal_text(struct sealer *by, const char *holder, const char *id, enum seal_kind kind,
	int64_t now, struct span text, size_t piece)
{
	struct text t = { .kind = kind };
	struct text_part *parts = NULL;
	struct sealed said;
	struct buf record;
	int err;

	snprintf(t.id, sizeof(t.id), "%s", id);
	buf_init(&record, 0);
	buf_putc(&record, '{');
	struct sealing *s =
		seal_begin(by, span_str(holder), 0, span_str(id), kind, now, &record, &err);
	if (!s)
		fail_msg("seal_begin: %s", err_str(err));
	buf_putc(&record, '}');
	if (record.n > 2)
		t.seal = object_of(&record);
	while (text.n) {
		assert_int_equal(seal_add(s, span_cut(text, 0, piece), &parts), 0);
		text = span_cut(text, piece, text.n);
	}
	assert_int_equal(seal_end(s, false, &parts, &said), 0);
	t.kept = kept_of(&said);
	size_t n = write_parts(parts);
	assert_int_equal(n, said.nat);
	seal_drop(&s);
	assert_int_equal(texts_sync(texts), 0);
	buf_free(&record);
	return t;
}

/* Opens the text with the record of the seal and that auditor's key, with seal_open_text(). */
static inline int
open_text(const struct text *t, const json_t *seal, const struct pair *by)
{
	unsigned char s0[SHARE_BYTES], k[32];
	struct share b;

	buf_clear(&why);
	buf_clear(&opened_text);
	int err = seal_open_share(seal, NODE, by->key, by->public.id, s0, &why);
	if (err)
		return err;
	uint64_t share = (uint64_t)json_integer_value(json_object_get(t->kept, "share"));
	if (shares_find(shares, share, &b, NULL) != SHARE_HERE)
		return ERR_BAD_STATE;
	seal_text_key(s0, (uint64_t)json_integer_value(json_object_get(t->kept, "step")), &b,
		NODE, span_str(t->id), t->kind, k);
	return seal_open_text(t->kept, path("journal"), NODE, k, &opened_text, &why);
}

static inline void
opens(const struct text *t, const json_t *seal, const struct pair *by, struct span want)
{
	int err = open_text(t, seal, by);

	if (err)
		fail_msg("%s: %.*s", err_str(err), SPAN_ARG(buf_view(&why)));
	if (!span_eq(buf_view(&opened_text), want))
		fail_msg("another text of %zu bytes, not %zu", opened_text.n, want.n);
	buf_clear(&why);
	if (seal_check_text(t->kept, path("journal"), NODE, &why))
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
}

static inline struct span
some_text(size_t n)
{
	static char text[20u << 20];

	if (!text[0])
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (char)(1 + (i * 2654435761u >> 13) % 255);
	return span_of(text, n);
}

#endif
