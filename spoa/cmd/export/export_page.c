/* tollgate audit show --proof=html: writes the proof of a record as one page that verifies
 * itself in a browser, without a network. The page, its style and its script are files of the
 * console (operator/console/proof/); this file combines them with the proof.
 *
 * The proof is a block of JSON in which every "<" is escaped, so that no value of a record
 * can end the block. The page's content security policy permits this script and this style
 * by their hashes, and nothing else. */
#include <stdlib.h>
#include <string.h>

#include "base/codec/base64.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "cmd/cmd.h"
#include "cmd/records/audit.h"
#include "cmd/records/audit_note.h"
#include "operator/console/asset.h"
#include "record/anchors/place.h"
#include "record/proof/bundle.h"

/* The parts that replace the lines {{NAME}} of page.html. */
enum page_part { PAGE_POLICY, PAGE_STYLE, PAGE_DATA, PAGE_SCRIPT, PAGE_PARTS };
static const char *const part_lines[PAGE_PARTS] = {
	"{{policy}}", "{{style}}", "{{data}}", "{{script}}"
};
/* The script's modules, in an order in which each imports only earlier ones. */
static const char *const modules[] = { "dom.js", "proof/check.js", "proof/page.js" };

static struct span
page_file(const char *name)
{
	struct console_asset file;

	INVARIANT(console_asset(name, &file));
	return file.text;
}

/* Joins all modules into one script: lines with `import` and the word "export" are removed. */
static void
put_modules(struct buf *out)
{
	buf_putc(out, '\n');
	for (size_t i = 0; i < COUNT_OF(modules); i++)
		for (struct span rest = page_file(modules[i]); rest.n;) {
			struct span line = span_next(&rest, '\n');
			if (span_starts(line, SPAN_LIT("import ")))
				continue;
			if (span_starts(line, SPAN_LIT("export ")))
				line = span_cut(line, strlen("export "), line.n);
			buf_span(out, line);
			buf_putc(out, '\n');
		}
}

static void
put_source(struct buf *out, const char *directive, struct span text)
{
	unsigned char hash[SHA256_BYTES];

	sha256(text, hash);
	buf_printf(out, "; %s 'sha256-", directive);
	base64_put(out, hash, sizeof(hash));
	buf_putc(out, '\'');
}

static void
put_page_key(struct buf *out, const struct pubkey *key)
{
	json_put_form(out, "{'id':%s,'public':'", key->id);
	base64_put(out, key->raw, sizeof(key->raw));
	buf_str(out, "\"}");
}

/* Writes the keys that signed the checkpoint. Every signature needs its key, because the
 * page refuses a signature that it cannot verify. Returns 0, or an exit code after a
 * message. */
static int
put_signers(struct audit_args *a, const struct checkpoint *c, struct buf *out)
{
	struct note_signature s;
	size_t lines = 0, signers = 0;

	for (struct span rest = c->signatures; note_signature_next(&rest, &s) > 0;)
		lines++;
	json_put_open(out, "keys", '[');
	for (size_t i = 0; i < a->ring->nkeys; i++) {
		if (!checkpoint_signer(c, c->origin, &a->ring->key[i], 1))
			continue;
		put_page_key(out, &a->ring->key[i]);
		signers++;
	}
	json_put_close(out, ']');
	if (signers >= lines)
		return 0;
	cmd_fail(a->q.what,
		"the checkpoint has %zu signatures, and the known public keys made only "
		"%zu of them: name the files of all keys that signed it with --public-key",
		lines, signers);
	return EXIT_NO;
}

/* Writes the keys of the witnesses: those of --witness-key and of the configured anchors. */
static int
put_witnesses(struct audit_args *a, struct buf *out, struct buf *why)
{
	const struct config *cfg = cmd_config(&a->q.arena, a->q.config);
	struct pubkey keys[SIGNKEYS_MAX];
	const char *file;

	json_put_open(out, "witness_keys", '[');
	for (size_t i = 0; i <= (cfg ? cfg->nanchors : 0); i++) {
		file = i == 0 ? a->witness_key
		       : cfg->anchors[i - 1].kind == ANCHOR_WITNESS ? cfg->anchors[i - 1].key
								    : NULL;
		int n = file ? witness_keys(file, keys, SIGNKEYS_MAX, why) : 0;
		if (n < 0 && i == 0)
			return n;
		/* a configured key that cannot be read is omitted */
		for (int k = 0; k < n; k++)
			put_page_key(out, &keys[k]);
	}
	buf_clear(why);
	json_put_close(out, ']');
	return 0;
}

