/* A log of a test's own: grows its tree, and signs checkpoints and requests to witnesses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <stdio.h>

#include "base/codec/base64.h"
#include "support/log_rig.h"

void
log_grow(struct log_rig *l, uint64_t to, unsigned char salt)
{
	struct buf why;

	buf_init(&why, 1024);
	while (l->tiles.n < to) {
		unsigned char record[MERKLE_BYTES] = { salt };
		struct merkle_hash leaf;
		memcpy(record + 8, &l->tiles.n, sizeof(l->tiles.n));
		merkle_leaf(record, &leaf);
		assert_int_equal(tiles_append(&l->tiles, &leaf, 1, &why), 0);
	}
	buf_free(&why);
}

void
log_open(struct log_rig *l, const char *origin, const char *journal, unsigned char seed,
	const char *key_file)
{
	unsigned char s[32] = { seed };
	struct buf why;

	buf_init(&why, 1024);
	snprintf(l->origin, sizeof(l->origin), "%s", origin);
	signkey_from_seed(s, &l->key);
	if (tiles_open(&l->tiles, journal, "gw-1", true, &why))
		fail_msg("%.*s", SPAN_ARG(buf_view(&why)));
	if (key_file) {
		EVP_PKEY *k = EVP_PKEY_new_raw_public_key(
			EVP_PKEY_ED25519, NULL, l->key.pub.raw, SIGNKEY_PUBLIC_BYTES);
		FILE *f = fopen(key_file, "w");
		assert_true(k && f && PEM_write_PUBKEY(f, k));
		fclose(f);
		EVP_PKEY_free(k);
	}
	buf_free(&why);
}

void
log_close(struct log_rig *l)
{
	tiles_close(&l->tiles);
}

void
log_note(const struct log_rig *l, struct buf *out)
{
	struct merkle_hash root;
	struct buf text;

	buf_init(&text, 4096);
	merkle_root(&l->tiles.range, &root);
	checkpoint_text(&text, span_str(l->origin), l->tiles.range.n, &root);
	buf_span(out, buf_view(&text));
	buf_putc(out, '\n');
	note_sign(out, buf_view(&text), span_str(l->origin), &l->key);
	buf_free(&text);
}

void
log_request(struct log_rig *l, uint64_t old, struct buf *out)
{
	struct merkle_hash proof[MERKLE_PROOF_MAX];
	struct merkle_source s = tiles_source(&l->tiles);
	size_t n = 0;

	buf_printf(out, "old %llu\n", (unsigned long long)old);
	if (old && old < l->tiles.n)
		assert_int_equal(merkle_consistency(&s, old, l->tiles.n, proof, &n), 0);
	for (size_t i = 0; i < n; i++) {
		base64_put(out, proof[i].b, MERKLE_BYTES);
		buf_putc(out, '\n');
	}
	buf_putc(out, '\n');
	log_note(l, out);
}
