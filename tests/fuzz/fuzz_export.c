/* Files of an export that someone else may have written: its manifest and its position. */
#include <stdlib.h>

#include "base/err.h"
#include "cmd/export/export.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
look_at_manifest(struct span text)
{
	struct export_manifest m;
	struct buf why, cell;

	buf_init(&why, 4096);
	buf_init(&cell, 0);
	json_t *o = export_object(text, &why);
	INVARIANT(!o == (why.n > 0) || why.failed);
	json_decref(o);
	buf_clear(&why);
	if (export_manifest_parse(text, &m, &why) == 0) {
		INVARIANT(m.key.n == SIGNKEY_ID_LEN);
		INVARIANT(m.object.p > text.p && m.object.p + m.object.n < text.p + text.n);
		json_decref(export_object(m.object, &why));
	}
	/* A cell contains no single quote mark and ends where its text ends. */
	export_cell(&cell, text);
	struct span s = buf_view(&cell);
	INVARIANT(s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"');
	for (size_t i = 1; i + 1 < s.n; i++)
		if (s.p[i] == '"')
			INVARIANT(++i + 1 < s.n && s.p[i] == '"');
	INVARIANT(s.n < 3 || !strchr("=+-@\t\r\n", s.p[1]));
	buf_free(&why);
	buf_free(&cell);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct export_position p, again;
	struct span text = span_of(data, size);
	struct buf out, why;

	look_at_manifest(text);
	buf_init(&why, 4096);
	buf_init(&out, 0);
	if (export_position_read(text, &p, &why) == 0) {
		INVARIANT(p.n <= EXPORT_NODES_MAX);
		for (size_t i = 0; i < p.n; i++)
			INVARIANT(p.at[i].seq && chain_node_valid(span_str(p.at[i].node)));
		/* `format` is written into JSON unescaped, so only formats of the program are
		 * written. */
		if (span_trim(span_str(p.format), "abcdefghijklmnopqrstuvwxyz").n == 0) {
			export_position_write(&p, &out);
			INVARIANT(export_position_read(buf_view(&out), &again, &why) == 0);
			INVARIANT(!memcmp(&p, &again, sizeof(p)));
		}
	}
	buf_free(&out);
	buf_free(&why);
	return 0;
}
