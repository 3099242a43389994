/* Any bytes as an entry made at run time, as it is read from Redis or a disk: refused with a
 * reason, or read. A read entry is read again from its own text and made again from its object.
 * The first byte selects whether the text is used as it is, or signed here with the key. */
#include <stdint.h>

#include "base/err.h"
#include "gate/changes/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned char secret[SHA256_BYTES] = "a key of 32 bytes for the tests";

static struct live_entry *
entry_read(struct span text, struct span field)
{
	struct buf why;

	buf_init(&why, 4096);
	struct live_entry *e = live_entry_read(text, field, secret, &why);
	INVARIANT(!e == (why.n > 0));
	buf_free(&why);
	return e;
}

static bool
same(const struct live_entry *x, const struct live_entry *y)
{
	return x->kind == y->kind && x->serial == y->serial && x->ended == y->ended &&
	       !strcmp(x->field, y->field) && !strcmp(x->id, y->id) &&
	       !live_entry_beats(x, y) ==
		       !!(live_entry_beats(y, x) || span_eq(x->text, y->text));
}

static void
again(const struct live_entry *e)
{
	struct live_entry *read = entry_read(e->text, span_str(e->field)), *made;
	json_t *object = live_entry_object(e);
	struct buf why;

	INVARIANT(read && same(e, read) && span_eq(e->text, read->text));
	INVARIANT(!entry_read(e->text, SPAN_LIT("key:elsewhere")));
	INVARIANT(!entry_read(span_cut(e->text, 0, e->text.n - 1), span_str(e->field)));
	live_entry_unref(&read);
	buf_init(&why, 4096);
	made = live_entry_make(object, secret, &why);
	/* the same object may become longer, because spaces and escapes are written again */
	INVARIANT(made ? same(e, made) : why.n > 0);
	live_entry_unref(&made);
	buf_free(&why);
	json_decref(object);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char mac[SHA256_BYTES];
	struct buf text;

	if (size == 0)
		return 0;
	buf_init(&text, 0);
	buf_put(&text, data + 1, size - 1);
	if (data[0] & 1) {
		hmac_sha256(secret, span_of(data + 1, size - 1), mac);
		buf_putc(&text, ' ');
		buf_hex(&text, mac, sizeof(mac));
	}
	struct live_entry *e = entry_read(buf_view(&text), span_of(NULL, 0));
	if (e)
		again(e);
	live_entry_unref(&e);
	buf_free(&text);
	return 0;
}
