/* What records and denials say of a request's files. */
#include "base/scoped.h"
#include "gate/files/files.h"
#include "gate/steps/record.h"
#include "gate/steps/steps.h"

static const char *
shown_kind(const struct file *f)
{
	return f->kind[0] ? f->kind : NULL;
}

static void
put_read(struct buf *b, const struct file *f)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = { { FILE_METADATA, "metadata" }, { FILE_TEXT, "text" },
		{ FILE_OCR, "ocr" } };
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (f->read & words[i].bit)
			put_text_item(b, RF_PROMPT_FILES_READ, n++, span_str(words[i].word));
	put_end(b, n);
}

/* "IBAN 3": what was found, and on which page. Each once; findings are in the order of the
 * texts. */
static void
put_found_in(struct request *r, struct buf *b, const struct file *f)
{
	size_t n = 0, entity = 0;
	unsigned last = 0;

	for (size_t i = 0; i < r->scan.nhits + r->scan.nextra && n < LIST_MAX; i++) {
		const struct hit *h = i < r->scan.nhits ? &r->scan.hits[i]
							: &r->scan.extra[i - r->scan.nhits];
		unsigned page = 0;
		if (h->kind >= HIT_POSSIBLE || request_file_of(r, h->segment, &page) != f ||
			(n && page == last && h->f.entity == entity))
			continue;
		char text[96];
		size_t len = (size_t)snprintf(text, sizeof(text), page ? "%s %u" : "%s",
			detect_entity_name(r->snap->rules, h->f.entity), page);
		put_text_item(b, RF_PROMPT_FILES_FOUND, n++,
			span_of(text, len < sizeof(text) ? len : sizeof(text) - 1));
		last = page;
		entity = h->f.entity;
	}
	put_end(b, n);
}

void
record_files(struct request *r, struct buf *b)
{
	size_t n = r->in.nfiles < LIST_MAX ? r->in.nfiles : LIST_MAX;

	for (size_t i = 0; i < n; i++) {
		const struct file *f = &r->in.files[i];
		put_object_item(b, RF_PROMPT_FILES, i);
		if (shown_kind(f))
			put_name(b, RF_PROMPT_FILES_KIND, shown_kind(f));
		else
			put_str(b, RF_PROMPT_FILES_KIND, f->media.kind);
		put_count(b, RF_PROMPT_FILES_BYTES, f->bytes);
		put_count(b, RF_PROMPT_FILES_PAGES, f->pages);
		put_read(b, f);
		put_name(b, RF_PROMPT_FILES_UNREAD, f->why);
		put_count(b, RF_PROMPT_FILES_UNREAD_PAGE, f->why_page);
		put_found_in(r, b, f);
		put_flag(b, RF_PROMPT_FILES_STRIPPED, f->stripped);
		put_count(b, RF_PROMPT_FILES_US, f->us);
		buf_putc(b, '}');
	}
	put_end(b, n);
}

struct span
request_unread_files(struct request *r)
{
	const struct file *f = NULL;

	for (size_t i = 0; i < r->in.nfiles && !f; i++)
		if (r->in.files[i].why)
			f = &r->in.files[i];
	if (!f || f->why == file_no_reader)
		return SPAN_LIT(
			"the request holds parts that cannot be read (images, audio, files "
			"or unknown)");
	const char *kind = shown_kind(f) ? shown_kind(f) : "";
	if (f->why_page)
		return arena_printf(&r->arena,
			"the request holds a file that cannot be read (%s: %s on page %u)",
			kind, f->why, f->why_page);
	return arena_printf(&r->arena, "the request holds a file that cannot be read (%s: %s)",
		kind[0] ? kind : "file", f->why);
}
