/* Reads and writes signed notes and checkpoints: see note.h. Anyone may have written the
 * notes, so each line is checked strictly against C2SP signed-note v1.0.0, tlog-checkpoint
 * v1.0.0 and tlog-cosignature. */
#include "record/proof/note.h"

#include <inttypes.h>
#include <sodium.h>

#include "base/codec/base64.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/scoped.h"

#define DASH "\xe2\x80\x94 " /* an em dash and a space */

/* ---- keys ---- */

void
note_key_id(
	enum note_type type, struct span name, const struct pubkey *key, unsigned char id[4])
{
	const char between[2] = { '\n', (char)type };
	unsigned char all[SHA256_BYTES];
	struct sha256 h;

	sha256_begin(&h);
	sha256_add(&h, name);
	sha256_add(&h, span_of(between, sizeof(between)));
	sha256_add(&h, span_of(key->raw, sizeof(key->raw)));
	sha256_end(&h, all);
	memcpy(id, all, 4);
}

int
note_vkey_parse(struct span vkey, enum note_type *type, struct span *name, struct pubkey *key)
{
	unsigned char typed[1 + SIGNKEY_PUBLIC_BYTES], id[4];
	char hex[2 * sizeof(id) + 1];
	size_t n;

	*name = span_next(&vkey, '+');
	struct span said = span_next(&vkey, '+');
	if (!note_name_valid(*name) || base64_get(vkey, typed, sizeof(typed), &n) ||
		n != sizeof(typed) ||
		(typed[0] != NOTE_ED25519 && typed[0] != NOTE_COSIGNATURE))
		return ERR_SYNTAX;
	*type = (enum note_type)typed[0];
	pubkey_from_raw(typed + 1, key);
	note_key_id(*type, *name, key, id);
	sodium_bin2hex(hex, sizeof(hex), id, sizeof(id));
	return span_is(said, hex) ? 0 : ERR_SYNTAX;
}

/* ---- signature lines ---- */

int
note_signature_next(struct span *lines, struct note_signature *out)
{
	unsigned char value[4 + NOTE_SIGNATURE_MAX];
	size_t n = 0, end = span_chr(*lines, '\n');

	if (lines->n == 0)
		return 0;
	if (end == lines->n)
		return ERR_SYNTAX;
	struct span rest = out->line = span_cut(*lines, 0, end);
	*lines = span_cut(*lines, end + 1, lines->n);
	if (!span_starts(rest, SPAN_LIT(DASH)))
		return ERR_SYNTAX;
	rest = span_cut(rest, strlen(DASH), rest.n);
	out->name = span_next(&rest, ' ');
	if (!note_name_valid(out->name))
		return ERR_SYNTAX;
	int err = base64_get(rest, value, sizeof(value), &n);
	if (err)
		return err;
	if (n <= sizeof(out->id))
		return ERR_SYNTAX;
	memset(out->value, 0, sizeof(out->value));
	memcpy(out->id, value, sizeof(out->id));
	out->n = n - sizeof(out->id);
	memcpy(out->value, value + sizeof(out->id),
		out->n < sizeof(out->value) ? out->n : sizeof(out->value));
	return 1;
}

static void
put_note_line(struct buf *out, struct span name, const unsigned char *value, size_t n)
{
	buf_str(out, DASH);
	buf_span(out, name);
	buf_putc(out, ' ');
	base64_put(out, value, n);
	buf_putc(out, '\n');
}

void
note_sign(struct buf *out, struct span text, struct span name, const struct signkey *key)
{
	unsigned char value[4 + SIGNKEY_SIG_BYTES];

	note_key_id(NOTE_ED25519, name, &key->pub, value);
	signkey_sign(key, text, value + 4);
	put_note_line(out, name, value, sizeof(value));
}

/* Appends the text that a cosigner signs. */
static void
cosigned_text(struct buf *out, struct span text, uint64_t time)
{
	buf_printf(out, "cosignature/v1\ntime %" PRIu64 "\n", time);
	buf_span(out, text);
}

void
note_cosign(struct buf *out, struct span text, struct span name, uint64_t time,
	const struct signkey *key)
{
	unsigned char value[4 + 8 + SIGNKEY_SIG_BYTES];

	SCOPED_BUF(signed_text, 0);
	cosigned_text(&signed_text, text, time);
	note_key_id(NOTE_COSIGNATURE, name, &key->pub, value);
	for (int i = 0; i < 8; i++)
		value[4 + i] = (unsigned char)(time >> (56 - 8 * i));
	signkey_sign(key, buf_view(&signed_text), value + 12);
	if (buf_failed(&signed_text))
		out->failed = true;
	else
		put_note_line(out, name, value, sizeof(value));
}

