/* What the files of this room share: one pass of the cipher, a seal that is made ahead, what a
 * frame's head says. */
#ifndef RECORD_SEAL_PRIVATE_H
#define RECORD_SEAL_PRIVATE_H

#include <openssl/evp.h>

#include "record/seal/seal.h"

/* ---- AES-256-GCM ---- */

/* `in`, n pieces one after the other, to `out`, the tag after it; a piece may lie where it
 * goes. False: out of memory. */
bool gcm_seal(EVP_CIPHER_CTX *c, const unsigned char key[32], const unsigned char nonce[12],
	struct span aad, const struct span *in, size_t n, unsigned char *out);
/* 0; ERR_AUTH, and nothing of it is in `out`; ERR_SYNTAX: shorter than a tag; ERR_NOMEM. */
int gcm_open(const unsigned char key[32], const unsigned char nonce[12], struct span aad,
	struct span sealed, unsigned char *out);

/* The nonce of a text's part. */
static inline void
part_nonce(unsigned part, bool last, unsigned char out[12])
{
	memset(out, 0, 12);
	for (unsigned i = 0; i < 4; i++)
		out[7 + i] = (unsigned char)(part >> (24 - 8 * i));
	out[11] = last;
}

/* ---- seals made ahead ---- */

struct made_seal {
	char id[SEAL_ID_LEN + 1];
	unsigned char a[SHARE_BYTES];
	struct buf to;	  /* the list `to` of its record */
	uint64_t changes; /* seals_changes() of the auditors that it is for */
};

#define SEAL_INFO SPAN_LIT("tollgate-seal-v1")
/* node ‖ 0x00 ‖ the seal's id. */
void seal_aad(const char *node, struct span id, struct buf *out);
/* One that was made ahead, or one made now. 0, ERR_NOMEM, ERR_SYNTAX. */
int seals_take(struct seals *s, struct made_seal *out);
void made_seal_wipe(struct made_seal *m);
/* How often there were other auditors. Any thread. */
uint64_t seals_changes(const struct seals *s);

/* ---- files of texts ---- */

/* The head of a file: what it is, its node, its first position; a line, zeros after it. */
void texts_head(const char *node, uint64_t position, char out[TEXTS_HEAD_BYTES]);
/* The head of a frame whose ciphertext with its tag has n bytes. */
void texts_frame_head(unsigned part, bool last, size_t n, unsigned char out[TEXTS_FRAME_BYTES]);

#endif
