/* Reads a zip archive: the record at its end, the central directory, and one entry at a time
 * (extract/zip_file.h). zlib decompresses. The daemon's own reader of names is
 * scan/media/zip.c. */
#include "extract/zip_file.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/ascii.h"
#include "base/scoped.h"

enum {
	END_BYTES = 22, /* 4.3.16 */
	END64_BYTES = 56,
	LOCATOR_BYTES = 20,
	ENTRY_BYTES = 46, /* 4.3.12 */
	LOCAL_BYTES = 30, /* 4.3.7 */
	COMMENT_MOST = 0xffff,
	DESCRIPTOR_MOST = 24, /* 4.3.9, with a signature and 64-bit sizes */
	FLAG_LOCKED = 1,
	FLAG_STREAMED = 8,    /* sizes are in a descriptor behind the data */
	FLAG_MASKED = 0x2041, /* encrypted, strongly encrypted, masked headers */
	STORED = 0,
	DEFLATED = 8,
	STEP_BYTES = 64 << 10,
};

/* Little-endian integers. `at + n` must be inside. */
static uint64_t
zip_number(struct span s, size_t at, size_t n)
{
	uint64_t v = 0;

	for (size_t i = n; i-- > 0;)
		v = v << 8 | (unsigned char)s.p[at + i];
	return v;
}

static bool
has_signature(struct span s, uint64_t at, const char *two)
{
	return at <= s.n && s.n - at >= 4 && s.p[at] == 'P' && s.p[at + 1] == 'K' &&
	       !memcmp(s.p + at + 2, two, 2);
}

/* The place of the directory, and the number of its entries. */
struct zip_directory {
	uint64_t from, end, entries;
};

/* Finds the record at the end of the file. The last one of the file counts, and it must reach
 * the end, so that all readers find the same one. */
static bool
find_directory(struct span file, struct zip_directory *d)
{
	size_t least =
		file.n > END_BYTES + COMMENT_MOST ? file.n - END_BYTES - COMMENT_MOST : 0;
	size_t at = file.n;

	do {
		const char *p = at > least ? memrchr(file.p + least, 'P', at - least) : NULL;
		if (!p)
			return false;
		at = (size_t)(p - file.p);
	} while (!has_signature(file, at, "\5\6"));
	if (file.n - at < END_BYTES ||
		at + END_BYTES + zip_number(file, at + 20, 2) != file.n ||
		zip_number(file, at + 4, 4)) /* several disks */
		return false;
	d->entries = zip_number(file, at + 10, 2);
	uint64_t size = zip_number(file, at + 12, 4);
	d->from = zip_number(file, at + 16, 4);
	d->end = at;
	if (at >= LOCATOR_BYTES && has_signature(file, at - LOCATOR_BYTES, "\6\7")) {
		uint64_t end64 = zip_number(file, at - LOCATOR_BYTES + 8, 8);
		if (end64 > file.n || file.n - end64 < END64_BYTES ||
			!has_signature(file, end64, "\6\6"))
			return false;
		struct zip_directory small = *d;
		d->entries = zip_number(file, end64 + 32, 8);
		size = zip_number(file, end64 + 40, 8);
		d->from = zip_number(file, end64 + 48, 8);
		d->end = end64;
		/* a reader that does not know zip64 sees the small record */
		if ((small.from != UINT32_MAX && small.from != d->from) ||
			(small.entries != UINT16_MAX && small.entries != d->entries))
			return false;
	}
	return d->from <= d->end && d->end - d->from == size;
}

/* Replaces values that are in the field of zip64 (4.5.3). */
static void
take_zip64(struct span extra, uint64_t *bytes, uint64_t *packed, uint64_t *from)
{
	while (extra.n >= 4) {
		uint64_t id = zip_number(extra, 0, 2), n = zip_number(extra, 2, 2);
		struct span field = span_cut(extra, 4, 4 + n);
		extra = span_cut(extra, 4 + n, extra.n);
		uint64_t *const values[] = { bytes, packed, from };
		for (size_t i = 0; i < COUNT_OF(values) && id == 1; i++)
			if (*values[i] == UINT32_MAX && field.n >= 8) {
				*values[i] = zip_number(field, 0, 8);
				field = span_cut(field, 8, field.n);
			}
	}
}

/* Returns true if a path could leave the folder that it is unpacked in, or names nothing. */
static bool
path_leaves(struct span name)
{
	if (!name.n || name.p[0] == '/' || memchr(name.p, 0, name.n) ||
		(name.n > 1 && is_alpha(name.p[0]) && name.p[1] == ':'))
		return true;
	while (name.n)
		if (span_is(span_next(&name, '/'), ".."))
			return true;
	return false;
}

/* Compares the local header with the directory's entry and finds the data. */
static enum extract_error
check_local(struct span file, struct span raw, uint64_t flags, uint64_t method, uint64_t packed,
	struct zip_entry *e)
{
	uint64_t at = e->from;

