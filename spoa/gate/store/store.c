/* When a file of lines is appended to, and when it is replaced. file.c has the writes. */
#include "gate/store/store.h"

#include "base/log.h"
#include "base/scoped.h"
#include "gate/store/file.h"

void
store_init(struct store *s, const struct store_kind *kind, void *arg, const char *name)
{
	*s = (struct store){ .kind = kind, .arg = arg, .name = name, .kept = true };
}

/* All entries and these lines, of which some may be entries already. */
static bool
replace_lines(struct store *s, struct span lines, size_t n)
{
	SCOPED_BUF(all, 0);
	s->kind->write(s->arg, &all);
	buf_span(&all, lines);
	s->lines = s->kind->count(s->arg) + n;
	return !buf_failed(&all) && store_file_replace(s->file, buf_view(&all)) == 0;
}

static bool
read_store(struct store *s, struct buf *why)
{
	s->lines = 0;
	s->file = store_file_open(s->name, s->kind->read, s->arg, &s->lines, &s->begun, why);
	return s->file != NULL;
}

static bool
keep_lines(struct store *s, struct span lines, size_t n, bool anew)
{
	bool was = atomic_load(&s->kept);

	SCOPED_BUF(why, 1024);
	bool ok = s->file || read_store(s, &why);
	s->lines += n;
	if (ok && was && !anew)
		ok = store_file_append(s->file, lines) == 0;
	else if (ok)
		ok = replace_lines(s, lines, n);
	atomic_store(&s->kept, ok);
	if (!ok && was)
		log_event(LOG_ERROR, s->kind->failed, LS("file", s->name),
			LS("why", s->file ? "it cannot be written" : "it cannot be opened"));
	return ok;
}

bool
store_keep(struct store *s, struct span lines, size_t n)
{
	return (!n && atomic_load(&s->kept)) || keep_lines(s, lines, n, false);
}

bool
store_rewrite(struct store *s)
{
	return keep_lines(s, SPAN_LIT(""), 0, true);
}

void
store_trim(struct store *s)
{
	if (s->lines > 2 * s->kind->count(s->arg) + s->kind->slack)
		store_rewrite(s);
}

bool
store_open(struct store *s, struct buf *why)
{
	bool ok = read_store(s, why);

	if (ok)
		store_trim(s);
	return ok;
}

void
store_close(struct store *s)
{
	store_file_close(&s->file);
}
