/* Erases shares: each is taken out of memory first, so that nothing uses it any more, and then
 * overwritten in the file. Before that, a line appended to the file says which shares are being
 * erased, so that the next start finishes an erasure that a power cut interrupted. */
#include <stdlib.h>

#include "base/err.h"
#include "base/json_put.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "base/stops.h"
#include "record/seal/shares_private.h"

/* Takes the i-th share out of memory. The caller has made room in `erased` and `gone`. */
static void
take_share_out(struct shares *s, size_t i, int64_t now_ns)
{
	struct share_entry *e = s->entry[i], **p = &s->bucket[e->hash & (s->nbuckets - 1)];
	struct erased_share gone = { .number = e->number, .at_ns = now_ns };
	struct share b;

	while (*p != e) {
		INVARIANT(*p); /* a share is in its bucket */
		p = &(*p)->next;
	}
	*p = e->next;
	share_of_entry(e, &b);
	share_pseudonym(&b, gone.pseudonym);
	shares_note_erased(s, &gone);
	if (e->at) {
		size_t secret = share_line_secret(e->number);
		INVARIANT(s->ngone < s->gone_room);
		s->gone[s->ngone++] = (struct share_bytes){ e->at + secret,
			share_line_bytes(e) - secret - 1 };
	}
	explicit_bzero(&b, sizeof(b));
	explicit_bzero(e, sizeof(*e) + e->n);
	free(e);
}

typedef bool chosen_fn(void *arg, const struct share_entry *e);

/* Removes the shares for which `is` returns true from the table, and lists them as erased. */
static int
take_shares_out(struct shares *s, chosen_fn *is, void *arg, int64_t now_ns)
{
	size_t found = 0, kept = 0;
	int err = 0;

	pthread_rwlock_rdlock(&s->lock);
	bool *yes = calloc(s->n + 1, sizeof(*yes));
	size_t n = yes ? s->n : 0;
	for (size_t i = 0; i < n; i++) {
		found += yes[i] = is(arg, s->entry[i]);
		if (i % SHARES_AT_ONCE)
			continue;
		pthread_rwlock_unlock(&s->lock);
		pthread_rwlock_rdlock(&s->lock);
	}
	pthread_rwlock_unlock(&s->lock);
	pthread_rwlock_wrlock(&s->lock);
	if (!yes ||
		!mem_room(
			&s->erased, &s->erased_room, s->nerased + found, sizeof(*s->erased)) ||
		!mem_room(&s->gone, &s->gone_room, s->ngone + found, sizeof(*s->gone)))
		err = ERR_NOMEM;
	/* Shares made since the first loop come after the n that `is` has seen. */
	for (size_t i = 0; !err && found && i < s->n; i++)
		if (i < n && yes[i])
			take_share_out(s, i, now_ns);
		else
			s->entry[kept++] = s->entry[i];
	if (!err && found) {
		INVARIANT(kept + found == s->n);
		s->n = kept;
		s->erasing_due = true;
		atomic_store(&s->stale, true);
		atomic_fetch_add_explicit(&s->erasures, 1, memory_order_release);
	}
	pthread_rwlock_unlock(&s->lock);
	free(yes);
	return err;
}

/* ---- by holder ---- */

struct by_holder {
	bool (*is)(void *arg, struct span holder);
	void *arg;
};

static bool
is_chosen_holder(void *arg, const struct share_entry *e)
{
	const struct by_holder *by = arg;

	return by->is(by->arg, span_of(e->holder, e->n));
}