	if (!has_signature(file, at, "\3\4") || file.n - at < LOCAL_BYTES)
		return EXTRACT_DAMAGED;
	uint64_t name = zip_number(file, at + 26, 2), extra = zip_number(file, at + 28, 2);
	struct span its = span_cut(file, at + LOCAL_BYTES, at + LOCAL_BYTES + name);
	uint64_t data = at + LOCAL_BYTES + name + extra;
	if (data > file.n || packed > file.n - data)
		return EXTRACT_DAMAGED;
	uint64_t its_flags = zip_number(file, at + 6, 2),
		 its_packed = zip_number(file, at + 18, 4),
		 its_bytes = zip_number(file, at + 22, 4);
	take_zip64(span_cut(file, at + LOCAL_BYTES + name, data), &its_bytes, &its_packed,
		&(uint64_t){ 0 });
	bool streamed = its_flags & FLAG_STREAMED;
	bool sizes = (streamed && !its_packed && !its_bytes) ||
		     (streamed && its_packed == UINT32_MAX) ||
		     (its_packed == packed && its_bytes == e->bytes);
	uint64_t crc = zip_number(file, at + 14, 4);
	if (!span_eq(raw, its) || zip_number(file, at + 8, 2) != method || !sizes ||
		(its_flags ^ flags) & (FLAG_LOCKED | FLAG_STREAMED) ||
		(!(streamed && !crc) && crc != e->crc))
		return EXTRACT_ZIP_MISMATCH;
	e->packed = span_of(file.p + data, (size_t)packed);
	return EXTRACT_READ;
}

static enum extract_error
take_zip_entry(struct span file, struct zip_directory *d, struct zip *z, struct zip_entry *e)
{
	uint64_t at = d->from;

	if (d->end - at < ENTRY_BYTES || !has_signature(file, at, "\1\2"))
		return EXTRACT_DAMAGED;
	uint64_t name = zip_number(file, at + 28, 2), extra = zip_number(file, at + 30, 2),
		 comment = zip_number(file, at + 32, 2);
	d->from += ENTRY_BYTES + name + extra + comment;
	if (d->from > d->end)
		return EXTRACT_DAMAGED;
	uint64_t flags = zip_number(file, at + 8, 2), method = zip_number(file, at + 10, 2),
		 packed = zip_number(file, at + 20, 4);
	struct span raw = span_of(file.p + at + ENTRY_BYTES, (size_t)name);
	e->crc = (uint32_t)zip_number(file, at + 16, 4);
	e->bytes = zip_number(file, at + 24, 4);
	e->from = zip_number(file, at + 42, 4);
	e->deflated = method == DEFLATED;
	take_zip64(span_of(raw.p + name, (size_t)extra), &e->bytes, &packed, &e->from);
	if (flags & FLAG_MASKED)
		return EXTRACT_ENCRYPTED;
	if (method != STORED && method != DEFLATED)
		return EXTRACT_UNSUPPORTED;
	size_t names = z->names.n;
	for (size_t i = 0; i < raw.n; i++)
		buf_putc(&z->names, raw.p[i] == '\\' ? '/' : raw.p[i]);
	e->name = span_cut(buf_view(&z->names), names, z->names.n);
	if (path_leaves(e->name))
		return EXTRACT_OUTSIDE;
	return check_local(file, raw, flags, method, packed, e);
}

static int
by_header(const void *a, const void *b)
{
	const struct zip_entry *x = *(const struct zip_entry *const *)a,
			       *y = *(const struct zip_entry *const *)b;

	return x->from < y->from ? -1 : x->from > y->from;
}

static int
by_name(const void *a, const void *b)
{
	const struct zip_entry *x = *(const struct zip_entry *const *)a,
			       *y = *(const struct zip_entry *const *)b;
	size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
	int order = strncasecmp(x->name.p, y->name.p, n);

	return order ? order : x->name.n < y->name.n ? -1 : x->name.n > y->name.n;
}

/* Returns true if the bytes between two entries are more than a descriptor, and contain an
 * entry that only a reader of local headers would see. */
static bool
gap_hides(struct span file, uint64_t from, uint64_t to)
{
	return to - from > DESCRIPTOR_MOST &&
	       memmem(file.p + from, (size_t)(to - from), "PK\3\4", 4);
}

