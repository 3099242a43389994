/* Sealing and opening texts: whole and in pieces, by each of several auditors; steps, midnight,
 * other auditors, forgotten and erased holders; many threads. The caller passes the time. Of
 * sealed texts that are cut, changed, swapped, missing, of another text, or recorded wrongly,
 * the damage is named, and the text is never opened as another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <unistd.h>

#include "base/attr.h"
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

static struct pair
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

static int
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

static int
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
static json_t *
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

static void
free_text(struct text *t)
{
	json_decref(t->seal);
	json_decref(t->kept);
}

static size_t
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

static json_t *
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
static struct text
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
static int
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

static void
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

static struct span
some_text(size_t n)
{
	static char text[20u << 20];

	if (!text[0])
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (char)(1 + (i * 2654435761u >> 13) % 255);
	return span_of(text, n);
}

/* ---- auditors and texts ---- */

static void
only_the_configured_auditors_can_open(void **state)
{
	struct span hello = SPAN_LIT("hello");

	(void)state;
	struct text t = seal_text(sealer, "ann", "id-1", SEAL_PROMPT, DAY_1, hello, 5);
	assert_non_null(t.seal);
	assert_string_equal(json_string_value(json_object_get(t.seal, "type")), "seal");
	assert_string_equal(json_string_value(json_object_get(t.seal, "day")), "2026-11-23");
	assert_int_equal(json_integer_value(json_object_get(t.seal, "worker")), 3);
	assert_int_equal(json_integer_value(json_object_get(t.seal, "share")), 1);
	assert_int_equal(json_array_size(json_object_get(t.seal, "to")), 2);
	opens(&t, t.seal, &one, hello);
	opens(&t, t.seal, &two, hello);
	assert_int_equal(open_text(&t, t.seal, &stranger), ERR_NOTFOUND);
	struct pair liar = stranger;
	memcpy(liar.public.id, one.public.id, sizeof(liar.public.id));
	assert_int_equal(open_text(&t, t.seal, &liar), ERR_AUTH);
	free_text(&t);
}

static void
text_of_any_length_is_sealed_in_any_pieces(void **state)
{
	static const size_t lengths[] = { 0, 1, 15, 16, 17, 511, 513, 2048, TEXTS_PART_MAX - 1,
		TEXTS_PART_MAX, TEXTS_PART_MAX + 1, 2 * TEXTS_PART_MAX, 2 * TEXTS_PART_MAX + 7,
		200000 };
	static const size_t pieces[] = { 1u << 30, 100, 40000, TEXTS_PART_MAX,
		TEXTS_PART_MAX + 1, 150000 };
	struct text first = seal_text(sealer, "ann", "x", SEAL_PROMPT, DAY_1, SPAN_LIT("x"), 1);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lengths); i++)
		for (size_t j = 0; j < COUNT_OF(pieces); j++) {
			struct span text = some_text(lengths[i]);
			struct text t = seal_text(
				sealer, "ann", "id", SEAL_RESPONSE, DAY_1, text, pieces[j]);
			assert_null(t.seal);
			size_t parts = json_array_size(json_object_get(t.kept, "at"));
			size_t want =
				text.n ? (text.n + TEXTS_PART_MAX - 1) / TEXTS_PART_MAX : 1;
			assert_int_equal(parts, want);
			assert_int_equal(
				json_integer_value(json_object_get(t.kept, "bytes")), text.n);
			opens(&t, first.seal, &two, text);
			free_text(&t);
		}
	free_text(&first);
}

