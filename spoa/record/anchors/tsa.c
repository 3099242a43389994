/* Time stamps of RFC 3161 over the SHA-256 of a checkpoint's note.
 *
 * A response is accepted only if its status is "granted" (not "granted with modifications"),
 * and it has our imprint and our nonce. A certificate that is for time stamping alone and is
 * issued under the authorities in `ca` must have signed it. The time in it must be close to
 * the local clock. */
#include <inttypes.h>
#include <openssl/err.h>
#include <time.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "base/scoped.h"
#include "record/anchors/place.h"

#if OPENSSL_VERSION_NUMBER <                                                                   \
	0x30400000L /* OpenSSL 3.4 renamed the function, which takes over the store */
#define TS_VERIFY_CTX_set0_store TS_VERIFY_CTX_set_store
#endif

TS_REQ *
tsa_query(struct span note)
{
	unsigned char nonce[8], hash[SHA256_BYTES];
	TS_REQ *q = TS_REQ_new();
	TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
	X509_ALGOR *algo = X509_ALGOR_new();
	BIGNUM *bn = NULL;
	ASN1_INTEGER *number = NULL;

	sha256(note, hash);
	random_bytes(nonce, sizeof(nonce));
	nonce[0] = (unsigned char)((nonce[0] & 0x7f) |
				   0x40); /* the nonce always has the same length */
	bool ok = q && imprint && algo && (bn = BN_bin2bn(nonce, sizeof(nonce), NULL)) &&
		  (number = BN_to_ASN1_INTEGER(bn, NULL)) &&
		  X509_ALGOR_set0(algo, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) &&
		  TS_MSG_IMPRINT_set_algo(imprint, algo) &&
		  TS_MSG_IMPRINT_set_msg(imprint, hash, SHA256_BYTES) &&
		  TS_REQ_set_version(q, 1) && TS_REQ_set_msg_imprint(q, imprint) &&
		  TS_REQ_set_nonce(q, number) && TS_REQ_set_cert_req(q, 1);
	ASN1_INTEGER_free(number);
	BN_free(bn);
	X509_ALGOR_free(algo);
	TS_MSG_IMPRINT_free(imprint);
	if (ok)
		return q;
	TS_REQ_free(q);
	return NULL;
}

/* Appends the status of a refused request, and at most 100 characters of the authority's
 * text, with "?" for bytes that are not printable ASCII. */
static void
put_tsa_status(TS_STATUS_INFO *info, struct buf *why)
{
	const STACK_OF(ASN1_UTF8STRING) *texts = TS_STATUS_INFO_get0_text(info);

	buf_printf(why, "the status of the response is %ld, not granted",
		ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(info)));
	const ASN1_STRING *first = texts && sk_ASN1_UTF8STRING_num(texts)
					   ? sk_ASN1_UTF8STRING_value(texts, 0)
					   : NULL;
	if (!first)
		return;
	buf_str(why, ": ");
	for (int i = 0; i < ASN1_STRING_length(first) && i < 100; i++) {
		char c = (char)ASN1_STRING_get0_data(first)[i];
		buf_putc(why, c >= ' ' && c <= '~' ? c : '?');
	}
}

/* Appends OpenSSL's last error. */
static void
put_openssl_error(struct buf *why)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL, *data = NULL;
	int flags = 0;

	ERR_peek_last_error_data(&data, &flags);
	buf_printf(why, "the time stamp does not verify: %s", reason ? reason : "?");
	if (data && *data && flags & ERR_TXT_STRING)
		buf_printf(why, " (%.160s)", data);
}

/* Verifies the token as `v` requires. Frees `v`, which may be NULL (out of memory: false). */
static bool
token_holds(TS_VERIFY_CTX *v, int flags, TS_RESP *r, X509_STORE *store)
{
	if (!v)
		return false;
	TS_VERIFY_CTX_add_flags(v, flags);
	X509_STORE_up_ref(store);
	TS_VERIFY_CTX_set0_store(v, store); /* `v` owns this reference */
	bool ok = TS_RESP_verify_response(v, r) == 1;
	TS_VERIFY_CTX_free(v);
	return ok;
}

int64_t tsa_off_s = 3600;

/* A time stamp is evidence of a time. If the authority's clock or the local clock is far off,
 * the stamp is rejected, because it would be evidence of a wrong time. */
static bool
time_fits(TS_RESP *r, struct buf *why)
{
	struct tm then;

	if (ASN1_TIME_to_tm(TS_TST_INFO_get_time(TS_RESP_get_tst_info(r)), &then) != 1) {
		buf_str(why, "the time in the time stamp cannot be read");
		return false;
	}
	int64_t off = (int64_t)timegm(&then) - clock_wall_ns() / 1000000000;
	if (off <= tsa_off_s && off >= -tsa_off_s)
		return true;
	/* Only whole hours are named: each new reason becomes a record, and this text must
	 * not change at each attempt. */
	buf_printf(why,
		"the time of the stamp is %" PRId64
		" hours %s the local clock: correct the clock that is wrong",
		(off < 0 ? -off : off) / 3600, off < 0 ? "before" : "after");
	return false;
}