/* Checks that no bytes belong to two entries, and no name either. */
static enum extract_error
check_zip_places(struct span file, const struct zip *z, uint64_t directory)
{
	const struct zip_entry **v = calloc(z->n ? z->n : 1, sizeof(*v));
	enum extract_error error = v ? EXTRACT_READ : EXTRACT_MEMORY;
	uint64_t end = 0;

	for (size_t i = 0; v && i < z->n; i++)
		v[i] = &z->v[i];
	if (v)
		qsort(v, z->n, sizeof(*v), by_header);
	for (size_t i = 0; i < z->n && !error; i++) {
		if (v[i]->from < end)
			error = EXTRACT_OVERLAP;
		else if (gap_hides(file, end, v[i]->from))
			error = EXTRACT_ZIP_MISMATCH;
		end = (uint64_t)(v[i]->packed.p - file.p) + v[i]->packed.n;
	}
	if (!error && end > directory)
		error = EXTRACT_OVERLAP;
	if (!error && gap_hides(file, end, directory))
		error = EXTRACT_ZIP_MISMATCH;
	if (v)
		qsort(v, z->n, sizeof(*v), by_name);
	for (size_t i = 1; i < z->n && !error; i++)
		if (!by_name(&v[i - 1], &v[i]))
			error = EXTRACT_TWICE;
	free(v);
	return error;
}

enum extract_error
zip_open(struct span file, struct zip *z)
{
	struct zip_directory d;

	*z = (struct zip){ 0 };
	if (!find_directory(file, &d))
		return EXTRACT_DAMAGED;
	if (d.entries > ZIP_ENTRIES)
		return EXTRACT_TOO_LARGE;
	uint64_t directory = d.from;
	z->v = calloc(d.entries + 1, sizeof(*z->v));
	/* reserved as a whole, because views of the names must stay valid */
	if (!z->v || !buf_reserve(&z->names, (size_t)(d.end - d.from) + 1))
		return EXTRACT_MEMORY;
	enum extract_error error = EXTRACT_READ;
	for (uint64_t i = 0; i < d.entries && !error; i++)
		error = take_zip_entry(file, &d, z, &z->v[z->n++]);
	if (!error && d.from != d.end)
		error = EXTRACT_DAMAGED;
	error = error ? error : check_zip_places(file, z, directory);
	size_t kept = 0;
	for (size_t i = 0; i < z->n; i++)
		if (!span_ends(z->v[i].name, SPAN_LIT("/")) || z->v[i].bytes)
			z->v[kept++] = z->v[i];
	z->n = kept;
	return error;
}

void
zip_close(struct zip *z)
{
	free(z->v);
	buf_free(&z->names);
	*z = (struct zip){ 0 };
}

/* Returns the reason to refuse an archive that is over a limit: a bomb, or its size. */
static enum extract_error
over_limit(uint64_t bytes, size_t packed)
{
	return bytes / ZIP_RATIO >= packed ? EXTRACT_BOMB : EXTRACT_TOO_LARGE;
}

/* Decompresses one member. `z` is initialized and is ended here. */
static enum extract_error
run_inflate(z_stream *z, struct span in, size_t *left, struct buf *out)
{
	int code = Z_OK;
	size_t before = out->n;
	enum extract_error error = EXTRACT_READ;

	z->next_in = (unsigned char *)(uintptr_t)in.p;
	z->avail_in = (unsigned)in.n;
	while (code == Z_OK && !error) {
		char *to = buf_reserve(out, STEP_BYTES);
		if (!to) {
			error = EXTRACT_MEMORY;
			break;
		}
		z->next_out = (unsigned char *)to;
		z->avail_out = STEP_BYTES;
		code = inflate(z, Z_NO_FLUSH);
		size_t got = STEP_BYTES - z->avail_out;
		buf_commit(out, got);
		if (got > *left)
			error = over_limit(out->n - before, in.n);
		else
			*left -= got;
	}
	if (!error && code != Z_STREAM_END)
		error = EXTRACT_DAMAGED;
	inflateEnd(z);
	return error;
}

enum extract_error
zip_inflate(const struct zip_entry *e, size_t *left, struct buf *out)
{
	z_stream z = { 0 };
	size_t before = out->n;
	enum extract_error error = EXTRACT_READ;

	if (e->bytes > *left)
		return over_limit(e->bytes, e->packed.n);
	if (e->deflated) {
		if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
			return EXTRACT_MEMORY;
		error = run_inflate(&z, e->packed, left, out);
		if (!error && z.avail_in)
			error = EXTRACT_DAMAGED;
	} else {
		buf_span(out, e->packed);
		*left -= e->packed.n < *left ? e->packed.n : *left;
	}
	struct span got = span_cut(buf_view(out), before, out->n);
	if (!error && (got.n != e->bytes ||
			      crc32_z(0, (const unsigned char *)got.p, got.n) != e->crc))
		error = EXTRACT_DAMAGED;
	return error ? error : buf_failed(out) ? EXTRACT_MEMORY : EXTRACT_READ;
}

enum extract_error
gzip_inflate(struct span file, size_t *left, struct buf *out)
{
	enum extract_error error = EXTRACT_READ;

	do {
		z_stream z = { 0 };
		if (inflateInit2(&z, MAX_WBITS + 16) != Z_OK)
			return EXTRACT_MEMORY;
		error = run_inflate(&z, file, left, out);
		file = span_cut(file, file.n - z.avail_in, file.n);
	} while (!error && file.n);
	return error;
}