static void
text_over_256_parts_keeps_its_beginning(void **state)
{
	size_t most = (size_t)SEAL_PARTS_MAX * TEXTS_PART_MAX;

	(void)state;
	for (size_t piece = 100000; piece < 2u << 30; piece *= 20000) {
		struct text t = seal_text(sealer, piece == 100000 ? "ann" : "bob", "id",
			SEAL_TOOLS, DAY_1, some_text(most + 1), piece);
		assert_true(json_is_true(json_object_get(t.kept, "cut")));
		opens(&t, t.seal, &one, some_text(most));
		free_text(&t);
	}
	struct text t =
		seal_text(sealer, "cid", "id", SEAL_TOOLS, DAY_1, some_text(most), 1u << 30);
	assert_null(json_object_get(t.kept, "cut"));
	opens(&t, t.seal, &one, some_text(most));
	free_text(&t);
}

/* Node, id, kind, step and share: if one differs, the text does not open. */
static void
key_opens_only_one_text(void **state)
{
	unsigned char s0[SHARE_BYTES], k[32], other[32];
	struct share b, c;

	(void)state;
	struct text t = seal_text(sealer, "ann", "id-1", SEAL_PROMPT, DAY_1, SPAN_LIT("a"), 1);
	assert_int_equal(seal_open_share(t.seal, NODE, one.key, one.public.id, s0, &why), 0);
	assert_int_equal(
		seal_open_share(t.seal, "gw-2", one.key, one.public.id, other, &why), ERR_AUTH);
	assert_int_equal(shares_find(shares, 1, &b, NULL), SHARE_HERE);
	assert_int_equal(shares_get(shares, SPAN_LIT("bob"), true, &c), 0);
	const struct {
		uint64_t step;
		const struct share *b;
		const char *node, *id;
		enum seal_kind kind;
	} rows[] = { { 0, &b, NODE, "id-1", SEAL_PROMPT }, { 1, &b, NODE, "id-1", SEAL_PROMPT },
		{ UINT64_MAX, &b, NODE, "id-1", SEAL_PROMPT },
		{ 0, &c, NODE, "id-1", SEAL_PROMPT }, { 0, &b, "gw-2", "id-1", SEAL_PROMPT },
		{ 0, &b, NODE, "id-2", SEAL_PROMPT }, { 0, &b, NODE, "id-1", SEAL_RESPONSE },
		{ 0, &b, NODE, "id-1", SEAL_TOOLS } };
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		seal_text_key(s0, rows[i].step, rows[i].b, rows[i].node, span_str(rows[i].id),
			rows[i].kind, k);
		buf_clear(&opened_text);
		assert_int_equal(
			seal_open_text(t.kept, path("journal"), NODE, k, &opened_text, &why),
			i ? ERR_AUTH : 0);
		assert_int_equal(opened_text.n, i ? 0 : 1);
	}
	free_text(&t);
}

/* The scheme computed only with HMAC-SHA-256 and AES-256-GCM. */
static void
scheme_equals_the_documented_one(void **state)
{
	unsigned char s[SHARE_BYTES], m[32], k[32], got[32], nonce[12] = "", text[3];
	struct share b;
	char info[256];

	(void)state;
	struct text first =
		seal_text(sealer, "ann", "id-1", SEAL_PROMPT, DAY_1, SPAN_LIT("a"), 1);
	struct text t =
		seal_text(sealer, "ann", "id-2", SEAL_RESPONSE, DAY_1, SPAN_LIT("abc"), 3);
	assert_int_equal(seal_open_share(first.seal, NODE, one.key, one.public.id, s, &why), 0);
	assert_int_equal(shares_find(shares, 1, &b, NULL), SHARE_HERE);
	hmac_sha256(s, SPAN_LIT("next"), k);
	hmac_sha256(k, SPAN_LIT("text"), m);
	seal_ratchet(s, 1);
	assert_memory_equal(s, k, sizeof(s));
	memcpy(info, b.key, 32);
	memcpy(info + 32, "tollgate-text-v1\0gw-1\0id-2\0response", 35);
	hmac_sha256(m, span_of(info, 67), k);
	seal_ratchet(s, 0);
	seal_text_key(s, 0, &b, NODE, SPAN_LIT("id-2"), SEAL_RESPONSE, got);
	assert_memory_equal(k, got, 32);
	nonce[11] = 1;
	unsigned part;
	bool last;
	struct buf sealed;
	buf_init(&sealed, 0);
	uint64_t at =
		(uint64_t)json_integer_value(json_array_get(json_object_get(t.kept, "at"), 0));
	assert_int_equal(texts_read(path("journal"), NODE, at, &part, &last, &sealed, &why), 0);
	assert_int_equal(gcm_open(k, nonce, span_of(NULL, 0), buf_view(&sealed), text), 0);
	assert_memory_equal(text, "abc", 3);
	buf_free(&sealed);
	free_text(&first);
	free_text(&t);
}

