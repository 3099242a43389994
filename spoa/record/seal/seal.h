/* Seals texts while they pass: the daemon cannot read them back.
 *
 * Share A, 32 random bytes, is made ahead (seals_take) and sealed by HPKE to each auditor,
 * with info "tollgate-seal-v1" and AAD node ‖ 0x00 ‖ seal id (32 hexadecimal digits). It is
 * used for one holder, worker and day. Its `seal` record precedes the first record that names
 * it.
 *
 * A is the state S0 of a ratchet: message key  M_i = HMAC-SHA-256(S_i, "text"),  S_(i+1) =
 * HMAC-SHA-256(S_i, "next"), and S_i is erased at once. With the holder's share B
 * (record/seal/shares.h), text i has the key K = HMAC-SHA-256(M_i, B ‖ "tollgate-text-v1" ‖
 * 0x00 ‖ node ‖ 0x00 ‖ id ‖ 0x00 ‖ kind). id is the decision's, kind is "prompt", "response"
 * or "tools". Part p (from 0), at most 64 KB, is AES-256-GCM under K without AAD. Its nonce
 * is 7 zero bytes, p as 4 bytes big-endian, and 1 for the last part, else 0. B and K are
 * erased at the end of the text.
 *
 * A seal's record (base64 with padding):
 *   "type":"seal","seal":ID,"day":"2026-11-25","worker":3,"share":17,
 *   "to":[{"auditor":NAME,"key":ID,"enc":BASE64,"sealed":BASE64}]
 * A decision's record describes its prompt in `prompt.kept`, a completion's record its
 * response in `answer.kept`, and both describe calls in `tools_kept`:
 *   {"how":"redacted","seal":ID,"step":i,"share":17,"bytes":N,"at":[POSITION],"sha256":HEX,"cut":true}
 * `how` is the configured form, "redacted" or "full". `form` is "texts" if the text is not a
 * copy of bytes but lines of JSON, one for each run of a response's text. */
#ifndef RECORD_SEAL_SEAL_H
#define RECORD_SEAL_SEAL_H

#include <jansson.h>

#include "base/metrics.h"
#include "record/seal/auditor.h"
#include "record/seal/shares.h"
#include "record/seal/texts.h"

#define SEAL_ID_LEN 32
/* parts of one text, 16 MB; only the beginning of a longer text is kept, marked with `cut` */
#define SEAL_PARTS_MAX 256

enum seal_kind { SEAL_PROMPT, SEAL_RESPONSE, SEAL_TOOLS };
extern const char *const seal_kinds[]; /* "prompt", …; ends with NULL */

/* ---- one for each daemon ---- */

/* Seals that are made ahead by a thread of its own, so that workers need not wait for the
 * curve. The auditors are copied. Returns NULL with the reason in *why. */
struct seals;
struct seals *seals_start(
	const char *node, const struct auditor *to, size_t n, struct buf *why);
void seals_stop(struct seals **s);
/* Changes the auditors, from the next seal on. Seals that were made ahead are erased, and
 * each worker begins new seals (seals_changes()). Returns 0 or ERR_LIMIT. Any thread. */
int seals_change(struct seals *s, const struct auditor *to, size_t n);

/* ---- one for each worker ---- */

struct sealer;
/* Makes a worker's sealer, which borrows all arguments. It keeps the seals of at most
 * CAP_SEALS holders and drops the least recently used. Returns NULL if memory is exhausted. */
struct sealer *sealer_new(struct seals *seals, struct shares *shares, struct texts *texts,
	const char *node, unsigned worker);
void sealer_free(struct sealer **s);

/* A text in progress. */
struct sealing;
/* The description of a kept text for its record, without `how`. */
struct sealed {
	char seal[SEAL_ID_LEN + 1];
	uint64_t step, share; /* i, and the share's number */
	uint64_t bytes;	      /* bytes of plaintext that were kept */
	/* SHA-256 over the ciphertexts of all parts with their tags, in order */
	unsigned char sha256[SHA256_BYTES];
	uint64_t *at; /* positions of its parts; owned by the sealing */
	size_t nat;
	bool cut; /* the text was longer, or did not arrive completely */
};

/* Begins a text for that holder. `share` is the number of the share that the holder must
 * still have; 0: any, and a share is made if the holder has none. If this is the first text
 * of a seal, the members of the seal's record are appended to *record; that record must be
 * written before any record that names it. (If it is finally refused, call sealer_forget().)
 * Returns NULL with *err: ERR_NOMEM, ERR_FULL or ERR_LIMIT as shares_get(), or ERR_NOTFOUND
 * (that share no longer exists). */
struct sealing *seal_begin(struct sealer *s, struct span holder, uint64_t share, struct span id,
	enum seal_kind kind, int64_t now_ns, struct buf *record, int *err);
/* Appends bytes. Full parts are appended to *parts (oldest first; owned by the caller, freed
 * with free()). Returns 0 or ERR_NOMEM. */
int seal_add(struct sealing *t, struct span bytes, struct text_part **parts);
/* Ignores all later bytes and marks the text as cut. Returns false if that was already so. */
bool seal_cut(struct sealing *t);
/* Finishes the text, with at least one part, and erases the key. out->at is valid until
 * seal_drop(). Returns 0 or ERR_NOMEM. */
int seal_end(struct sealing *t, bool cut, struct text_part **parts, struct sealed *out);
void seal_drop(struct sealing **t);
void sealer_forget(struct sealer *s, struct span holder);

/* ---- opening ---- */

/* Opens S_0 in a `seal` record with this private key. Returns 0, ERR_NOTFOUND (not sealed to
 * this key), ERR_AUTH (cannot be opened) or ERR_SYNTAX, with the reason in *why. */
int seal_open_share(const json_t *record, const char *node,
	const unsigned char key[HPKE_KEY_BYTES], const char id[AUDITOR_ID_LEN + 1],
	unsigned char out[SHARE_BYTES], struct buf *why);
/* Advances S_i to S_(i + steps). To open many texts of a seal in order, advance the state and
 * ask for K of step 0. */
void seal_ratchet(unsigned char state[SHARE_BYTES], uint64_t steps);
/* Computes K of a text. For a step beyond CAP_SEAL_STEPS, which no seal has, the key opens
 * nothing. */
void seal_text_key(const unsigned char s0[SHARE_BYTES], uint64_t step, const struct share *b,
	const char *node, struct span id, enum seal_kind kind, unsigned char out[32]);
/* Appends the text that a member `kept` describes to *out: reads its parts, compares their
 * SHA-256 and opens them. Returns 0, an error of texts_read(), or ERR_AUTH (the hash differs,
 * or the key does not open it), with the reason in *why. */
int seal_open_text(const json_t *kept, const char *journal, const char *node,
	const unsigned char k[32], struct buf *out, struct buf *why);
/* Checks without a key that the ciphertext matches the record, for `audit verify --texts`. */
int seal_check_text(const json_t *kept, const char *journal, const char *node, struct buf *why);

#endif
