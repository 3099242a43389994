/* Any bytes as checkpoints and bundles: only those that the seeds' key signed may verify. An
 * accepted one is written again byte for byte, except for a bundle's extra line. */
#include "base/err.h"
#include "record/proof/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char genuine[] = "example.com/behind-the-sofa\n"
			      "20852163\n"
			      "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

static void
check(const struct checkpoint *c)
{
	struct span name = SPAN_LIT("PeterNeumann");
	enum note_type type;
	struct pubkey key;
	struct buf again;

	INVARIANT(c->origin.n && c->size <= INT64_MAX && c->signatures.n);
	INVARIANT(note_vkey_parse(SPAN_LIT("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkm"
					   "qq/LDE4izWy10TW"),
			  &type, &name, &key) == 0);
	if (checkpoint_signer(c, name, &key, 1))
		INVARIANT(span_is(c->text, genuine));
	uint64_t time = checkpoint_cosigned(c, name, &key);
	INVARIANT(!time || (time == 1679315147 && span_is(c->text, genuine)));
	buf_init(&again, 0);
	checkpoint_text(&again, c->origin, c->size, &c->root);
	INVARIANT(span_starts(c->text, buf_view(&again)));
	buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size), name;
	struct bundle b = { .index = 0 };
	struct buf why, again;
	struct checkpoint c;
	enum note_type type;
	struct pubkey key;
	const char *said;

	if (checkpoint_parse(text, &c, &said) == 0)
		check(&c);
	note_vkey_parse(text, &type, &name, &key);
	buf_init(&why, 4096);
	buf_init(&again, 0);
	buf_init(&b.record, 0);
	if (bundle_read(text, &b, &why) == 0) {
		check(&b.checkpoint);
		bundle_write(&again, buf_view(&b.record), b.index, b.proof, b.nproof, b.note);
		INVARIANT(span_eq(text, buf_view(&again)) ||
			  memmem(text.p, text.n, "\nextra ", 7));
	} else {
		INVARIANT(why.n);
	}
	buf_free(&b.record);
	buf_free(&again);
	buf_free(&why);
	return 0;
}