/* ---- steps and seals ---- */

static void
concurrent_texts_have_their_own_steps(void **state)
{
	struct sealing *s[4];
	struct text_part *parts[4] = { NULL };
	struct sealed said[4];
	struct buf record;
	struct text t[4];
	int err;

	(void)state;
	buf_init(&record, 0);
	buf_putc(&record, '{');
	for (unsigned i = 0; i < 4; i++) {
		t[i] = (struct text){ .id = "same", .kind = SEAL_PROMPT };
		s[i] = seal_begin(sealer, SPAN_LIT("ann"), 0, SPAN_LIT("same"), SEAL_PROMPT, DAY_1,
			&record, &err);
		assert_non_null(s[i]);
	}
	buf_putc(&record, '}');
	json_t *seal = object_of(&record);
	for (size_t n = 0; n < 100000; n += 1000)
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(seal_add(s[i], some_text(100 + i), &parts[i]), 0);
	for (unsigned i = 4; i-- > 0;) {
		assert_int_equal(seal_end(s[i], i == 2, &parts[i], &said[i]), 0);
		assert_int_equal(said[i].step, i);
		assert_int_equal(said[i].bytes, 100 * (100 + i));
		assert_int_equal(said[i].cut, i == 2);
		t[i].kept = kept_of(&said[i]);
		write_parts(parts[i]);
		seal_drop(&s[i]);
		assert_int_equal(open_text(&t[i], seal, &one), 0);
		assert_int_equal(opened_text.n, 100 * (100 + i));
		json_decref(t[i].kept);
	}
	json_decref(seal);
	buf_free(&record);
}

static void
dropped_text_leaves_nothing(void **state)
{
	struct text_part *parts = NULL;
	struct buf record;
	int err;

	(void)state;
	buf_init(&record, 0);
	struct sealing *s = seal_begin(
		sealer, SPAN_LIT("ann"), 0, SPAN_LIT("a"), SEAL_PROMPT, DAY_1, &record, &err);
	assert_int_equal(seal_add(s, some_text(1000), &parts), 0);
	assert_null(parts);
	seal_drop(&s);
	assert_null(s);
	seal_drop(&s);
	buf_free(&record);
}

/* The rest of the text cannot be stored. */
static void
cut_text_keeps_its_beginning(void **state)
{
	struct text t = { .kind = SEAL_RESPONSE, .id = "a" };
	struct span text = some_text(TEXTS_PART_MAX + 3000);
	struct text_part *parts = NULL;
	struct sealed said;
	struct buf record;
	int err;

	(void)state;
	buf_init(&record, 0);
	buf_putc(&record, '{');
	struct sealing *s = seal_begin(
		sealer, SPAN_LIT("ann"), 0, SPAN_LIT("a"), SEAL_RESPONSE, DAY_1, &record, &err);
	buf_putc(&record, '}');
	t.seal = object_of(&record);
	assert_int_equal(seal_add(s, text, &parts), 0);
	assert_true(seal_cut(s));
	assert_false(seal_cut(s));
	assert_int_equal(seal_add(s, text, &parts), 0);
	assert_int_equal(seal_end(s, false, &parts, &said), 0);
	assert_true(said.cut);
	assert_int_equal(said.bytes, text.n);
	assert_int_equal(write_parts(parts), 2);
	t.kept = kept_of(&said);
	seal_drop(&s);
	assert_int_equal(texts_sync(texts), 0);
	assert_int_equal(open_text(&t, t.seal, &one), 0);
	assert_true(span_eq(buf_view(&opened_text), text));
	free_text(&t);
	buf_free(&record);
}

