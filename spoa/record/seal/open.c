/* Opens sealed texts, and checks them without a key: see seal.h. Only records and files are
 * needed, not the daemon. */

#include "base/caps.h"
#include "base/codec/base64.h"
#include "base/err.h"
#include "base/scoped.h"
#include "base/why.h"
#include "record/seal/private.h"

/* ---- keys ---- */

void
seal_ratchet(unsigned char state[SHARE_BYTES], uint64_t steps)
{
	unsigned char next[SHARE_BYTES];

	for (; steps; steps--) {
		hmac_sha256(state, SPAN_LIT("next"), next);
		memcpy(state, next, sizeof(next));
	}
	explicit_bzero(next, sizeof(next));
}

void
seal_text_key(const unsigned char s0[SHARE_BYTES], uint64_t step, const struct share *b,
	const char *node, struct span id, enum seal_kind kind, unsigned char out[32])
{
	static const char zero[1];
	unsigned char state[SHARE_BYTES], message[SHA256_BYTES];
	struct sha256 h;

	memcpy(state, s0, sizeof(state));
	seal_ratchet(state, step < CAP_SEAL_STEPS ? step : CAP_SEAL_STEPS);
	hmac_sha256(state, SPAN_LIT("text"), message);
	hmac_begin(&h, message);
	sha256_add(&h, span_of(b->key, sizeof(b->key)));
	sha256_add(&h, SPAN_LIT("tollgate-text-v1"));
	sha256_add(&h, span_of(zero, 1));
	sha256_add(&h, span_str(node));
	sha256_add(&h, span_of(zero, 1));
	sha256_add(&h, id);
	sha256_add(&h, span_of(zero, 1));
	sha256_add(&h, span_str(seal_kinds[kind]));
	hmac_end(&h, message, out);
	explicit_bzero(state, sizeof(state));
	explicit_bzero(message, sizeof(message));
}

static struct span
json_span(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return span_of(json_string_value(v), json_string_length(v));
}

int
seal_open_share(const json_t *record, const char *node, const unsigned char key[HPKE_KEY_BYTES],
	const char id[AUDITOR_ID_LEN + 1], unsigned char out[SHARE_BYTES], struct buf *why)
{
	unsigned char enc[HPKE_KEY_BYTES], sealed[SHARE_BYTES + HPKE_TAG_BYTES];
	struct span seal = json_span(record, "seal");
	const json_t *to = json_object_get(record, "to"), *one = NULL;
	size_t i, n = 0, m = 0;

	if (!span_is(json_span(record, "type"), "seal") || seal.n != SEAL_ID_LEN ||
		!json_is_array(to))
		return why_err(why, ERR_SYNTAX, "the record is not a seal record");
	for (i = 0; i < json_array_size(to); i++)
		if (span_is(json_span(one = json_array_get(to, i), "key"), id))
			break;
	if (i == json_array_size(to))
		return why_err(why, ERR_NOTFOUND, "seal %.*s is not sealed to the key %s",
			SPAN_ARG(seal), id);
	if (base64_get(json_span(one, "enc"), enc, sizeof(enc), &n) || n != sizeof(enc) ||
		base64_get(json_span(one, "sealed"), sealed, sizeof(sealed), &m) ||
		m != sizeof(sealed))
		return why_err(
			why, ERR_SYNTAX, "seal %.*s: its share is malformed", SPAN_ARG(seal));
	SCOPED_BUF(aad, 0);
	seal_aad(node, seal, &aad);
	int err = buf_failed(&aad) ? ERR_NOMEM
				   : hpke_open(key, enc, SEAL_INFO, buf_view(&aad),
					     span_of(sealed, m), out);
	return err ? why_err(why, err,
			     "seal %.*s: its share cannot be opened with the key %s: the "
			     "record was changed, or the key is another one",
			     SPAN_ARG(seal), id)
		   : 0;
}

/* ---- texts ---- */

/* The contents of a member `kept`. */
struct kept {
	const json_t *at;
	size_t n;
	uint64_t bytes;
	unsigned char sha256[SHA256_BYTES];
};

