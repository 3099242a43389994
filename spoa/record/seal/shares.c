/* The table of shares: by holder (hashed) and by number. Workers look holders up under a lock
 * that they share; who holds io alone takes shares out. */
#include "record/seal/shares.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/search.h"
#include "record/seal/shares_private.h"

enum { BUCKETS_FIRST = 1024 };

/* ---- what follows from a share ---- */

void
share_pseudonym(const struct share *b, char out[PSEUDONYM_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char mac[SHA256_BYTES];
	size_t n = 0;

	hmac_sha256(b->key, SPAN_LIT("name"), mac);
	out[n++] = 'p';
	out[n++] = '_';
	for (size_t i = 0; n < PSEUDONYM_LEN; i++) {
		out[n++] = digits[mac[i] >> 4];
		out[n++] = digits[mac[i] & 15];
	}
	out[n] = '\0';
}

void
share_hash_key(const struct share *b, unsigned char out[SHA256_BYTES])
{
	hmac_sha256(b->key, SPAN_LIT("hash"), out);
}

/* ---- by number ---- */

/* The first index in the list whose share's number is not below this one. */
static size_t
share_index(const struct shares *s, uint64_t number)
{
	return SEARCH_FIRST(s->n, i, s->entry[i]->number < number);
}

/* Where that number is in the list of those that were erased, or would be. */
static size_t
shares_erased_at(const struct shares *s, uint64_t number)
{
	return SEARCH_FIRST(s->nerased, i, s->erased[i].number < number);
}

bool
shares_is_erased(const struct shares *s, uint64_t number)
{
	size_t i = shares_erased_at(s, number);

	return i < s->nerased && s->erased[i].number == number;
}

bool
shares_is_lost(const struct shares *s, uint64_t number)
{
	for (size_t i = 0; i < s->nlost; i++)
		if (number >= s->lost[i].from && number <= s->lost[i].to)
			return true;
	return false;
}

bool
shares_note_erased(struct shares *s, const struct erased_share *e)
{
	size_t i = shares_erased_at(s, e->number);

	if (i < s->nerased && s->erased[i].number == e->number) {
		/* Head and file both say it: a record names it as soon as one knows of that. */
		if (!e->pseudonym[0])
			s->erased[i].pseudonym[0] = '\0';
		return true;
	}
	if (!mem_room(&s->erased, &s->erased_room, s->nerased + 1, sizeof(*s->erased)))
		return false;
	INVARIANT(i <= s->nerased && s->nerased < s->erased_room);
	memmove(s->erased + i + 1, s->erased + i, (s->nerased - i) * sizeof(*s->erased));
	s->erased[i] = *e;
	s->nerased++;
	return true;
}

bool
shares_note_lost(struct shares *s, uint64_t from, uint64_t to)
{
	size_t i = 0;

	/* With those that it meets it is one. */
	while (i < s->nlost && s->lost[i].to + 1 < from)
		i++;
	size_t end = i;
	for (; end < s->nlost && s->lost[end].from <= to + 1; end++) {
		from = s->lost[end].from < from ? s->lost[end].from : from;
		to = s->lost[end].to > to ? s->lost[end].to : to;
	}
	if (!mem_room(&s->lost, &s->lost_room, s->nlost + 1, sizeof(*s->lost)))
		return false;
	memmove(s->lost + i + 1, s->lost + end, (s->nlost - end) * sizeof(*s->lost));
	INVARIANT(i <= end && end <= s->nlost && from <= to);
	s->lost[i] = (struct lost_shares){ from, to };
	s->nlost = s->nlost + 1 - (end - i);
	return true;
}

bool
shares_note_erasure(struct shares *s, struct span name, int64_t serial, int64_t forgotten)
{
	struct erasure *e = s->erasure;
	size_t i = 0;

	while (i < s->nerasures && !span_is(name, e[i].name))
		i++;
	if (i < s->nerasures) {
		e[i].serial = serial > e[i].serial ? serial : e[i].serial;
		e[i].forgotten = forgotten > e[i].forgotten ? forgotten : e[i].forgotten;
		return true;
	}
	if (i == CAP_SHARES_ERASURES)
		memmove(e, e + 1, --s->nerasures * sizeof(*e));
	if (!mem_room(&s->erasure, &s->erasures_room, s->nerasures + 1, sizeof(*s->erasure)))
		return false;
	INVARIANT(s->nerasures < CAP_SHARES_ERASURES);
	e = &s->erasure[s->nerasures++];
	*e = (struct erasure){ .serial = serial, .forgotten = forgotten };
	memcpy(e->name, name.p, name.n);
	return true;
}

/* ---- by holder ---- */

static struct share_entry **
share_place(const struct shares *s, struct span holder, uint64_t hash)
{
	struct share_entry **p = &s->bucket[hash & (s->nbuckets - 1)];

	while (*p && ((*p)->hash != hash || !span_eq(span_of((*p)->holder, (*p)->n), holder)))
		p = &(*p)->next;
	return p;
}

static bool
more_buckets(struct shares *s)
{
	size_t n = s->nbuckets ? 2 * s->nbuckets : BUCKETS_FIRST;
	struct share_entry **bucket = calloc(n, sizeof(*bucket));

	if (!bucket)
		return false;
	for (size_t i = 0; i < s->n; i++) {
		struct share_entry *e = s->entry[i];
		e->next = bucket[e->hash & (n - 1)];
		bucket[e->hash & (n - 1)] = e;
	}
	free(s->bucket);
	s->bucket = bucket;
	s->nbuckets = n;
	return true;
}

int
shares_add(struct shares *s, uint64_t number, const unsigned char key[SHARE_BYTES],
	struct span holder, uint64_t at)
{
	uint64_t hash = hash_words(s->seed, holder);

	if (s->n == CAP_SHARES)
		return ERR_FULL;
	if ((s->n >= s->nbuckets && !more_buckets(s)) ||
		!mem_room(&s->entry, &s->room, s->n + 1, sizeof(*s->entry)))
		return ERR_NOMEM;
	struct share_entry **p = share_place(s, holder, hash);
	size_t i = share_index(s, number);
	if (*p || (i < s->n && s->entry[i]->number == number))
		return ERR_DUPLICATE;
	struct share_entry *e = malloc(sizeof(*e) + holder.n);
	if (!e)
		return ERR_NOMEM;
	*e = (struct share_entry){
		.hash = hash, .number = number, .at = at, .n = (uint16_t)holder.n
	};
	memcpy(e->key, key, SHARE_BYTES);
	memcpy(e->holder, holder.p, holder.n);
	*p = e;
	INVARIANT(s->n < s->room && i <= s->n);
	memmove(s->entry + i + 1, s->entry + i, (s->n - i) * sizeof(struct share_entry *));
	s->entry[i] = e;
	s->n++;
	if (number > s->given)
		s->given = number;
	return 0;
}

static int
make_share(struct shares *s, struct span holder, struct share *out)
{
	struct share_entry **p;
	int err = 0;

	random_bytes(out->key, SHARE_BYTES);
	pthread_rwlock_wrlock(&s->lock);
	if (s->nbuckets && *(p = share_place(s, holder, hash_words(s->seed, holder)))) {
		share_of_entry(*p, out); /* another thread was first */
	} else if (!(err = s->given == SHARE_NUMBER_MAX
				   ? ERR_FULL
				   : shares_add(s, s->given + 1, out->key, holder, 0))) {
		INVARIANT(s->entry[s->n - 1]->number == s->given); /* a new number is above all others */
		out->number = s->given;
		atomic_store(&s->last, s->given);
	}
	pthread_rwlock_unlock(&s->lock);
	if (err)
		explicit_bzero(out, sizeof(*out));
	return err;
}

struct span
share_holder(struct span name, char own[SHARE_HASHED_LEN + 1])
{
	static const char how[] = "sha256:";
	unsigned char hash[SHA256_BYTES];

	if (name.n <= SHARE_HOLDER_MAX)
		return name;
	sha256(name, hash);
	memcpy(own, how, sizeof(how));
	sodium_bin2hex(own + sizeof(how) - 1, 2 * SHA256_BYTES + 1, hash, sizeof(hash));
	return span_of(own, SHARE_HASHED_LEN);
}

int
shares_get(struct shares *s, struct span name, bool make, struct share *out)
{
	char own[SHARE_HASHED_LEN + 1];
	struct span holder = share_holder(name, own);
	uint64_t hash = hash_words(s->seed, holder);
	const struct share_entry *e = NULL;

	*out = (struct share){ .number = 0 };
	if (holder.n == 0)
		return ERR_LIMIT;
	pthread_rwlock_rdlock(&s->lock);
	if (s->nbuckets && (e = *share_place(s, holder, hash)))
		share_of_entry(e, out);
	pthread_rwlock_unlock(&s->lock);
	return e ? 0 : make && s->head ? make_share(s, holder, out) : ERR_NOTFOUND;
}

enum share_state
shares_find(struct shares *s, uint64_t number, struct share *out, struct buf *holder)
{
	enum share_state is = SHARE_NEVER;

	*out = (struct share){ .number = 0 };
	pthread_rwlock_rdlock(&s->lock);
	size_t i = share_index(s, number);
	if (i < s->n && s->entry[i]->number == number) {
		is = SHARE_HERE;
		share_of_entry(s->entry[i], out);
		if (holder)
			buf_put(holder, s->entry[i]->holder, s->entry[i]->n);
	} else if (shares_is_erased(s, number)) {
		is = SHARE_ERASED;
	} else if (shares_is_lost(s, number)) {
		is = SHARE_LOST;
	}
	pthread_rwlock_unlock(&s->lock);
	return is;
}

uint64_t
shares_erasures(const struct shares *s)
{
	return atomic_load_explicit(&s->erasures, memory_order_acquire);
}

static struct erasure
erasure_named(struct shares *s, const char *name)
{
	struct erasure e = { .serial = 0 };

	pthread_rwlock_rdlock(&s->lock);
	for (size_t i = 0; i < s->nerasures; i++)
		if (str_same(s->erasure[i].name, name))
			e = s->erasure[i];
	pthread_rwlock_unlock(&s->lock);
	return e;
}

bool
shares_has_erased(struct shares *s, const char *erasure, int64_t serial)
{
	return erasure_named(s, erasure).serial >= serial;
}

bool
shares_has_forgotten(struct shares *s, const char *erasure, int64_t serial)
{
	return erasure_named(s, erasure).forgotten >= serial;
}