static bool
begins(const char *holder, int64_t now)
{
	struct text t = seal_text(sealer, holder, "id", SEAL_PROMPT, now, SPAN_LIT("x"), 1);
	bool is = t.seal != NULL;

	free_text(&t);
	return is;
}

static void
new_day_begins_a_new_seal(void **state)
{
	(void)state;
	assert_true(begins("ann", DAY_1));
	assert_false(begins("ann", DAY_1 + CLOCK_DAY_NS - 1));
	assert_true(begins("ann", DAY_1 + CLOCK_DAY_NS));
	assert_false(begins("ann", DAY_1 + CLOCK_DAY_NS - 1)); /* began before midnight */
	assert_false(begins("ann", DAY_1 + CLOCK_DAY_NS + 5));
	assert_true(begins("ann", DAY_1 - 1)); /* the clock was set back */
	assert_true(begins("bob", DAY_1));
	assert_false(begins("ann", DAY_1 - 1));
}

static void
changed_auditors_begin_a_new_seal(void **state)
{
	struct auditor to[] = { one.public, two.public };

	(void)state;
	assert_true(begins("ann", DAY_1));
	assert_int_equal(seals_change(seals, to, 2), 0); /* unchanged */
	assert_false(begins("ann", DAY_1));
	to[1] = stranger.public;
	assert_int_equal(seals_change(seals, to, 2), 0);
	for (int i = 0; i < 2 * CAP_SEALS_AHEAD; i++) {
		char holder[16];
		snprintf(holder, sizeof(holder), i ? "h%d" : "ann", i);
		struct text t =
			seal_text(sealer, holder, "id", SEAL_PROMPT, DAY_1, SPAN_LIT("x"), 1);
		assert_non_null(t.seal);
		opens(&t, t.seal, &stranger, SPAN_LIT("x"));
		assert_int_equal(open_text(&t, t.seal, &two), ERR_NOTFOUND);
		free_text(&t);
	}
	assert_int_equal(seals_change(seals, to, 0), ERR_LIMIT);
	assert_int_equal(seals_change(seals, to, AUDITORS_MAX + 1), ERR_LIMIT);
	assert_null(seals_start(NODE, to, 0, &why));
}

static void
forgotten_holder_begins_a_new_seal(void **state)
{
	(void)state;
	assert_true(begins("ann", DAY_1));
	assert_true(begins("bob", DAY_1));
	sealer_forget(sealer, SPAN_LIT("nobody"));
	sealer_forget(sealer, SPAN_LIT("ann"));
	assert_false(begins("bob", DAY_1));
	assert_true(begins("ann", DAY_1));
}

static void
longest_unused_of_too_many_holders_begins_a_new_seal(void **state)
{
	struct text_part *parts = NULL;
	struct sealed said;
	struct buf record;
	char holder[16];
	int err;

	(void)state;
	buf_init(&record, 0);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < CAP_SEALS; i++) {
			buf_clear(&record);
			snprintf(holder, sizeof(holder), "h%d", i);
			struct sealing *s = seal_begin(sealer, span_str(holder), 0, SPAN_LIT("id"),
				SEAL_PROMPT, DAY_1, &record, &err);
			assert_non_null(s);
			assert_int_equal(record.n == 0, round == 1);
			assert_int_equal(seal_end(s, false, &parts, &said), 0);
			seal_drop(&s);
		}
	write_parts(parts);
	assert_false(begins("h0", DAY_1));
	assert_true(begins("one more", DAY_1));
	assert_false(begins("h0", DAY_1));
	assert_true(begins("h1", DAY_1));
	assert_true(begins("h2", DAY_1)); /* the holder that was dropped for h1 */
	assert_false(begins("h4", DAY_1));
	buf_free(&record);
}

