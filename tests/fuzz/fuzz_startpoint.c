/* Any bytes as a start checkpoint. If the first byte is even, the input is the file itself. If
 * it is odd, the input is the lines above the hash, to which hash and signature are added. In
 * both cases the state is parsed too. An accepted file is written again and must be the same.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "budget/recall/quota_fold.h"
#include "record/journal/startpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes the state as text. Returns false if the text is not a state. */
static bool
state_again(struct span text, struct buf *out)
{
	struct quota_fold *f = quota_fold_new(NULL);

	INVARIANT(f);
	bool good = quota_fold_read(f, text) == 0;
	if (good)
		quota_fold_write(f, out);
	quota_fold_free(&f);
	return good && !buf_failed(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char hash[SHA256_BYTES], sig[SIGNKEY_SIG_BYTES] = { 0 };
	struct startpoint p, again;
	struct span id;

	if (!size)
		return 0;
	SCOPED_BUF(text, 0);
	SCOPED_BUF(sign, 512);
	buf_put(&text, data + 1, size - 1);
	if (data[0] & 1) {
		sha256(buf_view(&text), hash);
		buf_str(&text, "sha256 ");
		buf_hex(&text, hash, sizeof(hash));
		buf_putc(&text, '\n');
		startpoint_sign(&text, "0123456789abcdef", sig);
	}
	int err = startpoint_parse(buf_view(&text), &p, &sign, &id, sig);
	INVARIANT(err <= 0);
	SCOPED_BUF(state, 0);
	SCOPED_BUF(second, 0);
	if (!err && state_again(p.state, &state)) {
		INVARIANT(state_again(buf_view(&state), &second));
		INVARIANT(span_eq(buf_view(&state), buf_view(&second)));
		SCOPED_BUF(written, 0);
		SCOPED_BUF(signs, 512);
		p.state = buf_view(&state);
		INVARIANT(startpoint_write(&written, &p, &signs));
		startpoint_sign(&written, "0123456789abcdef", sig);
		buf_clear(&sign);
		INVARIANT(startpoint_parse(buf_view(&written), &again, &sign, &id, sig) == 0);
		INVARIANT(again.offset == p.offset && again.at.seq == p.at.seq &&
			  span_eq(again.state, p.state));
		startpoint_free(&again);
	}
	startpoint_free(&p);
	return 0;
}
