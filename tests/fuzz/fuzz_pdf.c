/* extract/pdf and extract/pdf_objects over any bytes, and any bytes as frames of a job. */
#include "base/utf8.h"
#include "base/err.h"
#include "extract/frame.h"
#include "extract/pdf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pdf_found f;
	struct buf json;

	pdf_scan(span_of(data, size), &f);
	INVARIANT(f.error < EXTRACT_ERRORS_N);
	INVARIANT(f.unread < 1u << EXTRACT_UNREAD_N);
	INVARIANT(f.error || utf8_valid(buf_view(&f.text)));
	buf_free(&f.text);
	buf_free(&f.frames);
	buf_init(&json, 0);
	struct span whole = span_of((const char *)data, size);
	pdf_page_border(span_cut(whole, 0, size / 2), span_cut(whole, size / 2, size), &json);
	INVARIANT(json.n <= size + 2);
	buf_clear(&json);
	frame_answer(span_of(data, size), EXTRACT_KILLED, &json);
	INVARIANT(utf8_valid(buf_view(&json)));
	buf_free(&json);
	return 0;
}