static int
read_kept(const json_t *o, struct kept *k, struct buf *why)
{
	const json_t *bytes = json_object_get(o, "bytes");

	k->at = json_object_get(o, "at");
	k->n = json_array_size(k->at);
	k->bytes = (uint64_t)json_integer_value(bytes);
	if (k->n == 0 || k->n > SEAL_PARTS_MAX || !json_is_integer(bytes) ||
		json_integer_value(bytes) < 0 ||
		!sha256_read(json_span(o, "sha256"), k->sha256))
		return why_err(
			why, ERR_SYNTAX, "the record's description of the text is malformed");
	return 0;
}

/* Appends part i of the text to *out, and checks that it is the right part. */
static int
read_kept_part(const struct kept *k, size_t i, const char *journal, const char *node,
	struct buf *out, struct buf *why)
{
	const json_t *at = json_array_get(k->at, i);
	json_int_t position = json_integer_value(at);
	unsigned part = 0;
	bool last = false;

	if (!json_is_integer(at) || position < 0)
		return why_err(why, ERR_SYNTAX, "part %zu has no position", i);
	int err = texts_read(journal, node, (uint64_t)position, &part, &last, out, why);
	if (!err && (part != i || last != (i + 1 == k->n)))
		return why_err(why, ERR_AUTH,
			"position %lld has part %u of a text%s, not part %zu of %zu: the "
			"record or the file was changed",
			(long long)position, part, last ? ", its last" : "", i, k->n);
	return err;
}

/* Reads all parts and compares their hash. end[i] is where part i ends in *out. */
static int
read_parts(const json_t *o, const char *journal, const char *node, struct kept *k,
	struct buf *out, size_t end[SEAL_PARTS_MAX], struct buf *why)
{
	unsigned char hash[SHA256_BYTES];
	int err = read_kept(o, k, why);

	for (size_t i = 0; !err && i < k->n; i++) {
		err = read_kept_part(k, i, journal, node, out, why);
		end[i] = out->n;
	}
	if (err)
		return err;
	sha256(buf_view(out), hash);
	if (memcmp(hash, k->sha256, sizeof(hash)) != 0)
		return why_err(why, ERR_AUTH,
			"the hash of the ciphertext differs from the record: the file or the "
			"record was changed");
	if (out->n - k->n * HPKE_TAG_BYTES != k->bytes)
		return why_err(
			why, ERR_AUTH, "the length of the ciphertext differs from the record");
	return 0;
}

int
seal_check_text(const json_t *kept, const char *journal, const char *node, struct buf *why)
{
	size_t end[SEAL_PARTS_MAX];
	struct kept k;

	SCOPED_BUF(sealed, 0);
	return read_parts(kept, journal, node, &k, &sealed, end, why);
}

int
seal_open_text(const json_t *kept, const char *journal, const char *node,
	const unsigned char key[32], struct buf *out, struct buf *why)
{
	size_t end[SEAL_PARTS_MAX], from = 0, had = out->n;
	unsigned char nonce[12];
	struct kept k;

	SCOPED_BUF(sealed, 0);
	int err = read_parts(kept, journal, node, &k, &sealed, end, why);
	unsigned char *to = err ? NULL : (unsigned char *)buf_reserve(out, k.bytes + 1);
	if (!err && !to)
		err = why_err(why, ERR_NOMEM, "%s", err_str(ERR_NOMEM));
	for (size_t i = 0; !err && i < k.n; from = end[i++]) {
		struct span part = span_cut(buf_view(&sealed), from, end[i]);
		part_nonce((unsigned)i, i + 1 == k.n, nonce);
		err = gcm_open(key, nonce, span_of(NULL, 0), part, to);
		if (err)
			why_err(why, err, "part %zu cannot be opened with this key", i);
		to += part.n - HPKE_TAG_BYTES;
	}
	if (!err)
		buf_commit(out, k.bytes);
	else if (to)
		explicit_bzero(buf_reserve(out, k.bytes + 1), k.bytes);
	INVARIANT(!err || out->n == had);
	return err;
}
