/* A text is sealed as it passes: what the daemon wrote it cannot read back.
 *
 * Share A, 32 random bytes, is made ahead (seals_take), sealed by HPKE to each auditor, info
 * "tollgate-seal-v1", AAD node ‖ 0x00 ‖ seal id (32 hexadecimal digits), and is in force for
 * one holder, worker and day. Its `seal` record goes before the first record that names it. Of
 * A, as the state S0 = A: message key  M_i = HMAC-SHA-256(S_i, "text"),  S_(i+1) =
 * HMAC-SHA-256(S_i, "next") and S_i is wiped at once. With the holder's share B
 * (record/seal/shares.h) text i has the key K = HMAC-SHA-256(M_i, B ‖ "tollgate-text-v1" ‖ 0x00
 * ‖ node ‖ 0x00 ‖ id ‖ 0x00 ‖ kind) where id is the decision's and kind "prompt", "response" or
 * "tools". Part p (from 0) of at most 64 KB is AES-256-GCM under K without AAD; its nonce: 7
 * bytes zero, p as 4 bytes big-endian, 1 for the last part, else 0. B and K are wiped with the
 * text's end.
 *
 * A seal's record (base64 with padding):
 *   "type":"seal","seal":ID,"day":"2026-11-25","worker":3,"share":17,
 *   "to":[{"auditor":NAME,"key":ID,"enc":BASE64,"sealed":BASE64}]
 * What a decision's record says of the prompt (`prompt.kept`), a completion's of the answer
 * (`answer.kept`), either of calls (`tools_kept`):
 *   {"how":"redacted","seal":ID,"step":i,"share":17,"bytes":N,"at":[POSITION],"sha256":HEX,"cut":true}
 * `how` is what was asked for: "redacted" or "full"; `form` is "texts" where it is no copy of
 * bytes but lines of JSON, one a run of an answer's text. */
#ifndef RECORD_SEAL_SEAL_H
#define RECORD_SEAL_SEAL_H

#include <jansson.h>

#include "base/metrics.h"
#include "record/seal/auditor.h"
#include "record/seal/shares.h"
#include "record/seal/texts.h"

#define SEAL_ID_LEN    32
#define SEAL_PARTS_MAX 256 /* of one text, 16 MB: of more the beginning is kept, and marked */

enum seal_kind { SEAL_PROMPT, SEAL_RESPONSE, SEAL_TOOLS };
extern const char *const seal_kinds[]; /* "prompt", …; ends with NULL */

/* ---- one a daemon ---- */

/* Shares A that are sealed already: a thread of its own makes them, so that a worker does not.
 * The auditors are copied. NULL: with *why. */
struct seals;
struct seals *seals_start(
	const char *node, const struct auditor *to, size_t n, struct buf *why);
void seals_stop(struct seals **s);
/* Other auditors, from the next seal on: what was made ahead is wiped, and each worker begins
 * new seals (seals_changes). Any thread. */
int seals_change(struct seals *s, const struct auditor *to, size_t n);

/* ---- one a worker ---- */

struct sealer;
/* Borrowed for as long as it lives. It keeps at most CAP_SEALS holders' seals; the one that was
 * used longest ago goes. */
struct sealer *sealer_new(struct seals *seals, struct shares *shares, struct texts *texts,
	const char *node, unsigned worker);
void sealer_free(struct sealer **s);

/* A text under way. */
struct sealing;
/* What the record says of a text that was kept: members of an object, after its `how`. */
struct sealed {
	char seal[SEAL_ID_LEN + 1];
	uint64_t step, share;		    /* i; the share's number */
	uint64_t bytes;			    /* of plaintext that was kept */
	unsigned char sha256[SHA256_BYTES]; /* of its parts' ciphertexts with tags, in order */
	uint64_t *at;			    /* positions of its parts; of the sealing */
	size_t nat;
	bool cut; /* it was longer, or did not come whole */
};

/* Begins one for that holder. `share`: the number of the share that the holder must still have;
 * 0: any, and one is made if the holder has none. `record`: where this is the first of a seal, the fields of its
 * record of type `seal` are appended to it, which goes to the journal before what names it (a
 * holder whose record is refused for good begins anew: sealer_forget()). NULL: *err is
 * ERR_NOMEM, ERR_FULL or ERR_LIMIT, as shares_get() says; ERR_NOTFOUND: that share is gone. */
struct sealing *seal_begin(struct sealer *s, struct span holder, uint64_t share,
	struct span id, enum seal_kind kind, int64_t now_ns, struct buf *record, int *err);
/* Appends; full parts are appended to the list *parts (oldest first, the caller's, freed by
 * free()). 0 or ERR_NOMEM. */
int seal_add(struct sealing *t, struct span bytes, struct text_part **parts);
/* Takes nothing more: what is added is left out, and the text is cut. False: so it was already.
 */
bool seal_cut(struct sealing *t);
/* The rest of it, at least one part where there is none yet; the key is wiped. *out's `at`
 * lives until seal_drop(). */
int seal_end(struct sealing *t, bool cut, struct text_part **parts, struct sealed *out);
void seal_drop(struct sealing **t);
void sealer_forget(struct sealer *s, struct span holder);

/* ---- opening ---- */

/* S_0 of a `seal` record's object for this private key. 0; ERR_NOTFOUND: it is not sealed to
 * the key; ERR_AUTH: it is, and does not open; ERR_SYNTAX. */
int seal_open_share(const json_t *record, const char *node,
	const unsigned char key[HPKE_KEY_BYTES], const char id[AUDITOR_ID_LEN + 1],
	unsigned char out[SHARE_BYTES], struct buf *why);
/* S_(i + steps) of S_i: who opens many texts of a seal goes on from one to the next, and asks
 * for K of step 0 there. */
void seal_ratchet(unsigned char state[SHARE_BYTES], uint64_t steps);
/* K of a text. A step that no seal has (CAP_SEAL_STEPS) gives a key that opens nothing. */
void seal_text_key(const unsigned char s0[SHARE_BYTES], uint64_t step, const struct share *b,
	const char *node, struct span id, enum seal_kind kind, unsigned char out[32]);
/* Appends the text of the member `kept` of a record to *out: reads its parts, compares their
 * SHA-256, opens them. 0; as texts_read(); ERR_AUTH: the hash is another, or the key does not
 * open it; *why names which. */
int seal_open_text(const json_t *kept, const char *journal, const char *node,
	const unsigned char k[32], struct buf *out, struct buf *why);
/* The same without a key: the ciphertext is what the record says. For `audit verify --texts`.
 */
int seal_check_text(const json_t *kept, const char *journal, const char *node, struct buf *why);

#endif
