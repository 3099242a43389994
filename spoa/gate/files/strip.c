/* Files that go: a text stands where the part was, everything around it as it came. */
#include "gate/files/files.h"
#include "scan/text/table.h"

#include <stdlib.h>

/* Whether what is to go of the segment is in a file: said by one, or its data. */
static struct file *
file_with(const struct request *r, const struct segment *s)
{
	unsigned page;
	struct file *f = request_file_of(r, s, &page);

	for (size_t i = 0; !f && s->data && i < r->in.nfiles; i++)
		if (r->in.files[i].media.segment == (uint32_t)(s - r->in.body.segments))
			f = &r->in.files[i];
	return f;
}

struct file *
request_file_hit(const struct request *r, const struct hit *h)
{
	return h->in_target || !r->in.nfiles ? NULL : file_with(r, h->segment);
}

static bool
strip_file(const struct request *r, struct file *f)
{
	f->stripped = r->found.verdict.strips && f->media.part;
	return f->stripped;
}

bool
request_strip_files(struct request *r, const struct overlay *o, const struct file **why)
{
	struct file *f;

	*why = NULL;
	for (size_t i = 0; i < r->in.nfiles; i++) {
		f = &r->in.files[i];
		f->stripped = false;
		if (f->why && r->found.verdict.strips)
			strip_file(r, f);
	}
	for (size_t i = 0; i < o->nhits + o->nwholes; i++) {
		const struct hit *h = i < o->nhits ? &o->hits[i] : &o->wholes[i - o->nhits];
		f = request_file_hit(r, h);
		if (f && !f->stripped && !strip_file(r, f)) {
			*why = f;
			return false;
		}
	}
	return true;
}

bool
request_files_go(const struct request *r)
{
	size_t unread = 0;

	for (size_t i = 0; i < r->in.nfiles; i++) {
		const struct file *f = &r->in.files[i];
		if (!f->why)
			continue;
		if (!f->media.part)
			return false;
		unread++;
	}
	return r->found.verdict.strips && unread == r->in.unread.nmedia;
}

bool
request_stripped(const struct request *r)
{
	bool any = false;

	for (size_t i = 0; i < r->in.nfiles; i++)
		any |= r->in.files[i].stripped;
	return any;
}

static bool
goes_with_file(const struct splice *x, const struct request *r)
{
	for (size_t i = 0; i < r->in.nfiles; i++) {
		const struct file *f = &r->in.files[i];
		if (f->stripped && x->start >= f->media.start && x->end <= f->media.end)
			return true;
	}
	return false;
}

/* What is said in its place. */
static struct span
stripped_text(struct request *r, const struct file *f)
{
	const char *type = r->in.body.table->text_type;
	const char *head = f->media.typed ? "\"type\":\"" : "";

	return arena_printf(&r->arena, "{%s%s%s\"text\":\"[a file was taken out here: %s]\"}",
		head, f->media.typed ? (type ? type : "text") : "", f->media.typed ? "\"," : "",
		f->kind[0] ? f->kind : "unknown");
}

size_t
request_cut_files(struct request *r, struct splice *v, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!goes_with_file(&v[i], r))
			v[kept++] = v[i];
	for (size_t i = 0; i < r->in.nfiles; i++) {
		const struct file *f = &r->in.files[i];
		if (f->stripped)
			v[kept++] = (struct splice){ f->media.start, f->media.end,
				stripped_text(r, f) };
	}
	return kept;
}

struct span
request_unread_files(struct request *r)
{
	const struct file *f = NULL;

	for (size_t i = 0; i < r->in.nfiles && !f; i++)
		if (r->in.files[i].why)
			f = &r->in.files[i];
	if (!f || f->why == file_no_reader || f->why == file_not_asked)
		return SPAN_LIT(
			"the request holds parts that cannot be read (images, audio, files "
			"or unknown)");
	const char *kind = f->kind;
	if (f->why_page)
		return arena_printf(&r->arena,
			"the request holds a file that cannot be read (%s: %s on page %u)",
			kind, f->why, f->why_page);
	return arena_printf(&r->arena, "the request holds a file that cannot be read (%s: %s)",
		kind[0] ? kind : "file", f->why);
}
