/* Builds a chain record by record with a fixed key and fixed times, and verifies chains. */
#include <inttypes.h>
#include <stdio.h>

#include "support/chain_build.h"

void
chain_build_init(struct chain_build *b, const char *node)
{
	unsigned char seed[32] = "a seed of tests, known to all";

	memset(b, 0, sizeof(*b));
	snprintf(b->chain.node, sizeof(b->chain.node), "%s", node);
	signkey_from_seed(seed, &b->key);
	buf_init(&b->out, 0);
	b->first = 1;
}

void
chain_build_free(struct chain_build *b)
{
	buf_free(&b->out);
}

void
chain_build_record(struct chain_build *b, const char *fields)
{
	chain_record(&b->out, &b->chain, CHAIN_BUILD_TIME + (int64_t)b->chain.seq * 1000000,
		span_str(fields));
	struct merkle_hash leaf;
	merkle_leaf(b->chain.head, &leaf);
	merkle_append(&b->tree, &leaf);
}

void
chain_build_note(const struct chain_build *b, struct buf *out)
{
	char origin[80];
	struct merkle_hash root;
	size_t from = out->n;

	snprintf(origin, sizeof(origin), "tollgate/%s", b->chain.node);
	merkle_root(&b->tree, &root);
	checkpoint_text(out, span_str(origin), b->chain.seq, &root);
	struct buf text;
	buf_init(&text, 0);
	buf_span(&text, span_cut(buf_view(out), from, out->n));
	buf_putc(out, '\n');
	note_sign(out, buf_view(&text), span_str(origin), &b->key);
	buf_free(&text);
}

void
chain_build_range(const struct chain_build *b, struct buf *out)
{
	buf_printf(out, "\"size\":%" PRIu64 ",\"range\":[", b->tree.n);
	for (unsigned i = 0; i < merkle_range_hashes(b->tree.n); i++) {
		buf_str(out, i ? ",\"" : "\"");
		buf_hex(out, b->tree.hash[i].b, MERKLE_BYTES);
		buf_putc(out, '"');
	}
	buf_putc(out, ']');
}

void
chain_build_checkpoint(struct chain_build *b)
{
	struct merkle_hash root;
	struct buf note, fields;

	buf_init(&note, 0);
	buf_init(&fields, 0);
	chain_build_note(b, &note);
	merkle_root(&b->tree, &root);
	buf_printf(&fields, "\"type\":\"checkpoint\",\"origin\":\"tollgate/%s\",\"root\":\"",
		b->chain.node);
	buf_hex(&fields, root.b, sizeof(root.b));
	buf_str(&fields, "\",\"note\":");
	buf_json_str(&fields, buf_view(&note));
	buf_putc(&fields, ',');
	chain_build_range(b, &fields);
	buf_putc(&fields, '\0');
	chain_build_record(b, buf_view(&fields).p);
	buf_free(&note);
	buf_free(&fields);
}

void
chain_build_commit(struct chain_build *b)
{
	chain_commit(&b->out, &b->chain, b->first,
		CHAIN_BUILD_TIME + (int64_t)b->chain.seq * 1000000, &b->key);
	b->first = b->chain.seq + 1;
}

void
chain_build_boot(struct chain_build *b)
{
	b->chain.boot++;
	chain_build_record(b, "\"type\":\"boot\",\"program\":\"test\"");
	chain_build_commit(b);
}

void
chain_build_add(struct chain_build *b, size_t n)
{
	char fields[256];

	for (size_t i = 0; i < n; i++) {
		snprintf(fields, sizeof(fields),
			"\"type\":\"decision\",\"id\":\"id-%" PRIu64
			"\",\"decision\":\"permit\"",
			b->chain.seq + 1);
		chain_build_record(b, fields);
	}
	chain_build_commit(b);
}

struct verify_result
chain_verify_text(const struct verify_options *o, struct span text)
{
	struct verifier *v = verifier_new(o);
	struct verify_result r;

	INVARIANT(v);
	while (text.n) {
		size_t at = span_chr(text, '\n');
		if (at == text.n) {
			verifier_torn(v, text.n);
			break;
		}
		verifier_line(v, span_cut(text, 0, at));
		text = span_cut(text, at + 1, text.n);
	}
	verifier_end(v, &r);
	verifier_free(&v);
	return r;
}
