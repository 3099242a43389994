/* Replaces files in a request by a short text. All bytes around a file stay as they were. */
#include "base/err.h"
#include "gate/files/files.h"
#include "scan/text/table.h"

#include <stdlib.h>

struct file *
request_file_hit(const struct request *r, const struct hit *h)
{
	return h->in_target || (h->segment->form != SEG_FILE && !h->segment->data)
		       ? NULL
		       : request_file_with(r, h->segment);
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

/* The text that replaces the file. */
static struct span
stripped_text(struct request *r, const struct file *f)
{
	const char *type = r->in.body.table->text_type;
	const char *head = f->media.typed ? "\"type\":\"" : "";

	return arena_printf(&r->arena, "{%s%s%s\"text\":\"[a file was removed here: %s]\"}",
		head, f->media.typed ? (type ? type : "text") : "", f->media.typed ? "\"," : "",
		f->kind[0] ? f->kind : "unknown");
}

static int
file_by_start(const void *a, const void *b)
{
	const struct media *x = &(*(const struct file *const *)a)->media,
			   *y = &(*(const struct file *const *)b)->media;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end > y->end ? -1 : x->end < y->end;
}

/* Returns true if the splice is inside one of these files, which are sorted and not nested.
 */
static bool
goes_with_file(const struct splice *x, const struct file *const *v, size_t n)
{
	size_t from = 0;

	while (n - from > 1) {
		size_t middle = from + (n - from) / 2;
		if (v[middle]->media.start <= x->start)
			from = middle;
		else
			n = middle;
	}
	return n > from && x->start >= v[from]->media.start && x->end <= v[from]->media.end;
}

int
request_cut_files(struct request *r, struct splice *v, size_t *n)
{
	const struct file **cut = arena_array(&r->arena, r->in.nfiles + 1, sizeof(*cut));
	size_t ncut = 0, outer = 0, kept = 0;

	if (!cut)
		return ERR_NOMEM;
	for (size_t i = 0; i < r->in.nfiles; i++)
		if (r->in.files[i].stripped)
			cut[ncut++] = &r->in.files[i];
	qsort(cut, ncut, sizeof(*cut), file_by_start);
	for (size_t i = 0; i < ncut; i++)
		if (!outer || cut[i]->media.start >= cut[outer - 1]->media.end)
			cut[outer++] = cut[i];
	for (size_t i = 0; i < *n; i++)
		if (!goes_with_file(&v[i], cut, outer))
			v[kept++] = v[i];
	for (size_t i = 0; i < outer; i++)
		v[kept++] = (struct splice){ cut[i]->media.start, cut[i]->media.end,
			stripped_text(r, cut[i]) };
	*n = kept;
	return 0;
}

struct span
request_unread_files(struct request *r)
{
	const struct file *f = NULL;

	for (size_t i = 0; i < r->in.nfiles && !f; i++)
		if (r->in.files[i].why)
			f = &r->in.files[i];
	if (r->in.body.format == BODY_FORM && (!f || f->why == file_no_reader))
		return SPAN_LIT("the gateway cannot inspect a file in a form of this type: "
				"send it as a part of "
				"multipart/form-data");
	if (!f || f->why == file_no_reader || f->why == file_not_asked)
		return SPAN_LIT(
			"the request contains parts that the gateway cannot inspect (images, "
			"audio, files or unknown types): send their content as text");
	const char *kind = f->kind;
	if (f->why_page)
		return arena_printf(&r->arena,
			"the request contains a file that the gateway cannot inspect (%s: %s "
			"on page %u): "
			"send its content as text",
			kind, f->why, f->why_page);
	return arena_printf(&r->arena,
		"the request contains a file that the gateway cannot inspect (%s: %s): "
		"send its content as text",
		kind[0] ? kind : "file", f->why);
}
