/* Shared by the files of this folder: AES-256-GCM, and the heads of files and frames of
 * texts. */
#ifndef RECORD_SEAL_PRIVATE_H
#define RECORD_SEAL_PRIVATE_H

#include <openssl/evp.h>

#include "record/seal/seal.h"

/* ---- AES-256-GCM ---- */

/* Encrypts the n pieces `in`, one after the other, to `out`, followed by the tag. A piece may
 * already be at its place in `out`. Returns false if memory is exhausted. */
bool gcm_seal(EVP_CIPHER_CTX *c, const unsigned char key[32], const unsigned char nonce[12],
	struct span aad, const struct span *in, size_t n, unsigned char *out);
/* Returns 0; ERR_AUTH, and `out` is erased; ERR_SYNTAX (shorter than a tag); or ERR_NOMEM. */
int gcm_open(const unsigned char key[32], const unsigned char nonce[12], struct span aad,
	struct span sealed, unsigned char *out);

/* The nonce of a part of a text. */
static inline void
part_nonce(unsigned part, bool last, unsigned char out[12])
{
	memset(out, 0, 12);
	for (unsigned i = 0; i < 4; i++)
		out[7 + i] = (unsigned char)(part >> (24 - 8 * i));
	out[11] = last;
}

/* ---- files of texts ---- */

/* Makes the head of a file of texts: a line with format, node and first position, then
 * zeros. */
void texts_head(const char *node, uint64_t position, char out[TEXTS_HEAD_BYTES]);
/* Makes the head of a frame; n: bytes of the ciphertext with its tag. */
void texts_frame_head(unsigned part, bool last, size_t n, unsigned char out[TEXTS_FRAME_BYTES]);

#endif