static bool
is_ann(void *arg UNUSED, struct span holder)
{
	return span_is(holder, "ann");
}

static void
erased_text_does_not_open_and_a_new_seal_begins(void **state)
{
	struct text_part *parts = NULL;
	struct sealed said;
	struct buf record, erased;
	int err;

	(void)state;
	buf_init(&record, 0);
	buf_init(&erased, 0);
	struct text t = seal_text(sealer, "ann", "id", SEAL_PROMPT, DAY_1, SPAN_LIT("x"), 1);
	struct text bob = seal_text(sealer, "bob", "id", SEAL_PROMPT, DAY_1, SPAN_LIT("x"), 1);
	struct sealing *s = seal_begin(
		sealer, SPAN_LIT("ann"), 0, SPAN_LIT("id"), SEAL_RESPONSE, DAY_1, &record, &err);
	assert_int_equal(record.n, 0);
	assert_int_equal(shares_sync(shares), 0);
	assert_int_equal(shares_erase(shares, is_ann, NULL, "e1", 1, DAY_1, &erased), 0);
	/* A text in progress ends, and cannot be opened. */
	assert_int_equal(seal_end(s, false, &parts, &said), 0);
	assert_int_equal(said.share, 1);
	struct text under_way = { .kept = kept_of(&said), .kind = SEAL_RESPONSE, .id = "id" };
	write_parts(parts);
	seal_drop(&s);
	assert_int_equal(open_text(&under_way, t.seal, &one), ERR_BAD_STATE);
	assert_int_equal(open_text(&t, t.seal, &one), ERR_BAD_STATE);
	/* The ciphertext still matches the record. */
	assert_int_equal(seal_check_text(t.kept, path("journal"), NODE, &why), 0);
	struct text again =
		seal_text(sealer, "ann", "id", SEAL_PROMPT, DAY_1, SPAN_LIT("y"), 1);
	assert_non_null(again.seal);
	assert_int_equal(json_integer_value(json_object_get(again.kept, "share")), 3);
	opens(&again, again.seal, &one, SPAN_LIT("y"));
	assert_false(begins("bob", DAY_1));
	opens(&bob, bob.seal, &one, SPAN_LIT("x"));
	free_text(&t);
	free_text(&bob);
	free_text(&again);
	free_text(&under_way);
	buf_free(&record);
	buf_free(&erased);
}

static void
text_of_an_erased_share_is_not_begun(void **state)
{
	struct buf record, erased;
	struct share b;
	int err = 0;

	(void)state;
	buf_init(&record, 0);
	buf_init(&erased, 0);
	assert_int_equal(shares_get(shares, SPAN_LIT("ann"), true, &b), 0);
	struct sealing *s = seal_begin(sealer, SPAN_LIT("ann"), b.number, SPAN_LIT("id"),
		SEAL_PROMPT, DAY_1, &record, &err);
	assert_non_null(s);
	seal_drop(&s);
	assert_int_equal(shares_sync(shares), 0);
	assert_int_equal(shares_erase(shares, is_ann, NULL, "e1", 1, DAY_1, &erased), 0);
	assert_null(seal_begin(sealer, SPAN_LIT("ann"), b.number, SPAN_LIT("id"), SEAL_PROMPT,
		DAY_1, &record, &err));
	assert_int_equal(err, ERR_NOTFOUND);
	/* No share was made for it, and a share that another request made is not used. */
	assert_int_equal(shares_get(shares, SPAN_LIT("ann"), false, &b), ERR_NOTFOUND);
	assert_int_equal(shares_get(shares, SPAN_LIT("ann"), true, &b), 0);
	assert_null(seal_begin(sealer, SPAN_LIT("ann"), b.number - 1, SPAN_LIT("id"),
		SEAL_PROMPT, DAY_1, &record, &err));
	assert_int_equal(err, ERR_NOTFOUND);
	buf_free(&record);
	buf_free(&erased);
}

