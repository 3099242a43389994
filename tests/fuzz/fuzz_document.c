/* Any bytes as an Office document, an archive, RTF or HTML, as XML of a part, and as macros. The
 * response made of the result is read by the gate's reader. */
#include "base/err.h"
#include "base/scoped.h"
#include "extract/document.h"
#include "extract/frame.h"
#include "extract/sheet.h"
#include "extract/xml_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Appends the end of the frames, and reads them as the server and the gate do. */
static void
check_document(struct document *d)
{
	SCOPED_BUF(json, 0);
	SCOPED_ARENA(a, 0, false);
	struct extracted x;

	INVARIANT(d->error < EXTRACT_ERRORS_N && d->unread < 1u << EXTRACT_UNREAD_N);
	if (!d->error) {
		frame_put(&d->out, FRAME_KIND, d->macros, d->kind ? d->kind : EXTRACT_ZIP);
		frame_put(&d->out, FRAME_END, 0, EXTRACT_READ);
		INVARIANT(frame_answer(buf_view(&d->out), EXTRACT_KILLED, &json) == EXTRACT_READ);
		INVARIANT(extracted_read(buf_view(&json), &a, &x) == 0 && x.kind);
		for (size_t i = 0; i < x.ntexts; i++) {
			struct span head, place;
			extracted_place(x.texts[i].places, x.texts[i].text.n, &head, &place);
			INVARIANT(head.n + place.n <= x.texts[i].places.n);
		}
	}
	document_free(d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = span_of(data, size);
	struct workbook book = { 0 };
	struct document d;

	document_read(bytes, &d);
	check_document(&d);
	for (int way = 0; way < 6; way++) {
		d = (struct document){ .left = 1 << 20, .inside = "" };
		if (way == 0)
			xml_walk(&d, bytes, "", true);
		else if (way == 1)
			xml_walk_sheets(&d, bytes);
		else if (way == 2)
			workbook_strings(&d, &book, bytes);
		else if (way == 3)
			workbook_styles(&d, &book, bytes);
		else if (way == 4)
			workbook_sheet(&d, &book, bytes, "A");
		else
			vba_read(&d, bytes);
		check_document(&d);
	}
	workbook_free(&book);
	return 0;
}
