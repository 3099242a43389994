/* Batches whose requests are in a file: uploaded first, with an answer that names it, and run
 * by a job that names it (OpenAI, "Batch API"; Mistral, "Batch inference"). */
#include "base/sha256.h"
#include "dialect/family.h"

struct file_name
file_name_of(struct span id)
{
	unsigned char h[SHA256_BYTES];
	struct file_name f;
	struct sha256 s;

	sha256_begin(&s);
	sha256_add(&s, id);
	sha256_end(&s, h);
	memcpy(f.hash, h, sizeof(f.hash));
	return f;
}

bool
file_named(const struct file_name *f)
{
	static const struct file_name none;

	return memcmp(f, &none, sizeof(none)) != 0;
}

bool
dialect_batches(const struct endpoint *e)
{
	return e->table && (e->table->batch || e->table->line);
}

/* The value is that of a key, or of a field of a form, of this name. */
static bool
is_under(const struct body *b, const struct segment *s, const char *name)
{
	return s->role != ROLE_KEY && s->key != SEGMENT_NO_KEY && s->key < b->nsegments &&
	       span_is(b->segments[s->key].text, name);
}

bool
dialect_batch_file(const struct endpoint *e, const struct body *b)
{
	for (size_t i = 0; e->table && e->table->line && i < b->nsegments; i++)
		if (is_under(b, &b->segments[i], "purpose") &&
			span_is(b->segments[i].text, "batch"))
			return true;
	return false;
}

size_t
dialect_job_files(
	const struct endpoint *e, const struct body *b, struct file_name *out, size_t max)
{
	size_t n = 0;

	if (!e->name || strcmp(e->name, "batches") != 0 || !e->table || e->table->batch)
		return 0;
	for (size_t i = 0; i < b->nsegments; i++) {
		const struct segment *s = &b->segments[i];
		if (!is_under(b, s, "input_file_id") && !is_under(b, s, "input_files"))
			continue;
		if (n < max)
			out[n] = file_name_of(s->text);
		n++;
	}
	return n;
}