static void
put_anchors(struct buf *out, struct span anchors)
{
	json_put_open(out, "anchors", '[');
	while (anchors.n)
		json_put_text(out, NULL, span_next(&anchors, '\n'));
	json_put_close(out, ']');
}

/* Writes the JSON that the page reads. Returns 0, or an exit code after a message. */
static int
put_page_data(struct audit_args *a, const struct buf *proof, struct span anchors, struct buf *out)
{
	unsigned char hash[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	struct bundle *b = calloc(1, sizeof(*b));
	int code;

	SCOPED_BUF(why, 8192);
	if (!b)
		return cmd_failed(a->q.what, ERR_NOMEM, &why);
	buf_init(&b->record, 0);
	int err = bundle_read(buf_view(proof), b, &why);
	if (!err) {
		sha256(buf_view(&b->record), hash);
		chain_hex(hash, hex);
		json_put_form(out, "{'format':'tollgate-proof-page-v1','proof':%t,'sha256':%s",
			buf_view(proof), hex);
		put_anchors(out, anchors);
		err = put_witnesses(a, out, &why);
	}
	code = cmd_failed(a->q.what, err, &why);
	if (!code)
		code = put_signers(a, &b->checkpoint, out);
	buf_putc(out, '}');
	buf_free(&b->record);
	free(b);
	return code;
}

/* Copies JSON with each "<" escaped. "<" occurs only inside strings, where \u003c means the
 * same character. */
static void
put_without_markup(struct buf *out, struct span json)
{
	for (size_t i = 0; i < json.n; i++)
		if (json.p[i] == '<')
			buf_str(out, "\\u003c");
		else
			buf_putc(out, json.p[i]);
}

static void
put_part(struct buf *out, enum page_part part, struct span script, struct span data)
{
	struct span style = page_file("proof/page.css");

	switch (part) {
	case PAGE_POLICY:
		buf_str(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
			     "'none'; base-uri 'none'; form-action 'none'");
		put_source(out, "script-src", script);
		put_source(out, "style-src", style);
		buf_str(out, "\">\n");
		break;
	case PAGE_STYLE:
		buf_str(out, "<style>");
		buf_span(out, style);
		buf_str(out, "</style>\n");
		break;
	case PAGE_DATA:
		buf_str(out, "<script type=\"application/json\" id=\"proof\">");
		put_without_markup(out, data);
		buf_str(out, "</script>\n");
		break;
	case PAGE_SCRIPT:
		buf_str(out, "<script type=\"module\">");
		buf_span(out, script);
		buf_str(out, "</script>\n");
		break;
	case PAGE_PARTS:
		break;
	}
}

static void
put_page(struct buf *out, struct span data)
{
	SCOPED_BUF(script, 0);
	put_modules(&script);
	for (struct span rest = page_file("proof/page.html"); rest.n;) {
		struct span line = span_next(&rest, '\n');
		enum page_part part = 0;
		while (part < PAGE_PARTS && !span_is(line, part_lines[part]))
			part++;
		put_part(out, part, buf_view(&script), data);
		if (part == PAGE_PARTS) {
			buf_span(out, line);
			buf_putc(out, '\n');
		}
	}
}

int
audit_prove_page(struct audit_args *a, const struct audit_wanted *w, struct buf *out)
{
	SCOPED_BUF(proof, 0);
	SCOPED_BUF(anchors, 0);
	SCOPED_BUF(data, 0);
	SCOPED_BUF(why, 8192);
	int code = audit_prove(a, w, &proof, &anchors);
	if (!code)
		code = cmd_failed(a->q.what, audit_ring(a, &why), &why);
	if (!code)
		code = put_page_data(a, &proof, buf_view(&anchors), &data);
	if (!code && !audit_bundle_holds(a, &proof, &why)) {
		cmd_fail(a->q.what, "the proof does not verify: %.*s", SPAN_ARG(buf_view(&why)));
		code = EXIT_NO;
	}
	if (!code)
		put_page(out, buf_view(&data));
	if (!code && (buf_failed(&data) || buf_failed(out)))
		code = cmd_failed(a->q.what, ERR_NOMEM, &why);
	free(a->ring);
	a->ring = NULL;
	return code;
}