static void
holder_without_a_name_is_refused(void **state)
{
	struct buf record;
	int err = 0;

	(void)state;
	buf_init(&record, 0);
	assert_null(seal_begin(
		sealer, SPAN_LIT(""), 0, SPAN_LIT("id"), SEAL_PROMPT, DAY_1, &record, &err));
	assert_int_equal(err, ERR_LIMIT);
	buf_init(&record, 16); /* no room for the record */
	assert_null(seal_begin(
		sealer, SPAN_LIT("ann"), 0, SPAN_LIT("id"), SEAL_PROMPT, DAY_1, &record, &err));
	assert_int_equal(err, ERR_NOMEM);
	buf_free(&record);
	assert_true(begins("ann", DAY_1));
}

/* ---- threads ---- */

enum { WORKERS = 3, TEXTS_EACH = 400 };
static struct text_part *written[WORKERS];
static struct text sealed_texts[WORKERS][TEXTS_EACH];

static void *
seal_many(void *arg)
{
	size_t w = *(size_t *)arg;
	struct sealer *by = sealer_new(seals, shares, texts, NODE, (unsigned)w);
	struct buf record;
	int err;

	for (size_t i = 0; i < TEXTS_EACH; i++) {
		struct text *t = &sealed_texts[w][i];
		struct sealed said;
		char holder[16];
		snprintf(holder, sizeof(holder), "h%zu", i % 7);
		snprintf(t->id, sizeof(t->id), "%zu-%zu", w, i);
		buf_init(&record, 0);
		buf_putc(&record, '{');
		struct sealing *s = seal_begin(by, span_str(holder), 0, span_str(t->id),
			SEAL_PROMPT, DAY_1, &record, &err);
		if (!s || seal_add(s, span_str(t->id), &written[w]) ||
			seal_end(s, false, &written[w], &said))
			abort();
		buf_putc(&record, '}');
		t->seal = record.n > 2 ? object_of(&record) : NULL;
		t->kept = kept_of(&said);
		seal_drop(&s);
		buf_free(&record);
	}
	sealer_free(&by);
	return NULL;
}

static void
workers_share_everything_except_their_seals(void **state)
{
	const struct auditor only[] = { one.public };
	const struct auditor both[] = { one.public, two.public };
	pthread_t worker[WORKERS];
	size_t number[WORKERS];

	(void)state;
	for (size_t w = 0; w < WORKERS; w++) {
		number[w] = w;
		pthread_create(&worker[w], NULL, seal_many, &number[w]);
	}
	for (int i = 0; i < 20; i++) {
		assert_int_equal(seals_change(seals, i % 2 ? both : only, i % 2 ? 2 : 1), 0);
		assert_int_equal(shares_sync(shares), 0);
	}
	for (size_t w = 0; w < WORKERS; w++)
		pthread_join(worker[w], NULL);
	for (size_t w = 0; w < WORKERS; w++) {
		json_t *seal = json_object();
		write_parts(written[w]);
		written[w] = NULL;
		for (size_t i = 0; i < TEXTS_EACH; i++)
			if (sealed_texts[w][i].seal)
				json_object_set(seal,
					json_string_value(json_object_get(
						sealed_texts[w][i].seal, "seal")),
					sealed_texts[w][i].seal);
		for (size_t i = 0; i < TEXTS_EACH; i++) {
			struct text *t = &sealed_texts[w][i];
			const char *id = json_string_value(json_object_get(t->kept, "seal"));
			opens(t, json_object_get(seal, id), &one, span_str(t->id));
		}
		for (size_t i = 0; i < TEXTS_EACH; i++)
			free_text(&sealed_texts[w][i]);
		json_decref(seal);
	}
}