/* ---- checkpoints ---- */

void
checkpoint_text(
	struct buf *out, struct span origin, uint64_t size, const struct merkle_hash *root)
{
	buf_span(out, origin);
	buf_printf(out, "\n%" PRIu64 "\n", size);
	base64_put(out, root->b, sizeof(root->b));
	buf_putc(out, '\n');
}

/* Parses the three lines of a checkpoint. Returns NULL, or what is wrong. */
static const char *
parse_text(struct span rest, struct checkpoint *out)
{
	size_t n;

	out->origin = span_next(&rest, '\n');
	struct span size = span_next(&rest, '\n'), root = span_next(&rest, '\n');
	if (out->origin.n == 0)
		return "line 1: the origin is missing";
	if (span_u64(size, &out->size) || out->size > INT64_MAX ||
		(size.n > 1 && size.p[0] == '0'))
		return "line 2: expected the number of records";
	if (base64_get(root, out->root.b, sizeof(out->root.b), &n) || n != sizeof(out->root.b))
		return "line 3: expected a hash in base64";
	return NULL;
}

int
checkpoint_parse(struct span note, struct checkpoint *out, const char **why)
{
	struct note_signature s;
	size_t n = 0;
	int err;

	*out = (struct checkpoint){ .size = 0 };
	if (note.n > NOTE_MAX) {
		*why = "the note is larger than 64 KB";
		return ERR_LIMIT;
	}
	*why = "not a note: a control character, or bytes that are not UTF-8";
	if (!utf8_valid(note))
		return ERR_SYNTAX;
	for (size_t i = 0; i < note.n; i++)
		if ((unsigned char)note.p[i] < ' ' && note.p[i] != '\n')
			return ERR_SYNTAX;
	/* A checkpoint has no empty line, so the first one ends its text. */
	const char *end = memmem(note.p, note.n, "\n\n", 2);
	*why = "not a note: the empty line between text and signatures is missing";
	if (!end)
		return ERR_SYNTAX;
	out->text = span_cut(note, 0, (size_t)(end - note.p) + 1);
	out->signatures = span_cut(note, out->text.n + 1, note.n);
	*why = parse_text(out->text, out);
	if (*why)
		return ERR_SYNTAX;
	for (struct span lines = out->signatures; (err = note_signature_next(&lines, &s)) > 0;)
		if (++n > NOTE_SIGNATURES)
			break;
	*why = err < 0 ? "a line after the empty line is not a signature; if the file has "
			 "several checkpoints, pass one of them"
	       : n     ? "the note has more than 64 signatures"
		       : "the note has no signature";
	return err < 0 ? err : err > 0 ? ERR_LIMIT : n ? 0 : ERR_SYNTAX;
}

const struct pubkey *
checkpoint_signer(
	const struct checkpoint *c, struct span name, const struct pubkey *keys, size_t nkeys)
{
	const struct pubkey *signer = NULL;
	struct span lines = c->signatures;
	struct note_signature s;
	unsigned char id[4];

	while (note_signature_next(&lines, &s) > 0) {
		if (!span_eq(s.name, name))
			continue;
		for (size_t i = 0; i < nkeys; i++) {
			note_key_id(NOTE_ED25519, name, &keys[i], id);
			if (memcmp(id, s.id, sizeof(id)) != 0)
				continue;
			if (s.n != SIGNKEY_SIG_BYTES ||
				!pubkey_verify(&keys[i], c->text, s.value))
				return NULL;
			signer = signer ? signer : &keys[i];
		}
	}
	return signer;
}

uint64_t
checkpoint_cosigned(const struct checkpoint *c, struct span name, const struct pubkey *key)
{
	struct span lines = c->signatures;
	struct note_signature s;
	unsigned char id[4];
	uint64_t found = 0;

	note_key_id(NOTE_COSIGNATURE, name, key, id);
	while (note_signature_next(&lines, &s) > 0) {
		uint64_t time = 0;
		if (!span_eq(s.name, name) || memcmp(id, s.id, sizeof(id)) != 0)
			continue;
		for (int i = 0; i < 8; i++)
			time = time << 8 | s.value[i];
		SCOPED_BUF(text, 0);
		cosigned_text(&text, c->text, time);
		bool holds = s.n == sizeof(s.value) && time <= INT64_MAX &&
			     !buf_failed(&text) &&
			     pubkey_verify(key, buf_view(&text), s.value + 8);
		if (!holds)
			return 0;
		found = time;
	}
	return found;
}
