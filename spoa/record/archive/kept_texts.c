/* Descriptions of files of sealed texts: see kept_texts.h. */
#include "record/archive/kept_texts.h"

#include <jansson.h>
#include <stdio.h>

#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/json_put.h"

void
texts_file_times(struct texts_file *f, int64_t end_s)
{
	clock_rfc3339(end_s * 1000000000, f->end);
	clock_rfc3339((end_s - end_s % 86400) * 1000000000, f->begin);
}

/* Writes the description, for a trim record and for the small file. */
static void
put_texts_file(const struct texts_file *f, struct buf *out)
{
	char hex[2 * CHAIN_HASH_BYTES + 1];

	chain_hex(f->sha256, hex);
	json_put_form(out, "{'file':%s,'node':%s,'begin':%s,'end':%s,'bytes':%u,'sha256':%s}",
		f->name, f->node, f->begin, f->end, f->bytes, hex);
}

void
texts_file_write(const struct texts_file *f, struct buf *out)
{
	put_texts_file(f, out);
	buf_putc(out, '\n');
}

int
texts_file_read(struct span text, struct texts_file *out)
{
	json_auto_t *o =
		text.n <= TEXTS_FILE_BYTES ? json_loadb(text.p, text.n, 0, NULL) : NULL;
	struct {
		const char *name;
		char *to;
		size_t size;
	} const texts[] = { { "file", out->name, sizeof(out->name) },
		{ "node", out->node, sizeof(out->node) },
		{ "begin", out->begin, sizeof(out->begin) },
		{ "end", out->end, sizeof(out->end) } };
	uint64_t begin;
	int64_t ns;

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct span s = json_span(json_object_get(o, texts[i].name));
		if (!s.n || s.n >= texts[i].size || memchr(s.p, '\0', s.n))
			return ERR_SYNTAX;
		memcpy(texts[i].to, s.p, s.n);
		texts[i].to[s.n] = '\0';
	}
	out->bytes = (uint64_t)json_int_in(o, "bytes");
	return chain_node_valid(span_str(out->node)) &&
			       texts_name_read(out->name, out->node, &begin) &&
			       !clock_parse(out->begin, strlen(out->begin), &ns) &&
			       !clock_parse(out->end, strlen(out->end), &ns) &&
			       chain_unhex(json_span(json_object_get(o, "sha256")), out->sha256)
		       ? 0
		       : ERR_SYNTAX;
}

void
texts_file_said(const char *name, char out[TEXTS_NAME_MAX + 8])
{
	snprintf(out, TEXTS_NAME_MAX + 8, "%.*s.json", TEXTS_NAME_MAX - 1, name);
}

void
texts_trim_fields(struct buf *out, const struct texts_file *f, size_t n, const char *archive)
{
	json_put_form(out, "'type':'trim','what':'texts','why':'age'");
	json_put_opt(out, "archive", archive);
	json_put_form(out, "'begin':%s,'end':%s,'texts':[", f[0].begin, f[n - 1].end);
	for (size_t i = 0; i < n; i++)
		put_texts_file(&f[i], out);
	json_put_close(out, ']');
}