/* ---- damage ---- */

static int
check_all(const struct text *t, const json_t *seal)
{
	buf_clear(&why);
	int checked = seal_check_text(t->kept, path("journal"), NODE, &why);
	size_t said = why.n;
	int err = open_text(t, seal, &one);

	assert_int_equal(opened_text.n, 0);
	assert_true(said > 0 && why.n > 0);
	assert_int_equal(checked, err);
	return err;
}

static void
changed_ciphertext_does_not_open(void **state)
{
	(void)state;
	struct text t =
		seal_text(sealer, "ann", "id", SEAL_PROMPT, DAY_1, some_text(70000), 70000);
	int fd = open(path("journal.texts/gw-1-0000000000000000.texts"), O_RDWR);
	for (size_t i = 0; i < 70000; i += 997) {
		off_t at = TEXTS_HEAD_BYTES + TEXTS_FRAME_BYTES + (off_t)i;
		unsigned char c;
		assert_int_equal(pread(fd, &c, 1, at), 1);
		c ^= 4;
		assert_int_equal(pwrite(fd, &c, 1, at), 1);
		assert_int_equal(check_all(&t, t.seal), ERR_AUTH);
		c ^= 4;
		assert_int_equal(pwrite(fd, &c, 1, at), 1);
	}
	opens(&t, t.seal, &one, some_text(70000));
	assert_int_equal(ftruncate(fd, TEXTS_HEAD_BYTES + 50000), 0);
	assert_int_equal(check_all(&t, t.seal), ERR_TRUNCATED);
	unlink(path("journal.texts/gw-1-0000000000000000.texts"));
	assert_int_equal(check_all(&t, t.seal), ERR_NOTFOUND);
	close(fd);
	free_text(&t);
}

/* The member `kept` with another list of places. */
static void
swapped_or_missing_parts_do_not_open(void **state)
{
	(void)state;
	struct text t =
		seal_text(sealer, "ann", "id-1", SEAL_PROMPT, DAY_1, some_text(190000), 190000);
	struct text u =
		seal_text(sealer, "ann", "id-2", SEAL_PROMPT, DAY_1, some_text(190000), 190000);
	json_t *is = json_object_get(t.kept, "at"), *of_u = json_object_get(u.kept, "at");
	json_int_t a[3], b[3];
	for (size_t i = 0; i < 3; i++) {
		a[i] = json_integer_value(json_array_get(is, i));
		b[i] = json_integer_value(json_array_get(of_u, i));
	}
	const struct {
		json_int_t at[4];
		size_t n;
		int want;
	} rows[] = { { { a[1], a[0], a[2] }, 3, ERR_AUTH }, { { a[0], a[1] }, 2, ERR_AUTH },
		{ { a[1], a[2] }, 2, ERR_AUTH }, { { a[0], a[1], a[1], a[2] }, 4, ERR_AUTH },
		{ { a[0], b[1], a[2] }, 3, ERR_AUTH }, { { b[0], b[1], b[2] }, 3, ERR_AUTH },
		{ { a[0], a[1], a[2] + 16 }, 3, ERR_SYNTAX },
		{ { a[0], a[1], -1 }, 3, ERR_SYNTAX },
		{ { a[0], a[1], INT64_MAX }, 3, ERR_NOTFOUND }, { { 0 }, 0, ERR_SYNTAX } };
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_t *list = json_array();
		for (size_t j = 0; j < rows[i].n; j++)
			json_array_append_new(list, json_integer(rows[i].at[j]));
		json_object_set_new(t.kept, "at", list);
		int err = check_all(&t, t.seal);
		if (err != rows[i].want)
			fail_msg("row %zu: %s", i, err_str(err));
	}
	/* The record names the other text's parts and hash, but the key does not match. */
	for (size_t i = 0; i < 3; i++)
		json_array_insert_new(json_object_get(t.kept, "at"), i, json_integer(b[i]));
	json_object_set(t.kept, "sha256", json_object_get(u.kept, "sha256"));
	assert_int_equal(open_text(&t, t.seal, &one), ERR_AUTH);
	assert_int_equal(opened_text.n, 0);
	opens(&u, t.seal, &one, some_text(190000));
	json_object_set_new(u.kept, "bytes", json_integer(189999));
	assert_int_equal(check_all(&u, t.seal), ERR_AUTH);
	free_text(&t);
	free_text(&u);
}

