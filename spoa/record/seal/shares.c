/* The table of shares, by holder (hashed) and by number; the search for similar names;
 * erasure: see shares.h. Workers look up holders under a read lock. Only a caller that holds
 * `io` removes shares. */
#include "record/seal/shares.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/letters.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json_put.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/scoped.h"
#include "base/search.h"
#include "base/stops.h"
#include "policy/config/read.h"
#include "record/seal/shares_private.h"

enum { BUCKETS_FIRST = 1024 };

/* ---- values derived from a share ---- */

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

/* Returns the first index whose share's number is not below `number`. */
static size_t
share_index(const struct shares *s, uint64_t number)
{
	return SEARCH_FIRST(s->n, i, s->entry[i]->number < number);
}

/* Returns the index of the number in the list of erased shares, or where it would be
 * inserted. */
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
		/* Both the head and the file can list it. The record exists as soon as one of
		 * them states this. */
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

	/* Merge the new range with the ranges that it touches. */
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

/* Doubles the number of buckets. */
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
		INVARIANT(s->entry[s->n - 1]->number ==
			  s->given); /* a new number is higher than all others */
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

/* ---- similar names ----
 *
 * Finds holders whose names resemble a name that has no share: another case or Unicode form,
 * or typing errors. `audit erase` reports them, because shares are found by the exact bytes
 * of a name. */

enum { FOLDED_MAX = 2 * SHARE_HOLDER_MAX };

/* Appends the letters of a character without its case and its marks. */
static size_t
fold_character(uint32_t cp, char *out)
{
	const char *latin = letters_latin(cp);
	struct folded f = letters_fold(cp);
	size_t n = 0;

	if (f.kind == FOLD_MARK || f.kind == FOLD_DROP || f.kind == FOLD_BIDI)
		return 0;
	if (f.kind == FOLD_ASCII)
		latin = NULL;
	else if (!latin || to_lower(latin[0]) == 'q' || latin[0] == '.')
		return utf8_encode(letters_plain(cp), out);
	for (size_t i = 0; i < (latin ? 2 : f.n); i++)
		if (!latin || latin[i] != '.')
			out[n++] = to_lower(latin ? latin[i] : f.c[i]);
	return n;
}

/* Removes differences of case and Unicode form. The result ends with a NUL. */
static struct span
fold_name(struct span name, char out[FOLDED_MAX + 8])
{
	size_t n = 0, step;

	for (size_t at = 0; at < name.n && n < FOLDED_MAX; at += step) {
		step = utf8_step(name, at);
		if (step == 1)
			out[n++] = to_lower(name.p[at]);
		else
			n += fold_character(utf8_value(name.p + at, step), out + n);
	}
	out[n] = '\0';
	return span_of(out, n);
}

/* Returns the number of typing errors up to which a name still resembles another. */
static unsigned
slips_allowed(size_t letters)
{
	return letters < 8 ? 1 : letters < 12 ? 2 : 3;
}

/* Returns the number of typing errors between the names, or UINT32_MAX if there are too
 * many. */
static unsigned
slips_of(struct span word, struct span folded)
{
	unsigned allowed = slips_allowed(word.n);
	struct nearest near = nearest_to(word);

	if (span_eq(word, folded))
		return 0;
	if (folded.n > word.n + allowed || word.n > folded.n + allowed)
		return UINT32_MAX;
	nearest_try(&near, folded.p);
	return near.distance <= allowed ? near.distance : UINT32_MAX;
}

size_t
shares_near(struct shares *s, struct span name, struct share_near *out, size_t most)
{
	char folded[FOLDED_MAX + 8], other[FOLDED_MAX + 8];
	struct span word = fold_name(name, folded);
	size_t found = 0;

	pthread_rwlock_rdlock(&s->lock);
	for (size_t i = 0; i < s->n; i++) {
		const struct share_entry *e = s->entry[i];
		unsigned slips = slips_of(word, fold_name(span_of(e->holder, e->n), other));
		size_t at = found;
		while (at && slips < UINT32_MAX && out[at - 1].slips > slips)
			at--;
		if (at < most && slips < UINT32_MAX) {
			found += found < most;
			memmove(out + at + 1, out + at, (found - 1 - at) * sizeof(*out));
			out[at] = (struct share_near){ .slips = slips, .n = e->n };
			memcpy(out[at].name, e->holder, e->n);
		}
		if (i % SHARES_AT_ONCE)
			continue;
		pthread_rwlock_unlock(&s->lock);
		pthread_rwlock_rdlock(&s->lock);
	}
	pthread_rwlock_unlock(&s->lock);
	return found;
}

/* ---- erasing ----
 *
 * A share is first removed from memory, so that nothing uses it, and then overwritten in the
 * file. Before that, a line is appended to the file that names the shares being erased, so
 * that the next start finishes an erasure that a power cut interrupted. */

/* Removes the i-th share from memory. The caller has made room in `erased` and `gone`. */
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
	/* Shares that were made since the first loop follow the n that `is` has seen. */
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

/* ---- erasing: by holder ---- */

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
	/* The record of this erasure lists these pseudonyms. */
	pthread_rwlock_wrlock(&s->lock);
	for (size_t i = 0; !err && i < s->nerased; i++)
		if (s->erased[i].pseudonym[0] && !s->erased[i].said) {
			json_put_str(erased, NULL, s->erased[i].pseudonym);
			s->erased[i].said = serial;
		}
	pthread_rwlock_unlock(&s->lock);
	return err;
}

/* Notes in memory and in the file what was done for an erasure: its record is durable, or
 * caches have forgotten the person. */
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
	/* If memory is exhausted, the erasure is not noted, and the next start carries it out
	 * again. */
	if (noted) {
		s->notes_due = shares_append(s, &lines) != 0;
		atomic_store(s->notes_due ? &s->stale : &s->head_stale, true);
	}
	pthread_mutex_unlock(&s->io);
	/* writes the head; if that fails, the next shares_sync() tries again */
	shares_sync(s);
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

/* ---- erasing: by pseudonym ---- */

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
	/* The journal has the record of these erasures, so the record of the next erasure
	 * must not list them. */
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