int
tsa_verify(TS_REQ *query, struct span response, const char *ca, struct buf *why)
{
	const unsigned char *at = (const unsigned char *)response.p;
	int err = ERR_AUTH;

	ERR_clear_error();
	X509_STORE *store = X509_STORE_new();
	TS_RESP *r = response.n && response.n <= CAP_ANCHOR_ANSWER
			     ? d2i_TS_RESP(NULL, &at, (long)response.n)
			     : NULL;
	if (!r || at != (const unsigned char *)response.p + response.n)
		buf_str(why, "the response is not a time stamp response of RFC 3161");
	else if (ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(TS_RESP_get_status_info(r))) !=
		 TS_STATUS_GRANTED)
		put_tsa_status(TS_RESP_get_status_info(r), why);
	else if (!store || !X509_STORE_load_file(store, ca))
		buf_printf(why, "%s: the certificates cannot be read", ca);
	else if (!token_holds(TS_REQ_to_TS_VERIFY_CTX(query, NULL),
			 TS_VFY_VERSION | TS_VFY_IMPRINT | TS_VFY_NONCE | TS_VFY_SIGNATURE, r,
			 store))
		put_openssl_error(why);
	else if (time_fits(r, why))
		err = 0;
	TS_RESP_free(r);
	X509_STORE_free(store);
	ERR_clear_error();
	return err;
}

static bool
is_over_hash(TS_TST_INFO *tst, const unsigned char hash[SHA256_BYTES])
{
	TS_MSG_IMPRINT *imprint = TS_TST_INFO_get_msg_imprint(tst);
	const ASN1_OCTET_STRING *got = TS_MSG_IMPRINT_get_msg(imprint);
	const ASN1_OBJECT *algo = NULL;

	X509_ALGOR_get0(&algo, NULL, NULL, TS_MSG_IMPRINT_get_algo(imprint));
	return OBJ_obj2nid(algo) == NID_sha256 && ASN1_STRING_length(got) == SHA256_BYTES &&
	       memcmp(ASN1_STRING_get0_data(got), hash, SHA256_BYTES) == 0;
}

/* Verifies with certificates that were valid at the time of the stamp. */
static bool
signed_then(TS_RESP *r, TS_TST_INFO *tst, X509_STORE *store)
{
	struct tm then;

	if (ASN1_TIME_to_tm(TS_TST_INFO_get_time(tst), &then) != 1)
		return false;
	X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store), timegm(&then));
	return token_holds(TS_VERIFY_CTX_new(), TS_VFY_VERSION | TS_VFY_SIGNATURE, r, store);
}

int
tsa_token_check(struct span response, const unsigned char hash[SHA256_BYTES], const char *ca,
	struct buf *why)
{
	const unsigned char *at = (const unsigned char *)response.p;
	int err = ERR_AUTH;

	ERR_clear_error();
	X509_STORE *store = ca ? X509_STORE_new() : NULL;
	TS_RESP *r = d2i_TS_RESP(NULL, &at, (long)response.n);
	TS_TST_INFO *tst = r ? TS_RESP_get_tst_info(r) : NULL;
	if (!tst)
		buf_str(why, "the file is not a time stamp of RFC 3161");
	else if (!is_over_hash(tst, hash))
		buf_str(why, "the time stamp is for other data than this checkpoint");
	else if (!ca)
		err = 0;
	else if (!store || !X509_STORE_load_file(store, ca))
		buf_printf(why, "%s: the certificates cannot be read", ca);
	else if (signed_then(r, tst, store))
		err = 0;
	else
		put_openssl_error(why);
	TS_RESP_free(r);
	X509_STORE_free(store);
	ERR_clear_error();
	return err;
}

static void
on_token(void *arg, const struct http_answer *a)
{
	struct place *p = TAGGED(place, arg);

	if (place_unanswered(p, a))
		return;
	if (a->status != 200) {
		place_failed(p, a, ANCHOR_REFUSED);
		return;
	}
	SCOPED_BUF(why, PLACE_WHY);
	bool ok = tsa_verify(p->query, a->body, p->at->ca, &why) == 0;
	/* A response that does not verify is recorded, too: it is evidence. */
	place_over(p, ok ? ANCHOR_TAKEN : ANCHOR_REFUSED, a->body, true, "%.*s",
		SPAN_ARG(buf_view(&why)));
}

void
place_take_tsa(struct place *p)
{
	unsigned char *der = NULL;

	TS_REQ_free(p->query);
	p->query = tsa_query(buf_view(&p->note));
	int n = p->query ? i2d_TS_REQ(p->query, &der) : 0;
	if (n <= 0)
		place_over(p, ANCHOR_AWAY, (struct span){ NULL, 0 }, false, "out of memory");
	else
		place_post(p, "", "application/timestamp-query",
			span_of((const char *)der, (size_t)n), CAP_ANCHOR_ANSWER, on_token);
	OPENSSL_free(der);
}