static void
malformed_records_of_seals_are_refused(void **state)
{
	static const char *const kept[] = { "{}", "[]", "{'at':[128],'bytes':1}",
		"{'at':128,'bytes':1,'sha256':'%s'}", "{'at':[],'bytes':1,'sha256':'%s'}",
		"{'at':['128'],'bytes':1,'sha256':'%s'}",
		"{'at':[128],'bytes':-1,'sha256':'%s'}",
		"{'at':[128],'bytes':'1','sha256':'%s'}",
		"{'at':[128],'bytes':1,'sha256':'00'}",
		"{'at':[128.0],'bytes':1,'sha256':'%s'}" };
	static const char *const seal[] = { "{}", "{'type':'seal'}",
		"{'type':'seal','seal':'1','to':[]}",
		"{'type':'seal','seal':'00000000000000000000000000000000','to':{}}",
		"{'type':'seal','seal':'00000000000000000000000000000000','to':[{'key':'%s'}]}",
		"{'type':'seal','seal':'00000000000000000000000000000000','to':[{'key':'%s','"
		"enc':"
		"'AAAA','sealed':'AAAA'}]}" };
	unsigned char k[32] = "";
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(kept) + COUNT_OF(seal); i++) {
		bool is_seal = i >= COUNT_OF(kept);
		const char *form = is_seal ? seal[i - COUNT_OF(kept)] : kept[i];
		const char *place = strstr(form, "%s");
		snprintf(text, sizeof(text), "%.*s%s%s", place ? (int)(place - form) : 500,
			form,
			!place	  ? ""
			: is_seal ? one.public.id
				  : "000000000000000000000000000000000000000000000000000000"
				    "0000000000",
			place ? place + 2 : "");
		for (char *p = text; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		json_t *o = json_loads(text, 0, NULL);
		assert_non_null(o);
		buf_clear(&why);
		int err = is_seal ? seal_open_share(o, NODE, one.key, one.public.id, k, &why)
				  : seal_open_text(
					    o, path("journal"), NODE, k, &opened_text, &why);
		if (err != ERR_SYNTAX || !why.n)
			fail_msg("%s: %s", text, err_str(err));
		json_decref(o);
	}
}

#define SEALED(f) cmocka_unit_test_setup_teardown(f, begin_seals, end_seals)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		SEALED(only_the_configured_auditors_can_open),
		SEALED(text_of_any_length_is_sealed_in_any_pieces),
		SEALED(text_over_256_parts_keeps_its_beginning),
		SEALED(key_opens_only_one_text),
		SEALED(scheme_equals_the_documented_one),
		SEALED(concurrent_texts_have_their_own_steps),
		SEALED(dropped_text_leaves_nothing),
		SEALED(cut_text_keeps_its_beginning),
		SEALED(new_day_begins_a_new_seal),
		SEALED(changed_auditors_begin_a_new_seal),
		SEALED(forgotten_holder_begins_a_new_seal),
		SEALED(longest_unused_of_too_many_holders_begins_a_new_seal),
		SEALED(erased_text_does_not_open_and_a_new_seal_begins),
		SEALED(text_of_an_erased_share_is_not_begun),
		SEALED(holder_without_a_name_is_refused),
		SEALED(workers_share_everything_except_their_seals),
		SEALED(changed_ciphertext_does_not_open),
		SEALED(swapped_or_missing_parts_do_not_open),
		SEALED(malformed_records_of_seals_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