int
shares_erase(struct shares *s, bool (*is)(void *arg, struct span holder), void *arg,
	const char *erasure, int64_t serial, int64_t now_ns, struct buf *erased)
{
	if (strlen(erasure) > ERASURE_NAME_MAX || strpbrk(erasure, " \n") || serial <= 0)
		return ERR_SYNTAX;
	SCOPED_LOCK(&s->io);
	pthread_rwlock_wrlock(&s->lock);
	bool room =
		mem_room(&s->erasure, &s->erasures_room, s->nerasures + 1, sizeof(*s->erasure));
	pthread_rwlock_unlock(&s->lock);
	struct by_holder by = { is, arg };
	int err = room ? take_shares_out(s, is_chosen_holder, &by, now_ns) : ERR_NOMEM;
	err = err ? err : shares_overwrite(s);
	if (!err && atomic_load(&s->head_stale))
		err = shares_write_head(s, NULL);
	stop_at("shares-erased");
	/* The record of this erasure lists their pseudonyms. */
	pthread_rwlock_wrlock(&s->lock);
	for (size_t i = 0; !err && i < s->nerased; i++)
		if (s->erased[i].pseudonym[0] && !s->erased[i].said) {
			json_put_str(erased, NULL, s->erased[i].pseudonym);
			s->erased[i].said = serial;
		}
	pthread_rwlock_unlock(&s->lock);
	return err;
}

/* Notes in memory and in the file what was done for an erasure: it was recorded, or forgotten by
 * caches. */
static void
note_done(struct shares *s, const char *erasure, int64_t serial, int64_t forgotten)
{
	struct erasure done = { .serial = serial, .forgotten = forgotten };

	INVARIANT(strlen(erasure) <= ERASURE_NAME_MAX);
	memcpy(done.name, erasure, strlen(erasure));
	SCOPED_BUF(lines, 0);
	pthread_mutex_lock(&s->io);
	pthread_rwlock_wrlock(&s->lock);
	for (size_t i = 0; serial && i < s->nerased; i++)
		if (s->erased[i].said == serial) {
			s->erased[i].said = 0;
			s->erased[i].pseudonym[0] = '\0';
			share_erased_line(&lines, &s->erased[i]);
		}
	bool noted = shares_note_erasure(s, span_str(done.name), serial, forgotten);
	share_erasure_line(&lines, &done);
	pthread_rwlock_unlock(&s->lock);
	/* An erasure that could not be noted for lack of memory is carried out again by the next start. */
	if (noted) {
		s->notes_due = shares_append(s, &lines) != 0;
		atomic_store(s->notes_due ? &s->stale : &s->head_stale, true);
	}
	pthread_mutex_unlock(&s->io);
	shares_sync(s); /* writes the head; if that fails, the next shares_sync() tries again */
}

void
shares_erase_recorded(struct shares *s, const char *erasure, int64_t serial)
{
	note_done(s, erasure, serial, 0);
}

void
shares_erase_forgotten(struct shares *s, const char *erasure, int64_t serial)
{
	note_done(s, erasure, 0, serial);
}

/* ---- by pseudonym ---- */

struct by_pseudonym {
	const char (*v)[PSEUDONYM_LEN + 1];
	size_t n;
};

static bool
is_named(const struct by_pseudonym *by, const char pseudonym[PSEUDONYM_LEN + 1])
{
	return bsearch(pseudonym, by->v, by->n, sizeof(*by->v),
		       (int (*)(const void *, const void *))strcmp) != NULL;
}

static bool
is_chosen_pseudonym(void *arg, const struct share_entry *e)
{
	char pseudonym[PSEUDONYM_LEN + 1];
	struct share b;

	share_of_entry(e, &b);
	share_pseudonym(&b, pseudonym);
	explicit_bzero(&b, sizeof(b));
	return is_named(arg, pseudonym);
}

int
shares_erase_again(struct shares *s, const char (*pseudonym)[PSEUDONYM_LEN + 1], size_t n,
	int64_t now_ns, size_t *erased)
{
	struct by_pseudonym by = { pseudonym, n };

	*erased = 0;
	SCOPED_LOCK(&s->io);
	size_t before = s->nerased;
	int err = take_shares_out(s, is_chosen_pseudonym, &by, now_ns);
	/* Their record is in the journal: that of the next erasure must not list them. */
	pthread_rwlock_wrlock(&s->lock);
	for (size_t i = 0; !err && i < s->nerased; i++)
		if (s->erased[i].pseudonym[0] && is_named(&by, s->erased[i].pseudonym)) {
			s->erased[i].pseudonym[0] = '\0';
			s->notes_due = true;
		}
	*erased = s->nerased - before;
	pthread_rwlock_unlock(&s->lock);
	return err ? err : shares_overwrite(s);
}
